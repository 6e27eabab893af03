//! `index` and `search` over captures with a story: what is found, what is believed, and what a folder of them answers.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Desk {
        let desk = Desk(tempfile::tempdir().expect("a folder"));
        for name in ["break-in", "quiet-web"] {
            let file = format!("{name}.aft");
            let from = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../samples/v1")
                .join(&file);
            std::fs::copy(from, desk.path(&file)).expect("a sample");
        }
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_afterimage"));
        command
            .args(args)
            .current_dir(self.0.path())
            .env("AFTERIMAGE_KEYS", self.path("keys"))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("NO_COLOR", "1");
        command
    }

    #[track_caller]
    fn run(&self, args: &[&str], code: i32) -> (String, String) {
        let output: Output = self.command(args).output().expect("the command runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("printable text");
        let (out, err) = (text(output.stdout), text(output.stderr));
        assert_eq!(output.status.code(), Some(code), "{args:?}\n{out}\n{err}");
        (out, err)
    }
}

#[test]
fn a_word_is_found_with_and_without_an_index() {
    let desk = Desk::new();
    let queries: &[&[&str]] = &[
        &["shadow"],
        &["kworker", "OR", "busybox~1"],
        &["127.0.0.0/8 NOT proc.name:lookup"],
        &["/tmp/* AND evt.type=execve"],
        &["nc AND evt.time>-10s"],
        &["lookup", "--by", "process"],
        &["shadow", "--events"],
        &["GET", "--json"],
    ];
    let ask = |query: &[&str]| desk.run(&[&["search", "break-in.aft"], query].concat(), 0);
    let plain: Vec<String> = queries
        .iter()
        .map(|query| {
            let (out, err) = ask(query);
            assert!(err.contains("there is no index"), "{err}");
            assert!(!out.is_empty(), "{query:?}");
            out
        })
        .collect();
    let evidence = std::fs::read(desk.path("break-in.aft")).expect("a capture");
    let (made, _) = desk.run(&["index", "break-in.aft"], 0);
    assert!(made.starts_with("break-in.aft.idx: "), "{made}");
    for (query, plain) in queries.iter().zip(plain) {
        let (out, err) = ask(query);
        assert_eq!(out, plain, "{query:?}");
        assert_eq!(err, "", "{query:?}");
    }
    let (again, _) = desk.run(&["index", "break-in.aft"], 0);
    assert!(again.contains("up to date"), "{again}");
    let (read, err) = desk.run(
        &[
            "read",
            "--explain",
            "--count-only",
            "break-in.aft",
            "proc.name=nobody-at-all",
        ],
        0,
    );
    assert_eq!(read, "0\n");
    assert!(err.contains("explain: read: 0"), "{err}");
    assert_eq!(
        std::fs::read(desk.path("break-in.aft")).expect("a capture"),
        evidence
    );
    desk.run(&["index", "--delete", "break-in.aft"], 0);
    assert!(!desk.path("break-in.aft.idx").exists());
}

#[test]
fn exit_codes_are_those_of_read_and_errors_have_a_caret() {
    let desk = Desk::new();
    desk.run(&["search", "-q", "break-in.aft", "shadow"], 0);
    desk.run(&["search", "-q", "break-in.aft", "nothing-at-all"], 1);
    desk.run(&["search", "break-in.aft", "nothing-at-all"], 0);
    desk.run(&["search", "break-in.aft"], 2);
    let (_, err) = desk.run(&["search", "break-in.aft", "shadow AND proc.nam=sh"], 2);
    assert!(
        err.contains("shadow AND proc.nam=sh\n") && err.contains("           ^^^^^^^^"),
        "{err}"
    );
    desk.run(&["search", "missing.aft", "x"], 1);
}

#[test]
fn an_index_of_somebody_else_is_not_believed_and_is_made_anew() {
    let desk = Desk::new();
    desk.run(&["index", "break-in.aft"], 0);
    let plain = desk.run(&["search", "break-in.aft", "shadow"], 0);
    std::fs::remove_file(desk.path("keys/index.secret")).expect("a secret");
    desk.run(&["index", "quiet-web.aft"], 0);
    let (out, err) = desk.run(&["search", "break-in.aft", "shadow"], 0);
    assert!(
        err.contains("the index of break-in.aft is not used: it was made by another user"),
        "{err}"
    );
    assert_eq!(out, plain.0);
    desk.run(&["index", "break-in.aft"], 0);
    assert_eq!(desk.run(&["search", "break-in.aft", "shadow"], 0), plain);
    // Of another capture.
    std::fs::copy(
        desk.path("break-in.aft.idx"),
        desk.path("quiet-web.aft.idx"),
    )
    .expect("a copy");
    let (_, err) = desk.run(&["search", "quiet-web.aft", "shadow"], 0);
    assert!(err.contains("it is of another capture"), "{err}");
}

#[test]
fn a_folder_is_searched_whole_and_what_is_broken_is_said() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("more")).expect("a folder");
    std::fs::rename(desk.path("quiet-web.aft"), desk.path("more/quiet-web.aft")).expect("moved");
    desk.run(&["index", "."], 0);
    let (out, err) = desk.run(&["search", "."], 0);
    assert_eq!(err, "");
    assert_eq!(out.lines().count(), 3, "{out}");
    assert!(
        out.contains("more/quiet-web.aft") && out.contains("sealed, whole"),
        "{out}"
    );
    let (out, _) = desk.run(&["search", ".", "shadow", "--json"], 0);
    assert!(
        out.lines().count() > 0
            && out
                .lines()
                .all(|line| line.contains("\"capture\":\"./break-in.aft\"")),
        "{out}"
    );
    let list = "# report\n127.0.0.1/32\n/tmp/.x\nnever.example\n";
    std::fs::write(desk.path("list.txt"), list).expect("a list");
    let (out, err) = desk.run(&["search", ".", "--ioc", "list.txt"], 0);
    assert!(
        out.contains("/tmp/.x") && !out.contains("never.example"),
        "{out}"
    );
    assert!(
        err.contains("2 of 3 indicators seen in 2 captures"),
        "{err}"
    );
    std::fs::write(desk.path("broken.aft"), b"\x89AFT nonsense").expect("a file");
    let (_, err) = desk.run(&["search", ".", "shadow"], 1);
    assert!(err.contains("broken.aft"), "{err}");
    std::fs::remove_file(desk.path("broken.aft")).expect("removed");
    // A changed one is noticed.
    std::fs::copy(desk.path("more/quiet-web.aft"), desk.path("break-in.aft")).expect("a copy");
    let (out, err) = desk.run(&["search", ".", "kworker"], 0);
    assert_eq!(out, "");
    assert!(err.contains("1 of 2 captures have no index"), "{err}");
}

#[test]
fn an_index_goes_to_the_cache_where_the_place_cannot_be_written() {
    if rustix::process::geteuid().is_root() {
        // Root writes anywhere but into what is no folder's child: a file stands where the work would be done.
        let desk = Desk::new();
        std::fs::write(desk.path("break-in.aft.idx.part"), "in the way").expect("a file");
        let (made, _) = desk.run(&["index", "break-in.aft"], 0);
        assert!(made.contains("cache/afterimage/index/"), "{made}");
        let (_, err) = desk.run(&["search", "break-in.aft", "shadow"], 0);
        assert_eq!(err, "");
    }
}

/// Killed at any instant, what is there is refused or whole, and the next run makes it whole.
#[test]
fn an_index_survives_being_killed_while_it_is_made() {
    let desk = Desk::new();
    let capture = desk.path("break-in.aft");
    let evidence = std::fs::read(&capture).expect("a capture");
    let (expected, _) = desk.run(&["search", "--no-index", "break-in.aft", "shadow"], 0);
    let rounds = match std::env::var_os("AFTERIMAGE_LONG") {
        Some(_) => 200,
        None => 12,
    };
    let began = Instant::now();
    desk.run(&["index", "--anew", "break-in.aft"], 0);
    let whole = began.elapsed();
    let mut killed = 0;
    for round in 0..rounds {
        let mut child = desk
            .command(&["index", "--anew", "-q", "break-in.aft"])
            .stderr(Stdio::null())
            .spawn()
            .expect("the command starts");
        // Any instant will do: this is where the blow falls, not what is waited for.
        std::thread::sleep(
            whole
                .mul_f64(f64::from(round) / f64::from(rounds))
                .min(Duration::from_secs(5)),
        );
        killed += usize::from(child.try_wait().expect("a child").is_none());
        let _ = child.kill();
        child.wait().expect("a child");
        let (out, _) = desk.run(&["search", "break-in.aft", "shadow"], 0);
        assert_eq!(out, expected, "round {round}");
        assert_eq!(std::fs::read(&capture).expect("a capture"), evidence);
    }
    assert!(killed > 0, "nothing was killed in {rounds} rounds");
    desk.run(&["index", "--anew", "break-in.aft"], 0);
    let (out, err) = desk.run(&["search", "break-in.aft", "shadow"], 0);
    assert_eq!((out, err.as_str()), (expected, ""));
    assert!(!desk.path("break-in.aft.idx.part").exists());
}
