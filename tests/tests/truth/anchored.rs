//! Recordings that hand their anchors to a witness while they are made, and witnesses of all sorts. Whatever one does, the
//! capture is sealed and whole, and what the witness has not taken is said.

use super::service::{BASE, Service};
use afterimage_format::{Anchor, Checks, Reader, Report, Verdict, check};
use afterimage_tests::{harness, needs_recording};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What a witness does with who comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Takes,
    /// The first so many are sent away.
    TakesAfter(u32),
    Refuses,
    HangsUp,
    /// Reads, and never answers.
    Hangs,
}

struct State {
    manner: Manner,
    came: u32,
    taken: Vec<Anchor>,
}

/// A witness that listens on this host.
struct Witness {
    url: String,
    state: Arc<Mutex<State>>,
}

impl Witness {
    fn new(manner: Manner) -> Witness {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
        let port = listener.local_addr().expect("its address").port();
        let state = State {
            manner,
            came: 0,
            taken: Vec::new(),
        };
        let state = Arc::new(Mutex::new(state));
        let own = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, own) = (stream.expect("a connection"), own.clone());
                std::thread::spawn(move || serve(stream, &own));
            }
        });
        Witness {
            url: format!("http://localhost:{port}/anchors"),
            state,
        }
    }

    fn taken(&self) -> Vec<Anchor> {
        self.state.lock().expect("the state").taken.clone()
    }

    fn came(&self) -> u32 {
        self.state.lock().expect("the state").came
    }

    fn becomes(&self, manner: Manner) {
        self.state.lock().expect("the state").manner = manner;
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>) {
    let mut input = BufReader::new(stream.try_clone().expect("another handle"));
    let mut length = 0;
    loop {
        let mut line = String::new();
        if input.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        if let Some(text) = line.strip_prefix("Content-Length: ") {
            length = text.trim().parse().expect("a number");
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    input.read_exact(&mut body).expect("a body");
    let text = String::from_utf8(body).expect("text");
    let manner = {
        let mut state = state.lock().expect("the state");
        state.came += 1;
        let takes = match state.manner {
            Manner::TakesAfter(n) => state.came > n,
            other => other == Manner::Takes,
        };
        if takes {
            state.taken.extend(Anchor::parse(&text).expect("anchors"));
            Manner::Takes
        } else {
            state.manner
        }
    };
    // The other end may have gone.
    let _ = match manner {
        Manner::Takes => (&stream).write_all(b"HTTP/1.1 204 No Content\r\n\r\n"),
        Manner::HangsUp => Ok(()),
        Manner::Hangs => input.read(&mut [0]).map(drop),
        Manner::Refuses | Manner::TakesAfter(_) => {
            (&stream).write_all(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")
        }
    };
}

/// A folder that captures go to.
struct Lab(tempfile::TempDir);

impl Lab {
    fn new() -> Lab {
        Lab(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The command, in the folder. Gives the exit code and what was said.
    fn run(&self, args: &[&str]) -> (Option<i32>, String) {
        let output = Command::new(harness::afterimage(env!("CARGO_BIN_EXE_workload")))
            .args(args)
            .current_dir(self.0.path())
            .env("AFTERIMAGE_KEYS", self.path("keys"))
            .env("SSL_CERT_FILE", self.path("machine.pem"))
            .env_remove("SSL_CERT_DIR")
            .stdin(Stdio::null())
            .output()
            .expect("the command runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said)
    }

    /// Records for two seconds in which something happens all the time.
    fn record(&self, name: &str, more: &[&str]) -> (Option<i32>, String) {
        let work = "for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.2; true < /etc/hostname; done";
        let mut args = vec!["record", "-o", name];
        args.extend(more);
        args.extend(["--", "sh", "-c", work]);
        self.run(&args)
    }
}

/// The capture is whole, and holds these anchors.
fn checked(file: &Path, anchors: &[Anchor]) -> Report {
    let checks = Checks {
        anchors: anchors.to_vec(),
        ..Checks::thorough()
    };
    let report = check(file, &checks).expect("it opens");
    let verdict = &report.verdict;
    assert!(matches!(verdict, Verdict::SealedIntact), "{verdict}");
    assert_eq!(report.anchors, anchors.len() as u64);
    report
}

fn is_noted(report: &Report) -> bool {
    let mut entries = report.custody.iter();
    entries.any(|entry| entry.note.action == "unanchored")
}

#[test]
fn a_witness_has_the_first_and_the_last_anchor_when_the_recording_ends() {
    needs_recording!();
    let (lab, witness) = (Lab::new(), Witness::new(Manner::Takes));
    let (code, said) = lab.record("a.aft", &["--anchor", &witness.url]);
    assert_eq!(code, Some(0), "{said}");
    let taken = witness.taken();
    let report = checked(&lab.path("a.aft"), &taken);
    assert!(!is_noted(&report));
    let sealed: Vec<bool> = taken.iter().map(|anchor| anchor.sealed).collect();
    assert_eq!(sealed, [false, true]);
    assert_eq!(Some(&report.anchor), taken.last());
    assert!(taken[0].signer.is_some());
}

#[test]
fn a_witness_that_comes_to_itself_has_the_last_anchor_and_what_failed_is_said() {
    needs_recording!();
    let (lab, witness) = (Lab::new(), Witness::new(Manner::TakesAfter(1)));
    let (code, said) = lab.record("a.aft", &["--anchor", &witness.url]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(
        said.matches("could not be handed over").count(),
        1,
        "{said}"
    );
    assert!(said.contains("of the tries 1 failed"), "{said}");
    let taken = witness.taken();
    assert!(taken.last().is_some_and(|anchor| anchor.sealed));
    assert!(!is_noted(&checked(&lab.path("a.aft"), &taken)));
}

#[test]
fn whatever_a_witness_does_the_capture_is_whole_and_it_is_said_what_is_missing() {
    needs_recording!();
    let lab = Lab::new();
    for (name, manner, why) in [
        ("refused.aft", Manner::Refuses, "503 Service Unavailable"),
        ("cut.aft", Manner::HangsUp, "hung up"),
        ("hung.aft", Manner::Hangs, "no answer in time"),
    ] {
        let witness = Witness::new(manner);
        let begun = Instant::now();
        let (code, said) = lab.record(name, &["--anchor", &witness.url]);
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(30), "{manner:?}: {took:?}");
        assert_eq!(code, Some(1), "{manner:?}: {said}");
        assert!(said.contains(why) && said.contains("sealed "), "{said}");
        let file = lab.path(name);
        let report = checked(&file, &[]);
        let reader = Reader::open(&file).expect("it opens");
        let totals = reader.totals().expect("the books");
        assert!(totals.written > 20 && totals.dropped == 0, "{totals:?}");
        if manner != Manner::Hangs {
            assert_eq!(said.matches("which is tried again").count(), 1, "{said}");
            assert!(witness.came() > 2, "{manner:?}: {}", witness.came());
            assert!(is_noted(&report));
        }
        // What is said to be done now does it.
        let now = format!("afterimage anchor {name} --to {}", witness.url);
        assert!(said.contains(&now), "{said}");
        witness.becomes(Manner::Takes);
        let (code, said) = lab.run(&["anchor", name, "--to", &witness.url]);
        assert_eq!((code, said.as_str()), (Some(0), ""));
        checked(&file, &witness.taken());
        assert_eq!(witness.taken().len(), 1);
    }
    // Nobody is there.
    let gone = TcpListener::bind("127.0.0.1:0").and_then(|gone| gone.local_addr());
    let url = format!("http://{}/", gone.expect("an address"));
    let (code, said) = lab.record("gone.aft", &["--anchor", &url]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("nobody listens there"), "{said}");
    assert!(is_noted(&checked(&lab.path("gone.aft"), &[])));
    // What is no witness is refused before anything is made.
    for (more, why) in [
        (vec!["--anchor", "https://u:p@h/"], "not an address"),
        (vec!["--anchor", "a.anchor", "--ca", "x"], "no witness"),
        (vec!["--anchor", "https://h/", "--ca", "x"], "No such file"),
    ] {
        let (code, said) = lab.record("none.aft", &more);
        assert!(code == Some(1) || code == Some(2), "{said}");
        assert!(said.contains(why) && said.contains("try: "), "{said}");
        assert!(!lab.path("none.aft").exists());
    }
}

/// Takes requests over TLS, keeps them, and answers.
const SERVER: &str = include_str!("../../witness.py");

/// Ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_witness_must_show_the_certificate_that_was_asked_for() {
    needs_recording!();
    for tool in [["openssl", "version"], ["python3", "--version"]] {
        let there = Command::new(tool[0]).arg(tool[1]).output();
        if !there.is_ok_and(|output| output.status.success()) {
            harness::skip(&format!("no {} here", tool[0]));
            return;
        }
    }
    let lab = Lab::new();
    for name in ["own", "machine"] {
        let config = format!(
            "[req]\ndistinguished_name=dn\nx509_extensions=v3\nprompt=no\n[dn]\nCN={name}\n[v3]\nbasicConstraints=CA:FALSE\nsubjectAltName=DNS:localhost\n"
        );
        std::fs::write(lab.path("self.cnf"), config).expect("a file");
        let (key, cert) = (format!("{name}.key"), format!("{name}.pem"));
        let done = Command::new("openssl")
            .args(["req", "-x509", "-config", "self.cnf", "-newkey", "ec"])
            .args(["-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
            .args(["-days", "30", "-keyout", &key, "-out", &cert])
            .current_dir(lab.0.path())
            .output()
            .expect("openssl runs");
        assert!(done.status.success(), "{done:?}");
    }
    let mut child = Command::new("python3")
        .args(["-c", SERVER, "own.pem", "own.key", "bodies"])
        .current_dir(lab.0.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the server starts");
    let out = child.stdout.take().expect("its output");
    let _server = Server(child);
    let mut port = String::new();
    BufReader::new(out).read_line(&mut port).expect("its port");
    let url = format!("https://localhost:{}/anchors", port.trim());
    let (code, said) = lab.record("good.aft", &["--anchor", &url, "--ca", "own.pem"]);
    assert_eq!(code, Some(0), "{said}");
    let bodies = std::fs::read_to_string(lab.path("bodies")).expect("bodies");
    let taken = Anchor::parse(&bodies).expect("anchors");
    assert_eq!(taken.len(), 2);
    checked(&lab.path("good.aft"), &taken);
    // The machine trusts another one.
    let (code, said) = lab.record("bad.aft", &["--anchor", &url]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("nobody who is trusted"), "{said}");
    assert!(is_noted(&checked(&lab.path("bad.aft"), &[])));
    let after = std::fs::read_to_string(lab.path("bodies")).expect("bodies");
    assert_eq!(after, bodies);
}

/// As another user, with nearly no rights and few calls, which is what hands over then, too.
#[test]
fn a_watch_without_rights_hands_over_the_anchors_of_its_files() {
    needs_recording!();
    let witness = Witness::new(Manner::Takes);
    let config = format!(
        "{BASE}anchor = \"{}\"\n[[trigger]]\nkind = \"command\"\n",
        witness.url
    );
    let mut service = Service::start(&config, &["--user", "nobody"]);
    let fire = |service: &Service| {
        let answer = service.ask(r#"{"fire":{"container":null,"reason":"x"}}"#);
        let answer = answer.expect("an answer");
        PathBuf::from(answer["path"].as_str().expect("a path"))
    };
    let first = fire(&service);
    service.until("the witness has the anchor of the seal", |_| {
        witness.taken().iter().any(|anchor| anchor.sealed)
    });
    service.until("it is sealed", |service| service.are_sealed("command", 1));
    let taken = witness.taken();
    assert!(!taken[0].sealed, "{taken:?}");
    checked(&first, &taken);
    let standing = |service: &Service| {
        let status = service.status();
        let count = |name: &str| status[format!("anchors.{name}").as_str()].as_u64();
        (count("handed"), count("failed"), count("waiting"))
    };
    service.until("the status says so", |service| {
        standing(service) == (Some(taken.len() as u64), Some(0), Some(0))
    });
    // From now on nobody takes anything.
    witness.becomes(Manner::Refuses);
    let second = fire(&service);
    service.until("it is said", |service| {
        service.said().contains("could not be handed over")
    });
    service.until("it is sealed", |service| service.are_sealed("command", 2));
    checked(&second, &[]);
    service.until("the status says that, too", |service| {
        let (handed, failed, waiting) = standing(service);
        handed == Some(taken.len() as u64) && failed > Some(0) && waiting == Some(1)
    });
    let status = service.status();
    assert_eq!(status["anchors.to"].as_str(), Some(witness.url.as_str()));
    assert!(status["anchors.why"].is_string(), "{status}");
    service.signal(libc::SIGTERM);
    let code = service.process.wait().expect("its end").code();
    let said = service.said();
    assert_eq!(code, Some(1), "{said}");
    let now = format!(
        "afterimage anchor {} --to {}",
        second.display(),
        witness.url
    );
    assert!(said.contains(&now), "{said}");
}
