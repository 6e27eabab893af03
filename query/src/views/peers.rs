//! The views that sysdig's users look for: by thread, by port, by kind of error, and what its chisels printed.

use super::{Aggregate, Column, Shape, Unit, View};

/// These views, in the order in which they are listed.
pub(super) const PEERS: &[View] = views! {
    "processor" '\0' "Processor time" Table "proc.pid exists" => Some("threads"), "proc.pid={} and proc.pid.ts={}" sorted by 3 keeps ["COMMAND" "TIME" "CPU%" "USER" "SYSTEM" "PID" "CALLS/S"] {
        "PID" "proc.pid" 8 Key Plain "Process id, as the host numbers it.";
        "STARTED" "proc.pid.ts" 19 Key Time "When it started.";
        "CPU%" "thread.cpu" 6 Threads Plain "Share of one CPU, where another recorder sampled it: the mean of each thread, all threads together.";
        "TIME" "thread.cputime" 8 Told Processor "Processor time, told when a thread ends or sampled by another recorder; `?` of those that went on.";
        "USER" "thread.cputime.user" 8 Told Duration "The part of it in the program.";
        "SYSTEM" "thread.cputime.system" 8 Told Duration "The part of it in the kernel.";
        "CALLS/S" "evt.count.call" 9 Rate Plain "Events a second, over the span shown.";
        "RESIDENT" "thread.vmrss.b" 9 Max Bytes "Resident memory, where another recorder sampled it.";
        "THREADS" "thread.tid" 7 Distinct Plain "Threads with events.";
        "VPID" "proc.vpid" 8 Last Plain "Process id, as its container numbers it.";
        "CONTAINER" "container.name" 16 Last Plain "Container.";
        "COMMAND" "proc.exeline" 0 Last Plain "All arguments.";
    } "Processes by the processor time they used: a thread tells it when it ends, and other recorders in samples.";

    "page_faults" '\0' "Page faults" Table "thread.pfmajor exists" => Some("events"), "proc.pid={} and proc.pid.ts={}" sorted by 2 keeps ["COMMAND" "MAJOR" "MINOR" "PID"] {
        "PID" "proc.pid" 8 Key Plain "Process id, as the host numbers it.";
        "STARTED" "proc.pid.ts" 19 Key Time "When it started.";
        "MAJOR" "thread.pfmajor" 8 Peaks Plain "Page faults that read from a disk, told when a thread ends or sampled by another recorder.";
        "MINOR" "thread.pfminor" 8 Peaks Plain "Page faults that read from no disk.";
        "VPID" "proc.vpid" 8 Last Plain "Process id, as its container numbers it.";
        "CONTAINER" "container.name" 16 Last Plain "Container.";
        "COMMAND" "proc.exeline" 0 Last Plain "All arguments.";
    } "Processes by their page faults.";

    "descriptor_use" '\0' "Use of descriptors" Table "proc.fdopencount exists" => Some("io_by_type"), "proc.pid={} and proc.pid.ts={}" sorted by 2 keeps ["COMMAND" "OPEN" "MOST" "USED%" "PID"] {
        "PID" "proc.pid" 8 Key Plain "Process id, as the host numbers it.";
        "STARTED" "proc.pid.ts" 19 Key Time "When it started.";
        "OPEN" "proc.fdopencount" 8 Max Plain "Most descriptors it had open.";
        "MOST" "proc.fdlimit" 8 Max Plain "Descriptors it may have open; empty where the recorder did not know.";
        "USED%" "proc.fdusage" 6 Max Plain "Largest share of its limit.";
        "VPID" "proc.vpid" 8 Last Plain "Process id, as its container numbers it.";
        "CONTAINER" "container.name" 16 Last Plain "Container.";
        "COMMAND" "proc.exeline" 0 Last Plain "All arguments.";
    } "Processes by how many descriptors they had open, where a recorder sampled that.";

    "backlog" '\0' "Waiting connections" Table "evt.type in (accept, accept4) and evt.failed=false and evt.count.call=1 and evt.rawarg.queuemax exists" => Some("connections"), "proc.pid={} and proc.pid.ts={} and fd.sport={}" sorted by 3 keeps ["PORT" "WAITING" "MOST" "LIMIT" "FULL%" "COMMAND"] {
        "PID" "proc.pid" 8 Key Plain "Process id of the server, as the host numbers it.";
        "STARTED" "proc.pid.ts" 19 Key Time "When it started.";
        "PORT" "fd.sport" 6 Key Plain "Port of the server.";
        "WAITING" "evt.rawarg.queuelen" 8 Avg Plain "Connections that still waited when one was accepted, in the mean.";
        "FULL%" "evt.rawarg.queuepct" 6 Avg Plain "Share of the queue that was taken, in the mean.";
        "MOST" "evt.rawarg.queuelen" 8 Max Plain "Most that waited.";
        "LIMIT" "evt.rawarg.queuemax" 8 Max Plain "Connections that may wait.";
        "ACCEPTED" "evt.count" 8 Sum Plain "Connections that were accepted.";
        "CONTAINER" "container.name" 16 Last Plain "Container.";
        "COMMAND" "proc.cmdline" 0 Last Plain "Who accepted them.";
    } "Connections that wait to be accepted, by the server's port, told with each that is.";

    "container_errors" '\0' "Container errors" Table "evt.failed=true and container.id!=host" => Some("errors"), "container.id={}" sorted by 2 keeps ["NAME" "ERRORS" "FILE" "NET" "OTHER"] {
        "ID" "container.id" 13 Key Plain "First twelve characters of the id.";
        "NAME" "container.name" 20 Last Plain "Name.";
        "ERRORS" "evt.count.error" 8 Sum Plain "Calls that failed.";
        "FILE" "evt.count.error.file" 8 Sum Plain "Calls on files that failed.";
        "NET" "evt.count.error.net" 8 Sum Plain "Calls on sockets that failed.";
        "MEMORY" "evt.count.error.memory" 8 Sum Plain "Calls on memory that failed.";
        "OTHER" "evt.count.error.other" 8 Sum Plain "Other calls that failed.";
        "TYPE" "container.type" 10 Last Plain "Runtime.";
        "IMAGE" "container.image" 0 Last Plain "Image it was started from.";
    } "Failed calls by container.";

    "pods" '\0' "Pods" Table "k8s.pod.name exists" => Some("containers"), "k8s.ns.name={} and k8s.pod.name={}" sorted by 4 keeps ["POD" "NAMESPACE" "EVENTS" "ERRORS" "CONTAINERS"] {
        "NAMESPACE" "k8s.ns.name" 20 Key Plain "Kubernetes namespace.";
        "POD" "k8s.pod.name" 40 Key Plain "Name of the pod.";
        "CONTAINERS" "container.id" 11 Distinct Plain "Containers with events.";
        "PROCS" "proc.pid" 6 Distinct Plain "Process ids with events.";
        "EVENTS" "evt.count" 9 Sum Plain "Events.";
        "FILE" "evt.moved.file" 8 Sum Bytes "Bytes read from and written to files.";
        "NET" "evt.moved.net" 8 Sum Bytes "Bytes received and sent over sockets.";
        "ERRORS" "evt.count.error" 8 Sum Plain "Calls that failed.";
        "CPU%" "thread.cpu" 6 Threads Plain "Share of one CPU, where another recorder sampled it.";
        "RESIDENT" "thread.vmrss.b" 9 Peaks Bytes "Most resident memory of each process, together, where another recorder sampled it.";
        "VIRTUAL" "thread.vmsize.b" 9 Peaks Bytes "Most virtual memory of each process, together, where another recorder sampled it.";
        "UID" "k8s.pod.uid" 36 Last Plain "Uid of the pod.";
        "LABELS" "k8s.pod.labels" 0 Last Plain "Labels, where another recorder kept them.";
    } "Pods of Kubernetes.";

    "k8s_namespaces" '\0' "Namespaces of Kubernetes" Table "k8s.ns.name exists" => Some("pods"), "k8s.ns.name={}" sorted by 3 keeps ["NAMESPACE" "PODS" "EVENTS" "NET"] {
        "NAMESPACE" "k8s.ns.name" 30 Key Plain "Kubernetes namespace.";
        "PODS" "k8s.pod.name" 6 Distinct Plain "Pods with events.";
        "CONTAINERS" "container.id" 11 Distinct Plain "Containers with events.";
        "EVENTS" "evt.count" 9 Sum Plain "Events.";
        "FILE" "evt.moved.file" 8 Sum Bytes "Bytes read from and written to files.";
        "NET" "evt.moved.net" 8 Sum Bytes "Bytes received and sent over sockets.";
        "CPU%" "thread.cpu" 6 Threads Plain "Share of one CPU, where another recorder sampled it.";
        "RESIDENT" "thread.vmrss.b" 9 Peaks Bytes "Most resident memory of each process, together, where another recorder sampled it.";
        "VIRTUAL" "thread.vmsize.b" 9 Peaks Bytes "Most virtual memory of each process, together, where another recorder sampled it.";
        "ID" "k8s.ns.id" 36 Last Plain "Id, where another recorder kept it.";
        "LABELS" "k8s.ns.labels" 0 Last Plain "Labels, where another recorder kept them.";
    } "Namespaces of Kubernetes.";

    "k8s_controllers" '\0' "Replication controllers" Table "k8s.rc.name exists" => Some("pods"), "k8s.ns.name={} and k8s.rc.name={}" sorted by 3 keeps ["NAME" "NAMESPACE" "PODS" "EVENTS" "NET"] {
        "NAMESPACE" "k8s.ns.name" 20 Key Plain "Kubernetes namespace.";
        "NAME" "k8s.rc.name" 30 Key Plain "Name.";
        "PODS" "k8s.pod.name" 6 Distinct Plain "Pods with events.";
        "EVENTS" "evt.count" 9 Sum Plain "Events.";
        "FILE" "evt.moved.file" 8 Sum Bytes "Bytes read from and written to files.";
        "NET" "evt.moved.net" 8 Sum Bytes "Bytes received and sent over sockets.";
        "CPU%" "thread.cpu" 6 Threads Plain "Share of one CPU, where another recorder sampled it.";
        "RESIDENT" "thread.vmrss.b" 9 Peaks Bytes "Most resident memory of each process, together, where another recorder sampled it.";
        "VIRTUAL" "thread.vmsize.b" 9 Peaks Bytes "Most virtual memory of each process, together, where another recorder sampled it.";
        "ID" "k8s.rc.id" 36 Last Plain "Id.";
        "LABELS" "k8s.rc.labels" 0 Last Plain "Labels.";
    } "Replication controllers of Kubernetes, where another recorder kept them.";

    "k8s_deployments" '\0' "Deployments" Table "k8s.deployment.name exists" => Some("pods"), "k8s.ns.name={} and k8s.deployment.name={}" sorted by 3 keeps ["NAME" "NAMESPACE" "PODS" "EVENTS" "NET"] {
        "NAMESPACE" "k8s.ns.name" 20 Key Plain "Kubernetes namespace.";
        "NAME" "k8s.deployment.name" 30 Key Plain "Name.";
        "PODS" "k8s.pod.name" 6 Distinct Plain "Pods with events.";
        "EVENTS" "evt.count" 9 Sum Plain "Events.";
        "FILE" "evt.moved.file" 8 Sum Bytes "Bytes read from and written to files.";
        "NET" "evt.moved.net" 8 Sum Bytes "Bytes received and sent over sockets.";
        "CPU%" "thread.cpu" 6 Threads Plain "Share of one CPU, where another recorder sampled it.";
        "RESIDENT" "thread.vmrss.b" 9 Peaks Bytes "Most resident memory of each process, together, where another recorder sampled it.";
        "VIRTUAL" "thread.vmsize.b" 9 Peaks Bytes "Most virtual memory of each process, together, where another recorder sampled it.";
        "ID" "k8s.deployment.id" 36 Last Plain "Id.";
        "LABELS" "k8s.deployment.labels" 0 Last Plain "Labels.";
    } "Deployments of Kubernetes, where another recorder kept them.";

    "k8s_replicasets" '\0' "Replica sets" Table "k8s.rs.name exists" => Some("pods"), "k8s.ns.name={} and k8s.rs.name={}" sorted by 3 keeps ["NAME" "NAMESPACE" "PODS" "EVENTS" "NET"] {
        "NAMESPACE" "k8s.ns.name" 20 Key Plain "Kubernetes namespace.";
        "NAME" "k8s.rs.name" 30 Key Plain "Name.";
        "PODS" "k8s.pod.name" 6 Distinct Plain "Pods with events.";
        "EVENTS" "evt.count" 9 Sum Plain "Events.";
        "FILE" "evt.moved.file" 8 Sum Bytes "Bytes read from and written to files.";
        "NET" "evt.moved.net" 8 Sum Bytes "Bytes received and sent over sockets.";
        "CPU%" "thread.cpu" 6 Threads Plain "Share of one CPU, where another recorder sampled it.";
        "RESIDENT" "thread.vmrss.b" 9 Peaks Bytes "Most resident memory of each process, together, where another recorder sampled it.";
        "VIRTUAL" "thread.vmsize.b" 9 Peaks Bytes "Most virtual memory of each process, together, where another recorder sampled it.";
        "ID" "k8s.rs.id" 36 Last Plain "Id.";
        "LABELS" "k8s.rs.labels" 0 Last Plain "Labels.";
    } "Replica sets of Kubernetes, where another recorder kept them.";

    "k8s_services" '\0' "Services of Kubernetes" Table "k8s.svc.name exists" => Some("pods"), "k8s.ns.name={} and k8s.svc.name={}" sorted by 3 keeps ["NAME" "NAMESPACE" "PODS" "EVENTS" "NET"] {
        "NAMESPACE" "k8s.ns.name" 20 Key Plain "Kubernetes namespace.";
        "NAME" "k8s.svc.name" 30 Key Plain "Name.";
        "PODS" "k8s.pod.name" 6 Distinct Plain "Pods with events.";
        "EVENTS" "evt.count" 9 Sum Plain "Events.";
        "FILE" "evt.moved.file" 8 Sum Bytes "Bytes read from and written to files.";
        "NET" "evt.moved.net" 8 Sum Bytes "Bytes received and sent over sockets.";
        "CPU%" "thread.cpu" 6 Threads Plain "Share of one CPU, where another recorder sampled it.";
        "RESIDENT" "thread.vmrss.b" 9 Peaks Bytes "Most resident memory of each process, together, where another recorder sampled it.";
        "VIRTUAL" "thread.vmsize.b" 9 Peaks Bytes "Most virtual memory of each process, together, where another recorder sampled it.";
        "ID" "k8s.svc.id" 36 Last Plain "Id.";
        "LABELS" "k8s.svc.labels" 0 Last Plain "Labels.";
    } "Services of Kubernetes, where another recorder kept them.";

    "slow_files" '\0' "Slow files" Table "evt.is_io=true and fd.type=file and evt.latency>1ms" => Some("events"), "evt.num={}" sorted by 2 keeps ["FILE" "WAITED" "TIME" "COMMAND" "CALL" "BYTES"] {
        "NUM" "evt.num" 9 Key Plain "Number in the capture.";
        "TIME" "evt.rawtime" 19 First Time "When the call returned.";
        "WAITED" "evt.latency" 8 First Duration "From where it first gave up the processor to its return.";
        "CALL" "evt.type" 10 First Plain "Call.";
        "BYTES" "evt.buflen" 8 First Bytes "Bytes moved.";
        "FILE" "fd.name" 40 First Plain "Path.";
        "PID" "proc.pid" 8 First Plain "Process id, as the host numbers it.";
        "CONTAINER" "container.name" 16 First Plain "Container.";
        "COMMAND" "proc.cmdline" 0 First Plain "Who.";
    } "Reads and writes of files that waited longer than a millisecond, those that waited longest first.";

    "slow_sockets" '\0' "Slow sockets" Table "evt.is_io=true and fd.type in (ipv4, ipv6, unix) and evt.latency>1ms" => Some("events"), "evt.num={}" sorted by 2 keeps ["CONNECTION" "WAITED" "TIME" "COMMAND" "CALL" "BYTES"] {
        "NUM" "evt.num" 9 Key Plain "Number in the capture.";
        "TIME" "evt.rawtime" 19 First Time "When the call returned.";
        "WAITED" "evt.latency" 8 First Duration "From where it first gave up the processor to its return.";
        "CALL" "evt.type" 10 First Plain "Call.";
        "BYTES" "evt.buflen" 8 First Bytes "Bytes moved.";
        "CONNECTION" "fd.name" 40 First Plain "Both ends.";
        "PID" "proc.pid" 8 First Plain "Process id, as the host numbers it.";
        "CONTAINER" "container.name" 16 First Plain "Container.";
        "COMMAND" "proc.cmdline" 0 First Plain "Who.";
    } "Reads and writes of sockets that waited longer than a millisecond, those that waited longest first.";

    "slow_calls" '\0' "Slow calls" Table "evt.latency>1ms" => Some("events"), "evt.num={}" sorted by 2 keeps ["CALL" "WAITED" "ON" "TIME" "COMMAND"] {
        "NUM" "evt.num" 9 Key Plain "Number in the capture.";
        "TIME" "evt.rawtime" 19 First Time "When the call returned.";
        "WAITED" "evt.latency" 8 First Duration "From where it first gave up the processor to its return.";
        "CALL" "evt.type" 16 First Plain "Call.";
        "ON" "fd.name" 40 First Plain "What it was about.";
        "PID" "proc.pid" 8 First Plain "Process id, as the host numbers it.";
        "CONTAINER" "container.name" 16 First Plain "Container.";
        "COMMAND" "proc.cmdline" 0 First Plain "Who.";
    } "Calls that waited longer than a millisecond, those that waited longest first.";

    "syslog" '\0' "Syslog" List "syslog.message exists" => Some("events"), "evt.num={}" sorted by 0 keeps ["MESSAGE" "SEVERITY" "TIME" "PROCESS"] {
        "NUM" "evt.num" 9 Key Plain "Number in the capture.";
        "TIME" "evt.rawtime" 19 First Time "When it was written.";
        "FACILITY" "syslog.facility.str" 9 First Plain "What it is about.";
        "SEVERITY" "syslog.severity.str" 9 First Plain "How bad it is.";
        "PROCESS" "proc.name" 16 First Plain "Who.";
        "PID" "proc.pid" 8 First Plain "Process id, as the host numbers it.";
        "CONTAINER" "container.name" 16 First Plain "Container.";
        "MESSAGE" "syslog.message" 0 First Plain "Text.";
    } "Lines written to /dev/log.";

    "logs" '\0' "Logs" List "evt.is_io_write=true and evt.failed=false and (fd.name endswith .log or fd.name endswith _log or fd.name contains /var/log/ or fd.num in (1, 2) and fd.type in (pipe, file, char)) and not (fd.name endswith .gz or fd.name endswith .tgz) and evt.count.call=1" => Some("events"), "evt.num={}" sorted by 0 keeps ["TEXT" "PROCESS" "TIME" "CONTAINER" "TO"] {
        "NUM" "evt.num" 9 Key Plain "Number in the capture.";
        "TIME" "evt.rawtime" 19 First Time "When it was written.";
        "CONTAINER" "container.name" 16 First Plain "Container.";
        "PROCESS" "proc.name" 16 First Plain "Who.";
        "TO" "fd.name" 24 First Plain "File, pipe or terminal.";
        "FD" "fd.num" 3 First Plain "Descriptor: 1 is output, 2 is errors.";
        "TEXT" "evt.buffer" 0 First Plain "What was written, as much as was kept.";
    } "What was written to log files, output and errors.";

    "echo" '\0' "Reads and writes" List "evt.is_io=true and evt.buffer exists" => Some("events"), "evt.num={}" sorted by 0 keeps ["DATA" "PROCESS" "TIME" "WAY" "FD" "FILE"] {
        "NUM" "evt.num" 9 Key Plain "Number in the capture.";
        "TIME" "evt.rawtime" 19 First Time "When the call returned.";
        "PROCESS" "proc.name" 16 First Plain "Who.";
        "PID" "proc.pid" 8 First Plain "Process id, as the host numbers it.";
        "WAY" "evt.io_dir" 5 First Plain "Read or write.";
        "FD" "fd.num" 4 First Plain "Descriptor.";
        "BYTES" "evt.buflen" 8 First Bytes "Bytes moved.";
        "FILE" "fd.name" 32 First Plain "File or connection.";
        "DATA" "evt.buffer" 0 First Plain "What was moved, as much as was kept.";
    } "What was read and written, in order.";

    "shell_activity" '\0' "Users' commands" List "evt.failed=false and (evt.type in (execve, execveat) or evt.type in (chdir, fchdir) and proc.name endswith sh) and evt.count.call=1" => Some("events"), "evt.num={}" sorted by 0 keeps ["COMMAND" "USER" "TIME" "SHELL" "DIRECTORY"] {
        "NUM" "evt.num" 9 Key Plain "Number in the capture.";
        "TIME" "evt.rawtime" 19 First Time "When.";
        "USER" "user.shown" 10 First Plain "Effective user: the name, else the id.";
        "LOGIN" "user.loginname" 10 First Plain "Who logged in.";
        "SHELL" "proc.loginshellid" 8 First Plain "Pid of the oldest shell above it.";
        "TTY" "proc.tty.name" 8 First Plain "Controlling terminal; empty for none.";
        "EVENT" "evt.type" 8 First Plain "A program, or a change of directory.";
        "DIRECTORY" "proc.cwd" 20 First Plain "Working directory.";
        "CONTAINER" "container.name" 16 First Plain "Container.";
        "COMMAND" "proc.cmdline" 0 First Plain "Name and arguments.";
    } "Programs that were executed and directories that shells went to, with the shell they belong to.";

    "login_shells" '\0' "Login shells" Table "proc.loginshellid exists and proc.loginshellid>0" => Some("shell_activity"), "proc.loginshellid={}" sorted by 3 keeps ["LAST COMMAND" "USER" "SHELL" "EVENTS" "LOGIN" "CONTAINER"] {
        "SHELL" "proc.loginshellid" 8 Key Plain "Pid of the oldest shell.";
        "USER" "user.shown" 10 First Plain "Effective user at first: the name, else the id.";
        "LOGIN" "user.loginname" 10 First Plain "Who logged in; empty where nobody did.";
        "EVENTS" "evt.count" 9 Sum Plain "Events of it and below it.";
        "PROCS" "proc.pid" 6 Distinct Plain "Process ids below it.";
        "TTY" "proc.tty.name" 8 First Plain "Terminal; empty for none.";
        "CONTAINER" "container.name" 16 First Plain "Container.";
        "FIRST" "evt.rawtime" 19 First Time "First event.";
        "LAST" "evt.rawtime" 19 Last Time "Last event.";
        "LAST COMMAND" "proc.cmdline" 0 Last Plain "What ran last.";
    } "Shells, and what was done below each.";

    "shellshock" '\0' "Shellshock" List "evt.type in (execve, execveat) and proc.env contains '() {' and evt.count.call=1" => Some("events"), "evt.num={}" sorted by 0 keeps ["COMMAND" "PARENT" "TIME" "CONTAINER"] {
        "NUM" "evt.num" 9 Key Plain "Number in the capture.";
        "TIME" "evt.rawtime" 19 First Time "When.";
        "PARENT" "proc.pname" 16 First Plain "Who executed it.";
        "CONTAINER" "container.name" 16 First Plain "Container.";
        "COMMAND" "proc.cmdline" 0 First Plain "Name and arguments.";
    } "Programs that were given a variable which holds a function, as an attack on bash does (CVE-2014-6271).";

    "ends" '\0' "Ended processes" List "evt.type=procexit and thread.ismain=true" => Some("events"), "evt.num={}" sorted by 0 keeps ["COMMAND" "STATUS" "TIME" "SIGNAL" "PID"] {
        "NUM" "evt.num" 9 Key Plain "Number in the capture.";
        "TIME" "evt.rawtime" 19 First Time "When it ended.";
        "LIVED" "proc.duration" 8 First Duration "How long it had run.";
        "STATUS" "proc.end.code" 6 First Plain "Exit code; empty where a signal ended it.";
        "SIGNAL" "proc.end.signal" 12 First Plain "Signal that ended it.";
        "PID" "proc.pid" 8 First Plain "Process id, as the host numbers it.";
        "CONTAINER" "container.name" 16 First Plain "Container.";
        "COMMAND" "proc.cmdline" 0 First Plain "Name and arguments.";
    } "Processes that ended, how long they ran and why they ended.";

    "signals" '\0' "Signals" List "evt.type=signaldeliver" => Some("events"), "evt.num={}" sorted by 0 keeps ["SIGNAL" "COMMAND" "FROM" "TIME" "WHY" "TO"] {
        "NUM" "evt.num" 9 Key Plain "Number in the capture.";
        "TIME" "evt.rawtime" 19 First Time "When it reached the process.";
        "SIGNAL" "evt.arg.sig" 10 First Plain "Signal.";
        "FROM" "evt.rawarg.spid" 8 First Plain "Pid of who sent it; 0 for the kernel.";
        "TO" "evt.rawarg.dpid" 8 First Plain "Pid of who got it.";
        "CODE" "evt.arg.code" 12 First Plain "What the kernel calls its cause.";
        "WHY" "evt.cause" 24 First Plain "What that means.";
        "CONTAINER" "container.name" 16 First Plain "Container.";
        "COMMAND" "proc.cmdline" 0 First Plain "Who got it.";
    } "Signals that reached a process.";

    "dns" '\0' "Name lookups" List "dns.question exists or dns.rcode exists" => Some("events"), "evt.num={}" sorted by 0 keeps ["QUESTION" "ADDRESSES" "TIME" "ANSWER" "COMMAND" "TYPE"] {
        "NUM" "evt.num" 9 Key Plain "Number in the capture.";
        "TIME" "evt.rawtime" 19 First Time "When it was sent or received.";
        "QUESTION" "dns.question" 36 First Plain "Name that was asked for.";
        "TYPE" "dns.question.type" 6 First Plain "Type of record.";
        "ANSWER" "dns.rcode" 9 First Plain "What the server said; empty for a question.";
        "ADDRESSES" "dns.answers" 36 First Plain "What it answered.";
        "SERVER" "fd.sip" 16 First Plain "Name server.";
        "CONTAINER" "container.name" 16 First Plain "Container.";
        "COMMAND" "proc.cmdline" 0 First Plain "Who.";
    } "Questions to name servers and their answers.";

    "statsd" '\0' "StatsD metrics" List "evt.is_io=true and (fd.l4proto=udp or fd.type=unix) and evt.buffer contains ':' and evt.buffer contains anyof ('|c', '|g', '|m', '|s', '|h', '|d')" => Some("events"), "evt.num={}" sorted by 0 keeps ["METRICS" "PROCESS" "TIME" "CONNECTION"] {
        "NUM" "evt.num" 9 Key Plain "Number in the capture.";
        "TIME" "evt.rawtime" 19 First Time "When the call returned.";
        "WAY" "evt.io_dir" 5 First Plain "Sent (write) or received (read).";
        "PROCESS" "proc.name" 16 First Plain "Who.";
        "CONNECTION" "fd.name" 32 First Plain "Both ends.";
        "CONTAINER" "container.name" 16 First Plain "Container.";
        "METRICS" "evt.buffer" 0 First Plain "Name, value and kind of each, as much as was kept.";
    } "What was sent or received over UDP and Unix sockets that looks like metrics of StatsD; what it means is told in conversations.";

    "identity" '\0' "Identity changes" List "evt.type in (setuid, setgid, setreuid, setregid, setresuid, setresgid, setfsuid, setfsgid, capset) and evt.count.call=1" => Some("events"), "evt.num={}" sorted by 0 keeps ["CALL" "RESULT" "TIME" "PROCESS" "ARGUMENTS" "USER"] {
        "NUM" "evt.num" 9 Key Plain "Number in the capture.";
        "TIME" "evt.rawtime" 19 First Time "When the call returned.";
        "CALL" "evt.type" 12 First Plain "Call.";
        "RESULT" "evt.res" 10 First Plain "SUCCESS or the error.";
        "USER" "user.shown" 12 First Plain "Effective user: the name, else the id.";
        "CONTAINER" "container.name" 16 First Plain "Container.";
        "PROCESS" "proc.name" 16 First Plain "Who.";
        "ARGUMENTS" "evt.asked" 0 First Plain "Arguments.";
    } "Changes of user, group and capabilities.";

    "notifications" '\0' "Notifications" List "evt.type startswith notification" => Some("events"), "evt.num={}" sorted by 0 keeps ["DESCRIPTION" "ID" "TIME"] {
        "NUM" "evt.num" 9 Key Plain "Number in the capture.";
        "TIME" "evt.rawtime" 19 First Time "When.";
        "ID" "evt.arg.id" 20 First Plain "What kind.";
        "CONTAINER" "container.name" 16 First Plain "Container.";
        "DESCRIPTION" "evt.arg.desc" 0 First Plain "What was said.";
    } "What another recorder was notified of.";
};
