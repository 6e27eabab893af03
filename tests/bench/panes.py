#!/usr/bin/env python3
"""Every view of the inspector as a user sees it: walks through them in tmux and keeps each screen as text, to be read.

usage: panes.py AFTERIMAGE FOLDER CAPTURE... [--sizes 40x12,80x24,200x50] [--keys KEYS]

Writes FOLDER/CAPTURE-SIZE.txt, one screen after the other under the name of its view. --keys are pressed in each view, as tmux
names them (`Down Down b`). Views are taken from docs/views.md.
"""
import pathlib, subprocess, sys, time
from options import parse

VIEWS = [line.split("`")[1] for line in (pathlib.Path(__file__).parents[2] / "docs/views.md").read_text().split("# Tiles")[0].splitlines()
         if line.startswith("| `")]


def tmux(*words):
    return subprocess.run(["tmux", "-L", "panes", *words], capture_output=True, text=True)


def settled(most=20.0):
    """The screen once it has stayed the same for a quarter of a second and nothing is being worked on."""
    before, since, begun = None, time.monotonic(), time.monotonic()
    while time.monotonic() - begun < most:
        screen = tmux("capture-pane", "-p", "-t", "panes").stdout
        if screen != before or "working" in screen or "counting" in screen:
            before, since = screen, time.monotonic()
        elif time.monotonic() - since > 0.25:
            break
        time.sleep(0.05)
    return before or ""


def walk(program, capture, size, keys):
    columns, lines = size.split("x")
    tmux("kill-session", "-t", "panes")
    command = f"'{program}' inspect --read-only '{capture}'"
    tmux("new-session", "-d", "-s", "panes", "-x", columns, "-y", lines, command)
    tmux("set", "-g", "status", "off")
    settled()
    for view in VIEWS:
        tmux("send-keys", "-t", "panes", ":")
        tmux("send-keys", "-t", "panes", "-l", view)
        tmux("send-keys", "-t", "panes", "Enter")
        if keys:
            settled()
            tmux("send-keys", "-t", "panes", *keys.split())
        yield view, settled()
    tmux("kill-session", "-t", "panes")


def main(argv):
    begin = {"--sizes": "40x12,80x24,200x50", "--keys": ""}
    options, plain = parse(argv, begin, __doc__, lambda words: words >= 3)
    program, folder, captures = plain[0], pathlib.Path(plain[1]), plain[2:]
    folder.mkdir(parents=True, exist_ok=True)
    for capture in captures:
        for size in options["--sizes"].split(","):
            file = folder / f"{pathlib.Path(capture).name}-{size}.txt"
            with file.open("w") as out:
                for view, screen in walk(program, capture, size, options["--keys"]):
                    out.write(f"===== {view}\n{screen}")
            print(file)


if __name__ == "__main__":
    main(sys.argv[1:])
