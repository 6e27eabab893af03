//! A folder of captures, sound and damaged, the command run over them, and the golden answers.

use super::capture::capture;
use afterimage_format::Reader;
use afterimage_model::{BootNs, Gap, GapCause};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A folder with `whole.aft`, `lossy.aft`, `torn.aft` and `broken.aft` in it.
pub(super) struct Desk(tempfile::TempDir);

impl Desk {
    pub(super) fn new() -> Desk {
        let desk = Desk(tempfile::tempdir().expect("a folder"));
        let whole = capture(&[]);
        let gap = Gap {
            cause: GapCause::RingFull,
            start: BootNs(100_100_000_000),
            end: BootNs(100_200_000_000),
            cpu: Some(1),
            count: Some(42),
            first_seq: Some(9),
            detail: String::new(),
        };
        std::fs::write(desk.path("lossy.aft"), capture(&[gap])).expect("a file");
        let second_chunk = Reader::from_bytes(whole.clone())
            .expect("a capture")
            .chunks()[1]
            .offset as usize;
        std::fs::write(desk.path("torn.aft"), &whole[..second_chunk + 40]).expect("a file");
        let mut broken = whole.clone();
        broken[second_chunk + 40] ^= 0x10;
        std::fs::write(desk.path("broken.aft"), broken).expect("a file");
        std::fs::write(desk.path("whole.aft"), whole).expect("a file");
        desk
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(super) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_afterimage"));
        command
            .args(args)
            .current_dir(self.0.path())
            .env("NO_COLOR", "1")
            .env("AFTERIMAGE_KEYS", self.0.path().join("keys"))
            .env_remove("COLUMNS")
            .env("TMPDIR", self.0.path());
        command
    }

    /// Runs the command; whatever it says must be harmless to a terminal.
    pub(super) fn run(&self, args: &[&str]) -> Answer {
        Answer::of(
            args,
            self.command(args)
                .stdin(Stdio::null())
                .output()
                .expect("the command runs"),
        )
    }
}

pub(super) struct Answer {
    pub(super) code: i32,
    pub(super) out: String,
    pub(super) err: String,
}

impl Answer {
    fn of(args: &[&str], output: Output) -> Answer {
        for (name, bytes) in [
            ("standard output", &output.stdout),
            ("standard error", &output.stderr),
        ] {
            let text = std::str::from_utf8(bytes)
                .unwrap_or_else(|_| panic!("{args:?}: {name} is not UTF-8"));
            let bad = text.chars().find(|c| c.is_control() && *c != '\n');
            assert_eq!(
                bad, None,
                "{args:?}: {name} holds a control character:\n{text}"
            );
        }
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("checked above");
        Answer {
            code: output.status.code().unwrap_or(-1),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    #[track_caller]
    pub(super) fn ends(self, code: i32) -> Answer {
        assert_eq!(self.code, code, "out: {}\nerr: {}", self.out, self.err);
        self
    }
}

/// Compares with `tests/golden/NAME.txt`; `BLESS=1` rewrites it.
#[track_caller]
pub(super) fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(format!("{name}.txt"));
    let text = text.replace(env!("CARGO_PKG_VERSION"), "VERSION");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &text).expect("a golden file");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        text,
        expected,
        "{} differs; BLESS=1 accepts it",
        path.display()
    );
}
