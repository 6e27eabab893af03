//! Values as text: one place that knows how an argument of each kind is shown. Pure; the result may still hold captured
//! bytes and must go through [`Safe`](crate::Safe) before it reaches a terminal.

use crate::args::ArgKind;
use crate::errno;
use crate::event::{Event, EventFlags, Value};
use crate::schema::{ArgDesc, Schema};

/// The text of one argument, as `evt.arg.<name>` compares it: flags by name joined with `|`, octal modes, addresses as
/// `ip:port`, paths and payload as the captured bytes. `None` when the argument was not captured.
pub fn arg_text(schema: &Schema, arg: &ArgDesc, value: &Value) -> Option<Vec<u8>> {
    Some(match value {
        Value::Absent => return None,
        Value::Bytes(blob) => blob.bytes.clone(),
        Value::Num(n) => match arg.kind() {
            Some(ArgKind::Flags | ArgKind::Enum) => {
                flags_text(schema, &arg.set, *n as u64).into_bytes()
            }
            Some(ArgKind::Mode) => format!("0{n:o}").into_bytes(),
            Some(ArgKind::Hex | ArgKind::Ptr) => format!("{n:#x}").into_bytes(),
            Some(ArgKind::Uint | ArgKind::Size) => (*n as u64).to_string().into_bytes(),
            _ => n.to_string().into_bytes(),
        },
    })
}

/// Names of the bits of `n` joined with `|`; what has no name is added in hex.
pub fn flags_text(schema: &Schema, set: &str, n: u64) -> String {
    let mut names = Vec::new();
    let mut rest = n;
    for flag in schema.flag_set(set).map_or(&[][..], |set| &set.flags) {
        if n & flag.mask == flag.value && (flag.value != 0 || flag.mask != 0) {
            names.push(flag.name.clone());
            rest &= !flag.mask;
        }
    }
    if rest != 0 || names.is_empty() {
        names.push(format!("{rest:#x}"));
    }
    names.join("|")
}

/// The result as `evt.res` shows it: `SUCCESS` or the error's name; `None` for events without a result.
pub fn result_text(event: &Event) -> Option<String> {
    if event.flags.has(EventFlags::NO_RESULT) {
        return None;
    }
    Some(match event.errno() {
        Some(number) => errno::name(number).map_or_else(|| format!("E{number}"), str::to_owned),
        None => "SUCCESS".to_owned(),
    })
}
