//! Handing an anchor to a witness over https: a real server with certificates of our own making. Whatever the witness does, the
//! error says what is wrong and what to do, and the capture stays as it was.

use afterimage_format::{Writer, WriterOptions};
use afterimage_model::{Manifest, Schema, Tables, Totals};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Takes requests over TLS, keeps them, and answers.
const SERVER: &str = include_str!("../../tests/witness.py");

/// A folder with a capture, and authorities that issue certificates.
struct Lab(tempfile::TempDir);

impl Lab {
    /// `None`, with a word of it, where the tools are not there.
    #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
    fn new() -> Option<Lab> {
        for tool in [["openssl", "version"], ["python3", "--version"]] {
            let there = Command::new(tool[0]).arg(tool[1]).output();
            if !there.is_ok_and(|output| output.status.success()) {
                eprintln!("SKIPPED: no {} here", tool[0]);
                return None;
            }
        }
        let lab = Lab(tempfile::tempdir().expect("a folder"));
        let writer = Writer::new(
            Vec::new(),
            &Manifest {
                capture_id: "00112233445566778899aabbccddeeff".into(),
                ..Manifest::default()
            },
            Schema::current(),
            WriterOptions::default(),
        );
        let sealed = writer
            .and_then(|writer| writer.seal(&Totals::default(), &Tables::default()))
            .expect("a capture");
        std::fs::write(lab.path("a.aft"), sealed).expect("written");
        lab.authority("lab");
        Some(lab)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn openssl(&self, args: &[&str]) {
        let done = Command::new("openssl")
            .args(args)
            .current_dir(self.0.path())
            .env("OPENSSL_CONF", "/dev/null")
            .output()
            .expect("openssl runs");
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{args:?}: {said}");
    }

    fn put(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("written");
    }

    /// A key, and what is asked for with it: a certificate, or one that signs itself.
    fn request(&self, config: &str, [key, out, subject]: [&str; 3], more: &[&str]) {
        let curve = "ec_paramgen_curve:P-256";
        let mut args = vec!["req", "-config", config, "-newkey", "ec", "-pkeyopt", curve];
        args.extend(["-nodes", "-keyout", key, "-out", out, "-subj", subject]);
        args.extend(more);
        self.openssl(&args);
    }

    /// A key and the certificate of an authority.
    fn authority(&self, name: &str) {
        let (key, cert) = (format!("{name}.key"), format!("{name}.pem"));
        let subject = format!("/CN=authority {name}");
        self.put(
            "authority.cnf",
            "[req]\ndistinguished_name=dn\nx509_extensions=v3\n[dn]\n[v3]\nbasicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=hash\n",
        );
        let more = ["-x509", "-days", "30"];
        self.request("authority.cnf", [&key, &cert, &subject], &more);
    }

    /// A certificate for these names, of an authority, for this time.
    fn certificate(&self, name: &str, authority: &str, names: &str, (from, to): (&str, &str)) {
        let file = |ending: &str| format!("{name}.{ending}");
        self.put("issue.cnf", &format!(
            "[req]\ndistinguished_name=dn\n[dn]\n[ca]\ndefault_ca=issue\n[issue]\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\npolicy=any\nunique_subject=no\nx509_extensions=leaf\n[any]\ncommonName=supplied\n[leaf]\nbasicConstraints=CA:FALSE\nsubjectAltName={names}\n"
        ));
        self.put("index.txt", "");
        self.put("serial", "1000\n");
        let wanted = [&file("key"), &file("csr"), "/CN=witness"];
        self.request("issue.cnf", wanted, &[]);
        self.openssl(&[
            "ca",
            "-config",
            "issue.cnf",
            "-batch",
            "-notext",
            "-in",
            &file("csr"),
            "-out",
            &file("pem"),
            "-cert",
            &format!("{authority}.pem"),
            "-keyfile",
            &format!("{authority}.key"),
            "-startdate",
            from,
            "-enddate",
            to,
        ]);
    }

    /// Starts a server with a certificate. Gives its port.
    fn serve(&self, certificate: &str) -> (Child, u16) {
        let mut child = Command::new("python3")
            .args(["-c", SERVER])
            .arg(self.path(&format!("{certificate}.pem")))
            .arg(self.path(&format!("{certificate}.key")))
            .arg(self.path("body"))
            .arg("1")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        let mut line = String::new();
        let out = child.stdout.take().expect("its output");
        BufReader::new(out).read_line(&mut line).expect("its port");
        (child, line.trim().parse().expect("a port"))
    }

    /// Hands the anchor over. Gives the exit code and what was said.
    fn hand_over(&self, args: &[&str]) -> (Option<i32>, String) {
        let before = std::fs::read(self.path("a.aft")).expect("the capture");
        let output = Command::new(env!("CARGO_BIN_EXE_afterimage"))
            .args(["anchor", "a.aft"])
            .args(args)
            .current_dir(self.0.path())
            .env("NO_COLOR", "1")
            .env("AFTERIMAGE_KEYS", self.path("keys"))
            .env("SSL_CERT_FILE", self.path("machine.pem"))
            .env_remove("SSL_CERT_DIR")
            .stdin(Stdio::null())
            .output()
            .expect("the command runs");
        assert!(output.stdout.is_empty());
        let after = std::fs::read(self.path("a.aft")).expect("the capture");
        assert!(before == after, "the capture was touched");
        let said = String::from_utf8(output.stderr).expect("text");
        (output.status.code(), said)
    }
}

const NOW: (&str, &str) = ("20200101000000Z", "20490101000000Z");
const PAST: (&str, &str) = ("20200101000000Z", "20200201000000Z");
const FUTURE: (&str, &str) = ("20480101000000Z", "20490101000000Z");
const HERE: &str = "DNS:localhost,IP:127.0.0.1";

#[test]
fn a_witness_with_the_right_certificate_gets_the_anchor_and_any_other_is_told_apart() {
    let Some(lab) = Lab::new() else { return };
    lab.authority("other");
    lab.certificate("good", "lab", HERE, NOW);
    lab.certificate("stranger", "other", HERE, NOW);
    lab.certificate("misnamed", "lab", "DNS:elsewhere.example", NOW);
    lab.certificate("old", "lab", HERE, PAST);
    lab.certificate("early", "lab", HERE, FUTURE);
    std::fs::copy(lab.path("lab.pem"), lab.path("machine.pem")).expect("copied");
    let by_file = ["--ca", "lab.pem"];
    for (certificate, host, ca, wanted) in [
        ("good", "localhost", &[][..], None),
        ("good", "127.0.0.1", &by_file[..], None),
        (
            "stranger",
            "localhost",
            &[],
            Some(("nobody who is trusted", "--ca FILE")),
        ),
        (
            "good",
            "localhost",
            &["--ca", "other.pem"],
            Some(("nobody who is trusted", "--ca FILE")),
        ),
        (
            "misnamed",
            "localhost",
            &by_file,
            Some(("for another name", "write the name")),
        ),
        (
            "old",
            "localhost",
            &[],
            Some(("has expired", "needs a new one")),
        ),
        (
            "early",
            "localhost",
            &[],
            Some(("not valid yet", "clock of this machine")),
        ),
    ] {
        let (mut server, port) = lab.serve(certificate);
        let url = format!("https://{host}:{port}/anchors");
        let mut args = vec!["--to", url.as_str()];
        args.extend(ca);
        let (code, said) = lab.hand_over(&args);
        server.wait().expect("the server ends");
        let got = |name: &str| std::fs::read_to_string(lab.path(name)).unwrap_or_default();
        let (head, body) = (got("body.heads"), got("body"));
        match wanted {
            None => {
                assert_eq!((code, said.as_str()), (Some(0), ""), "{certificate}");
                assert!(head.starts_with("POST /anchors HTTP/1.1\r\n"), "{head}");
                assert!(head.contains(&format!("Host: {host}:{port}\r\n")), "{head}");
                assert!(
                    body.starts_with("afterimage anchor 1\ncapture 00112233"),
                    "{body}"
                );
            }
            Some((why, remedy)) => {
                assert_eq!(code, Some(1), "{certificate}: {said}");
                assert!(
                    said.contains(why) && said.contains(remedy),
                    "{certificate}: {said}"
                );
                assert!(head.is_empty() && body.is_empty(), "it got {head}{body}");
            }
        }
        for name in ["body", "body.heads"] {
            let _ = std::fs::remove_file(lab.path(name));
        }
    }
}

#[test]
fn a_witness_that_speaks_something_else_hangs_or_hangs_up_is_told_apart() {
    let Some(lab) = Lab::new() else { return };
    std::fs::copy(lab.path("lab.pem"), lab.path("machine.pem")).expect("copied");
    let server = |answer: Option<&'static [u8]>| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
        let port = listener.local_addr().expect("its address").port();
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("somebody comes");
            let mut seen = [0; 4_096];
            let _ = stream.read(&mut seen);
            match answer {
                Some(answer) => drop(stream.write_all(answer)),
                // Until the other end gives up.
                None => while stream.read(&mut seen).is_ok_and(|read| read > 0) {},
            }
        });
        (format!("https://localhost:{port}/"), thread)
    };
    let plain: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    for (answer, why, remedy) in [
        (Some(plain), "does not speak TLS", "write http://"),
        (Some(&b""[..]), "hung up", "hand the anchor over again"),
        (None, "no answer in time", "at work"),
    ] {
        let (url, thread) = server(answer);
        let begun = Instant::now();
        let (code, said) = lab.hand_over(&["--to", &url]);
        assert!(begun.elapsed() < Duration::from_secs(60));
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(why) && said.contains(remedy), "{why}: {said}");
        thread.join().expect("it ends");
    }
    // Nobody is there.
    let gone = TcpListener::bind("127.0.0.1:0").and_then(|gone| gone.local_addr());
    let url = format!("https://127.0.0.1:{}/", gone.expect("an address").port());
    let (code, said) = lab.hand_over(&["--to", &url]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("nobody listens there"), "{said}");
}

#[test]
fn who_is_trusted_is_said_before_anything_is_sent() {
    let Some(lab) = Lab::new() else { return };
    lab.put("machine.pem", "");
    lab.put("text.pem", "no certificate\n");
    lab.put(
        "broken.pem",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    let url = "https://127.0.0.1:1/";
    let file = |name: &str| Path::new(name).display().to_string();
    for (args, why) in [
        (vec!["--to", url], "this machine trusts nobody"),
        (vec!["--to", url, "--ca", "none.pem"], "No such file"),
        (
            vec!["--to", url, "--ca", "text.pem"],
            "there is no certificate in it",
        ),
        (
            vec!["--to", url, "--ca", "broken.pem"],
            "no certificate of an authority",
        ),
        (
            vec!["--to", "http://127.0.0.1:1/", "--ca", "lab.pem"],
            "no certificate to look at",
        ),
    ] {
        let (code, said) = lab.hand_over(&args);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(why) && said.contains("try: "), "{said}");
        if let Some(name) = args.get(3).filter(|_| why != "no certificate to look at") {
            assert!(said.contains(&file(name)), "{said}");
        }
    }
}
