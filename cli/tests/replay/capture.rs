//! The capture that all is asked of: a container, three processes, a file and a connection.

use afterimage_format::{Writer, WriterOptions};
use afterimage_model::event::Blob;
use afterimage_model::{
    Abi, BootNs, ClockPair, Container, ContainerId, Event, EventFlags, File, FileId, FileKind,
    Flow, Gap, Manifest, ProcId, ProcKey, Process, Protocol, Role, SYSCALLS, Schema, Tables,
    Totals, TypeId, Value, schema,
};
use std::sync::Arc;

const WEB: ContainerId = ContainerId(1);
const SHADOW: FileId = FileId(1);
const SOCKET: FileId = FileId(2);

fn tables() -> Tables {
    let mut tables = Tables::default();
    let web = Container {
        id: WEB,
        full_id: "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef".into(),
        runtime: "docker".into(),
        name: "web".into(),
        image: "nginx:1.27".into(),
        labels: [("team".to_owned(), "blue".to_owned())].into(),
        first_seen_ns: 100_000_000_000,
        removed_ns: 102_000_000_000,
        ..Container::default()
    };
    tables.containers.insert(WEB, Arc::new(web));
    for (id, pid, parent, comm, argv) in [
        (1, 4700, None, "nginx", &b"nginx\0-g\0daemon off;\0"[..]),
        (2, 4711, Some(ProcId(1)), "sh", b"/bin/sh\0-i\0"),
        (
            3,
            4712,
            Some(ProcId(2)),
            "cat",
            b"cat\0/etc/shadow\0\x1b[2Jevil\0",
        ),
    ] {
        let process = Process {
            id: ProcId(id),
            key: ProcKey {
                pid,
                start_ns: 99_000_000_000 + u64::from(id),
                exec: 1,
            },
            parent,
            ppid: if id == 1 { 1 } else { 4709 + id },
            vpid: id,
            comm: comm.into(),
            exe_path: format!("/usr/bin/{comm}").into(),
            argv: argv.into(),
            argv_full_len: argv.len() as u64,
            cwd: "/".into(),
            container: Some(WEB),
            ..Process::default()
        };
        tables.procs.insert(ProcId(id), Arc::new(process));
    }
    let shadow = File {
        id: SHADOW,
        kind: FileKind::File,
        path: "/etc/shadow".into(),
        dev: 1,
        ino: 7,
        ..File::default()
    };
    tables.files.insert(SHADOW, Arc::new(shadow));
    let flow = Flow {
        protocol: Protocol(6),
        local: ([10, 0, 0, 2], 40_000).into(),
        remote: ([203, 0, 113, 9], 4444).into(),
        role: Role::Client,
    };
    tables.files.insert(
        SOCKET,
        Arc::new(File {
            id: SOCKET,
            kind: FileKind::Ipv4,
            flow: Some(flow),
            ..File::default()
        }),
    );
    tables
}

fn ty(name: &str) -> TypeId {
    schema::current_type(name).unwrap_or_else(|| panic!("no row {name}"))
}

/// An event whose arguments are given by name; the others are absent.
fn event(
    at: u64,
    name: &str,
    proc: u32,
    result: i64,
    file: Option<FileId>,
    args: &[(&str, Value)],
) -> Event {
    let row = SYSCALLS.iter().find(|row| row.name == name).expect("a row");
    let value = |arg: &str| {
        args.iter()
            .find(|given| given.0 == arg)
            .map(|given| given.1.clone())
            .unwrap_or_default()
    };
    Event {
        time: BootNs(100_000_000_000 + at),
        cpu: 0,
        seq: at,
        ty: ty(name),
        abi: Abi::x86_64,
        flags: EventFlags::default(),
        tid: 4709 + proc,
        proc: ProcId(proc),
        file,
        result,
        latency_ns: 0,
        args: row.args.iter().map(|arg| value(arg.name)).collect(),
    }
}

fn text(text: &[u8]) -> Value {
    Value::Bytes(Blob::whole(text))
}

pub(super) fn capture(gaps: &[Gap]) -> Vec<u8> {
    let manifest = Manifest {
        capture_id: "00112233445566778899aabbccddeeff".into(),
        tool: "afterimage test".into(),
        host: "web-host".into(),
        kernel: "6.1.0".into(),
        machine: "x86_64".into(),
        boot_id: "b007".into(),
        cpus: 2,
        clock: ClockPair {
            boot_ns: 100_000_000_000,
            mono_ns: 100_000_000_000,
            real_ns: 1_795_366_800_000_000_000,
        },
        time_zone: "+0200".into(),
        scope: "container web".into(),
        coverage: vec!["system calls of x86_64".into()],
        not_covered: vec!["io_uring".into()],
        command: vec!["afterimage".into(), "record\u{1b}]0;x\u{7}".into()],
        ..Manifest::default()
    };
    let tables = tables();
    let events = [
        event(0, "execve", 2, 0, None, &[("path", text(b"/bin/sh"))]),
        event(
            1_000_000,
            "connect",
            2,
            0,
            Some(SOCKET),
            &[("fd", Value::Num(3))],
        ),
        event(
            2_000_000,
            "execve",
            3,
            0,
            None,
            &[("path", text(b"/bin/cat"))],
        ),
        event(
            3_000_000,
            "openat",
            3,
            4,
            Some(SHADOW),
            &[
                ("dirfd", Value::Num(-100)),
                ("path", text(b"/etc/shadow")),
                ("flags", Value::Num(0)),
            ],
        ),
        event(
            4_000_000,
            "read",
            3,
            12,
            Some(SHADOW),
            &[
                ("fd", Value::Num(4)),
                ("buf", text(b"root:x\n\x1b[2J\xff")),
                ("count", Value::Num(4096)),
            ],
        ),
        event(
            5_000_000,
            "openat",
            3,
            -2,
            None,
            &[("dirfd", Value::Num(-100)), ("path", text(b"/etc/nothing"))],
        ),
        event(
            1_500_000_000,
            "write",
            2,
            5,
            Some(SOCKET),
            &[
                ("fd", Value::Num(3)),
                ("buf", text(b"hello")),
                ("count", Value::Num(5)),
            ],
        ),
    ];
    let options = WriterOptions {
        chunk_events: 3,
        ..WriterOptions::default()
    };
    let mut writer =
        Writer::new(Vec::new(), &manifest, Schema::current(), options).expect("a header");
    let written = events.len() as u64;
    for event in events {
        writer.push(event, &tables).expect("an event");
    }
    for gap in gaps {
        writer.gap(gap).expect("a gap");
    }
    let dropped: u64 = gaps.iter().filter_map(|gap| gap.count).sum();
    writer
        .state(BootNs(102_000_000_000), &tables)
        .expect("a state");
    let totals = Totals {
        offered: written + dropped,
        written,
        dropped,
        ..Totals::default()
    };
    writer.seal(&totals, &tables).expect("a footer")
}
