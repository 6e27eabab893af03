#!/usr/bin/env python3
"""What the index costs and what it is worth: making it, its size, searches with it warm and cold, beside going through the
capture, and beside sysdig and `sysdig | rg` over the same capture as .scap.

    search.py AFTERIMAGE CAPTURE.aft [CAPTURE.scap] [--many N]

Prints a table in Markdown. Times of searches are of whole processes. Nothing but the index is written, beside the capture;
--many copies a small capture N times into a temporary folder and asks all of them.
"""

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

QUERIES = ["passwd", "python*", "cur1~1", "/usr/bin/*", "127.0.0.0/8", "needle-that-is-not-there", "shadow AND NOT bash", "re:lib[a-z]+crypto"]
NEEDLE = "proc.name=needle-that-is-not-there"


def run(*args, **more):
    began = time.perf_counter()
    done = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, **more)
    return time.perf_counter() - began, done


def forget(path):
    """Asks the kernel to drop what it keeps of a file."""
    file = os.open(path, os.O_RDONLY)
    os.fsync(file)
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(file)


def percentile(times, share):
    times = sorted(times)
    return times[min(len(times) - 1, int(len(times) * share))]


def row(what, value):
    print(f"| {what} | {value} |", flush=True)


def main():
    args = sys.argv[1:]
    many = int(args[args.index("--many") + 1]) if "--many" in args else 0
    if many:
        at = args.index("--many")
        del args[at : at + 2]
    binary, capture = os.path.abspath(args[0]), os.path.abspath(args[1])
    scap = os.path.abspath(args[2]) if len(args) > 2 else None
    print("| What | Figure |\n|---|---:|")
    size = os.path.getsize(capture)
    _, done = run(binary, "read", "--count-only", capture)
    events = int(done.stdout)
    row("events", f"{events:,}")
    row("bytes of the capture", f"{size:,}")
    took, done = run(binary, "index", "--anew", capture)
    if done.returncode not in (0, 3):
        sys.exit(done.stderr.decode(errors="replace"))
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    row("making the index, s", f"{took:.2f}")
    row("events a second", f"{events / took:,.0f}")
    row("most memory of any child so far, MiB", f"{used.ru_maxrss / 1024:.0f}")
    index = capture + ".idx"
    row("bytes of the index", f"{os.path.getsize(index):,}")
    row("of the capture, percent", f"{100 * os.path.getsize(index) / size:.1f}")
    row("bytes an event", f"{os.path.getsize(index) / events:.3f}")
    row("things", done.stdout.decode().split(": ", 1)[1].split(" thing")[0])
    empty = statistics.median(run(binary, "--version")[0] for _ in range(20))
    row("a process that does nothing, ms", f"{1000 * empty:.1f}")
    warm, cold = [], []
    for query in QUERIES:
        times = [run(binary, "search", "-q", capture, query)[0] for _ in range(25)]
        warm += times
        for _ in range(5):
            forget(capture)
            forget(index)
            cold.append(run(binary, "search", "-q", capture, query)[0])
        row(f"`{query}`, warm, middle, ms", f"{1000 * statistics.median(times):.1f}")
    row("all of them, warm, p99, ms", f"{1000 * percentile(warm, 0.99):.1f}")
    row("all of them, cold, p99, ms", f"{1000 * percentile(cold, 0.99):.1f}")
    took, _ = run(binary, "search", "-q", "--no-index", capture, QUERIES[0])
    row(f"`{QUERIES[0]}` without the index, s", f"{took:.2f}")
    with_index, _ = run(binary, "read", "--count-only", capture, NEEDLE)
    row("a filter with no hits, with the index, ms", f"{1000 * with_index:.1f}")
    if scap:
        took, _ = run("sysdig", "-r", scap, NEEDLE)
        row("the filter by sysdig over the same as .scap, s", f"{took:.2f}")
        row("times as long as with the index", f"{took / with_index:,.0f}")
        piped = f"sysdig -r {scap!r} | rg needle-that-is-not-there"
        took, _ = run("sh", "-c", piped)
        row("`sysdig -r … \\| rg`, s", f"{took:.2f}")
        search = statistics.median(run(binary, "search", "-q", capture, QUERIES[5])[0] for _ in range(9))
        row("times as long as `search`", f"{took / search:,.0f}")
    if many:
        small = os.path.join(os.path.dirname(__file__), "../../samples/v1/break-in.aft")
        folder = tempfile.mkdtemp()
        try:
            for at in range(many):
                shutil.copy(small, os.path.join(folder, f"{at:06}.aft"))
            took, _ = run(binary, "index", "-q", folder)
            row(f"making {many:,} small indexes, s", f"{took:.1f}")
            run(binary, "search", folder)
            took, _ = run(binary, "search", folder)
            row("their catalogue, warm, s", f"{took:.2f}")
            took, _ = run(binary, "search", "-q", folder, "shadow")
            row("a word in all of them, s", f"{took:.2f}")
        finally:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
