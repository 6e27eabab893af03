//! The one way from captured bytes to something printable.
//!
//! Everything in a capture was written by somebody who may want to reach the reader's terminal. [`Safe`] is the only
//! type that turns such bytes into text: it escapes C0, DEL and C1 controls, invalid UTF-8, line and paragraph
//! separators, and every character that changes the direction or the visibility of its neighbours.

use std::fmt::{self, Write as _};

/// Captured bytes, shown with everything dangerous escaped.
///
/// Invalid UTF-8 and control bytes become `\xNN`, except `\n`, `\t`, `\r` which become those two characters; format and
/// bidirectional characters (Unicode UAX #9, CVE-2021-42574) become `\u{NNNN}`; a backslash becomes `\\`, so that the
/// output can be read back without doubt.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Safe<'a>(&'a [u8]);

impl<'a> Safe<'a> {
    /// Wraps captured bytes; any byte string will do.
    pub fn new<B: AsRef<[u8]> + ?Sized>(bytes: &'a B) -> Self {
        Safe(bytes.as_ref())
    }

    /// Adds the text to another one.
    pub fn push_to(self, text: &mut String) {
        match self.plain() {
            Some(plain) => text.push_str(plain),
            // Writing to a text cannot fail.
            None => drop(write!(text, "{self}")),
        }
    }

    /// The text where nothing has to be escaped, as nearly always.
    fn plain(self) -> Option<&'a str> {
        let plain = |b: &u8| matches!(b, 0x20..=0x5b | 0x5d..=0x7e);
        // Sixteen at once, which the compiler makes one comparison of.
        let (blocks, rest) = self.0.as_chunks::<16>();
        let whole = |block: &[u8; 16]| block.iter().fold(true, |all, b| all & plain(b));
        (blocks.iter().all(whole) && rest.iter().all(plain))
            .then(|| std::str::from_utf8(self.0).ok())
            .flatten()
    }

    /// The raw bytes, for search and for machine-readable export.
    pub fn raw(self) -> &'a [u8] {
        self.0
    }
}

/// Whether a character may be shown as it is.
fn harmless(c: char) -> bool {
    let n = c as u32;
    !(c.is_control()
        || c == '\\'
        || matches!(n,
            0x00AD | 0x034F | 0x061C | 0x115F | 0x1160 | 0x17B4 | 0x17B5 | 0x180B..=0x180F
            | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0x3164 | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0
            | 0xFFF0..=0xFFFB | 0x1D173..=0x1D17A | 0xE0000..=0xE0FFF)
        || (0x0300..=0x036F).contains(&n))
}

impl fmt::Display for Safe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(plain) = self.plain() {
            return f.write_str(plain);
        }
        for chunk in self.0.utf8_chunks() {
            let text = chunk.valid();
            let mut plain = 0;
            for (at, c) in text.char_indices() {
                if harmless(c) {
                    continue;
                }
                f.write_str(text.get(plain..at).unwrap_or_default())?;
                plain = at + c.len_utf8();
                match c {
                    '\\' => f.write_str("\\\\")?,
                    '\n' => f.write_str("\\n")?,
                    '\r' => f.write_str("\\r")?,
                    '\t' => f.write_str("\\t")?,
                    c if (c as u32) < 0x80 => write!(f, "\\x{:02x}", c as u32)?,
                    c => write!(f, "\\u{{{:04x}}}", c as u32)?,
                }
            }
            f.write_str(text.get(plain..).unwrap_or_default())?;
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Safe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_alone_prints_no_control_character() {
        for byte in 0..=255u8 {
            let shown = Safe::new(&[byte]).to_string();
            assert!(
                shown.chars().all(|c| !c.is_control()),
                "byte {byte:#x} gave {shown:?}"
            );
            assert!(!shown.is_empty());
        }
    }

    #[test]
    fn every_character_that_reorders_or_hides_text_is_escaped() {
        for c in "\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}\u{200e}\u{200f}\u{61c}\u{85}\u{9b}\u{feff}".chars() {
            let shown = Safe::new(c.to_string().as_str()).to_string();
            assert_eq!(shown, format!("\\u{{{:04x}}}", c as u32));
        }
    }

    #[test]
    fn plain_text_in_any_language_is_left_alone() {
        assert_eq!(
            Safe::new("naïve 検索 /etc/passwd").to_string(),
            "naïve 検索 /etc/passwd"
        );
    }

    #[test]
    fn invalid_utf8_keeps_every_byte_visible() {
        assert_eq!(Safe::new(b"a\xff\xc3(\n").to_string(), "a\\xff\\xc3(\\n");
    }
}
