#!/usr/bin/env python3
"""What the first page of every view costs, each as a whole process, on a capture with its index.

    views.py AFTERIMAGE CAPTURE.aft [VIEW...]

Prints a table in Markdown: milliseconds by the clock and of CPU for the whole answer, as `afterimage view -n 20` gives it, and how
soon the inspector shows something of it: from the start of the program at a terminal to the first frame with any text where rows
stand, which may be a word that it is being counted. Nothing is written but what the program keeps beside the capture.
"""

import fcntl
import json
import os
import pty
import re
import resource
import select
import struct
import subprocess
import sys
import termios
import time

# Longest wait for a view, s.
MOST = 600.0
# Lines and columns of the terminal.
SIZE = (40, 160)
# Lines above the rows of a view, title and header included, and below them.
FRAME = (11, 2)


def cpu():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def views(binary):
    listed = subprocess.run([binary, "views", "--json"], stdout=subprocess.PIPE, check=True)
    return [json.loads(line)["id"] for line in listed.stdout.splitlines()]


def whole(binary, capture, view):
    """Seconds by the clock and of CPU, and how many rows came."""
    before, began = cpu(), time.perf_counter()
    try:
        done = subprocess.run([binary, "view", "-n", "20", "--json", capture, view], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, timeout=MOST)
        rows = str(len(done.stdout.splitlines()))
        if done.returncode not in (0, 3):
            rows = "-"
    except subprocess.TimeoutExpired:
        rows = "too long"
    return time.perf_counter() - began, cpu() - before, rows


def first(binary, capture, view):
    """Seconds from the start of the inspector to the first frame of a view with something in its body; None when nothing came."""
    began = time.perf_counter()
    pid, master = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm-256color")
        while struct.unpack("HHHH", fcntl.ioctl(0, termios.TIOCGWINSZ, b"\0" * 8))[0] != SIZE[0]:
            time.sleep(0.001)
        os.execvp(binary, [binary, "inspect", "--read-only", "--view", view, capture])
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", *SIZE, 0, 0))
    # What stands in each line of the screen, as far as it was written there.
    lines, shown, took = {}, b"", None
    while took is None and time.perf_counter() - began < 30:
        if not select.select([master], [], [], 0.5)[0]:
            continue
        try:
            shown += os.read(master, 1 << 16)
        except OSError:
            break
        if has_body(shown):
            took = time.perf_counter() - began
    os.write(master, b"\x1b")
    time.sleep(0.05)
    os.write(master, b"q")
    # It may be in the middle of an answer, which it stops first.
    began = time.perf_counter()
    while time.perf_counter() - began < 5:
        try:
            if select.select([master], [], [], 0.1)[0] and not os.read(master, 1 << 16):
                break
        except OSError:
            break
    os.close(master)
    os.waitpid(pid, 0)
    return took


def has_body(written):
    """Whether something was written between the header of the table and the two lines at the foot."""
    body = set()
    for line, text in re.findall(rb"\x1b\[(\d+);\d+H((?:\x1b\[[0-9;]*m|[^\x1b])*)", written):
        plain = re.sub(rb"\x1b\[[0-9;]*m", b"", text).strip(b" \xe2\x94\x82\r\n")
        if plain:
            body.add(int(line))
    return any(FRAME[0] < line <= SIZE[0] - FRAME[1] for line in body)


def main():
    args = sys.argv[1:]
    if len(args) < 2:
        sys.exit(__doc__)
    binary, capture = os.path.abspath(args[0]), os.path.abspath(args[1])
    print("| View | whole answer, ms | of CPU | rows | first on the screen, ms |\n|---|---:|---:|---:|---:|")
    for view in args[2:] or views(binary):
        took, used, rows = whole(binary, capture, view)
        soon = first(binary, capture, view)
        soon = f"{1000 * soon:.0f}" if soon else "-"
        print(f"| {view} | {1000 * took:.0f} | {1000 * used:.0f} | {rows} | {soon} |", flush=True)


if __name__ == "__main__":
    main()
