//! What a capture says of itself: who made it, where, how, of what, and what it does not see.

use std::collections::BTreeMap;

/// The same instant on three clocks, ns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockPair {
    /// `CLOCK_BOOTTIME`.
    pub boot_ns: u64,
    /// `CLOCK_MONOTONIC`.
    pub mono_ns: u64,
    /// `CLOCK_REALTIME`, since 1970.
    pub real_ns: i64,
}

/// The header of a capture. Text fields are empty where not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// Random, 16 bytes, hex: names this capture.
    pub capture_id: String,
    /// `afterimage 0.1.0`.
    pub tool: String,
    /// BLAKE3 of the recording program's own file, hex.
    pub tool_hash: String,
    /// `uname -n`.
    pub host: String,
    /// `uname -r -v`.
    pub kernel: String,
    /// `uname -m`.
    pub machine: String,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
    /// Number of CPUs that could record.
    pub cpus: u32,
    /// Clocks when the recording began.
    pub clock: ClockPair,
    /// Time zone of the host, as `+0200`.
    pub time_zone: String,
    /// The scope as the user gave it.
    pub scope: String,
    /// The filter as the user gave it.
    pub filter: String,
    /// What loaded and what is seen, one sentence each.
    pub coverage: Vec<String>,
    /// What is not seen, one sentence each.
    pub not_covered: Vec<String>,
    /// Limits in force, name to value: snaplen, ring bytes …
    pub limits: BTreeMap<String, String>,
    /// What started the recording.
    pub trigger: String,
    /// Why, as the operator said.
    pub reason: String,
    /// Who.
    pub operator: String,
    /// Case id.
    pub case_id: String,
    /// The command line of the recorder.
    pub command: Vec<String>,
    /// A hash of the host's machine id, hex: the same for all captures of one installation, and no clue to the id itself.
    pub machine_id: String,
    /// Whether the wall clock was set by another clock when the recording began, and how far it may be off.
    pub clock_sync: String,
}

impl Manifest {
    /// Wall-clock ns since 1970 of an instant on the boot clock, by the clock pair of the start.
    pub fn wall_ns(&self, boot_ns: u64) -> i64 {
        let since_start = i128::from(boot_ns) - i128::from(self.clock.boot_ns);
        (i128::from(self.clock.real_ns) + since_start)
            .clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
    }
}

/// The books: what was offered by the kernel programs and what became of it.
/// `offered = written + dropped + filtered + unsealed` holds exactly after every recording. A file holds
/// `written + told + sampled` events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Records the kernel programs tried to hand over.
    pub offered: u64,
    /// Events of the kernel programs written to the file.
    pub written: u64,
    /// Events lost in the ring, all counted in gaps.
    pub dropped: u64,
    /// Events handed over but not written: filtered out by the scope or a filter in user space.
    pub filtered: u64,
    /// Events handed over but neither written nor filtered when the recording ended.
    pub unsealed: u64,
    /// Events of the recorder itself that were spared in the kernel.
    pub spared_self: u64,
    /// Events out of scope that were spared in the kernel.
    pub spared_scope: u64,
    /// Events that container runtimes told and that were written: nothing the kernel programs offered.
    pub told: u64,
    /// Samples of what containers used that were written; as `told`.
    pub sampled: u64,
}
