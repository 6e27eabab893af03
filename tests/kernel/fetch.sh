#!/usr/bin/env bash
# Fetches Debian kernels, and a qemu that can boot them all, and prints where they are. Nothing is installed and the
# system's package sources stay as they are: lists and packages live in a cache folder, asked of the mirrors that the
# system already uses and checked with Debian's keys.
#
#   fetch.sh kernel 6.12   prints the path of its vmlinuz
#   fetch.sh qemu          prints the path of a command that takes qemu-system-x86_64's arguments
#
# Exit code 3: it cannot be had here (no such mirror, no network, no Debian); the reason is on standard error.
set -euo pipefail

cache=${AFTERIMAGE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/afterimage}/kernels
keys=/usr/share/keyrings/debian-archive-keyring.gpg

absent() { echo "fetch: $*" >&2; exit 3; }

# Kernel by kernel: the suite it is in, and what its package is called; the newest that matches is taken.
suite_of() {
    case $1 in
        5.10) echo 'bullseye-security linux-image-5\.10\.[0-9]+-[0-9]+-cloud-amd64' ;;
        6.1) echo 'bookworm-security linux-image-6\.1\.[0-9]+-[0-9]+-cloud-amd64' ;;
        6.12) echo 'trixie linux-image-6\.12\.[0-9]+\+deb13-cloud-amd64' ;;
        newest) echo 'trixie-backports linux-binary-[0-9]+\.[0-9]+\.[0-9]+\+deb13-cloud-amd64' ;;
        *) absent "there is no kernel $1; there are 5.10, 6.1, 6.12 and newest" ;;
    esac
}

# The mirror that the system uses for Debian, or for its security updates.
mirror() { # mirror SUITE
    local sites found
    sites=$(apt-get indextargets --format '$(SITE) $(ORIGIN) $(RELEASE)' 2> /dev/null | sort -u) || true
    case $1 in
        *-security) found=$(awk '$2 == "Debian" && $3 ~ /-security$/ { print $1; exit }' <<< "$sites") ;;
        *) found=$(awk '$2 == "Debian" && $3 !~ /-security$/ { print $1; exit }' <<< "$sites") ;;
    esac
    [ -n "$found" ] || absent "the system's package sources name no mirror for $1"
    echo "$found"
}

# An APT of its own for some suites: sources, lists and archives; from then on every apt command uses it. What is
# installed is the system's own list, so that only what is missing is fetched. Nothing is ever installed through it.
apt_for() { # apt_for NAME SUITE…
    local home=$cache/apt-$1 suite site; shift
    if [ ! -e "$home/ready" ]; then
        command -v apt-get > /dev/null && [ -e "$keys" ] || absent "Debian's packages can be fetched on Debian only"
        mkdir -p "$home"/{lists/partial,archives/partial}
        : > "$home/sources.list"
        for suite in "$@"; do
            site=$(mirror "$suite")
            echo "deb [arch=amd64 signed-by=$keys] $site $suite main" >> "$home/sources.list"
        done
        cat > "$home/apt.conf" << CONF
Dir::Etc::SourceList "$home/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::State::Lists "$home/lists";
Dir::Cache "$home";
Dir::Cache::Archives "$home/archives";
Debug::NoLocking "1";
APT::Sandbox::User "$(id -un)";
APT::Default-Release "${!#}";
Acquire::Languages "none";
Acquire::Retries "3";
CONF
        APT_CONFIG=$home/apt.conf apt-get update -q > "$home/log" 2>&1 || absent "$*: $(grep '^[EW]:' "$home/log" | head -n 1)"
        : > "$home/ready"
    fi
    export APT_CONFIG=$home/apt.conf
    archives=$home/archives
}

# Fetches packages into $archives and unpacks them into a folder that gets its name only when all of it is there.
unpack() { # unpack FOLDER COMMAND…
    local to=$1 package; shift
    rm -rf "$to.new" "$archives"/*.deb
    mkdir -p "$to.new"
    (cd "$archives" && "$@" > log 2>&1) || absent "$*: $(grep '^E:' "$archives/log" | head -n 1)"
    for package in "$archives"/*.deb; do dpkg-deb -x "$package" "$to.new"; done
    rm -rf "$to" "$archives"/*.deb
    mv "$to.new" "$to"
}

kernel() {
    local suite pattern package image
    read -r suite pattern < <(suite_of "$1") || exit 3
    if [ ! -e "$cache/kernel-$1" ]; then
        apt_for "$suite" "$suite"
        package=$(apt-cache pkgnames linux- | grep -xE "$pattern" | sort -V | tail -n 1)
        [ -n "$package" ] || absent "$suite has no kernel $1"
        [ -d "$cache/$package" ] || unpack "$cache/$package" apt-get download -q "$package"
        ln -sfn "$package" "$cache/kernel-$1"
    fi
    image=$(find -L "$cache/kernel-$1" -name 'vmlinuz*' -type f | head -n 1)
    [ -n "$image" ] || absent "there is no image in $(readlink -f "$cache/kernel-$1")"
    echo "$image"
}

# Guests of 6.12 and later panic now and then under qemu 7.2, which Debian 12 has.
qemu() {
    local version codename
    version=$(qemu-system-x86_64 --version 2> /dev/null | sed -nE 's/.*version ([0-9]+).*/\1/p' | head -n 1) || true
    if [ "${version:-0}" -ge 9 ]; then command -v qemu-system-x86_64; return; fi
    if [ ! -x "$cache/qemu/run" ]; then
        codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
        apt_for qemu "$codename-security" "$codename" "$codename-backports"
        unpack "$cache/qemu" apt-get install -q -y --download-only --no-install-recommends qemu-system-x86
        cat > "$cache/qemu/run" << RUN
#!/bin/sh
export LD_LIBRARY_PATH="$cache/qemu/usr/lib/x86_64-linux-gnu:$cache/qemu/lib/x86_64-linux-gnu"
exec "$cache/qemu/usr/bin/qemu-system-x86_64" -L "$cache/qemu/usr/share/qemu" -L "$cache/qemu/usr/share/seabios" -L /usr/share/seabios "\$@"
RUN
        chmod +x "$cache/qemu/run"
    fi
    echo "$cache/qemu/run"
}

mkdir -p "$cache"
# One at a time: whoever comes second finds what the first fetched.
exec 9> "$cache/lock"
flock 9
case ${1:-} in
    kernel) kernel "${2:?which kernel}" ;;
    qemu) qemu ;;
    *) sed -n '2,/^set/p' "$0" | grep '^#' >&2; exit 2 ;;
esac
