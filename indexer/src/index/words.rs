//! Words of a text, for the index and for whoever searches: where one may begin and end, and what is looked up.
//!
//! Bytes, not characters: captured text need not be UTF-8. A byte above 127 belongs to a word; case of ASCII letters is
//! forgotten. A word begins behind a separator or at a hump (`getPassword`), so `/usr/bin/curl` has `usr`, `bin` and `curl`.

/// Longest word that is looked up, in bytes; longer ones are looked up by their beginning.
pub(crate) const LONGEST: usize = 64;

pub(crate) fn in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// Whether a word may begin at a place: no word goes on across it, or a capital follows a small letter.
pub(crate) fn begins(text: &[u8], at: usize) -> bool {
    edge(text, at)
}

/// Whether a word may end at a place.
pub(crate) fn ends(text: &[u8], at: usize) -> bool {
    edge(text, at)
}

fn edge(text: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| text.get(before));
    match (before, text.get(at)) {
        (Some(before), Some(after)) => {
            !in_word(*before)
                || !in_word(*after)
                || before.is_ascii_lowercase() && after.is_ascii_uppercase()
                || (*before == b'_') != (*after == b'_')
        }
        _ => true,
    }
}

/// Runs of word bytes, as ranges.
pub(crate) fn runs(text: &[u8]) -> impl Iterator<Item = std::ops::Range<usize>> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = text.get(at..)?;
        let start = at + rest.iter().position(|byte| in_word(*byte))?;
        let len = text
            .get(start..)?
            .iter()
            .position(|byte| !in_word(*byte))
            .unwrap_or(text.len() - start);
        at = start + len;
        Some(start..at)
    })
}

/// The word as it is looked up: small letters, one character a byte, cut at [`LONGEST`].
pub(crate) fn key(word: &[u8]) -> String {
    let bytes = word.iter().take(LONGEST);
    bytes
        .map(|byte| char::from(byte.to_ascii_lowercase()))
        .collect()
}

/// Calls `each` for every place where a word begins, with the rest of its run; those that begin with an underscore aside,
/// because the word behind it begins, too.
pub(crate) fn each_sure<'t>(text: &'t [u8], mut each_word: impl FnMut(&'t [u8])) {
    each(text, |word| {
        if !word.starts_with(b"_") {
            each_word(word);
        }
    });
}

/// Calls `each` for every place where a word begins, with the rest of its run.
pub(crate) fn each<'t>(text: &'t [u8], mut each: impl FnMut(&'t [u8])) {
    first(text, |word| {
        each(word);
        false
    });
}

/// The first of the places where a word begins, with the rest of its run, that `is` says yes to.
pub(crate) fn first<'t>(text: &'t [u8], mut is: impl FnMut(&'t [u8]) -> bool) -> Option<&'t [u8]> {
    for run in runs(text) {
        let (start, end) = (run.start, run.end);
        for at in run {
            if (at == start || begins(text, at))
                && let Some(word) = text.get(at..end)
                && is(word)
            {
                return Some(word);
            }
        }
    }
    None
}

/// A word and how many letters another may differ in (Levenshtein's distance of their keys), as Myers' bit vectors tell it: a
/// column of the table of distances is two words of differences.
#[derive(Clone, Debug)]
pub(crate) struct Near {
    word: String,
    most: u8,
    len: usize,
    /// For each byte the letters of the word that are it.
    letters: Box<[u64; 256]>,
}

impl Near {
    pub fn of(word: &[u8], most: u8) -> Near {
        let mut letters = Box::new([0; 256]);
        let kept = word.get(..LONGEST).unwrap_or(word);
        for (at, byte) in kept.iter().enumerate() {
            if let Some(bits) = letters.get_mut(usize::from(byte.to_ascii_lowercase())) {
                *bits |= 1 << at;
            }
        }
        Near {
            word: key(word),
            most,
            len: kept.len(),
            letters,
        }
    }

    /// The word as it is looked up.
    pub fn word(&self) -> &str {
        &self.word
    }

    pub fn most(&self) -> u8 {
        self.most
    }

    /// Whether a word is near this one.
    pub fn is(&self, word: &[u8]) -> bool {
        let word = word.get(..LONGEST).unwrap_or(word);
        let most = usize::from(self.most);
        if self.len.abs_diff(word.len()) > most {
            return false;
        }
        let Some(last) = self.len.checked_sub(1) else {
            return true;
        };
        // Where a step down a column is one more, and where one less.
        let (mut more, mut less) = (u64::MAX, 0);
        let mut distance = self.len;
        for (at, byte) in word.iter().enumerate() {
            let same = (self.letters.get(usize::from(byte.to_ascii_lowercase()))).copied();
            let same = same.unwrap_or_default();
            let across = ((same & more).wrapping_add(more) ^ more) | same;
            let right_more = less | !(across | more);
            let right_less = more & across;
            distance += (right_more >> last & 1) as usize;
            distance -= (right_less >> last & 1) as usize;
            // Every letter that is left can take one away.
            if distance > most + (word.len() - at - 1) {
                return false;
            }
            let (right_more, right_less) = (right_more << 1 | 1, right_less << 1);
            let down = same | less;
            more = right_less | !(down | right_more);
            less = right_more & down;
        }
        distance <= most
    }
}

/// The Levenshtein distance of two words, as far as it is at most `most`.
#[cfg(test)]
pub(crate) fn within(a: &str, b: &str, most: usize) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > most {
        return false;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (at, x) in a.iter().enumerate() {
        let mut next = Vec::with_capacity(row.len());
        next.push(at + 1);
        for ((y, pair), _) in b.iter().zip(row.windows(2)).zip(0..) {
            let (diagonal, above) = match pair {
                [diagonal, above] => (*diagonal, *above),
                _ => return false,
            };
            let left = next.last().copied().unwrap_or(usize::MAX - 1);
            let best = (diagonal + usize::from(x != y))
                .min(above + 1)
                .min(left + 1);
            next.push(best);
        }
        if next.iter().all(|cost| *cost > most) {
            return false;
        }
        row = next;
    }
    row.last().is_some_and(|cost| *cost <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        each(text.as_bytes(), |word| found.push(key(word)));
        found
    }

    #[test]
    fn paths_names_flags_and_humps_fall_into_words() {
        assert_eq!(words("/usr/bin/curl"), ["usr", "bin", "curl"]);
        assert_eq!(words("libc.so.6"), ["libc", "so", "6"]);
        assert_eq!(words("--max-time=3"), ["max", "time", "3"]);
        assert_eq!(
            words("getPasswordHash"),
            ["getpasswordhash", "passwordhash", "hash"]
        );
        assert_eq!(words("a_b"), ["a_b", "_b", "b"]);
        assert_eq!(words("10.0.0.5:443"), ["10", "0", "0", "5", "443"]);
        assert_eq!(words("my\u{fc}sql"), ["my\u{c3}\u{bc}sql"]);
    }

    proptest::proptest! {
        #[test]
        fn bit_vectors_tell_what_a_table_of_distances_tells(
            a in "[ab_]{1,9}|[a-cA-C]{55,70}", b in "[ab_]{1,9}|[a-cA-C]{55,70}", at in 0..70usize, most in 1..3u8
        ) {
            // Something far off, and something that is near.
            let mut near = a.clone();
            near.insert(at.min(a.len()), 'b');
            for b in [b, near] {
                let wanted = within(&key(b.as_bytes()), &key(a.as_bytes()), usize::from(most));
                proptest::prop_assert_eq!(Near::of(a.as_bytes(), most).is(b.as_bytes()), wanted);
            }
        }
    }

    #[test]
    fn distance_counts_changes_of_one_letter() {
        assert!(within("curl", "curl", 0));
        assert!(
            within("curl", "cur1", 1) && within("curl", "url", 1) && within("curl", "ccurl", 1)
        );
        assert!(!within("curl", "crul", 1) && within("curl", "crul", 2));
        assert!(!within("curl", "bash", 2));
    }
}
