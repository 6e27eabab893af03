//! How large terminals are, as far as they were asked or told.

use afterimage_model::{Ctx, Value};

/// Columns and lines.
pub(crate) type Size = (usize, usize);

/// More columns or lines no terminal is taken to have.
const MOST_SIZE: u16 = 1000;

/// Most changes of size that are kept of one talk.
pub(super) const MOST_SIZES: usize = 10_000;

/// The size that an `ioctl` read from a terminal or gave it (`TIOCGWINSZ`, `TIOCSWINSZ`; `struct winsize` of
/// asm-generic/termios.h: lines, then columns, two bytes each).
pub(super) fn size_of(ctx: &Ctx<'_>) -> Option<Size> {
    const TIOCGWINSZ: i64 = 0x5413;
    const TIOCSWINSZ: i64 = 0x5414;
    let ty = ctx.ty().filter(|ty| ty.name == "ioctl")?;
    let args = &ctx.event.args;
    let asked = |value: &Value| matches!(value, Value::Num(TIOCGWINSZ | TIOCSWINSZ));
    if ctx.event.errno().is_some() || !args.iter().take(ty.args.len()).any(asked) {
        return None;
    }
    let bytes = args.iter().find_map(|value| match value {
        Value::Bytes(blob) => Some(&blob.bytes),
        _ => None,
    })?;
    let number = |at: usize| {
        let two = bytes.get(at..at + 2)?.try_into().ok()?;
        let number = u16::from_le_bytes(two);
        (1..=MOST_SIZE)
            .contains(&number)
            .then_some(usize::from(number))
    };
    Some((number(2)?, number(0)?))
}
