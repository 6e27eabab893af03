//! The tables as data: what a capture file carries so that a reader who never heard of a call still names its arguments.

use crate::args::{ArgKind, Class};
use crate::event::TypeId;
use crate::flags::FLAG_SETS;
use crate::syscalls::{HAPPENINGS, SYSCALLS};
use std::collections::HashMap;
use std::sync::OnceLock;

/// One argument of an event type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArgDesc {
    /// Name.
    pub name: String,
    /// The number of its [`ArgKind`]; kept as a number so that kinds of later versions survive.
    pub kind: u8,
    /// Name of its flag set; empty when it has none.
    pub set: String,
}

impl ArgDesc {
    /// The kind, where this version knows it.
    pub fn kind(&self) -> Option<ArgKind> {
        ArgKind::from_code(self.kind)
    }
}

/// One event type. Its [`TypeId`] is its place in [`Schema::types`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeDesc {
    /// Name; what `evt.type` shows.
    pub name: String,
    /// The number of its [`Class`].
    pub class: u8,
    /// Whether it is a system call (else a happening).
    pub is_syscall: bool,
    /// Arguments.
    pub args: Vec<ArgDesc>,
    /// One sentence.
    pub doc: String,
}

impl TypeDesc {
    /// The class, where this version knows it.
    pub fn class(&self) -> Class {
        Class::from_code(self.class).unwrap_or(Class::Other)
    }

    /// The place of the argument with this name.
    pub fn arg_index(&self, name: &str) -> Option<usize> {
        self.args.iter().position(|arg| arg.name == name)
    }
}

/// One name of a flag set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlagDesc {
    /// Name.
    pub name: String,
    /// It applies when `argument & mask == value`.
    pub value: u64,
    /// See `value`.
    pub mask: u64,
}

/// A named set of bits or numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlagSetDesc {
    /// Name, as [`ArgDesc::set`] refers to it.
    pub name: String,
    /// Its names.
    pub flags: Vec<FlagDesc>,
}

/// What the events of one capture look like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    /// Event types; an event's [`TypeId`] is an index.
    pub types: Vec<TypeDesc>,
    /// Flag sets.
    pub flag_sets: Vec<FlagSetDesc>,
}

impl Schema {
    /// The schema of this version: `SYSCALLS`, then `HAPPENINGS`, then `FLAG_SETS`.
    pub fn current() -> &'static Schema {
        static CURRENT: OnceLock<Schema> = OnceLock::new();
        CURRENT.get_or_init(|| Schema {
            types: SYSCALLS
                .iter()
                .map(|row| (row, true))
                .chain(HAPPENINGS.iter().map(|row| (row, false)))
                .map(|(row, is_syscall)| TypeDesc {
                    name: row.name.to_owned(),
                    class: row.class as u8,
                    is_syscall,
                    args: row
                        .args
                        .iter()
                        .map(|arg| ArgDesc {
                            name: arg.name.to_owned(),
                            kind: arg.kind as u8,
                            set: arg.set.to_owned(),
                        })
                        .collect(),
                    doc: row.doc.to_owned(),
                })
                .collect(),
            flag_sets: FLAG_SETS
                .iter()
                .map(|set| FlagSetDesc {
                    name: set.name.to_owned(),
                    flags: set
                        .entries
                        .iter()
                        .map(|e| FlagDesc {
                            name: e.0.to_owned(),
                            value: e.1,
                            mask: e.2,
                        })
                        .collect(),
                })
                .collect(),
        })
    }

    /// The type of an event; `None` when the file names no such row.
    pub fn ty(&self, id: TypeId) -> Option<&TypeDesc> {
        self.types.get(usize::from(id.0))
    }

    /// The id of the type with this name.
    pub fn type_id(&self, name: &str) -> Option<TypeId> {
        self.types
            .iter()
            .position(|ty| ty.name == name)
            .and_then(|at| u16::try_from(at).ok())
            .map(TypeId)
    }

    /// The flag set with this name.
    pub fn flag_set(&self, name: &str) -> Option<&FlagSetDesc> {
        self.flag_sets.iter().find(|set| set.name == name)
    }
}

/// The [`TypeId`] in [`Schema::current`] of the row with this name: for code that makes events.
pub fn current_type(name: &str) -> Option<TypeId> {
    static BY_NAME: OnceLock<HashMap<&'static str, TypeId>> = OnceLock::new();
    BY_NAME
        .get_or_init(|| {
            SYSCALLS
                .iter()
                .chain(HAPPENINGS)
                .enumerate()
                .filter_map(|(at, row)| Some((row.name, TypeId(u16::try_from(at).ok()?))))
                .collect()
        })
        .get(name)
        .copied()
}
