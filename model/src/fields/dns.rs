//! Getters of `dns.*`: questions and answers in what was sent to or received from port 53, read when asked for.
//!
//! Messages are as RFC 1035 lays them down: a head of 12 bytes, questions, resource records. What is cut or makes no sense
//! gives what was whole before it.

use super::{Ctx, FieldValue};
use crate::args::ArgKind;
use crate::event::Value;
use std::net::{Ipv4Addr, Ipv6Addr};

const PORT: u16 = 53;
const TCP: u16 = 6;
const HEAD: usize = 12;
const MOST_QUESTIONS: u16 = 16;
const MOST_ANSWERS: u16 = 64;
/// Bytes of a name at most (RFC 1035, 2.3.4), and as many steps suffice to read one.
const MOST_NAME: usize = 255;

/// Types of records by number (IANA, DNS parameters).
const TYPES: &[(u16, &str)] = &[
    (1, "A"),
    (2, "NS"),
    (5, "CNAME"),
    (6, "SOA"),
    (12, "PTR"),
    (15, "MX"),
    (16, "TXT"),
    (28, "AAAA"),
    (33, "SRV"),
    (35, "NAPTR"),
    (39, "DNAME"),
    (41, "OPT"),
    (43, "DS"),
    (46, "RRSIG"),
    (48, "DNSKEY"),
    (52, "TLSA"),
    (64, "SVCB"),
    (65, "HTTPS"),
    (251, "IXFR"),
    (252, "AXFR"),
    (255, "ANY"),
    (257, "CAA"),
];

/// Answers to a question by number (RFC 1035, 4.1.1 and RFC 2136).
const CODES: &[(u16, &str)] = &[
    (0, "NOERROR"),
    (1, "FORMERR"),
    (2, "SERVFAIL"),
    (3, "NXDOMAIN"),
    (4, "NOTIMP"),
    (5, "REFUSED"),
    (6, "YXDOMAIN"),
    (7, "YXRRSET"),
    (8, "NXRRSET"),
    (9, "NOTAUTH"),
    (10, "NOTZONE"),
];

fn named(table: &[(u16, &'static str)], number: u16) -> Vec<u8> {
    table.iter().find(|row| row.0 == number).map_or_else(
        || number.to_string().into_bytes(),
        |row| row.1.as_bytes().to_vec(),
    )
}

/// A message.
#[derive(Debug, Default, PartialEq, Eq)]
struct Message {
    /// The answer's code; `None` for a question.
    code: Option<u16>,
    /// Names and types asked for.
    questions: Vec<(Vec<u8>, u16)>,
    /// What was answered: addresses and names as text, the rest by type.
    answers: Vec<Vec<u8>>,
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    let pair = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_be_bytes(*pair))
}

/// The name at a place, and where it ends; a name may go on at an earlier place.
fn name(bytes: &[u8], from: usize) -> Option<(Vec<u8>, usize)> {
    let (mut at, mut end) = (from, None);
    let mut text = Vec::new();
    for _ in 0..MOST_NAME {
        let len = *bytes.get(at)?;
        match len & 0xc0 {
            0 if len == 0 => {
                if text.is_empty() {
                    text.push(b'.');
                }
                return Some((text, end.unwrap_or(at + 1)));
            }
            0 => {
                let label = bytes.get(at + 1..at + 1 + usize::from(len))?;
                if !text.is_empty() {
                    text.push(b'.');
                }
                text.extend_from_slice(label);
                if text.len() > MOST_NAME {
                    return None;
                }
                at += 1 + usize::from(len);
            }
            0xc0 => {
                end = end.or(Some(at + 2));
                at = usize::from(word(bytes, at)? & 0x3fff);
            }
            _ => return None,
        }
    }
    None
}

fn answer(bytes: &[u8], ty: u16, at: usize, data: &[u8]) -> Option<Vec<u8>> {
    Some(match ty {
        1 => Ipv4Addr::from(*data.first_chunk::<4>()?)
            .to_string()
            .into_bytes(),
        28 => Ipv6Addr::from(*data.first_chunk::<16>()?)
            .to_string()
            .into_bytes(),
        2 | 5 | 12 | 39 => name(bytes, at)?.0,
        15 => name(bytes, at + 2)?.0,
        33 => name(bytes, at + 6)?.0,
        16 => {
            let (len, rest) = data.split_first()?;
            rest.get(..usize::from(*len))?.to_vec()
        }
        _ => named(TYPES, ty),
    })
}

fn parse(bytes: &[u8]) -> Option<Message> {
    let marks = word(bytes, 2)?;
    let (asked, answered) = (word(bytes, 4)?, word(bytes, 6)?);
    let mut message = Message {
        code: (marks & 0x8000 != 0).then_some(marks & 15),
        ..Message::default()
    };
    let mut at = HEAD;
    for _ in 0..asked.min(MOST_QUESTIONS) {
        let Some((text, end)) = name(bytes, at) else {
            return Some(message);
        };
        let Some(ty) = word(bytes, end) else {
            return Some(message);
        };
        message.questions.push((text, ty));
        at = end + 4;
    }
    for _ in 0..answered.min(MOST_ANSWERS) {
        let record = name(bytes, at).and_then(|(_, end)| {
            let (ty, len) = (word(bytes, end)?, usize::from(word(bytes, end + 8)?));
            let data = bytes.get(end + 10..end + 10 + len)?;
            Some((answer(bytes, ty, end + 10, data)?, end + 10 + len))
        });
        let Some((text, end)) = record else {
            break;
        };
        message.answers.push(text);
        at = end;
    }
    Some(message)
}

/// Whether an event is about a socket of a name server or of who asks one.
pub fn may_be(c: &Ctx<'_>) -> bool {
    let flow = c.file().and_then(|file| file.flow.as_ref());
    flow.is_some_and(|flow| flow.local.port() == PORT || flow.remote.port() == PORT)
}

/// The message that an event carried; `None` when its socket does not talk to port 53 or it carried none.
fn message(c: &Ctx<'_>) -> Option<Message> {
    let flow = c.file()?.flow.filter(|_| may_be(c))?;
    let kinds = c.ty()?.args.iter().map(|arg| ArgKind::from_code(arg.kind));
    let payload = kinds.zip(&c.event.args).find_map(|(kind, value)| {
        let Value::Bytes(blob) = value else {
            return None;
        };
        kind.is_some_and(ArgKind::is_payload)
            .then_some(blob.bytes.as_slice())
    })?;
    // Over TCP the length goes before the message, in the same write or in one of its own.
    let bytes = match flow.protocol.0 {
        TCP => payload.get(2..)?,
        _ => payload,
    };
    parse(bytes).filter(|message| !message.questions.is_empty())
}

fn all<'a>(texts: Vec<Vec<u8>>) -> Option<FieldValue<'a>> {
    let mut texts: Vec<_> = texts.into_iter().map(FieldValue::owned).collect();
    match texts.len() {
        0 => None,
        1 => texts.pop(),
        _ => Some(FieldValue::Any(texts)),
    }
}

/// Names asked for.
pub fn questions<'a>(c: &Ctx<'a>) -> Option<FieldValue<'a>> {
    let questions = message(c)?.questions;
    all(questions.into_iter().map(|row| row.0).collect())
}

/// Types asked for.
pub fn types<'a>(c: &Ctx<'a>) -> Option<FieldValue<'a>> {
    let questions = message(c)?.questions;
    all(questions
        .into_iter()
        .map(|row| named(TYPES, row.1))
        .collect())
}

/// What was answered.
pub fn answers<'a>(c: &Ctx<'a>) -> Option<FieldValue<'a>> {
    all(message(c)?.answers)
}

/// The code of an answer.
pub fn code<'a>(c: &Ctx<'a>) -> Option<FieldValue<'a>> {
    let code = message(c)?.code?;
    Some(FieldValue::owned(named(CODES, code)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// www.example.com is an alias of a.example.com, which has two addresses.
    fn reply() -> Vec<u8> {
        let mut m = vec![0x12, 0x34, 0x81, 0x80, 0, 1, 0, 3, 0, 0, 0, 0];
        m.extend(b"\x03www\x07example\x03com\0\0\x01\0\x01");
        m.extend(b"\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x04\x01a\xc0\x10");
        m.extend(b"\xc0\x2d\0\x01\0\x01\0\0\0\x3c\0\x04\x5d\xb8\xd8\x22");
        m.extend(b"\xc0\x2d\0\x1c\0\x01\0\0\0\x3c\0\x10");
        m.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        m
    }

    #[test]
    fn questions_and_answers_are_read() {
        let message = parse(&reply()).unwrap();
        assert_eq!(message.code, Some(0));
        assert_eq!(message.questions, [(b"www.example.com".to_vec(), 1)]);
        let texts: Vec<_> = message.answers.iter().map(|a| a.as_slice()).collect();
        assert_eq!(
            texts,
            [
                b"a.example.com".as_slice(),
                b"93.184.216.34",
                b"2001:db8::1"
            ]
        );
    }

    #[test]
    fn every_prefix_and_every_changed_byte_is_read_or_refused() {
        let whole = reply();
        for end in 0..whole.len() {
            let _ = parse(&whole[..end]);
        }
        for at in 0..whole.len() {
            for value in [0, 1, 0x3f, 0xc0, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = value;
                let _ = parse(&bytes);
            }
        }
    }

    #[test]
    fn a_name_that_points_at_itself_has_no_end() {
        let mut m = vec![0; HEAD];
        m[5] = 1;
        m.extend(b"\xc0\x0c\0\x01\0\x01");
        assert_eq!(parse(&m).unwrap().questions, []);
    }
}
