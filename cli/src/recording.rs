//! One recording from armed to sealed: the output file, the stop flag, the progress line and the books at the end.
//! `record` and `demo` stand on it.

use crate::anchoring::{self, Anchors};
use crate::custody;
use crate::failure::{Exit, Failure, shown};
use crate::keyring::{self, Pair};
use crate::output::{redraw, say};
use crate::units::{plural, show_count};
use afterimage_capture::{Options, Recorder, Status, StopReason};
use afterimage_format::store::{States, Store};
use afterimage_format::{Anchor, ErrorKind, Lineage, Recipient, Writer, WriterOptions};
use afterimage_indexer::bytes_text;
use afterimage_model::{Safe, Schema, Totals};
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Where a capture goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A new file.
    File(PathBuf),
    /// Standard output.
    Stdout,
}

impl Target {
    /// Fails where a file cannot be created, before anything is loaded into the kernel.
    pub fn check(&self) -> Result<(), Failure> {
        match self {
            Target::Stdout if io::stdout().is_terminal() => Err(Failure::usage(
                "a capture is binary and standard output is a terminal",
                "name a file with -o FILE, or pipe the output",
            )),
            Target::File(path) if path.symlink_metadata().is_ok() => Err(exists(path)),
            _ => Ok(()),
        }
    }

    /// The file that a recording goes on in when this one has failed; a pipe has none.
    fn next(&self, number: usize) -> Option<Target> {
        let Target::File(path) = self else {
            return None;
        };
        let stem = path.file_stem()?.to_string_lossy().into_owned();
        // The third is not called after the second.
        let stem = stem
            .strip_suffix(&format!("-part{}", number - 1))
            .unwrap_or(&stem);
        let mut name = format!("{stem}-part{number}");
        if let Some(ending) = path.extension() {
            name = format!("{name}.{}", ending.to_string_lossy());
        }
        Some(Target::File(path.with_file_name(name)))
    }

    fn shown(&self) -> String {
        match self {
            Target::File(path) => shown(path),
            Target::Stdout => "standard output".to_owned(),
        }
    }

    /// Removes a file in which nothing was recorded yet.
    fn remove(&self) {
        if let Target::File(path) = self {
            let _ = std::fs::remove_file(path);
        }
    }

    /// Creates the file: new, private, and never through a symbolic link.
    fn create(&self) -> Result<Store, Failure> {
        match self {
            Target::Stdout => Ok(Store::stream(io::stdout())),
            Target::File(path) => Store::create(path).map_err(|error| match &error.kind {
                ErrorKind::Io(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    exists(path)
                }
                kind => Failure::path(
                    "creating",
                    path,
                    kind,
                    "name a place you may write to with -o FILE",
                ),
            }),
        }
    }
}

fn exists(path: &Path) -> Failure {
    Failure::new(
        format!(
            "{} exists already, and a capture is never overwritten",
            shown(path)
        ),
        "name another file with -o FILE",
    )
}

/// What makes a capture evidence.
#[derive(Default)]
pub struct Custody {
    /// The name of the key to sign with; `None` for a capture that is not signed.
    pub key: Option<String>,
    /// Where anchors go.
    pub anchors: Option<anchoring::Wanted>,
    /// Whom the capture is encrypted to; nobody when it is not.
    pub recipients: Vec<Recipient>,
}

/// How a recording ended.
#[derive(Debug)]
pub struct Summary {
    /// What ended it.
    pub reason: StopReason,
    /// The books.
    pub totals: Totals,
    /// Bytes written.
    pub bytes: u64,
    /// How long it ran.
    pub took: Duration,
    /// How far the file goes.
    pub anchor: Option<Anchor>,
    /// What the key is called that signed it.
    signer: Option<String>,
    /// The last of its files, where it went on in another one.
    last: Option<Target>,
    /// Why anchors did not come where they should: the capture is sealed all the same.
    pub unanchored: Option<Failure>,
}

impl Summary {
    /// The exit code: loss is an answer, not a failure.
    pub fn exit(&self) -> Exit {
        if self.totals.dropped > 0 || self.totals.unsealed > 0 || self.last.is_some() {
            Exit::Loss
        } else {
            Exit::Done
        }
    }

    /// The books, for standard error.
    pub fn print(&self, target: &Target) {
        let t = &self.totals;
        let why = why(self.reason);
        let place = match self.last.as_ref().unwrap_or(target) {
            Target::File(path) => format!(" in {}", shown(path)),
            Target::Stdout => String::new(),
        };
        say(format_args!(
            "sealed {} ({}){place} after {:.1} s: {why}",
            plural(t.written, "event"),
            bytes_text(self.bytes.into()),
            self.took.as_secs_f64()
        ));
        say(books(t));
        if let Some(anchor) = &self.anchor {
            let signed = match &self.signer {
                Some(name) => format!("signed by {name}"),
                None => "not signed".to_owned(),
            };
            say(format_args!(
                "{signed}; digest {} (keep it elsewhere: it shows that nothing was changed or rolled back)",
                anchor.digest
            ));
        }
        if self.exit() == Exit::Loss {
            say(
                "  try: a larger --ring, a narrower scope, or a filter; what is missing is marked in the capture as gaps",
            );
        }
    }
}

/// Why a recording ended, in words.
fn why(reason: StopReason) -> &'static str {
    match reason {
        StopReason::Asked => "it was stopped",
        StopReason::Duration => "--duration reached",
        StopReason::Bytes => "--size reached",
        StopReason::Events => "--events reached",
        StopReason::Full => "the disk is full",
    }
}

/// The books in one line, which must balance.
pub fn books(t: &Totals) -> String {
    let parts = [
        ("written", t.written),
        ("dropped", t.dropped),
        ("filtered", t.filtered),
        ("unsealed", t.unsealed),
    ];
    let sum = parts
        .iter()
        .fold(0u64, |sum, part| sum.saturating_add(part.1));
    let list: Vec<String> = parts
        .iter()
        .map(|(name, n)| format!("{} {name}", show_count(*n)))
        .collect();
    let verdict = if sum == t.offered {
        String::new()
    } else {
        format!(
            " — THE BOOKS DO NOT BALANCE: {} accounted for",
            show_count(sum)
        )
    };
    let beside = match (t.told, t.sampled) {
        (0, 0) => String::new(),
        (told, sampled) => format!(
            "; beside them: {} told by runtimes, {} of use",
            show_count(told),
            plural(sampled, "sample")
        ),
    };
    format!(
        "{} offered = {}{verdict}{beside}; spared in the kernel: {} out of scope, {} of the recorder itself",
        show_count(t.offered),
        list.join(" + "),
        show_count(t.spared_scope),
        show_count(t.spared_self)
    )
}

/// Sets a flag on Ctrl-C, Ctrl-\, TERM and HUP, so that the capture is sealed; the second time they kill as usual.
pub fn stop_on_signals() -> Result<Arc<AtomicBool>, Failure> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    stop_on(&[SIGINT, SIGTERM, SIGHUP, SIGQUIT])
}

/// Sets a flag on each of these signals.
pub fn stop_on(signals: &[i32]) -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in signals.iter().copied() {
        signal_hook::flag::register_conditional_default(signal, stop.clone())
            .and_then(|_| signal_hook::flag::register(signal, stop.clone()))
            .map_err(|error| Failure::new(format!("catching signal {signal}: {error}"), ""))?;
    }
    Ok(stop)
}

/// Files of one recording at most: a disk that fails again and again is no place for evidence.
const MOST_FILES: usize = 3;

/// What a failed recording leaves behind, and what to do about that.
fn broken(error: &dyn std::fmt::Display, target: &Target, states: &States) -> Failure {
    let remedy = match target {
        Target::File(path) if states.durable() < states.written() => format!(
            "of {} bytes written, {} are known to be on disk; rescue them with afterimage recover {} -o FILE",
            states.written(),
            states.durable(),
            shown(path)
        ),
        Target::File(path) => format!(
            "what was written can be read; rescue it with afterimage recover {} -o FILE",
            shown(path)
        ),
        Target::Stdout => "check the program that reads the pipe".to_owned(),
    };
    Failure::new(Safe::new(&error.to_string()), remedy)
}

/// Starts a file: header, schema, first signature and custody entry.
fn start(
    target: &Target,
    recorder: &Recorder,
    key: Option<&Pair>,
    recipients: &[Recipient],
    anchors: &Anchors,
    newest: &Arc<Mutex<Option<Anchor>>>,
) -> Result<(Writer<Store>, Arc<States>), Failure> {
    let store = target.create()?;
    let (states, room) = (store.states(), store.room());
    let wrong = |error: &dyn std::fmt::Display| broken(error, target, &states);
    let options = WriterOptions {
        recipients: recipients.to_vec(),
        ..WriterOptions::default()
    };
    let begun = Writer::signed(
        store,
        recorder.manifest(),
        &Lineage::default(),
        Schema::current(),
        options,
        key.map(|pair| &pair.secret),
    );
    let begun = begun.map_err(|error| wrong(&error)).and_then(|mut writer| {
        writer.guard(room.map_err(|error| wrong(&error))?);
        if let Some(pair) = key {
            let operator = recorder.manifest().operator.clone();
            let operator = Some(operator).filter(|name| !name.is_empty());
            let deed = custody::deed("created", operator, String::new(), None);
            let put = writer.custody(&deed, Some(&pair.secret));
            put.map_err(|error| wrong(&error))?;
        }
        let mut take = anchors.follow(match target {
            Target::File(path) => path.clone(),
            Target::Stdout => PathBuf::from("FILE"),
        });
        let newest = newest.clone();
        writer.on_anchor(move |anchor| {
            take(anchor);
            *newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(anchor.clone());
        });
        Ok(writer)
    });
    match begun {
        Ok(writer) => Ok((writer, states)),
        Err(failure) => {
            // Nothing was recorded yet, so nothing is left behind.
            target.remove();
            Err(failure)
        }
    }
}

/// Arms the recorder, creates the output, lets `begin` start what is to be recorded, records until `stop` or a limit,
/// and seals. Nothing is created when arming fails. When what was written cannot be brought to the disk, the recording goes on
/// in another file beside it.
pub fn run(
    options: Options,
    target: &Target,
    wanted: Custody,
    stop: &AtomicBool,
    progress: bool,
    begin: impl FnOnce(&mut Recorder) -> Result<(), Failure>,
) -> Result<Summary, Failure> {
    target.check()?;
    let anchors = anchoring::Prepared::new(wanted.anchors.as_ref())?;
    afterimage_capture::memory::give_back();
    let mut recorder = Recorder::arm(options).map_err(|error| refused(&error))?;
    let name = wanted.key.as_deref();
    let key = name.map(keyring::load).transpose()?;
    let anchors = anchors.start()?;
    let newest = Arc::new(Mutex::new(None));
    let started = Instant::now();
    let recipients = &wanted.recipients;
    let start = |target: &Target, recorder: &Recorder, key: Option<&Pair>| {
        start(target, recorder, key, recipients, &anchors, &newest)
    };
    let (mut writer, mut states) = start(target, &recorder, key.as_ref())?;
    begin(&mut recorder).inspect_err(|_| target.remove())?;
    // The key has signed what it has to sign; from here on it is not needed.
    let signer = key.map(|pair| {
        let name = Safe::new(&pair.card.name).to_string();
        format!("{name} ({})", pair.card.key.short())
    });
    let progress = progress && io::stderr().is_terminal();
    if progress {
        recorder.on_status(move |status| show_progress(status, started.elapsed()));
    }
    let mut target = target.clone();
    let mut files = 1;
    let reason = loop {
        let reason = recorder.run(&mut writer, stop);
        if progress {
            redraw("");
        }
        let error = match reason {
            Ok(reason) => break reason,
            Err(error) => error,
        };
        let failure = broken(&error, &target, &states);
        // A sync that failed is final; any other failure may be of the new file, too.
        let (Some(why), Some(next)) = (states.failed(), target.next(files + 1)) else {
            return Err(failure);
        };
        files += 1;
        if files > MOST_FILES {
            return Err(failure);
        }
        say(format_args!(
            "afterimage: {}: {}",
            failure.what, failure.remedy
        ));
        recorder.next_file(writer.events(), &Safe::new(&why).to_string());
        let key = name.map(keyring::load).transpose()?;
        (writer, states) = start(&next, &recorder, key.as_ref())?;
        say(format_args!(
            "afterimage: the recording goes on in {}",
            next.shown()
        ));
        target = next;
    };
    let wrong = |error: &dyn std::fmt::Display| broken(error, &target, &states);
    if let Some(text) = anchors.trouble() {
        let operator = Some(recorder.manifest().operator.clone()).filter(|name| !name.is_empty());
        let deed = custody::deed("unanchored", operator, text, None);
        let key = name.map(keyring::load).transpose().ok().flatten();
        let put = writer.custody(&deed, key.as_ref().map(|pair| &pair.secret));
        put.map_err(|error| wrong(&error))?;
    }
    writer.ended(why(reason));
    let (store, totals) = recorder.finish(writer).map_err(|error| wrong(&error))?;
    store.finish().map_err(|error| wrong(&error))?;
    let took = started.elapsed();
    let unanchored = anchors.end();
    let anchor = newest.lock().unwrap_or_else(PoisonError::into_inner).take();
    Ok(Summary {
        reason,
        totals,
        bytes: states.written(),
        took,
        anchor,
        signer,
        last: (files > 1).then_some(target),
        unanchored,
    })
}

/// A recorder's refusal, with its own remedy.
pub fn refused(error: &afterimage_capture::Error) -> Failure {
    Failure::new(Safe::new(&error.to_string()), Safe::new(&error.remedy()))
}

/// Redraws the progress line.
fn show_progress(status: Status, took: Duration) {
    let dropped = if status.dropped > 0 {
        format!(", {} DROPPED", show_count(status.dropped))
    } else {
        String::new()
    };
    let (events, bytes) = (show_count(status.written), bytes_text(status.bytes.into()));
    let took = took.as_secs_f64();
    redraw(format_args!(
        "{took:.0} s: {events} events, {bytes}{dropped}; Ctrl-C seals"
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capture_is_never_overwritten_nor_written_through_a_link() {
        let dir = tempfile::tempdir().expect("a directory");
        let (old, link) = (dir.path().join("old.aft"), dir.path().join("link.aft"));
        std::fs::write(&old, b"evidence").expect("a file");
        std::os::unix::fs::symlink(dir.path().join("elsewhere"), &link).expect("a link");
        for path in [&old, &link] {
            let target = Target::File(path.clone());
            assert!(target.check().is_err(), "{path:?}");
            assert!(target.create().is_err(), "{path:?}");
        }
        assert_eq!(std::fs::read(&old).ok().as_deref(), Some(&b"evidence"[..]));
        assert!(!dir.path().join("elsewhere").exists());
    }

    #[test]
    fn a_recording_goes_on_in_a_file_beside_the_one_that_failed() {
        let of = |path: &str| Target::File(PathBuf::from(path));
        assert_eq!(of("a/web.aft").next(2), Some(of("a/web-part2.aft")));
        assert_eq!(of("a/web-part2.aft").next(3), Some(of("a/web-part3.aft")));
        assert_eq!(of("web").next(2), Some(of("web-part2")));
        assert_eq!(Target::Stdout.next(2), None);
    }

    #[test]
    fn a_new_capture_is_private_to_its_user() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("new.aft");
        assert!(Target::File(path.clone()).create().is_ok());
        assert_eq!(
            std::fs::metadata(path)
                .map(|m| m.permissions().mode() & 0o777)
                .ok(),
            Some(0o600)
        );
    }

    #[test]
    fn books_that_do_not_balance_say_so() {
        let mut totals = Totals {
            offered: 10,
            written: 6,
            dropped: 1,
            filtered: 2,
            unsealed: 1,
            ..Totals::default()
        };
        assert!(
            books(&totals)
                .starts_with("10 offered = 6 written + 1 dropped + 2 filtered + 1 unsealed;"),
            "{}",
            books(&totals)
        );
        (totals.told, totals.sampled) = (3, 1);
        assert!(
            books(&totals)
                .contains("1 unsealed; beside them: 3 told by runtimes, 1 sample of use;"),
            "{}",
            books(&totals)
        );
        totals.offered = 11;
        assert!(books(&totals).contains("DO NOT BALANCE"));
    }
}
