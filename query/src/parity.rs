//! Where everything went that csysdig, Sysdig Inspect and sysdig's chisels show: one row each, and the text of `docs/parity.md`.

use crate::views::VIEWS;
use std::fmt::Write;

/// Whose word it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A view of csysdig.
    View,
    /// A tile of Sysdig Inspect.
    Tile,
    /// A chisel of sysdig.
    Chisel,
    /// A habit of Stratoshark's, Wireshark's or the inspector's users.
    Habit,
    /// A key of csysdig.
    Key,
    /// A key of Sysdig Inspect.
    InspectKey,
    /// A key of below, which replays what a machine did.
    BelowKey,
}

impl Peer {
    /// Every kind, with its heading.
    pub const ALL: &'static [(Peer, &'static str)] = &[
        (Peer::View, "Views of csysdig"),
        (Peer::Tile, "Tiles of Sysdig Inspect"),
        (Peer::Chisel, "Chisels of sysdig"),
        (Peer::Habit, "Habits of Stratoshark"),
        (Peer::Key, "Keys of csysdig"),
        (Peer::InspectKey, "Keys of Sysdig Inspect"),
        (Peer::BelowKey, "Keys of below"),
    ];
}

/// Where it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A view.
    View(&'static str),
    /// A view with a filter.
    Filtered(&'static str, &'static str),
    /// A view sorted by a column.
    Sorted(&'static str, &'static str),
    /// A view with a filter, sorted by a column.
    Ranked(&'static str, &'static str, &'static str),
    /// A tile of the overview.
    Tile(&'static str),
    /// Keys of the inspector, or a command.
    Means(&'static str),
    /// It is not here, and why.
    Not(&'static str),
}

/// A row of [`PARITY`].
#[derive(Clone, Copy, Debug)]
pub struct Parity {
    /// Whose.
    pub peer: Peer,
    /// Its name there.
    pub name: &'static str,
    /// Where it is here.
    pub place: Place,
}

macro_rules! parity {
    ($($peer:ident { $($name:literal $place:ident($($arg:literal),*);)* })*) => {
        &[$($(Parity { peer: Peer::$peer, name: $name, place: Place::$place($($arg),*) }),*),*]
    };
}

/// Every view, tile, chisel and habit.
pub const PARITY: &[Parity] = parity! {
    View {
        "backlog" View("backlog");
        "connections" View("connections");
        "containers" View("containers");
        "containers_errors" View("container_errors");
        "directories" View("directories");
        "docker_events" View("container_events");
        "errors" View("errors");
        "file_opens" View("file_opens");
        "files" View("files");
        "incoming_connections" Filtered("new_connections", "evt.type in (accept, accept4)");
        "io_by_type" View("io_by_type");
        "kubernetes_controllers" View("k8s_controllers");
        "kubernetes_deployments" View("k8s_deployments");
        "kubernetes_namespaces" View("k8s_namespaces");
        "kubernetes_pods" View("pods");
        "kubernetes_replicasets" View("k8s_replicasets");
        "kubernetes_services" View("k8s_services");
        "marathon_apps" Not("Marathon is no longer developed; the fields are read and match nothing");
        "marathon_groups" Not("Marathon is no longer developed; the fields are read and match nothing");
        "mesos_frameworks" Not("Mesos is retired; the fields are read and match nothing");
        "mesos_tasks" Not("Mesos is retired; the fields are read and match nothing");
        "notifications" View("notifications");
        "page_faults" View("page_faults");
        "port_bindings" View("listening");
        "procs" View("processes");
        "procs_cpu" View("processor");
        "procs_errors" View("process_errors");
        "procs_fd_usage" View("descriptor_use");
        "slow_io" View("slow_files");
        "spans_list" Not("sysdig's tracers are retired; the fields are read and match nothing");
        "spans_summary" Not("sysdig's tracers are retired; the fields are read and match nothing");
        "spectro_all" View("latency");
        "spectro_file" Filtered("latency", "fd.type=file");
        "spectro_traces" Not("sysdig's tracers are retired; the fields are read and match nothing");
        "sports" View("server_ports");
        "spy_syslog" View("syslog");
        "spy_users" View("shell_activity");
        "spy_users_wsysdig" View("shell_activity");
        "syscall_procs" View("callers");
        "syscalls" View("syscalls");
        "threads" View("threads");
        "traces_list" Not("sysdig's tracers are retired; the fields are read and match nothing");
        "traces_summary" Not("sysdig's tracers are retired; the fields are read and match nothing");
    }
    Tile {
        "Sysdig Secure Notifications" Tile("notifications");
        "Running Processes" Tile("processes");
        "Running Containers" Tile("containers");
        "System Calls" Tile("events");
        "File Bytes In+Out" Tile("file_bytes");
        "File Bytes In" Tile("file_in");
        "File Bytes Out" Tile("file_out");
        "Accessed Files" Tile("files_read");
        "Modified Files" Tile("files_written");
        "Net Bytes In+Out" Tile("net_bytes");
        "Net Bytes In" Tile("net_in");
        "Net Bytes Out" Tile("net_out");
        "Active Network Connections" Tile("connections_active");
        "Listening Ports" Tile("ports");
        "New Listening Ports" Tile("listening");
        "New Outbound Connections" Tile("connections_out");
        "New Inbound Connections" Tile("connections_in");
        "HTTP Bytes" Tile("port_http");
        "HTTPs Bytes" Tile("port_https");
        "SSH Bytes" Tile("port_ssh");
        "DNS Bytes" Tile("port_dns");
        "Sysdig Agent Bytes" Tile("port_agent");
        "etcd Bytes" Tile("port_etcd");
        "mysql Bytes" Tile("port_mysql");
        "postgres Bytes" Tile("port_postgres");
        "redis Bytes" Tile("port_redis");
        "couchdb Bytes" Tile("port_couchdb");
        "fluentd Bytes" Tile("port_fluentd");
        "statsd Bytes" Tile("port_statsd");
        "StatsD metrics of its agent" Tile("statsd");
        "JMX metrics of its agent" Not("the agent asked Java programs for them and sent them on to its server: they were never in a capture");
        "gearman Bytes" Tile("port_gearman");
        "hadoop Bytes" Tile("port_hadoop");
        "hbase Bytes" Tile("port_hbase");
        "kafka Bytes" Tile("port_kafka");
        "Kyoto Tycoon Bytes" Tile("port_kyoto");
        "memcached Bytes" Tile("port_memcached");
        "mongodb Bytes" Tile("port_mongodb");
        "rabbitmq Bytes" Tile("port_rabbitmq");
        "riak Bytes" Tile("port_riak");
        "solr Bytes" Tile("port_solr");
        "voltdb Bytes" Tile("port_voltdb");
        "elasticsearch Bytes" Tile("port_elasticsearch");
        "Executed Commands" Tile("commands");
        "Executed Interactive Commands" Tile("interactive");
        "New Symlinks" Tile("symlinks");
        "Modified System Files" Tile("system_files");
        "Sudo Invocations" Tile("sudo");
        "Setns Invocations" Tile("namespaces");
        "New SSH Connections" Tile("ssh");
        "Deleted Files" Tile("files_deleted");
        "HTTP Requests" Tile("http_requests");
        "HTTP Errors" Tile("http_5xx");
        "File Open Errors" Tile("open_errors");
        "Fork Count" Tile("forks");
        "Failed Connection Attempts" Tile("connections_failed");
        "Received Signals" Tile("signals");
        "Segmentation Faults" Tile("crashes");
        "Slow File I/O 1 ms+" Tile("slow_1ms");
        "Slow File I/O 10 ms+" Tile("slow_10ms");
        "Slow File I/O 100 ms+" Tile("slow_100ms");
        "App Log Messages" Tile("log_lines");
        "App Log Warning Messages" Tile("log_warnings");
        "App Log Error Messages" Tile("log_errors");
        "Syslog Messages" Tile("syslog");
        "Syslog Warning Messages" Tile("syslog_warnings");
        "Syslog Error Messages" Tile("syslog_errors");
        "Docker Events" Tile("runtime_other");
        "one tile per type of Docker event" Tile("runtime_started");
    }
    Chisel {
        "httplog" View("http");
        "httptop" View("http_top");
        "memcachelog" Filtered("messages", "fd.sport=11211");
        "spectrogram" View("latency");
        "subsecoffset" View("subsecond");
        "topcontainers_cpu" Sorted("containers", "CPU%");
        "topprocs_cpu" View("processor");
        "topcontainers_error" View("container_errors");
        "topfiles_errors" Sorted("files", "ERRORS");
        "topprocs_errors" View("process_errors");
        "echo_fds" View("echo");
        "fdbytes_by" Means("`afterimage view FILE by --by fd.type`; in the inspector `o` on any column");
        "fdcount_by" Means("`afterimage view FILE by --by fd.type --sort FILES`");
        "fdtime_by" Means("`afterimage view FILE by --by fd.type evt.is_io=true --sort WAITED`");
        "iobytes" View("course");
        "iobytes_file" Filtered("course", "fd.type=file");
        "spy_file" Filtered("echo", "fd.type=file");
        "stderr" Filtered("echo", "fd.num=2");
        "stdin" Filtered("echo", "fd.num=0");
        "stdout" Filtered("echo", "fd.num=1");
        "topcontainers_file" Sorted("containers", "FILE");
        "topfiles_bytes" Sorted("files", "BYTES");
        "topfiles_time" Ranked("files", "evt.is_io=true", "WAITED");
        "topprocs_file" Sorted("processes", "FILE");
        "udp_extract" Filtered("conversation", "fd.l4proto=udp");
        "spy_logs" View("logs");
        "spy_syslog" View("syslog");
        "around" Means("`afterimage slice FILE --around EVENT`, or `evt.around[INSTANT]<5` as a filter");
        "iobytes_net" Filtered("course", "fd.type in (ipv4, ipv6)");
        "spy_ip" Filtered("echo", "fd.ip=127.0.0.1");
        "spy_port" Filtered("echo", "fd.port=80");
        "topconns" Sorted("connections", "BYTES");
        "topcontainers_net" Sorted("containers", "NET");
        "topports_server" Sorted("server_ports", "BYTES");
        "topprocs_net" Sorted("processes", "NET");
        "bottlenecks" Sorted("slow_calls", "WAITED");
        "fileslower" Filtered("slow_files", "evt.latency>10ms");
        "netlower" Filtered("slow_sockets", "evt.latency>10ms");
        "proc_exec_time" View("ends");
        "scallslower" Filtered("slow_calls", "evt.latency>10ms");
        "topscalls" View("syscalls");
        "topscalls_time" Sorted("syscalls", "WAITED");
        "flame" Not("it draws sysdig's tracers, which are retired");
        "list_login_shells" View("login_shells");
        "shellshock_detect" View("shellshock");
        "spy_users" View("shell_activity");
        "lscontainers" View("containers_at");
        "lsof" View("lsof");
        "netstat" View("netstat");
        "ps" View("ps");
        "tracers_2_statsd" Not("sysdig's tracers are retired");
    }
    Habit {
        "list, details and bytes" View("events");
        "follow stream" Means("`e` on a row or an event; `afterimage view FILE conversation FILTER`");
        "mark, comment" Means("`m` on an event");
        "time reference" Means("`T` on an event");
        "colour rules" Means("the table `COLOURS` in `inspect-tui/src/colours.rs`");
        "apply as filter" Means("`f` and `F` on any cell");
        "I/O graph" View("course");
        "conversations" View("talks");
        "endpoints" View("map");
        "protocol hierarchy" View("messages");
        "export objects" Means("`x` on a conversation, to a name that ends in .raw");
    }
    Key {
        "arrows, PgUp, PgDn, Home, End" Means("the same; `h` `j` `k` `l` and `G`, too");
        "Enter: drill down" Means("`Enter`; `a` asks for the view");
        "Backspace: drill up" Means("`Backspace`");
        "F1, ?, h: help" Means("`F1`, `?`");
        "F2: views" Means("`F2`, `:`");
        "F3: find next" Means("`F3`, `n`; `N` the other way");
        "F4, \\: row filter" Means("`F4`, `\\`, `/`, in the language of queries");
        "/, Ctrl-F: search" Means("`Ctrl-F`");
        "F5, e: echo" Means("`F5`, `e`");
        "F6, d: dig" Means("`F6`, `d`");
        "F7: legend" Means("`?` says what each column of the view means");
        "F8: actions" Not("kill, gdb and the like are for live systems, and this is evidence");
        "F9, >: sort" Means("`F9`, `s` by the selected column, `<` and `>` by the one beside");
        "F10, q: quit" Means("`F10`, `q`");
        "F12: spectrogram" Means("`F12`");
        "Shift-1 to Shift-9: sort by column" Means("an arrow key and `s`: with Shift the digits are other characters on each keyboard");
        "p: pause" Means("`p`");
        "Del, c: clear" Means("`Delete` drops the filter of the step; what was recorded stays");
        "Ctrl-G: go to line" Means("`g`, `Ctrl-G` to an event or a time");
        "F2 in echo and dig: dotted, printable, hex" Means("`v`");
    }
    InspectKey {
        "arrows and Enter: select and open a tile" Means("the same");
        "several tiles selected: their courses over one another" Means("`m` or `Space` on each: the timeline shows them one below the other, on one axis");
        "Space: pin the timeline" Means("two ends marked on the timeline hold in every view until `=`");
        "Backspace: up" Means("`Backspace`");
        "k, j: next and previous view" Means("`F2`, or the key of the view");
        "e: I/O streams" Means("`e`");
        "d: system calls" Means("`d`");
        "s: filter" Means("`/`");
        "f: find" Means("`Ctrl-F`");
    }
    BelowKey {
        ":: palette" Means("`:`");
        "., ,: columns" Means("the arrow keys; `c` picks them");
        "S: sort" Means("`s`");
        "/: filter" Means("`/`");
        "Ctrl-L: clear" Means("`Ctrl-L`");
        "t, T: next and previous sample" Means("`]`, `[`");
        "j, J: jump" Means("`g` to a time; `=` back to all");
        "Space: pause" Means("`Space`, `p`");
        "z: from a group to its processes and back" Means("`Enter`, `Backspace`; `a` to any view");
        "fold" Means("`Space` on a process");
    }
};

/// What a user of sysdig calls something, and the view that answers, with a filter and the title of the column it is sorted by, or
/// nothing: exact names of views and chisels.
pub fn view_of_peer(name: &str) -> Option<(&'static str, &'static str, &'static str)> {
    let row = PARITY
        .iter()
        .find(|row| row.name == name && matches!(row.peer, Peer::View | Peer::Chisel))?;
    match row.place {
        Place::View(id) => Some((id, "", "")),
        Place::Sorted(id, column) => Some((id, "", column)),
        Place::Filtered(id, filter) => Some((id, filter, "")),
        Place::Ranked(id, filter, column) => Some((id, filter, column)),
        Place::Tile(_) | Place::Means(_) | Place::Not(_) => None,
    }
}

/// The text of `docs/parity.md`.
pub fn parity_md() -> String {
    let mut out = String::from(
        "# What went where\n\nEvery view of csysdig, tile of Sysdig Inspect and chisel of sysdig, their keys, and where it is here. Generated from the table \
         `PARITY` of the crate `query`; `BLESS=1 cargo test -p afterimage-query` writes it anew. What the views and tiles show is in \
         [views](views.md).\n",
    );
    for (peer, heading) in Peer::ALL {
        let _ = writeln!(out, "\n## {heading}\n\n| There | Here |\n|---|---|");
        for row in PARITY.iter().filter(|row| row.peer == *peer) {
            let place = match row.place {
                Place::View(id) => format!("view `{id}`"),
                Place::Filtered(id, filter) => format!("`afterimage view FILE {id} '{filter}'`"),
                Place::Sorted(id, column) => format!("`afterimage view FILE {id} --sort {column}`"),
                Place::Ranked(id, filter, column) => {
                    format!("`afterimage view FILE {id} '{filter}' --sort {column}`")
                }
                Place::Tile(id) => match crate::tile(id) {
                    Some(tile) => format!("tile {} ({})", tile.title, tile.group),
                    None => id.to_owned(),
                },
                Place::Means(text) => text.to_owned(),
                Place::Not(why) => format!("not here: {why}"),
            };
            let _ = writeln!(out, "| {} | {place} |", row.name);
        }
    }
    let _ = writeln!(out, "\nBesides, there are {} views in all.", VIEWS.len());
    out.push_str(
        "\n## What says something else here\n\n\
         - `processor` tells what the kernel told when each thread ended. In captures of sysdig processor time is in samples once a second, which\n  \
         it keeps for its own books: CPU% is the mean of each thread's, all threads together, as csysdig has it; TIME is what passed between the\n  \
         samples. `containers`, `processes` and `threads` look at the samples of what has events, too.\n\
         - `ps`, `lsof` and `netstat` show the end of the capture, or the instant of `--at`; the chisels show its beginning. They list what a\n  \
         process has open once, not for each of its threads.\n\
         - `netstat` lists local sockets, too, after those that lead out of the machine. `CONNECTED` is what is called ESTABLISHED there; of UDP\n  \
         there is no LISTEN, but BOUND.\n\
         - `containers`, `threads`, `pods` and the other views of Kubernetes begin with what has most events, and `processes` is a tree, where csysdig begins with\n  \
         what used the processor most: what a recorder samples once a second is not in every capture. `--sort CPU%`, or `>` in the inspector, sorts so.\n\
         - Calls are counted once. A capture of sysdig holds the entry to a call and its return; sysdig and csysdig count both, so that `topscalls`\n  \
         says twice as many. EVENTS are events, as `read` lists them. `syscalls` leaves out what sysdig makes for its own books.\n\
         - Bytes are those that reads and writes moved. `evt.buflen` is what sysdig says of it, which also counts the descriptor that `dup` gives.\n\
         - `topfiles_time` and `fdtime_by` count reads and writes only; the column WAITED without their filter counts every call.\n\
         - `server_ports` and `connections` also list what was opened and moved nothing.\n\
         - `Enter` leads from files, errors, page faults and threads to their events, where csysdig lists processes, errors and files, and from processes to\n  \
         their files, where it lists threads; `a` leads there.\n\
         - `proc.fdlimit` and `proc.fdusage` are missing where sysdig says -1 and 0 because it did not know the limit.\n\
         - `fd.lip` and `fd.rip` of captures of sysdig are what sysdig says; where both ends are addresses of the machine, as with a bridge of\n  \
         containers, it takes the client's for the local one. `netstat`, `talks`, `http` and `map` tell the end that the process has.\n\
         \n## What was wrong there and is not here\n\n\
         - Opens are counted whichever call makes them: `open`, `openat`, `openat2` and `creat`.\n\
         - Crashes are counted by the signals there are; the filter there asked for `SIGSEV`.\n\
         - Errors of HTTP are counted by the class of the answer's status, 4xx and 5xx apart.\n\
         - A command is interactive when what executed it has a terminal, not when its parent is called bash.\n\
         - The view of CPUs, which never appeared there, is `afterimage view FILE by --by evt.cpu`.\n",
    );
    out
}
