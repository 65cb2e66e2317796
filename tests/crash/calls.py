"""Linux's system calls by their numbers: those that a test tells apart, or that a reader of a failure wants by name."""

from __future__ import annotations

import platform

_X86_64 = {
    0: "read", 1: "write", 2: "open", 3: "close", 4: "stat", 5: "fstat", 6: "lstat", 8: "lseek", 9: "mmap",
    10: "mprotect", 11: "munmap", 12: "brk", 13: "rt_sigaction", 17: "pread64", 18: "pwrite64", 19: "readv",
    20: "writev", 24: "sched_yield", 25: "mremap", 28: "madvise", 39: "getpid", 40: "sendfile", 72: "fcntl",
    73: "flock", 74: "fsync", 75: "fdatasync", 76: "truncate", 77: "ftruncate", 82: "rename", 83: "mkdir", 84: "rmdir",
    85: "creat", 86: "link", 87: "unlink", 88: "symlink", 107: "geteuid", 186: "gettid", 202: "futex",
    217: "getdents64", 228: "clock_gettime", 231: "exit_group", 232: "epoll_wait", 233: "epoll_ctl", 257: "openat",
    258: "mkdirat", 262: "newfstatat", 263: "unlinkat", 264: "renameat", 265: "linkat", 266: "symlinkat",
    277: "sync_file_range", 281: "epoll_pwait", 285: "fallocate", 296: "pwritev", 316: "renameat2",
    326: "copy_file_range", 328: "pwritev2",
}  # fmt: skip
_AARCH64 = {
    21: "epoll_ctl", 22: "epoll_pwait", 25: "fcntl", 32: "flock", 34: "mkdirat", 35: "unlinkat", 36: "symlinkat",
    37: "linkat", 38: "renameat", 45: "truncate", 46: "ftruncate", 47: "fallocate", 56: "openat", 57: "close",
    61: "getdents64", 62: "lseek", 63: "read", 64: "write", 65: "readv", 66: "writev", 67: "pread64", 68: "pwrite64",
    70: "pwritev", 71: "sendfile", 79: "newfstatat", 80: "fstat", 82: "fsync", 83: "fdatasync", 84: "sync_file_range",
    94: "exit_group", 98: "futex", 113: "clock_gettime", 124: "sched_yield", 134: "rt_sigaction", 172: "getpid",
    175: "geteuid", 178: "gettid", 214: "brk", 215: "munmap", 216: "mremap", 222: "mmap", 226: "mprotect",
    233: "madvise", 276: "renameat2", 285: "copy_file_range", 287: "pwritev2",
}  # fmt: skip
NAMES: dict[int, str] = {"x86_64": _X86_64, "aarch64": _AARCH64}.get(platform.machine(), {})
"""Of this machine."""
PRIVATE = {"mmap", "mprotect", "munmap", "brk", "sched_yield", "mremap", "madvise", "futex"}
"""They change nothing but the process's own memory and who of its threads runs."""
LOOKING = {
    "read", "readv", "pread64", "lseek", "stat", "fstat", "lstat", "newfstatat", "getdents64", "fcntl", "getpid",
    "gettid", "geteuid", "clock_gettime", "rt_sigaction", "epoll_wait", "epoll_pwait", "epoll_ctl",
}  # fmt: skip
"""They change nothing that outlasts the process, so a death there leaves what one after the last other call left."""
