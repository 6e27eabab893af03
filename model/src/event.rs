//! One thing the kernel did for one thread.

use crate::args::Abi;
use crate::entity::{FileId, ProcId};
use crate::time::BootNs;
use smallvec::SmallVec;

/// Which row of the capture's [`Schema`](crate::Schema) describes an event: an index into `Schema::types`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(pub u16);

/// Bytes as captured, with the length they had before any cut.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Blob {
    /// What was kept.
    pub bytes: Vec<u8>,
    /// How long it was: at least `bytes.len()`; more when it was cut.
    pub full_len: u64,
}

impl Blob {
    /// A blob that was kept whole.
    pub fn whole(bytes: impl Into<Vec<u8>>) -> Blob {
        let bytes = bytes.into();
        Blob {
            full_len: bytes.len() as u64,
            bytes,
        }
    }

    /// Whether something was cut off.
    pub fn is_cut(&self) -> bool {
        self.full_len > self.bytes.len() as u64
    }
}

/// The value of one argument. What it means is said by the argument's kind in the schema.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Value {
    /// Not captured: a null pointer, unreadable memory, or not applicable.
    #[default]
    Absent,
    /// Any integer; unsigned 64-bit values keep their bit pattern.
    Num(i64),
    /// Text, paths, payload, socket addresses, NUL-separated lists.
    Bytes(Blob),
}

/// Marks on an event. The bits are part of the file format and never change meaning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct EventFlags(pub u16);

impl EventFlags {
    /// The event has no result (it was recorded at entry, or is not a call).
    pub const NO_RESULT: u16 = 1 << 0;
    /// The path or address the program passed is not the one the kernel acted on: what was passed is the argument, the truth is the
    /// file.
    pub const CLAIM_DIFFERS: u16 = 1 << 1;
    /// Part of the event (a string, a payload) was cut; the blobs say which and how long it was.
    pub const CUT: u16 = 1 << 2;
    /// The event's process was not seen starting and could not be read: only its pid is sure.
    pub const PROCESS_UNKNOWN: u16 = 1 << 3;
    /// Not seen by the kernel programs but read from /proc at the start.
    pub const SNAPSHOT: u16 = 1 << 4;
    /// Told by a container runtime, or read from control groups, and not seen by the kernel programs: it has no process
    /// and no CPU, and its instant is the teller's.
    pub const TOLD: u16 = 1 << 5;
    /// Had not ended when the recording did: a call a thread was still in, an operation that had not completed.
    pub const IN_FLIGHT: u16 = 1 << 6;
    /// Kept by the program that recorded for its own books only: it is numbered, and shown when asked for.
    pub const INTERNAL: u16 = 1 << 7;

    /// Whether all bits of `mask` are set.
    pub fn has(self, mask: u16) -> bool {
        self.0 & mask == mask
    }

    /// Sets the bits of `mask`.
    pub fn set(&mut self, mask: u16) {
        self.0 |= mask;
    }
}

/// One event, decoded and enriched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When: for a call, the instant it returned.
    pub time: BootNs,
    /// The CPU it was recorded on; [`Event::NO_CPU`] for what no CPU recorded.
    pub cpu: u16,
    /// Its number among the events offered on that CPU, from 0; a jump is a loss. Events that may interrupt others, of
    /// signals that are sent and of TCP, are numbered apart, all CPUs together, as they were taken: losses are in gaps alone.
    pub seq: u64,
    /// What it is: a row of the schema.
    pub ty: TypeId,
    /// The call convention it came through.
    pub abi: Abi,
    /// Marks.
    pub flags: EventFlags,
    /// The thread, as the host numbers it.
    pub tid: u32,
    /// The process as it was at that instant.
    pub proc: ProcId,
    /// The file or socket it touched, by the kernel's own object.
    pub file: Option<FileId>,
    /// The call's result: a count, a descriptor, or a negated errno. 0 with [`EventFlags::NO_RESULT`].
    pub result: i64,
    /// How long the call took from where it first gave up the CPU to its return, ns; 0 for a call that never did, and where
    /// that was not recorded.
    pub latency_ns: u64,
    /// Arguments in the order of the schema's row.
    pub args: SmallVec<[Value; 6]>,
}

impl Event {
    /// Stands for the CPU of events that the kernel programs did not see; their numbers count by themselves.
    pub const NO_CPU: u16 = u16::MAX;

    /// An event of which nothing is known but its type, for what asks of events before there is one, or of rows without one.
    pub fn of_type(ty: TypeId) -> Event {
        Event {
            time: BootNs::default(),
            cpu: 0,
            seq: 0,
            ty,
            abi: Abi::default(),
            flags: EventFlags::default(),
            tid: 0,
            proc: ProcId::default(),
            file: None,
            result: 0,
            latency_ns: 0,
            args: SmallVec::new(),
        }
    }

    /// The errno of a failed call.
    pub fn errno(&self) -> Option<u32> {
        errno_of(self.result).filter(|_| !self.flags.has(EventFlags::NO_RESULT))
    }
}

/// The errno that a result is: those from -4095 to -1 are errors (Linux `IS_ERR_VALUE`).
pub fn errno_of(result: i64) -> Option<u32> {
    (-4095..0)
        .contains(&result)
        .then(|| result.unsigned_abs() as u32)
}
