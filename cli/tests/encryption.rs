//! Encrypted captures on the command line: closed to who has no identity, the same as any other to who has, verified by all.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Made by age-keygen.
const IDENTITY: &str = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
const RECIPIENT: &str = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";
const STRANGER: &str = "AGE-SECRET-KEY-1FGM0YAYGD5RU0SUDGXVSTZP3ACN6AKQSM44MQGZKLNCUX0PJA9GQHS44HF";

/// A folder with an encrypted capture, an identity that opens it, and a stranger's.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Desk {
        let desk = Desk(tempfile::tempdir().expect("a folder"));
        for (name, text) in [("own", IDENTITY), ("stranger", STRANGER)] {
            let path = desk.path(name);
            std::fs::write(&path, text).expect("an identity");
            let private = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(&path, private).expect("its mode");
        }
        desk.ends(
            0,
            &[
                "repack",
                &sample(),
                "-o",
                "closed.aft",
                "--encrypt-to",
                RECIPIENT,
            ],
        );
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
            .env("NO_COLOR", "1")
            .env("AFTERIMAGE_KEYS", self.path("keys"))
            .env_remove("AFTERIMAGE_IDENTITY")
            .stdin(Stdio::null());
        command
    }

    /// What it printed when it ended as it should.
    #[track_caller]
    fn ends(&self, code: i32, args: &[&str]) -> String {
        told(
            code,
            args,
            self.command(args).output().expect("the command runs"),
        )
    }
}

#[track_caller]
fn told(code: i32, args: &[&str], output: Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{args:?}: {out}{err}");
    out + &err
}

fn sample() -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../samples/v1/break-in.aft");
    path.to_str().expect("UTF-8").to_owned()
}

fn holds(path: &Path, word: &[u8]) -> bool {
    let file = std::fs::read(path).expect("a file");
    file.windows(word.len()).any(|bytes| bytes == word)
}

#[test]
fn every_command_that_reads_opens_it_with_the_identity_and_says_the_same() {
    let (desk, sample) = (Desk::new(), sample());
    for (command, rest) in [
        ("read", "--whole"),
        ("view", "processes"),
        ("read", "evt.type=execve"),
    ] {
        let [closed, open] = ["closed.aft", sample.as_str()].map(|file| {
            let told = desk.ends(0, &[command, file, rest, "--identity", "own"]);
            // Each capture has an id and books of its own.
            let events = told.lines().filter(|line| {
                !line.starts_with("{\"manifest\"") && !line.starts_with("{\"totals\"")
            });
            events.map(str::to_owned).collect::<Vec<_>>()
        });
        assert!(
            closed.len() > 5 && closed == open,
            "{command} {rest}: {closed:?}"
        );
    }
    let info = desk.ends(0, &["info", "closed.aft", "--identity", "own"]);
    assert!(info.contains(RECIPIENT), "{info}");
    desk.ends(0, &["artifacts", "list", "closed.aft", "--identity", "own"]);
    desk.ends(0, &["custody", "closed.aft", "--identity", "own"]);
    // Named by the variable, and kept beside the keys.
    let mut command = desk.command(&["read", "closed.aft"]);
    command.env("AFTERIMAGE_IDENTITY", desk.path("own"));
    told(
        0,
        &["variable"],
        command.output().expect("the command runs"),
    );
    std::fs::copy(desk.path("own"), desk.path("keys/identity.txt")).expect("a copy");
    desk.ends(0, &["read", "closed.aft"]);
    let mut command = desk.command(&["read", "-"]);
    command.stdin(std::fs::File::open(desk.path("closed.aft")).expect("a file"));
    told(0, &["pipe"], command.output().expect("the command runs"));
}

#[test]
fn without_the_identity_it_is_closed_and_says_for_whom_it_is() {
    let desk = Desk::new();
    for args in [
        &["read", "closed.aft"][..],
        &["info", "closed.aft"],
        &["view", "closed.aft", "processes"],
        &["slice", "closed.aft", "-o", "new.aft"],
        &["recover", "closed.aft", "-o", "new.aft"],
        &["read", "closed.aft", "--identity", "stranger"],
        &["verify", "--deep", "closed.aft", "--identity", "stranger"],
    ] {
        let told = desk.ends(1, args);
        assert!(
            told.contains(RECIPIENT) && told.contains("--identity"),
            "{args:?}: {told}"
        );
    }
    assert!(!desk.path("new.aft").exists());
    // An identity that others can read, that is none, or that is not there.
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(desk.path("own"), open).expect("its mode");
    let told = desk.ends(1, &["read", "closed.aft", "--identity", "own"]);
    assert!(told.contains("chmod 600"), "{told}");
    desk.ends(1, &["read", "closed.aft", "--identity", "closed.aft"]);
    desk.ends(1, &["read", "closed.aft", "--identity", "nowhere"]);
    desk.ends(
        2,
        &[
            "repack",
            "closed.aft",
            "-o",
            "new.aft",
            "--encrypt-to",
            "age1nobody",
        ],
    );
}

#[test]
fn an_identity_of_the_environment_is_asked_for_only_where_a_capture_is_encrypted() {
    let (desk, sample) = (Desk::new(), sample());
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(desk.path("own"), open).expect("its mode");
    let ends = |code, args: &[&str]| {
        let mut command = desk.command(args);
        command.env("AFTERIMAGE_IDENTITY", desk.path("own"));
        told(code, args, command.output().expect("the command runs"))
    };
    for args in [
        &["read", &sample, "evt.type=execve"][..],
        &["view", &sample, "processes"],
        &["verify", "--deep", &sample],
        &["slice", &sample, "-o", "new.aft"],
    ] {
        ends(0, args);
    }
    for args in [
        &["read", "closed.aft"][..],
        &["view", "closed.aft", "processes"],
        &["verify", "--deep", "closed.aft"],
        &["recover", "closed.aft", "-o", "saved.aft"],
    ] {
        let told = ends(1, args);
        assert!(
            told.contains("chmod 600") && told.contains(RECIPIENT),
            "{args:?}: {told}"
        );
    }
    // What the command line names is meant.
    let told = ends(1, &["read", &sample, "--identity", "own"]);
    assert!(told.contains("chmod 600"), "{told}");
}

#[test]
fn no_index_is_made_that_would_tell_what_is_in_it() {
    let desk = Desk::new();
    let told = desk.ends(1, &["index", "closed.aft", "--identity", "own"]);
    assert!(told.contains("encrypted"), "{told}");
    for entry in std::fs::read_dir(desk.path("")).expect("a folder") {
        let name = entry.expect("an entry").file_name();
        let name = name.to_string_lossy();
        assert!(
            ["own", "stranger", "keys", "closed.aft"].contains(&&*name),
            "{name}"
        );
    }
}

#[test]
fn it_is_verified_by_who_cannot_read_it() {
    let desk = Desk::new();
    let outside = desk.ends(0, &["verify", "closed.aft"]);
    assert!(
        outside.contains("sealed and intact")
            && outside.contains("signed seal")
            && outside.contains("not looked into"),
        "{outside}"
    );
    let inside = desk.ends(0, &["verify", "--deep", "--identity", "own", "closed.aft"]);
    assert!(inside.contains("checked inside, too"), "{inside}");
    let json = desk.ends(0, &["verify", "--json", "closed.aft"]);
    assert!(
        json.contains(RECIPIENT) && json.contains(r#""verify.looked_into":false"#),
        "{json}"
    );
    desk.ends(0, &["custody", "--add", "handed over", "closed.aft"]);
    desk.ends(0, &["verify", "closed.aft"]);
    let mut file = std::fs::read(desk.path("closed.aft")).expect("a file");
    let middle = file.len() / 2;
    file[middle] ^= 1;
    std::fs::write(desk.path("closed.aft"), file).expect("a file");
    desk.ends(4, &["verify", "closed.aft"]);
}

#[test]
fn what_is_made_of_it_stays_closed_unless_it_is_said_otherwise() {
    let desk = Desk::new();
    let words: [&[u8]; 3] = [
        b"/tmp/.x/kworker",
        b"/etc/shadow",
        b"correct-horse-battery-staple",
    ];
    assert!(
        words
            .iter()
            .all(|word| !holds(&desk.path("closed.aft"), word))
    );
    for (name, args) in [
        ("slice.aft", &["slice", "closed.aft", "-o", "slice.aft"][..]),
        (
            "merge.aft",
            &["merge", "slice.aft", "closed.aft", "-o", "merge.aft"],
        ),
        ("repack.aft", &["repack", "closed.aft", "-o", "repack.aft"]),
        (
            "recover.aft",
            &["recover", "closed.aft", "-o", "recover.aft"],
        ),
    ] {
        desk.ends(0, &[args, &["--identity", "own"]].concat());
        desk.ends(1, &["read", name]);
        desk.ends(0, &["verify", "--deep", name, "--identity", "own"]);
        assert!(
            words.iter().all(|word| !holds(&desk.path(name), word)),
            "{name}"
        );
    }
    desk.ends(
        0,
        &[
            "repack",
            "closed.aft",
            "-o",
            "open.aft",
            "--identity",
            "own",
            "--decrypt",
        ],
    );
    desk.ends(0, &["read", "open.aft"]);
}
