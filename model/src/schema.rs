//! The tables as data: what a capture file carries so that a reader who never heard of a call still names its arguments.

use crate::args::{Abi, ArgKind, ArgSpec, Class};
use crate::event::TypeId;
use crate::flags::FLAG_SETS;
use crate::render;
use crate::structs::{CHOICES, STRUCTS, Struct, StructField};
use crate::syscalls::{HAPPENINGS, SYSCALLS};
use std::collections::HashMap;
use std::sync::OnceLock;

/// How often a choice may lead to another one.
pub const CHOICE_DEPTH: usize = 2;

/// One argument of an event type, or what an argument holds in one case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArgDesc {
    /// Name.
    pub name: String,
    /// The number of its [`ArgKind`]; kept as a number so that kinds of later versions survive.
    pub kind: u8,
    /// Name of its flag set, structure or choice; empty when it has none.
    pub set: String,
    /// Name of the argument that counts it; empty when that is the next one, or when nothing does.
    pub by: String,
}

impl ArgDesc {
    /// The kind, where this version knows it.
    pub fn kind(&self) -> Option<ArgKind> {
        ArgKind::from_code(self.kind)
    }
}

/// One field of a structure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StructFieldDesc {
    /// Name; empty when the structure is a single value.
    pub name: String,
    /// First byte.
    pub offset: u32,
    /// Bytes.
    pub width: u32,
    /// The number of its [`ArgKind`].
    pub kind: u8,
    /// Name of its flag set or structure; empty when it has none.
    pub set: String,
}

/// How a structure lies in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StructDesc {
    /// Name, as [`ArgDesc::set`] refers to it.
    pub name: String,
    /// Whether this is the layout of 32-bit x86 calls only; the other one holds where there is no such.
    pub narrow: bool,
    /// Bytes that are captured of it; where several follow one another, also the step.
    pub size: u32,
    /// Fields in order.
    pub fields: Vec<StructFieldDesc>,
}

/// What an argument holds for one value of the deciding argument.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaseDesc {
    /// The value, under the choice's mask.
    pub value: u64,
    /// What the argument holds; no name.
    pub holds: ArgDesc,
}

/// What an argument holds, decided by another one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChoiceDesc {
    /// Name, as [`ArgDesc::set`] refers to it.
    pub name: String,
    /// Name of the deciding argument.
    pub by: String,
    /// Its bits that decide.
    pub mask: u64,
    /// Values.
    pub cases: Vec<CaseDesc>,
    /// What the argument holds for all others; no name.
    pub otherwise: ArgDesc,
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
    /// What else is known of its events: [`TypeDesc::READS`] and the other bits. 0 in our own recordings.
    pub marks: u32,
}

impl TypeDesc {
    /// It reads from a descriptor.
    pub const READS: u32 = 1 << 0;
    /// It writes to a descriptor.
    pub const WRITES: u32 = 1 << 1;
    /// It waits.
    pub const WAITS: u32 = 1 << 2;
    /// It makes, uses or closes a descriptor.
    pub const ABOUT_FD: u32 = 1 << 3;
    /// Its result counts bytes that went through its file.
    pub const IO: u32 = 1 << 4;
    /// As `IO`, from the file.
    pub const INPUT: u32 = 1 << 5;
    /// As `IO`, to the file.
    pub const OUTPUT: u32 = 1 << 6;
    /// It tells of the entry to a call, or of something without an end.
    pub const ENTRY: u32 = 1 << 7;
    /// It tells of the return from a call.
    pub const EXIT: u32 = 1 << 8;
    /// Its arguments are those of scap, and are shown as sysdig shows them.
    pub const SCAP: u32 = 1 << 9;
    /// It is kept by the recorder for its own books, and shown when asked for.
    pub const INTERNAL: u32 = 1 << 10;

    /// Whether all bits of `mask` are set.
    pub fn is(&self, mask: u32) -> bool {
        self.marks & mask == mask
    }

    /// Its arguments without what is kept behind them: an argument whose name has a dot is the value of the field of that
    /// name, as the program that recorded knew it, or a structure whose fields are such values.
    pub fn shown_args(&self) -> &[ArgDesc] {
        let count = self
            .args
            .iter()
            .take_while(|arg| !arg.name.contains('.'))
            .count();
        self.args.get(..count).unwrap_or_default()
    }

    /// What the names of arguments begin with that a return has from its entry, in captures of scap: the rest is the argument's name.
    pub const ASKED: &'static str = "asked.";

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
    /// Structures.
    pub structs: Vec<StructDesc>,
    /// What is decided by another argument.
    pub choices: Vec<ChoiceDesc>,
}

fn describe(spec: &ArgSpec) -> ArgDesc {
    ArgDesc {
        name: spec.name.to_owned(),
        kind: spec.kind as u8,
        set: spec.set.to_owned(),
        by: spec.by.to_owned(),
    }
}

fn describe_struct(row: &Struct, narrow: bool) -> StructDesc {
    let place = |field: &StructField| if narrow { field.narrow } else { field.wide };
    StructDesc {
        name: row.name.to_owned(),
        narrow,
        size: u32::from(if narrow { row.narrow_size } else { row.size }),
        fields: row
            .fields
            .iter()
            .filter(|field| place(field).1 > 0)
            .map(|field| StructFieldDesc {
                name: field.name.to_owned(),
                offset: u32::from(place(field).0),
                width: u32::from(place(field).1),
                kind: field.kind as u8,
                set: field.set.to_owned(),
            })
            .collect(),
    }
}

impl Schema {
    /// Whether calls have an event for their entry and one for their return, as in captures of sysdig.
    pub fn has_entries(&self) -> bool {
        self.types.iter().any(|ty| ty.is(TypeDesc::ENTRY))
    }

    /// The schema of this version: `SYSCALLS`, then `HAPPENINGS`, then `FLAG_SETS`, `STRUCTS` and `CHOICES`.
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
                    args: row.args.iter().map(describe).collect(),
                    doc: row.doc.to_owned(),
                    marks: 0,
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
            structs: STRUCTS
                .iter()
                .flat_map(|row| {
                    let narrow = row.has_narrow().then(|| describe_struct(row, true));
                    [describe_struct(row, false)].into_iter().chain(narrow)
                })
                .collect(),
            choices: CHOICES
                .iter()
                .map(|row| ChoiceDesc {
                    name: row.name.to_owned(),
                    by: row.by.to_owned(),
                    mask: row.mask,
                    cases: row
                        .cases
                        .iter()
                        .filter_map(|case| {
                            Some(CaseDesc {
                                value: row.number(case)?,
                                holds: describe(&case.holds),
                            })
                        })
                        .collect(),
                    otherwise: describe(&row.otherwise),
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

    /// How the structure with this name lies in the memory of a caller of this convention.
    pub fn structure(&self, name: &str, abi: Abi) -> Option<&StructDesc> {
        let mut found = None;
        for row in self.structs.iter().filter(|row| row.name == name) {
            if row.narrow == (abi == Abi::i386) {
                return Some(row);
            }
            if !row.narrow {
                found = Some(row);
            }
        }
        found
    }

    /// What the argument at this place of `ty` holds: its own description, or, where another argument decides, the case
    /// that fits. `number` gives what the other arguments' registers hold.
    pub fn held<'a>(
        &'a self,
        ty: &'a TypeDesc,
        at: usize,
        number: impl Fn(usize) -> Option<i64>,
    ) -> Option<&'a ArgDesc> {
        let mut holds = ty.args.get(at)?;
        // A choice inside a choice is as deep as it goes; a file may claim otherwise.
        for _ in 0..CHOICE_DEPTH {
            if holds.kind() != Some(ArgKind::Choice) {
                break;
            }
            let Some(choice) = self.choices.iter().find(|row| row.name == holds.set) else {
                break;
            };
            let decides = ty.arg_index(&choice.by).and_then(|by| {
                let kind = ty.args.get(by)?.kind();
                Some(render::number(kind, number(by)?) as u64)
            });
            let case = decides.and_then(|n| {
                let mut cases = choice.cases.iter();
                cases.find(|case| case.value == n & choice.mask)
            });
            holds = case.map_or(&choice.otherwise, |case| &case.holds);
        }
        Some(holds)
    }

    /// The arguments of `ty` that decide what the one at this place holds, see [`Schema::held`].
    pub fn deciders(&self, ty: &TypeDesc, at: usize) -> Vec<usize> {
        let mut found = Vec::new();
        let mut asked: Vec<&ArgDesc> = ty.args.get(at).into_iter().collect();
        for _ in 0..CHOICE_DEPTH {
            let choices: Vec<&ChoiceDesc> = asked
                .iter()
                .filter(|holds| holds.kind() == Some(ArgKind::Choice))
                .filter_map(|holds| self.choices.iter().find(|row| row.name == holds.set))
                .collect();
            found.extend(choices.iter().filter_map(|choice| ty.arg_index(&choice.by)));
            let cases = choices.iter().flat_map(|choice| {
                let cases = choice.cases.iter().map(|case| &case.holds);
                cases.chain([&choice.otherwise])
            });
            asked = cases.collect();
        }
        found.sort_unstable();
        found.dedup();
        found
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
