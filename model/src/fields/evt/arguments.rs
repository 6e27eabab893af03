//! Arguments of an event, by the names they have here and those that Falco gives them, as text and as numbers.

use super::scap;
use crate::args::ArgKind;
use crate::entity::{File, FileKind, Process};
use crate::event::Value;
use crate::fields::{Ctx, FieldValue, Looks};
use crate::render;
use crate::schema::TypeDesc;

/// What `evt.arg` finds under a name or an index.
enum Found<'a> {
    /// An argument of the call, by its place.
    Arg(usize),
    /// A field of the structure an argument points at.
    Field(usize, String),
    /// The result.
    Result,
    /// The file's name.
    Tuple(&'a File),
}

/// Falco's names of arguments that are called otherwise here, with the kinds they stand for.
const PATH_NAMES: &[&str] = &["dev", "dir", "filename", "name", "path", "pathname"];

/// The argument that is called so, or has this number.
fn own_arg(ty: &TypeDesc, name: &str) -> Option<usize> {
    let number = name.parse().ok();
    number
        .filter(|at| *at < ty.shown_args().len())
        .or_else(|| ty.arg_index(name))
}

/// The argument that a name of Falco's stands for, where none is called so.
fn other_arg(ty: &TypeDesc, name: &str) -> Option<usize> {
    let by_kind = |fits: &dyn Fn(ArgKind) -> bool| {
        let mut args = ty.args.iter();
        args.position(|arg| arg.kind().is_some_and(fits))
    };
    match name {
        "fd" => by_kind(&|kind| kind == ArgKind::Fd),
        "data" => by_kind(&ArgKind::is_payload),
        "size" => by_kind(&|kind| kind == ArgKind::Size),
        "request" | "cmd" => ty.arg_index("op"),
        "dev" => ty.arg_index("source"),
        "dir" => ty.arg_index("target"),
        _ if PATH_NAMES.contains(&name) => by_kind(&|kind| kind == ArgKind::Path),
        _ => None,
    }
}

/// What `evt.arg`, with `raw` `evt.rawarg`, looks at of events of a type.
pub fn arg_looks(ty: &TypeDesc, name: &str, raw: bool) -> Looks {
    let own = own_arg(ty, name);
    if ty.is(TypeDesc::SCAP) {
        return own.map_or(Looks::Nowhere, |at| scap_looks(ty, at, raw));
    }
    let beyond = match name {
        "res" | "tuple" | "queuelen" | "queuemax" | "queuepct" => true,
        "fd" => render::gives_fd(ty),
        "flags" => !raw && ty.name == "execve",
        name => name.contains('.'),
    };
    if own.is_none() && beyond {
        return Looks::Beyond;
    }
    let Some(at) = own.or_else(|| other_arg(ty, name)) else {
        return Looks::Nowhere;
    };
    match ty.args.get(at).and_then(|arg| arg.kind()) {
        // What it holds is decided by another argument.
        Some(ArgKind::Choice) if !raw => Looks::Beyond,
        // What structures say depends on the convention of the call, too.
        Some(ArgKind::MsgControl) => Looks::At { at, bytes: raw },
        Some(kind) if kind.is_struct() => Looks::At { at, bytes: raw },
        _ => Looks::At { at, bytes: true },
    }
}

/// The same of the argument at a place of a type of sysdig's.
fn scap_looks(ty: &TypeDesc, at: usize, raw: bool) -> Looks {
    let Some(desc) = ty.shown_args().get(at) else {
        return Looks::Beyond;
    };
    if raw || desc.kind() != Some(ArgKind::Path) {
        return Looks::At { at, bytes: true };
    }
    // A relative path is told from where it starts.
    let before = at.checked_sub(1);
    match desc.by.is_empty() || ty.arg_index(&desc.by) == before {
        true => Looks::Path(at),
        false => Looks::Beyond,
    }
}

fn find_arg<'a>(c: &Ctx<'a>, name: &str) -> Option<Found<'a>> {
    let ty = c.ty()?;
    if let Some(at) = own_arg(ty, name) {
        return Some(Found::Arg(at));
    }
    if ty.is(TypeDesc::SCAP) {
        return None;
    }
    match name {
        "res" if c.result().is_some() => Some(Found::Result),
        "fd" if render::new_fd(ty, c.event) => Some(Found::Result),
        "tuple" => c
            .file()
            .filter(|file| file.kind.is_inet() || file.kind == FileKind::Unix)
            .map(Found::Tuple),
        // What waits at a listening socket.
        "queuelen" => ty
            .arg_index("queue")
            .map(|at| Found::Field(at, "length".to_owned())),
        "queuemax" => ty
            .arg_index("queue")
            .map(|at| Found::Field(at, "max".to_owned())),
        name => other_arg(ty, name).map(Found::Arg).or_else(|| {
            let (arg, field) = name.split_once('.')?;
            Some(Found::Field(ty.arg_index(arg)?, field.to_owned()))
        }),
    }
}

/// `evt.arg`: one argument as text.
pub fn arg<'a>(c: &Ctx<'a>, name: Option<&str>) -> Option<FieldValue<'a>> {
    let name = name?;
    // What Falco calls the flags of an exec is what is known of the executed file.
    let ty = c.ty()?;
    let by_row = name == "flags" && ty.name == "execve" && scap(c).is_none();
    if by_row && ty.arg_index(name).is_none() {
        return exe_flags(c).map(FieldValue::owned);
    }
    if name == "queuepct" && scap(c).is_none() {
        return queue_percent(c).map(|share| FieldValue::owned(share.to_string()));
    }
    match find_arg(c, name)? {
        Found::Arg(at) => render::arg_text(c, at).map(FieldValue::owned),
        Found::Field(at, field) => render::arg_field_text(c, at, &field).map(FieldValue::owned),
        Found::Result => match c.event.errno() {
            Some(_) => render::result_text(c.event).map(FieldValue::owned),
            None => Some(FieldValue::owned(c.event.result.to_string())),
        },
        Found::Tuple(file) => Some(FieldValue::owned(file.shown_name())),
    }
}

/// How much of its queue waits at a listening socket, percent; what sysdig calls `queuepct`.
fn queue_percent(c: &Ctx<'_>) -> Option<u64> {
    let at = c.ty()?.arg_index("queue")?;
    let number = |field: &str| -> Option<u64> {
        let text = render::arg_field_text(c, at, field)?;
        std::str::from_utf8(&text).ok()?.parse().ok()
    };
    number("length")?
        .saturating_mul(100)
        .checked_div(number("max")?)
}

/// What is known of the file a process executes, in Falco's words: `EXE_UPPER_LAYER|EXE_FROM_MEMFD`, `0` for nothing.
fn exe_flags(c: &Ctx<'_>) -> Option<String> {
    let flags = c.known_proc()?.exe_flags;
    let names = [
        (Process::EXE_UPPER, "EXE_UPPER_LAYER"),
        (Process::EXE_MEMFD, "EXE_FROM_MEMFD"),
        (Process::EXE_LOWER, "EXE_LOWER_LAYER"),
    ];
    let set = names.into_iter().filter(|row| flags & row.0 == row.0);
    let text = set.map(|row| row.1).collect::<Vec<_>>().join("|");
    Some(if text.is_empty() {
        "0".to_owned()
    } else {
        text
    })
}

/// `evt.rawarg`: one argument as the number it was.
pub fn raw_arg<'a>(c: &Ctx<'a>, name: Option<&str>) -> Option<FieldValue<'a>> {
    let name = name?;
    if name == "queuepct" && scap(c).is_none() {
        return queue_percent(c)
            .and_then(|share| i64::try_from(share).ok())
            .map(FieldValue::Int);
    }
    let found = find_arg(c, name)?;
    if let (Found::Arg(at), Some(ty)) = (&found, scap(c)) {
        // A number may have behind it what it stands for.
        let named = matches!(
            ty.args.get(*at)?.kind()?,
            ArgKind::Fd | ArgKind::Pid | ArgKind::Uid | ArgKind::Gid
        );
        return match c.event.args.get(*at)? {
            value if named => render::scap::number_of(value).map(FieldValue::Int),
            Value::Num(n) => Some(FieldValue::Int(*n)),
            Value::Absent | Value::Bytes(_) => None,
        };
    }
    match found {
        Found::Arg(at) => match c.event.args.get(at)? {
            Value::Num(n) => Some(FieldValue::Int(render::number(
                c.ty()?.args.get(at)?.kind(),
                *n,
            ))),
            Value::Bytes(blob) => Some(FieldValue::str(&blob.bytes)),
            Value::Absent => None,
        },
        Found::Result => Some(FieldValue::Int(c.event.result)),
        Found::Field(at, field) => {
            let text = render::arg_field_text(c, at, &field)?;
            let number = std::str::from_utf8(&text).ok()?.parse().ok()?;
            Some(FieldValue::Int(number))
        }
        Found::Tuple(_) => None,
    }
}
