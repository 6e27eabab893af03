#!/usr/bin/env python3
"""What a disk may hold whose power goes at some moment, from a log of what was written to it.

A disk that was told to flush has what was written before. Of what came after it may have any part, and of a write that was on its way
a beginning, in whole pieces of 4 KiB: no file system here survives half of its own first block. The log is that of qemu's `blklogwrites`, whose form is that of Linux' dm-log-writes
(Documentation/admin-guide/device-mapper/log-writes.rst): blocks of 512 bytes; the first has magic, version, number of entries
and size of a block; each entry has a block for its head (block, number of blocks, flags, length of its text), then its data.

  moments.py watch LOG TIMES            until it is killed: how long the log is at which second, a line each
  moments.py cut IMAGE LOG TIMES FROM UNTIL COUNT SEED PROGRAM FOLDER
      COUNT moments between two seconds. Of each: the disk as it may be is mounted (its file system goes through its journal), and the
      capture on it has to open, to be unbroken up to its end, to say that it was not sealed, and to have all but the last ten seconds.
"""

import os
import random
import shutil
import struct
import subprocess
import sys
import time

BLOCK = 512
# What a disk writes as a whole or not at all.
PIECE = 4096
MAGIC = 0x6A736677736872
FLUSH, FUA, DISCARD, MARK = 1, 2, 4, 8
# Seconds that may be missing before the cut: what is not synced yet, on a machine that is emulated and busy.
MOST = 10


def watch(log, times):
    """Says how long the log is, and when."""
    with open(times, "w", buffering=1) as out:
        while True:
            out.write(f"{time.time():.2f} {os.path.getsize(log)}\n")
            time.sleep(0.05)


def entries(path):
    """Each entry that is whole: where it ends in the log, its flags, where it goes to on the disk, where its data are, their length."""
    end = os.path.getsize(path)
    with open(path, "rb") as log:
        magic, version, _, size = struct.unpack("<QQQI", log.read(28))
        if (magic, version, size) != (MAGIC, 1, BLOCK):
            sys.exit(f"{path}: not a log of writes: {magic:x}, version {version}, blocks of {size}")
        at = BLOCK
        # The number in the first block is of a moment ago; a block of zeros is none that was written.
        while at + BLOCK <= end:
            log.seek(at)
            block, count, flags, _ = struct.unpack("<QQQQ", log.read(32))
            if (block, count, flags) == (0, 0, 0):
                break
            data = at + BLOCK
            length = 0 if flags & DISCARD else count * BLOCK
            if data + length > end:
                break
            at = data + length
            yield at, flags, block * BLOCK, data, length


class Disk:
    """A disk as it was formatted, and what is surely on it after each entry."""

    def __init__(self, image, log, durable):
        shutil.copyfile(image, durable)
        self.path = durable
        self.log = open(log, "rb")
        self.loose = []

    def put(self, path, wanted):
        with open(path, "r+b") as disk:
            for at, data, length in wanted:
                self.log.seek(data)
                disk.seek(at)
                disk.write(self.log.read(length))

    def take(self, flags, at, data, length):
        """Takes in one entry. What is flushed is there for good."""
        if flags & FLUSH:
            self.put(self.path, [write[:3] for write in self.loose])
            self.loose = []
        if length:
            self.loose.append((at, data, length, bool(flags & FUA)))

    def may_be(self, path, luck):
        """One of the disks that may be left, in a file."""
        subprocess.run(["cp", "--sparse=always", self.path, path], check=True)
        kept = []
        for at, data, length, sure in self.loose:
            if sure:
                kept.append((at, data, length))
            elif luck.random() < 0.5:
                torn = length > PIECE and luck.random() < 0.25
                kept.append((at, data, luck.randrange(PIECE, length, PIECE) if torn else length))
        self.put(path, kept)
        return len(self.loose) - len(kept)


def timed(log, times):
    """Each entry, and the second by which it was there."""
    with open(times) as lines:
        seen = [(float(at), int(length)) for at, length in (line.split() for line in lines)]
    at = 0
    for end, *entry in entries(log):
        while at < len(seen) and seen[at][1] < end:
            at += 1
        if at == len(seen):
            return
        yield seen[at][0], entry


def run(program, *arguments):
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def check(program, capture, at):
    """What is wrong with a capture, or nothing; how many events it has, and how long before the moment it ends, in seconds."""
    if not os.path.exists(capture):
        return "there is no capture", 0, 0
    code, said, errors = run(program, "verify", capture)
    if code != 3 or "intact" not in said:
        return f"verify ended with {code}: {said} {errors}", 0, 0
    code, events, errors = run(program, "read", capture, "-p", "%evt.rawtime.s")
    if code not in (0, 3):
        return f"read ended with {code}: {errors}", 0, 0
    lines = events.split()
    missing = at - int(lines[-1]) if lines else at
    return f"it ends {missing:.0f} s before" if missing > MOST else "", len(lines), missing


def cut(image, log, times, since, until, count, seed, program, folder):
    luck = random.Random(seed)
    written = list(timed(log, times))
    between = [number for number, (at, _) in enumerate(written) if since <= at <= until]
    if not between:
        sys.exit(f"{log}: nothing was written between {since} and {until}")
    disk = Disk(image, log, f"{folder}/durable")
    one, place = f"{folder}/maybe", f"{folder}/mounted"
    taken, worst, left_out = 0, 0, 0
    for number, moment in enumerate(sorted(luck.choices(between, k=count)), 1):
        while taken <= moment:
            disk.take(*written[taken][1])
            taken += 1
        gone = disk.may_be(one, luck)
        at = written[moment][0]
        mounted = subprocess.run(["mount", "-o", "loop", one, place], capture_output=True, text=True, check=False)
        if mounted.returncode != 0:
            sys.exit(f"moment {number}, seed {seed}: its file system does not mount: {mounted.stderr}; see {one}")
        try:
            wrong, events, missing = check(program, f"{place}/cut.aft", at)
        finally:
            subprocess.run(["umount", place], check=True)
        if wrong:
            sys.exit(f"moment {number} of {count}, write {moment}, seed {seed}: {wrong}; see {one}")
        worst, left_out = max(worst, missing), left_out + (gone > 0)
        if os.environ.get("MOMENTS_ALL"):
            print(f"  write {moment}: {gone} of {len(disk.loose)} gone; {events} events, up to {missing:.1f} s before", flush=True)
    print(f"  {count} moments among {len(between)} writes, some of them gone at {left_out}: all intact, up to {worst:.1f} s before at the most")


def main(arguments):
    match arguments:
        case ["watch", log, times]:
            watch(log, times)
        case ["cut", image, log, times, since, until, count, seed, program, folder]:
            cut(image, log, times, float(since), float(until), int(count), int(seed), program, folder)
        case _:
            sys.exit(__doc__)


main(sys.argv[1:])
