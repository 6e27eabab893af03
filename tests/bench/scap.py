#!/usr/bin/env python3
"""How fast captures of sysdig are read, beside sysdig itself.

usage: scap.py AFTERIMAGE CAPTURE.scap [EVENTS]

Repeats the events of a capture, with instants that go on, until there are EVENTS (2,000,000), plain and with gzip. Each
command runs three times and the fastest counts; memory is the largest resident set. Processor time is that of all threads.
A question that few events answer is asked without a converted copy, then with one being made, then with one.
"""
import gzip
import os
import struct
import sys
import tempfile
import time

EVENT = {0x204, 0x208, 0x216}
FLAGGED = {0x207, 0x209, 0x217}


def blocks(data):
    at = 0
    while at + 12 <= len(data):
        kind, size = struct.unpack_from("<II", data, at)
        yield kind, data[at : at + size]
        at += size


def grow(source, plain, packed, wanted):
    raw = open(source, "rb").read()
    raw = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    head, events = [], []
    for kind, block in blocks(raw):
        if kind in EVENT or kind in FLAGGED:
            events.append((10 if kind in EVENT else 14, bytearray(block)))
        elif not events:
            head.append(block)
    instants = [struct.unpack_from("<Q", block, at)[0] for at, block in events]
    known = [instant for instant in instants if 0 < instant < 1 << 62]
    span = max(known) - min(known) + 1000
    written = 0
    with open(plain, "wb") as out, gzip.open(packed, "wb", 3) as zipped:
        for to in (out, zipped):
            to.write(b"".join(head))
        turn = 0
        while written < wanted:
            for (at, block), instant in zip(events, instants):
                struct.pack_into("<Q", block, at, (instant + turn * span) % (1 << 64))
            turn += 1
            written += len(events)
            body = b"".join(block for _, block in events)
            out.write(body)
            zipped.write(body)
    return written


def run(command, times=3):
    best = None
    for _ in range(times):
        begun = time.monotonic()
        child = os.fork()
        if child == 0:
            null = os.open("/dev/null", os.O_WRONLY)
            os.dup2(null, 1)
            os.dup2(null, 2)
            os.execvp(command[0], command)
        _, status, usage = os.wait4(child, 0)
        took = time.monotonic() - begun
        if os.waitstatus_to_exitcode(status) not in (0, 3):
            sys.exit(f"{' '.join(command)}: {status}")
        if best is None or took < best[0]:
            best = (took, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
        if took > 60:
            break
    return best


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    ours, source = sys.argv[1:3]
    wanted = int(sys.argv[3]) if len(sys.argv) > 3 else 2_000_000
    with tempfile.TemporaryDirectory() as folder:
        plain, packed = f"{folder}/big.scap", f"{folder}/big.scap.gz"
        os.environ["AFTERIMAGE_CACHE"] = f"{folder}/cache"
        events = grow(source, plain, packed, wanted)
        sizes = [os.path.getsize(path) >> 20 for path in (plain, packed)]
        print(f"{events:,} events, {sizes[0]} MiB plain, {sizes[1]} MiB gzip")
        few = ["evt.type=execve", "and", "proc.name=none"]
        for name, path in (("plain", plain), ("gzip", packed)):
            converted = f"{folder}/big.aft"

            def convert():
                took = []
                for _ in range(3):
                    if os.path.exists(converted):
                        os.remove(converted)
                    begun = time.monotonic()
                    child = os.spawnvp(os.P_NOWAIT, ours, [ours, "convert", "--no-sign", path, converted])
                    _, _, usage = os.wait4(child, 0)
                    spent = time.monotonic() - begun
                    took.append((spent, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024))
                return min(took)

            rows = [
                ("sysdig, printing", run(["sysdig", "-r", path])),
                ("ours, printing", run([ours, "read", path])),
                ("sysdig, few hits", run(["sysdig", "-r", path, *few])),
                ("ours, few hits, no copy", run([ours, "read", "--no-cache", path, *few])),
                ("ours, few hits, first", run([ours, "read", path, *few], 1)),
                ("ours, few hits, again", run([ours, "read", path, *few])),
                ("ours, conversion", convert()),
                ("ours, converted, printing", run([ours, "read", converted])),
                ("ours, converted, few hits", run([ours, "read", converted, *few])),
            ]
            for what, (took, busy, memory) in rows:
                rate = events / took / 1e6
                print(f"{name}: {what}: {took:.2f} s ({busy:.2f} s of processor), {rate:.2f} M events/s, {memory:.0f} MiB")


if __name__ == "__main__":
    main()
