//! How a capture is told: containers, processes, files and calls one after the other, then written and sealed.

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
pub(super) const BEGIN: u64 = 5_000_000_000_000;

/// 2026-03-14 10:22:00 UTC, ns since 1970.
pub const BEGIN_WALL: i64 = 1_773_483_720_000_000_000;

pub(super) const MS: u64 = 1_000_000;

/// A capture being told.
pub struct Tale {
    pub(crate) tables: Tables,
    pub(super) events: Vec<Event>,
    pub(super) gaps: Vec<Gap>,
    pub(super) now: u64,
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

pub(super) fn inet(address: &str) -> Value {
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

    /// Says the same of everything that is known of a container and is text.
    pub fn described(&mut self, id: ContainerId, said: &str) {
        let row = self.tables.containers.get_mut(&id).expect("a container");
        let row = Arc::make_mut(row);
        for text in [
            &mut row.user,
            &mut row.hostname,
            &mut row.ip,
            &mut row.pod_name,
            &mut row.pod_namespace,
            &mut row.pod_uid,
            &mut row.cgroup,
            &mut row.network_mode,
            &mut row.restart_policy,
            &mut row.image_digest,
        ] {
            said.clone_into(text);
        }
        row.labels.insert(said.to_owned(), said.to_owned());
        row.pod_labels.insert(said.to_owned(), said.to_owned());
        row.env_names = vec![format!("{said}PASSWORD")];
        row.mounts = vec![format!("/{said}:/{said}:{said}:true:{said}")];
        row.command = vec![said.to_owned(), said.to_owned()];
        row.ports = vec![said.to_owned()];
        row.cap_add = vec![said.to_owned()];
        row.privileged = Some(true);
    }

    /// An account of a container.
    pub fn user(&mut self, container: ContainerId, uid: u32, name: &str) {
        let row = User {
            container: Some(container),
            uid,
            name: name.to_owned(),
            home: name.to_owned(),
            shell: name.to_owned(),
        };
        let key = (Some(container), uid);
        self.tables.users.insert(key, Arc::new(row));
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
