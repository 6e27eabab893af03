#!/usr/bin/env python3
"""What the index costs and what it is worth: making it, its size, searches with it warm and cold, beside going through the
capture, and beside sysdig and `sysdig | rg` over the same capture as .scap.

    search.py AFTERIMAGE CAPTURE.aft [CAPTURE.scap]
    search.py AFTERIMAGE --many N

Prints a table in Markdown. Times of searches are of whole processes, by the clock and, in brackets, of CPU, which says more on a
busy machine. Where `cargo build --release --workspace --example asks` has made it, queries are asked of an index that is open, too.
Nothing but the index is written, beside the capture; --many makes N small captures, copies of slices of the samples, in a temporary
folder and asks all of them. The .scap may be of a shorter capture than the .aft: sysdig's times grow with its length, so they are
told for an event, too.
"""

import os
import resource
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

QUERIES = ["passwd", "python*", "cur1~1", "/usr/bin/*", "127.0.0.0/8", "needle-that-is-not-there", "shadow AND NOT bash", "re:lib[a-z]+crypto"]
NEEDLE = "proc.name=needle-that-is-not-there"
SAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../samples/v1")


def run(*args, **more):
    """Seconds by the clock, seconds of CPU, and what came of it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    done = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, **more)
    took = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return took, cpu, done


def must(*args):
    took, cpu, done = run(*args)
    if done.returncode not in (0, 3):
        sys.exit(f"{args}: {done.stderr.decode(errors='replace')}")
    return took, cpu, done


def forget(path):
    """Asks the kernel to drop what it keeps of a file."""
    file = os.open(path, os.O_RDONLY)
    os.fsync(file)
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(file)


def percentile(times, share):
    times = sorted(times)
    return times[min(len(times) - 1, int(len(times) * share))]


def ms(seconds):
    return f"{1000 * seconds:.1f}"


def several(times, *args):
    """The middle by the clock and of CPU of so many runs."""
    done = [run(*args) for _ in range(times)]
    return statistics.median(one[0] for one in done), statistics.median(one[1] for one in done)


def both(pair):
    return f"{ms(pair[0])} ({ms(pair[1])})"


def row(what, value):
    print(f"| {what} | {value} |", flush=True)


def one(binary, capture, scap):
    size = os.path.getsize(capture)
    _, _, done = must(binary, "read", "--count-only", capture)
    events = int(done.stdout)
    row("events", f"{events:,}")
    row("bytes of the capture", f"{size:,}")
    took, cpu, done = must(binary, "index", "--anew", "--views", "none", capture)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    row("making the index, s", f"{took:.2f}")
    row("the same, s of CPU", f"{cpu:.2f}")
    row("events a second", f"{events / took:,.0f}")
    row("events a second of CPU", f"{events / cpu:,.0f}")
    row("most memory of any child so far, MiB", f"{used.ru_maxrss / 1024:.0f}")
    index = capture + ".idx"
    row("bytes of the index", f"{os.path.getsize(index):,}")
    row("of the capture, percent", f"{100 * os.path.getsize(index) / size:.1f}")
    row("bytes an event", f"{os.path.getsize(index) / events:.3f}")
    row("things", done.stdout.decode().split(": ", 1)[1].split(" thing")[0])
    empty = statistics.median(run(binary, "--version")[0] for _ in range(20))
    row("a process that does nothing, ms", ms(empty))
    warm, cold = [], []
    for query in QUERIES:
        done = [run(binary, "search", "-q", capture, query) for _ in range(15)]
        warm += [one[0] for one in done]
        for _ in range(3):
            forget(capture)
            forget(index)
            cold.append(run(binary, "search", "-q", capture, query)[0])
        pair = statistics.median(one[0] for one in done), statistics.median(one[1] for one in done)
        row(f"`{query}`, warm, ms", both(pair))
    row("all of them, warm, middle, ms", ms(statistics.median(warm)))
    row("all of them, warm, p99, ms", ms(percentile(warm, 0.99)))
    row("all of them, not in the page cache, most, ms", ms(max(cold)))
    row(f"`{QUERIES[0]}` without the index, s", "{:.2f} ({:.2f})".format(*run(binary, "search", "-q", "--no-index", capture, QUERIES[0])[:2]))
    needle = several(9, binary, "read", "--count-only", capture, NEEDLE)
    row("a filter with no hits, with the index, ms", both(needle))
    search = several(9, binary, "search", "-q", capture, QUERIES[5])
    row("a word that is nowhere, ms", both(search))
    views(binary, capture, "counted when it is opened")
    took, cpu, _ = must(binary, "index", "--views", "all", capture)
    row("counting all views ahead, s", f"{took:.1f} ({cpu:.1f})")
    row("bytes of the index with them", f"{os.path.getsize(index):,}")
    views(binary, capture, "counted ahead")
    if scap:
        beside_sysdig(scap, events, search[1])
    in_one_process(binary, capture)


def views(binary, capture, how):
    for view in ("overview", "processes", "files", "talks", "story"):
        took, cpu, _ = must(binary, "view", capture, view, "-n", "20")
        row(f"the view {view}, {how}, s", f"{took:.2f} ({cpu:.2f})")


def beside_sysdig(scap, events, search):
    """What somebody would do without an index; `search` is the CPU time of a word that is nowhere among so many events."""
    _, _, done = must("sysdig", "-r", scap, "-p", "%evt.num", "evt.num>0")
    lines = done.stdout.splitlines()
    there = int(lines[-1]) if lines else 0
    row("events of the .scap", f"{there:,}")
    finder = "rg" if shutil.which("rg") else "grep -F"
    pipe = f"sysdig -r {shlex.quote(scap)} | {finder} needle-that-is-not-there"
    for what, args in (("the filter by sysdig", ("sysdig", "-r", scap, NEEDLE)), (f"`sysdig -r … \\| {finder}`", ("sh", "-c", pipe))):
        took, cpu, _ = run(*args)
        row(f"{what}, s", f"{took:.2f} ({cpu:.2f})")
        row(f"{what}, times the CPU of `search` of the .aft", f"{cpu / search:,.0f}")
        row(f"{what}, ns of CPU an event", f"{1e9 * cpu / max(there, 1):,.0f}")
        row(f"{what}, for as many events as the .aft has, times the CPU of `search`", f"{cpu * events / max(there, 1) / search:,.0f}")


def in_one_process(binary, capture):
    """Queries of an index that is open."""
    asks = os.path.join(os.path.dirname(binary), "examples/asks")
    if not os.path.exists(asks):
        print(f"(no {asks}: queries in one process are left out)", file=sys.stderr)
        return
    secret = os.path.join(os.environ["AFTERIMAGE_KEYS"], "index.secret")
    _, _, done = must(asks, capture, secret)
    print("\n" + done.stdout.decode(), flush=True)


def make_many(binary, folder, many):
    """Slices of the samples, each many times."""
    slices = []
    for name in sorted(os.listdir(SAMPLES)):
        if name.endswith(".aft"):
            for at in range(4):
                to = os.path.join(folder, f"slice-{len(slices)}.aft")
                sample = os.path.join(SAMPLES, name)
                _, _, done = run(binary, "slice", "--no-sign", sample, "-o", to, "--from", f"+{at * 200}ms")
                if done.returncode in (0, 3):
                    slices.append(to)
    for at in range(many - len(slices)):
        shutil.copy(slices[at % len(slices)], os.path.join(folder, f"{at:06}.aft"))


def many_captures(binary, many):
    folder = tempfile.mkdtemp()
    try:
        make_many(binary, folder, many)
        row("captures", f"{len(os.listdir(folder)):,}")
        took, _, _ = run(binary, "search", folder)
        row("their catalogue for the first time, without indexes, s", f"{took:.2f}")
        took, cpu, _ = run(binary, "index", "-q", folder)
        row("making their indexes and catalogue, s", f"{took:.1f}")
        row("the same, s of CPU", f"{cpu:.1f}")
        row("their catalogue, warm, ms", both(several(9, binary, "search", folder)))
        for query in ("shadow", "passwd AND NOT bash", "needle-that-is-not-there", "cur1~1"):
            row(f"`{query}` in all of them, ms", both(several(9, binary, "search", folder, query)))
        took, cpu, _ = run(binary, "search", folder, "shadow", "--events")
        row("the first events of `shadow` in all of them, s", f"{took:.2f} ({cpu:.2f})")
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        row("most memory of any child, MiB", f"{used.ru_maxrss / 1024:.0f}")
    finally:
        shutil.rmtree(folder)


def main():
    args = sys.argv[1:]
    if len(args) < 2:
        sys.exit(__doc__)
    binary = os.path.abspath(args[0])
    scratch = tempfile.mkdtemp()
    os.environ["AFTERIMAGE_KEYS"] = os.path.join(scratch, "keys")
    os.environ["XDG_CACHE_HOME"] = os.path.join(scratch, "cache")
    print("| What | Figure |\n|---|---:|")
    try:
        if args[1] == "--many":
            many_captures(binary, int(args[2]))
        else:
            one(binary, os.path.abspath(args[1]), os.path.abspath(args[2]) if len(args) > 2 else None)
    finally:
        shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
