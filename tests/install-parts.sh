#!/bin/sh
# The real parts the tests stand beside: spin (and a C compiler, which builds its verifiers), and C xenstored and
# oxenstored (and a C compiler, which builds the shim that they run under).
missing=""
command -v spin >/dev/null 2>&1 || missing="$missing spin"
command -v gcc >/dev/null 2>&1 || missing="$missing gcc"

has_xenstored() {
    for name in xenstored oxenstored; do
        found=""
        for file in /usr/lib/xen-*/bin/$name /usr/lib/xen-*/sbin/$name; do
            [ -x "$file" ] && found=yes
        done
        [ -n "$found" ] || return 1
    done
}
xen=""
has_xenstored || xen=yes
[ -z "$missing$xen" ] && exit 0

if command -v apt-get >/dev/null 2>&1; then
    sudo=""
    [ "$(id -u)" = 0 ] || sudo="sudo -n"
    install() {
        packages="$missing"
        if [ -n "$xen" ]; then
            # Debian has one Xen at a time, and its version in the package's name: xen-utils-4.17 in bookworm.
            utils=$(apt-cache pkgnames xen-utils- | grep -E '^xen-utils-[0-9.]+$' | sort -V | tail -n 1)
            packages="$packages ${utils:-xen-utils-4.17}"
        fi
        # shellcheck disable=SC2086
        DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -q --no-install-recommends $packages >/dev/null 2>&1 &&
            { [ -z "$xen" ] || has_xenstored; }
    }
    # The package lists may be old: try as they are, then once more with new ones.
    install || { $sudo apt-get update -q >/dev/null 2>&1 && install; }
fi

lacking=0
for part in $missing; do
    command -v "$part" >/dev/null 2>&1 && continue
    echo "NOT TESTED: the cross-check against spin, for want of $part (Debian: apt-get install$missing)" >&2
    [ "$part" = gcc ] && echo "NOT TESTED: anything on a real xenstored, for want of gcc" >&2
    lacking=1
done
has_xenstored || {
    echo "NOT TESTED: anything on a real xenstored or oxenstored (Debian: apt-get install xen-utils-4.17)" >&2
    lacking=1
}
[ "$lacking" = 1 ] && [ "$CI" = true ] && exit 1
exit 0
