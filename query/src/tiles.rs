//! The tiles of the overview as data: which events a tile counts, how, and which view it opens.

use crate::views::Unit;

/// What a tile counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Events.
    Events,
    /// The sum of a field.
    Sum(&'static str),
    /// Distinct values of fields taken together.
    Distinct(&'static [&'static str]),
}

/// A tile of the overview.
#[derive(Clone, Copy, Debug)]
pub struct Tile {
    /// Short name.
    pub id: &'static str,
    /// Group it stands in.
    pub group: &'static str,
    /// Title.
    pub title: &'static str,
    /// Which events it counts.
    pub filter: &'static str,
    /// What is counted.
    pub counted: Counted,
    /// How the number is shown.
    pub unit: Unit,
    /// The view Enter opens, with the tile's filter.
    pub view: &'static str,
    /// Whether anything but zero deserves a look.
    pub notable: bool,
    /// One sentence.
    pub doc: &'static str,
}

macro_rules! tiles {
    ($($group:literal { $($id:literal $title:literal $filter:literal $counted:expr, $unit:ident $view:literal $notable:literal $doc:literal;)* })*) => {
        &[$($(Tile {
            id: $id, group: $group, title: $title, filter: $filter, counted: $counted,
            unit: Unit::$unit, view: $view, notable: $notable, doc: $doc,
        }),*),*]
    };
}

use Counted::{Distinct, Events, Sum};

/// Every tile, by group.
pub const TILES: &[Tile] = tiles! {
    "general" {
        "events" "Events" "" Events, Plain "syscalls" false "What was recorded, as far as it can be read.";
        "containers" "Containers" "container.id!=host" Distinct(&["container.id"]), Plain "containers" false "Containers with events.";
        "processes" "Processes" "proc.pid exists" Distinct(&["proc.pid", "proc.pid.ts"]), Plain "processes" false "Processes with events.";
        "forks" "Processes started" "proc.is_new=true" Distinct(&["proc.pid", "proc.pid.ts"]), Plain "processes" false "Processes that were started after the recorder began.";
        "errors" "Failed calls" "evt.failed=true" Events, Plain "errors" false "Calls that returned an error.";
        "notifications" "Notifications" "evt.type startswith notification" Events, Plain "notifications" true "What another recorder was notified of.";
    }
    "files" {
        "file_bytes" "File bytes" "evt.moved.file>0" Sum("evt.moved.file"), Bytes "files" false "Bytes read from and written to files.";
        "file_in" "Read from files" "evt.buflen.file.in>0" Sum("evt.buflen.file.in"), Bytes "files" false "Bytes read from files.";
        "file_out" "Written to files" "evt.buflen.file.out>0" Sum("evt.buflen.file.out"), Bytes "files" false "Bytes written to files.";
        "files_opened" "Files opened" "evt.type in (open, openat, openat2, creat) and evt.failed=false and evt.count.call=1 and fd.type in (file, directory, symlink, memfd, char, block)" Distinct(&["container.id", "fd.name"]), Plain "files" false "Distinct files opened.";
        "files_read" "Files read" "evt.is_io_read=true and fd.type=file" Distinct(&["container.id", "fd.name"]), Plain "files" false "Distinct files read from.";
        "files_written" "Files written" "evt.is_io_write=true and fd.type=file" Distinct(&["container.id", "fd.name"]), Plain "files" false "Distinct files written to.";
        "files_deleted" "Files deleted" "evt.type in (unlink, unlinkat, rmdir) and evt.failed=false and evt.count.call=1" Events, Plain "deletions" true "Files and directories removed.";
        "open_errors" "Failed opens" "evt.type in (open, openat, openat2, creat) and evt.failed=true" Events, Plain "file_opens" false "Files that could not be opened.";
    }
    "network" {
        "net_bytes" "Network bytes" "evt.moved.net>0 and fd.type in (ipv4, ipv6)" Sum("evt.moved.net"), Bytes "server_ports" false "Bytes received and sent over sockets of the network.";
        "net_in" "Received" "evt.buflen.net.in>0 and fd.type in (ipv4, ipv6)" Sum("evt.buflen.net.in"), Bytes "server_ports" false "Bytes received over sockets of the network.";
        "net_out" "Sent" "evt.buflen.net.out>0 and fd.type in (ipv4, ipv6)" Sum("evt.buflen.net.out"), Bytes "server_ports" false "Bytes sent over sockets of the network.";
        "connections_active" "Connections in use" "evt.is_io=true and fd.type in (ipv4, ipv6) and evt.count.call=1" Distinct(&["container.id", "fd.name"]), Plain "connections" false "Distinct connections that carried something; the view has a row for each end that was recorded.";
        "connections_out" "Connections out" "evt.type=connect and fd.type in (ipv4, ipv6) and evt.res in (SUCCESS, EINPROGRESS)" Events, Plain "new_connections" true "Connections the recorded processes made.";
        "connections_in" "Connections in" "evt.type in (accept, accept4) and fd.type in (ipv4, ipv6) and evt.failed=false and evt.count.call=1" Events, Plain "new_connections" true "Connections the recorded processes accepted.";
        "connections_failed" "Connections refused" "evt.type=connect and fd.type in (ipv4, ipv6) and evt.failed=true and evt.res!=EINPROGRESS" Events, Plain "new_connections" true "Connections that could not be made.";
        "ports" "Ports bound" "evt.type in (bind, listen) and fd.type in (ipv4, ipv6) and evt.failed=false and evt.count.call=1" Distinct(&["container.id", "fd.lport"]), Plain "listening" false "Distinct ports that sockets were bound to.";
        "listening" "New listening ports" "evt.type=listen and fd.type in (ipv4, ipv6) and evt.failed=false and evt.count.call=1" Events, Plain "listening" true "Sockets that began to listen.";
        "lookups" "Names looked up" "dns.question exists" Distinct(&["dns.question"]), Plain "dns" false "Distinct names that name servers were asked for.";
    }
    "protocols" {
        "port_http" "HTTP" "fd.sport in (80, 8080) and evt.moved.net>0" Sum("evt.moved.net"), Bytes "connections" false "Bytes to and from ports 80 and 8080.";
        "port_https" "HTTPS" "fd.sport in (443, 8443) and evt.moved.net>0" Sum("evt.moved.net"), Bytes "connections" false "Bytes to and from ports 443 and 8443.";
        "port_ssh" "SSH" "fd.sport=22 and evt.moved.net>0" Sum("evt.moved.net"), Bytes "connections" true "Bytes to and from port 22.";
        "port_dns" "DNS" "fd.sport=53 and evt.moved.net>0" Sum("evt.moved.net"), Bytes "dns" false "Bytes to and from port 53.";
        "port_agent" "Sysdig agent" "fd.sport=6666 and evt.moved.net>0" Sum("evt.moved.net"), Bytes "connections" false "Bytes to and from port 6666.";
        "port_etcd" "etcd" "fd.sport in (2379, 2380, 4001, 7001) and evt.moved.net>0" Sum("evt.moved.net"), Bytes "connections" false "Bytes to and from ports 2379, 2380, 4001 and 7001.";
        "port_mysql" "MySQL" "fd.sport=3306 and evt.moved.net>0" Sum("evt.moved.net"), Bytes "connections" false "Bytes to and from port 3306.";
        "port_postgres" "PostgreSQL" "fd.sport=5432 and evt.moved.net>0" Sum("evt.moved.net"), Bytes "connections" false "Bytes to and from port 5432.";
        "port_redis" "Redis" "fd.sport=6379 and evt.moved.net>0" Sum("evt.moved.net"), Bytes "connections" false "Bytes to and from port 6379.";
        "port_couchdb" "CouchDB" "fd.sport in (5984, 6984) and evt.moved.net>0" Sum("evt.moved.net"), Bytes "connections" false "Bytes to and from ports 5984 and 6984.";
        "port_fluentd" "Fluentd" "fd.sport=24224 and evt.moved.net>0" Sum("evt.moved.net"), Bytes "connections" false "Bytes to and from port 24224.";
        "port_statsd" "StatsD" "fd.sport=8125 and evt.moved.net>0" Sum("evt.moved.net"), Bytes "connections" false "Bytes to and from port 8125.";
        "statsd" "StatsD metrics" "evt.is_io=true and (fd.l4proto=udp or fd.type=unix) and evt.buffer contains ':' and evt.buffer contains anyof ('|c', '|g', '|m', '|s', '|h', '|d')" Events, Plain "statsd" false "What was sent or received over UDP and Unix sockets that looks like metrics of StatsD.";
        "port_gearman" "Gearman" "fd.sport=4730 and evt.moved.net>0" Sum("evt.moved.net"), Bytes "connections" false "Bytes to and from port 4730.";
        "port_hadoop" "Hadoop" "fd.sport in (8020, 8021, 9000, 50010, 50020, 50070) and evt.moved.net>0" Sum("evt.moved.net"), Bytes "connections" false "Bytes to and from the ports of Hadoop.";
        "port_hbase" "HBase" "fd.sport in (16000, 16010, 16020, 60000, 60020) and evt.moved.net>0" Sum("evt.moved.net"), Bytes "connections" false "Bytes to and from the ports of HBase.";
        "port_kafka" "Kafka" "fd.sport=9092 and evt.moved.net>0" Sum("evt.moved.net"), Bytes "connections" false "Bytes to and from port 9092.";
        "port_kyoto" "Kyoto Tycoon" "fd.sport=1978 and evt.moved.net>0" Sum("evt.moved.net"), Bytes "connections" false "Bytes to and from port 1978.";
        "port_memcached" "memcached" "fd.sport=11211 and evt.moved.net>0" Sum("evt.moved.net"), Bytes "connections" false "Bytes to and from port 11211.";
        "port_mongodb" "MongoDB" "fd.sport in (27017, 27018, 27019) and evt.moved.net>0" Sum("evt.moved.net"), Bytes "connections" false "Bytes to and from the ports of MongoDB.";
        "port_rabbitmq" "RabbitMQ" "fd.sport in (5671, 5672, 15672) and evt.moved.net>0" Sum("evt.moved.net"), Bytes "connections" false "Bytes to and from the ports of RabbitMQ.";
        "port_riak" "Riak" "fd.sport in (8087, 8098) and evt.moved.net>0" Sum("evt.moved.net"), Bytes "connections" false "Bytes to and from ports 8087 and 8098.";
        "port_solr" "Solr" "fd.sport=8983 and evt.moved.net>0" Sum("evt.moved.net"), Bytes "connections" false "Bytes to and from port 8983.";
        "port_voltdb" "VoltDB" "fd.sport in (21211, 21212) and evt.moved.net>0" Sum("evt.moved.net"), Bytes "connections" false "Bytes to and from ports 21211 and 21212.";
        "port_elasticsearch" "Elasticsearch" "fd.sport>=9200 and fd.sport<=9400 and evt.moved.net>0" Sum("evt.moved.net"), Bytes "connections" false "Bytes to and from ports 9200 to 9400.";
    }
    "security" {
        "commands" "Commands run" "evt.type in (execve, execveat) and evt.failed=false and evt.count.call=1" Events, Plain "commands" true "Programs executed.";
        "interactive" "Commands at a terminal" "evt.type in (execve, execveat) and evt.failed=false and proc.tty>0 and evt.count.call=1" Events, Plain "commands" true "Programs executed by something that has a terminal.";
        "sensitive" "Sensitive files" "evt.type in (open, openat, openat2) and fd.name pmatch (/etc/shadow, /etc/gshadow, /etc/sudoers, /etc/sudoers.d, /root/.ssh, '/home/*/.ssh', /var/run/docker.sock, /run/docker.sock, /var/run/secrets, /run/secrets, '/proc/*/environ')" Events, Plain "file_opens" true "Opens of password files, keys, secrets and other processes' environments.";
        "system_files" "System files written" "evt.is_io_write=true and fd.name pmatch (/bin, /sbin, /lib, /lib32, /lib64, /boot, /etc, /usr/bin, /usr/sbin, /usr/lib, /usr/share, /usr/local/bin, /var/spool/cron)" Distinct(&["container.id", "fd.name"]), Plain "files" true "Distinct files of the system that were written to.";
        "symlinks" "New links" "evt.type in (symlink, symlinkat) and evt.failed=false and evt.count.call=1" Events, Plain "events" true "Symbolic links made.";
        "dropped" "Dropped programs run" "evt.type in (execve, execveat) and evt.failed=false and (proc.is_exe_upper_layer=true or proc.is_exe_from_memfd=true or proc.exepath pmatch (/tmp, /var/tmp, /dev/shm, /run)) and evt.count.call=1" Events, Plain "commands" true "Programs executed that the container wrote itself, from memory, or from where anybody may write.";
        "sudo" "Sudo" "evt.type in (execve, execveat) and evt.failed=false and proc.name in (sudo, su, doas, pkexec) and evt.count.call=1" Events, Plain "commands" true "Programs executed that run others as somebody else.";
        "ssh" "New SSH connections" "evt.type in (connect, accept, accept4) and fd.sport=22 and evt.res in (SUCCESS, EINPROGRESS)" Events, Plain "new_connections" true "Connections to port 22, made or accepted.";
        "namespaces" "Namespace changes" "evt.type in (setns, unshare) and evt.failed=false and evt.count.call=1" Events, Plain "events" true "Processes that entered or made namespaces.";
        "privilege" "Identity changes" "evt.type in (setuid, setgid, setreuid, setregid, setresuid, setresgid, capset) and evt.failed=false and evt.count.call=1" Events, Plain "identity" true "Processes that changed user, group or capabilities.";
        "kernel" "Kernel doors" "evt.type in (init_module, finit_module, bpf, ptrace, kexec_load, mount, pivot_root) and evt.failed=false and evt.count.call=1" Events, Plain "events" true "Modules, BPF, tracing of other processes, mounts.";
    }
    "performance" {
        "http_requests" "HTTP requests" "evt.is_io_read=true and fd.is_server=true and (evt.buffer startswith 'GET ' or evt.buffer startswith 'POST ' or evt.buffer startswith 'PUT ' or evt.buffer startswith 'HEAD ' or evt.buffer startswith 'DELETE ' or evt.buffer startswith 'PATCH ' or evt.buffer startswith 'OPTIONS ')" Events, Plain "http" true "Requests that recorded servers read.";
        "http_4xx" "HTTP answers 4xx" "evt.is_io_write=true and fd.is_server=true and (evt.buffer startswith 'HTTP/1.1 4' or evt.buffer startswith 'HTTP/1.0 4')" Events, Plain "http" true "Answers of recorded servers that blame the client.";
        "http_5xx" "HTTP answers 5xx" "evt.is_io_write=true and fd.is_server=true and (evt.buffer startswith 'HTTP/1.1 5' or evt.buffer startswith 'HTTP/1.0 5')" Events, Plain "http" true "Answers of recorded servers that blame themselves.";
        "signals" "Signals" "evt.type=signaldeliver" Events, Plain "signals" false "Signals that reached a process.";
        "crashes" "Crashes" "evt.type=procexit and evt.arg.signal in (SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS) or evt.type=signaldeliver and evt.arg.sig in (SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS)" Events, Plain "events" true "Threads that a fault ended, and the signals of faults.";
        "killed" "Out of memory" "evt.type=oom_kill" Events, Plain "container_events" true "Processes the kernel killed for lack of memory.";
        "slow_1ms" "File I/O of 1 ms" "evt.is_io=true and fd.type=file and evt.latency>1ms" Events, Plain "slow_files" false "Reads and writes of files that waited longer than 1 ms.";
        "slow_10ms" "File I/O of 10 ms" "evt.is_io=true and fd.type=file and evt.latency>10ms" Events, Plain "slow_files" false "Reads and writes of files that waited longer than 10 ms.";
        "slow_100ms" "File I/O of 100 ms" "evt.is_io=true and fd.type=file and evt.latency>100ms" Events, Plain "slow_files" true "Reads and writes of files that waited longer than 100 ms.";
    }
    "logs" {
        "log_lines" "Log writes" "evt.is_io_write=true and evt.failed=false and (fd.name endswith .log or fd.name endswith _log or fd.name contains /var/log/) and not (fd.name endswith .gz or fd.name endswith .tgz) and evt.count.call=1" Events, Plain "logs" false "Writes to log files.";
        "log_warnings" "Warnings in logs" "evt.is_io_write=true and evt.failed=false and (fd.name endswith .log or fd.name endswith _log or fd.name contains /var/log/) and not (fd.name endswith .gz or fd.name endswith .tgz) and (evt.buffer contains warn or evt.buffer contains Warn or evt.buffer contains WARN) and evt.count.call=1" Events, Plain "logs" false "Writes to log files that say warn.";
        "log_errors" "Errors in logs" "evt.is_io_write=true and evt.failed=false and (fd.name endswith .log or fd.name endswith _log or fd.name contains /var/log/) and not (fd.name endswith .gz or fd.name endswith .tgz) and (evt.buffer contains error or evt.buffer contains Error or evt.buffer contains ERROR or evt.buffer contains critic or evt.buffer contains Critic or evt.buffer contains CRITIC or evt.buffer contains emerg or evt.buffer contains Emerg or evt.buffer contains EMERG or evt.buffer contains alert or evt.buffer contains Alert or evt.buffer contains ALERT) and evt.count.call=1" Events, Plain "logs" true "Writes to log files that say error, critical, emergency or alert.";
        "syslog" "Syslog lines" "syslog.message exists" Events, Plain "syslog" false "Lines written to /dev/log.";
        "syslog_warnings" "Syslog warnings" "syslog.severity=4" Events, Plain "syslog" false "Lines of the severity warning.";
        "syslog_errors" "Syslog errors" "syslog.severity<4" Events, Plain "syslog" true "Lines of the severity error and worse.";
    }
    "container events" {
        "runtime_started" "Started" "evt.type in (container_start, runtime_start)" Distinct(&["container.id"]), Plain "lives" false "Containers that were started.";
        "runtime_exec" "Entered" "evt.type=runtime_exec_start" Events, Plain "lives" true "Programs that a runtime started in a running container.";
        "runtime_killed" "Killed" "evt.type=runtime_kill" Events, Plain "lives" true "Signals that a runtime sent to containers.";
        "runtime_died" "Ended" "evt.type in (container_stop, runtime_die)" Distinct(&["container.id"]), Plain "lives" false "Containers that ended.";
        "runtime_oom" "Out of memory" "evt.type=runtime_oom" Events, Plain "lives" true "Containers that a runtime saw run out of memory.";
        "runtime_pulled" "Images fetched" "evt.type=runtime_pull" Events, Plain "container_events" false "Images that a runtime fetched.";
        "runtime_other" "Other happenings" "evt.type startswith runtime_ and not evt.type in (runtime_start, runtime_exec_start, runtime_kill, runtime_die, runtime_oom, runtime_pull, runtime_connect, runtime_disconnect) or evt.type startswith infra" Events, Plain "container_events" false "What else runtimes told.";
    }
};

impl Tile {
    /// Whether it is left out where it counts nothing: most captures hold few of these.
    pub fn is_quiet(&self) -> bool {
        matches!(self.group, "protocols" | "logs" | "container events")
            || self.id == "notifications"
    }
}

/// The tile with this id.
pub fn tile(id: &str) -> Option<&'static Tile> {
    TILES.iter().find(|tile| tile.id == id)
}
