#!/usr/bin/env bash
# Cuts the power of a machine that records: a guest of qemu, with a file system on a disk of its own, is killed at some
# moment. What the disk has is then mounted like any disk after a power cut, and the capture on it has to open, to be unbroken up
# to its end, and to have all but the last seconds. All that was written to that disk is known: so it is then cut at many more
# moments of the same recording, and of what was not flushed by then only some is there, as with a real disk (moments.py).
#
#   tests/kernel/power-cut.sh [MOMENTS] [WAY…]      10 moments each, ext4, unless said otherwise
#
# Ways: ext4, xfs, btrfs; drop_writes and error_writes: ext4 on a disk that for five of ten seconds loses what is written to it, and
# says nothing, or says so (dm-flakey). Such a disk is not cut at other moments: a capture on it must never pass for whole, and a
# recorder that is told has to say so and to end.
#
# Takes the program of target/debug. Exit code 3: there is no qemu, no kernel to be had, or nobody may mount here.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tests/kernel/guest.sh

moments=${1:-10}
shift || true
ways=("$@")
[ $# -gt 0 ] || ways=(ext4)
out=$PWD/target/power-cut
mkdir -p "$out/mounted"
PATH=$PATH:/usr/sbin:/sbin
[ "$(id -u)" = 0 ] || { echo "fetch: mounting a disk needs root" >&2; exit 3; }
losetup -f > /dev/null 2>&1 || { echo "fetch: there is no loop device" >&2; exit 3; }
qemu=$(tests/kernel/fetch.sh qemu)
# This one has its disks built in, and what else is needed as modules.
kernel=$(tests/kernel/fetch.sh kernel 5.10)
for way in "${ways[@]}"; do
    case $way in
        ext4) needs=(mkfs.ext4) ;;
        xfs | btrfs) needs=("mkfs.$way") ;;
        drop_writes | error_writes) needs=(mkfs.ext4 e2fsck dmsetup) ;;
        *) echo "power cut: there is no way $way" >&2; exit 2 ;;
    esac
    for tool in "${needs[@]}" depmod; do
        command -v "$tool" > /dev/null || { echo "fetch: there is no $tool" >&2; exit 3; }
    done
done
cargo build --quiet --workspace --bin afterimage
# A copy: it may be built anew meanwhile.
program=$out/afterimage
cp target/debug/afterimage "$program"
guest_root "$out"
guest_program "$program" bin/afterimage
guest_program "$(command -v dmsetup || command -v true)" bin/dmsetup
guest_modules "$kernel" fs/xfs fs/btrfs drivers/md crypto lib arch/x86/crypto
guest_pack tests/kernel/power-init.sh "$out/initramfs.gz"

fail() { echo "power cut: $way: $*; see $out" >&2; exit 1; }
console() { [ ! -e "$out/console" ] || tr -d '\r' < "$out/console"; }
# What the guest said first or last of that kind: head or tail.
said() { console | { grep -oE "^@@ $2.*" || true; } | "$1" -n 1 | sed "s/^@@ $2 *//"; }
guest='' watcher=''
stop() {
    kill -9 $guest $watcher 2> /dev/null || true
    umount "$out/mounted" 2> /dev/null || true
    rm -rf "$root"
}
trap stop EXIT

# Until something is so, or the guest has ended; 6 minutes at the most.
wait_for() { # wait_for WHAT COMMAND…
    local what=$1 waited=0; shift
    until "$@"; do
        kill -0 "$guest" 2> /dev/null || { "$@" && return; fail "the guest ended before $what: $(console | tail -n 2) $(tail -n 1 "$out/qemu")"; }
        [ $((waited += 1)) -lt 1800 ] || fail "$what did not come about"
        sleep 0.2
    done
}
began() { [ -n "$(said head at)" ]; }
ended() { [ -n "$(said head ended:)" ]; }
is_off() { ! kill -0 "$guest" 2> /dev/null; }
went_on() { [ $(($(date +%s) - $(said head at))) -ge "$seconds" ]; }

for way in "${ways[@]}"; do
    system=$way flaky=
    case $way in *_writes) system=ext4 flaky=$way ;; esac
    rm -f "$out"/{disk,fresh,log,times,console,durable,maybe}
    truncate -s 384M "$out/fresh"
    "mkfs.$system" -q "$out/fresh" > "$out/mkfs" 2>&1 || fail "mkfs: $(tail -n 1 "$out/mkfs")"
    cp --sparse=always "$out/fresh" "$out/disk"
    : > "$out/log"
    "$qemu" -accel tcg,thread=multi -cpu max -smp 2 -m 1024 -display none -no-reboot -nodefaults \
        -chardev "file,id=console,path=$out/console" -serial chardev:console \
        -blockdev "file,node-name=under,filename=$out/disk" -blockdev "file,node-name=kept,filename=$out/log" \
        -blockdev "blklogwrites,node-name=disk,file=under,log=kept,log-sector-size=512" -device nvme,drive=disk,serial=disk \
        -kernel "$kernel" -initrd "$out/initramfs.gz" -append "console=ttyS0 quiet panic=-1 system=$system ${flaky:+flaky=$flaky}" < /dev/null > "$out/qemu" 2>&1 &
    guest=$!
    tests/kernel/moments.py watch "$out/log" "$out/times" &
    watcher=$!
    wait_for "it records" began
    # With many moments there is more to cut in.
    seconds=$((10 + (moments < 40 ? moments : 40) / 2 + RANDOM % 5))
    [ -z "$flaky" ] || seconds=$((20 + RANDOM % 10))
    if [ "$flaky" = error_writes ]; then
        wait_for "it says that it cannot write" ended
        # It turns itself off then; before, it may not have said all.
        wait_for "it is off" is_off
    else
        wait_for "$seconds s of recording" went_on
        ended && fail "it ended: $(said head ended:)"
        sleep "0.$((RANDOM % 10))"
    fi
    [ "$flaky" = error_writes ] || kill -9 "$guest" 2> /dev/null || fail "the guest ended before its power was cut: $(console | tail -n 2) $(tail -n 1 "$out/qemu")"
    cut_at=$(date +%s)
    kill -9 "$watcher"
    wait "$guest" "$watcher" 2> /dev/null || true
    # A disk that lost what it was to have kept is repaired first.
    [ -z "$flaky" ] || e2fsck -fy "$out/disk" > "$out/e2fsck" 2>&1 || [ $? -le 2 ] || fail "e2fsck ended with more than 2"
    mount -o loop "$out/disk" "$out/mounted"
    code=0
    "$program" verify "$out/mounted/cut.aft" > "$out/verify" 2>&1 || code=$?
    last=$("$program" read "$out/mounted/cut.aft" -p '%evt.rawtime.s' 2> "$out/read" | tail -n 1) || true
    umount "$out/mounted"
    from=$(said head at)
    until=$(said tail at)
    echo "power cut: $way, after $((until - from)) s: $(head -n 1 "$out/verify"); up to $((until - ${last:-0})) s before"
    case $flaky in
        error_writes)
            echo "  it said: $(said head ended:)"
            [[ "$(said head ended:)" == *cut.aft* ]] || fail "it does not say what it could not write"
            [ "$code" = 3 ] || fail "verify ended with $code: $(head -n 3 "$out/verify")"
            ;;
        drop_writes)
            # What a disk says it has and has not cannot be known before it is read.
            [ "$code" = 3 ] || [ "$code" = 4 ] || fail "verify ended with $code: $(head -n 3 "$out/verify")"
            ;;
        *)
            [ "$code" = 3 ] || fail "verify ended with $code: $(head -n 3 "$out/verify")"
            [ $((until - ${last:-0})) -le 10 ] || fail "what is on the disk ends $((until - ${last:-0})) s before the cut"
            tests/kernel/moments.py cut "$out/fresh" "$out/log" "$out/times" $((from + 10)) "$cut_at" "$moments" "$RANDOM" "$program" "$out"
            ;;
    esac
done
