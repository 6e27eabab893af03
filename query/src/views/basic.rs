//! The views that answer most questions: what ran, what it touched, whom it talked to, what failed.

use super::{Aggregate, Column, Shape, Unit, View};

/// These views, in the order in which they are listed.
pub(super) const BASIC: &[View] = views! {
    "overview" '1' "Overview" Overview "" => None, "" sorted by 1 keeps ["TILE" "TOTAL"] {
        "TILE" "tile.title" 24 Key Plain "What is counted.";
        "TOTAL" "tile.total" 12 Sum Plain "How much of it.";
        "P50" "tile.p50" 8 Max Plain "Half of what it sums, call by call, is this at most; of a tile that counts, of the counts of 320 equal parts of the time.";
        "P95" "tile.p95" 8 Max Plain "95 of a hundred are this at most.";
        "P99" "tile.p99" 8 Max Plain "99 of a hundred are this at most.";
        "MOST" "tile.most" 8 Max Plain "The most in one call, or in one part of the time.";
        "FIRST" "tile.first" 0 First Plain "Number of the first such event.";
    } "Totals of everything worth counting; each leads to its events.";

    "containers" '2' "Containers" Table "container.id!=host" => Some("processes"), "container.id={}" sorted by 7 keeps ["NAME" "EVENTS" "IMAGE" "ERRORS" "NET"] {
        "ID" "container.id" 13 Key Plain "First twelve characters of the id.";
        "NAME" "container.name" 20 Last Plain "Name.";
        "IMAGE" "container.image" 24 Last Plain "Image it was started from.";
        "TYPE" "container.type" 10 Last Plain "Runtime.";
        "CPU%" "container.cpu.percent" 5 Threads Plain "Mean share of one CPU, where use was sampled.";
        "MEMORY" "container.memory.current" 8 Last Bytes "Memory in use at the last sample.";
        "PROCS" "proc.pid" 6 Distinct Plain "Process ids with events.";
        "EVENTS" "evt.count" 9 Sum Plain "Events.";
        "FILE" "evt.moved.file" 8 Sum Bytes "Bytes read from and written to files.";
        "NET" "evt.moved.net" 8 Sum Bytes "Bytes received and sent over sockets.";
        "ERRORS" "evt.count.error" 8 Sum Plain "Calls that failed.";
        "FIRST" "evt.rawtime" 19 First Time "First event.";
        "LAST" "evt.rawtime" 19 Last Time "Last event.";
        "THREADS" "thread.tid" 7 Distinct Plain "Threads with events.";
        "RESIDENT" "thread.vmrss.b" 9 Peaks Bytes "Most resident memory of each process, together, where another recorder sampled it.";
        "VIRTUAL" "thread.vmsize.b" 9 Peaks Bytes "Most virtual memory of each process, together, where another recorder sampled it.";
    } "Every container that was recorded, also those that no longer exist.";

    "processes" '3' "Processes" Tree "proc.pid exists" => Some("files"), "proc.pid={} and proc.pid.ts={}" sorted by 5 keeps ["COMMAND" "PID" "EVENTS" "ERRORS" "CONTAINER" "USER"] {
        "PID" "proc.pid" 8 Key Plain "Process id, as the host numbers it.";
        "STARTED" "proc.pid.ts" 19 Key Time "When it started; with the id, what a process is.";
        "COMMAND" "proc.cmdline" 40 Last Plain "Last name and arguments.";
        "USER" "user.shown" 10 Last Plain "Effective user: the name, else the id.";
        "CONTAINER" "container.name" 16 Last Plain "Container.";
        "EVENTS" "evt.count" 9 Sum Plain "Events.";
        "FILE" "evt.moved.file" 8 Sum Bytes "Bytes read from and written to files.";
        "NET" "evt.moved.net" 8 Sum Bytes "Bytes received and sent over sockets.";
        "ERRORS" "evt.count.error" 8 Sum Plain "Calls that failed.";
        "LAST" "evt.rawtime" 19 Last Time "Last event.";
        "VPID" "proc.vpid" 8 Last Plain "Process id, as its container numbers it.";
        "THREADS" "thread.tid" 7 Distinct Plain "Threads with events.";
        "RESIDENT" "thread.vmrss.b" 9 Max Bytes "Resident memory, where another recorder sampled it.";
        "PROGRAM" "proc.exepath" 0 Last Plain "Path of the program last executed.";
        "PPID" "proc.ppid" 8 Last Plain "The parent's pid.";
        "VIRTUAL" "thread.vmsize.b" 9 Max Bytes "Virtual memory, where another recorder sampled it.";
        "CPU%" "thread.cpu" 6 Threads Plain "Share of one CPU, where another recorder sampled it.";
        "EXIT" "proc.end.code" 5 Last Plain "Exit code; empty where it did not end, or by a signal.";
        "SIGNAL" "proc.end.signal" 8 Last Plain "Signal that ended it.";
        "EXECS" "proc.exec_count" 5 Max Plain "Programs it executed since it was first seen.";
        "SHA-256" "proc.exe_hash.sha256" 64 Last Plain "Hash of the program last executed, where it was recorded.";
    } "Every process under its parent.";

    "files" '4' "Files" Table "fd.type in (file, directory, symlink, memfd, char, block)" => Some("events"), "container.name={} and fd.name={}" sorted by 3 keeps ["FILE" "IN" "OUT" "OPS" "ERRORS"] {
        "FILE" "fd.name" 0 Key Plain "Path, by the kernel's own object; empty where it is not known.";
        "IN" "evt.buflen.file.in" 8 Sum Bytes "Bytes read.";
        "OUT" "evt.buflen.file.out" 8 Sum Bytes "Bytes written.";
        "OPS" "evt.count.call" 8 Sum Plain "Calls.";
        "WAITED" "evt.latency" 8 Told Duration "How long calls waited, together; empty where none is known to have.";
        "R-OPENS" "evt.is_open_read" 8 Sum Plain "Opened for reading.";
        "W-OPENS" "evt.is_open_write" 8 Sum Plain "Opened for writing.";
        "ERRORS" "evt.count.error" 8 Sum Plain "Calls that failed.";
        "PROCS" "proc.pid" 6 Distinct Plain "Process ids that touched it.";
        "CONTAINER" "container.name" 16 Key Plain "Container of the process.";
        "LAST" "evt.rawtime" 19 Last Time "Last touched.";
        "BYTES" "evt.moved.file" 8 Sum Bytes "Bytes read and written.";
    } "Every file that was touched.";

    "connections" '5' "Connections" Table "fd.type in (ipv4, ipv6) and fd.name exists and (fd.lport > 0 or fd.rport > 0 and evt.type != inet_sock_set_state)" => Some("conversation"), "container.name={} and fd.l4proto={} and fd.lip={} and fd.lport={} and fd.rip={} and fd.rport={}" sorted by 7 keeps ["REMOTE" "RPORT" "LPORT" "PROCESS" "IN" "OUT" "CONTAINER" "LOCAL"] {
        "CONTAINER" "container.name" 16 Key Plain "Container of the process.";
        "PROTO" "fd.l4proto" 6 Key Plain "Protocol.";
        "LOCAL" "fd.lip" 16 Key Plain "Local address.";
        "LPORT" "fd.lport" 6 Key Plain "Local port.";
        "REMOTE" "fd.rip" 16 Key Plain "Remote address.";
        "RPORT" "fd.rport" 6 Key Plain "Remote port.";
        "PROCESS" "proc.name" 16 Last Plain "Process that used it last.";
        "IN" "evt.buflen.net.in" 8 Sum Bytes "Bytes received.";
        "OUT" "evt.buflen.net.out" 8 Sum Bytes "Bytes sent.";
        "OPS" "evt.count.call" 8 Sum Plain "Calls.";
        "ERRORS" "evt.count.error" 8 Sum Plain "Calls that failed.";
        "FIRST" "evt.rawtime" 19 First Time "First event.";
        "IN/S" "evt.buflen.net.in" 8 Rate Bytes "Bytes received a second, over the span shown.";
        "OUT/S" "evt.buflen.net.out" 8 Rate Bytes "Bytes sent a second, over the span shown.";
        "OPS/S" "evt.count.call" 8 Rate Plain "Calls a second, over the span shown.";
        "BYTES" "evt.moved.net" 8 Sum Bytes "Bytes received and sent.";
        "COMMAND" "proc.exeline" 0 Last Plain "Path and arguments of that process.";
    } "Every pair of addresses, by the kernel's own socket.";

    "errors" '6' "Errors" Table "evt.failed=true" => Some("events"), "evt.res={} and evt.type={}" sorted by 3 keeps ["ERROR" "CALL" "COUNT" "MEANING" "LAST COMMAND"] {
        "ERROR" "evt.res" 14 Key Plain "Name of the error.";
        "MEANING" "evt.res.meaning" 26 Last Plain "What the error means.";
        "CALL" "evt.type" 18 Key Plain "Call that failed.";
        "COUNT" "evt.count" 9 Sum Plain "How often.";
        "PROCS" "proc.pid" 6 Distinct Plain "Process ids it happened to.";
        "CONTAINERS" "container.id" 11 Distinct Plain "Containers it happened in.";
        "FIRST" "evt.rawtime" 19 First Time "First time.";
        "LAST" "evt.rawtime" 19 Last Time "Last time.";
        "LAST COMMAND" "proc.cmdline" 0 Last Plain "Who failed last.";
    } "Failed calls by error and call.";

    "events" '7' "Events" Events "" => None, "evt.num={}" sorted by 0 keeps ["EVENT" "ARGUMENTS" "PROCESS" "TIME" "NUM" "RESULT"] {
        "NUM" "evt.num" 9 Key Plain "Number in the capture.";
        "TIME" "evt.rawtime" 19 First Time "When it returned.";
        "CONTAINER" "container.name" 16 First Plain "Container.";
        "PROCESS" "proc.name" 16 First Plain "Process.";
        "TID" "thread.tid" 8 First Plain "Thread id, as the host numbers it.";
        "EVENT" "evt.type" 16 First Plain "Call or happening.";
        "RESULT" "evt.res" 12 First Plain "SUCCESS or the error.";
        "ARGUMENTS" "evt.asked" 0 First Plain "Arguments.";
    } "Every event, with all arguments and bytes.";

    "gaps" '8' "Gaps" Gaps "" => None, "" sorted by 1 keeps ["CAUSE" "FROM" "MISSING" "DETAIL"] {
        "CAUSE" "gap.cause" 14 Key Plain "Why events are missing.";
        "FROM" "gap.start" 19 First Time "Last instant known to be whole before.";
        "TO" "gap.end" 19 Last Time "First instant known to be whole after.";
        "CPU" "gap.cpu" 4 First Plain "CPU; empty for all.";
        "MISSING" "gap.count" 9 Sum Plain "How many; empty when that cannot be known.";
        "DETAIL" "gap.detail" 0 First Plain "What else is known.";
    } "What is known to be missing, and why.";

    "threads" '9' "Threads" Table "proc.pid exists" => Some("events"), "proc.pid={} and proc.pid.ts={} and thread.tid={}" sorted by 4 keeps ["NAME" "TID" "EVENTS" "ERRORS" "FILE" "NET"] {
        "PID" "proc.pid" 8 Key Plain "Process id, as the host numbers it.";
        "STARTED" "proc.pid.ts" 19 Key Time "When the process started.";
        "TID" "thread.tid" 8 Key Plain "Thread id, as the host numbers it.";
        "NAME" "proc.name" 16 Last Plain "Name of the process.";
        "EVENTS" "evt.count" 9 Sum Plain "Events.";
        "FILE" "evt.moved.file" 8 Sum Bytes "Bytes read from and written to files.";
        "NET" "evt.moved.net" 8 Sum Bytes "Bytes received and sent over sockets.";
        "ERRORS" "evt.count.error" 8 Sum Plain "Calls that failed.";
        "CONTAINER" "container.name" 16 Last Plain "Container.";
        "VTID" "thread.vtid" 8 Last Plain "Thread id, as its container numbers it.";
        "CPU%" "thread.cpu" 6 Threads Plain "Share of one CPU, where another recorder sampled it.";
        "COMMAND" "proc.cmdline" 0 Last Plain "Name and arguments.";
        "VPID" "proc.vpid" 8 Last Plain "Process id, as its container numbers it.";
    } "Every thread that made an event.";

    "syscalls" '0' "System calls" Table "" => Some("callers"), "evt.type={}" sorted by 2 keeps ["EVENT" "COUNT" "ERRORS" "WAITED"] {
        "EVENT" "evt.type" 20 Key Plain "Call or happening.";
        "CATEGORY" "syscall.class" 12 First Plain "What it is about.";
        "COUNT" "evt.count.call" 10 Sum Plain "How often.";
        "RATE/S" "evt.count.call" 9 Rate Plain "How often a second, over the span shown.";
        "WAITED" "evt.latency" 8 Told Duration "How long calls waited, together; empty where none is known to have.";
        "MEAN WAIT" "evt.latency" 9 Avg Duration "How long a call that waited did, in the mean.";
        "ERRORS" "evt.count.error" 8 Sum Plain "How often it failed.";
        "BYTES" "evt.moved" 8 Sum Bytes "Bytes moved.";
        "PROCS" "proc.pid" 6 Distinct Plain "Process ids that made it.";
        "CONTAINERS" "container.id" 11 Distinct Plain "Containers it was made in.";
    } "Calls and happenings by name.";

    "callers" '\0' "Callers" Table "proc.pid exists" => Some("events"), "proc.pid={} and proc.pid.ts={} and proc.name={}" sorted by 3 keeps ["NAME" "PID" "COUNT" "ERRORS" "COMMAND"] {
        "PID" "proc.pid" 8 Key Plain "Process id, as the host numbers it.";
        "STARTED" "proc.pid.ts" 19 Key Time "When it started.";
        "NAME" "proc.name" 16 Key Plain "Name.";
        "COUNT" "evt.count.call" 9 Sum Plain "Events.";
        "RATE/S" "evt.count.call" 9 Rate Plain "Events a second, over the span shown.";
        "WAITED" "evt.latency" 8 Told Duration "How long calls waited, together; empty where none is known to have.";
        "ERRORS" "evt.count.error" 8 Sum Plain "Calls that failed.";
        "CONTAINER" "container.name" 16 Last Plain "Container.";
        "COMMAND" "proc.cmdline" 0 Last Plain "Name and arguments.";
    } "Processes as a flat list, busiest first.";

    "directories" 'D' "Directories" Table "fd.type in (file, directory) and fd.directory exists" => Some("files"), "container.name={} and fd.directory={}" sorted by 3 keeps ["DIRECTORY" "OPS" "IN" "OUT"] {
        "DIRECTORY" "fd.directory" 0 Key Plain "Directory of the file.";
        "IN" "evt.buflen.file.in" 8 Sum Bytes "Bytes read.";
        "OUT" "evt.buflen.file.out" 8 Sum Bytes "Bytes written.";
        "OPS" "evt.count.call" 8 Sum Plain "Calls.";
        "FILES" "fd.name" 6 Distinct Plain "Files touched.";
        "ERRORS" "evt.count.error" 8 Sum Plain "Calls that failed.";
        "CONTAINER" "container.name" 16 Key Plain "Container of the process.";
        "R-OPENS" "evt.is_open_read" 8 Sum Plain "Opened for reading.";
        "W-OPENS" "evt.is_open_write" 8 Sum Plain "Opened for writing.";
    } "Files by directory.";

    "file_opens" 'O' "File opens" List "evt.type in (open, openat, openat2, creat) and evt.count.call=1" => Some("events"), "evt.num={}" sorted by 0 keeps ["FILE" "ASKED FOR" "RESULT" "TIME" "COMMAND"] {
        "NUM" "evt.num" 9 Key Plain "Number in the capture.";
        "TIME" "evt.rawtime" 19 First Time "When it returned.";
        "RESULT" "evt.res" 12 First Plain "SUCCESS or the error.";
        "FLAGS" "evt.arg.flags" 24 First Plain "Flags.";
        "FILE" "fd.name" 40 First Plain "What the kernel opened.";
        "ASKED FOR" "evt.arg.path" 24 First Plain "What the program passed.";
        "CONTAINER" "container.name" 16 First Plain "Container.";
        "COMMAND" "proc.cmdline" 0 First Plain "Who.";
    } "Every attempt to open a file, in order.";

    "deletions" 'X' "Deletions" List "evt.type in (unlink, unlinkat, rmdir) and evt.count.call=1" => Some("events"), "evt.num={}" sorted by 0 keeps ["PATH" "RESULT" "TIME" "COMMAND"] {
        "NUM" "evt.num" 9 Key Plain "Number in the capture.";
        "TIME" "evt.rawtime" 19 First Time "When it returned.";
        "RESULT" "evt.res" 12 First Plain "SUCCESS or the error.";
        "PATH" "evt.abspath" 40 First Plain "What was removed, or was to be.";
        "CONTAINER" "container.name" 16 First Plain "Container.";
        "COMMAND" "proc.cmdline" 0 First Plain "Who.";
    } "Every attempt to remove a file or directory, in order.";

    "commands" 'U' "Commands" List "evt.type in (execve, execveat) and evt.failed=false and evt.count.call=1" => Some("events"), "evt.num={}" sorted by 0 keeps ["COMMAND" "TIME" "PARENT" "USER" "PID"] {
        "NUM" "evt.num" 9 Key Plain "Number in the capture.";
        "TIME" "evt.rawtime" 19 First Time "When it was executed.";
        "USER" "user.shown" 10 First Plain "Effective user: the name, else the id.";
        "PID" "proc.pid" 8 First Plain "Process id, as the host numbers it.";
        "PARENT" "proc.pname" 16 First Plain "Name of the parent.";
        "CONTAINER" "container.name" 16 First Plain "Container.";
        "DIRECTORY" "proc.cwd" 20 First Plain "Working directory.";
        "COMMAND" "proc.cmdline" 0 First Plain "Name and arguments.";
        "PROGRAM" "proc.exepath" 24 First Plain "Path of the executed file, by the kernel's own object.";
        "SHA-256" "proc.exe_hash.sha256" 64 First Plain "Hash of the executed file, where it was recorded.";
    } "Every program that was executed, in order.";

    "new_connections" 'C' "New connections" List "evt.type in (connect, accept, accept4) and fd.type in (ipv4, ipv6) and evt.count.call=1" => Some("events"), "evt.num={}" sorted by 0 keeps ["CONNECTION" "CALL" "TIME" "RESULT" "COMMAND"] {
        "NUM" "evt.num" 9 Key Plain "Number in the capture.";
        "TIME" "evt.rawtime" 19 First Time "When the call returned.";
        "CALL" "evt.type" 8 First Plain "connect goes out, accept comes in.";
        "RESULT" "evt.res" 12 First Plain "SUCCESS or the error.";
        "CONNECTION" "fd.name" 40 First Plain "Client and server.";
        "CONTAINER" "container.name" 16 First Plain "Container.";
        "COMMAND" "proc.cmdline" 0 First Plain "Who.";
    } "Every connection made or accepted, in order.";

    "listening" 'L' "Listening ports" List "(evt.type in (bind, listen) and fd.type in (ipv4, ipv6) or evt.type=close and fd.is_server=true and fd.sport exists and not fd.rport exists) and evt.count.call=1" => Some("events"), "evt.num={}" sorted by 0 keeps ["ADDRESS" "CALL" "TIME" "PROTO" "COMMAND" "RESULT"] {
        "NUM" "evt.num" 9 Key Plain "Number in the capture.";
        "TIME" "evt.rawtime" 19 First Time "When the call returned.";
        "CALL" "evt.type" 8 First Plain "bind, listen, or close of a socket that listened.";
        "RESULT" "evt.res" 12 First Plain "SUCCESS or the error.";
        "PROTO" "fd.l4proto" 6 First Plain "Protocol.";
        "ADDRESS" "fd.name" 24 First Plain "Address and port.";
        "CONTAINER" "container.name" 16 First Plain "Container.";
        "COMMAND" "proc.cmdline" 0 First Plain "Who.";
    } "Every socket that was bound, began to listen or was closed when it listened, in order.";

    "server_ports" 'P' "Server ports" Table "fd.type in (ipv4, ipv6) and (fd.sport > 0 or evt.moved.net > 0)" => Some("connections"), "fd.l4proto={} and fd.sport={}" sorted by 2 keeps ["PORT" "PROTO" "PROCESS" "IN" "OUT" "CLIENTS"] {
        "PROTO" "fd.l4proto" 6 Key Plain "Protocol.";
        "PORT" "fd.sport" 6 Key Plain "Port of the server.";
        "IN" "evt.buflen.net.in" 8 Sum Bytes "Bytes received.";
        "OUT" "evt.buflen.net.out" 8 Sum Bytes "Bytes sent.";
        "OPS" "evt.count.call" 8 Sum Plain "Calls.";
        "CLIENTS" "fd.cip" 8 Distinct Plain "Distinct client addresses.";
        "CONTAINERS" "container.id" 11 Distinct Plain "Containers.";
        "PROCESS" "proc.name" 16 Last Plain "Process that used it last.";
        "IN/S" "evt.buflen.net.in" 8 Rate Bytes "Bytes received a second, over the span shown.";
        "OUT/S" "evt.buflen.net.out" 8 Rate Bytes "Bytes sent a second, over the span shown.";
        "BYTES" "evt.moved.net" 8 Sum Bytes "Bytes received and sent.";
    } "Traffic by the server's port.";

    "io_by_type" 'I' "I/O by type" Table "evt.is_io=true and fd.type exists" => Some("processes"), "fd.type={}" sorted by 3 keeps ["TYPE" "IN" "OUT" "OPS" "WAITED"] {
        "TYPE" "fd.type" 12 Key Plain "What was read from or written to.";
        "IN" "evt.buflen.in" 8 Sum Bytes "Bytes in.";
        "OUT" "evt.buflen.out" 8 Sum Bytes "Bytes out.";
        "OPS" "evt.count.call" 8 Sum Plain "Calls.";
        "OPS/S" "evt.count.call" 8 Rate Plain "Calls a second, over the span shown.";
        "WAITED" "evt.latency" 8 Told Duration "How long calls waited, together; empty where none is known to have.";
        "ERRORS" "evt.count.error" 8 Sum Plain "Calls that failed.";
        "PROCS" "proc.pid" 6 Distinct Plain "Process ids.";
        "IN/S" "evt.buflen.in" 8 Rate Bytes "Bytes in a second, over the span shown.";
        "OUT/S" "evt.buflen.out" 8 Rate Bytes "Bytes out a second, over the span shown.";
    } "Bytes by kind of file or socket.";

    "process_errors" 'E' "Process errors" Table "evt.failed=true and proc.pid exists" => Some("errors"), "proc.pid={} and proc.pid.ts={}" sorted by 2 keeps ["COMMAND" "ERRORS" "FILE" "NET" "PID"] {
        "PID" "proc.pid" 8 Key Plain "Process id, as the host numbers it.";
        "STARTED" "proc.pid.ts" 19 Key Time "When it started.";
        "ERRORS" "evt.count.error" 8 Sum Plain "Calls that failed.";
        "FILE" "evt.count.error.file" 8 Sum Plain "Calls on files that failed.";
        "NET" "evt.count.error.net" 8 Sum Plain "Calls on sockets that failed.";
        "MEMORY" "evt.count.error.memory" 8 Sum Plain "Calls on memory that failed.";
        "OTHER" "evt.count.error.other" 8 Sum Plain "Other calls that failed.";
        "CONTAINER" "container.name" 16 Last Plain "Container.";
        "COMMAND" "proc.cmdline" 0 Last Plain "Name and arguments.";
    } "Failed calls by process.";

    "container_events" 'V' "Container events" List "evt.type in (container_start, container_stop, oom_kill) or evt.type startswith runtime_ or evt.type startswith infra" => Some("events"), "evt.num={}" sorted by 0 keeps ["EVENT" "CONTAINER" "TIME" "DETAIL"] {
        "NUM" "evt.num" 9 Key Plain "Number in the capture.";
        "TIME" "evt.rawtime" 19 First Time "When.";
        "EVENT" "evt.type" 16 First Plain "What happened.";
        "CONTAINER" "container.name" 16 First Plain "Container.";
        "ID" "container.id" 13 First Plain "First twelve characters of the container's id.";
        "IMAGE" "container.image" 24 First Plain "Image it was started from.";
        "DETAIL" "evt.told" 0 First Plain "In words.";
    } "Starts and ends of containers as the kernel saw them, kills for lack of memory, and what runtimes told.";

    "usage" 'M' "Use of resources" Table "evt.type=container_usage" => Some("events"), "container.id={}" sorted by 3 keeps ["NAME" "CPU%" "MEMORY" "LIMIT" "OOM" "PEAK" "THROTTLED"] {
        "ID" "container.id" 13 Key Plain "First twelve characters of the id.";
        "NAME" "container.name" 20 Last Plain "Name.";
        "CPU%" "container.cpu.percent" 5 Avg Plain "Mean share of one CPU.";
        "CPU TIME" "container.cpu.time" 9 Max Duration "Processor time used since it was made.";
        "CPU MAX%" "container.cpu.percent" 8 Max Plain "Largest share of one CPU between two samples.";
        "THROTTLED" "container.cpu.throttled_time" 9 Max Duration "How long its limit held it back.";
        "MEMORY" "container.memory.current" 8 Last Bytes "Memory in use at the last sample.";
        "PEAK" "container.memory.peak" 8 Max Bytes "Most memory in use.";
        "LIMIT" "container.memory.limit" 8 Last Bytes "Memory it may use; 0 for no limit.";
        "MEM%" "container.memory.percent" 5 Max Plain "Largest share of its limit.";
        "OOM" "container.memory.oom_kills" 5 Max Plain "Processes killed for lack of memory.";
        "PIDS" "container.pids.current" 6 Max Plain "Most processes and threads.";
        "READ" "container.io.read" 8 Max Bytes "Bytes read from disks.";
        "WRITTEN" "container.io.write" 8 Max Bytes "Bytes written to disks.";
        "SAMPLES" "evt.count" 8 Sum Plain "Samples taken.";
    } "What containers used, against what they may use.";
};
