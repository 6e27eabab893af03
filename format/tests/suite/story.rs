//! A small made-up capture with everything in it: threads, containers, sockets, payload, cuts, failures and a recorded gap.

use afterimage_format::{Note, Writer, WriterOptions};
use afterimage_model::*;
use std::net::SocketAddr;
use std::sync::Arc;

/// What was put into a capture, in file order.
#[derive(Clone, Default)]
pub struct Story {
    pub manifest: Manifest,
    pub schema: Schema,
    pub tables: Tables,
    /// Chunks, each with its events.
    pub chunks: Vec<Vec<Event>>,
    pub gap: Option<Gap>,
    pub totals: Totals,
}

impl Story {
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.chunks.iter().flatten()
    }

    /// The file, sealed.
    pub fn write(&self) -> Vec<u8> {
        let mut writer = Writer::new(
            Vec::new(),
            &self.manifest,
            &self.schema,
            WriterOptions::default(),
        )
        .unwrap();
        writer.state(BootNs(1_000), &self.tables).unwrap();
        for (at, chunk) in self.chunks.iter().enumerate() {
            for event in chunk {
                writer.push(event.clone(), &self.tables).unwrap();
            }
            writer.flush(&self.tables).unwrap();
            if at == 0 {
                if let Some(gap) = &self.gap {
                    writer.gap(gap).unwrap();
                }
                writer
                    .checkpoint(ClockPair {
                        boot_ns: 5_000,
                        mono_ns: 4_900,
                        real_ns: 3_995,
                    })
                    .unwrap();
            }
        }
        writer
            .note(&Note {
                author: "k. ito".into(),
                text: "look here".into(),
                ..Note::default()
            })
            .unwrap();
        writer.seal(&self.totals, &self.tables).unwrap()
    }
}

/// A schema of three types, so that the file stays small.
fn small_schema() -> Schema {
    let arg = |name: &str, kind: ArgKind| ArgDesc {
        name: name.into(),
        kind: kind as u8,
        ..ArgDesc::default()
    };
    let ty = |name: &str, class: Class, args: Vec<ArgDesc>| TypeDesc {
        name: name.into(),
        class: class as u8,
        is_syscall: true,
        args,
        doc: "A call.".into(),
        marks: 0,
    };
    Schema {
        types: vec![
            ty(
                "openat",
                Class::File,
                vec![
                    arg("dirfd", ArgKind::DirFd),
                    arg("path", ArgKind::Path),
                    arg("flags", ArgKind::Flags),
                ],
            ),
            ty(
                "read",
                Class::File,
                vec![
                    arg("fd", ArgKind::Fd),
                    arg("buf", ArgKind::BufOut),
                    arg("count", ArgKind::Size),
                ],
            ),
            ty("setuid", Class::Cred, vec![arg("uid", ArgKind::Uid)]),
        ],
        flag_sets: vec![FlagSetDesc {
            name: "open".into(),
            flags: vec![FlagDesc {
                name: "O_CREAT".into(),
                value: 64,
                mask: 64,
            }],
        }],
        ..Schema::default()
    }
}

pub fn tables() -> Tables {
    let mut tables = Tables::default();
    let container = ContainerId(3);
    tables.containers.insert(
        container,
        Arc::new(Container {
            id: container,
            full_id: "4f2a9be0c1d2".into(),
            runtime: "docker".into(),
            name: "web".into(),
            labels: [("app".to_owned(), "shop".to_owned())].into(),
            env_names: vec!["PATH".into(), String::new()],
            privileged: Some(false),
            ..Container::default()
        }),
    );
    for (id, parent, comm) in [
        (1, None, "init"),
        (5, Some(ProcId(1)), "nginx"),
        (9, Some(ProcId(5)), "sh"),
    ] {
        let id = ProcId(id);
        tables.procs.insert(
            id,
            Arc::new(Process {
                id,
                key: ProcKey {
                    pid: 100 + id.0,
                    start_ns: 77,
                    exec: 1,
                },
                parent,
                comm: comm.into(),
                argv: format!("{comm}\0-x\0").into_bytes(),
                uid: 33,
                loginuid: u32::MAX,
                container: parent.map(|_| container),
                ..Process::default()
            }),
        );
    }
    let ends = |a: &str, b: &str| {
        (
            a.parse::<SocketAddr>().unwrap(),
            b.parse::<SocketAddr>().unwrap(),
        )
    };
    let (local, remote) = ends("10.0.0.2:80", "192.0.2.7:40112");
    let (local6, remote6) = ends("[::ffff:10.0.0.2]:443", "[2001:db8::1]:555");
    let flow = |local, remote| {
        Some(Flow {
            protocol: Protocol(6),
            local,
            remote,
            role: Role::Server,
        })
    };
    for (id, kind, path, flow) in [
        (2, FileKind::File, "/etc/shadow", None),
        (4, FileKind::Ipv4, "", flow(local, remote)),
        (6, FileKind::Ipv6, "", flow(local6, remote6)),
    ] {
        let id = FileId(id);
        tables.files.insert(
            id,
            Arc::new(File {
                id,
                kind,
                path: path.into(),
                ino: 12,
                dev: 8 << 20,
                flow,
                ..File::default()
            }),
        );
    }
    for key in [(None, 33), (Some(container), 33)] {
        tables.users.insert(
            key,
            Arc::new(User {
                container: key.0,
                uid: key.1,
                name: "www-data".into(),
                ..User::default()
            }),
        );
        tables.groups.insert(
            (key.0, 0),
            Arc::new(Group {
                container: key.0,
                gid: 0,
                name: "root".into(),
            }),
        );
    }
    let (proc, file) = (*tables.procs.keys().next().unwrap(), FileId(6));
    tables.descriptors.insert((proc, 3), file);
    let mount = Mount {
        ns_mnt: 4_026_531_841,
        container: Some(container),
        id: 36,
        parent: 35,
        dev: (98 << 20) | 1,
        root: b"/mnt1".to_vec(),
        point: b"/a b".to_vec(),
        options: b"rw,noatime".to_vec(),
        fs_type: b"ext3".to_vec(),
        source: b"/dev/root".to_vec(),
    };
    tables
        .mounts
        .insert((mount.ns_mnt, mount.id), Arc::new(mount));
    tables
}

pub fn event(at: u64) -> Event {
    let ty = TypeId((at % 3) as u16);
    let args: Vec<Value> = match ty.0 {
        0 => vec![
            Value::Num(-100),
            Value::Bytes(Blob::whole(*b"/etc/\x1b[31m\xff\n\t\x08\x0c\r\x7f\"\\")),
            Value::Num(0x8_0000),
        ],
        1 if at.is_multiple_of(2) => vec![Value::Num(3), Value::Absent, Value::Num(64)],
        1 => vec![
            Value::Num(3),
            Value::Bytes(Blob {
                bytes: b"root:x".to_vec(),
                full_len: 900 + at,
            }),
            Value::Num(4096),
        ],
        _ => vec![Value::Num(33)],
    };
    Event {
        time: BootNs(2_000 + at * 10),
        cpu: (at % 2) as u16,
        seq: 40 + at / 2 + u64::from(at > 20) * 7,
        ty,
        abi: if at == 4 { Abi::i386 } else { Abi::x86_64 },
        flags: EventFlags(if at == 7 {
            EventFlags::CLAIM_DIFFERS
        } else {
            0
        }),
        tid: 200 + (at / 4 % 3) as u32,
        proc: if at.is_multiple_of(5) {
            ProcId(9)
        } else {
            ProcId(5)
        },
        file: [None, Some(FileId(2)), Some(FileId(4)), Some(FileId(6))][(at % 4) as usize],
        result: if at.is_multiple_of(6) { -13 } else { at as i64 },
        latency_ns: 0,
        args: args.into_iter().collect(),
    }
}

/// Three chunks of fourteen events with a recorded gap after the first.
pub fn story() -> Story {
    let chunks: Vec<Vec<Event>> = (0..3)
        .map(|chunk| (0..14).map(|at| event(chunk * 14 + at)).collect())
        .collect();
    Story {
        manifest: Manifest {
            capture_id: "00112233445566778899aabbccddeeff".into(),
            tool: "afterimage 0.1.0".into(),
            host: "wëb-1".into(),
            cpus: 2,
            clock: ClockPair {
                boot_ns: 1_000,
                mono_ns: 900,
                real_ns: -5,
            },
            coverage: vec!["All calls.".into()],
            limits: [("snaplen".to_owned(), "80".to_owned())].into(),
            command: vec!["afterimage".into(), "".into(), "record".into()],
            ..Manifest::default()
        },
        schema: small_schema(),
        tables: tables(),
        chunks,
        gap: Some(Gap {
            cause: GapCause::RingFull,
            start: BootNs(2_130),
            end: BootNs(2_140),
            cpu: Some(1),
            count: Some(7),
            first_seq: Some(47),
            detail: "ring".into(),
        }),
        totals: Totals {
            offered: 49,
            written: 42,
            dropped: 7,
            ..Totals::default()
        },
    }
}
