//! Records a workload and reads the capture back. Every run's books are checked here: what the kernel programs offered
//! is written, filtered, dropped or unsealed, to the last event, and every drop lies in a gap.

use crate::cgroup::Cgroup;
use crate::child::{self, End};
use afterimage_capture::{Options, Recorder, Scope};
use afterimage_format::{Artifact, Chunk, Keyframe, Note, Reader, Writer, WriterOptions};
use afterimage_model::{BootNs, Ctx, Gap, GapCause, Manifest, Schema, Tables, Totals, Value};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

/// A capture read back whole.
pub struct Capture {
    /// The header.
    pub manifest: Manifest,
    /// What its events look like.
    pub schema: Schema,
    /// Its chunks in order.
    pub chunks: Vec<Chunk>,
    /// Every gap.
    pub gaps: Vec<Gap>,
    /// The books.
    pub totals: Totals,
    /// Containers, users, initial state.
    pub state: Tables,
    /// Files that are kept with it.
    pub artifacts: Vec<Artifact>,
    /// What was noted in it.
    pub notes: Vec<Note>,
    /// Its last keyframe.
    pub keyframe: Option<Keyframe>,
    /// How many keyframes it has.
    pub keyframes: usize,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Why no control group can be made here; `None` when it can.
pub fn not_root() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("needs root".to_owned());
    }
    crate::cgroup::mount()
        .is_none()
        .then(|| "no cgroup2 file system is mounted".to_owned())
}

/// Why nothing can be recorded here; `None` when it can.
pub fn obstacle() -> Option<String> {
    if let Some(why) = not_root() {
        return Some(why);
    }
    let missing: Vec<_> = afterimage_capture::doctor()
        .into_iter()
        .filter(|check| check.needed && !check.ok)
        .map(|check| format!("{}: {}", check.name, check.found))
        .collect();
    (!missing.is_empty()).then(|| missing.join("; "))
}

/// Says on stderr that the running test does nothing here, and why; `make test` collects these lines.
pub fn skip(why: &str) {
    let line = format!(
        "skipped: {}: {why}\n",
        std::thread::current().name().unwrap_or("test")
    );
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// Returns from the calling test, saying so, when nothing can be recorded here. Else waits for the test's turn: recordings
/// run one at a time, also across processes, because each sees what happens to control groups everywhere.
#[macro_export]
macro_rules! needs_recording {
    () => {
        if let Some(why) = $crate::harness::obstacle() {
            $crate::harness::skip(&why);
            return;
        }
        let _turn = $crate::harness::turn();
    };
}

/// The command's own binary, built when it is not there yet. `beside` is a program of the test's own package:
/// `env!("CARGO_BIN_EXE_workload")`.
///
/// # Panics
/// When it does not build.
pub fn afterimage(beside: &str) -> PathBuf {
    let target = Path::new(beside)
        .parent()
        .expect("the folder of built programs");
    if !target.exists() {
        // Not where it was built: what is installed there.
        return PathBuf::from("afterimage");
    }
    let built = Command::new(env!("CARGO"))
        .args([
            "build",
            "--quiet",
            // By itself the command's libraries would have other features, and all would be built once more.
            "--workspace",
            "--bin",
            "afterimage",
            "--target-dir",
        ])
        .arg(target.parent().expect("the target folder"))
        .args(if target.ends_with("release") {
            &["--release"][..]
        } else {
            &[]
        })
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    assert!(
        built.is_ok_and(|status| status.success()),
        "the command builds"
    );
    target.join("afterimage")
}

/// `short`, or `long` where that is asked for: `AFTERIMAGE_SOAK=1`.
pub fn form<T>(short: T, long: T) -> T {
    match std::env::var_os("AFTERIMAGE_SOAK") {
        Some(_) => long,
        None => short,
    }
}

/// Held while a test records.
pub fn turn() -> File {
    let path = std::env::temp_dir().join("afterimage-tests.lock");
    let lock = File::options()
        .create(true)
        .append(true)
        .open(path)
        .expect("the lock file opens");
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive)
        .expect("the lock is taken in turn");
    lock
}

/// Whether the ring is emptied while the workload runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consumer {
    /// As always.
    Running,
    /// Not before the workload has ended: what does not fit into the ring is lost.
    Stalled,
}

/// Records while `workload` runs.
pub fn record<T: Send>(options: Options, workload: impl FnOnce() -> T + Send) -> (Capture, T) {
    record_with(options, Consumer::Running, workload)
}

/// Records what a forked child does inside a fresh control group; gives its pid and how it ended.
pub fn record_child(tag: &str, work: impl FnOnce() -> i32 + Send) -> (Capture, u32, End) {
    let cgroup = Cgroup::fresh(tag).expect("a control group can be made");
    let options = Options {
        scope: Scope::Cgroup(cgroup.path().to_owned()),
        ..Options::default()
    };
    let (capture, (pid, end)) = record(options, || run_in(&cgroup, work));
    (capture, pid, end)
}

/// Forks a child that enters the group and then does `work`; waits for its end.
pub fn run_in(cgroup: &Cgroup, work: impl FnOnce() -> i32) -> (u32, End) {
    let child = child::fork(|| {
        cgroup.enter().expect("the group takes the child");
        work()
    })
    .expect("fork");
    (child.pid(), child.wait())
}

/// Records while `workload` runs, with a consumer that may be stalled.
///
/// # Panics
/// When the recorder does not start, the file does not read back, or the books do not balance.
pub fn record_with<T: Send>(
    options: Options,
    consumer: Consumer,
    workload: impl FnOnce() -> T + Send,
) -> (Capture, T) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("capture.aft");
    let mut recorder =
        Recorder::arm(options).unwrap_or_else(|e| panic!("the recorder does not arm: {e}"));
    let out = BufWriter::new(File::create_new(&path).expect("a new file"));
    let mut writer = Writer::new(
        out,
        recorder.manifest(),
        Schema::current(),
        WriterOptions::default(),
    )
    .expect("the header is written");
    let stop = AtomicBool::new(false);
    let answer = if consumer == Consumer::Stalled {
        let answer = workload();
        stop.store(true, Ordering::Release);
        recorder
            .run(&mut writer, &stop)
            .unwrap_or_else(|e| panic!("the recorder stops: {e}"));
        answer
    } else {
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| {
                // Also when the workload panics: or the recorder would run for ever.
                let _stop = StopAtEnd(&stop);
                workload()
            });
            recorder
                .run(&mut writer, &stop)
                .unwrap_or_else(|e| panic!("the recorder stops: {e}"));
            worker
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    };
    let (out, totals) = recorder
        .finish(writer)
        .unwrap_or_else(|e| panic!("the capture does not finish: {e}"));
    drop(out);
    let capture = Capture::open(&path);
    capture.check_books(&totals);
    (capture, answer)
}

struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Capture {
    /// Reads a whole capture.
    ///
    /// # Panics
    /// When any part of it cannot be read.
    pub fn open(path: &Path) -> Capture {
        let reader = Reader::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let chunks = (0..reader.chunks().len())
            .map(|at| {
                reader
                    .chunk(at)
                    .unwrap_or_else(|e| panic!("chunk {at}: {e}"))
            })
            .collect();
        Capture {
            manifest: reader.manifest().clone(),
            schema: reader.schema().clone(),
            chunks,
            gaps: reader.gaps().to_vec(),
            notes: reader.notes().to_vec(),
            totals: reader
                .totals()
                .cloned()
                .expect("a finished capture is sealed"),
            state: reader.state().clone(),
            artifacts: (0..reader.artifacts())
                .map(|at| reader.artifact(at).expect("an artifact"))
                .collect(),
            keyframe: reader
                .keyframe(BootNs(u64::MAX))
                .expect("the keyframe can be read"),
            keyframes: reader.keyframes(),
            bytes: reader.bytes(),
        }
    }

    /// Checks that the books balance and that the gaps tell of every loss.
    ///
    /// # Panics
    /// When they do not.
    pub fn check_books(&self, reported: &Totals) {
        let t = &self.totals;
        assert_eq!(t, reported, "the footer says what the recorder said");
        assert_eq!(
            t.offered,
            t.written + t.dropped + t.filtered + t.unsealed,
            "the books do not balance: {t:?}"
        );
        assert_eq!(
            t.unsealed, 0,
            "a recording that ended well has handed over everything: {t:?}"
        );
        assert_eq!(
            self.events().count() as u64,
            t.written + t.told + t.sampled,
            "the file holds what was written, told and sampled: {t:?}"
        );
        let in_gaps: u64 = self
            .gaps
            .iter()
            .filter(|gap| matches!(gap.cause, GapCause::RingFull | GapCause::Counted))
            .filter_map(|gap| gap.count)
            .sum();
        assert_eq!(
            in_gaps, t.dropped,
            "every drop lies in a gap: {t:?}, {:?}",
            self.gaps
        );
        let damaged: Vec<_> = self
            .gaps
            .iter()
            .filter(|gap| {
                use GapCause::{Counted, Degraded, RingFull};
                !matches!(gap.cause, RingFull | Counted | Degraded)
            })
            .collect();
        assert!(
            damaged.is_empty(),
            "a fresh capture has no other loss: {damaged:?}"
        );
    }

    /// Every event in file order, with its context.
    pub fn events(&self) -> impl Iterator<Item = Ctx<'_>> {
        let first_ns = self
            .chunks
            .first()
            .and_then(|chunk| chunk.events.first())
            .map_or(0, |event| event.time.0);
        self.chunks.iter().flat_map(move |chunk| {
            chunk
                .events
                .iter()
                .zip(chunk.first_num..)
                .map(move |(event, num)| Ctx {
                    manifest: &self.manifest,
                    schema: &self.schema,
                    tables: &chunk.tables,
                    event,
                    num,
                    first_ns,
                    previous_ns: event.time.0,
                })
        })
    }

    /// The events of one thread in the order they happened.
    pub fn of_thread(&self, tid: u32) -> Vec<Ctx<'_>> {
        let mut events: Vec<_> = self.events().filter(|ctx| ctx.event.tid == tid).collect();
        events.sort_by_key(|ctx| ctx.event.time);
        events
    }

    /// The events of one type.
    pub fn of_type(&self, name: &str) -> Vec<Ctx<'_>> {
        let id = self.schema.type_id(name);
        self.events()
            .filter(|ctx| Some(ctx.event.ty) == id)
            .collect()
    }
}

/// What tests ask of an event.
pub trait Seen {
    /// Name of its type.
    fn name(&self) -> &str;
    /// Host pid of its process; 0 when the process is not known.
    fn pid(&self) -> u32;
    /// The number of an argument.
    fn number(&self, name: &str) -> Option<i64>;
    /// The bytes of an argument.
    fn bytes(&self, name: &str) -> Option<&[u8]>;
    /// Type, arguments and result on one line, for messages.
    fn line(&self) -> String;
}

impl Seen for Ctx<'_> {
    fn name(&self) -> &str {
        self.ty().map_or("?", |ty| ty.name.as_str())
    }

    fn pid(&self) -> u32 {
        self.proc().map_or(0, |p| p.key.pid)
    }

    fn number(&self, name: &str) -> Option<i64> {
        match self.arg(name)? {
            Value::Num(n) => Some(*n),
            _ => None,
        }
    }

    fn bytes(&self, name: &str) -> Option<&[u8]> {
        match self.arg(name)? {
            Value::Bytes(blob) => Some(&blob.bytes),
            _ => None,
        }
    }

    fn line(&self) -> String {
        let names = self.ty().map_or(&[][..], |ty| &ty.args);
        let args: Vec<_> = names
            .iter()
            .zip(&self.event.args)
            .map(|(arg, value)| format!("{}={value:?}", arg.name))
            .collect();
        format!(
            "{} tid={} {}({}) = {}",
            self.num,
            self.event.tid,
            self.name(),
            args.join(", "),
            self.event.result
        )
    }
}
