//! The vocabulary of Afterimage.
//!
//! Everything else in the workspace speaks in these words: an [`Event`] is one thing the kernel did for one thread; it
//! points by id at rows of [`Tables`] (a [`Process`], a [`Container`], a [`File`]); a [`Gap`] is what is known to be
//! missing. The tables [`SYSCALLS`], [`HAPPENINGS`] and [`FLAG_SETS`] say what events look like, [`FIELDS`] says what
//! can be asked of them. A [`Schema`] is those tables as data, the way they travel inside a capture file.
//!
//! Invariants: no I/O, no unsafe code, no dependency on another crate of the workspace. Captured bytes become
//! printable only through [`Safe`].
//!
//! ```
//! use afterimage_model::{Safe, SYSCALLS};
//! let openat = SYSCALLS.iter().find(|s| s.name == "openat").unwrap();
//! assert_eq!(openat.args[1].name, "path");
//! assert_eq!(Safe::new(b"a\x1b[2Jb").to_string(), "a\\x1b[2Jb");
//! ```
#![forbid(unsafe_code)]

pub mod args;
pub mod capability;
mod decimal;
pub mod docs;
pub mod entity;
pub mod errno;
pub mod event;
pub mod fields;
pub mod flags;
pub mod gap;
pub mod manifest;
pub mod pieces;
pub mod render;
pub mod schema;
pub mod services;
pub mod signal;
pub mod structs;
pub mod syscalls;
pub mod terminal;
pub mod text;
pub mod time;

pub use args::{Abi, ArgKind, ArgSpec, Class};
pub use decimal::Decimal;
pub use entity::{
    Container, ContainerId, ContainerLimits, Descriptor, File, FileId, FileKind, Flow, Group,
    Mount, Origin, ProcId, ProcKey, Process, Protocol, Role, Tables, User,
};
pub use event::{Blob, Event, EventFlags, TypeId, Value};
pub use fields::{
    Ctx, Dependency, FIELDS, Field, FieldArg, FieldType, FieldValue, Kept, Looks, recorded,
};
pub use flags::{FLAG_SETS, FlagSet};
pub use gap::{Gap, GapCause, Loss};
pub use manifest::{ClockPair, Manifest, Totals};
pub use schema::{
    ArgDesc, CaseDesc, ChoiceDesc, FlagDesc, FlagSetDesc, Schema, StructDesc, StructFieldDesc,
    TypeDesc,
};
pub use structs::{CHOICES, STRUCTS};
pub use syscalls::{HAPPENINGS, SYSCALLS, Syscall};
pub use text::Safe;
pub use time::BootNs;
