//! The schema block: types of events, their arguments, flags and structures, and the names of all numbers.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use super::records;
use crate::error::ErrorKind;
use crate::layout;
use crate::wire::{Field, Record, put_field, record, repeated};
use afterimage_model::{
    Abi, ArgDesc, ArgKind, CaseDesc, ChoiceDesc, Class, FileKind, FlagDesc, FlagSetDesc, GapCause,
    Schema, StructDesc, StructFieldDesc, TypeDesc,
};

record! { ArgDesc, ArgDesc::default();
    1 name "Name.";
    2 kind "What it holds; the names are in the same block.";
    3 set "Name of its flag set, structure or choice.";
    4 by "Name of the argument that counts it; not there when it is the next one, or none.";
}

record! { TypeDesc, TypeDesc { name: String::new(), class: 0, is_syscall: false, args: Vec::new(), doc: String::new(), marks: 0 };
    1 name "Name.";
    2 class "What it is about.";
    3 is_syscall "1 for a system call.";
    4 args "Arguments in order.";
    5 doc "One sentence.";
    6 marks "1 reads a descriptor, 2 writes one, 4 waits, 8 is about a descriptor, 16 counts as I/O, 32 as input, 64 as output, 128 an entry, 256 an exit, 512 told as scap does, 1024 kept by the recorder for its own books.";
}

record! { FlagDesc, FlagDesc { name: String::new(), value: 0, mask: 0 };
    1 name "Name.";
    2 value "Applies when argument & mask is this.";
    3 mask "See value.";
}

record! { FlagSetDesc, FlagSetDesc { name: String::new(), flags: Vec::new() };
    1 name "Name.";
    2 flags "Its names.";
}

record! { StructFieldDesc, StructFieldDesc::default();
    1 name "Name; not there when the structure is one value.";
    2 offset "Its first byte.";
    3 width "Its bytes.";
    4 kind "What it holds, as of an argument.";
    5 set "Name of its flag set or structure.";
}

record! { StructDesc, StructDesc::default();
    1 name "Name.";
    2 narrow "1 for the layout of 32-bit x86 calls (abi 1); another of the same name holds for the others.";
    3 size "Its bytes, and the step where several follow one another.";
    4 fields "Its fields.";
}

record! { CaseDesc, CaseDesc::default();
    1 value "The deciding argument & mask is this.";
    2 holds "What the argument then holds: an argument without a name.";
}

record! { ChoiceDesc, ChoiceDesc::default();
    1 name "Name.";
    2 by "Name of the deciding argument.";
    3 mask "See the cases.";
    4 cases "Its cases.";
    5 otherwise "What the argument holds in no case: an argument without a name.";
}

/// The name of a number of the format, as the file itself gives it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Name {
    /// Which table: `arg-kind`, `class`, `abi`, `file-kind`, `gap-cause`, `block`, `column`, or `fields:<record>`.
    pub table: String,
    /// The number.
    pub number: u64,
    /// Its name.
    pub name: String,
    /// A sentence; may be empty.
    pub doc: String,
}

record! { Name, Name::default();
    1 table "Which table of numbers.";
    2 number "The number.";
    3 name "Its name.";
    4 doc "A sentence.";
}

repeated!(
    ArgDesc,
    TypeDesc,
    FlagDesc,
    FlagSetDesc,
    StructFieldDesc,
    StructDesc,
    CaseDesc,
    ChoiceDesc,
    Name
);

impl Field for ArgDesc {
    const WIRE: &'static str = "record";
    fn put(&self, tag: u64, out: &mut Vec<u8>) {
        put_field(out, tag, &self.encode());
    }
    fn take(&mut self, value: &[u8]) -> Result<(), ErrorKind> {
        *self = ArgDesc::decode(value)?;
        Ok(())
    }
}

record! { Schema, Schema::default();
    1 types "Event types; an event's type is a place in this list.";
    2 flag_sets "Flag sets.";
    4 structs "Structures.";
    5 choices "What another argument decides.";
}

/// The names in a schema block, read only when asked for: fields of the schema's record beside the schema's own.
#[derive(Default)]
pub(crate) struct Names {
    pub names: Vec<Name>,
}

record! { Names, Names::default();
    3 names "Names of all numbers the file uses.";
}

/// The names of all numbers a file of this version uses.
pub(crate) fn names() -> Vec<Name> {
    let mut names = Vec::new();
    let mut add = |table: &str, number: u64, name: &str, doc: &str| {
        names.push(Name {
            table: table.to_owned(),
            number,
            name: name.to_owned(),
            doc: doc.to_owned(),
        });
    };
    for (kind, name, doc) in ArgKind::ALL {
        add("arg-kind", *kind as u64, name, doc);
    }
    for (class, name, doc) in Class::ALL {
        add("class", *class as u64, name, doc);
    }
    for (abi, name) in Abi::ALL {
        add("abi", *abi as u64, name, "");
    }
    for (kind, name, _) in FileKind::ALL {
        add("file-kind", *kind as u64, name, "");
    }
    for (cause, name, doc) in GapCause::ALL {
        add("gap-cause", *cause as u64, name, doc);
    }
    for (table, rows) in [
        ("block", layout::block::ALL),
        ("column", layout::column::ALL),
        ("row", layout::row::ALL),
    ] {
        for (number, name, doc) in rows {
            add(table, u64::from(*number), name, doc);
        }
    }
    for (record, rows) in records() {
        for row in rows {
            add(&format!("fields:{record}"), row.tag, row.name, row.wire);
        }
    }
    names
}
