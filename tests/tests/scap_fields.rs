//! Fields of small captures that were made for the purpose, as sysdig 0.29.3 shows them: what no capture at hand holds.

use afterimage_indexer::{Cell, Progress, Session};
use afterimage_model::FieldValue;
use afterimage_query::{FieldRef, Filter};
use afterimage_tests::peers::scan;
use std::io::Cursor;

fn block(ty: u32, body: &[u8]) -> Vec<u8> {
    let mut body = body.to_vec();
    body.resize(body.len().next_multiple_of(4), 0);
    let len = (body.len() as u32 + 12).to_le_bytes();
    [&ty.to_le_bytes()[..], &len, &body, &len].concat()
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u16).to_le_bytes()[..], text.as_bytes()].concat()
}

fn long(n: i64) -> Vec<u8> {
    n.to_le_bytes().to_vec()
}

fn word(n: u32) -> Vec<u8> {
    n.to_le_bytes().to_vec()
}

/// An entry of a list that counts its own length.
fn counted(entry: &[u8]) -> Vec<u8> {
    [&(entry.len() as u32 + 4).to_le_bytes()[..], entry].concat()
}

/// An entry of the list of processes, version 9.
fn process(ids: [i64; 5], comm: &str, cgroup: &str) -> Vec<u8> {
    let mut entry: Vec<u8> = ids.into_iter().flat_map(long).collect();
    for part in [comm, comm, "/bin/x", "", "/srv"] {
        entry.extend(text(part));
    }
    entry.extend(long(2048));
    entry.extend([0; 12 + 28]);
    entry.extend(text(""));
    entry.extend([long(ids[0]), long(ids[1])].concat());
    entry.extend([text(cgroup), text("/")].concat());
    counted(&entry)
}

/// An event of a code, of a thread.
fn event(code: u16, tid: i64, params: &[Vec<u8>]) -> Vec<u8> {
    let lengths = params
        .iter()
        .flat_map(|param| (param.len() as u16).to_le_bytes());
    let content: Vec<u8> = lengths.chain(params.concat()).collect();
    let mut body = vec![0, 0];
    body.extend(1_600_000_000_000_000_000_u64.to_le_bytes());
    body.extend(tid.to_le_bytes());
    body.extend((26 + content.len() as u32).to_le_bytes());
    body.extend(code.to_le_bytes());
    body.extend((params.len() as u32).to_le_bytes());
    body.extend(content);
    block(0x216, &body)
}

const SECTION: &[u8] = b"\x4d\x3c\x2b\x1a\x01\0\x02\0\xff\xff\xff\xff\xff\xff\xff\xff";

/// A container of a web server, a shell, and what is left of a session whose leader is over.
fn front() -> Vec<u8> {
    let docker = format!("cpu=/docker/{}", "c0de".repeat(16));
    let processes = [
        process([1, 1, 0, 1, 1], "init", ""),
        process([100, 100, 1, 100, 100], "bash", ""),
        process([200, 200, 100, 100, 200], "curl", ""),
        process([300, 300, 1, 999, 300], "old", ""),
        process([301, 301, 300, 999, 300], "orphan", ""),
        process([400, 400, 1, 400, 400], "httpd", &docker),
    ];
    // A socket that listens on IPv4, one on IPv6, a file and a directory.
    let (any4, any6) = ([0; 4], [0; 16]);
    let listening = |fd: i64, ty: u8, ip: &[u8], port: u16| {
        counted(
            &[
                &long(fd),
                &long(9),
                &[ty][..],
                ip,
                &port.to_le_bytes(),
                &[2],
            ]
            .concat(),
        )
    };
    let entries = [
        long(200),
        listening(3, 5, &any4, 80),
        listening(4, 6, &any6, 443),
        counted(&[&long(5)[..], &long(9), &[1], &text("/etc/passwd")].concat()),
        counted(&[&long(6)[..], &long(9), &[2], &text("/etc")].concat()),
    ];
    let interface = |name: &str, ip: [u8; 4]| {
        let mut entry = vec![1, 0];
        entry.extend((name.len() as u16).to_le_bytes());
        entry.extend(ip);
        entry.extend([255, 255, 0, 0, 172, 17, 255, 255]);
        entry.extend([0; 8]);
        entry.extend(name.as_bytes());
        [word(entry.len() as u32), entry].concat()
    };
    [
        block(0x0a0d_0d0a, SECTION),
        block(0x201, &[0; 172]),
        block(0x219, &interface("docker0", [172, 17, 0, 1])),
        block(0x215, &processes.concat()),
        block(0x218, &entries.concat()),
    ]
    .concat()
}

fn session(events: &[Vec<u8>]) -> Session {
    let bytes = [front(), events.concat()].concat();
    let session =
        Session::from_reader(afterimage_interop::open_stream(Cursor::new(bytes)).unwrap());
    assert_eq!(session.gaps(), []);
    session
}

/// What the events that are shown have for a field; `<NA>` for none.
fn told(events: &[Vec<u8>], field: &str) -> Vec<String> {
    let field = FieldRef::parse(field).unwrap();
    let mut all = Vec::new();
    scan(&session(events), None, |ctx| {
        let value = field.value(ctx).unwrap_or(FieldValue::str("<NA>"));
        all.push(String::from_utf8(value.text().into_owned()).unwrap());
    });
    all
}

fn found(events: &[Vec<u8>], filter: &str) -> usize {
    let filter = Filter::parse(filter).unwrap();
    let mut count = 0;
    scan(&session(events), Some(&filter), |_| count += 1);
    count
}

/// The entry to a read from a descriptor.
fn read(tid: i64, fd: i64) -> Vec<u8> {
    event(6, tid, &[long(fd), word(10)])
}

#[test]
fn a_listed_socket_that_listens_has_a_port_and_is_no_server_by_that() {
    let events = [read(200, 3), read(200, 4), read(200, 5)];
    assert_eq!(told(&events, "fd.sport"), ["80", "443", "<NA>"]);
    assert_eq!(told(&events, "fd.sip"), ["<NA>"; 3]);
    assert_eq!(told(&events, "fd.lport"), ["<NA>"; 3]);
    assert_eq!(told(&events, "fd.is_server"), ["true", "true", "false"]);
    assert_eq!(found(&events, "fd.sport=http or fd.sport=https"), 2);
    // Of what is behind a descriptor they say that it has no protocol.
    assert_eq!(told(&events, "fd.l4proto"), ["tcp", "tcp", "<NA>"]);
    assert_eq!(found(&events, "fd.l4proto!=tcp"), 1);
}

#[test]
fn a_session_is_called_by_its_leader_or_by_the_oldest_that_is_left_of_it() {
    let events = [1, 200, 300, 301].map(|tid| read(tid, 0));
    assert_eq!(told(&events, "proc.sname"), ["init", "bash", "old", "old"]);
    assert_eq!(told(&events, "proc.sid"), ["1", "100", "999", "999"]);
}

#[test]
fn an_address_of_a_bridge_is_local_also_to_a_container() {
    let json = format!(
        r#"{{"container":{{"id":"{}","name":"web","type":0,"ip":"172.17.0.4"}}}}{}"#,
        "c0de".repeat(3),
        "\0"
    );
    let ends = [[172, 17, 0, 1, 0x40, 0x9c], [172, 17, 0, 4, 80, 0]].concat();
    let tuple = [vec![2], ends].concat();
    let events = [
        event(272, -1, &[json.into_bytes()]),
        event(248, 400, &[word(0)]),
        event(249, 400, &[long(7), tuple, vec![0], word(0), word(5)]),
        read(400, 7),
    ];
    let last = |field: &str| told(&events, field).pop().unwrap();
    assert_eq!(last("container.name"), "web");
    assert_eq!(last("fd.name"), "172.17.0.1:40000->172.17.0.4:80");
    assert_eq!(
        (last("fd.lip"), last("fd.rip")),
        ("172.17.0.1".into(), "172.17.0.4".into())
    );
    assert_eq!(
        (last("fd.lport"), last("fd.sport")),
        ("40000".into(), "80".into())
    );
    assert_eq!(last("fd.is_server"), "true");
    // The process that accepted has the server's end all the same.
    let ends = |view: &str, wanted: [&str; 2]| {
        let view = afterimage_query::view(view).unwrap();
        let rows = session(&events)
            .view(view, None, None, &Progress::default())
            .unwrap();
        let text = |cell: &Cell| match cell {
            Cell::Text(text) => String::from_utf8(text.clone()).unwrap(),
            _ => String::new(),
        };
        let cells = |row: &afterimage_indexer::Row| {
            wanted.map(|title| {
                let at = view.columns.iter().position(|column| column.title == title);
                text(&row.cells[at.unwrap()])
            })
        };
        let mut all = rows.rows.iter().map(cells);
        all.find(|ends| ends.concat().contains("172.17.0.4"))
            .unwrap()
    };
    assert_eq!(
        ends("talks", ["CLIENT", "SERVER"]),
        ["172.17.0.1:40000", "httpd[400] 172.17.0.4:80"]
    );
    assert_eq!(
        ends("netstat", ["LOCAL", "REMOTE"]),
        ["172.17.0.4:80", "172.17.0.1:40000"]
    );
}

#[test]
fn how_a_process_ended_is_told_whichever_way_it_was_kept() {
    let events = [
        event(186, 200, &[long(256), long(1), vec![0], vec![0]]),
        event(186, 300, &[long(9), long(0), vec![9], vec![0]]),
        event(186, 301, &[long(0x300)]),
        event(186, 400, &[long(139)]),
        read(1, 0),
    ];
    assert_eq!(
        told(&events, "proc.end.code"),
        ["1", "<NA>", "3", "<NA>", "<NA>"]
    );
    assert_eq!(
        told(&events, "proc.end.signal"),
        ["<NA>", "SIGKILL", "<NA>", "SIGSEGV", "<NA>"]
    );
    assert_eq!(found(&events, "proc.end.code>0"), 2);
}

#[test]
fn a_limit_that_was_not_known_is_none() {
    let events = [read(200, 3), read(999, 3)];
    let limits = told(&events, "proc.fdlimit");
    assert_ne!(limits[0], "<NA>", "{limits:?}");
    assert_eq!(limits[1], "<NA>");
    assert_eq!(told(&events, "proc.fdusage")[1], "<NA>");
    assert_eq!(found(&events, "proc.fdlimit<0"), 0);
}

#[test]
fn what_returns_a_pid_or_an_address_has_no_name_for_an_error() {
    let failed = |code: u16, result: i64| event(code, 200, &[long(result)]);
    let events = [
        failed(5, -13),
        failed(275, -1),
        failed(161, -12),
        failed(275, 200),
    ];
    assert_eq!(
        told(&events, "evt.res"),
        ["EACCES", "-1", "FFFFFFFFFFFFFFF4", "SUCCESS"]
    );
    assert_eq!(
        told(&events, "evt.failed"),
        ["true", "true", "true", "false"]
    );
    assert_eq!(found(&events, "evt.res=EACCES or evt.res=-1"), 2);
}

#[test]
fn a_call_may_read_one_descriptor_and_write_another() {
    let events = [
        event(332, 200, &[long(5), long(0), long(9)]),
        read(200, 5),
        event(8, 200, &[long(5), word(1)]),
    ];
    assert_eq!(told(&events, "evt.is_io_read"), ["true", "true", "false"]);
    assert_eq!(told(&events, "evt.is_io_write"), ["true", "false", "true"]);
    assert_eq!(told(&events, "evt.io_dir"), ["write", "read", "write"]);
}

#[test]
fn the_first_kind_of_openat_says_at_its_entry_what_it_opens_and_later_ones_when_they_return() {
    let asked = |code: u16, dirfd: i64, path: &str| {
        event(
            code,
            200,
            &[
                long(dirfd),
                format!("{path}\0").into_bytes(),
                word(3),
                word(0o644),
            ],
        )
    };
    let events = [
        asked(102, -100, "a"),
        asked(306, -100, "a"),
        asked(102, 6, "passwd"),
        asked(102, 99, "a"),
        event(110, 200, &[long(6), b"shadow\0".to_vec()]),
        event(
            106,
            200,
            &[long(6), b"a\0".to_vec(), long(99), b"b\0".to_vec()],
        ),
        event(303, 200, &[long(0), long(99), b"x\0".to_vec(), word(0)]),
    ];
    assert_eq!(
        told(&events, "evt.abspath"),
        [
            "/srv/a",
            "<NA>",
            "/etc/passwd",
            "<UNKNOWN>/a",
            "/etc/shadow",
            "/etc/a",
            "<UNKNOWN>/x"
        ]
    );
    assert_eq!(told(&events, "evt.abspath.dst")[5], "<UNKNOWN>/b");
    let open: Vec<String> = told(&events, "evt.is_open_write");
    assert_eq!(
        open,
        ["true", "false", "true", "true", "false", "false", "false"]
    );
    assert_eq!(
        told(&events, "evt.args")[6],
        "res=0 dirfd=99 name=x(x) flags=0 "
    );
}

/// A thread of a process of which nothing else happens, with ids of its own in its namespace.
fn thread_of(pid: i64, tid: i64, vtid: i64) -> Vec<u8> {
    let mut entry: Vec<u8> = [tid, pid, 1, pid, pid].into_iter().flat_map(long).collect();
    for part in ["worker", "httpd", "/bin/x", "", "/srv"] {
        entry.extend(text(part));
    }
    entry.extend([long(4096), word(1 << 13 | 1), vec![0; 8 + 28]].concat());
    entry.extend([text(""), long(vtid), long(1), text(""), text("/")].concat());
    block(0x215, &counted(&entry))
}

#[test]
fn what_lists_say_of_threads_and_sockets_is_written_to_lists_again() {
    let (near, far) = (
        [0_u8; 15],
        [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    );
    let ends = [
        &far[..],
        &[1],
        &near,
        &[1],
        &40_001_u16.to_le_bytes(),
        &443_u16.to_le_bytes(),
        &[2],
    ];
    let socket = counted(&[&long(7)[..], &long(9), &[4], &ends.concat()].concat());
    let pipe = counted(&[&long(6)[..], &long(9), &[7], &text("pipe:[4]")].concat());
    let events = [
        thread_of(400, 401, 63),
        block(0x218, &[long(400), socket, pipe].concat()),
        read(401, 7),
        read(401, 6),
    ];
    let bytes = [front(), events.concat()].concat();
    let open = |bytes: Vec<u8>| afterimage_interop::open_stream(Cursor::new(bytes)).unwrap();
    let reader = open(bytes);
    let (again, written) =
        afterimage_interop::scap::write(&reader, Vec::new(), false, &mut |_| true).unwrap();
    assert_eq!((written.events, written.hidden), (2, 0));
    for reader in [reader, open(again)] {
        let session = Session::from_reader(reader);
        let mut lines = Vec::new();
        let fields = ["fd.name", "thread.vtid", "proc.fdlimit", "proc.name"];
        let fields = fields.map(|name| FieldRef::parse(name).unwrap());
        scan(&session, None, |ctx| {
            lines.push(fields.clone().map(|field| {
                let value = field.value(ctx).unwrap_or(FieldValue::str("<NA>"));
                String::from_utf8(value.text().into_owned()).unwrap()
            }));
        });
        let line = |name: &str| [name, "63", "2048", "worker"].map(str::to_owned);
        let socket = line("2001:db8::1:40001->::1:443");
        assert_eq!(lines, [socket, line("pipe:[4]")]);
    }
}

#[test]
fn what_a_later_version_appended_can_be_asked_for() {
    let more = |more: &[Vec<u8>]| event(5, 200, &[&[long(0), long(5)][..], more].concat());
    let events = [more(&[]), more(&[vec![1, 255]]), more(&[vec![], vec![7]])];
    assert_eq!(told(&events, "evt.surplus"), ["<NA>", "01ff", "- 07"]);
    assert_eq!(found(&events, "evt.surplus exists"), 2);
    let args = told(&events, "evt.args");
    assert_eq!(
        args,
        ["res=0 fd=5(<f>/etc/passwd) ", "res=0 fd=5 ", "res=0 fd=5 "]
    );
}

/// A thread of the list with everything that decides whose it is.
fn thread(ids: [i64; 4], vpid: i64, words: [&str; 3], cgroup: &str, flags: u32) -> Vec<u8> {
    let [tid, pid, ptid, sid] = ids;
    let [comm, exe, args] = words;
    let mut entry: Vec<u8> = [tid, pid, ptid, sid, pid]
        .into_iter()
        .flat_map(long)
        .collect();
    for part in [comm, exe, "/bin/x", args, "/srv"] {
        entry.extend(text(part));
    }
    entry.extend([long(2048), word(flags), vec![0; 8 + 28], text("")].concat());
    let vtid = if tid == pid { vpid } else { tid };
    entry.extend([long(vtid), long(vpid), text(cgroup), text("/")].concat());
    counted(&entry)
}

/// What a program's return from execve says of it, in the kind of today.
fn executed(tid: i64, ptid: i64, exe: &str, args: &str, cgroup: &str) -> Vec<u8> {
    let nul = |text: &str| [text.as_bytes(), b"\0"].concat();
    let comm = exe.rsplit('/').next().unwrap();
    let mut params = vec![long(0), nul(exe), args.as_bytes().to_vec()];
    params.extend([long(tid), long(tid), long(ptid), nul("/"), long(1024)]);
    params.extend([long(0), long(0), word(0), word(0), word(0), nul(comm)]);
    params.extend([
        nul(cgroup),
        nul("A=b"),
        word(0),
        long(tid),
        word(0),
        word(0),
    ]);
    event(293, tid, &params)
}

/// A child's return from clone.
fn cloned(child: i64, ptid: i64, exe: &str, cgroup: &str) -> Vec<u8> {
    let nul = |text: &str| [text.as_bytes(), b"\0"].concat();
    let comm = exe.rsplit('/').next().unwrap();
    let mut params = vec![long(0), nul(exe), Vec::new(), long(child), long(child)];
    params.extend([long(ptid), nul("/"), long(1024), long(0), long(0)]);
    params.extend([word(0), word(0), word(0), nul(comm), nul(cgroup)]);
    params.extend([word(0), word(0), word(0), long(child), long(child)]);
    event(223, child, &params)
}

/// A container, the probes it has, and threads that run for them or do not; two threads whose names are those of shells.
fn probes() -> Vec<Vec<u8>> {
    let cgroup = format!("cpu=/docker/{}", "c0de".repeat(16));
    let threads = [
        thread([1000, 1000, 1, 1000], 1, ["httpd", "httpd", ""], &cgroup, 0),
        thread(
            [1001, 1000, 1, 1000],
            1,
            ["hash", "httpd", ""],
            &cgroup,
            1 << 13 | 1,
        ),
        thread([1100, 1100, 1, 1100], 1100, ["daemon", "daemon", ""], "", 0),
        thread(
            [1101, 1101, 9999, 1100],
            1101,
            ["child", "child", ""],
            "",
            0,
        ),
        thread([1200, 1200, 1, 1200], 1200, ["runc", "runc", ""], "", 0),
        thread(
            [1210, 1210, 1200, 1200],
            77,
            ["sh", "/bin/check", "-x\0/tmp\0"],
            &cgroup,
            0,
        ),
        thread([1300, 1300, 1, 1300], 1300, ["zsh", "zsh", ""], "", 0),
        thread(
            [1301, 1300, 1, 1300],
            1300,
            ["worker", "zsh", ""],
            "",
            1 << 13 | 1,
        ),
    ];
    let json = format!(
        r#"{{"container":{{"id":"{}","name":"web","type":0,"Healthcheck":{{"exe":"/bin/check","args":["-x","/tmp"]}},"LivenessProbe":{{"exe":"/bin/live","args":[]}}}}}}{}"#,
        "c0de".repeat(3),
        "\0"
    );
    vec![
        block(0x215, &threads.concat()),
        event(272, -1, &[json.into_bytes()]),
        read(1000, 0),
        read(1001, 0),
        read(1101, 0),
        read(1210, 0),
        read(1301, 0),
        executed(1200, 1, "/bin/live", "", &cgroup),
        cloned(1220, 1200, "/bin/check", &cgroup),
        cloned(1230, 1000, "/bin/check", &cgroup),
        executed(1230, 1000, "/bin/check", "-x\0/tmp\0", &cgroup),
    ]
}

/// sysdig 0.29.3 was asked for the same of the same capture.
#[test]
fn probes_of_a_container_are_told_and_so_is_what_runs_for_them() {
    let events = probes();
    let all = |field: &str| told(&events, field);
    let yes = |field: &str| {
        let told = all(field);
        let places = (0..).zip(told).filter(|(_, told)| told == "true");
        places.map(|(at, _)| at).collect::<Vec<i32>>()
    };
    assert_eq!(
        all("container.healthcheck")[..4],
        [
            "/bin/check -x /tmp",
            "/bin/check -x /tmp",
            "<NA>",
            "/bin/check -x /tmp"
        ]
    );
    assert_eq!(all("container.liveness_probe")[0], "/bin/live");
    assert_eq!(all("container.readiness_probe")[0], "NONE");
    // What the first process of the container executes is no probe, whatever it is.
    assert_eq!(yes("proc.is_container_healthcheck"), [3]);
    assert_eq!(yes("proc.is_container_liveness_probe"), [5, 6]);
    assert!(yes("proc.is_container_readiness_probe").is_empty());
    assert_eq!(all("proc.is_container_readiness_probe")[2], "false");
    // And they are written to a scap again.
    let bytes = [front(), events.concat()].concat();
    let open = |bytes: Vec<u8>| afterimage_interop::open_stream(Cursor::new(bytes)).unwrap();
    let (again, _) =
        afterimage_interop::scap::write(&open(bytes), Vec::new(), false, &mut |_| true).unwrap();
    let session = Session::from_reader(open(again));
    let field = FieldRef::parse("container.healthcheck").unwrap();
    let mut found = Vec::new();
    scan(&session, None, |ctx| {
        found.extend(field.value(ctx).map(|value| value.text().into_owned()));
    });
    assert!(found.contains(&b"/bin/check -x /tmp".to_vec()), "{found:?}");
}

#[test]
fn a_thread_that_is_called_like_a_shell_is_none_and_a_leader_need_not_be_an_ancestor() {
    let events = probes();
    assert_eq!(
        told(&events, "proc.loginshellid")[..5],
        ["<NA>", "<NA>", "<NA>", "1210", "1300"]
    );
    assert_eq!(
        told(&events, "proc.sname")[..5],
        ["httpd", "httpd", "daemon", "runc", "zsh"]
    );
    assert_eq!(
        told(&events, "proc.name")[..5],
        ["httpd", "hash", "child", "sh", "worker"]
    );
}

/// csysdig 0.29.3 shows the same share for the same samples.
#[test]
fn samples_of_threads_are_shares_of_a_processor_and_no_events() {
    let sample = |tid: i64, user: i64, system: i64| event(234, tid, &[long(user), long(system)]);
    let events = [
        sample(200, 10, 2),
        sample(200, 40, 4),
        sample(200, 60, 4),
        sample(100, 7, 0),
        sample(100, 7, 0),
        read(200, 5),
    ];
    let session = session(&events);
    let rows = |id: &str| {
        let view = afterimage_query::view(id).unwrap();
        let progress = Progress::default();
        let found = session.view(view, None, None, &progress).unwrap();
        let at = |title: &str| view.columns.iter().position(|c| c.title == title).unwrap();
        let style = afterimage_indexer::TimeStyle::default();
        let text = |row: &afterimage_indexer::Row, title: &str| {
            let at = at(title);
            afterimage_indexer::cell_text(&row.cells[at], &view.columns[at], &style)
        };
        let line = |row| {
            ["PID", "CPU%", "TIME", "USER"]
                .map(|title| text(row, title))
                .join(" ")
        };
        let lines: Vec<String> = match id {
            "processor" => found.rows.iter().map(line).collect(),
            _ => (found.rows.iter())
                .map(|row| {
                    ["PID", "CPU%", "EVENTS"]
                        .map(|title| text(row, title))
                        .join(" ")
                })
                .collect(),
        };
        (lines, found.matched)
    };
    // 0, 32 and 20 percent; the time is what passed between the samples.
    assert_eq!(
        rows("processor"),
        (
            vec![
                "200 17.3 520ms 500ms".to_owned(),
                "100 0.0 0ns 0ns".to_owned()
            ],
            1
        )
    );
    // Where events are counted, a sample is none.
    assert_eq!(rows("threads"), (vec!["200 17.3 1".to_owned()], 1));
}
