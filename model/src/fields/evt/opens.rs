//! What a call that opens a file asks for.

use super::scap;
use crate::event::{TypeId, Value};
use crate::fields::{Ctx, FieldValue, Looks};
use crate::schema::TypeDesc;

/// Calls that open a file by path or handle; sorted.
pub(super) const OPENS: &[&str] = &["creat", "open", "open_by_handle_at", "openat", "openat2"];

/// What the fields about opening look at of events of a type.
pub fn open_looks(ty: &TypeDesc) -> Looks {
    let opens = ty.is_syscall && OPENS.binary_search(&ty.name.as_str()).is_ok();
    match opens || ty.is(TypeDesc::SCAP) {
        true => Looks::Beyond,
        false => Looks::Nowhere,
    }
}

/// Flags and mode of an open call, from its arguments or from the first words of `struct open_how`.
fn opened(c: &Ctx<'_>) -> Option<(u64, u64)> {
    if let Some(ty) = scap(c) {
        return Some(opened_by(c, ty));
    }
    let name = c.ty().filter(|ty| ty.is_syscall)?.name.as_str();
    OPENS.binary_search(&name).ok()?;
    let number = |name: &str| match c.arg(name) {
        Some(Value::Num(n)) => Some(*n as u64),
        _ => None,
    };
    if name == "creat" {
        return Some((O_CREAT | O_WRONLY | O_TRUNC, number("mode").unwrap_or(0)));
    }
    if let Some(Value::Bytes(how)) = c.arg("how") {
        let word = |at: usize| {
            how.bytes
                .get(at..)
                .and_then(|tail| tail.first_chunk::<8>())
                .map(|word| u64::from_le_bytes(*word))
        };
        return Some((word(0)?, word(8).unwrap_or(0)));
    }
    Some((number("flags")?, number("mode").unwrap_or(0)))
}

// Flags of an open call as scap numbers them (driver/ppm_events_public.h, PPM_O_*).
const SCAP_READ: u64 = 1;
const SCAP_WRITE: u64 = 2;
const SCAP_CREAT: u64 = 4;
const SCAP_TMPFILE: u64 = 1 << 13;
const SCAP_CREATED: u64 = 1 << 14;

/// Flags and mode of an open call of scap's, in Linux's numbering; for all other events such that nothing is asked for.
fn opened_by(c: &Ctx<'_>, ty: &TypeDesc) -> (u64, u64) {
    let number = |name: &str| match c.arg(name) {
        Some(Value::Num(n)) => Some(*n as u64),
        _ => None,
    };
    let returned = ty.is(TypeDesc::EXIT);
    // The first kind of openat has its arguments in the entry, and only there.
    let returns = || c.schema.ty(TypeId(c.event.ty.0.checked_add(1)?));
    let entered = ty.name == "openat"
        && ty.is(TypeDesc::ENTRY)
        && returns().is_some_and(|ty| ty.arg_index("flags").is_none());
    let mode = number("mode").unwrap_or(0);
    let flags = match ty.name.as_str() {
        "open" | "openat2" if returned => number("flags"),
        "openat" if returned || entered => number("flags"),
        "creat" if returned => return (O_CREAT | O_PATH, mode),
        _ => None,
    };
    let Some(flags) = flags else {
        return (O_PATH, 0);
    };
    let access = match flags & (SCAP_READ | SCAP_WRITE) {
        0 => O_PATH,
        SCAP_READ => 0,
        SCAP_WRITE => O_WRONLY,
        _ => 2,
    };
    let bits = [
        (SCAP_CREAT, O_CREAT),
        (SCAP_TMPFILE, O_TMPFILE),
        (SCAP_CREATED, O_CREAT),
    ];
    let held = bits.iter().filter(|bit| flags & bit.0 != 0);
    (held.fold(access, |all, bit| all | bit.1), mode)
}

// The same on x86 and ARM: include/uapi/asm-generic/fcntl.h.
const O_WRONLY: u64 = 1;
const O_ACCMODE: u64 = 3;
const O_CREAT: u64 = 0o100;
const O_TRUNC: u64 = 0o1000;
const O_PATH: u64 = 0o10000000;
/// The bit of its own; `O_TMPFILE` also sets `O_DIRECTORY`, whose value depends on the machine.
const O_TMPFILE: u64 = 0o20000000;

/// Whether an open call asks to read.
pub fn is_open_read(c: &Ctx<'_>) -> Option<FieldValue<'static>> {
    let (flags, _) = opened(c)?;
    Some(FieldValue::Bool(
        flags & O_PATH == 0 && flags & O_ACCMODE != O_WRONLY,
    ))
}

/// Whether an open call asks to write.
pub fn is_open_write(c: &Ctx<'_>) -> Option<FieldValue<'static>> {
    let (flags, _) = opened(c)?;
    Some(FieldValue::Bool(
        flags & O_PATH == 0 && flags & O_ACCMODE != 0,
    ))
}

/// Whether an open call asks to create the file when it is not there.
pub fn is_open_create(c: &Ctx<'_>) -> Option<FieldValue<'static>> {
    let (flags, _) = opened(c)?;
    Some(FieldValue::Bool(flags & (O_CREAT | O_TMPFILE) != 0))
}

/// Whether an open call may create the file with an execute bit.
pub fn is_open_exec(c: &Ctx<'_>) -> Option<FieldValue<'static>> {
    let (flags, mode) = opened(c)?;
    Some(FieldValue::Bool(
        (c.event.errno().is_none() || scap(c).is_some())
            && flags & (O_CREAT | O_TMPFILE) != 0
            && mode & 0o111 != 0,
    ))
}
