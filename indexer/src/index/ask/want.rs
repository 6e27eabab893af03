//! What one term wants, and where in a text it is: a pattern, a word nearly, a word or an address between two others.

use super::super::words::{self, Near};
use super::Look;
use regex::bytes::{Regex, RegexBuilder};
use std::net::IpAddr;
use std::ops::Range;

/// Most memory of a compiled pattern, bytes.
pub(super) const MOST_PATTERN: usize = 1 << 20;

/// What is looked for in a text.
#[derive(Clone, Debug)]
pub(super) enum Pattern {
    /// These bytes, letters in either case; there is at least one.
    Bytes(Vec<u8>),
    /// An expression.
    Regex(Regex),
}

impl Pattern {
    /// The first place from one on.
    fn find_at(&self, text: &[u8], from: usize) -> Option<Range<usize>> {
        match self {
            Pattern::Regex(regex) => regex.find_at(text, from).map(|place| place.range()),
            Pattern::Bytes(bytes) => {
                let first = bytes.first()?.to_ascii_lowercase();
                let last = text.len().checked_sub(bytes.len())?;
                let starts = text.get(from..=last)?.iter();
                for (at, byte) in (from..).zip(starts) {
                    if byte.to_ascii_lowercase() == first
                        && let Some(part) = text.get(at..at + bytes.len())
                        && part.eq_ignore_ascii_case(bytes)
                    {
                        return Some(at..at + bytes.len());
                    }
                }
                None
            }
        }
    }
}

/// What a term wants.
#[derive(Clone, Debug)]
pub(super) enum Want {
    /// A pattern, and whether words must begin and end where it does.
    Pattern {
        regex: Pattern,
        begins: bool,
        ends: bool,
        look: Look,
        /// It is what was typed, without wild cards.
        plain: bool,
    },
    /// A word, nearly.
    Near(Near),
    /// A word or an address between two others.
    Words(String, String),
    Addresses(IpAddr, IpAddr),
}

impl Want {
    /// What must be in the text index for it to be found.
    pub fn look(&self) -> Look {
        match self {
            Want::Pattern { look, .. } => look.clone(),
            Want::Near(near) => Look::Near(near.word().to_owned(), near.most()),
            Want::Words(from, to) => Look::Between(from.clone(), to.clone()),
            Want::Addresses(from, to) => look_addresses(*from, *to),
        }
    }

    /// Bytes, letters in either case, that stand in every text that has it; `None` when none are known to.
    pub fn literal(&self) -> Option<&[u8]> {
        match self {
            Want::Pattern {
                regex: Pattern::Bytes(bytes),
                ..
            } => Some(bytes),
            _ => None,
        }
    }

    /// The first place in a text, and how well it fits there.
    pub fn find(&self, text: &[u8]) -> Option<(Range<usize>, u32)> {
        match self {
            Want::Pattern {
                regex,
                begins,
                ends,
                plain,
                ..
            } => {
                let mut from = 0;
                let mut best: Option<(Range<usize>, u32)> = None;
                while let Some(place) = regex.find_at(text, from) {
                    if (!begins || words::begins(text, place.start))
                        && (!ends || words::ends(text, place.end))
                        && !place.is_empty()
                    {
                        if !plain {
                            return Some((place, 2));
                        }
                        let score = fit(text, &place);
                        if best.as_ref().is_none_or(|(_, best)| score > *best) {
                            best = Some((place.clone(), score));
                        }
                    }
                    from = place.start + 1;
                    if from > text.len() {
                        break;
                    }
                }
                best
            }
            Want::Near(near) => {
                let rest = words::first(text, |rest| near.is(rest))?;
                let start = place_of(text, rest)?;
                Some((start..start + rest.len(), 1))
            }
            Want::Words(from, to) => {
                let is = |rest: &[u8]| {
                    let key = || rest.iter().take(words::LONGEST).map(u8::to_ascii_lowercase);
                    let order = |word: &str| key().map(char::from).cmp(word.chars());
                    order(from).is_ge() && order(to).is_le()
                };
                let rest = words::first(text, is)?;
                let start = place_of(text, rest)?;
                Some((start..start + rest.len(), 2))
            }
            Want::Addresses(from, to) => {
                let within =
                    |ip: IpAddr| ip.is_ipv4() == from.is_ipv4() && *from <= ip && ip <= *to;
                let part = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':');
                let mut start = 0;
                while start < text.len() {
                    let rest = text.get(start..)?;
                    let skip = rest.iter().position(&part)?;
                    let rest = rest.get(skip..)?;
                    let len = rest
                        .iter()
                        .position(|byte| !part(byte))
                        .unwrap_or(rest.len());
                    let word = std::str::from_utf8(rest.get(..len)?).ok()?;
                    // With a port behind it, or alone.
                    let alone = word.parse().ok();
                    let with_port = || word.rsplit_once(':').and_then(|(ip, _)| ip.parse().ok());
                    let at = start + skip;
                    if words::begins(text, at) && alone.or_else(with_port).is_some_and(within) {
                        return Some((at..at + len, 4));
                    }
                    start += skip + len;
                }
                None
            }
        }
    }
}

/// Where a part of a text stands in it.
fn place_of(text: &[u8], part: &[u8]) -> Option<usize> {
    let behind = text.len().checked_sub(part.len())?;
    // Parts begin anywhere and end with their run: the first that is equal will do.
    (0..=behind).find(|at| text.get(*at..at + part.len()) == Some(part))
}

/// How telling it is that a text has it here: all of it, its last part, whole words, the rest.
fn fit(text: &[u8], place: &Range<usize>) -> u32 {
    let whole_words = |at: usize| {
        let before = at.checked_sub(1).and_then(|at| text.get(at));
        !(before.is_some_and(|byte| words::in_word(*byte))
            && text.get(at).is_some_and(|byte| words::in_word(*byte)))
    };
    let before = place.start.checked_sub(1).and_then(|at| text.get(at));
    match (place.start, place.end == text.len()) {
        (0, true) => 8,
        (_, true) if before == Some(&b'/') => 6,
        _ if whole_words(place.start) && whole_words(place.end) => 4,
        _ => 3,
    }
}

/// Addresses of a block, or one.
pub(super) fn address_range(text: &str) -> Option<(IpAddr, IpAddr)> {
    let (ip, bits) = match text.split_once('/') {
        Some((ip, bits)) => (ip.parse::<IpAddr>().ok()?, Some(bits.parse::<u32>().ok()?)),
        None => (text.parse::<IpAddr>().ok()?, None),
    };
    Some(match ip {
        IpAddr::V4(v4) => {
            let bits = bits.unwrap_or(32);
            let host = u32::MAX.checked_shr(bits).unwrap_or(0);
            let from = u32::from(v4) & !host;
            let to = from | host;
            (bits <= 32).then_some((IpAddr::V4(from.into()), IpAddr::V4(to.into())))?
        }
        IpAddr::V6(v6) => {
            let bits = bits.unwrap_or(128);
            let host = u128::MAX.checked_shr(bits).unwrap_or(0);
            let from = u128::from(v6) & !host;
            let to = from | host;
            (bits <= 128).then_some((IpAddr::V6(from.into()), IpAddr::V6(to.into())))?
        }
    })
}

/// What a word with or without wild cards wants.
pub(super) fn pattern(text: &str, begins: bool, ends: bool, wild: bool) -> Result<Want, String> {
    let mut regex = String::new();
    let mut looks = Vec::new();
    let (mut plain, mut carded) = (true, false);
    let (begins, body) = match text.strip_prefix('*').filter(|_| wild) {
        Some(rest) => (false, rest.trim_start_matches('*')),
        None => (begins, text),
    };
    let (ends, body) = match body.strip_suffix('*').filter(|_| wild) {
        Some(rest) => (false, rest.trim_end_matches('*')),
        None => (ends, body),
    };
    let mut sure = begins;
    for part in body.split_inclusive(|c| wild && matches!(c, '*' | '?')) {
        let card = part
            .chars()
            .next_back()
            .filter(|c| wild && matches!(c, '*' | '?'));
        let word = match card {
            Some(_) => part.get(..part.len() - 1).unwrap_or_default(),
            None => part,
        };
        regex.push_str(&regex::escape(word));
        for (at, run) in words::runs(word.as_bytes()).enumerate() {
            // The first of them may begin inside a word.
            if (at > 0 || sure || run.start > 0)
                && let Some(bytes) = word.as_bytes().get(run)
            {
                looks.push(Look::Begins(words::key(bytes)));
            }
        }
        match card {
            Some('*') => regex.push_str("[^ ]*?"),
            Some(_) => regex.push_str("[^ ]"),
            None => {}
        }
        carded |= card.is_some();
        sure = false;
    }
    if body.is_empty() {
        return Err("only wild cards".to_owned());
    }
    plain &= begins && ends && !carded;
    Ok(Want::Pattern {
        regex: match carded {
            true => Pattern::Regex(compile(&format!("(?i-u){regex}"))?),
            false => Pattern::Bytes(body.as_bytes().to_vec()),
        },
        begins,
        ends,
        look: match looks.is_empty() {
            true => Look::Anything,
            false => Look::All(looks),
        },
        plain,
    })
}

pub(super) fn compile(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern)
        .unicode(true)
        .size_limit(MOST_PATTERN)
        .build()
        .map_err(|_| "no pattern that can be matched in bounded space".to_owned())
}

/// The numbers that every IPv4 address of a range begins with are words of its text; IPv6 can be written in many ways.
fn look_addresses(from: IpAddr, to: IpAddr) -> Look {
    let (IpAddr::V4(from), IpAddr::V4(to)) = (from, to) else {
        return Look::Anything;
    };
    let pairs = from.octets().into_iter().zip(to.octets());
    let same = pairs.take_while(|(a, b)| a == b);
    let words: Vec<Look> = same.map(|(a, _)| Look::Begins(a.to_string())).collect();
    match words.is_empty() {
        true => Look::Anything,
        false => Look::All(words),
    }
}
