//! Where anchors go while captures are written: to a file, or to a witness. Of each capture the first, one each minute, and that
//! of the seal. A witness is never waited for by who writes a capture: a thread hands over, the newest of each capture, and tries
//! again with growing pauses.

use crate::failure::{Failure, shown};
use crate::output::say;
use crate::units::{plural, show_count};
use crate::webhook::Witness;
use afterimage_format::Anchor;
use afterimage_model::Safe;
use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Time between two anchors of a capture.
const EVERY: Duration = Duration::from_secs(60);
/// How long the last anchors are waited for.
const LAST: Duration = Duration::from_secs(10);
/// How long it takes until it is tried again the first time; then twice that, and so on.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Captures of which an anchor waits to be handed over, at most.
const MOST: usize = 256;

/// Where they shall go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// A file, or the address of a witness.
    pub to: PathBuf,
    /// Whom to trust for the witness's certificate; `None` for whom the machine trusts.
    pub ca: Option<PathBuf>,
}

impl Wanted {
    /// What a configuration says of it; a witness's address and whom to trust for it are looked at.
    ///
    /// # Errors
    /// When that is wrong: what, and what was expected.
    pub fn configured(to: Option<PathBuf>, ca: Option<PathBuf>) -> Result<Option<Wanted>, String> {
        let Some(to) = to else {
            return match ca {
                Some(_) => {
                    Err("evidence.anchor_ca is of no use without evidence.anchor".to_owned())
                }
                None => Ok(None),
            };
        };
        let wanted = Wanted { to, ca };
        match wanted.witness() {
            Ok(_) => Ok(Some(wanted)),
            Err(failure) => Err(format!(
                "evidence.anchor: {}; {}",
                failure.what,
                failure.remedy.replace("--ca FILE", "evidence.anchor_ca")
            )),
        }
    }

    /// The witness, where it is one.
    ///
    /// # Errors
    /// When its address is none, or nobody is trusted.
    pub fn witness(&self) -> Result<Option<Witness>, Failure> {
        let is_address = |to: &&str| to.starts_with("http://") || to.starts_with("https://");
        let address = self.to.to_str().filter(is_address);
        match (address, &self.ca) {
            (Some(address), ca) => Witness::new(address, ca.as_deref()).map(Some),
            (None, None) => Ok(None),
            (None, Some(_)) => Err(Failure::usage(
                format!("{} is no witness that has a certificate", shown(&self.to)),
                "write https://HOST/PATH, or leave --ca FILE out",
            )),
        }
    }
}

/// A place that is open, and nothing has been written to it.
pub enum Prepared {
    /// They go nowhere.
    Nowhere,
    /// The file.
    File(PathBuf, File),
    /// The witness, and the file that says whom to trust.
    Witness(Box<Witness>, Option<PathBuf>),
}

impl Prepared {
    /// Opens a file, reads whom to trust: what takes rights that may be gone when anchors are there.
    ///
    /// # Errors
    /// When the file cannot be written, the address is none, or nobody is trusted.
    pub fn new(wanted: Option<&Wanted>) -> Result<Prepared, Failure> {
        let Some(wanted) = wanted else {
            return Ok(Prepared::Nowhere);
        };
        if let Some(witness) = wanted.witness()? {
            return Ok(Prepared::Witness(Box::new(witness), wanted.ca.clone()));
        }
        let path = &wanted.to;
        let opened = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(path);
        let file = opened.map_err(|error| {
            let remedy = "name a place you may write to with --anchor FILE";
            Failure::path("opening", path, error, remedy)
        })?;
        Ok(Prepared::File(path.clone(), file))
    }

    /// Starts the thread that hands over, where there is a witness. It has the rights of who starts it.
    ///
    /// # Errors
    /// When there can be no thread.
    pub fn start(self) -> Result<Anchors, Failure> {
        let sink = match self {
            Prepared::Nowhere => None,
            Prepared::File(path, file) => {
                let state = Mutex::new(Written {
                    file,
                    handed: 0,
                    failed: 0,
                    error: None,
                    why: None,
                });
                Some(Arc::new(Sink::File { path, state }))
            }
            Prepared::Witness(witness, ca) => {
                let post = Arc::new(Post {
                    witness: *witness,
                    ca,
                    queue: Mutex::default(),
                    changed: Condvar::new(),
                });
                let own = post.clone();
                std::thread::Builder::new()
                    .name("anchors".to_owned())
                    .spawn(move || own.work())
                    .map_err(|error| {
                        let what = format!("starting the thread that hands anchors over: {error}");
                        Failure::new(what, "leave --anchor out, or give this user more threads")
                    })?;
                Some(Arc::new(Sink::Witness(post)))
            }
        };
        Ok(Anchors { sink })
    }
}

/// A place that anchors of captures go to.
#[derive(Clone, Default)]
pub struct Anchors {
    sink: Option<Arc<Sink>>,
}

/// How handing over stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The file, or the witness's address; printable.
    pub to: String,
    /// Handed over, or written.
    pub handed: u64,
    /// Tries that failed.
    pub failed: u64,
    /// Captures of which no anchor is kept any more, because there were too many.
    pub given_up: u64,
    /// Captures whose newest anchor waits.
    pub waiting: u64,
    /// Why the last try failed, where it did; printable.
    pub why: Option<String>,
}

/// A file that anchors are written to.
struct Written {
    file: File,
    handed: u64,
    failed: u64,
    /// Of the first that failed; taken when it has been told.
    error: Option<io::Error>,
    why: Option<String>,
}

enum Sink {
    File {
        path: PathBuf,
        state: Mutex<Written>,
    },
    Witness(Arc<Post>),
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Anchors {
    /// What is to be called with each anchor of the capture of this name.
    pub fn follow(&self, name: PathBuf) -> impl FnMut(&Anchor) + Send + 'static {
        let sink = self.sink.clone();
        let mut taken: Option<Instant> = None;
        move |anchor| {
            let is_due = anchor.sealed || taken.is_none_or(|at| at.elapsed() >= EVERY);
            let Some(sink) = sink.as_ref().filter(|_| is_due) else {
                return;
            };
            taken = Some(Instant::now());
            match sink.as_ref() {
                Sink::File { state, .. } => {
                    locked(state).put(anchor);
                }
                Sink::Witness(post) => post.offer(&name, anchor),
            }
        }
    }

    /// How it stands, where anchors go anywhere.
    pub fn standing(&self) -> Option<Standing> {
        Some(match self.sink.as_deref()? {
            Sink::File { path, state } => {
                let state = locked(state);
                Standing {
                    to: shown(path),
                    handed: state.handed,
                    failed: state.failed,
                    given_up: 0,
                    waiting: 0,
                    why: state.why.clone(),
                }
            }
            Sink::Witness(post) => {
                let queue = locked(&post.queue);
                Standing {
                    to: Safe::new(post.witness.address()).to_string(),
                    handed: queue.handed,
                    failed: queue.failed,
                    given_up: queue.given_up,
                    waiting: queue.waiting.len() as u64,
                    why: queue.why.as_ref().map(|why| why.what.clone()),
                }
            }
        })
    }

    /// What is to be noted in a capture that ends now: that the witness does not take its anchors.
    pub fn trouble(&self) -> Option<String> {
        let Sink::Witness(post) = self.sink.as_deref()? else {
            return None;
        };
        let queue = locked(&post.queue);
        let why = queue.why.as_ref().filter(|_| !queue.waiting.is_empty())?;
        Some(format!(
            "the witness has not taken the newest anchor, tried {} times: {}",
            show_count(queue.in_row),
            why.what
        ))
    }

    /// Waits for the last ones, for some seconds, and says which did not get there.
    pub fn end(&self) -> Option<Failure> {
        match self.sink.as_deref()? {
            Sink::File { path, state } => {
                let error = locked(state).error.take()?;
                let remedy =
                    "the capture itself is sealed; make an anchor of it with afterimage anchor";
                Some(Failure::path("writing anchors to", path, error, remedy))
            }
            Sink::Witness(post) => post.end(),
        }
    }
}

impl Written {
    fn put(&mut self, anchor: &Anchor) {
        let line = format!("{anchor}\n");
        let done = (self.file.write_all(line.as_bytes())).and_then(|()| self.file.sync_data());
        match done {
            Ok(()) => self.handed = self.handed.saturating_add(1),
            Err(error) => {
                self.failed = self.failed.saturating_add(1);
                self.why = Some(error.to_string());
                self.error.get_or_insert(error);
            }
        }
    }
}

/// What waits to be handed over.
#[derive(Default)]
struct Queue {
    /// The newest anchor of each capture, and what the capture is called.
    waiting: VecDeque<(PathBuf, Anchor)>,
    /// Before that it is not tried.
    again: Option<Instant>,
    pause: Duration,
    /// Handed over.
    handed: u64,
    /// Tries that failed, all and since the last that did not.
    failed: u64,
    in_row: u64,
    /// Captures of which no anchor is kept any more, because there were too many.
    given_up: u64,
    /// Of the last try, when it failed.
    why: Option<Failure>,
}

/// A witness and what it is to have.
struct Post {
    witness: Witness,
    ca: Option<PathBuf>,
    queue: Mutex<Queue>,
    changed: Condvar,
}

impl Post {
    fn offer(&self, name: &Path, anchor: &Anchor) {
        let mut queue = locked(&self.queue);
        queue.put(name, anchor);
        drop(queue);
        self.changed.notify_all();
    }

    /// The next one, as soon as it may be tried.
    fn next(&self) -> (PathBuf, Anchor) {
        let mut queue = locked(&self.queue);
        loop {
            let now = Instant::now();
            let left = queue.again.map(|at| at.saturating_duration_since(now));
            let left = left.filter(|left| !left.is_zero());
            queue = match (queue.waiting.front(), left) {
                (Some(next), None) => return next.clone(),
                (Some(_), Some(left)) => {
                    let waited = self.changed.wait_timeout(queue, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                (None, _) => (self.changed.wait(queue)).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn work(&self) {
        loop {
            let (name, anchor) = self.next();
            let done = self.witness.post(&anchor.to_string());
            let first = locked(&self.queue).tried(&anchor, done);
            self.changed.notify_all();
            if let Some((what, remedy)) = first {
                say(format_args!(
                    "afterimage: an anchor of {} could not be handed over, which is tried again with growing pauses: {what}",
                    shown(&name)
                ));
                say(format_args!("  try: {remedy}"));
            }
        }
    }

    fn end(&self) -> Option<Failure> {
        let until = Instant::now() + LAST;
        let mut queue = locked(&self.queue);
        // At once, whatever was before.
        queue.again = None;
        queue.pause = PAUSE;
        self.changed.notify_all();
        while !queue.waiting.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.changed.wait_timeout(queue, left);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let failure = self.rest(&queue);
        if failure.is_none() && queue.failed > 0 {
            say(format_args!(
                "{} handed to {} in the end; of the tries {} failed",
                plural(queue.handed, "anchor"),
                Safe::new(self.witness.address()),
                show_count(queue.failed)
            ));
        }
        failure
    }

    /// What was not handed over.
    fn rest(&self, queue: &Queue) -> Option<Failure> {
        if queue.waiting.is_empty() && queue.given_up == 0 {
            return None;
        }
        let address = Safe::new(self.witness.address()).to_string();
        let why = match &queue.why {
            Some(why) => why.what.clone(),
            None => format!("{address}: no answer in time"),
        };
        let names: Vec<String> = queue.waiting.iter().map(|(name, _)| shown(name)).collect();
        let beside = match queue.given_up {
            0 => String::new(),
            n => format!(
                "; those of {} before them are not kept any more",
                show_count(n)
            ),
        };
        let what = format!(
            "the last anchor of {} was not handed over: {why} ({} handed over, {} failed{beside})",
            plural(names.len() as u64, "capture"),
            show_count(queue.handed),
            show_count(queue.failed)
        );
        let ca = self.ca.as_ref();
        let ca = ca.map_or_else(String::new, |ca| format!(" --ca {}", shown(ca)));
        let remedy = format!(
            "what was recorded is kept all the same; hand it over now: afterimage anchor {} --to {address}{ca}",
            names.join(" ")
        );
        Some(Failure::new(what, remedy))
    }
}

impl Queue {
    /// The newest of a capture takes the place of the one before.
    fn put(&mut self, name: &Path, anchor: &Anchor) {
        let mut all = self.waiting.iter_mut();
        match all.find(|(_, other)| other.capture_id == anchor.capture_id) {
            Some((_, other)) => *other = anchor.clone(),
            None => self.waiting.push_back((name.to_owned(), anchor.clone())),
        }
        if self.waiting.len() > MOST {
            self.waiting.pop_front();
            self.given_up = self.given_up.saturating_add(1);
        }
    }

    /// One was tried. Gives what is to be said when it is the first that failed since one did not.
    fn tried(&mut self, anchor: &Anchor, done: Result<(), Failure>) -> Option<(String, String)> {
        match done {
            Ok(()) => {
                self.waiting.retain(|(_, other)| other != anchor);
                self.handed = self.handed.saturating_add(1);
                (self.again, self.pause) = (None, PAUSE);
                (self.in_row, self.why) = (0, None);
                None
            }
            Err(failure) => {
                // Perhaps it is this one alone that is not taken.
                let is_first = (self.waiting.front())
                    .is_some_and(|(_, other)| other.capture_id == anchor.capture_id);
                if is_first {
                    self.waiting.rotate_left(1);
                }
                let pause = self.pause.clamp(PAUSE, LONGEST_PAUSE);
                self.again = Some(Instant::now() + pause);
                self.pause = (pause * 2).min(LONGEST_PAUSE);
                self.failed = self.failed.saturating_add(1);
                self.in_row = self.in_row.saturating_add(1);
                let said = (failure.what.clone(), failure.remedy.clone());
                self.why = Some(failure);
                (self.in_row == 1).then_some(said)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use afterimage_format::Digest;

    fn anchor(capture: usize, blocks: u64) -> Anchor {
        Anchor {
            capture_id: capture.to_string(),
            blocks,
            bytes: 0,
            digest: Digest([0; 32]),
            sealed: false,
            signer: None,
            real_ns: 0,
        }
    }

    fn blocks(queue: &Queue) -> Vec<(String, u64)> {
        let all = queue.waiting.iter();
        all.map(|(_, anchor)| (anchor.capture_id.clone(), anchor.blocks))
            .collect()
    }

    #[test]
    fn of_each_capture_the_newest_waits_and_no_more_of_them_than_there_may_be() {
        let mut queue = Queue::default();
        for (capture, at) in [(1, 1), (2, 1), (1, 2)] {
            queue.put(Path::new("a.aft"), &anchor(capture, at));
        }
        assert_eq!(blocks(&queue), [("1".to_owned(), 2), ("2".to_owned(), 1)]);
        // What was handed over while a newer one came does not stand for that one.
        assert!(queue.tried(&anchor(1, 1), Ok(())).is_none());
        assert_eq!(queue.waiting.len(), 2);
        assert!(queue.tried(&anchor(1, 2), Ok(())).is_none());
        assert_eq!(blocks(&queue), [("2".to_owned(), 1)]);
        for capture in 3..3 + MOST {
            queue.put(Path::new("a.aft"), &anchor(capture, 1));
        }
        assert_eq!((queue.waiting.len(), queue.given_up), (MOST, 1));
        assert_eq!(queue.waiting[0].1.capture_id, "3");
    }

    #[test]
    fn pauses_grow_to_a_bound_and_a_failure_is_said_once_until_one_is_taken() {
        let mut queue = Queue::default();
        queue.put(Path::new("a.aft"), &anchor(1, 1));
        queue.put(Path::new("b.aft"), &anchor(2, 1));
        let fail = |queue: &mut Queue| {
            let next = queue.waiting[0].1.clone();
            let said = queue.tried(&next, Err(Failure::new("nobody there", "look")));
            (said.is_some(), queue.pause.as_secs())
        };
        let told: Vec<_> = (0..8).map(|_| fail(&mut queue)).collect();
        let pauses: Vec<u64> = told.iter().map(|(_, pause)| *pause).collect();
        assert_eq!(pauses, [2, 4, 8, 16, 32, 60, 60, 60]);
        assert!(told[0].0 && told[1..].iter().all(|(said, _)| !said));
        assert!(queue.again.is_some_and(|at| at > Instant::now()));
        // One that is refused for itself does not keep the others from being tried.
        fail(&mut queue);
        assert_eq!(queue.waiting[0].1.capture_id, "2");
        assert!(queue.tried(&anchor(2, 1), Ok(())).is_none());
        assert!(queue.again.is_none() && queue.why.is_none());
        assert_eq!((queue.handed, queue.failed), (1, 9));
        assert_eq!(fail(&mut queue), (true, 2));
    }
}
