/*
 * What xenstored and oxenstored ask of a hypervisor, answered from a folder: preloaded into an unmodified daemon, it
 * lets the daemon run as a plain process.
 *
 * XENSTORED_SHIM      the folder. In it: `socket` (what oxenstored puts at a fixed path), `events` (a FIFO; every four
 *                     bytes are the port of an event channel that was notified), `ring.<domid>` (a page shared with
 *                     that domain), `xsd_port`, `xsd_kva` (what the kernel has under /proc/xen).
 * XENSTORED_DIES_WITH_PARENT   if set, so it does.
 * XENSTORED_DOMAINS   the domains that exist: " 1 2 3 ", with blanks around each. Domain 0 always does.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define RUN "/run/xenstored" /* or /var before it */
#define PAGE 4096
#define VIRQ_PORT 1

static const char *in_folder(const char *name, char *buffer, size_t size)
{
    const char *folder = getenv("XENSTORED_SHIM");
    if (!folder || snprintf(buffer, size, "%s/%s", folder, name) >= (int)size) {
        fprintf(stderr, "xenstored_shim: XENSTORED_SHIM is not set, or too long\n");
        abort();
    }
    return buffer;
}

__attribute__((constructor)) static void begin(void)
{
    if (getenv("XENSTORED_DIES_WITH_PARENT"))
        prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* ---- libxenctrl: which domains there are. Only the head of xc_dominfo_t is known here: domid, ssidref, flags. */

static int exists(uint32_t domid)
{
    char word[16];
    const char *all = getenv("XENSTORED_DOMAINS");
    snprintf(word, sizeof word, " %u ", domid);
    return domid == 0 || (all && strstr(all, word));
}

void *xc_interface_open(void *log, void *domain_log, unsigned flags)
{
    static int handle;
    (void)log, (void)domain_log, (void)flags;
    return &handle;
}

int xc_interface_close(void *handle) { (void)handle; return 0; }

int xc_domain_getinfo(void *handle, uint32_t first, unsigned max, void *info)
{
    uint32_t *head = info;
    (void)handle;
    if (!max || !exists(first))
        return 0;
    head[0] = first;
    head[1] = head[2] = 0;
    return 1;
}

/* ---- the page that a domain shares with xenstored: libxengnttab for xenstored, libxenctrl for oxenstored */

static void *ring(uint32_t domid)
{
    char name[32], path[4096];
    void *page;
    int fd;
    snprintf(name, sizeof name, "ring.%u", domid);
    fd = open(in_folder(name, path, sizeof path), O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return page == MAP_FAILED ? NULL : page;
}

void *xc_map_foreign_range(void *handle, uint32_t domid, int size, int prot, unsigned long frame)
{
    (void)handle, (void)size, (void)prot, (void)frame;
    return ring(domid);
}

void *xengnttab_open(void *log, unsigned flags) { return xc_interface_open(log, NULL, flags); }
int xengnttab_close(void *handle) { (void)handle; return 0; }
int xengnttab_set_max_grants(void *handle, uint32_t count) { (void)handle, (void)count; return 0; }
int xengnttab_unmap(void *handle, void *page, uint32_t count) { (void)handle; return munmap(page, PAGE * count); }

void *xengnttab_map_grant_ref(void *handle, uint32_t domid, uint32_t reference, int prot)
{
    (void)handle, (void)reference, (void)prot;
    return ring(domid);
}

/* ---- libxenevtchn: the local port is the remote one; what is pending is read from the FIFO */

static int *events(void)
{
    static int fd = -1;
    char path[4096];
    if (fd < 0)
        fd = open(in_folder("events", path, sizeof path), O_RDWR | O_NONBLOCK | O_CLOEXEC);
    return fd < 0 ? NULL : &fd;
}

void *xenevtchn_open(void *log, unsigned flags) { (void)log, (void)flags; return events(); }
void *xenevtchn_fdopen(void *log, int fd, unsigned flags) { (void)log, (void)fd, (void)flags; return events(); }
int xenevtchn_close(int *handle) { (void)handle; return 0; }
int xenevtchn_fd(int *handle) { return *handle; }
int xenevtchn_notify(int *handle, uint32_t port) { (void)handle, (void)port; return 0; }
int xenevtchn_unmask(int *handle, uint32_t port) { (void)handle, (void)port; return 0; }
int xenevtchn_unbind(int *handle, uint32_t port) { (void)handle, (void)port; return 0; }
int xenevtchn_bind_virq(int *handle, unsigned virq) { (void)handle, (void)virq; return VIRQ_PORT; }
int xenevtchn_bind_interdomain(int *handle, uint32_t domid, uint32_t port) { (void)handle, (void)domid; return port; }

int xenevtchn_pending(int *handle)
{
    uint32_t port;
    if (read(*handle, &port, sizeof port) == sizeof port)
        return port;
    errno = EAGAIN;
    return -1;
}

/* ---- libc: files at fixed paths are looked for in the folder instead */

static const char *in_run(const char *path)
{
    path += strncmp(path, "/var/", 5) ? 0 : 4;
    return strncmp(path, RUN, sizeof RUN - 1) ? NULL : path + sizeof RUN - 1;
}

static int is_socket(const char *path)
{
    const char *rest = in_run(path);
    return rest && !strcmp(rest, "/socket");
}

static const char *moved(const char *path, char *buffer, size_t size)
{
    if (!strncmp(path, "/proc/xen/", 10))
        return in_folder(path + 10, buffer, size);
    return is_socket(path) ? in_folder("socket", buffer, size) : path;
}

int open(const char *path, int flags, ...)
{
    static int (*real)(const char *, int, ...);
    char buffer[4096];
    va_list rest;
    mode_t mode = 0;
    if (!real)
        real = dlsym(RTLD_NEXT, "open");
    va_start(rest, flags);
    if (flags & (O_CREAT | __O_TMPFILE))
        mode = va_arg(rest, mode_t);
    va_end(rest);
    return real(moved(path, buffer, sizeof buffer), flags, mode);
}

int unlink(const char *path)
{
    static int (*real)(const char *);
    char buffer[4096];
    if (!real)
        real = dlsym(RTLD_NEXT, "unlink");
    return real(moved(path, buffer, sizeof buffer));
}

int mkdir(const char *path, mode_t mode)
{
    static int (*real)(const char *, mode_t);
    if (!real)
        real = dlsym(RTLD_NEXT, "mkdir");
    return in_run(path) ? 0 : real(path, mode);
}

int bind(int fd, const struct sockaddr *address, socklen_t size)
{
    static int (*real)(int, const struct sockaddr *, socklen_t);
    const struct sockaddr_un *local = (const void *)address;
    struct sockaddr_un other = {.sun_family = AF_UNIX};
    if (!real)
        real = dlsym(RTLD_NEXT, "bind");
    if (address->sa_family != AF_UNIX || !is_socket(local->sun_path))
        return real(fd, address, size);
    in_folder("socket", other.sun_path, sizeof other.sun_path);
    return real(fd, (const void *)&other, sizeof other);
}

/* oxenstored asks for more files than a plain process may have, and gives up when it gets none. */
int setrlimit(__rlimit_resource_t resource, const struct rlimit *limit)
{
    static int (*real)(__rlimit_resource_t, const struct rlimit *);
    if (!real)
        real = dlsym(RTLD_NEXT, "setrlimit");
    if (real(resource, limit))
        fprintf(stderr, "xenstored_shim: setrlimit %d refused, and gone on without\n", (int)resource);
    return 0;
}
