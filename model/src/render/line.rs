//! All of an event on one line.

use super::{arg_text, errno_name, held, new_fd, scap};
use crate::args::ArgKind;
use crate::entity::File;
use crate::event::{Blob, EventFlags, Value};
use crate::fields::Ctx;
use crate::schema::TypeDesc;

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
    let event = ctx.event;
    let returned_fd = new_fd(ty, event);
    let mut behind = ctx.file();
    if !event.flags.has(EventFlags::NO_RESULT) && ty.is_syscall {
        let name = if returned_fd && ty.arg_index("fd").is_none() {
            "fd"
        } else {
            "res"
        };
        line.extend_from_slice(format!("{name}={}", event.result).as_bytes());
        match event.errno() {
            Some(number) => line.extend_from_slice(format!("({})", errno_name(number)).as_bytes()),
            None if returned_fd => append_file(&mut line, behind.take()),
            None => {}
        }
    }
    for (at, (arg, value)) in ty.args.iter().zip(&event.args).enumerate() {
        let Some(text) = arg_text(ctx, at) else {
            continue;
        };
        let kind = held(ctx, at).and_then(|(holds, _)| holds.kind());
        if !line.is_empty() {
            line.push(b' ');
        }
        line.extend_from_slice(arg.name.as_bytes());
        line.push(b'=');
        append_cut(&mut line, &text, kind, value);
        if arg.kind() == Some(ArgKind::Fd) {
            append_file(&mut line, behind.take());
        }
    }
    line
}

/// `(<4t>10.0.0.2:1234->10.0.0.1:80)`: the letter of `fd.typechar`, for sockets that of the protocol, and the name.
fn append_file(line: &mut Vec<u8>, file: Option<&File>) {
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
