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
    for run in runs(text) {
        let (start, end) = (run.start, run.end);
        for at in run {
            if (at == start || begins(text, at))
                && let Some(word) = text.get(at..end)
            {
                each(word);
            }
        }
    }
}

/// The Levenshtein distance of two words, as far as it is at most `most`.
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
