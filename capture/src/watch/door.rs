//! What a watcher is asked and told, what it says of itself, and where the files go that it makes.

use super::quota::Room;
use crate::trigger::{Alert, Heard, Trigger};
use crate::window::{Bounds, Held, TrailHeld};
use afterimage_format::{Writer, WriterOptions};
use afterimage_model::{Container, Manifest};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

/// What is watched for, and what becomes of it.
pub struct Options {
    /// How much of the past is kept.
    pub bounds: Bounds,
    /// How long is recorded after a trigger.
    pub after: Duration,
    /// How long after its first trigger an incident ends at the latest, however many follow.
    pub most: Duration,
    /// Incidents at a time; further ones are refused, and counted.
    pub concurrent: usize,
    /// What starts one.
    pub triggers: Vec<Trigger>,
}

/// An incident as it begins.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Name of the trigger.
    pub trigger: String,
    /// The container it is about, where it is about one.
    pub container: Option<Arc<Container>>,
    /// When it fired, ns since 1970.
    pub wall_ns: i64,
}

/// A file that is made.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// Where it is.
    pub path: PathBuf,
    /// Name of the trigger.
    pub trigger: String,
    /// Name or id of the container it is about; empty when it is about none.
    pub container: String,
    /// Events in it.
    pub events: u64,
    /// Events known to be missing from it.
    pub missing: u64,
    /// Its first instant, ns since 1970.
    pub from_ns: i64,
    /// When the trigger fired, ns since 1970.
    pub fired_ns: i64,
    /// Its end, ns since 1970.
    pub until_ns: i64,
}

/// A further segment of the window: where it is, and its writer; or why there is none.
pub type Segment<W> = Result<(PathBuf, Writer<W>), String>;

/// Where the files of incidents go.
pub trait Store: Send {
    /// What a file is written to.
    type Out: Write + Send;

    /// Opens a file for an incident.
    ///
    /// # Errors
    /// A sentence, when none may be made: by a quota, for lack of room, or because it failed.
    fn open(
        &mut self,
        opening: &Opening,
        manifest: &Manifest,
        options: WriterOptions,
    ) -> Result<(PathBuf, Writer<Self::Out>), String>;

    /// What the quotas leave for files that are open and have so many bytes together: asked before a file begins, and each
    /// second while one is open.
    ///
    /// # Errors
    /// A sentence, when nothing is left.
    fn room(&mut self, _open: u64) -> Result<Room, String> {
        Ok(Room::default())
    }

    /// Takes back what a sealed file was written to, and makes it durable.
    ///
    /// # Errors
    /// When that fails: the file is then not called durable.
    fn sealed(&mut self, out: Self::Out, sealed: &Sealed) -> std::io::Result<()>;

    /// What is left of each quota, by its key in the configuration.
    fn left(&mut self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }

    /// Opens a further segment of what the window has, kept where a crash of the recorder leaves it; `None` when none is wanted.
    fn segment(
        &mut self,
        _manifest: &Manifest,
        _options: WriterOptions,
    ) -> Option<Segment<Self::Out>> {
        None
    }

    /// A segment is no longer needed.
    fn forget(&mut self, _segment: &Path) {}

    /// Something went on that the operator should know.
    fn say(&mut self, what: &str);
}

/// What the watcher is asked from outside.
pub enum Command {
    /// To make a file now.
    Fire {
        /// Which trigger it counts as: `command` or `signal`.
        trigger: &'static str,
        /// The container, by name, id or the beginning of its id; everything that is watched when `None`.
        container: Option<String>,
        /// Why, as it was said.
        reason: String,
        /// Gets the file when it is sealed, or why there is none.
        reply: Sender<Result<Sealed, String>>,
    },
    /// What other programs raised.
    Alerts {
        /// The kind of trigger they come in by: `stdin` or `webhook`.
        kind: &'static str,
        /// They.
        alerts: Vec<Alert>,
        /// Is told what became of them.
        reply: Box<dyn FnOnce(Heard) + Send>,
    },
    /// To go on with other triggers, other times and another window; how often triggers of the same name have fired, and what
    /// the window has, stays.
    Reload(Box<Options>, Sender<()>),
    /// How it stands.
    Status(Box<dyn FnOnce(Status) + Send>),
}

/// How a watcher stands.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Since when it watches, ns since 1970.
    pub since_ns: i64,
    /// The window.
    pub held: Held,
    /// Its trails, the largest first.
    pub trails: Vec<TrailHeld>,
    /// Bytes it may have now: what the rest of the process leaves.
    pub bound: usize,
    /// Bytes of memory that the process has of its own, the window among them: neither files nor rings.
    pub memory: u64,
    /// Bytes of memory that it is to have of its own at the most.
    pub memory_bound: u64,
    /// Bytes of memory that the whole process has: the window, the rings, and what is known of processes and files; 0 where
    /// the kernel does not say.
    pub resident: u64,
    /// Events taken in.
    pub events: u64,
    /// Events a second, over the last ten.
    pub rate: f64,
    /// Events known to be lost.
    pub lost: u64,
    /// Name, kind, and how often it fired, of each trigger.
    pub triggers: Vec<(String, &'static str, u64)>,
    /// Files that are being made: path, and until when.
    pub open: Vec<(PathBuf, i64)>,
    /// Files that were made.
    pub sealed: u64,
    /// Incidents that were refused.
    pub refused: u64,
    /// When the last events came, ns since 1970; 0 when none did.
    pub last_ns: i64,
    /// When the recorder last looked, ns since 1970.
    pub heartbeat_ns: i64,
    /// What is left of each quota, by its key in the configuration.
    pub left: Vec<(&'static str, u64)>,
    /// Incidents that may be open besides those that are.
    pub concurrent_left: usize,
}
