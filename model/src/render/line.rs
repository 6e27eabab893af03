//! All of an event on one line.

use super::{arg_text, errno_name, held, layout, new_fd, numbers, scap};
use crate::args::ArgKind;
use crate::entity::File;
use crate::event::{Blob, Event, EventFlags, Value};
use crate::fields::Ctx;
use crate::schema::{Schema, TypeDesc};

/// Bytes of a payload that the line of all arguments shows at the most, as sysdig's does.
const LINE_PAYLOAD_BYTES: usize = 80;

/// Bytes of any other text that the line of all arguments shows at the most.
const LINE_TEXT_BYTES: usize = 4096;

/// All of an event on one line, as `evt.args` shows it: `res=18 fd=3(<f>/etc/passwd) buf=root:x:0:0… count=4096`. The
/// result comes first; where it is a descriptor it is called `fd`. What was cut, or is too long for a line, ends in
/// `…(+N)`, N being the bytes not shown. Arguments that were not captured are left out.
pub fn args_text(ctx: &Ctx<'_>) -> Vec<u8> {
    let mut line = Vec::new();
    let Some(ty) = ctx.ty() else { return line };
    if ty.is(TypeDesc::SCAP) {
        return scap::args_text(ctx);
    }
    let mut behind = ctx.file();
    if put_result(ty, ctx.event, &mut line) && ctx.event.errno().is_none() && new_fd(ty, ctx.event)
    {
        put_file(&mut line, behind.take());
    }
    for (at, arg) in ty.args.iter().enumerate() {
        let from = line.len();
        if !line.is_empty() {
            line.push(b' ');
        }
        if !put_argument(ctx, at, &mut line) {
            line.truncate(from);
            continue;
        }
        if arg.kind() == Some(ArgKind::Fd) {
            put_file(&mut line, behind.take());
        }
    }
    line
}

/// Appends the result, `res=-2(ENOENT)`, or `fd=3` where it is a descriptor; false where there is none.
fn put_result(ty: &TypeDesc, event: &Event, line: &mut Vec<u8>) -> bool {
    if event.flags.has(EventFlags::NO_RESULT) || !ty.is_syscall {
        return false;
    }
    let name = match new_fd(ty, event) && ty.arg_index("fd").is_none() {
        true => Stretch::RESULT_NAMES[1],
        false => Stretch::RESULT_NAMES[0],
    };
    line.extend_from_slice(format!("{name}={}", event.result).as_bytes());
    if let Some(number) = event.errno() {
        line.extend_from_slice(format!("({})", errno_name(number)).as_bytes());
    }
    true
}

/// Appends an argument, `path=/etc/passwd`; false where it was not captured.
fn put_argument(ctx: &Ctx<'_>, at: usize, line: &mut Vec<u8>) -> bool {
    let found = (ctx.ty().and_then(|ty| ty.args.get(at))).zip(ctx.event.args.get(at));
    let Some(((arg, value), text)) = found.zip(arg_text(ctx, at)) else {
        return false;
    };
    let kind = held(ctx, at).and_then(|(holds, _)| holds.kind());
    line.extend_from_slice(arg.name.as_bytes());
    line.push(b'=');
    append_cut(line, &text, kind, value);
    true
}

/// A stretch of the line of all arguments, see [`args_text`]. One begins with a blank before `name=`, or with `(<`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stretch {
    /// The result.
    Result,
    /// The argument of this number.
    Argument(usize),
    /// The file that the event touched.
    File,
}

/// What a stretch depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decides {
    /// The result, the value of the argument with those that [decide](Schema::deciders) what it is, or the file, by itself.
    Alone,
    /// The same, together with the convention of the call.
    WithAbi,
    /// More than that.
    More,
}

impl Stretch {
    /// What the result is called: where it is a descriptor the second, if no argument is called so.
    pub const RESULT_NAMES: [&str; 2] = ["res", "fd"];

    /// Appends what it says in the line of an event, and tells what that depends on. Nothing where it is not in there.
    pub fn put(self, ctx: &Ctx<'_>, line: &mut Vec<u8>) -> Decides {
        let Some(ty) = ctx.ty() else {
            return Decides::More;
        };
        match (self, ty.is(TypeDesc::SCAP)) {
            (Stretch::Argument(at), true) => return scap::put_argument(ctx, at, line),
            (_, true) => {}
            (Stretch::Result, _) => {
                put_result(ty, ctx.event, line);
            }
            (Stretch::File, _) => put_file(line, ctx.file()),
            (Stretch::Argument(at), _) => {
                put_argument(ctx, at, line);
                return match ty.args.get(at).and_then(|arg| arg.kind()) {
                    Some(ArgKind::Choice | ArgKind::MsgControl) => Decides::WithAbi,
                    Some(kind) if kind.is_struct() => Decides::WithAbi,
                    _ => Decides::Alone,
                };
            }
        }
        Decides::Alone
    }

    /// Names that stand before a `=` in lines of events of a type.
    pub fn names(ty: &TypeDesc) -> impl Iterator<Item = &str> {
        let args = ty.args.iter().map(|arg| &arg.name[..]);
        args.chain(Stretch::RESULT_NAMES)
    }

    /// The names that the argument of this number may be shown by, its own among them: where it is a number, or with `bytes` where
    /// it is captured bytes; `None` where anything may stand there. Else nothing is shown but them and bytes of which
    /// [`is_of_number`](super::is_of_number) holds, with [marks](Stretch::is_mark) around each name.
    pub fn words<'s>(
        schema: &'s Schema,
        ty: &'s TypeDesc,
        at: usize,
        bytes: bool,
    ) -> Option<Vec<&'s str>> {
        let arg = ty.args.get(at)?;
        let kind = arg.kind();
        let mut words = match (ty.is(TypeDesc::SCAP), bytes) {
            (true, true) => return None,
            (true, false) => scap::words(kind)?,
            (false, false) => numbers::words(schema, kind, &arg.set)?,
            (false, true) if kind?.is_struct() && !arg.set.is_empty() => {
                layout::names(schema, &arg.set, 0)?
            }
            (false, true) => return None,
        };
        words.push(&arg.name);
        Some(words)
    }

    /// Whether a byte stands between names and numbers.
    pub fn is_mark(byte: u8) -> bool {
        b" |,=(){}[]\"".contains(&byte) || !byte.is_ascii()
    }
}

/// `(<4t>10.0.0.2:1234->10.0.0.1:80)`: the letter of `fd.typechar`, for sockets that of the protocol, and the name.
fn put_file(line: &mut Vec<u8>, file: Option<&File>) {
    let Some(file) = file else { return };
    line.extend_from_slice(b"(<");
    line.extend_from_slice(file.kind.letter().encode_utf8(&mut [0; 4]).as_bytes());
    line.extend(
        file.flow
            .and_then(|flow| flow.protocol.name())
            .and_then(|name| name.bytes().next()),
    );
    line.push(b'>');
    line.extend_from_slice(&file.shown_name());
    line.push(b')');
}

/// The same; of a return in a capture of sysdig behind it what was asked when the call was entered, which sysdig shows with the
/// entry only.
pub fn asked_text(ctx: &Ctx<'_>) -> Vec<u8> {
    let mut line = args_text(ctx);
    if ctx.ty().is_some_and(|ty| ty.is(TypeDesc::SCAP)) {
        line.extend(scap::asked(ctx));
    }
    line
}

fn append_cut(line: &mut Vec<u8>, text: &[u8], kind: Option<ArgKind>, value: &Value) {
    let bound = match kind {
        Some(ArgKind::MsgVecIn | ArgKind::MsgVecOut) => LINE_TEXT_BYTES,
        Some(ArgKind::StructIn) if text.first() != Some(&b'{') => LINE_PAYLOAD_BYTES,
        Some(kind) if kind.is_payload() => LINE_PAYLOAD_BYTES,
        _ => LINE_TEXT_BYTES,
    };
    let shown = text.get(..bound).unwrap_or(text);
    let lost = match value {
        Value::Bytes(Blob { bytes, full_len }) => full_len.saturating_sub(bytes.len() as u64),
        _ => 0,
    };
    let hidden = lost.saturating_add((text.len() - shown.len()) as u64);
    line.extend_from_slice(shown);
    if hidden > 0 {
        line.extend_from_slice(format!("…(+{hidden})").as_bytes());
    }
}
