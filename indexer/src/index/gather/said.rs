//! What a payload says that is text: requests, lines on standard error, words.

use super::MOST_WORDS;
use crate::index::things::Kind;

/// Bytes of a word that is taken.
const WORD: std::ops::RangeInclusive<usize> = 5..=64;

/// Methods with which a request in HTTP begins (RFC 9110).
const METHODS: &[&[u8]] = &[
    b"GET ",
    b"POST ",
    b"PUT ",
    b"HEAD ",
    b"DELETE ",
    b"PATCH ",
    b"OPTIONS ",
    b"CONNECT ",
];

/// The texts of a thing, in the order of its kind's fields.
type Texts<'t> = &'t [Option<&'t [u8]>];

/// Calls `each` for every thing that a payload says that is text.
pub(super) fn each_said(bytes: &[u8], is_error: bool, each: &mut dyn FnMut(Kind, Texts<'_>)) {
    if is_request(bytes) {
        let mut lines = bytes
            .split(|byte| *byte == b'\n')
            .map(<[u8]>::trim_ascii_end);
        let first = lines
            .next()
            .filter(|line| line.windows(6).any(|w| w == b" HTTP/"));
        let host = lines.find_map(|line| {
            let (name, value) = line.split_at_checked(5)?;
            name.eq_ignore_ascii_case(b"host:")
                .then(|| value.trim_ascii())
        });
        if first.is_some() {
            each(Kind::Request, &[first, host]);
            return;
        }
    }
    if is_error {
        let lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        for line in lines.filter(|line| line.len() > 1).take(4) {
            each(Kind::Line, &[None, Some(line)]);
        }
        return;
    }
    let words = bytes.split(|byte| {
        !byte.is_ascii_alphanumeric()
            && !matches!(
                byte,
                b'_' | b'-' | b'.' | b'@' | b'/' | b'+' | b':' | 0x80..
            )
    });
    let words = words
        .map(|word| word.trim_ascii())
        .filter(|word| WORD.contains(&word.len()));
    let telling = words.filter(|word| word.iter().any(u8::is_ascii_alphabetic));
    for word in telling.take(MOST_WORDS) {
        each(Kind::Word, &[Some(word)]);
    }
}

/// Whether bytes may begin a request in HTTP.
pub(super) fn is_request(bytes: &[u8]) -> bool {
    METHODS.iter().any(|method| bytes.starts_with(method))
}

/// Whether bytes are meant to be read by people, by their beginning.
pub(super) fn is_text(bytes: &[u8]) -> bool {
    let head = bytes.get(..128).unwrap_or(bytes);
    let odd = head
        .iter()
        .filter(|byte| byte.is_ascii_control() && !byte.is_ascii_whitespace())
        .count();
    head.len() >= 4 && odd == 0
}
