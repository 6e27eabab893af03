//! The blocks that are neither chunks nor schema: header, gap, note, artifact, checkpoint, footer, and the zone map in front of a chunk.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use crate::error::ErrorKind;
use crate::wire::{Cursor, Field, Record, record, repeated};
use afterimage_model::{BootNs, Gap, GapCause, Manifest, Totals};

record! { Manifest, Manifest::default();
    1 capture_id "Random, names this capture.";
    2 tool "Program and version that recorded.";
    3 tool_hash "BLAKE3 of that program's file, hex.";
    4 host "Host name.";
    5 kernel "Kernel release and version.";
    6 machine "Machine, as uname prints it.";
    7 boot_id "Boot id of the kernel.";
    8 cpus "CPUs that could record.";
    9 clock.boot_ns "CLOCK_BOOTTIME at the start.";
    10 clock.mono_ns "CLOCK_MONOTONIC at the same instant.";
    11 clock.real_ns "CLOCK_REALTIME at the same instant, ns since 1970.";
    12 time_zone "Time zone of the host, as +0200.";
    13 scope "The scope as given.";
    14 filter "The filter as given.";
    15 coverage "What is seen, one sentence each.";
    16 not_covered "What is not seen, one sentence each.";
    17 limits "Limits in force.";
    18 trigger "What started the recording.";
    19 reason "Why.";
    20 operator "Who.";
    21 case_id "Case id.";
    22 command "Command line of the recorder.";
    23 machine_id "A hash of the host's machine id, hex: the same for captures of one installation.";
    24 clock_sync "Whether CLOCK_REALTIME was set by another clock, and how far it may be off.";
}

/// Where a derived capture comes from; fields of the header beside the manifest's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lineage {
    /// BLAKE3 of the whole file it was made from; empty for an original.
    pub parent: Vec<u8>,
    /// What was done to it, such as `recover`.
    pub derived_by: String,
    /// The key that signed the first checkpoint; empty when the capture is not signed. Writers fill it in.
    pub signer: Vec<u8>,
    /// Every file it was made from, with more about each.
    pub parents: Vec<Parent>,
    /// Whom it is encrypted to, as age writes them; empty when it is not encrypted. Writers fill it in.
    pub recipients: Vec<String>,
    /// An age file with the key it is encrypted with. Writers fill it in.
    pub key: Vec<u8>,
}

record! { Lineage, Lineage::default();
    64 parent "BLAKE3 of the whole file this one was derived from; of the first, where there are several.";
    65 derived_by "How it was derived.";
    66 signer "Ed25519 public key that signs the first checkpoint; not there when the capture is not signed.";
    67 parents "Every file it was derived from.";
    68 recipients "Whom it is encrypted to, as age writes them.";
    69 key "An age file with the 32 bytes of the key it is encrypted with; not there when it is not encrypted.";
}

/// A file that a capture was made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parent {
    /// BLAKE3 of the whole file.
    pub hash: Vec<u8>,
    /// Its capture id.
    pub capture_id: String,
    /// Its digest: the hash chain value of its last block that is no custody entry.
    pub digest: Vec<u8>,
    /// What it was called.
    pub name: String,
    /// What was found when it was checked before it was read.
    pub verdict: String,
    /// The key that signed it; empty when none did.
    pub signer: Vec<u8>,
}

record! { Parent, Parent::default();
    1 hash "BLAKE3 of the whole file.";
    2 capture_id "Its capture id.";
    3 digest "Its digest: the chain value of its footer, or of its last block where it has none.";
    4 name "Its file name.";
    5 verdict "What was found when it was verified, before it was read.";
    6 signer "Its signer; not there when it is not signed.";
}

repeated!(Parent);

record! { Gap, Gap { cause: GapCause::Other, start: BootNs(0), end: BootNs(0), cpu: None, count: None, first_seq: None, detail: String::new() };
    1 cause "Why.";
    2 start "Last whole instant before the loss.";
    3 end "First whole instant after the loss.";
    4 cpu "The CPU; not there for all.";
    5 count "Events missing; not there when not known.";
    6 first_seq "Number on its CPU of the first missing event, where those behind it are all that is missing. Else the numbers of the events around and between say which are.";
    7 detail "Anything else.";
}

/// Decodes a gap; the number of a cause this version does not know is kept in the detail.
pub(crate) fn decode_gap(bytes: &[u8]) -> Result<Gap, ErrorKind> {
    let mut gap = Gap::decode(bytes)?;
    let mut cursor = Cursor::new(bytes);
    while let Some((tag, value)) = cursor.field()? {
        let mut number = 0_u64;
        if tag == 1 {
            number.take(value)?;
            if gap.cause == GapCause::Other && number != GapCause::Other as u64 {
                let space = if gap.detail.is_empty() { "" } else { " " };
                gap.detail = format!("cause {number}{space}{}", gap.detail);
            }
        }
    }
    Ok(gap)
}

/// A remark kept with a capture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Note {
    /// When it was made, ns since 1970; 0 when not known.
    pub made_ns: i64,
    /// The instant it is about, ns since boot; `None` when it is about the whole.
    pub about: Option<BootNs>,
    /// Who made it.
    pub author: String,
    /// The remark.
    pub text: String,
    /// What was done with the capture; empty when the note is a remark and no entry of the custody log.
    pub action: String,
    /// Program that did it.
    pub tool: String,
    /// Host on which it was done.
    pub host: String,
    /// BLAKE3 of the file that was made, where one was.
    pub subject: Vec<u8>,
    /// Hash chain value of the block before this one.
    pub previous: Vec<u8>,
    /// The key that signed it; empty when none did.
    pub signer: Vec<u8>,
    /// Signature over everything before it.
    pub signature: Vec<u8>,
}

record! { Note, Note::default();
    1 made_ns "When it was made, ns since 1970.";
    2 about "The instant it is about, ns since boot.";
    3 author "Who made it.";
    4 text "The remark.";
    5 action "What was done with the capture; not there in a mere remark.";
    6 tool "Program and version that did it.";
    7 host "Host name.";
    8 subject "BLAKE3 of the file that was made.";
    9 previous "Hash chain value of the block before this one.";
    10 signer "Ed25519 public key that signed it.";
    63 signature "Ed25519 signature of purpose custody.";
}

/// A file kept with a capture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Artifact {
    /// Name or path it had.
    pub name: Vec<u8>,
    /// Media type.
    pub media_type: String,
    /// BLAKE3 of its bytes; the writer fills it in, the reader checks it.
    pub hash: Vec<u8>,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// SHA-256 of its bytes, by which process rows name it; empty when not known.
    pub sha256: Vec<u8>,
    /// Whole id of the container that it is about; empty for none.
    pub container: String,
}

record! { Artifact, Artifact::default();
    1 name "Name or path it had.";
    2 media_type "Media type.";
    3 hash "BLAKE3 of its bytes.";
    4 bytes "Its bytes.";
    5 sha256 "SHA-256 of its bytes, the exe_sha256 of processes that executed it.";
    6 container "Whole id of the container that it is about.";
}

/// How far a capture had come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// When, ns since boot.
    pub at: BootNs,
    /// Blocks before this one.
    pub blocks: u64,
    /// Events in the chunks before this one.
    pub events: u64,
    /// Hash chain value of the block before this one.
    pub chain: Vec<u8>,
    /// Signed checkpoints before this one.
    pub number: u64,
    /// `CLOCK_MONOTONIC` at the same instant as `at`.
    pub mono_ns: u64,
    /// `CLOCK_REALTIME` at the same instant as `at`, since 1970.
    pub real_ns: i64,
    /// The key that signs the next checkpoint, or the seal; empty when not signed.
    pub next: Vec<u8>,
    /// Signature over everything before it; empty when not signed.
    pub signature: Vec<u8>,
}

record! { Checkpoint, Checkpoint::default();
    1 at "When, ns since boot.";
    2 blocks "Blocks before this one.";
    3 events "Events in the chunks before this one.";
    4 chain "Hash chain value of the block before this one.";
    5 number "Signed checkpoints before this one.";
    6 mono_ns "CLOCK_MONOTONIC at the same instant.";
    7 real_ns "CLOCK_REALTIME at the same instant, ns since 1970.";
    8 next "Ed25519 public key that signs the next checkpoint or the footer.";
    63 signature "Ed25519 signature of purpose checkpoint.";
}

/// The body of a footer block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Footer {
    pub totals: Totals,
    pub blocks: u64,
    pub chunks: u64,
    pub events: u64,
    pub gaps: u64,
    pub index: u64,
    pub chain: Vec<u8>,
    pub at: u64,
    pub real_ns: i64,
    pub ended: String,
    pub signature: Vec<u8>,
}

record! { Footer, Footer::default();
    1 totals.offered "Records the kernel programs tried to hand over, less those that continue another, and calls found in flight.";
    2 totals.written "Events written.";
    3 totals.dropped "Events lost in the ring.";
    4 totals.filtered "Events filtered out in user space.";
    5 totals.unsealed "Events handed over and left when recording ended.";
    6 totals.spared_self "Events of the recorder itself, spared in the kernel.";
    7 totals.spared_scope "Events out of scope, spared in the kernel.";
    8 totals.told "Events written that container runtimes told, beside those offered.";
    9 totals.sampled "Samples of use written, beside those offered.";
    16 blocks "Blocks before the footer.";
    17 chunks "Chunks.";
    18 events "Events in all chunks.";
    19 gaps "Gap blocks.";
    20 index "Byte at which the index block starts.";
    21 chain "Hash chain value of the block before the footer.";
    22 at "When the file was sealed, ns since boot.";
    23 real_ns "CLOCK_REALTIME at the same instant, ns since 1970.";
    24 ended "Why the recording ended.";
    63 signature "Ed25519 signature of purpose seal.";
}

/// The zone map as it travels; [`crate::Zone`] is the checked form.
#[derive(Clone, Debug, Default)]
pub(crate) struct ZoneRecord {
    pub events: u64,
    pub first_num: u64,
    pub start: BootNs,
    pub end: BootNs,
    pub failed: u64,
    pub types: Vec<u8>,
    pub procs: Vec<u8>,
    pub containers: Vec<u8>,
    pub piece_hashes: u64,
    pub piece_bits: Vec<u8>,
}

record! { ZoneRecord, ZoneRecord::default();
    1 events "Events in the chunk.";
    2 first_num "Number of its first event in the capture, from 1.";
    3 start "Earliest instant, ns since boot.";
    4 end "Latest instant, ns since boot.";
    5 failed "Events whose result is an error.";
    6 types "Types used: per type a varint step from the one before and a varint count.";
    7 procs "Process rows used by events: varint steps.";
    8 containers "Containers of those processes, 0 for none else 1 + row: varint steps.";
    9 piece_hashes "Of the filter of texts (7.7): bits set for each piece.";
    10 piece_bits "Of the filter of texts (7.7): its bits, bit 0 the lowest of the first byte.";
}
