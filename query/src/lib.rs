//! The filter language, output templates, and views as data.
//!
//! A [`Filter`] is a parsed and checked filter in the language of Falco and sysdig: `and` binds tighter than `or`, `not`
//! toggles, a comparison with a field the event does not have is false (also `!=`), and a field with several values
//! (both ends of `fd.ip`, all ancestors of `proc.aname`) matches when one of them does; `!=` asks both ends of a connection.
//! A [`Syntax`] is the same text before its names are looked up: rule files, which have macros and lists, are made of them.
//! An [`Evaluator`] answers for many events and asks a process, file or type only once. A [`Template`] is an output
//! format, a [`FieldRef`] one field with its argument.
//!
//! [`VIEWS`] and [`TILES`] say what the inspector shows, in fields and filters of this language; nothing here draws.
//! Invariants: no I/O; text that comes out of [`Filter::print`], [`Template::print`], [`json_line`] and errors holds no
//! control character, whatever was captured; no input makes parsing or matching take more than linear space, panic, or
//! backtrack without end.
//!
//! ```
//! use afterimage_query::Filter;
//! let filter = Filter::parse("evt.type=openat or proc.name in (sh, 'a b')").unwrap();
//! assert_eq!(filter.print(), "evt.type=openat or proc.name in (sh, \"a b\")");
//! let error = Filter::parse("proc.nam=sh").unwrap_err();
//! assert!(error.to_string().contains("did you mean proc.name?"));
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic
    )
)]

mod check;
mod complete;
mod docs;
mod error;
mod eval;
mod expr;
mod field;
mod json;
#[cfg(test)]
mod laws;
mod lexer;
mod needle;
mod note;
mod ops;
mod parity;
mod parse;
mod pattern;
mod prefix;
mod reach;
mod source;
#[cfg(test)]
mod story;
mod stranger;
mod syntax;
mod template;
#[cfg(test)]
mod tests;
mod tiles;
mod values;
#[cfg(test)]
mod vectors;
mod views;

pub use complete::{Candidate, complete};
pub use docs::{query_md, views_md};
pub use error::{FilterError, FilterErrorKind};
pub use eval::{Among, Argument, Arguments, Evaluator, Lists, Results, Sifted, Texts};
pub use expr::Filter;
pub use field::FieldRef;
pub use json::{json_line, json_text};
pub use needle::Needles;
pub use note::{Note, NoteKind};
pub use ops::{
    FUNCTIONS, Function, FunctionRow, MODIFIERS, Modifier, ModifierRow, OPERATORS, Op, OperatorRow,
};
pub use parity::{PARITY, Parity, Peer, Place, parity_md, view_of_peer};
pub use reach::{Fits, Places};
pub use stranger::Stranger;
pub use syntax::{Check, Literal, Node, Right, Syntax, Term};
pub use template::{PRESETS, Preset, Shown, Template};
pub use tiles::{Counted, TILES, Tile, tile};
pub use values::{duration_ns, instant_ns};
pub use values::{print_value, quote};
pub use views::{Aggregate, Column, Made, Shape, Unit, VIEWS, View, view, view_by};

/// Longest text taken as a filter or a template, in bytes.
pub const MAX_TEXT: usize = 256 * 1024;

/// Deepest nesting of brackets in a filter.
pub const MAX_DEPTH: usize = 100;
