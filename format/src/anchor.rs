//! Anchors: how far a capture had come at an instant, in a few lines of text that are kept where nobody who could change
//! the capture can change them. With one, a capture that was rolled back or rewritten is told from the one that was made.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use crate::error::{Digest, ErrorKind, malformed};
use crate::keys::{PublicKey, unhex};
use std::fmt;

/// First line of every anchor.
const FIRST: &str = "afterimage anchor 1";
/// Bytes of a file of anchors at most.
pub const MAX_ANCHOR_FILE: u64 = 64 << 20;

/// How far a capture had come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// Which capture, by its id.
    pub capture_id: String,
    /// Whole blocks it had.
    pub blocks: u64,
    /// Bytes it had.
    pub bytes: u64,
    /// Hash chain value of the last of these blocks.
    pub digest: Digest,
    /// Whether that block is its footer.
    pub sealed: bool,
    /// The key that signs it.
    pub signer: Option<PublicKey>,
    /// Wall clock, ns since 1970; 0 when not known.
    pub real_ns: i64,
}

/// A capture id as it stands in an anchor: what is in a file must not make lines of its own.
pub(crate) fn plain(id: &str) -> String {
    id.chars().filter(char::is_ascii_graphic).take(64).collect()
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FIRST}\ncapture {}", self.capture_id)?;
        writeln!(f, "blocks {}\nbytes {}", self.blocks, self.bytes)?;
        let sealed = if self.sealed { "yes" } else { "no" };
        writeln!(f, "digest {}\nsealed {sealed}", self.digest)?;
        if let Some(signer) = self.signer {
            writeln!(f, "signer {signer}")?;
        }
        writeln!(f, "unix_ns {}", self.real_ns)
    }
}

impl Anchor {
    /// All anchors of a text, in order. Lines with unknown words are skipped.
    ///
    /// # Errors
    /// When there is none, or one lacks something.
    pub fn parse(text: &str) -> Result<Vec<Anchor>, ErrorKind> {
        let mut found = Vec::new();
        let mut rest = text.lines().map(str::trim).peekable();
        while let Some(line) = rest.next() {
            if line.is_empty() {
                continue;
            }
            if line != FIRST {
                return Err(malformed("anchor"));
            }
            let mut draft = Draft::default();
            while let Some(line) = rest.next_if(|line| *line != FIRST) {
                draft.line(line)?;
            }
            found.push(draft.done().ok_or(malformed("anchor"))?);
        }
        if found.is_empty() {
            return Err(malformed("anchor"));
        }
        Ok(found)
    }
}

#[derive(Default)]
struct Draft {
    capture_id: Option<String>,
    blocks: Option<u64>,
    bytes: Option<u64>,
    digest: Option<Digest>,
    sealed: Option<bool>,
    signer: Option<PublicKey>,
    real_ns: i64,
}

impl Draft {
    fn line(&mut self, line: &str) -> Result<(), ErrorKind> {
        let number = |text: &str| text.parse().map_err(|_| malformed("anchor"));
        match line.split_once(' ').unwrap_or((line, "")) {
            ("capture", rest) => self.capture_id = Some(rest.to_owned()),
            ("blocks", rest) => self.blocks = Some(number(rest)?),
            ("bytes", rest) => self.bytes = Some(number(rest)?),
            ("digest", rest) => {
                let digest = unhex(rest).and_then(|bytes| bytes.try_into().ok());
                self.digest = Some(Digest(digest.ok_or(malformed("anchor"))?));
            }
            ("sealed", "yes") => self.sealed = Some(true),
            ("sealed", "no") => self.sealed = Some(false),
            ("signer", rest) => self.signer = Some(PublicKey::from_hex(rest)?),
            ("unix_ns", rest) => {
                self.real_ns = rest.parse().map_err(|_| malformed("anchor"))?;
            }
            _ => {}
        }
        Ok(())
    }

    fn done(self) -> Option<Anchor> {
        Some(Anchor {
            capture_id: self.capture_id?,
            blocks: self.blocks?,
            bytes: self.bytes?,
            digest: self.digest?,
            sealed: self.sealed?,
            signer: self.signer,
            real_ns: self.real_ns,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_are_read_as_they_were_printed_one_after_another() {
        let one = Anchor {
            capture_id: "0011".to_owned(),
            blocks: 3,
            bytes: 99,
            digest: Digest([7; 32]),
            sealed: false,
            signer: None,
            real_ns: -1,
        };
        let two = Anchor {
            sealed: true,
            signer: Some(crate::keys::SecretKey::from_seed(&[1; 32]).public()),
            ..one.clone()
        };
        let text = format!("{one}\n{two}");
        assert_eq!(Anchor::parse(&text).ok(), Some(vec![one, two]));
    }

    #[test]
    fn what_lacks_something_is_no_anchor() {
        for text in [
            "",
            "\n",
            "afterimage anchor 2",
            "afterimage anchor 1\ncapture x\nblocks 1\nbytes 2\nsealed yes",
            "afterimage anchor 1\ncapture x\nblocks -1\nbytes 2\nsealed yes\ndigest 00",
        ] {
            assert!(Anchor::parse(text).is_err(), "{text:?}");
        }
    }
}
