#!/usr/bin/env python3
"""What recording costs whole programs: redis, a web server, a compiler, files, processes. By hand, as root, on a quiet machine.

usage: overhead.py AFTERIMAGE [PAIRS]

Each workload runs in a control group of its own, once alone and once recorded, PAIRS times in turn (5). CPU time is what the
group's cpu.stat counts, so servers and clients are both in it; wall time is that of the workload. What is printed is the middle of
the pairs, with the least and the most beside it, and of the recording: events, CPU time of the recorder an event from when it is armed, its
memory without the rings, what was dropped, and bytes an event. What a machine does not have is left out and said so.
"""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

GROUPS = "/sys/fs/cgroup/unified" if os.path.isdir("/sys/fs/cgroup/unified") else "/sys/fs/cgroup"

NGINX = """daemon off; master_process on; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{ access_log {folder}/access.log; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; server {{ listen 127.0.0.1:{port}; root {folder}; }} }}
"""

FILES = """
import os
for at in range(20000):
    name = f"f{at % 100}"
    fd = os.open(name, os.O_CREAT | os.O_WRONLY, 0o600)
    os.write(fd, b"a line of text\\n")
    os.close(fd)
    os.unlink(name)
"""


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_for(port):
    until = time.monotonic() + 10
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.01)


class Group:
    """A control group, and what runs in it."""

    def __init__(self):
        self.path = f"{GROUPS}/afterimage-bench-{os.getpid()}"
        os.makedirs(self.path, exist_ok=True)

    def enter(self):
        with open(f"{self.path}/cgroup.procs", "w") as procs:
            procs.write("0")

    def start(self, command, folder):
        return subprocess.Popen(command, cwd=folder, preexec_fn=self.enter, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def run(self, command, folder):
        if self.start(command, folder).wait() != 0:
            raise SystemExit(f"{command[0]} failed")

    def cpu(self):
        with open(f"{self.path}/cpu.stat") as stat:
            return int(re.search(r"usage_usec (\d+)", stat.read()).group(1)) / 1e6

    def close(self):
        os.rmdir(self.path)


def server(group, folder, command, port, load):
    running = group.start(command, folder)
    try:
        wait_for(port)
        load()
    finally:
        running.terminate()
        running.wait()


def redis(group, folder):
    port = free_port()
    server(group, folder, ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"], port,
           lambda: group.run(["redis-benchmark", "-p", str(port), "-q", "-n", "100000", "-t", "set,get", "-c", "20"], folder))


def nginx(group, folder):
    port = free_port()
    with open(f"{folder}/index.html", "w") as page:
        page.write("x" * 1000)
    with open(f"{folder}/nginx.conf", "w") as text:
        text.write("user root;\n" + NGINX.format(folder=folder, port=port))
    # A number of requests would be fairer than a time, but wrk has only times: CPU time is told for each request instead.
    server(group, folder, ["nginx", "-c", f"{folder}/nginx.conf", "-e", f"{folder}/error.log"], port,
           lambda: group.run(["wrk", "-t1", "-c8", "-d3s", f"http://127.0.0.1:{port}/"], folder))
    with open(f"{folder}/access.log", "rb") as log:
        return sum(1 for _ in log)


def sources(folder):
    for at in range(40):
        body = "".join(f"int f{at}_{n}(int x) {{ return x * {n + at} + {n}; }}\n" for n in range(60))
        with open(f"{folder}/f{at}.c", "w") as out:
            out.write("#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <unistd.h>\n" + body)
    with open(f"{folder}/Makefile", "w") as out:
        names = " ".join(f"f{at}.o" for at in range(40))
        out.write(f"all: {names}\n\tld -r -o all.o $^\n.c.o:\n\tcc -O1 -c $<\n")


def compile(group, folder):
    sources(folder)
    group.run(["make", "-s", "-j2"], folder)


def files(group, folder):
    group.run(["python3", "-S", "-c", FILES], folder)


def spawn(group, folder):
    group.run(["bash", "-c", "for ((at = 0; at < 2000; at++)); do /bin/true; done"], folder)


WORKLOADS = [
    ("redis-benchmark", redis, ["redis-server", "redis-benchmark"]),
    ("nginx and wrk", nginx, ["nginx", "wrk"]),
    ("make -j2 of 40 C files", compile, ["make", "cc", "ld"]),
    ("20,000 files written and removed", files, ["python3"]),
    ("2,000 programs", spawn, ["bash"]),
]


def spent(pid):
    """CPU seconds of a process so far."""
    with open(f"/proc/{pid}/schedstat") as one:  # of its first thread, which does nearly all of arming
        return int(one.read().split()[0]) / 1e9


def once(command, group, work):
    """Runs it, recorded by `command` when there is one: CPU and wall seconds a unit, and what the recorder says."""
    with tempfile.TemporaryDirectory(prefix="afterimage-bench-") as folder:
        os.chmod(folder, 0o755)
        recorder, told = None, {}
        capture = f"{folder}/capture.aft"
        if command:
            recorder = subprocess.Popen([command, "record", "--cgroup", group.path, "-o", capture], stderr=subprocess.PIPE, text=True)
            while True:  # It says that it records once it does.
                line = recorder.stderr.readline()
                if not line:
                    raise SystemExit("the recorder ended: " + line)
                if "ecording" in line:
                    break
            armed = spent(recorder.pid)
        cpu, wall = group.cpu(), time.monotonic()
        units = work(group, folder) or 1
        cpu, wall = group.cpu() - cpu, time.monotonic() - wall
        if recorder:
            with open(f"/proc/{recorder.pid}/status") as status:
                told["anonymous"] = int(re.search(r"RssAnon:\s+(\d+)", status.read()).group(1)) / 1024
            recorder.send_signal(signal.SIGINT)
            recorder.stderr.read()
            _, status, usage = os.wait4(recorder.pid, 0)
            recorder.returncode = os.waitstatus_to_exitcode(status)
            about = json.loads(subprocess.run([command, "info", "--json", capture], check=True, capture_output=True).stdout)
            told["about"], told["own"] = about, usage.ru_utime + usage.ru_stime - armed
            told["bytes"] = os.path.getsize(capture)
        return cpu / units, wall / units, told


def middle(values):
    return sorted(values)[len(values) // 2]


def main():
    if len(sys.argv) not in (2, 3):
        raise SystemExit(__doc__)
    command, pairs = os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) == 3 else 5
    group = Group()
    print(f"{'workload':34}{'CPU':>9}{'least':>8}{'most':>8}{'wall':>9}{'events':>10}{'own µs':>8}{'own MiB':>9}{'dropped':>9}{'B/event':>9}")
    try:
        for name, work, needs in WORKLOADS:
            if missing := [need for need in needs if not shutil.which(need)]:
                print(f"{name:34}left out: no {', '.join(missing)} here")
                continue
            once(None, group, work)  # the caches are warm for both
            cpus, walls, last = [], [], {}
            for _ in range(pairs):
                alone, recorded = once(None, group, work), once(command, group, work)
                cpus.append(100 * (recorded[0] / alone[0] - 1))
                walls.append(100 * (recorded[1] / alone[1] - 1))
                last = recorded[2]
            events, dropped = last["about"]["totals.written"], last["about"]["totals.dropped"]
            print(f"{name:34}{middle(cpus):+8.1f}%{min(cpus):+7.1f}%{max(cpus):+7.1f}%{middle(walls):+8.1f}%{events:10}"
                  f"{last['own'] / max(events, 1) * 1e6:8.2f}{last['anonymous']:9.0f}{dropped:9}{last['bytes'] / max(events, 1):9.2f}", flush=True)
    finally:
        group.close()


main()
