#!/usr/bin/env python3
"""What a watch costs while nothing happens: the processor time of its threads, as the kernel counts it.

    idle.py SECONDS AFTERIMAGE...

Needs root. Start what is to be at rest first, as `docker run -d --network none IMAGE sleep 1d`, twenty times. Programs that are
named are measured by turns, for they all take more while other guests of the host are busy: only what is measured side by side can
be compared.
"""

import os
import subprocess
import sys
import tempfile
import time

# From the start until what comes of it is over.
SETTLE = 10


def threads(pid):
    """By thread: its name, ns on a processor, and how often it got one."""
    found = {}
    for tid in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{tid}/schedstat", encoding="ascii") as file:
            ran, _, times = map(int, file.read().split())
        with open(f"/proc/{pid}/task/{tid}/comm", encoding="utf-8", errors="replace") as file:
            found[tid] = (file.read().strip(), ran, times)
    return found


def measure(binary, seconds):
    """Prints what each thread of a watch takes in so many seconds; gives percent of a core, all together."""
    with tempfile.TemporaryDirectory() as folder:
        config = os.path.join(folder, "watch.toml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(f'[evidence]\nfolder = "{folder}/evidence"\n')
        command = [binary, "watch", "--no-sign", "--socket", f"{folder}/socket", "--config", config]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as watch:
            try:
                time.sleep(SETTLE)
                if watch.poll() is not None:
                    sys.exit(f"{binary}: {watch.stderr.read().decode(errors='replace')}")
                before = threads(watch.pid)
                time.sleep(seconds)
                after = threads(watch.pid)
            finally:
                watch.terminate()
    total = 0.0
    for tid, (name, ran, times) in after.items():
        _, ran_before, times_before = before.get(tid, (name, 0, 0))
        share = (ran - ran_before) / seconds / 1e7
        total += share
        print(f"  {name:16} {share:6.3f} % of a core, {(times - times_before) / seconds:4.1f} times a second")
    return total


def main():
    seconds, binaries = float(sys.argv[1]), sys.argv[2:]
    for binary in binaries * (1 if len(binaries) == 1 else 2):
        print(binary)
        print(f"  {'all':16} {measure(binary, seconds):6.3f} % of a core", flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main()
