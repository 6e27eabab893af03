//! The capture file `.aft`.
//!
//! [`Writer`] turns events into blocks over any `Write`; [`Reader`] opens a file, finds its blocks and decodes one [`Chunk`]
//! at a time; [`verify()`] checks checksums and the hash chain and gives one of three verdicts; [`recover()`] copies what a
//! torn file still holds into a new one. `docs/format.md` is the normative description of the bytes.
//!
//! Invariants: a reader never writes, never panics on any bytes, and allocates nothing before the length has been compared
//! with a limit and with the bytes that are there. Whatever cannot be read becomes a gap. The lower half (blocks, columns,
//! records) knows bytes, columns, time and loss; it does not know what a system call is.
//!
//! ```
//! use afterimage_format::{Reader, Writer, WriterOptions};
//! use afterimage_model::{Manifest, Schema, Tables, Totals};
//!
//! let manifest = Manifest { host: "web-1".into(), ..Manifest::default() };
//! let writer = Writer::new(Vec::new(), &manifest, Schema::current(), WriterOptions::default())?;
//! let file = writer.seal(&Totals::default(), &Tables::default())?;
//! let reader = Reader::from_bytes(file)?;
//! assert_eq!(reader.manifest().host, "web-1");
//! assert!(reader.gaps().is_empty());
//! # Ok::<(), afterimage_format::Error>(())
//! ```
#![forbid(unsafe_code)]

pub mod age;
mod anchor;
mod args_read;
mod args_write;
mod batch;
mod block;
mod chunk_lists;
mod chunk_read;
mod chunk_rows;
mod chunk_write;
mod cipher;
mod codec;
mod columns;
pub mod custody;
mod deal;
pub mod derive;
mod dictionary;
pub mod error;
mod fit;
mod heads;
mod keyframe;
pub mod keys;
mod lanes;
pub mod layout;
mod lists;
mod order;
mod output;
mod pick;
mod pieces;
mod places;
mod read;
mod records;
mod recover;
mod remap;
mod scan;
mod source;
mod staged;
pub mod store;
mod strings;
mod survey;
mod tables;
pub mod twin;
mod unlock;
mod verify;
mod wire;
mod write;

pub use age::{Identities, Recipient};
pub use anchor::{Anchor, MAX_ANCHOR_FILE};
pub use batch::{Arg, Batch, Row, is_payload};
pub use chunk_read::{ColumnInfo, Zone};
pub use chunk_write::{Press, Pressed};
pub use columns::{Columns, Values};
pub use custody::Deed;
pub use error::{Digest, Error, ErrorKind, Place};
pub use heads::{Args, Heads, Held, Results};
pub use keyframe::{KEYFRAME_EVERY, Keyframe, Pace, Section};
pub use keys::{Card, PublicKey, SecretKey};
pub use pick::{Choose, Picked};
pub use pieces::Pieces;
pub use read::{Chunk, ChunkInfo, Reader, Seal};
pub use records::{
    Artifact, Checkpoint, Lineage, Name, Note, Parent, pack_rows, records, unpack_rows,
};
pub use recover::{Recovered, recover};
pub use source::whole_block;
pub use staged::Staged;
pub use verify::{
    Checks, CustodyEntry, Report, Signing, Verdict, check, check_bytes, check_stream, verify,
    verify_bytes,
};
pub use wire::FieldRow;
pub use write::{Writer, WriterOptions};
