//! Arguments of captures that scap wrote, as text: the shape is sysdig's, `name=number(what it stands for) `, so that
//! what people grep for is found. What a number stood for when it was recorded lies behind it in the value.

use super::{Decides, fd_pair};
use crate::args::ArgKind;
use crate::decimal::Decimal;
use crate::errno;
use crate::event::Value;
use crate::fields::Ctx;
use crate::schema::{ArgDesc, Schema, TypeDesc};
use crate::signal;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Bytes of a buffer that the line of all arguments shows at the most.
const LINE_BYTES: usize = 80;

/// `AT_FDCWD` as scap numbers it.
const AT_FDCWD: i64 = -100;

/// An argument as it is shown: the value, and what it stands for, which may be empty.
struct Shown<'a> {
    text: Part<'a>,
    stands_for: Cow<'a, [u8]>,
}

impl Shown<'_> {
    /// Appends `name=text(stands for) `; of a longer text than `most` bytes the beginning.
    fn put(&self, name: &str, most: Option<usize>, line: &mut Vec<u8>) {
        line.extend_from_slice(name.as_bytes());
        line.push(b'=');
        let from = line.len();
        self.text.put(line);
        if let Some(most) = most.filter(|most| line.len() - from > *most) {
            line.truncate(from + most - 3);
            line.extend_from_slice(b"...");
        }
        if !self.stands_for.is_empty() {
            line.push(b'(');
            line.extend_from_slice(&self.stands_for);
            line.push(b')');
        }
        line.push(b' ');
    }
}

/// What is shown: a number is only made a text where it is written.
enum Part<'a> {
    Int(i64),
    Uint(u64),
    Text(Cow<'a, [u8]>),
}

impl Part<'_> {
    fn put(&self, line: &mut Vec<u8>) {
        match self {
            Part::Int(n) => line.extend_from_slice(Decimal::signed(*n).as_bytes()),
            Part::Uint(n) => line.extend_from_slice(Decimal::unsigned(*n).as_bytes()),
            Part::Text(text) => line.extend_from_slice(text),
        }
    }

    fn into_text(self) -> Vec<u8> {
        match self {
            Part::Text(text) => text.into_owned(),
            number => {
                let mut text = Vec::new();
                number.put(&mut text);
                text
            }
        }
    }
}

impl From<i64> for Part<'_> {
    fn from(n: i64) -> Self {
        Part::Int(n)
    }
}

impl From<u64> for Part<'_> {
    fn from(n: u64) -> Self {
        Part::Uint(n)
    }
}

impl<'a> From<&'a str> for Part<'a> {
    fn from(text: &'a str) -> Self {
        Part::Text(Cow::Borrowed(text.as_bytes()))
    }
}

impl<'a> From<&'a [u8]> for Part<'a> {
    fn from(text: &'a [u8]) -> Self {
        Part::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Part<'_> {
    fn from(text: String) -> Self {
        Part::Text(Cow::Owned(text.into_bytes()))
    }
}

impl From<Vec<u8>> for Part<'_> {
    fn from(text: Vec<u8>) -> Self {
        Part::Text(Cow::Owned(text))
    }
}

impl<'a> Shown<'a> {
    fn plain(text: impl Into<Part<'a>>) -> Shown<'a> {
        Shown {
            text: text.into(),
            stands_for: Cow::Borrowed(b""),
        }
    }

    fn named(text: impl Into<Part<'a>>, stands_for: impl Into<Part<'a>>) -> Shown<'a> {
        Shown {
            text: text.into(),
            stands_for: match stands_for.into() {
                Part::Text(text) => text,
                number => Cow::Owned(number.into_text()),
            },
        }
    }
}

/// The number in a value: the value itself, or the eight bytes in front of a name.
pub fn number_of(value: &Value) -> Option<i64> {
    match value {
        Value::Num(n) => Some(*n),
        Value::Bytes(blob) => blob.bytes.first_chunk().map(|n| i64::from_le_bytes(*n)),
        Value::Absent => None,
    }
}

/// The name behind the number in a value.
pub fn name_of(value: &Value) -> Option<&[u8]> {
    match value {
        Value::Bytes(blob) => blob.bytes.get(8..),
        _ => None,
    }
}

/// The text of one argument as `evt.arg` compares it: what it stands for, else the value.
pub fn arg_text(ctx: &Ctx<'_>, at: usize) -> Option<Vec<u8>> {
    let shown = shown(ctx, at)?;
    Some(if shown.stands_for.is_empty() {
        shown.text.into_text()
    } else {
        shown.stands_for.into_owned()
    })
}

/// All arguments on one line, a blank behind each. Calls that scap knows by number only have none.
pub fn args_text(ctx: &Ctx<'_>) -> Vec<u8> {
    let Some(ty) = ctx.ty() else {
        return Vec::new();
    };
    let args = ty.shown_args();
    if is_generic(args) {
        return Vec::new();
    }
    // Most lines are shorter.
    let mut line = Vec::with_capacity(if args.is_empty() { 0 } else { 128 });
    for (arg, value) in args.iter().zip(&ctx.event.args) {
        put(ctx, arg, value, &mut line);
    }
    line
}

fn put(ctx: &Ctx<'_>, arg: &ArgDesc, value: &Value, line: &mut Vec<u8>) {
    if let Some(shown) = argument(ctx, arg, value) {
        let most = is_buffer(arg.kind()).then_some(LINE_BYTES);
        shown.put(&arg.name, most, line);
    }
}

/// What one argument is in [`args_text`], and what that depends on.
pub(super) fn put_argument(ctx: &Ctx<'_>, at: usize, line: &mut Vec<u8>) -> Decides {
    let args = ctx.ty().map_or(&[][..], |ty| ty.shown_args());
    let Some((arg, value)) = args.get(at).zip(ctx.event.args.get(at)) else {
        return Decides::Alone;
    };
    if is_generic(args) {
        return Decides::Alone;
    }
    put(ctx, arg, value, line);
    match (arg.kind(), value) {
        // Where it starts is told by others.
        (Some(ArgKind::Path), Value::Bytes(blob)) if !is_whole(until_nul(&blob.bytes)) => {
            Decides::More
        }
        _ => Decides::Alone,
    }
}

/// As [`numbers::words`](super::numbers), of numbers here.
pub(super) fn words(kind: Option<ArgKind>) -> Option<Vec<&'static str>> {
    use ArgKind::{Hex, Int, Offset, Pid, Size, Uint};
    matches!(kind, Some(Hex | Int | Offset | Pid | Size | Uint)).then(Vec::new)
}

/// Whether a path needs nothing to start at.
fn is_whole(raw: &[u8]) -> bool {
    raw.is_empty() || raw.starts_with(b"/") || raw.starts_with(b"<NA>")
}

/// The text of an argument that a return has from its entry, by its name, as [`arg_text`] gives it.
pub fn asked_arg(ctx: &Ctx<'_>, name: &str) -> Option<Vec<u8>> {
    let ty = ctx.ty()?;
    let at = ty.arg_index(&format!("{}{name}", TypeDesc::ASKED))?;
    let shown = argument(ctx, ty.args.get(at)?, ctx.event.args.get(at)?)?;
    Some(match shown.stands_for.is_empty() {
        true => shown.text.into_text(),
        false => shown.stands_for.into_owned(),
    })
}

/// What was asked when a call was entered, of what its return does not say itself, in the same form.
pub fn asked(ctx: &Ctx<'_>) -> Vec<u8> {
    let mut line = Vec::new();
    let args = ctx.ty().map_or(&[][..], |ty| &ty.args[..]);
    for (arg, value) in args.iter().zip(&ctx.event.args) {
        let Some(name) = arg.name.strip_prefix(TypeDesc::ASKED) else {
            continue;
        };
        let is_said = ctx.arg(name).is_some_and(|own| *own != Value::Absent);
        let Some(shown) = argument(ctx, arg, value).filter(|_| !is_said) else {
            continue;
        };
        shown.put(name, None, &mut line);
    }
    line
}

/// Whether these are the arguments of a call that has no event of its own: its number, twice.
fn is_generic(args: &[ArgDesc]) -> bool {
    args.first().is_some_and(|arg| arg.name == "ID")
        && args.get(1).is_some_and(|arg| arg.name == "nativeID")
}

fn is_buffer(kind: Option<ArgKind>) -> bool {
    matches!(kind, Some(ArgKind::Data | ArgKind::Bytes | ArgKind::Argv))
}

fn shown<'a>(ctx: &Ctx<'a>, at: usize) -> Option<Shown<'a>> {
    let ty = ctx.ty()?;
    let desc = ty.shown_args().get(at)?;
    let value = ctx.event.args.get(at)?;
    if at == 0 && is_generic(ty.shown_args()) {
        return Some(Shown::named(number_of(value)?, ty.name.as_bytes()));
    }
    argument(ctx, desc, value)
}

fn argument<'a>(ctx: &Ctx<'a>, desc: &'a ArgDesc, value: &'a Value) -> Option<Shown<'a>> {
    Some(match (desc.kind()?, value) {
        (ArgKind::Path, Value::Bytes(blob)) => path(ctx, desc, &blob.bytes),
        // What the writer did not know yet is no parameter.
        (_, Value::Absent) => return None,
        (kind, value) => value_shown(ctx.schema, kind, &desc.set, value),
    })
}

fn value_shown<'a>(schema: &'a Schema, kind: ArgKind, set: &str, value: &'a Value) -> Shown<'a> {
    match (kind, value) {
        (ArgKind::Fd | ArgKind::DirFd, value) => match (number_of(value), name_of(value)) {
            (Some(fd), Some(name)) => Shown::named(fd, name),
            (Some(AT_FDCWD), None) => Shown::named(AT_FDCWD, "AT_FDCWD"),
            (Some(fd), None) => Shown::named(fd, error_name(fd)),
            (None, _) => Shown::plain(""),
        },
        (ArgKind::Pid, value) => match number_of(value) {
            Some(pid) => Shown::named(pid, name_of(value).unwrap_or_default()),
            None => Shown::plain(""),
        },
        (ArgKind::Uid | ArgKind::Gid, value) => match (number_of(value), name_of(value)) {
            (Some(-1), _) => Shown::named("-1", "<NONE>"),
            (Some(id), Some(name)) => Shown::named(id, name),
            (Some(id), None) => Shown::named(id, "<NA>"),
            (None, _) => Shown::plain(""),
        },
        (_, Value::Num(n)) => number_shown(schema, kind, set, *n),
        (_, Value::Bytes(blob)) => bytes_shown(schema, kind, set, &blob.bytes),
        (_, Value::Absent) => Shown::plain(""),
    }
}

fn number_shown<'a>(schema: &'a Schema, kind: ArgKind, set: &str, n: i64) -> Shown<'a> {
    match kind {
        // As C prints them with a sign, 32 bits or 64.
        ArgKind::Uint if set == "32" => Shown::plain(i64::from(n as i32)),
        ArgKind::Hex => Shown::plain(format!("{n:X}")),
        ArgKind::Mode => {
            let text = if n == 0 {
                "0".to_owned()
            } else {
                format!("0{n:o}")
            };
            Shown::named(text, names(schema, set, n as u64))
        }
        ArgKind::Flags => Shown::named(n as u64, names(schema, set, n as u64)),
        ArgKind::Enum => Shown::named(n as u64, one_name(schema, set, n as u64)),
        ArgKind::Errno => Shown::named(n, error_name(n)),
        ArgKind::Signal => Shown::named(n, signal_name(n)),
        ArgKind::TimeSpec if n == -1 => Shown::plain("none"),
        ArgKind::TimeSpec => Shown::named(n as u64, format!("{}s", general(n as u64 as f64 / 1e9))),
        ArgKind::SigSet => {
            let held = (0..32)
                .filter(|bit| n >> bit & 1 == 1)
                .map(|bit| signal_name(bit + 1));
            Shown::plain(
                held.filter(|name| !name.is_empty())
                    .collect::<Vec<_>>()
                    .join(" "),
            )
        }
        _ => Shown::plain(n),
    }
}

fn bytes_shown<'a>(schema: &'a Schema, kind: ArgKind, set: &str, bytes: &'a [u8]) -> Shown<'a> {
    match kind {
        ArgKind::Str => Shown::plain(until_nul(bytes)),
        ArgKind::Tuple => Shown::plain(tuple(bytes)),
        ArgKind::Address => Shown::plain(address(bytes)),
        ArgKind::FdWaits => Shown::plain(waits_text(bytes)),
        ArgKind::Ip => Shown::plain(
            match (<[u8; 4]>::try_from(bytes), <[u8; 16]>::try_from(bytes)) {
                (Ok(ip), _) => Ipv4Addr::from(ip).to_string(),
                (_, Ok(ip)) => Ipv6Addr::from(ip).to_string(),
                _ => String::new(),
            },
        ),
        ArgKind::Variant => variant(schema, set, bytes),
        ArgKind::FdPair => {
            Shown::plain(fd_pair(bytes).map_or_else(String::new, |[a, b]| format!("[{a}, {b}]")))
        }
        _ => Shown::plain(dots(bytes)),
    }
}

/// The kinds of a value that says itself what it is, by the name of the set.
fn variant<'a>(schema: &'a Schema, set: &str, bytes: &'a [u8]) -> Shown<'a> {
    use ArgKind::{Bytes, Errno, Fd, Hex, Int, Signal, Str, TimeSpec, Uint};
    let Some((which, rest)) = bytes.split_first() else {
        return Shown::plain("");
    };
    let kinds: &[ArgKind] = match set {
        "sockopt" => &[Bytes, Errno, Uint, Uint, TimeSpec],
        "ptrace" => &[Hex, Signal],
        "bpf" => &[Fd, Errno],
        "keyctl" => &[Int, Str],
        _ => &[],
    };
    let kind = kinds.get(usize::from(*which)).copied().unwrap_or(Bytes);
    if matches!(kind, Bytes | Str) {
        return bytes_shown(schema, kind, "", rest);
    }
    let number = match *rest {
        [n] => i64::from(n),
        [a, b] => i64::from(u16::from_le_bytes([a, b])),
        [a, b, c, d] => i64::from(u32::from_le_bytes([a, b, c, d])),
        _ => match rest.first_chunk() {
            Some(n) => i64::from_le_bytes(*n),
            None => return Shown::plain(""),
        },
    };
    match kind {
        Fd => match number {
            AT_FDCWD => Shown::named(AT_FDCWD, "AT_FDCWD"),
            fd => Shown::named(fd, error_name(fd)),
        },
        kind => number_shown(schema, kind, "", number),
    }
}

/// A path as it was passed, and where it leads when it is relative: from the working directory, or from the directory
/// whose descriptor the argument `by` holds.
fn path<'a>(ctx: &Ctx<'a>, desc: &ArgDesc, bytes: &'a [u8]) -> Shown<'a> {
    let raw = until_nul(bytes);
    let text = printable(raw);
    if is_whole(raw) {
        return Shown::plain(text);
    }
    match base(ctx, desc, false) {
        Some(base) => Shown::named(text, join_path(&base, raw)),
        None => Shown::plain(text),
    }
}

/// The path of an argument made absolute; `None` where nobody knows from where.
pub fn absolute(ctx: &Ctx<'_>, at: usize) -> Option<Vec<u8>> {
    let desc = ctx.ty()?.shown_args().get(at)?;
    let Value::Bytes(blob) = ctx.event.args.get(at)? else {
        return None;
    };
    let raw = until_nul(&blob.bytes);
    if raw.starts_with(b"/") {
        return Some(join_path(b"", raw));
    }
    Some(join_path(&base(ctx, desc, true)?, raw))
}

/// Where a relative path starts, also of which that is not known when it is to be `whole`; `None` when there is no process.
fn base(ctx: &Ctx<'_>, desc: &ArgDesc, whole: bool) -> Option<Vec<u8>> {
    let cwd = &ctx.proc()?.cwd;
    if desc.by.is_empty() {
        return Some(cwd.clone());
    }
    let fd = ctx.event.args.get(ctx.ty()?.arg_index(&desc.by)?)?;
    if number_of(fd) == Some(AT_FDCWD) {
        return Some(cwd.clone());
    }
    // `<d>/tmp`
    let name = name_of(fd).unwrap_or_default();
    let name = name
        .iter()
        .position(|b| *b == b'>')
        .and_then(|at| name.get(at + 1..));
    Some(match name {
        Some(name) if !name.is_empty() => [name, b"/"].concat(),
        // A descriptor that nobody knows is called so by the peers; one without a name is taken for the root.
        Some(_) if whole => b"/".to_vec(),
        None if whole => b"<UNKNOWN>/".to_vec(),
        _ => Vec::new(),
    })
}

/// A path behind a base, without `.`, `..` and doubled or trailing slashes, as sysdig writes it: what does not print is a
/// dot. An absolute path stands for itself.
pub fn join_path(base: &[u8], path: &[u8]) -> Vec<u8> {
    let path = until_nul(path);
    let mut out = if path.first() == Some(&b'/') {
        Vec::new()
    } else {
        base.to_vec()
    };
    let mut at = 0;
    while let Some(byte) = path.get(at) {
        let next = (path.get(at + 1), path.get(at + 2));
        match (byte, next) {
            (b, _) if !is_print(*b) => {
                out.push(b'.');
                at += 1;
            }
            (b'.', (Some(b'.'), Some(b'/'))) => {
                to_parent(&mut out);
                at += 3;
            }
            (b'.', (Some(b'.'), None)) => {
                to_parent(&mut out);
                at += 2;
            }
            (b'.', (Some(b'.'), _)) => {
                out.extend_from_slice(b"..");
                at += 2;
            }
            (b'.', (Some(b'/'), _)) => at += 2,
            (b'.', (None, _)) => at += 1,
            (b'/', _) if out.last() == Some(&b'/') => at += 1,
            (b, _) => {
                out.push(*b);
                at += 1;
            }
        }
    }
    if out.len() > 1 && out.last() == Some(&b'/') {
        out.pop();
    }
    out
}

/// Cuts a path that ends in a slash back to the slash before the last name.
fn to_parent(path: &mut Vec<u8>) {
    if let Some((_, above)) = path.split_last().filter(|(_, above)| !above.is_empty()) {
        let keep = above
            .iter()
            .rposition(|b| *b == b'/')
            .map_or(0, |at| at + 1);
        path.truncate(keep);
    }
}

fn is_print(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7e)
}

/// What prints.
pub fn printable(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().filter(|b| is_print(*b)).collect()
}

/// What does not print as dots.
fn dots(bytes: &[u8]) -> Vec<u8> {
    bytes
        .iter()
        .map(|b| if is_print(*b) { *b } else { b'.' })
        .collect()
}

/// The bytes before the first NUL.
pub fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|b| *b == 0).next().unwrap_or_default()
}

fn error_name(n: i64) -> &'static str {
    if n >= 0 {
        return "";
    }
    u32::try_from(n.unsigned_abs())
        .ok()
        .and_then(errno::name)
        .unwrap_or_default()
}

fn signal_name(n: i64) -> String {
    let name = signal::name(n);
    if name.starts_with("SIG") {
        name
    } else {
        String::new()
    }
}

/// Names of bits in the order of the set, those that are there first; a name of the whole number ends the list.
fn names<'s>(schema: &'s Schema, set: &str, n: u64) -> Part<'s> {
    let mut held: SmallVec<[&str; 8]> = SmallVec::new();
    let mut rest = n;
    for flag in schema.flag_set(set).map_or(&[][..], |set| &set.flags) {
        if flag.value == n {
            held.push(&flag.name);
            break;
        }
        if flag.value != 0 && rest & flag.value == flag.value {
            held.push(&flag.name);
            rest &= !flag.value;
        }
    }
    match held.as_slice() {
        [] => "".into(),
        [one] => (*one).into(),
        several => several.join("|").into(),
    }
}

/// The name of a whole number.
fn one_name<'s>(schema: &'s Schema, set: &str, n: u64) -> &'s str {
    let flags = schema.flag_set(set).map_or(&[][..], |set| &set.flags);
    flags
        .iter()
        .find(|flag| flag.value == n)
        .map_or("", |flag| &flag.name)
}

/// One end: an address and a port.
fn end4(bytes: &[u8]) -> Option<(Ipv4Addr, u16, &[u8])> {
    let (ip, rest) = bytes.split_first_chunk::<4>()?;
    let (port, rest) = rest.split_first_chunk::<2>()?;
    Some((Ipv4Addr::from(*ip), u16::from_le_bytes(*port), rest))
}

fn end6(bytes: &[u8]) -> Option<(Ipv6Addr, u16, &[u8])> {
    let (ip, rest) = bytes.split_first_chunk::<16>()?;
    let (port, rest) = rest.split_first_chunk::<2>()?;
    Some((Ipv6Addr::from(*ip), u16::from_le_bytes(*port), rest))
}

/// An IPv4 address within an IPv6 one; the address of nothing counts as one, as it does for sysdig.
pub fn mapped(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    if ip.is_unspecified() {
        return Some(Ipv4Addr::UNSPECIFIED);
    }
    ip.to_ipv4_mapped()
}

fn tuple(bytes: &[u8]) -> Vec<u8> {
    let Some((family, rest)) = bytes.split_first() else {
        return b"NULL".to_vec();
    };
    let known = match family {
        2 => end4(rest).and_then(|(a, p, rest)| {
            let (b, q, _) = end4(rest)?;
            Some(format!("{a}:{p}->{b}:{q}").into_bytes())
        }),
        10 => end6(rest).and_then(|(a, p, rest)| {
            let (b, q, _) = end6(rest)?;
            Some(match (mapped(a), mapped(b)) {
                (Some(a), Some(b)) => format!("{a}:{p}->{b}:{q}").into_bytes(),
                _ => format!("{a}:{p}->{b}:{q}").into_bytes(),
            })
        }),
        1 => rest.split_first_chunk::<8>().and_then(|(source, rest)| {
            let (peer, path) = rest.split_first_chunk::<8>()?;
            let ends = format!(
                "{:x}->{:x} ",
                u64::from_le_bytes(*source),
                u64::from_le_bytes(*peer)
            );
            Some([ends.as_bytes(), &printable(until_nul(path))].concat())
        }),
        _ => Some(format!("family {family}").into_bytes()),
    };
    known.unwrap_or_else(|| format!("family {family}").into_bytes())
}

fn address(bytes: &[u8]) -> Vec<u8> {
    let Some((family, rest)) = bytes.split_first() else {
        return b"NULL".to_vec();
    };
    let known = match family {
        1 => Some(printable(until_nul(rest))),
        2 => end4(rest).map(|(ip, port, _)| format!("{ip}:{port}").into_bytes()),
        10 => end6(rest).map(|(ip, port, _)| format!("{ip}:{port}").into_bytes()),
        _ => None,
    };
    known.unwrap_or_else(|| format!("family {family}").into_bytes())
}

/// One descriptor that is waited for.
pub struct Wait<'a> {
    /// Its number.
    pub fd: i64,
    /// What is waited for.
    pub events: u16,
    /// The letter of its type.
    pub letter: u8,
    /// What it is called.
    pub name: &'a [u8],
}

/// The descriptors in a value of kind [`ArgKind::FdWaits`]; ends where the value does.
pub fn waits(mut bytes: &[u8]) -> impl Iterator<Item = Wait<'_>> {
    std::iter::from_fn(move || {
        let (fd, rest) = bytes.split_first_chunk::<8>()?;
        let (events, rest) = rest.split_first_chunk::<2>()?;
        let (letter, rest) = rest.split_first()?;
        let (len, rest) = rest.split_first_chunk::<2>()?;
        let (name, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*len)))?;
        bytes = rest;
        Some(Wait {
            fd: i64::from_le_bytes(*fd),
            events: u16::from_le_bytes(*events),
            letter: *letter,
            name,
        })
    })
}

fn waits_text(bytes: &[u8]) -> Vec<u8> {
    let each = waits(bytes).map(|wait| {
        let letter = char::from(if is_print(wait.letter) {
            wait.letter
        } else {
            b'?'
        });
        format!("{}:{letter}{:x}", wait.fd, wait.events)
    });
    each.collect::<Vec<_>>().join(" ").into_bytes()
}

/// A number as C's `%g` writes it: six digits, an exponent where it is short.
fn general(n: f64) -> String {
    if n == 0.0 || !n.is_finite() {
        return "0".to_owned();
    }
    let exponential = format!("{n:.5e}");
    let (digits, exponent) = exponential.split_once('e').unwrap_or((&exponential, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trim = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if (-4..6).contains(&exponent) {
        return trim(&format!(
            "{n:.*}",
            usize::try_from(5 - exponent).unwrap_or(0)
        ));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trim(digits), exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_joined_as_sysdig_joins_it() {
        let join = |base: &str, path: &str| {
            String::from_utf8(join_path(base.as_bytes(), path.as_bytes())).unwrap()
        };
        assert_eq!(join("/home/", "./a/../b"), "/home/b");
        assert_eq!(join("/home/", "../../.."), "/");
        assert_eq!(join("/home/", "/etc//x/"), "/etc/x");
        assert_eq!(join("/home/u/", ".."), "/home");
        assert_eq!(join("/home/u/", "."), "/home/u");
        assert_eq!(join("", "a/..b/\u{1}"), "a/..b/.");
        assert_eq!(join("/tmp/", ""), "/tmp");
    }

    #[test]
    fn a_length_of_time_is_written_with_six_digits() {
        let shown = |ns: u64| general(ns as f64 / 1e9);
        assert_eq!(
            [0, 1, 50_000, 100_000, 1_500_000_000, 123_456_789_012].map(shown),
            ["0", "1e-09", "5e-05", "0.0001", "1.5", "123.457"]
        );
        assert_eq!(general(1_234_567.0), "1.23457e+06");
    }
}
