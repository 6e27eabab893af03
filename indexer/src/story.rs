//! A small capture in memory with a story, for tests: containers, hostile names, an exec chain, sockets, errors, several
//! chunks. Deterministic.

use crate::session::Session;
use crate::source::{Source, Told};
use afterimage_format::{Chunk, ChunkInfo, Pieces};
use afterimage_model::schema::current_type;
use afterimage_model::*;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Chunks in memory.
pub(crate) struct Memory {
    pub manifest: Manifest,
    pub tables: Tables,
    pub gaps: Vec<Gap>,
    pub infos: Vec<ChunkInfo>,
    pub chunks: Vec<Vec<Event>>,
    /// A chunk that cannot be decoded.
    pub broken: Option<usize>,
    /// How often a chunk was decoded.
    pub decoded: Arc<AtomicUsize>,
}

impl Source for Memory {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn schema(&self) -> &Schema {
        Schema::current()
    }

    fn state(&self) -> &Tables {
        &self.tables
    }

    fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    fn totals(&self) -> Option<&Totals> {
        None
    }

    fn chunks(&self) -> &[ChunkInfo] {
        &self.infos
    }

    fn chunk(&self, at: usize) -> Result<Chunk, Box<dyn std::error::Error + Send + Sync>> {
        self.decoded.fetch_add(1, Ordering::Relaxed);
        if self.broken == Some(at) {
            return Err("checksum is 1, header says 2".into());
        }
        Ok(Chunk {
            first_num: self.infos[at].first_num,
            events: self.chunks[at].clone(),
            tables: self.tables.clone(),
        })
    }

    fn zone(&self, at: usize) -> Option<Told> {
        let events = self.chunks[at].iter();
        let types: BTreeSet<_> = events.clone().map(|event| event.ty).collect();
        let rows = events.map(|event| self.tables.proc(event.proc));
        let containers: BTreeSet<_> = rows.map(|row| row.and_then(|row| row.container)).collect();
        Some(Told {
            types: types.into_iter().collect(),
            containers: containers.into_iter().collect(),
            pieces: Pieces::default(),
        })
    }
}

impl Memory {
    /// Events in chunks of `size`.
    pub fn new(tables: Tables, events: Vec<Event>, size: usize) -> Memory {
        let chunks: Vec<Vec<Event>> = events.chunks(size).map(<[Event]>::to_vec).collect();
        let mut next = 1;
        let infos = chunks
            .iter()
            .map(|chunk| {
                let first_num = next;
                next += chunk.len() as u64;
                let times = || chunk.iter().map(|event| event.time);
                let span = (times().min().unwrap(), times().max().unwrap());
                ChunkInfo {
                    offset: 0,
                    len: 0,
                    first_num,
                    events: chunk.len() as u64,
                    span,
                }
            })
            .collect();
        let clock = ClockPair {
            boot_ns: 0,
            mono_ns: 0,
            real_ns: 1_700_000_000_000_000_000,
        };
        Memory {
            manifest: Manifest {
                clock,
                ..Manifest::default()
            },
            tables,
            gaps: Vec::new(),
            infos,
            chunks,
            broken: None,
            decoded: Arc::default(),
        }
    }

    pub fn session(self) -> Session {
        Session::from_source(Box::new(self))
    }
}

pub(crate) fn bytes(text: &[u8]) -> Value {
    Value::Bytes(Blob::whole(text))
}

pub(crate) fn event(
    name: &str,
    at: u64,
    proc: u32,
    file: Option<u32>,
    result: i64,
    args: Vec<Value>,
) -> Event {
    let ty = current_type(name).unwrap();
    let flags = if Schema::current().ty(ty).unwrap().is_syscall {
        0
    } else {
        EventFlags::NO_RESULT
    };
    Event {
        time: BootNs(at),
        cpu: (at % 3) as u16,
        seq: at,
        ty,
        abi: Abi::x86_64,
        flags: EventFlags(flags),
        tid: 1000 + proc % 4,
        proc: ProcId(proc),
        file: file.map(FileId),
        result,
        latency_ns: 0,
        args: args.into(),
    }
}

pub(crate) fn process(
    id: u32,
    pid: u32,
    exec: u32,
    comm: &[u8],
    parent: Option<u32>,
    container: Option<u32>,
) -> Process {
    Process {
        id: ProcId(id),
        key: ProcKey {
            pid,
            start_ns: u64::from(pid) * 1000,
            exec,
        },
        parent: parent.map(ProcId),
        ppid: 1,
        comm: comm.into(),
        argv: [comm, b"\0-x\0"].concat(),
        exe_path: [b"/bin/", comm].concat(),
        container: container.map(ContainerId),
        ..Process::default()
    }
}

/// Who and what: a web server whose shell runs `id` (one process, two rows), a database, sshd on the host, a process of
/// which only the number is known, and names that try to break out of quotes and terminals.
pub(crate) fn world() -> Tables {
    let mut tables = Tables::default();
    for (id, name) in [(1, "web"), (2, "d\"b\u{1b}[2J"), (3, "")] {
        let full_id = format!("{id}").repeat(64);
        let row = Container {
            id: ContainerId(id),
            full_id,
            name: name.into(),
            runtime: "docker".into(),
            ..Container::default()
        };
        tables.containers.insert(row.id, Arc::new(row));
    }
    for row in [
        process(1, 100, 1, b"nginx", None, Some(1)),
        process(2, 101, 1, b"sh", Some(1), Some(1)),
        process(3, 101, 2, b"id", Some(1), Some(1)),
        process(4, 200, 1, b"my\xffsql\n", None, Some(2)),
        process(5, 300, 1, b"sshd", None, None),
        process(6, 301, 1, b"ba'sh", Some(5), None),
        process(7, 400, 1, b"worker", Some(3), Some(3)),
    ] {
        tables.procs.insert(row.id, Arc::new(row));
    }
    let at = |text: &str| text.parse::<SocketAddr>().unwrap();
    let flow = |local: &str, remote: &str, role| {
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
            FileKind::File,
            b"/tmp/\"quoted\" and \\ \x1b]0;x\x07\xff",
            None,
        ),
        (
            3,
            FileKind::Ipv4,
            b"",
            flow("10.0.0.5:40000", "93.184.216.34:443", Role::Client),
        ),
        (
            4,
            FileKind::Ipv6,
            b"",
            flow("[::1]:22", "[::1]:50000", Role::Server),
        ),
        (
            5,
            FileKind::Ipv4,
            b"",
            flow("0.0.0.0:80", "0.0.0.0:0", Role::Server),
        ),
        (6, FileKind::Pipe, b"pipe:[7]", None),
        (7, FileKind::Directory, b"/etc", None),
        (8, FileKind::File, b"", None),
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
    tables
}

/// `count` events a millisecond apart, of a generator with a fixed start.
pub(crate) fn events(count: usize) -> Vec<Event> {
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut next = |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let num = Value::Num;
    (0..count as u64)
        .map(|at| {
            let time = (at + 1) * 1_000_000;
            // Row 9 is in no table.
            let proc = [1, 2, 3, 4, 5, 6, 7, 9][next(8) as usize];
            let file = 1 + next(8) as u32;
            let failed = next(4) == 0;
            let result = |ok: i64| if failed { -2 } else { ok };
            match next(8) {
                0 => event(
                    "openat",
                    time,
                    proc,
                    (!failed).then_some(file),
                    result(3),
                    vec![num(-100), bytes(b"/x"), num(0o101), num(0o644)],
                ),
                1 => event(
                    "read",
                    time,
                    proc,
                    Some(file),
                    result(next(5000) as i64),
                    vec![num(3), bytes(b"data"), num(8192)],
                ),
                2 => event(
                    "write",
                    time,
                    proc,
                    Some(file),
                    result(next(5000) as i64),
                    vec![num(3), bytes(b"data"), num(8192)],
                ),
                3 => event(
                    "connect",
                    time,
                    proc,
                    Some(3 + next(3) as u32),
                    result(0),
                    vec![num(4), Value::Absent, num(16)],
                ),
                4 => event(
                    "execve",
                    time,
                    proc,
                    None,
                    result(0),
                    vec![bytes(b"/bin/id"), bytes(b"id\0-u\0"), num(0)],
                ),
                5 => event("close", time, proc, Some(file), 0, vec![num(3)]),
                6 => event(
                    "unlinkat",
                    time,
                    proc,
                    None,
                    result(0),
                    vec![num(-100), bytes(b"/tmp/x\x1b"), num(0)],
                ),
                _ => event(
                    "procexit",
                    time,
                    proc,
                    None,
                    0,
                    vec![num(0), num(0), num(0)],
                ),
            }
        })
        .collect()
}

/// 1500 events in chunks of 97.
pub(crate) fn memory() -> Memory {
    Memory::new(world(), events(1500), 97)
}
