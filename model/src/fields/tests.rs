//! What `FIELDS` answers for events of a small scripted world.

use super::*;
use crate::entity::{
    ContainerId, FileId, FileKind, Flow, Group, ProcId, ProcKey, Protocol, Role, User,
};
use crate::event::{Blob, TypeId};
use crate::manifest::ClockPair;
use crate::schema::current_type;
use crate::time::BootNs;
use crate::{Abi, Value};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const BASH: ProcId = ProcId(1);
const CURL: ProcId = ProcId(2);
const CRON: ProcId = ProcId(3);
const PASSWD: FileId = FileId(1);
const SOCKET: FileId = FileId(2);

struct World {
    manifest: Manifest,
    tables: Tables,
}

/// A shell in a container runs curl; cron runs on the host.
fn world() -> World {
    let mut tables = Tables::default();
    let web = ContainerId(1);
    let container = Container {
        id: web,
        full_id: "0123456789abcdef".repeat(4),
        runtime: "docker".to_owned(),
        name: "web".to_owned(),
        image: "docker.io/library/nginx:1.25".to_owned(),
        image_id: "sha256:aabbccddeeff00112233".to_owned(),
        labels: BTreeMap::from([
            ("app".to_owned(), "shop".to_owned()),
            ("io.k8s.tier".to_owned(), "front".to_owned()),
        ]),
        mounts: vec![
            "/srv/a:/data::true:rprivate".to_owned(),
            "/etc/ssl:/certs:z:false:rslave".to_owned(),
        ],
        created_ns: 1_000_000_000,
        ..Container::default()
    };
    tables.containers.insert(web, Arc::new(container));
    let bash = Process {
        id: BASH,
        key: ProcKey {
            pid: 100,
            start_ns: 1_000,
            exec: 1,
        },
        ppid: 1,
        vpid: 1,
        sid: 100,
        pgid: 100,
        comm: b"bash".to_vec(),
        exe_path: b"/usr/bin/bash".to_vec(),
        argv: b"-bash\0".to_vec(),
        cwd: b"/root".to_vec(),
        container: Some(web),
        ..Process::default()
    };
    let curl = Process {
        id: CURL,
        key: ProcKey {
            pid: 101,
            start_ns: 2_000,
            exec: 2,
        },
        parent: Some(BASH),
        ppid: 100,
        sid: 100,
        comm: b"curl".to_vec(),
        exe_path: b"/usr/bin/curl".to_vec(),
        exe_flags: Process::EXE_UPPER,
        argv: b"curl\0-s\0http://x/\0".to_vec(),
        env: b"PATH=/bin\0TOKEN=secret\0".to_vec(),
        cwd: b"/root".to_vec(),
        uid: 5,
        euid: 0,
        egid: 33,
        loginuid: u32::MAX,
        cap_effective: 1,
        container: Some(web),
        ..Process::default()
    };
    let cron = Process {
        id: CRON,
        key: ProcKey {
            pid: 50,
            start_ns: 1,
            exec: 0,
        },
        comm: b"cron".to_vec(),
        euid: 0,
        ..Process::default()
    };
    for row in [bash, curl, cron] {
        tables.procs.insert(row.id, Arc::new(row));
    }
    let user = |container, name: &str| {
        Arc::new(User {
            container,
            uid: 0,
            name: name.to_owned(),
            ..User::default()
        })
    };
    tables.users.insert((None, 0), user(None, "root-of-host"));
    tables.groups.insert(
        (Some(web), 33),
        Arc::new(Group {
            container: Some(web),
            gid: 33,
            name: "www-data".to_owned(),
        }),
    );
    let passwd = File {
        id: PASSWD,
        kind: FileKind::File,
        path: b"/etc/passwd".to_vec(),
        dev: 8 << 20 | 1,
        ino: 77,
        ..File::default()
    };
    let flow = Flow {
        protocol: Protocol(6),
        local: "10.0.0.2:40000".parse().unwrap(),
        remote: "93.184.216.34:80".parse().unwrap(),
        role: Role::Client,
    };
    let socket = File {
        id: SOCKET,
        kind: FileKind::Ipv4,
        flow: Some(flow),
        ..File::default()
    };
    for row in [passwd, socket] {
        tables.files.insert(row.id, Arc::new(row));
    }
    let manifest = Manifest {
        host: "node1".to_owned(),
        time_zone: "+0200".to_owned(),
        clock: ClockPair {
            boot_ns: 0,
            mono_ns: 0,
            real_ns: 951_782_400_000_000_000,
        },
        ..Manifest::default()
    };
    World { manifest, tables }
}

fn event(name: &str, proc: ProcId, file: Option<FileId>, result: i64, args: Vec<Value>) -> Event {
    Event {
        time: BootNs(1_500_000_000),
        cpu: 3,
        seq: 9,
        ty: current_type(name).unwrap(),
        abi: Abi::x86_64,
        flags: EventFlags::default(),
        tid: 101,
        proc,
        file,
        result,
        latency_ns: 0,
        args: args.into(),
    }
}

fn text(bytes: &str) -> Value {
    Value::Bytes(Blob::whole(bytes))
}

fn open_passwd() -> Event {
    event(
        "openat",
        CURL,
        Some(PASSWD),
        3,
        vec![
            Value::Num(-100),
            text("../etc/passwd"),
            Value::Num(0o2),
            Value::Num(0),
        ],
    )
}

impl World {
    fn ask(&self, event: &Event, field: &str) -> Option<String> {
        let ctx = Ctx {
            manifest: &self.manifest,
            schema: Schema::current(),
            tables: &self.tables,
            event,
            num: 7,
            first_ns: 500_000_000,
            previous_ns: 1_499_999_990,
        };
        let (row, arg) = split_name(field).unwrap_or_else(|| panic!("no field {field}"));
        (row.get)(&ctx, arg).map(|value| String::from_utf8_lossy(&value.text()).into_owned())
    }

    #[track_caller]
    fn expect(&self, event: &Event, answers: &[(&str, &str)]) {
        for (field, answer) in answers {
            assert_eq!(self.ask(event, field).as_deref(), Some(*answer), "{field}");
        }
    }

    #[track_caller]
    fn expect_none(&self, event: &Event, fields: &[&str]) {
        for field in fields {
            assert_eq!(self.ask(event, field), None, "{field}");
        }
    }
}

#[test]
fn the_table_is_sorted_and_every_row_has_a_sentence() {
    for pair in FIELDS.windows(2) {
        assert!(
            pair[0].name < pair[1].name,
            "{} must not come before {}",
            pair[0].name,
            pair[1].name
        );
    }
    for row in FIELDS {
        assert!(
            row.doc.ends_with('.') && !row.doc.contains('\n'),
            "{}",
            row.name
        );
    }
    assert!(FIELDS.len() >= 90);
}

#[test]
fn a_field_is_found_with_its_argument_in_brackets_or_after_a_dot() {
    let found = |name: &str| split_name(name).map(|(row, arg)| (row.name, arg.map(str::to_owned)));
    assert_eq!(
        found("evt.arg.flags"),
        Some(("evt.arg", Some("flags".to_owned())))
    );
    assert_eq!(
        found("proc.aname[2]"),
        Some(("proc.aname", Some("2".to_owned())))
    );
    assert_eq!(
        found("container.label.io.k8s.tier"),
        Some(("container.label", Some("io.k8s.tier".to_owned())))
    );
    assert_eq!(
        found("container.mount.dest[/etc*]"),
        Some(("container.mount.dest", Some("/etc*".to_owned())))
    );
    assert_eq!(found("evt.type.is"), Some(("evt.type.is", None)));
    assert_eq!(found("proc.pid.ts"), Some(("proc.pid.ts", None)));
    assert_eq!(
        (
            found("evt.nothing"),
            found("evt.num.x"),
            found("proc.aname[2")
        ),
        (None, None, None)
    );
}

#[test]
fn an_event_tells_its_type_times_and_result() {
    let (w, e) = (world(), open_passwd());
    w.expect(
        &e,
        &[
            ("evt.num", "7"),
            ("evt.type", "openat"),
            ("syscall.type", "openat"),
            ("evt.type.is.openat", "1"),
            ("evt.type.is[open]", "0"),
            ("evt.category", "file"),
            ("evt.cpu", "3"),
            ("evt.seq", "9"),
            ("evt.abi", "x86_64"),
            ("evt.dir", "<"),
            ("evt.res", "SUCCESS"),
            ("evt.rawres", "3"),
            ("evt.failed", "false"),
            ("evt.time", "02:00:01.500000000"),
            ("evt.time.s", "02:00:01"),
            ("evt.time.iso8601", "2000-02-29T00:00:01.500000000+0000"),
            ("evt.datetime", "2000-02-29 02:00:01.500000000"),
            ("evt.rawtime.s", "951782401"),
            ("evt.rawtime.ns", "500000000"),
            ("evt.reltime", "1000000000"),
            ("evt.reltime.s", "1"),
            ("evt.deltatime", "10"),
            ("evt.hostname", "node1"),
        ],
    );
    w.expect_none(
        &e,
        &[
            "evt.buffer",
            "evt.buflen",
            "evt.count.error",
            "evt.claimed_path",
            "evt.claimed_addr",
            "evt.io_dir",
        ],
    );
    let failed = event(
        "openat",
        CURL,
        None,
        -2,
        vec![Value::Num(-100), text("/x"), Value::Num(0), Value::Num(0)],
    );
    w.expect(
        &failed,
        &[
            ("evt.res", "ENOENT"),
            ("evt.res.meaning", "No such file or directory"),
            ("evt.failed", "true"),
            ("evt.count.error", "1"),
            ("evt.count.error.file", "1"),
        ],
    );
    w.expect_none(&failed, &["evt.count.error.net", "fd.num", "fd.name"]);
}

#[test]
fn an_argument_is_found_by_name_by_index_and_by_falcos_name() {
    let (w, e) = (world(), open_passwd());
    w.expect(
        &e,
        &[
            ("evt.arg.path", "../etc/passwd"),
            ("evt.arg.name", "../etc/passwd"),
            ("evt.arg[1]", "../etc/passwd"),
            ("evt.arg.flags", "O_RDWR"),
            ("evt.rawarg.flags", "2"),
            ("evt.rawarg.path", "../etc/passwd"),
            ("evt.arg.fd", "3"),
            ("evt.arg.res", "3"),
            ("evt.arg.dirfd", "AT_FDCWD"),
        ],
    );
    w.expect_none(&e, &["evt.arg[4]", "evt.arg.nothing", "evt.arg.tuple"]);
    let ptrace = event(
        "ptrace",
        CURL,
        None,
        0,
        vec![Value::Num(16), Value::Num(50), Value::Num(0), Value::Num(0)],
    );
    w.expect(&ptrace, &[("evt.arg.request", "PTRACE_ATTACH")]);
}

#[test]
fn open_calls_tell_what_they_ask_for() {
    let w = world();
    w.expect(
        &open_passwd(),
        &[
            ("evt.is_open_read", "true"),
            ("evt.is_open_write", "true"),
            ("evt.is_open_create", "false"),
            ("evt.is_open_exec", "false"),
        ],
    );
    let dropped = event(
        "openat",
        CURL,
        None,
        3,
        vec![
            Value::Num(-100),
            text("/tmp/x"),
            Value::Num(0o101),
            Value::Num(0o755),
        ],
    );
    w.expect(
        &dropped,
        &[
            ("evt.is_open_read", "false"),
            ("evt.is_open_write", "true"),
            ("evt.is_open_create", "true"),
            ("evt.is_open_exec", "true"),
        ],
    );
    let mut how = 0o1u64.to_le_bytes().to_vec();
    how.extend([0; 16]);
    let openat2 = event(
        "openat2",
        CURL,
        None,
        3,
        vec![
            Value::Num(-100),
            text("/x"),
            Value::Bytes(Blob::whole(how)),
            Value::Num(24),
        ],
    );
    w.expect(
        &openat2,
        &[
            ("evt.is_open_read", "false"),
            ("evt.is_open_write", "true"),
            ("evt.arg.how", "{flags=O_WRONLY, mode=0, resolve=0}"),
            ("evt.arg.how.flags", "O_WRONLY"),
        ],
    );
    w.expect_none(&openat2, &["evt.arg.how.nothing", "evt.arg.path.flags"]);
    let read = event(
        "read",
        CURL,
        None,
        0,
        vec![Value::Num(3), Value::Absent, Value::Num(0)],
    );
    w.expect_none(&read, &["evt.is_open_read", "evt.is_open_write"]);
}

#[test]
fn reads_and_writes_are_counted_by_what_they_go_through() {
    let w = world();
    let sent = event(
        "write",
        CURL,
        Some(SOCKET),
        5,
        vec![Value::Num(4), text("GET /"), Value::Num(5)],
    );
    w.expect(
        &sent,
        &[
            ("evt.category", "net"),
            ("evt.buffer", "GET /"),
            ("evt.buflen", "5"),
            ("evt.buflen.net.out", "5"),
            ("evt.is_io", "true"),
            ("evt.is_io_write", "true"),
            ("evt.is_io_read", "false"),
            ("evt.io_dir", "write"),
            ("evt.arg.data", "GET /"),
            ("fd.num", "4"),
        ],
    );
    w.expect_none(
        &sent,
        &["evt.buflen.in", "evt.buflen.file", "evt.buflen.net.in"],
    );
    let refused = event(
        "read",
        CURL,
        Some(SOCKET),
        -11,
        vec![Value::Num(4), Value::Absent, Value::Num(5)],
    );
    w.expect(
        &refused,
        &[("evt.count.error.net", "1"), ("evt.category", "net")],
    );
    w.expect_none(
        &refused,
        &["evt.buflen", "evt.buffer", "evt.count.error.file"],
    );
}

#[test]
fn a_file_is_named_by_the_kernel_and_a_claim_by_the_program() {
    let (w, mut e) = (world(), open_passwd());
    w.expect(
        &e,
        &[
            ("fd.num", "3"),
            ("fd.name", "/etc/passwd"),
            ("fd.nameraw", "../etc/passwd"),
            ("fd.directory", "/etc"),
            ("fd.filename", "passwd"),
            ("fd.type", "file"),
            ("fd.typechar", "f"),
            ("fd.ino", "77"),
            ("fd.dev", "2049"),
            ("fd.dev.major", "8"),
            ("fd.dev.minor", "1"),
            ("fd.uid", "1013"),
            ("fd.containername", "0123456789ab:/etc/passwd"),
            ("fs.path.name", "/etc/passwd"),
            ("fs.path.nameraw", "../etc/passwd"),
            ("evt.abspath", "/etc/passwd"),
        ],
    );
    w.expect_none(
        &e,
        &[
            "fd.ip",
            "fd.sport",
            "fd.connected",
            "fd.l4proto",
            "fd.sockfamily",
            "fs.path.source",
        ],
    );
    e.flags.set(EventFlags::CLAIM_DIFFERS);
    w.expect(&e, &[("evt.claimed_path", "../etc/passwd")]);
}

#[test]
fn an_address_that_was_not_the_one_reached_is_told_as_a_claim() {
    let w = world();
    let claim = Value::Bytes(Blob::whole([2, 0, 0, 9, 127, 0, 0, 1]));
    let args = vec![Value::Num(4), claim, Value::Num(16)];
    let mut e = event("connect", CURL, Some(SOCKET), 0, args);
    w.expect_none(&e, &["evt.claimed_addr"]);
    e.flags.set(EventFlags::CLAIM_DIFFERS);
    w.expect(&e, &[("evt.claimed_addr", "127.0.0.1:9")]);
    w.expect_none(&e, &["evt.claimed_path"]);
}

#[test]
fn a_socket_knows_its_ends_by_role() {
    let w = world();
    let e = event(
        "connect",
        CURL,
        Some(SOCKET),
        -115,
        vec![Value::Num(4), Value::Absent, Value::Num(16)],
    );
    w.expect(
        &e,
        &[
            ("fd.name", "10.0.0.2:40000->93.184.216.34:80"),
            ("fd.cip", "10.0.0.2"),
            ("fd.sip", "93.184.216.34"),
            ("fd.sport", "80"),
            ("fd.lport", "40000"),
            ("fd.rip", "93.184.216.34"),
            ("fd.snet", "93.184.216.34"),
            ("fd.port", "40000, 80"),
            ("fd.l4proto", "tcp"),
            ("fd.sockfamily", "ip"),
            ("fd.is_server", "false"),
            ("fd.connected", "true"),
            ("fd.name_changed", "true"),
            ("evt.arg.tuple", "10.0.0.2:40000->93.184.216.34:80"),
        ],
    );
    w.expect_none(&e, &["fd.directory", "fd.filename", "fd.ino"]);
}

#[test]
fn calls_with_two_paths_have_a_source_and_a_target() {
    let w = world();
    let rename = event("rename", CURL, None, 0, vec![text("a"), text("/b")]);
    w.expect(
        &rename,
        &[
            ("fs.path.source", "/root/a"),
            ("fs.path.target", "/b"),
            ("fs.path.sourceraw", "a"),
            ("evt.abspath.dst", "/b"),
        ],
    );
    w.expect_none(&rename, &["fs.path.name", "fs.path.nameraw"]);
    let symlink = event(
        "symlink",
        CURL,
        None,
        0,
        vec![text("/target"), text("link")],
    );
    w.expect(
        &symlink,
        &[
            ("fs.path.source", "/root/link"),
            ("fs.path.target", "/target"),
        ],
    );
    let refused = event("rename", CURL, None, -13, vec![text("a"), text("/b")]);
    w.expect_none(&refused, &["fs.path.source", "fs.path.targetraw"]);
    w.expect(
        &refused,
        &[("evt.abspath", "/root/a"), ("evt.arg.newpath", "/b")],
    );
    let watched = event(
        "inotify_add_watch",
        CURL,
        Some(PASSWD),
        1,
        vec![Value::Num(5), text("/tmp"), Value::Num(2)],
    );
    w.expect(&watched, &[("fs.path.name", "/tmp")]);
    let elsewhere = event(
        "unlinkat",
        CURL,
        None,
        0,
        vec![Value::Num(9), text("x"), Value::Num(0)],
    );
    w.expect(&elsewhere, &[("fs.path.nameraw", "x")]);
    w.expect_none(&elsewhere, &["fs.path.name", "evt.abspath"]);
}

#[test]
fn a_process_tells_of_itself_and_its_ancestors() {
    let (w, e) = (world(), open_passwd());
    w.expect(
        &e,
        &[
            ("proc.name", "curl"),
            ("proc.cmdline", "curl -s http://x/"),
            ("proc.args", "-s http://x/"),
            ("proc.args[0]", "-s"),
            ("proc.cmdnargs", "2"),
            ("proc.cmdlenargs", "11"),
            ("proc.env[TOKEN]", "secret"),
            ("proc.env", "PATH=/bin TOKEN=secret"),
            ("proc.pid", "101"),
            ("proc.ppid", "100"),
            ("proc.pname", "bash"),
            ("proc.pcmdline", "bash"),
            ("proc.pexepath", "/usr/bin/bash"),
            ("proc.aname[0]", "curl"),
            ("proc.aname[1]", "bash"),
            ("proc.aname", "bash"),
            ("proc.apid[1]", "100"),
            ("proc.pvpid", "1"),
            ("proc.sname", "bash"),
            ("proc.sid.exe", "-bash"),
            ("proc.is_sid_leader", "false"),
            ("proc.loginshellid", "100"),
            ("proc.key", "101:2000:2"),
            ("proc.exec_count", "2"),
            ("proc.duration", "1499998000"),
            ("proc.is_exe_upper_layer", "true"),
            ("proc.is_exe_from_memfd", "false"),
            ("thread.tid", "101"),
            ("thread.ismain", "true"),
            ("thread.cap_effective", "CAP_CHOWN"),
            ("thread.cap_permitted", ""),
            ("user.uid", "0"),
            ("user.loginuid", "-1"),
            ("group.gid", "33"),
            ("group.name", "www-data"),
        ],
    );
    w.expect_none(
        &e,
        &[
            "proc.aname[2]",
            "proc.aname[x]",
            "proc.vpid",
            "proc.pgid",
            "user.loginname",
            "proc.env[PAT]",
        ],
    );
}

#[test]
fn a_user_of_a_container_is_never_named_by_the_hosts_list() {
    let w = world();
    let inside = event("getpid", CURL, None, 101, vec![]);
    w.expect_none(&inside, &["user.name"]);
    let outside = event("getpid", CRON, None, 50, vec![]);
    w.expect(&outside, &[("user.name", "root-of-host")]);
    // Where there is no name there is a number, as ps shows it.
    w.expect(&inside, &[("user.shown", "0")]);
    w.expect(&outside, &[("user.shown", "root-of-host")]);
}

#[test]
fn a_container_is_described_and_the_host_is_called_host() {
    let w = world();
    let inside = event("getpid", CURL, None, 101, vec![]);
    w.expect(
        &inside,
        &[
            ("container.id", "0123456789ab"),
            ("container.name", "web"),
            ("container.type", "docker"),
            ("container.image", "docker.io/library/nginx:1.25"),
            ("container.image.repository", "docker.io/library/nginx"),
            ("container.image.tag", "1.25"),
            ("container.image.id", "aabbccddeeff00112233"),
            ("container.label.app", "shop"),
            ("container.label.io.k8s.tier", "front"),
            ("container.labels", "app:shop, io.k8s.tier:front"),
            ("container.mount[0]", "/srv/a:/data::true:rprivate"),
            ("container.mount.dest[/srv/*]", "/data"),
            ("container.mount.source[/certs]", "/etc/ssl"),
            ("container.mount.rdwr[1]", "false"),
            ("container.start_ts", "1000000000"),
        ],
    );
    w.expect_none(
        &inside,
        &[
            "container.privileged",
            "container.ip",
            "k8s.pod.name",
            "container.mount[2]",
            "container.mount.mode[0]",
        ],
    );
    let outside = event("getpid", CRON, None, 50, vec![]);
    w.expect(
        &outside,
        &[
            ("container.id", "host"),
            ("container.name", "host"),
            ("container.full_id", "host"),
            ("container.type", "host"),
        ],
    );
    w.expect_none(
        &outside,
        &["container.image", "container.labels", "container.duration"],
    );
}

#[test]
fn of_a_process_that_was_never_seen_only_the_pid_is_said() {
    let mut w = world();
    let unseen = ProcId(9);
    let row = Process {
        id: unseen,
        key: ProcKey {
            pid: 4242,
            ..ProcKey::default()
        },
        ..Process::default()
    };
    w.tables.procs.insert(unseen, Arc::new(row));
    let mut e = event("getpid", unseen, None, 0, vec![]);
    e.flags.set(EventFlags::PROCESS_UNKNOWN);
    w.expect(&e, &[("proc.pid", "4242")]);
    w.expect_none(
        &e,
        &[
            "user.uid",
            "group.gid",
            "container.id",
            "proc.name",
            "proc.ppid",
            "proc.pid.ts",
            "proc.tty",
            "proc.tty.name",
            "thread.cap_effective",
            "user.loginuid",
        ],
    );
    let nowhere = event("getpid", ProcId(77), None, 0, vec![]);
    w.expect_none(
        &nowhere,
        &[
            "proc.pid",
            "proc.name",
            "container.id",
            "user.uid",
            "thread.ismain",
        ],
    );
}

/// The answers of all fields that take no argument, by name.
fn answers(w: &World, e: &Event, on: Dependency) -> BTreeMap<&'static str, Option<String>> {
    let rows = FIELDS
        .iter()
        .filter(|row| row.on == on && row.arg != FieldArg::Required);
    rows.map(|row| (row.name, w.ask(e, row.name))).collect()
}

#[test]
fn fields_of_a_row_do_not_change_with_the_event() {
    let w = world();
    let base = open_passwd();
    let mut other = event(
        "write",
        CURL,
        Some(PASSWD),
        -28,
        vec![Value::Num(8), text("x"), Value::Num(1)],
    );
    other.time = BootNs(9_000_000_000);
    other.tid = 102;
    other.cpu = 0;
    for on in [Dependency::Process, Dependency::File] {
        assert_eq!(answers(&w, &base, on), answers(&w, &other, on));
    }
    let mut same_type = event("openat", CRON, Some(SOCKET), -2, vec![]);
    same_type.time = BootNs(7);
    same_type.flags.set(EventFlags::CUT);
    assert_eq!(
        answers(&w, &base, Dependency::Type),
        answers(&w, &same_type, Dependency::Type)
    );
}

#[test]
fn fields_of_a_part_change_with_nothing_else() {
    let w = world();
    let mut told = event("write", CRON, Some(SOCKET), -11, vec![Value::Num(1)]);
    told.flags.set(EventFlags::TOLD | EventFlags::IN_FLIGHT);
    let mut late = event("recvmmsg", CURL, None, 3, vec![]);
    (late.time, late.latency_ns, late.cpu) = (BootNs(86_400_000_000_123), 77_000, Event::NO_CPU);
    (late.tid, late.seq, late.abi) = (102, 77, Abi::i386);
    let mut entered = event("exit_group", BASH, None, 0, vec![]);
    entered
        .flags
        .set(EventFlags::NO_RESULT | EventFlags::SNAPSHOT);
    let events = [open_passwd(), told, late, entered];
    for (base, other) in events
        .iter()
        .flat_map(|a| events.iter().map(move |b| (a, b)))
    {
        // What decides is the base's, all else the other's.
        let with = |on: Dependency| {
            let mut made = other.clone();
            match on {
                Dependency::Instant | Dependency::Time => made.time = base.time,
                Dependency::Latency => (made.ty, made.latency_ns) = (base.ty, base.latency_ns),
                _ => (made.ty, made.flags) = (base.ty, base.flags),
            }
            match on {
                Dependency::Cpu => made.cpu = base.cpu,
                Dependency::Thread => made.tid = base.tid,
                Dependency::Result => made.result = base.result,
                Dependency::Outcome => (made.result, made.file) = (base.result, base.file),
                _ => {}
            }
            made
        };
        for on in [
            Dependency::Marks,
            Dependency::Cpu,
            Dependency::Thread,
            Dependency::Latency,
            Dependency::Instant,
            Dependency::Time,
            Dependency::Result,
            Dependency::Outcome,
        ] {
            let found = answers(&w, base, on);
            assert!(!found.is_empty(), "{on:?}");
            assert_eq!(found, answers(&w, &with(on), on), "{on:?}");
        }
    }
}

#[test]
fn what_rises_with_time_never_falls_within_a_day() {
    let w = world();
    let fields = FIELDS.iter().filter(|row| row.on == Dependency::Time);
    let fields: Vec<_> = fields.collect();
    let mut before: Vec<Option<String>> = vec![None; fields.len()];
    let start = 1_500_000_000_u64;
    for step in 0..2_000_u64 {
        let mut e = open_passwd();
        e.time = BootNs(start + step * step * 997);
        for (row, before) in fields.iter().zip(&mut before) {
            let now = w.ask(&e, row.name);
            if let (Some(before), Some(now)) = (before.as_ref(), now.as_ref()) {
                let number = |text: &str| text.parse::<i128>().ok();
                match row.ty {
                    FieldType::Str => assert!(before <= now, "{}", row.name),
                    _ => assert!(number(before) <= number(now), "{}", row.name),
                }
            }
            *before = now;
        }
    }
}

#[test]
fn two_of_a_row_or_part_are_decided_by_what_holds_both() {
    use Dependency::*;
    let all = [
        Event, Head, Type, Process, File, Marks, Cpu, Thread, Latency, Instant, Time, Result,
        Outcome,
    ];
    for a in all {
        assert_eq!(a.with(a), a);
        for b in all {
            assert_eq!(a.with(b), b.with(a), "{a:?} {b:?}");
            assert_eq!(
                a.with(b).is_early(),
                a.is_early() && b.is_early(),
                "{a:?} {b:?}"
            );
        }
    }
    assert_eq!(Type.with(Result), Result);
    assert_eq!(File.with(Result), Outcome);
    assert_eq!(Process.with(Result), Event);
    assert_eq!(Cpu.with(Latency), Head);
    assert_eq!(Time.with(Type), Head);
}

#[test]
fn a_value_has_the_type_its_field_says() {
    let w = world();
    let events = [
        open_passwd(),
        event(
            "write",
            CURL,
            Some(SOCKET),
            5,
            vec![Value::Num(4), text("GET /"), Value::Num(5)],
        ),
    ];
    let mut seen = BTreeSet::new();
    for e in &events {
        for row in FIELDS {
            let ctx = Ctx {
                manifest: &w.manifest,
                schema: Schema::current(),
                tables: &w.tables,
                event: e,
                num: 1,
                first_ns: 0,
                previous_ns: 0,
            };
            let arg = (row.arg == FieldArg::Required).then_some("0");
            let Some(value) = (row.get)(&ctx, arg) else {
                continue;
            };
            seen.insert(row.name);
            let values = match value {
                FieldValue::Any(all) => all,
                one => vec![one],
            };
            for value in values {
                let fits = match row.ty {
                    FieldType::Str | FieldType::Bytes | FieldType::List => {
                        matches!(value, FieldValue::Str(_))
                    }
                    FieldType::Double => matches!(value, FieldValue::Double(_)),
                    // One argument is a number, another is bytes.
                    FieldType::Int if row.name == "evt.rawarg" => {
                        matches!(value, FieldValue::Int(_) | FieldValue::Str(_))
                    }
                    FieldType::Int | FieldType::AbsTime => matches!(value, FieldValue::Int(_)),
                    FieldType::Uint | FieldType::Port | FieldType::RelTime => {
                        matches!(value, FieldValue::Uint(_))
                    }
                    FieldType::Bool => matches!(value, FieldValue::Bool(_)),
                    FieldType::Ip | FieldType::Net => matches!(value, FieldValue::Ip(_)),
                };
                assert!(fits, "{}: {value:?}", row.name);
            }
        }
    }
    assert!(seen.len() > 140, "only {} fields answered", seen.len());
}

fn values() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Absent),
        any::<i64>().prop_map(Value::Num),
        (proptest::collection::vec(any::<u8>(), 0..60), any::<u64>())
            .prop_map(|(bytes, full_len)| Value::Bytes(Blob { bytes, full_len })),
    ]
}

proptest! {
    #[test]
    fn any_event_is_answered_for_without_a_panic(
        ty in any::<u16>(), time in any::<u64>(), flags in any::<u16>(), result in any::<i64>(), proc in 0u32..5, file in 0u32..4,
        args in proptest::collection::vec(values(), 0..8), arg in prop_oneof![Just("0".to_owned()), any::<String>(), any::<u64>().prop_map(|n| n.to_string())],
        real_ns in any::<i64>(), boot_ns in any::<u64>(),
    ) {
        let mut w = world();
        w.manifest.clock = ClockPair { boot_ns, mono_ns: 0, real_ns };
        let mut e = event("read", ProcId(proc), Some(FileId(file)), result, args);
        e.ty = TypeId(ty % (Schema::current().types.len() as u16 + 1));
        e.time = BootNs(time);
        e.flags = EventFlags(flags);
        let ctx = Ctx { manifest: &w.manifest, schema: Schema::current(), tables: &w.tables, event: &e, num: 1, first_ns: boot_ns, previous_ns: boot_ns };
        for row in FIELDS {
            for arg in [None, Some(arg.as_str())] {
                let _ = (row.get)(&ctx, arg);
            }
        }
    }
}

#[test]
fn a_name_says_what_a_call_is_about_and_a_queue_how_full_it_is() {
    let w = world();
    let classes = [
        ("read", "io"),
        ("sendto", "io"),
        ("newfstatat", "file"),
        ("connect", "net"),
        ("getpid", "process"),
    ];
    for (name, class) in classes {
        let args = vec![Value::Absent; crate::syscalls::by_name(name).unwrap().args.len()];
        w.expect(
            &event(name, CURL, None, 0, args),
            &[("syscall.class", class)],
        );
    }
    let queue = [3_u32.to_le_bytes(), 12_u32.to_le_bytes()].concat();
    let accepted = event(
        "accept",
        CURL,
        None,
        5,
        vec![
            Value::Num(3),
            Value::Absent,
            Value::Absent,
            Value::Bytes(Blob::whole(queue)),
        ],
    );
    w.expect(
        &accepted,
        &[
            ("evt.arg.queuelen", "3"),
            ("evt.arg.queuemax", "12"),
            ("evt.arg.queuepct", "25"),
            ("evt.rawarg.queuelen", "3"),
            ("evt.rawarg.queuemax", "12"),
            ("evt.rawarg.queuepct", "25"),
        ],
    );
    let ended = event(
        "procexit",
        CURL,
        None,
        0,
        [0, 0, 0, 7, 5, 0, 4, 2, 0, 0, 1].map(Value::Num).to_vec(),
    );
    w.expect(
        &ended,
        &[
            ("thread.cputime", "12"),
            ("thread.cputime.user", "7"),
            ("thread.cputime.system", "5"),
            ("thread.pfmajor", "2"),
            ("thread.pfminor", "4"),
        ],
    );
    w.expect_none(&ended, &["thread.cpu", "container.healthcheck"]);
}

#[test]
fn a_port_that_is_still_to_come_is_no_port() {
    let mut w = world();
    let at = |text: &str| text.parse().unwrap();
    let flow = Flow {
        protocol: Protocol(6),
        local: at("10.0.0.5:0"),
        remote: at("93.184.216.34:443"),
        role: Role::Client,
    };
    let file = File {
        id: FileId(900),
        kind: FileKind::Ipv4,
        flow: Some(flow),
        ..File::default()
    };
    w.tables.files.insert(file.id, Arc::new(file));
    let proc = *w.tables.procs.keys().next().unwrap();
    let e = event(
        "inet_sock_set_state",
        proc,
        Some(FileId(900)),
        0,
        vec![Value::Num(7), Value::Num(2), Value::Absent],
    );
    w.expect(
        &e,
        &[
            ("fd.name", "10.0.0.5:?->93.184.216.34:443"),
            ("fd.lip", "10.0.0.5"),
            ("fd.rport", "443"),
            ("fd.sport", "443"),
        ],
    );
    w.expect_none(&e, &["fd.lport", "fd.cport", "fd.lproto", "fd.cproto"]);
}

#[test]
fn a_field_that_looks_nowhere_has_no_value_whatever_arguments_hold() {
    let w = world();
    let (mut nowhere, mut who) = (BTreeSet::new(), BTreeSet::new());
    let mut alone = BTreeSet::new();
    let of = |args: &[Value], kept: std::ops::RangeInclusive<usize>| {
        let all = args.iter().enumerate();
        let one = |(at, value): (usize, &Value)| match kept.contains(&at) {
            true => value.clone(),
            false => Value::Absent,
        };
        all.map(one).collect()
    };
    let fields = FIELDS.iter().filter(|row| row.on == Dependency::Event);
    let fields: Vec<&Field> = fields.filter(|row| row.arg != FieldArg::Required).collect();
    for ty in &Schema::current().types {
        for fill in [
            Value::Num(1),
            text("<13>GET /etc HTTP/1.1"),
            text("/etc/../x"),
            Value::Absent,
        ] {
            for (file, result) in [(None, 0), (Some(PASSWD), 5), (Some(SOCKET), -2)] {
                let args = vec![fill.clone(); ty.args.len()];
                let e = event(&ty.name, CURL, file, result, args);
                let bare = event(&ty.name, CURL, None, 0, vec![]);
                for row in &fields {
                    let ctx = Ctx {
                        manifest: &w.manifest,
                        schema: Schema::current(),
                        tables: &w.tables,
                        event: &e,
                        num: 7,
                        first_ns: 500_000_000,
                        previous_ns: 1_499_999_990,
                    };
                    match Looks::of(row, None, ty) {
                        Looks::Who => {
                            who.insert(row.name);
                            assert_eq!(w.ask(&e, row.name), w.ask(&bare, row.name), "{}", row.name);
                        }
                        Looks::At { at, bytes: true } => {
                            alone.insert(row.name);
                            let mut only = bare.clone();
                            only.args = of(&e.args, at..=at);
                            assert_eq!(w.ask(&e, row.name), w.ask(&only, row.name), "{}", row.name);
                        }
                        Looks::Path(at) => {
                            alone.insert(row.name);
                            let mut only = e.clone();
                            only.args = of(&e.args, at.saturating_sub(1)..=at);
                            assert_eq!(w.ask(&e, row.name), w.ask(&only, row.name), "{}", row.name);
                        }
                        _ if has_none(row, None, &ctx) => {
                            nowhere.insert(row.name);
                            assert_eq!(w.ask(&e, row.name), None, "{} of {}", row.name, ty.name);
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    for name in [
        "dns.question",
        "evt.buffer",
        "evt.is_open_read",
        "proc.end.code",
        "syslog.message",
        "thread.cpu",
    ] {
        assert!(nowhere.contains(name), "{name}");
    }
    assert_eq!(who, BTreeSet::from(["thread.vtid"]));
    let paths = [
        "evt.abspath",
        "fs.path.name",
        "fs.path.source",
        "fs.path.target",
    ];
    let mut expected = BTreeSet::from(paths);
    expected.insert("evt.buffer");
    assert_eq!(alone, expected);
}

#[test]
fn results_of_the_kernels_own_and_causes_of_signals_are_told_in_words() {
    let w = world();
    let again = event("accept", CURL, None, -512, vec![]);
    w.expect(&again, &[("evt.res", "ERESTARTSYS")]);
    let says = crate::errno::meaning(512).expect("it has one");
    w.expect(&again, &[("evt.res.meaning", says)]);
    let done = event("accept", CURL, None, 3, vec![]);
    w.expect_none(&done, &["evt.res.meaning", "evt.cause"]);
    let unnamed = event("accept", CURL, None, -4000, vec![]);
    w.expect(&unnamed, &[("evt.res", "E4000")]);
    w.expect_none(&unnamed, &["evt.res.meaning"]);
    let got = |code: &str| {
        let numbers = [Value::Num(7), Value::Num(101), Value::Num(6)];
        let rest = [text(code), Value::Num(2), Value::Num(0)];
        let args = numbers.into_iter().chain(rest).collect();
        event("signaldeliver", CURL, None, 0, args)
    };
    let by_call = got("SI_TKILL");
    w.expect(&by_call, &[("evt.arg.code", "SI_TKILL")]);
    w.expect(&by_call, &[("evt.cause", "sent by tkill or tgkill")]);
    w.expect_none(&got("-77"), &["evt.cause"]);
}

#[test]
fn a_process_is_new_when_it_was_started_after_the_recorder_began() {
    let mut w = world();
    let e = event("getpid", CURL, None, 101, vec![]);
    for (began, is_new) in [(1_999, "true"), (2_000, "true"), (2_001, "false")] {
        w.manifest.clock.boot_ns = began;
        w.expect(&e, &[("proc.is_new", is_new)]);
    }
}
