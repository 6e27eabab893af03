//! Structures, control messages and vectors of messages as text, by the layout the schema gives. What a file claims is
//! bounded: fields, elements and depth.

use super::{hex, number_text, numbers, sockaddr_text};
use crate::args::{Abi, ArgKind};
use crate::render::duration_text;
use crate::schema::{Schema, StructDesc, StructFieldDesc};
use crate::signal;
use crate::time::Civil;

/// Elements of an array that are shown at the most.
const MOST_ELEMENTS: usize = 256;
/// Fields of a structure that are shown at the most.
const MOST_FIELDS: usize = 256;
/// How deep structures inside structures are followed.
const DEPTH: u32 = 3;

/// `UTIME_NOW` and `UTIME_OMIT` of `include/linux/stat.h`, in the place of nanoseconds.
const UTIME: [(i64, &str); 2] = [(0x3fff_ffff, "UTIME_NOW"), (0x3fff_fffe, "UTIME_OMIT")];

/// One structure, or several one after another.
pub fn struct_text(schema: &Schema, set: &str, bytes: &[u8], abi: Abi, several: bool) -> Vec<u8> {
    let Some(row) = schema.structure(set, abi) else {
        return hex(bytes).into_bytes();
    };
    let mut out = Vec::new();
    let size = row.size.max(1) as usize;
    // A number in memory may be several where the caller says how many bytes there are.
    let numbers = single(row).is_some_and(|field| {
        field.width == row.size
            && !partial(ArgKind::from_code(field.kind))
            && bytes.len() >= 2 * size
    });
    if several || numbers {
        out.push(b'[');
        for (at, element) in bytes.chunks(size).take(MOST_ELEMENTS).enumerate() {
            if at > 0 {
                out.extend_from_slice(b", ");
            }
            put_struct(schema, row, element, abi, 0, &mut out);
        }
        if bytes.len().div_ceil(size) > MOST_ELEMENTS {
            out.extend_from_slice(", …".as_bytes());
        }
        out.push(b']');
    } else {
        put_struct(schema, row, bytes, abi, 0, &mut out);
    }
    out
}

/// The only field of what is no structure but a value in memory.
fn single(row: &StructDesc) -> Option<&StructFieldDesc> {
    match row.fields.as_slice() {
        [field] if field.name.is_empty() => Some(field),
        _ => None,
    }
}

/// Whether less than the whole field makes sense.
fn partial(kind: Option<ArgKind>) -> bool {
    matches!(
        kind,
        Some(ArgKind::Str | ArgKind::Bytes | ArgKind::BitList | ArgKind::SockAddrIn)
    )
}

fn put_struct(
    schema: &Schema,
    row: &StructDesc,
    bytes: &[u8],
    abi: Abi,
    depth: u32,
    out: &mut Vec<u8>,
) {
    if let Some(field) = single(row) {
        match field_text(schema, field, bytes, abi, depth) {
            Some(text) => out.extend(text),
            // Fewer bytes than the value has.
            None => out.extend(hex(bytes).into_bytes()),
        }
        return;
    }
    out.push(b'{');
    let mut first = true;
    for field in row.fields.iter().take(MOST_FIELDS) {
        let Some(text) = field_text(schema, field, bytes, abi, depth) else {
            continue;
        };
        if !first {
            out.extend_from_slice(b", ");
        }
        first = false;
        out.extend_from_slice(field.name.as_bytes());
        out.push(b'=');
        let quote = ArgKind::from_code(field.kind) == Some(ArgKind::Str);
        out.extend(quote.then_some(b'"'));
        out.extend(text);
        out.extend(quote.then_some(b'"'));
    }
    out.push(b'}');
}

/// One field; `None` when it is not among the bytes.
pub fn field_text(
    schema: &Schema,
    field: &StructFieldDesc,
    bytes: &[u8],
    abi: Abi,
    depth: u32,
) -> Option<Vec<u8>> {
    let kind = ArgKind::from_code(field.kind);
    let from = field.offset as usize;
    let to = from.checked_add(field.width as usize)?;
    let bytes = match bytes.get(from..to) {
        Some(whole) => whole,
        None if partial(kind) => bytes.get(from..).filter(|rest| !rest.is_empty())?,
        None => return None,
    };
    let signed = matches!(
        kind,
        Some(
            ArgKind::Int
                | ArgKind::Fd
                | ArgKind::DirFd
                | ArgKind::Pid
                | ArgKind::Offset
                | ArgKind::Epoch
        )
    );
    let text = match kind {
        Some(ArgKind::Str) => {
            let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
            return bytes.get(..end).map(<[u8]>::to_vec);
        }
        Some(ArgKind::SockAddrIn) => return Some(sockaddr_text(bytes)),
        Some(ArgKind::Given) => {
            let row = schema
                .structure(&field.set, abi)
                .filter(|_| depth < DEPTH)?;
            let mut out = Vec::new();
            put_struct(schema, row, bytes, abi, depth + 1, &mut out);
            return Some(out);
        }
        Some(ArgKind::Bytes) => hex(bytes),
        Some(ArgKind::BitList) => bits_text(bytes),
        Some(ArgKind::TimeSpec) => length_text(pair(bytes)?, 1),
        Some(ArgKind::TimeVal) => length_text(pair(bytes)?, 1_000),
        Some(ArgKind::Stamp) => {
            let (seconds, nanos) = pair(bytes)?;
            stamp_text(seconds, nanos)
        }
        Some(ArgKind::StampUs) => {
            let (seconds, micros) = pair(bytes)?;
            stamp_text(seconds, micros.saturating_mul(1_000))
        }
        Some(ArgKind::SigSet) => {
            let width = (bytes.len() as u32).saturating_mul(8);
            signal::set_text(word(bytes, false)? as u64, width)
        }
        // struct __user_cap_data_struct: the upper half is in a second structure, twelve bytes on.
        Some(ArgKind::Caps) if bytes.len() == 16 => {
            let low = word(bytes.get(..4)?, false)?;
            let high = word(bytes.get(12..)?, false)?;
            number_text(schema, kind, &field.set, low | high << 32)
        }
        Some(ArgKind::Uid | ArgKind::Gid) => {
            let n = word(bytes, false)?;
            // All ones in any width is -1: "leave it as it is", or nobody.
            let n = if word(bytes, true) == Some(-1) { -1 } else { n };
            number_text(schema, kind, &field.set, n)
        }
        _ => number_text(schema, kind, &field.set, word(bytes, signed)?),
    };
    Some(text.into_bytes())
}

/// The names that structures of this name may be shown with, those of their fields among them; `None` where captured text is shown, or
/// they are not all known. See [`numbers::words`].
pub(super) fn names<'s>(schema: &'s Schema, set: &str, depth: u32) -> Option<Vec<&'s str>> {
    let mut words = Vec::new();
    let rows = schema.structs.iter().filter(|row| row.name == set);
    for field in rows.flat_map(|row| row.fields.iter().take(MOST_FIELDS)) {
        words.push(&field.name[..]);
        let kind = ArgKind::from_code(field.kind);
        words.extend(match kind {
            Some(ArgKind::Str | ArgKind::SockAddrIn | ArgKind::SigSet | ArgKind::Caps) => {
                return None;
            }
            Some(ArgKind::Given) if depth >= DEPTH => Vec::new(),
            Some(ArgKind::Given) => names(schema, &field.set, depth + 1)?,
            Some(ArgKind::Bytes | ArgKind::BitList | ArgKind::TimeSpec | ArgKind::TimeVal) => {
                Vec::new()
            }
            Some(ArgKind::Stamp | ArgKind::StampUs) => {
                UTIME.iter().map(|(_, name)| *name).collect()
            }
            kind => numbers::words(schema, kind, &field.set)?,
        });
    }
    Some(words)
}

/// A little-endian number of 1 to 8 bytes.
fn word(bytes: &[u8], signed: bool) -> Option<i64> {
    let mut raw = [0; 8];
    raw.get_mut(..bytes.len())?.copy_from_slice(bytes);
    let unused = 64_u32.checked_sub((bytes.len() as u32).saturating_mul(8))?;
    let n = i64::from_le_bytes(raw);
    match unused {
        0 => Some(n),
        64 => None,
        _ if signed => Some(n << unused >> unused),
        _ => Some(n),
    }
}

/// Two signed words of the same size.
fn pair(bytes: &[u8]) -> Option<(i64, i64)> {
    let (first, second) = bytes.split_at_checked(bytes.len() / 2)?;
    Some((word(first, true)?, word(second, true)?))
}

/// A length of time, the second part in units of `unit` nanoseconds.
fn length_text((seconds, part): (i64, i64), unit: i64) -> String {
    let ns = part.checked_mul(unit).and_then(|part| {
        let whole = seconds.checked_mul(1_000_000_000)?;
        whole.checked_add(part)
    });
    match ns {
        Some(ns) => duration_text(ns),
        None => format!("{seconds}s+{part}"),
    }
}

/// An instant in UTC, or what stands for one.
pub fn stamp_text(seconds: i64, nanos: i64) -> String {
    if let Some((_, name)) = UTIME.iter().find(|row| row.0 == nanos) {
        return (*name).to_owned();
    }
    let ns = seconds.checked_mul(1_000_000_000);
    match ns.and_then(|ns| ns.checked_add(nanos)) {
        Some(ns) if (0..1_000_000_000).contains(&nanos) => Civil::from_unix_ns(ns).iso8601(),
        _ => format!("{seconds}s+{nanos}"),
    }
}

/// The numbers of a set of bits: `[0-3, 8]`.
pub fn bits_text(bytes: &[u8]) -> String {
    let bit = |at: usize| {
        bytes
            .get(at / 8)
            .is_some_and(|byte| byte >> (at % 8) & 1 == 1)
    };
    let mut runs = Vec::new();
    let mut at = 0;
    let end = bytes.len().min(MOST_ELEMENTS * 32) * 8;
    while at < end {
        if !bit(at) {
            at += 1;
            continue;
        }
        let from = at;
        while at < end && bit(at) {
            at += 1;
        }
        runs.push(match at - from {
            1 => from.to_string(),
            2 => format!("{from}, {}", at - 1),
            _ => format!("{from}-{}", at - 1),
        });
    }
    format!("[{}]", runs.join(", "))
}

/// Control messages (`struct cmsghdr`, and its 32-bit form): what they pass.
pub fn control_text(schema: &Schema, bytes: &[u8], abi: Abi) -> Vec<u8> {
    let (head, align) = if abi == Abi::i386 { (12, 4) } else { (16, 8) };
    let mut out = vec![b'['];
    let mut rest = bytes;
    for _ in 0..MOST_ELEMENTS {
        let word_at = |at: usize| rest.get(at..at + 4).and_then(|raw| word(raw, false));
        let (Some(len), Some(level), Some(kind)) =
            (word_at(0), word_at(head - 8), word_at(head - 4))
        else {
            break;
        };
        let len = len as usize;
        if len < head {
            break;
        }
        let data = rest.get(head..len.min(rest.len())).unwrap_or_default();
        if out.len() > 1 {
            out.extend_from_slice(b", ");
        }
        out.extend(one_control(schema, level, kind, data, abi));
        rest = rest.get(len.next_multiple_of(align)..).unwrap_or_default();
    }
    out.push(b']');
    out
}

/// `SOL_SOCKET`, and its control messages of `include/linux/socket.h`.
const SOL_SOCKET: i64 = 1;
const SCM_RIGHTS: i64 = 1;
const SCM_CREDENTIALS: i64 = 2;

fn one_control(schema: &Schema, level: i64, kind: i64, data: &[u8], abi: Abi) -> Vec<u8> {
    let named = |set: &str, n: i64| number_text(schema, Some(ArgKind::Int), set, n);
    let mut text = format!("{{level={}, ", named("sockopt_level", level));
    match (level, kind) {
        (SOL_SOCKET, SCM_RIGHTS) => {
            let fds = data.chunks_exact(4).take(MOST_ELEMENTS);
            let fds = fds.filter_map(|fd| word(fd, true)).map(|fd| fd.to_string());
            text += &format!(
                "type=SCM_RIGHTS, fds=[{}]}}",
                fds.collect::<Vec<_>>().join(", ")
            );
        }
        (SOL_SOCKET, SCM_CREDENTIALS) => {
            let ids = struct_text(schema, "ucred", data, abi, false);
            text += "type=SCM_CREDENTIALS, ucred=";
            return [text.as_bytes(), &ids, b"}"].concat();
        }
        (SOL_SOCKET, _) => {
            let set = if kind < 5 { "scm" } else { "so" };
            text += &format!("type={}, data={}}}", named(set, kind), hex(data));
        }
        _ => text += &format!("type={kind}, data={}}}", hex(data)),
    }
    text.into_bytes()
}

/// One of several messages, as the recorder keeps them.
pub struct Message<'a> {
    /// Bytes the kernel sent or received.
    pub len: u32,
    /// The socket address.
    pub name: &'a [u8],
    /// As much of the payload as was kept.
    pub payload: &'a [u8],
}

/// Takes a vector of messages apart: for each, little-endian, its length, the bytes of the address and of the payload
/// that follow, 32 bits each, then these.
pub fn messages(bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (head, tail) = rest.split_first_chunk::<12>()?;
        let at = |at: usize| word(head.get(at..at + 4)?, false).map(|n| n as u32);
        let (len, name, payload) = (at(0)?, at(4)?, at(8)?);
        let (name, tail) = tail.split_at_checked(name as usize)?;
        let (payload, tail) = tail.split_at_checked(payload as usize)?;
        rest = tail;
        Some(Message { len, name, payload })
    })
}

/// Bytes of each message's payload that are shown at the most.
const MESSAGE_BYTES: usize = 80;

/// Messages, each with its address where it has one.
pub fn messages_text(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![b'['];
    for message in messages(bytes).take(MOST_ELEMENTS) {
        if out.len() > 1 {
            out.extend_from_slice(b", ");
        }
        out.push(b'{');
        if !message.name.is_empty() {
            out.extend_from_slice(b"name=");
            out.extend(sockaddr_text(message.name));
            out.extend_from_slice(b", ");
        }
        out.extend_from_slice(format!("len={}, data=\"", message.len).as_bytes());
        let shown = message
            .payload
            .get(..MESSAGE_BYTES)
            .unwrap_or(message.payload);
        out.extend_from_slice(shown);
        let hidden = (message.len as usize).saturating_sub(shown.len());
        if hidden > 0 {
            out.extend_from_slice(format!("…(+{hidden})").as_bytes());
        }
        out.extend_from_slice(b"\"}");
    }
    out.push(b']');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::StructFieldDesc;

    fn say(set: &str, bytes: &[u8], abi: Abi, several: bool) -> String {
        let text = struct_text(Schema::current(), set, bytes, abi, several);
        String::from_utf8(text).unwrap()
    }

    fn words(words: &[u64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn a_structure_is_shown_in_the_layout_of_its_convention() {
        let how = words(&[0o100, 0o644, 0x08]);
        assert_eq!(
            say("open_how", &how, Abi::x86_64, false),
            "{flags=O_RDONLY|O_CREAT, mode=0644, resolve=RESOLVE_BENEATH}"
        );
        assert_eq!(
            say(
                "sigaction",
                &words(&[1, 0x1000_0000, 0, 2]),
                Abi::x86_64,
                false
            ),
            "{handler=SIG_IGN, flags=SA_RESTART, mask=[SIGINT]}"
        );
        assert_eq!(
            say(
                "sigaction",
                &words(&[0x1000_0000_0000_0001, 2 << 32, 0]),
                Abi::i386,
                false
            ),
            "{handler=SIG_IGN, flags=SA_RESTART, mask=[SIGINT]}"
        );
        assert_eq!(
            say("rlimit", &words(&[u64::MAX]), Abi::i386, false),
            "{cur=RLIM_INFINITY, max=RLIM_INFINITY}"
        );
        assert_eq!(
            say(
                "cap_data",
                &words(&[0x20 << 32 | 1, 0, 0x100]),
                Abi::x86_64,
                false
            ),
            "{effective=CAP_CHOWN, permitted=CAP_KILL|CAP_CHECKPOINT_RESTORE, inheritable=0}"
        );
    }

    #[test]
    fn the_result_of_what_was_queued_is_a_number_or_an_error() {
        let done = words(&[7, 0x1000, -28_i64 as u64, 0, 8, 0x1000, 4096, 0]);
        assert_eq!(
            say("io_event", &done, Abi::x86_64, true),
            "[{data=0x7, obj=0x1000, res=ENOSPC, res2=0}, {data=0x8, obj=0x1000, res=4096, res2=0}]"
        );
    }

    #[test]
    fn what_was_cut_is_left_out_and_what_is_nothing_known_is_hex() {
        assert_eq!(
            say("open_how", &words(&[0]), Abi::x86_64, false),
            "{flags=O_RDONLY}"
        );
        assert_eq!(say("timespec", &[1, 2], Abi::x86_64, false), "0102");
        assert_eq!(
            say("no such structure", &[1, 2], Abi::x86_64, false),
            "0102"
        );
        assert_eq!(say("open_how", &[], Abi::x86_64, false), "{}");
    }

    #[test]
    fn several_structures_are_a_list_and_several_numbers_are_one_too() {
        let two = [3u8, 0, 0, 0, 1, 0, 1, 0, 255, 255, 255, 255, 4, 0, 0, 0];
        assert_eq!(
            say("pollfd", &two, Abi::x86_64, true),
            "[{fd=3, events=POLLIN, revents=POLLIN}, {fd=-1, events=POLLOUT, revents=0}]"
        );
        assert_eq!(say("gid32", &two[..8], Abi::x86_64, true), "[3, 65537]");
        assert_eq!(say("int", &two[..8], Abi::x86_64, false), "[3, 65537]");
        assert_eq!(say("int", &two[..4], Abi::x86_64, false), "3");
        assert_eq!(say("uid", &two[8..10], Abi::i386, false), "-1");
    }

    #[test]
    fn instants_and_lengths_of_time_are_exact_or_say_their_words() {
        assert_eq!(stamp_text(0, 5), "1970-01-01T00:00:00.000000005+0000");
        assert_eq!(stamp_text(9, 0x3fff_fffe), "UTIME_OMIT");
        assert_eq!(stamp_text(i64::MAX, 1), "9223372036854775807s+1");
        assert_eq!(length_text((1, 500_000), 1_000), "1.5s");
        assert_eq!(length_text((i64::MIN, 0), 1), "-9223372036854775808s+0");
    }

    #[test]
    fn sets_of_bits_are_shown_as_runs() {
        assert_eq!(bits_text(&[0b1011_1001, 1]), "[0, 3-5, 7, 8]");
        assert_eq!(bits_text(&[0, 0b1000_0000]), "[15]");
        assert_eq!(bits_text(&[]), "[]");
    }

    #[test]
    fn control_messages_of_both_widths_say_what_they_pass() {
        let schema = Schema::current();
        let wide = [words(&[20, 1 << 32 | 1]), vec![3, 0, 0, 0, 0, 0, 0, 0]].concat();
        let again = [
            wide.clone(),
            words(&[28, 2 << 32 | 1]),
            vec![7, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0],
        ]
        .concat();
        assert_eq!(
            String::from_utf8(control_text(schema, &again, Abi::x86_64)).unwrap(),
            "[{level=SOL_SOCKET, type=SCM_RIGHTS, fds=[3]}, {level=SOL_SOCKET, type=SCM_CREDENTIALS, ucred={pid=7, uid=0, gid=5}}]"
        );
        let narrow = [16u32, 1, 1, 4].map(u32::to_le_bytes).concat();
        assert_eq!(
            control_text(schema, &narrow, Abi::i386),
            b"[{level=SOL_SOCKET, type=SCM_RIGHTS, fds=[4]}]"
        );
        assert_eq!(control_text(schema, &[0; 64], Abi::x86_64), b"[]");
    }

    #[test]
    fn messages_are_taken_apart_as_far_as_they_are_whole() {
        let mut bytes = [7u32, 0, 3].map(u32::to_le_bytes).concat();
        bytes.extend(b"sev");
        assert_eq!(
            String::from_utf8(messages_text(&bytes)).unwrap(),
            "[{len=7, data=\"sev…(+4)\"}]"
        );
        bytes.extend([1, 0, 0, 0, 99, 0, 0, 0, 1, 0, 0, 0]);
        assert_eq!(messages(&bytes).count(), 1);
    }

    #[test]
    fn a_hostile_schema_costs_little() {
        let field = StructFieldDesc {
            name: "again".to_owned(),
            width: u32::MAX,
            offset: u32::MAX,
            kind: ArgKind::Given as u8,
            set: "loop".to_owned(),
        };
        let inner = StructFieldDesc {
            width: 1,
            offset: 0,
            ..field.clone()
        };
        let row = StructDesc {
            name: "loop".to_owned(),
            size: 0,
            fields: vec![inner, field],
            ..StructDesc::default()
        };
        let schema = Schema {
            structs: vec![row],
            ..Schema::default()
        };
        let text = struct_text(&schema, "loop", &[0; 9999], Abi::x86_64, true);
        assert!(text.len() < 64 << 10, "{}", text.len());
    }
}
