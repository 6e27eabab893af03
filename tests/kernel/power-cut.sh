#!/usr/bin/env bash
# Cuts the power of a machine that records: a guest of qemu, with an ext4 file system on a disk of its own, is killed at some
# moment. What the disk has is then checked like any disk after a power cut, and the capture on it has to open, to be unbroken up
# to its end, and to have all but the last seconds.
#
#   tests/kernel/power-cut.sh [CUTS]      3 unless said otherwise
#
# Takes the program of target/debug. Exit code 3: there is no qemu or no kernel to be had.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tests/kernel/guest.sh

cuts=${1:-3}
out=$PWD/target/power-cut
# Seconds that may be missing before the cut: what is not synced yet, on a machine that is emulated and busy.
most=10
mkdir -p "$out"
PATH=$PATH:/usr/sbin:/sbin
for tool in mkfs.ext4 e2fsck debugfs; do
    command -v "$tool" > /dev/null || { echo "fetch: there is no $tool" >&2; exit 3; }
done
qemu=$(tests/kernel/fetch.sh qemu)
# This one has its file system and its disks built in.
kernel=$(tests/kernel/fetch.sh kernel 5.10)
cargo build --quiet --workspace --bin afterimage
guest_root "$out"
guest_program target/debug/afterimage bin/afterimage
guest_pack tests/kernel/power-init.sh "$out/initramfs.gz"

fail() { echo "power cut $cut: $*; see $out" >&2; exit 1; }
for cut in $(seq "$cuts"); do
    rm -f "$out/disk" "$out/console" "$out/cut.aft"
    truncate -s 256M "$out/disk"
    mkfs.ext4 -q "$out/disk"
    "$qemu" -accel tcg,thread=multi -cpu max -smp 2 -m 1024 -display none -no-reboot -nodefaults \
        -chardev "file,id=console,path=$out/console" -serial chardev:console \
        -drive "file=$out/disk,format=raw,if=none,id=disk" -device nvme,drive=disk,serial=disk \
        -kernel "$kernel" -initrd "$out/initramfs.gz" -append "console=ttyS0 quiet panic=-1" < /dev/null > "$out/qemu" 2>&1 &
    guest=$!
    trap 'kill -9 "$guest" 2> /dev/null || true; rm -rf "$root"' EXIT
    waited=0
    until grep -q '^@@ at' "$out/console" 2> /dev/null; do
        kill -0 "$guest" 2> /dev/null || fail "the guest ended: $(tail -n 1 "$out/console") $(tail -n 1 "$out/qemu")"
        [ $((waited += 1)) -lt 1800 ] || fail "it does not record"
        sleep 0.2
    done
    sleep "$((2 + RANDOM % 8)).$((RANDOM % 10))"
    kill -9 "$guest"
    wait "$guest" 2> /dev/null || true
    cut_at=$(grep -oE '^@@ at [0-9]+' "$out/console" | tail -n 1 | cut -d ' ' -f 3)
    began=$(grep -oE '^@@ at [0-9]+' "$out/console" | head -n 1 | cut -d ' ' -f 3)
    # The journal is gone through, as when it is mounted again.
    e2fsck -fy "$out/disk" > "$out/e2fsck" 2>&1 || [ $? -le 2 ] || fail "e2fsck ended with more than 2"
    debugfs -R "dump /cut.aft $out/cut.aft" "$out/disk" > "$out/debugfs" 2>&1
    [ -s "$out/cut.aft" ] || fail "there is no capture on the disk"
    code=0
    target/debug/afterimage verify "$out/cut.aft" > "$out/verify" 2>&1 || code=$?
    [ "$code" = 3 ] || fail "verify ended with $code: $(head -n 3 "$out/verify")"
    last=$(target/debug/afterimage read "$out/cut.aft" -p '%evt.rawtime.s' 2> "$out/read" | tail -n 1) || true
    events=$(target/debug/afterimage read "$out/cut.aft" --count-only 2>> "$out/read") || true
    missing=$((cut_at - ${last:-0}))
    echo "power cut $cut: after $((cut_at - began)) s: $(head -n 1 "$out/verify"); ${events:-0} events, up to $missing s before"
    [ "$missing" -le "$most" ] || fail "what is on the disk ends $missing s before the cut"
done
