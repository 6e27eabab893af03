//! Values as text: one place that knows how an argument of each kind is shown. Pure; the result may still hold captured
//! bytes and must go through [`Safe`](crate::Safe) before it reaches a terminal.

mod addresses;
mod layout;
mod line;
mod numbers;
pub mod scap;
#[cfg(test)]
mod tests;
mod told;

pub use self::addresses::sockaddr_text;
pub use self::line::{Decides, Stretch, args_text, asked_text};
pub use self::numbers::{duration_text, flags_text, is_of_number, number};
pub use self::scap::asked_arg;
pub use self::told::{exit_text, told_text};

use self::numbers::number_text;
use crate::args::{Abi, ArgKind};
use crate::errno;
use crate::event::{Event, EventFlags, Value};
use crate::fields::Ctx;
use crate::schema::{ArgDesc, Schema, TypeDesc};
use crate::syscalls;
use std::borrow::Cow;

/// What the argument at this place holds, and its value; `None` where the event's type has no such argument.
pub fn held<'a>(ctx: &Ctx<'a>, at: usize) -> Option<(&'a ArgDesc, &'a Value)> {
    let args = &ctx.event.args;
    let number = |at: usize| match args.get(at) {
        Some(Value::Num(n)) => Some(*n),
        _ => None,
    };
    Some((ctx.schema.held(ctx.ty()?, at, number)?, args.get(at)?))
}

/// The text of one argument, as `evt.arg.<name>` compares it: flags by name joined with `|`, octal modes, addresses as
/// `ip:port`, structures as `{field=value, …}`, paths and payload as the captured bytes. `None` when the argument was not
/// captured.
pub fn arg_text(ctx: &Ctx<'_>, at: usize) -> Option<Vec<u8>> {
    if ctx.ty()?.is(TypeDesc::SCAP) {
        return scap::arg_text(ctx, at);
    }
    let (holds, value) = held(ctx, at)?;
    held_text(ctx.schema, holds, value, ctx.event.abi)
}

/// The text of one field of a structure that an argument points at; `None` when it was not captured.
pub fn arg_field_text(ctx: &Ctx<'_>, at: usize, field: &str) -> Option<Vec<u8>> {
    let (holds, value) = held(ctx, at)?;
    let (Some(kind), Value::Bytes(blob)) = (holds.kind(), value) else {
        return None;
    };
    let fits = kind.is_struct() && !matches!(kind, ArgKind::GivenArray | ArgKind::FilledArray);
    let row = ctx
        .schema
        .structure(&holds.set, ctx.event.abi)
        .filter(|_| fits)?;
    let field = row.fields.iter().find(|row| row.name == field)?;
    layout::field_text(ctx.schema, field, &blob.bytes, ctx.event.abi, 0)
}

/// The payload in a captured value: the bytes themselves, or those of all messages one after another.
pub fn payload(kind: ArgKind, bytes: &[u8]) -> Cow<'_, [u8]> {
    match kind {
        ArgKind::MsgVecIn | ArgKind::MsgVecOut => Cow::Owned(
            layout::messages(bytes)
                .flat_map(|message| message.payload)
                .copied()
                .collect(),
        ),
        _ => Cow::Borrowed(bytes),
    }
}

/// The text of a value of this kind, in a call of this convention.
pub fn held_text(schema: &Schema, holds: &ArgDesc, value: &Value, abi: Abi) -> Option<Vec<u8>> {
    match value {
        Value::Absent => None,
        Value::Bytes(blob) => Some(bytes_text(schema, holds, &blob.bytes, abi)),
        Value::Num(n) => {
            let kind = holds.kind();
            Some(number_text(schema, kind, &holds.set, number(kind, *n)).into_bytes())
        }
    }
}

fn bytes_text(schema: &Schema, holds: &ArgDesc, bytes: &[u8], abi: Abi) -> Vec<u8> {
    match holds.kind() {
        Some(ArgKind::SockAddrIn | ArgKind::SockAddrOut | ArgKind::MsgName) => sockaddr_text(bytes),
        Some(ArgKind::FdPair) => fd_pair(bytes)
            .map_or_else(|| hex(bytes), |[a, b]| format!("[{a}, {b}]"))
            .into_bytes(),
        Some(ArgKind::Argv) => list_text(bytes),
        Some(ArgKind::BitSet | ArgKind::BitList) => layout::bits_text(bytes).into_bytes(),
        Some(ArgKind::Bytes) => hex(bytes).into_bytes(),
        Some(ArgKind::MsgControl) => layout::control_text(schema, bytes, abi),
        Some(ArgKind::MsgVecIn | ArgKind::MsgVecOut) => layout::messages_text(bytes),
        // Without a set it is text or a layout nobody knows: the bytes as they are.
        Some(kind) if kind.is_struct() && !holds.set.is_empty() => {
            let several = matches!(kind, ArgKind::GivenArray | ArgKind::FilledArray);
            layout::struct_text(schema, &holds.set, bytes, abi, several)
        }
        _ => bytes.to_vec(),
    }
}

/// The two descriptors of a captured [`ArgKind::FdPair`]: two little-endian `int`s.
pub fn fd_pair(bytes: &[u8]) -> Option<[i32; 2]> {
    let (first, rest) = bytes.split_first_chunk::<4>()?;
    let second = rest.first_chunk::<4>()?;
    Some([i32::from_le_bytes(*first), i32::from_le_bytes(*second)])
}

/// A NUL-separated list with blanks between its entries.
pub fn list_text(bytes: &[u8]) -> Vec<u8> {
    let list = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    list.iter()
        .map(|b| if *b == 0 { b' ' } else { *b })
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The result as `evt.res` shows it: `SUCCESS` or the error's name; `None` for events without a result.
pub fn result_text(event: &Event) -> Option<String> {
    if event.flags.has(EventFlags::NO_RESULT) {
        return None;
    }
    Some(match event.errno() {
        Some(number) => errno_name(number),
        None => "SUCCESS".to_owned(),
    })
}

fn errno_name(number: u32) -> String {
    errno::name(number).map_or_else(|| format!("E{number}"), str::to_owned)
}

/// Whether calls of a type may return a new descriptor.
pub fn gives_fd(ty: &TypeDesc) -> bool {
    ty.is_syscall && syscalls::by_name(&ty.name).is_some_and(|row| row.returns_fd)
}

/// Whether the event gave its process a new descriptor: its result is that descriptor.
pub fn new_fd(ty: &TypeDesc, event: &Event) -> bool {
    gives_fd(ty) && !event.flags.has(EventFlags::NO_RESULT) && event.result >= 0
}
