//! Shell patterns and path prefixes over bytes. A pattern is matched with one place to come back to (the last star), so
//! the work is bounded by pattern times text.

/// Longest pattern, in bytes.
const LONGEST: usize = 4096;

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Byte(u8),
    AnyChar,
    AnyText,
    Set {
        ranges: Vec<(u8, u8)>,
        inverted: bool,
    },
}

/// A compiled pattern of `*`, `?`, `[a-z]`, `[!a-z]` and `\` before a character that is meant.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Glob {
    pieces: Vec<Piece>,
    any_case: bool,
}

impl Glob {
    /// `None` when the pattern is too long.
    pub fn compile(pattern: &[u8], any_case: bool) -> Option<Glob> {
        if pattern.len() > LONGEST {
            return None;
        }
        let mut pieces = Vec::with_capacity(pattern.len());
        let mut rest = pattern;
        while let Some((byte, tail)) = rest.split_first() {
            rest = tail;
            let piece = match byte {
                b'*' if pieces.last() == Some(&Piece::AnyText) => continue,
                b'*' => Piece::AnyText,
                b'?' => Piece::AnyChar,
                b'[' => match Glob::set(tail) {
                    Some((set, after)) => {
                        rest = after;
                        set
                    }
                    None => Piece::Byte(b'['),
                },
                b'\\' => match tail.split_first() {
                    Some((meant, after)) => {
                        rest = after;
                        Piece::Byte(*meant)
                    }
                    None => Piece::Byte(b'\\'),
                },
                other => Piece::Byte(*other),
            };
            pieces.push(piece);
        }
        Some(Glob { pieces, any_case })
    }

    /// The set after a `[`; `None` when it is not closed, and the bracket means itself. A `]` right at the start is a member.
    fn set(text: &[u8]) -> Option<(Piece, &[u8])> {
        let (inverted, inside) = match text.split_first() {
            Some((b'!' | b'^', rest)) => (true, rest),
            _ => (false, text),
        };
        let close = inside.iter().skip(1).position(|b| *b == b']')? + 1;
        let (mut members, after) = (inside.get(..close)?, inside.get(close + 1..)?);
        let mut ranges = Vec::new();
        while let Some((first, rest)) = members.split_first() {
            members = rest;
            match rest {
                [b'-', last, tail @ ..] => {
                    ranges.push((*first, *last));
                    members = tail;
                }
                _ => ranges.push((*first, *first)),
            }
        }
        Some((Piece::Set { ranges, inverted }, after))
    }

    /// Whether case is ignored.
    pub fn is_any_case(&self) -> bool {
        self.any_case
    }

    /// The texts that stand in every text it matches, case perhaps ignored.
    pub fn literals(&self) -> impl Iterator<Item = Vec<u8>> {
        let runs = self.pieces.split(|piece| !matches!(piece, Piece::Byte(_)));
        let text = |run: &[Piece]| {
            let bytes = run.iter().map(|piece| match piece {
                Piece::Byte(byte) => *byte,
                _ => 0,
            });
            bytes.collect()
        };
        runs.map(text)
    }

    fn same(&self, a: u8, b: u8) -> bool {
        a == b || (self.any_case && a.eq_ignore_ascii_case(&b))
    }

    /// How many bytes at the start of `text` one piece other than a star takes; `None` when it does not match.
    fn takes(&self, piece: &Piece, text: &[u8]) -> Option<usize> {
        let byte = *text.first()?;
        match piece {
            Piece::AnyText => None,
            Piece::Byte(wanted) => self.same(*wanted, byte).then_some(1),
            Piece::AnyChar => {
                // A character of UTF-8 is its first byte and the continuation bytes after it.
                let more = if byte >= 0xC0 {
                    text.iter()
                        .skip(1)
                        .take(3)
                        .take_while(|b| **b & 0xC0 == 0x80)
                        .count()
                } else {
                    0
                };
                Some(1 + more)
            }
            Piece::Set { ranges, inverted } => {
                let inside = |b: u8| ranges.iter().any(|(from, to)| (*from..=*to).contains(&b));
                let found = inside(byte)
                    || (self.any_case
                        && (inside(byte.to_ascii_lowercase())
                            || inside(byte.to_ascii_uppercase())));
                (found != *inverted).then_some(1)
            }
        }
    }

    /// Whether the whole text matches.
    pub fn matches(&self, text: &[u8]) -> bool {
        let (mut piece, mut at) = (0, 0);
        let mut back: Option<(usize, usize)> = None;
        loop {
            let here = text.get(at..).unwrap_or_default();
            match self.pieces.get(piece) {
                Some(Piece::AnyText) => {
                    back = Some((piece + 1, at));
                    piece += 1;
                    continue;
                }
                Some(other) => {
                    if let Some(len) = self.takes(other, here) {
                        piece += 1;
                        at += len;
                        continue;
                    }
                }
                None if here.is_empty() => return true,
                None => {}
            }
            // Let the last star take one more byte.
            match back {
                Some((after_star, from)) if from < text.len() => {
                    back = Some((after_star, from + 1));
                    piece = after_star;
                    at = from + 1;
                }
                _ => return false,
            }
        }
    }
}

/// A path whose components may be patterns: matches itself and everything under it.
#[derive(Clone, Debug)]
pub(crate) struct PathPrefix {
    components: Vec<Glob>,
}

impl PathPrefix {
    pub fn compile(path: &[u8]) -> Option<PathPrefix> {
        let components = components(path)
            .map(|part| Glob::compile(part, false))
            .collect::<Option<Vec<_>>>()?;
        Some(PathPrefix { components })
    }

    /// The texts that stand in every path it matches.
    pub fn literals(&self) -> impl Iterator<Item = Vec<u8>> {
        self.components.iter().flat_map(Glob::literals)
    }

    pub fn matches(&self, path: &[u8]) -> bool {
        let mut parts = components(path);
        self.components
            .iter()
            .all(|glob| parts.next().is_some_and(|part| glob.matches(part)))
    }
}

fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|b| *b == b'/').filter(|part| !part.is_empty())
}

/// Whether `text` holds `part`.
pub(crate) fn contains(text: &[u8], part: &[u8]) -> bool {
    let Some(first) = part.first() else {
        return true;
    };
    let last = text.len().checked_sub(part.len());
    last.is_some_and(|last| {
        (0..=last)
            .any(|at| text.get(at) == Some(first) && text.get(at..at + part.len()) == Some(part))
    })
}

/// Whether `text` holds `part`, ASCII case ignored.
pub(crate) fn contains_any_case(text: &[u8], part: &[u8]) -> bool {
    part.is_empty()
        || text
            .windows(part.len())
            .any(|window| window.eq_ignore_ascii_case(part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn glob(pattern: &str, text: &str) -> bool {
        Glob::compile(pattern.as_bytes(), false)
            .unwrap()
            .matches(text.as_bytes())
    }

    #[test]
    fn patterns_match_as_a_shell_would() {
        assert!(glob("/home/*/.ssh/*", "/home/ann/.ssh/id_rsa"));
        assert!(!glob("/home/*/.ssh/*", "/home/ann/ssh/id_rsa"));
        assert!(glob("*", ""));
        assert!(glob("", ""));
        assert!(!glob("", "a"));
        assert!(glob("a?c", "aéc"));
        assert!(glob("[a-c]x[!0-9]", "bxy"));
        assert!(!glob("[a-c]x[!0-9]", "bx5"));
        assert!(glob("[]]", "]"));
        assert!(glob("[abc", "[abc"));
        assert!(glob(r"\*\?", "*?"));
        assert!(!glob(r"\*", "x"));
        assert!(Glob::compile(b"PYTHON*", true).unwrap().matches(b"python3"));
        assert!(Glob::compile(b"[A-C]*", true).unwrap().matches(b"bash"));
    }

    #[test]
    fn many_stars_do_not_explode() {
        let pattern = "*a".repeat(500);
        let text = "a".repeat(499) + "b";
        assert!(!glob(&pattern, &text));
    }

    #[test]
    fn a_path_matches_itself_and_what_lies_under_it() {
        let prefix = PathPrefix::compile(b"/usr/*/bin").unwrap();
        assert!(prefix.matches(b"/usr/local/bin"));
        assert!(prefix.matches(b"/usr/local/bin/x/y"));
        assert!(!prefix.matches(b"/usr/local/binary"));
        assert!(!prefix.matches(b"/usr/local"));
        assert!(PathPrefix::compile(b"/").unwrap().matches(b"/etc"));
    }

    /// The textbook definition, exponential and plainly right.
    fn oracle(pattern: &[u8], text: &[u8]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some((b'*', rest)) => (0..=text.len()).any(|at| oracle(rest, &text[at..])),
            Some((b'?', rest)) => !text.is_empty() && oracle(rest, &text[1..]),
            Some((byte, rest)) => text.first() == Some(byte) && oracle(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn patterns_agree_with_the_textbook(pattern in "[ab*?]{0,8}", text in "[ab]{0,10}") {
            prop_assert_eq!(glob(&pattern, &text), oracle(pattern.as_bytes(), text.as_bytes()));
        }

        #[test]
        fn substrings_agree_with_the_standard_library(text in "[ab]{0,12}", part in "[ab]{0,3}") {
            prop_assert_eq!(contains(text.as_bytes(), part.as_bytes()), text.contains(&part));
            prop_assert_eq!(contains_any_case(text.to_uppercase().as_bytes(), part.as_bytes()), text.contains(&part));
        }

        #[test]
        fn no_pattern_panics(pattern in proptest::collection::vec(any::<u8>(), 0..40), text in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = Glob::compile(&pattern, true).unwrap().matches(&text);
            let _ = PathPrefix::compile(&pattern).unwrap().matches(&text);
        }
    }
}
