//! What can be asked of an event: the table `FIELDS`, with Falco's and sysdig's names and meanings.
//!
//! A new field is one row: name, type, what it depends on, getter, a sentence. The filter, output templates, view columns,
//! JSON keys, completion and documents all read it here.

use crate::entity::{Container, File, Process, Tables};
use crate::event::{Event, Value};
use crate::manifest::Manifest;
use crate::render;
use crate::schema::{Schema, TypeDesc};
use std::borrow::Cow;
use std::net::IpAddr;

/// An event with everything needed to answer for it.
#[derive(Clone, Copy, Debug)]
pub struct Ctx<'a> {
    /// The capture's header.
    pub manifest: &'a Manifest,
    /// What its events look like.
    pub schema: &'a Schema,
    /// Rows the event points at.
    pub tables: &'a Tables,
    /// The event.
    pub event: &'a Event,
    /// Its number in the capture, from 1.
    pub num: u64,
    /// Instant of the capture's first event, ns since boot.
    pub first_ns: u64,
    /// Instant of the previous event that was shown, ns since boot; equal to the event's own when there is none.
    pub previous_ns: u64,
}

impl<'a> Ctx<'a> {
    /// The event's type.
    pub fn ty(&self) -> Option<&'a TypeDesc> {
        self.schema.ty(self.event.ty)
    }

    /// The event's process.
    pub fn proc(&self) -> Option<&'a Process> {
        self.tables.proc(self.event.proc)
    }

    /// The event's container.
    pub fn container(&self) -> Option<&'a Container> {
        self.tables.container(self.proc()?.container?)
    }

    /// The file or socket the event touched.
    pub fn file(&self) -> Option<&'a File> {
        self.tables.file(self.event.file?)
    }

    /// The value of the argument with this name.
    pub fn arg(&self, name: &str) -> Option<&'a Value> {
        self.event.args.get(self.ty()?.arg_index(name)?)
    }
}

/// What a field holds; decides which operators and values fit it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// Text.
    Str,
    /// Raw bytes (payload).
    Bytes,
    /// A signed number.
    Int,
    /// An unsigned number.
    Uint,
    /// Yes or no.
    Bool,
    /// An address.
    Ip,
    /// An address compared with a CIDR block.
    Net,
    /// A port number.
    Port,
    /// A duration, ns.
    RelTime,
    /// An instant, ns since 1970.
    AbsTime,
}

/// Whether a field takes an argument in brackets or after a dot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldArg {
    /// It does not.
    None,
    /// It may: `proc.aname[2]`.
    Optional,
    /// It must: `evt.arg[0]`, `evt.arg.flags`.
    Required,
}

/// Which row a field's value is decided by: the same row gives the same value, so it is asked once per row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dependency {
    /// The event itself.
    Event,
    /// Its type.
    Type,
    /// Its process row (and that row's ancestors and container).
    Process,
    /// Its file row.
    File,
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldValue<'a> {
    /// Text or bytes, as captured.
    Str(Cow<'a, [u8]>),
    /// A signed number.
    Int(i64),
    /// An unsigned number.
    Uint(u64),
    /// Yes or no.
    Bool(bool),
    /// An address.
    Ip(IpAddr),
    /// Several values, any of which may match: both ends of `fd.ip`, all ancestors.
    Any(Vec<FieldValue<'a>>),
}

impl<'a> FieldValue<'a> {
    /// Borrowed text.
    pub fn str(text: &'a (impl AsRef<[u8]> + ?Sized)) -> FieldValue<'a> {
        FieldValue::Str(Cow::Borrowed(text.as_ref()))
    }

    /// Owned text.
    pub fn owned(text: impl Into<Vec<u8>>) -> FieldValue<'a> {
        FieldValue::Str(Cow::Owned(text.into()))
    }

    /// The value as a table or a template shows it; captured bytes are still raw.
    pub fn text(&self) -> Cow<'_, [u8]> {
        match self {
            FieldValue::Str(s) => Cow::Borrowed(s),
            FieldValue::Int(n) => Cow::Owned(n.to_string().into_bytes()),
            FieldValue::Uint(n) => Cow::Owned(n.to_string().into_bytes()),
            FieldValue::Bool(b) => Cow::Borrowed(if *b { b"true" } else { b"false" }),
            FieldValue::Ip(ip) => Cow::Owned(ip.to_string().into_bytes()),
            FieldValue::Any(all) => Cow::Owned(
                all.iter()
                    .map(|v| v.text().into_owned())
                    .collect::<Vec<_>>()
                    .join(&b", "[..]),
            ),
        }
    }
}

/// A row of [`FIELDS`].
#[derive(Clone, Copy)]
pub struct Field {
    /// Dotted name.
    pub name: &'static str,
    /// What it holds.
    pub ty: FieldType,
    /// Whether it takes an argument.
    pub arg: FieldArg,
    /// Which row decides it.
    pub on: Dependency,
    /// The value; `None` when the event has none. The second parameter is the argument.
    pub get: for<'a> fn(&Ctx<'a>, Option<&str>) -> Option<FieldValue<'a>>,
    /// One sentence.
    pub doc: &'static str,
}

/// Every field, sorted by name.
pub const FIELDS: &[Field] = &[
    Field {
        name: "evt.arg",
        ty: FieldType::Str,
        arg: FieldArg::Required,
        on: Dependency::Event,
        get: |c, arg| {
            let ty = c.ty()?;
            let at = arg.and_then(|a| a.parse::<usize>().ok().or_else(|| ty.arg_index(a)))?;
            render::arg_text(c.schema, ty.args.get(at)?, c.event.args.get(at)?)
                .map(FieldValue::owned)
        },
        doc: "One argument as text, by name or by index from 0.",
    },
    Field {
        name: "evt.num",
        ty: FieldType::Uint,
        arg: FieldArg::None,
        on: Dependency::Event,
        get: |c, _| Some(FieldValue::Uint(c.num)),
        doc: "The event's number in the capture, from 1.",
    },
    Field {
        name: "evt.type",
        ty: FieldType::Str,
        arg: FieldArg::None,
        on: Dependency::Type,
        get: |c, _| Some(FieldValue::str(&c.ty()?.name)),
        doc: "The name of the call or happening.",
    },
    Field {
        name: "proc.name",
        ty: FieldType::Str,
        arg: FieldArg::None,
        on: Dependency::Process,
        get: |c, _| Some(FieldValue::str(&c.proc()?.comm)),
        doc: "The kernel's name of the process, at most 15 bytes.",
    },
];

/// The field with this name. `evt.arg.flags` is found as `evt.arg` with the argument `flags`: see [`split_name`].
pub fn by_name(name: &str) -> Option<&'static Field> {
    FIELDS
        .binary_search_by(|row| row.name.cmp(name))
        .ok()
        .and_then(|at| FIELDS.get(at))
}

/// Splits `evt.arg.flags` or `proc.aname[2]` into its row and argument; an exact name wins.
pub fn split_name(text: &str) -> Option<(&'static Field, Option<&str>)> {
    if let Some(field) = by_name(text) {
        return Some((field, None));
    }
    if let Some((name, rest)) = text.split_once('[') {
        return Some((by_name(name)?, Some(rest.strip_suffix(']')?)));
    }
    let (at, _) = text.rmatch_indices('.').find(|(at, _)| {
        text.get(..*at)
            .and_then(by_name)
            .is_some_and(|f| f.arg != FieldArg::None)
    })?;
    Some((by_name(text.get(..at)?)?, text.get(at + 1..)))
}
