#!/usr/bin/env bash
# Boots Debian kernels in qemu, without hardware virtualisation, and has one static recorder record the provoke suite and a
# small story in each. Prints a table; the exit code is 0 when every kernel passed, 3 when kernels or qemu cannot be had.
#
#   tests/kernel/matrix.sh             all kernels
#   tests/kernel/matrix.sh 5.10 6.12   some
#
# MATRIX_STATIC (yes): with `no` the programs of target/debug are taken, with their libraries, which saves a build.
# MATRIX_TESTS (provoke,truth): the suites that are run in each. MATRIX_ONLY: tests of these names alone.
# MATRIX_TRIES (2): how often a guest is booted whose kernel did not come to its end. MATRIX_SECONDS (600): for each.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tests/kernel/guest.sh

kernels=("$@")
[ $# -gt 0 ] || kernels=(5.10 6.1 6.12 newest)
suites=${MATRIX_TESTS:-provoke,truth}
out=$PWD/target/kernel-matrix
mkdir -p "$out"

# What cannot be had is said before anything is built.
qemu=$(tests/kernel/fetch.sh qemu)
for kernel in "${kernels[@]}"; do tests/kernel/fetch.sh kernel "$kernel" > /dev/null; done

# One binary for every kernel: static, in a folder of its own, so that other builds are left alone.
built=target/debug
where=()
if [ "${MATRIX_STATIC:-yes}" = yes ]; then
    export CARGO_TARGET_DIR=$PWD/target/static RUSTFLAGS="-C target-feature=+crt-static"
    where=(--target x86_64-unknown-linux-gnu)
    built=target/static/x86_64-unknown-linux-gnu/debug
fi
# The whole workspace: parts of it would have other features, and all would be built once more.
cargo build --quiet "${where[@]}" --workspace --bin afterimage
tests=$(cargo test --quiet --no-run "${where[@]}" --workspace --test provoke --test truth --message-format json \
    | sed -nE 's/.*"name":"(provoke|truth)".*"executable":"([^"]+)".*/\1 \2/p')
unset CARGO_TARGET_DIR RUSTFLAGS

guest_root "$out"
guest_program "$built/afterimage" bin/afterimage
while read -r name path; do guest_program "$path" "tests/$name"; done <<< "$tests"
cc -static -x c -o "$root/tests/true" - <<< 'int main(void) { return 0; }'
# A module that does nothing by itself, where the kernel's package has any.
for kernel in "${kernels[@]}"; do
    folder=$(dirname "$(dirname "$(tests/kernel/fetch.sh kernel "$kernel")")")
    for release in "$folder"/lib/modules/*; do
        module=$(find -L "$release" -name dummy.ko 2> /dev/null | head -n 1) || true
        [ -z "$module" ] || install -D -m 644 "$module" "$root/modules/${release##*/}/dummy.ko"
    done
done
guest_pack tests/kernel/init.sh "$out/initramfs.gz"

# Boots a kernel; the console goes to a file.
boot() { # boot KERNEL LOG
    local image log=$2 capture=${2%.log}.aft
    image=$(tests/kernel/fetch.sh kernel "$1")
    timeout "${MATRIX_SECONDS:-600}" "$qemu" -accel tcg,thread=multi -cpu max -smp 2 -m 1024 -display none -no-reboot -nodefaults \
        -chardev "file,id=console,path=$log" -serial chardev:console -chardev "file,id=capture,path=$capture" -serial chardev:capture \
        -kernel "$image" -initrd "$out/initramfs.gz" -append "console=ttyS0 quiet panic=-1 tests=$suites${MATRIX_ONLY:+ only=$MATRIX_ONLY}" < /dev/null > "$log.qemu" 2>&1 || true
    # The console ends its lines as terminals do.
    sed -i 's/\r//g' "$log"
}

# A guest that does not reach its end says nothing of the recorder: emulated kernels of some versions panic now and then.
try() { # try KERNEL LOG
    local _
    for _ in $(seq "${MATRIX_TRIES:-2}"); do
        boot "$@"
        if grep -q '^@@ done' "$2"; then return; fi
        echo "$1: the guest did not reach its end: $(tail -n 1 "$2" | cut -c 1-200)" >&2
    done
}

word() { sed -nE "s/^@@ $1 //p" "$log" | head -n 1; } # word NAME: what the guest said of it
failed=0
check() { # check WHAT FOUND WANTED
    [ "$2" = "$3" ] && return
    echo "$kernel: $1: ${2:-nothing} instead of $3; see $log" >&2
    failed=1
}

rows=()
for kernel in "${kernels[@]}"; do
    log=$out/$kernel.log
    begun=$(date +%s)
    try "$kernel" "$log"
    took=$(($(date +%s) - begun))
    check "the guest's end" "$(word done > /dev/null && grep -c '^@@ done' "$log")" 1
    for what in doctor story verify; do check "$what" "$(word $what)" 0; done
    check "the file that was read" "$(word read)" 1
    check "control groups of version 1" "$(word legacy)" "0 7 0"
    check "tasks that take turns" "$(word turns)" "0 18000"
    check "programs on a busy CPU" "$(word brief | cut -d ' ' -f 1)" 1
    check "programs of a tree on a busy CPU" "$(word tree | cut -d ' ' -f 1)" 1
    check "steps of the clock" "$(word clock)" "0 ahead back ahead back ahead "
    check "the order of events" "$(word order)" kept
    check "a watch, clock set, host renamed" "$(word watch)" "now 1 1"
    modules="mount:module_request:fs-nosuchfs "
    [ ! -e "$root/modules/$(word kernel)" ] || modules+="insmod:module_load:dummy rmmod:module_free:dummy "
    check "modules" "$(word modules)" "$modules"
    # Outside of the guest the capture is the same.
    check "verify outside" "$("$root/bin/afterimage" verify "$out/$kernel.aft" > "$out/$kernel.verify" 2>&1; echo $?)" 0
    for test in ${suites//,/ }; do check "$test" "$(word $test | cut -d ' ' -f 1)" 0; done
    check "refusals" "$(grep -c '^@@ refused .* pass' "$log" || true)" 5
    check "doctor under lockdown" "$(word locked-doctor)" 1
    rows+=("$(printf '%s|%s|%s|%s|%s|%s' "$kernel" "$(word kernel)" "$(word provoke | cut -d ' ' -f 3-)" "$(word truth | cut -d ' ' -f 3-)" "$(word armed) s" "$took s")")
done

printf '\n%-8s %-26s %-32s %-32s %-8s %s\n' KERNEL RELEASE PROVOKE TRUTH ARMED GUEST
for row in "${rows[@]}"; do
    IFS='|' read -r a b c d e f <<< "$row"
    printf '%-8s %-26s %-32s %-32s %-8s %s\n' "$a" "$b" "$c" "$d" "$e" "$f"
done
for kernel in "${kernels[@]}"; do
    echo "$kernel does not see, by its manifest:"
    "$root/bin/afterimage" info "$out/$kernel.aft" 2> /dev/null | grep -A20 -i 'not covered\|not seen' | sed 's/^/    /' || true
done
exit $failed
