//! What is recorded, how, and until when.

use crate::artifacts::Keep;
use crate::runtime::{self, Endpoint};
use crate::user::User;
use afterimage_query::Filter;
use std::path::PathBuf;
use std::time::Duration;

/// What is recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Every container, also those that come later.
    #[default]
    AllContainers,
    /// Everything on the host.
    Host,
    /// Containers by name, id or id prefix, also those that come later.
    Containers(Vec<String>),
    /// Containers that a filter on `container.*` and `k8s.*` matches, also those that come later: text in the filter language.
    Matching(String),
    /// A control group by its folder or its path from the mount point, as one container.
    Cgroup(PathBuf),
    /// Processes and all their descendants.
    PidTree(Vec<u32>),
}

/// When a recording ends by itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// After this long.
    pub duration: Option<Duration>,
    /// When the file has this many bytes.
    pub bytes: Option<u64>,
    /// After this many events.
    pub events: Option<u64>,
}

/// How to record.
#[derive(Clone, Debug)]
pub struct Options {
    /// What.
    pub scope: Scope,
    /// Only events that match.
    pub filter: Option<Filter>,
    /// The filter as the user gave it.
    pub filter_text: String,
    /// Bytes kept of a payload, at most 4096.
    pub snaplen: u32,
    /// Bytes of each CPU's ring; rounded up to a power of two of 64 KiB segments.
    pub ring_bytes: usize,
    /// When to end.
    pub limits: Limits,
    /// Whether calls that wait are timed.
    pub latency: bool,
    /// Instants are whole multiples of this, ns.
    pub clock_unit_ns: u64,
    /// How often it is looked at what containers use; `None` for never.
    pub usage_interval: Option<Duration>,
    /// Container runtimes to ask and to listen to.
    pub runtimes: Vec<Endpoint>,
    /// Files to keep with the capture.
    pub keep: Keep,
    /// Whether the process gives up what it no longer needs once the programs are attached ([`crate::confine`]). It can start
    /// no processes then.
    pub confine: bool,
    /// Who it goes on as when it is confined; `None` for who started it.
    pub user: Option<User>,
    /// Who records.
    pub operator: String,
    /// Why.
    pub reason: String,
    /// Case id.
    pub case_id: String,
    /// The command line.
    pub command: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            scope: Scope::default(),
            filter: None,
            filter_text: String::new(),
            snaplen: 256,
            ring_bytes: 16 << 20,
            limits: Limits::default(),
            latency: true,
            clock_unit_ns: 1,
            usage_interval: None,
            runtimes: runtime::endpoints(),
            keep: Keep::default(),
            confine: false,
            user: None,
            operator: String::new(),
            reason: String::new(),
            case_id: String::new(),
            command: Vec::new(),
        }
    }
}

/// Why [`Recorder::run`] came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The stop flag was set.
    Asked,
    /// The duration was over.
    Duration,
    /// The file had grown to its limit.
    Bytes,
    /// The events had reached their limit.
    Events,
    /// The disk was full.
    Full,
}

/// How far a recording has got.
#[derive(Clone, Copy, Debug, Default)]
pub struct Status {
    /// Events written.
    pub written: u64,
    /// Events dropped so far.
    pub dropped: u64,
    /// Bytes of the file.
    pub bytes: u64,
}
