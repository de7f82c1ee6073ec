#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# System packages (through the system's package manager) and the Python environment.
# Does nothing that is done already. Usage: setup.sh VENV
set -eu

venv=$1
here=$(cd "$(dirname "$0")/.." && pwd)
log=$(mktemp)
trap 'rm -f "$log"' EXIT

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'execmem-bench: %s\n' "$*" >&2; exit 3; }

[ "$(uname -m)" = x86_64 ] || die "this machine is $(uname -m): only x86_64 is measured"
command -v apt-get >/dev/null || die "no apt-get: Debian 12 or 13 or Ubuntu is needed"
. /etc/os-release

if [ "$(id -u)" = 0 ]; then root=; elif command -v sudo >/dev/null; then root=sudo
else root=none; fi
as_root() {
    [ "$root" != none ] || die "'$*' needs root: run as root or install sudo"
    # DPkg::Lock::Timeout: another apt may be at work (unattended upgrades).
    $root env DEBIAN_FRONTEND=noninteractive "$@" >"$log" 2>&1 || {
        tail -n 15 "$log" >&2
        die "'$*' failed (above): mend what it names and run make setup again"
    }
}

installed() { dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed; }
known() { [ -n "$(apt-cache madison "$1" 2>/dev/null)" ]; }
missing() {
    list=
    for p in "$@"; do installed "$p" || list="$list${list:+ }$p"; done
    printf '%s' "$list"
}

packages="bc bison build-essential busybox-static ccache clang-14 cpio dwarves flex kmod
 libc6-dev libcap-dev libelf-dev libglib2.0-dev libssl-dev lld-14 llvm-14 lz4 mmdebstrap patch
 pkg-config python3-venv rsync xz-utils zlib1g-dev zstd"
# Only some releases package the base source; elsewhere the kernel stage asks for KERNEL_SRC=.
optional="linux-source-6.1"

updated=
update() {
    [ -n "$updated" ] || { say "reading the package lists"; as_root apt-get update; updated=1; }
}

wanted=$(missing $packages)
if [ -n "$wanted" ]; then
    update
    # Releases later than Debian 12 have a newer clang only.
    for p in clang llvm lld; do
        known "$p-14" || wanted=$(printf '%s' "$wanted" | sed "s/$p-14/$p/")
    done
    say "installing $wanted"
    as_root apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300 $wanted
fi
wanted=$(missing $optional)
if [ -n "$wanted" ] && [ -z "${KERNEL_SRC:-}" ]; then
    known "$wanted" || update
    if known "$wanted"; then
        say "installing $wanted"
        as_root apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300 $wanted
    else
        say "$PRETTY_NAME has no $wanted: give the base kernel as KERNEL_SRC=<tree or tarball>"
    fi
fi

# For COUNTERS=host alone, which says when it is not there. Ubuntu has one for each of its kernels.
if ! command -v perf >/dev/null; then
    known linux-perf || update
    if known linux-perf; then
        say "installing linux-perf"
        as_root apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300 linux-perf
    fi
fi

# The plugin needs QEMU's plugin API 4: QEMU 10.0 or later.
qemu_major() { qemu-system-x86_64 --version 2>/dev/null | sed -n 's/.*version \([0-9]*\).*/\1/p'; }
candidate_major() {
    apt-cache policy qemu-system-x86 | sed -n 's/.*Candidate: \([0-9]*:\)\{0,1\}\([0-9]*\).*/\2/p'
}

# Turns on this release's backports with the mirror and the key of the machine's own entry.
add_backports() {
    target=/etc/apt/sources.list.d/execmem-bench-backports.sources
    entry=$(cat /etc/apt/sources.list.d/*.sources 2>/dev/null |
        awk -v RS= -v suite="$VERSION_CODENAME" '$0 ~ "Suites:[^\n]*" suite "( |\n|$)"' | head -n 40)
    uri=$(printf '%s\n' "$entry" | sed -n 's/^URIs:[[:space:]]*\([^[:space:]]*\).*/\1/p' | head -n 1)
    key=$(printf '%s\n' "$entry" | sed -n 's/^Signed-By:[[:space:]]*//p' | head -n 1)
    if [ -z "$uri" ]; then
        uri=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
            sed -n "s/^deb[[:space:]]\(\[[^]]*\][[:space:]]*\)\{0,1\}\([^[:space:]]*\)[[:space:]]$VERSION_CODENAME[[:space:]].*/\2/p" |
            head -n 1)
        key=/usr/share/keyrings/debian-archive-keyring.gpg
    fi
    [ -n "$uri" ] || die "no apt source for $VERSION_CODENAME found: install QEMU 10 or later yourself"
    case $key in /*) ;; *) key=/usr/share/keyrings/debian-archive-keyring.gpg ;; esac
    say "turning on $VERSION_CODENAME-backports for QEMU"
    printf 'Types: deb\nURIs: %s\nSuites: %s-backports\nComponents: main\nSigned-By: %s\n' \
        "$uri" "$VERSION_CODENAME" "$key" | as_root_write "$target"
    updated=
    update
}
as_root_write() {
    [ "$root" != none ] || die "writing $1 needs root: run as root or install sudo"
    $root tee "$1" >/dev/null
}

major=$(qemu_major)
if [ "${major:-0}" -lt 10 ]; then
    update
    release=
    if [ "$(candidate_major)" -lt 10 ]; then
        [ "$ID" = debian ] && [ "$VERSION_CODENAME" = bookworm ] ||
            die "QEMU 10 or later is needed and $PRETTY_NAME offers $(candidate_major): install it yourself"
        grep -qs "$VERSION_CODENAME-backports" /etc/apt/sources.list /etc/apt/sources.list.d/* || add_backports
        release="-t $VERSION_CODENAME-backports"
    fi
    say "installing qemu-system-x86"
    as_root apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300 $release qemu-system-x86
fi

python=/usr/bin/python3
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    die "$python is $("$python" -V 2>&1): Python 3.11 or later is needed"
[ -x "$venv/bin/python" ] || { say "making the Python environment in $venv"; "$python" -m venv "$venv"; }
stamp="$venv/.requirements"
sum=$(cat "$here/requirements-dev.txt" "$here/pyproject.toml" | sha256sum)
if [ "$(cat "$stamp" 2>/dev/null)" != "$sum" ]; then
    say "installing the locked Python dependencies"
    "$venv/bin/python" -m pip install -q --require-hashes -r "$here/requirements-dev.txt" >"$log" 2>&1 ||
        { tail -n 15 "$log" >&2; die "pip could not install requirements-dev.txt (above)"; }
    "$venv/bin/python" -m pip install -q --no-deps --no-build-isolation -e "$here" >"$log" 2>&1 ||
        { tail -n 15 "$log" >&2; die "pip could not install the program (above)"; }
    printf '%s' "$sum" >"$stamp"
fi
say "ready"
