//! What comes in from other programs: alerts make files, and what strangers send costs nothing of what is recorded.

use crate::busy::{Busy, has};
use crate::service::{BASE, Service, line_after, secret};
use afterimage_tests::cgroup::Cgroup;
use afterimage_tests::child::End;
use afterimage_tests::harness::{self, Capture};
use afterimage_tests::needs_recording;
use hmac::{Hmac, KeyInit, Mac};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// One request; the code of the answer and its body.
pub fn http(address: &str, head: &str, headers: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let length = body.len();
    let request =
        format!("{head} HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n{headers}\r\n{body}");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let code = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
    let body = answer.split_once("\r\n\r\n").map_or("", |parts| parts.1);
    (code.unwrap_or(0), body.to_owned())
}

/// The headers of a body that is signed now.
fn signed(key: &str, body: &str) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let at = now.expect("after 1970").as_secs();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key.as_bytes()).expect("a key");
    mac.update(format!("{at}.{body}").as_bytes());
    let code = mac.finalize().into_bytes();
    let code: String = code.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("x-afterimage-timestamp: {at}\r\nx-afterimage-signature: sha256={code}\r\n")
}

#[test]
fn an_alert_that_is_posted_makes_a_file_of_its_container() {
    needs_recording!();
    let config = format!(
        "{BASE}
[webhook]
listen = \"127.0.0.1:0\"
hmac_file = \"FOLDER/hmac\"
[[trigger]]
kind = \"webhook\"
priority = \"warning\"
"
    );
    let folder = tempfile::tempdir().expect("a folder");
    let key = "0123456789abcdef0123456789abcdef";
    secret(&folder.path().join("hmac"), key);
    let config = config.replace(
        "FOLDER/hmac",
        folder.path().join("hmac").to_str().expect("text"),
    );
    let mut service = Service::start(&config, &["--no-sign"]);
    let said = service.said();
    let address = line_after(&said, "alerts may be posted to http://").trim_end_matches('/');
    let busy = Busy::start("posted");
    service.until("the container is in the window", |service| {
        has(&service.status(), &busy.id)
    });
    let alert = |priority: &str, container: &str| {
        format!(
            r#"{{"rule":"$(touch /tmp/owned)","priority":"{priority}","output":"../../x; reboot","output_fields":{{"container.id":"{container}"}}}}"#
        )
    };
    let short = &busy.id[..12];
    let meant = alert("Error", short);
    let (code, answer) = http(address, "POST /", &signed(key, &meant), &meant);
    assert_eq!(
        (code, answer.contains("\"fired\":1")),
        (202, true),
        "{answer}"
    );
    let quiet = alert("Notice", short);
    assert_eq!(http(address, "POST /", &signed(key, &quiet), &quiet).0, 200);
    let nobody = alert("Error", "feedfeedfeed");
    assert_eq!(
        http(address, "POST /", &signed(key, &nobody), &nobody).0,
        409
    );
    assert_eq!(http(address, "POST /", "", &meant).0, 401);
    let capture = service.sealed("webhook");
    assert!(
        capture.manifest.reason.contains("reboot"),
        "{}",
        capture.manifest.reason
    );
    assert!(
        capture
            .events()
            .all(|ctx| ctx.container().is_some_and(|c| c.full_id == busy.id))
    );
    assert!(!capture.of_type("getppid").is_empty());
    assert!(!Path::new("/tmp/owned").exists());
    assert_eq!(service.fired("webhook"), 1);
    let status = service.status();
    assert_eq!(status["webhook.refused"].as_u64(), Some(1));
    // What the whole process has is more than its window, and no more than the rings and what is known besides.
    let resident = status["resident"].as_u64().unwrap_or(0);
    assert!((16 << 20..1 << 30).contains(&resident), "{resident}");
    assert_eq!(service.end(), Some(0));
}

#[test]
fn alerts_on_standard_input_and_a_signal_make_files() {
    needs_recording!();
    let config = format!("{BASE}[[trigger]]\nkind = \"stdin\"\n[[trigger]]\nkind = \"signal\"\n");
    // Before there is a pipe that its process would hold open, too.
    let busy = Busy::start("stdin");
    let mut service = Service::start(&config, &["--no-sign", "--stdin-alerts"]);
    service.until("the container is in the window", |service| {
        has(&service.status(), &busy.id)
    });
    let mut input = service.process.stdin.take().expect("its standard input");
    let line = format!(
        r#"{{"rule":"A shell","priority":"Notice","output_fields":{{"container.id":"{}"}}}}"#,
        &busy.id[..12]
    );
    writeln!(input, "Falco initialized with configuration file\n{line}").expect("sent");
    let capture = service.sealed("stdin");
    assert!(
        capture.manifest.reason.starts_with("A shell"),
        "{}",
        capture.manifest.reason
    );
    drop(input);
    service.until("the end of input is said", |service| {
        service.said().contains("watching goes on")
    });
    service.signal(libc::SIGUSR1);
    let capture = service.sealed("signal");
    assert!(!capture.of_type("getppid").is_empty());
    assert_eq!(service.end(), Some(0));
}

/// Calls that the container makes, one each millisecond.
fn calls() -> u32 {
    harness::form(3_000, 60_000)
}

/// One request with a forged token: the code of the answer, 0 where there was none.
fn forge(address: &str) -> u16 {
    let mut answer = String::new();
    let body = "{\"rule\":\"x\"}";
    let request = format!(
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\nauthorization: Bearer fedcba9876543210\r\n\r\n{body}",
        body.len()
    );
    let exchanged = TcpStream::connect(address).and_then(|mut stream| {
        stream.write_all(request.as_bytes())?;
        stream.read_to_string(&mut answer)
    });
    let code = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
    code.filter(|_| exchanged.is_ok()).unwrap_or(0)
}

#[test]
fn a_flood_of_requests_and_slow_clients_cost_no_event() {
    needs_recording!();
    let folder = tempfile::tempdir().expect("a folder");
    let token = folder.path().join("bearer");
    secret(&token, "0123456789abcdef0123456789abcdef");
    let config = format!(
        "{BASE}[webhook]\nlisten = \"127.0.0.1:0\"\nbearer_file = \"{}\"\n[[trigger]]\nkind = \"command\"\n",
        token.display()
    );
    let service = Service::start(&config, &["--no-sign"]);
    let said = service.said();
    let address = line_after(&said, "alerts may be posted to http://");
    let address = address.trim_end_matches('/').to_owned();
    let (cgroup, id) = Cgroup::like_a_container("doors").expect("a control group");
    let over = AtomicBool::new(false);
    let codes = std::thread::scope(|scope| {
        // A hundred that say a byte now and then, and never come to their end.
        let dripping = scope.spawn(|| {
            let mut slow: Vec<TcpStream> = (0..100)
                .filter_map(|_| TcpStream::connect(&address).ok())
                .collect();
            while !over.load(Ordering::Relaxed) {
                for stream in &mut slow {
                    // It may have been cut.
                    let _ = stream.write_all(b"P");
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        let large = scope.spawn(|| {
            let mut stream = TcpStream::connect(&address).expect("it listens");
            let head = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10485760\r\n\r\n";
            stream.write_all(head.as_bytes()).expect("sent");
            let piece = [b'x'; 65_536];
            // It need not be read to its end.
            while !over.load(Ordering::Relaxed) {
                if stream.write_all(&piece).is_err() {
                    break;
                }
            }
        });
        let floods: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut codes = BTreeMap::new();
                    while !over.load(Ordering::Relaxed) {
                        *codes.entry(forge(&address)).or_insert(0_u64) += 1;
                    }
                    codes
                })
            })
            .collect();
        let (_, end) = harness::run_in(&cgroup, || {
            for _ in 0..calls() {
                // SAFETY: asks for a number.
                unsafe { libc::syscall(libc::SYS_getppid) };
                std::thread::sleep(Duration::from_millis(1));
            }
            0
        });
        over.store(true, Ordering::Relaxed);
        assert_eq!(end, End::Exited(0));
        let mut codes = BTreeMap::new();
        for flood in floods {
            for (code, count) in flood.join().expect("its answers") {
                *codes.entry(code).or_insert(0) += count;
            }
        }
        dripping.join().expect("its end");
        large.join().expect("its end");
        codes
    });
    eprintln!("answers by code: {codes:?}");
    // None is taken; beyond the rate nobody is asked who they are.
    assert!(
        codes.keys().all(|code| matches!(code, 0 | 401 | 429 | 503)),
        "{codes:?}"
    );
    assert!(
        codes.get(&401).is_some_and(|count| *count > 10),
        "{codes:?}"
    );
    let question = format!(r#"{{"fire":{{"container":"{id}","reason":"x"}}}}"#);
    let answer = service.ask(&question).expect("an answer");
    let path = answer["path"]
        .as_str()
        .unwrap_or_else(|| panic!("{answer}"));
    let capture = Capture::open(Path::new(path));
    let made = capture.of_type("getppid");
    let of = made
        .iter()
        .filter(|ctx| ctx.container().is_some_and(|c| c.full_id == id));
    assert_eq!(of.count() as u32, calls());
    assert!(capture.gaps.is_empty(), "{:?}", capture.gaps);
    let status = service.status();
    assert_eq!(status["webhook.accepted"].as_u64(), Some(0), "{status}");
    assert_eq!(service.end(), Some(0));
}
