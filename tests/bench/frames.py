#!/usr/bin/env python3
"""How soon the inspector answers: drives it on a pseudo-terminal and times what it writes.

usage: frames.py AFTERIMAGE CAPTURE [--size COLUMNSxLINES] [--keys KEYS] [--rounds N] [--settle SECONDS] [-- further arguments of inspect]

Prints how long it took from the start to the first screen (the last byte of the first burst of output), and for every key
how long from its byte to the first byte of the next frame, while the work behind goes on; --settle SECONDS waits for that to
end first. A key that changes nothing on the screen is left out. Where other programs are busy both sides wait for a processor,
and most of what is measured is that; so it also tells, from /proc/PID/schedstat, how long the thread that draws ran for a key and how
long it was ready to run and did not get a processor. What is left of the time it slept: for a lock, for the work of another thread, or
because this program itself had to wait.
"""
import fcntl, os, pty, select, statistics, struct, sys, termios, time
from options import parse

QUIET = 0.030  # a frame is over when nothing came for so long, s
MOST = 3.0  # longest wait for a frame, s


def spawn(argv, columns, lines):
    pid, master = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm-256color", COLUMNS=str(columns), LINES=str(lines))
        while struct.unpack("HHHH", fcntl.ioctl(0, termios.TIOCGWINSZ, b"\0" * 8))[0] != lines:
            time.sleep(0.001)
        os.execvp(argv[0], argv)
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    return pid, master


def burst(master, begun, most=MOST):
    """First and last instant at which something came, the bytes; nothing came: None."""
    first = last = None
    data = b""
    while True:
        patience = QUIET if first else most - (time.monotonic() - begun)
        # Progress may be drawn for as long as there is work: a tenth of a second of it is enough.
        if patience <= 0 or (first and time.monotonic() - first > 0.1):
            break
        ready, _, _ = select.select([master], [], [], patience)
        if not ready:
            break
        try:
            got = os.read(master, 1 << 16)
        except OSError:
            break
        if not got:
            break
        last = time.monotonic()
        first = first or last
        data += got
    return (first - begun, last - begun, data) if first else None


def drain(master, quiet, most):
    begun = time.monotonic()
    while time.monotonic() - begun < most:
        ready, _, _ = select.select([master], [], [], quiet)
        if not ready:
            return True
        try:
            os.read(master, 1 << 16)
        except OSError:  # it has left
            return True
    return False


NAMED = {"<Enter>": b"\r", "<Down>": b"\x1b[B", "<Up>": b"\x1b[A", "<PgDn>": b"\x1b[6~", "<PgUp>": b"\x1b[5~", "<Home>": b"\x1b[H",
         "<End>": b"\x1b[F", "<Tab>": b"\t", "<Esc>": b"\x1b", "<Backspace>": b"\x7f", "<Left>": b"\x1b[D", "<Right>": b"\x1b[C",
         "<Space>": b" "}


def keys(text):
    while text:
        for name, sends in NAMED.items():
            if text.startswith(name):
                yield name, sends
                text = text[len(name):]
                break
        else:
            yield text[0], text[0].encode()
            text = text[1:]


def ran(pid):
    """Seconds for which the thread that draws ran, and was ready to run."""
    with open(f"/proc/{pid}/task/{pid}/schedstat") as file:
        run, wait, _ = map(int, file.read().split())
    return run / 1e9, wait / 1e9


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else 0.0


def main(argv):
    further = []
    if "--" in argv:
        at = argv.index("--")
        argv, further = argv[:at], argv[at + 1:]
    begin = {"--size": "80x24", "--keys": "7" + "<Down>" * 20 + "<PgDn>" * 20 + "<End><Home><Tab><Down><Down><Tab><Tab>" + "<Right>" * 10, "--rounds": "3",
               "--settle": "0"}
    options, plain = parse(argv, begin, __doc__, lambda words: words == 2)
    columns, lines = map(int, options["--size"].split("x"))
    starts, firsts, slowest, runs, waits, rests = [], [], [], [], [], []
    for _ in range(int(options["--rounds"])):
        begun = time.monotonic()
        pid, master = spawn([plain[0], "inspect", "--read-only", *further, plain[1]], columns, lines)
        shown = burst(master, begun, 30)
        starts.append(shown[1] if shown else float("inf"))
        drain(master, 0.25, float(options["--settle"]))
        for name, sends in keys(options["--keys"]):
            # What is still being drawn of the work behind is not the answer to this key.
            drain(master, 0.020, 0.2)
            before, begun = ran(pid), time.monotonic()
            os.write(master, sends)
            ready = select.select([master], [], [], MOST)[0]
            after, took = ran(pid), time.monotonic() - begun
            shown = burst(master, begun)
            if shown and ready:
                run, wait = after[0] - before[0], after[1] - before[1]
                runs.append(run)
                waits.append(wait)
                rests.append(max(0.0, took - run - wait))
                firsts.append(shown[0])
                slowest.append((shown[0], name))
        os.write(master, b"\x1b")
        time.sleep(0.1)
        os.write(master, b"q")
        drain(master, 0.1, 2)
        os.close(master)
        os.waitpid(pid, 0)
    ms = lambda seconds: f"{seconds * 1000:.1f} ms"
    print(f"{plain[1]} at {columns}x{lines}")
    print(f"start to the first screen: least {ms(min(starts))}, middle {ms(statistics.median(starts))}")
    print(f"key to the first byte of a frame, {len(firsts)} keys: middle {ms(percentile(firsts, 0.5))}, p99 {ms(percentile(firsts, 0.99))}")
    for what, values in [("ran", runs), ("waited for a processor", waits), ("slept", rests)]:
        print(f"of which it {what}: middle {ms(percentile(values, 0.5))}, p99 {ms(percentile(values, 0.99))}, most {ms(max(values, default=0))}")
    print("slowest: " + ", ".join(f"{name} {ms(took)}" for took, name in sorted(slowest, reverse=True)[:6]))


if __name__ == "__main__":
    main(sys.argv[1:])
