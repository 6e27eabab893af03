//! A handful of events of a small world, for tests: a web server in a container starts a shell that reads and connects;
//! sshd runs on the host.

use afterimage_model::schema::current_type;
use afterimage_model::*;
use std::net::SocketAddr;
use std::sync::Arc;

pub(crate) struct Story {
    pub manifest: Manifest,
    pub tables: Tables,
    pub events: Vec<Event>,
}

pub(crate) fn num(n: i64) -> Value {
    Value::Num(n)
}

pub(crate) fn bytes(text: &[u8]) -> Value {
    Value::Bytes(Blob::whole(text))
}

fn event(name: &str, proc: u32, file: Option<u32>, result: i64, args: Vec<Value>) -> Event {
    let ty = current_type(name).unwrap();
    Event {
        time: BootNs(0),
        cpu: 0,
        seq: 0,
        ty,
        abi: Abi::x86_64,
        flags: EventFlags(if Schema::current().ty(ty).unwrap().is_syscall {
            0
        } else {
            EventFlags::NO_RESULT
        }),
        tid: 100 + proc,
        proc: ProcId(proc),
        file: file.map(FileId),
        result,
        latency_ns: 0,
        args: args.into(),
    }
}

pub(crate) fn story() -> Story {
    let mut tables = Tables::default();
    let web = ContainerId(1);
    let container = Container {
        id: web,
        full_id: "c".repeat(64),
        runtime: "docker".into(),
        name: "web".into(),
        ..Container::default()
    };
    tables.containers.insert(web, Arc::new(container));
    let mut process =
        |id: u32, comm: &str, argv: &[u8], parent: Option<u32>, container: Option<ContainerId>| {
            let key = ProcKey {
                pid: 100 + id,
                start_ns: u64::from(id) * 1000,
                exec: 1,
            };
            let row = Process {
                id: ProcId(id),
                key,
                parent: parent.map(ProcId),
                ppid: parent.map_or(1, |p| 100 + p),
                comm: comm.into(),
                argv: argv.into(),
                container,
                ..Process::default()
            };
            tables.procs.insert(row.id, Arc::new(row));
        };
    process(1, "nginx", b"nginx\0-g\0", None, Some(web));
    process(2, "sh", b"sh\0-c\0id\0", Some(1), Some(web));
    process(3, "sshd", b"sshd\0", None, None);
    let flow = |local: &str, remote: &str, role| {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        Some(Flow {
            protocol: Protocol(6),
            local: at(local),
            remote: at(remote),
            role,
        })
    };
    for (id, kind, path, flow) in [
        (1, FileKind::File, &b"/etc/shadow"[..], None),
        (
            2,
            FileKind::Ipv4,
            b"",
            flow("10.0.0.5:40000", "93.184.216.34:443", Role::Client),
        ),
        (3, FileKind::File, b"/tmp/\"a b\"\xff\x1b\n\\", None),
        (
            4,
            FileKind::Ipv6,
            b"",
            flow("[::1]:22", "[::1]:50000", Role::Server),
        ),
    ] {
        tables.files.insert(
            FileId(id),
            Arc::new(File {
                id: FileId(id),
                kind,
                path: path.into(),
                flow,
                ..File::default()
            }),
        );
    }
    let at_cwd = || num(-100);
    let mut events = vec![
        event(
            "container_start",
            1,
            None,
            0,
            vec![bytes(b"cccc"), bytes(b"/docker/cccc")],
        ),
        event(
            "openat",
            2,
            Some(1),
            3,
            vec![at_cwd(), bytes(b"/etc/shadow"), num(0), num(0)],
        ),
        event(
            "openat",
            1,
            None,
            -2,
            vec![at_cwd(), bytes(b"/nowhere"), num(0), num(0)],
        ),
        event(
            "connect",
            2,
            Some(2),
            0,
            vec![num(4), Value::Absent, num(16)],
        ),
        event(
            "write",
            2,
            Some(2),
            14,
            vec![num(4), bytes(b"GET / HTTP/1.1"), num(14)],
        ),
        event(
            "openat",
            2,
            Some(3),
            5,
            vec![at_cwd(), bytes(b"x"), num(0o101), num(0o644)],
        ),
        event(
            "execve",
            2,
            None,
            0,
            vec![bytes(b"/bin/id"), bytes(b"id\0"), num(0)],
        ),
        event(
            "read",
            3,
            Some(4),
            5,
            vec![num(3), bytes(b"SSH-2"), num(64)],
        ),
        event("exit_group", 1, None, 0, vec![num(0)]),
    ];
    for (at, event) in events.iter_mut().enumerate() {
        event.time = BootNs(1_000_000 * (at as u64 + 1));
        event.seq = at as u64;
    }
    let manifest = Manifest {
        clock: ClockPair {
            boot_ns: 0,
            mono_ns: 0,
            real_ns: 1_700_000_000_000_000_000,
        },
        ..Manifest::default()
    };
    Story {
        manifest,
        tables,
        events,
    }
}

impl Story {
    pub fn ctx(&self, at: usize) -> Ctx<'_> {
        let event = &self.events[at];
        Ctx {
            manifest: &self.manifest,
            schema: Schema::current(),
            tables: &self.tables,
            event,
            num: at as u64 + 1,
            first_ns: self.events[0].time.0,
            previous_ns: event.time.0,
        }
    }

    /// Numbers of the events that match.
    pub fn select(&self, filter: &str) -> Vec<usize> {
        let filter = crate::Filter::parse(filter).unwrap_or_else(|e| panic!("{e}"));
        (0..self.events.len())
            .filter(|at| filter.matches(&self.ctx(*at)))
            .map(|at| at + 1)
            .collect()
    }
}
