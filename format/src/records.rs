//! The records of the format: the fields of every row, and of every block that is not a chunk, each declared once.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

mod blocks;
mod rows;
mod schema;

pub use self::blocks::{Artifact, Checkpoint, Lineage, Note, Parent};
pub(crate) use self::blocks::{Footer, ZoneRecord, decode_gap};
pub(crate) use self::rows::{each_row, take_rows};
pub use self::rows::{pack_rows, unpack_rows};
pub use self::schema::Name;
pub(crate) use self::schema::{Names, names};

use crate::wire::{FieldRow, Record};
use afterimage_model::{
    ArgDesc, CaseDesc, ChoiceDesc, Container, Descriptor, File, FlagDesc, FlagSetDesc, Flow, Gap,
    Group, Manifest, Mount, Process, Schema, StructDesc, StructFieldDesc, TypeDesc, User,
};

/// Every record by name, for the schema block and the documents.
pub fn records() -> Vec<(&'static str, Vec<FieldRow>)> {
    let mut schema = [Schema::rows(), Names::rows()].concat();
    schema.sort_by_key(|row| row.tag);
    vec![
        ("header", [Manifest::rows(), Lineage::rows()].concat()),
        ("parent", Parent::rows()),
        ("schema", schema),
        ("type", TypeDesc::rows()),
        ("arg", ArgDesc::rows()),
        ("flag-set", FlagSetDesc::rows()),
        ("flag", FlagDesc::rows()),
        ("struct", StructDesc::rows()),
        ("struct-field", StructFieldDesc::rows()),
        ("choice", ChoiceDesc::rows()),
        ("case", CaseDesc::rows()),
        ("name", Name::rows()),
        ("process", Process::rows()),
        ("container", Container::rows()),
        ("file", File::rows()),
        ("flow", Flow::rows()),
        ("user", User::rows()),
        ("group", Group::rows()),
        ("zone", ZoneRecord::rows()),
        ("descriptor", Descriptor::rows()),
        ("mount", Mount::rows()),
        ("gap", Gap::rows()),
        ("note", Note::rows()),
        ("artifact", Artifact::rows()),
        ("checkpoint", Checkpoint::rows()),
        ("footer", Footer::rows()),
    ]
}
