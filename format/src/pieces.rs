//! The filter of texts in a zone map: which pieces of three bytes the strings of a chunk hold, with some that they do not. What
//! holds a piece that is not there is in no string of the chunk, and nothing needs to be unpacked to know.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

mod check;

pub(crate) use self::check::text_fields;

use crate::error::{ErrorKind, limit, malformed};
use crate::layout::{LEAST_PIECE_BITS, MAX_PIECE_BITS, MAX_PIECE_HASHES, PIECE_BITS, PIECE_SHARE};
use afterimage_model::pieces::{PIECES, pieces};

/// The filter of a chunk; one without bits rules nothing out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pieces {
    hashes: u8,
    bits: Vec<u8>,
}

/// The places of a piece among so many bits, at most 2^32: two halves of a product, the second taken again and again.
fn places(piece: u32, bits: u64, hashes: u8) -> impl Iterator<Item = u64> {
    let mixed = u64::from(piece)
        .wrapping_add(1)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
    let (first, step) = (mixed as u32, (mixed >> 32) as u32 | 1);
    (0..u32::from(hashes)).map(move |nth| {
        let hash = first.wrapping_add(step.wrapping_mul(nth));
        u64::from(hash).wrapping_mul(bits) >> 32
    })
}

impl Pieces {
    /// From the fields of a zone map.
    pub(crate) fn check(hashes: u64, bits: &[u8]) -> Result<Pieces, ErrorKind> {
        limit(
            "bytes of the filter of texts",
            bits.len() as u64,
            MAX_PIECE_BITS,
        )?;
        limit("hashes of the filter of texts", hashes, MAX_PIECE_HASHES)?;
        if (hashes == 0) != bits.is_empty() {
            return Err(malformed("filter of texts"));
        }
        // Nothing is what a chunk without strings has, and what would hide everything.
        if bits.iter().all(|byte| *byte == 0) {
            return Ok(Pieces::default());
        }
        Ok(Pieces {
            hashes: u8::try_from(hashes).map_err(|_| malformed("filter of texts"))?,
            bits: bits.to_vec(),
        })
    }

    /// Whether a string of the chunk may hold a piece, see [`afterimage_model::pieces`]; true where there is no filter.
    pub fn may_hold(&self, piece: u32) -> bool {
        let mut all = places(piece, self.len(), self.hashes);
        all.all(|place| {
            let byte = self.bits.get((place >> 3) as usize);
            byte.is_some_and(|byte| byte >> (place & 7) & 1 == 1)
        })
    }

    /// Whether a string of the chunk may hold a text.
    pub fn may_hold_text(&self, text: &[u8]) -> bool {
        pieces(text).all(|piece| self.may_hold(piece))
    }

    /// Bits it has.
    fn len(&self) -> u64 {
        (self.bits.len() as u64).saturating_mul(8)
    }

    /// Bytes it takes; 0 where there is none.
    pub fn bytes(&self) -> usize {
        self.bits.len()
    }

    /// Hashes of a piece; 0 where there is no filter.
    pub fn hashes(&self) -> u8 {
        self.hashes
    }
}

/// The pieces of a chunk that is being made. Keeps its memory.
pub(crate) struct Gathered {
    /// A bit for each piece there can be.
    seen: Vec<u64>,
    /// Those that were seen.
    pieces: Vec<u32>,
}

impl Default for Gathered {
    fn default() -> Gathered {
        Gathered {
            seen: vec![0; PIECES / 64],
            pieces: Vec::new(),
        }
    }
}

impl Gathered {
    /// Takes the pieces of a string.
    pub(crate) fn add(&mut self, text: &[u8]) {
        for piece in pieces(text) {
            let bit = 1_u64 << (piece & 63);
            if let Some(word) = self.seen.get_mut((piece >> 6) as usize)
                && *word & bit == 0
            {
                *word |= bit;
                self.pieces.push(piece);
            }
        }
    }

    /// The fields of the zone map of a chunk of so many bytes, and makes it empty. A filter that would be too coarse to rule
    /// anything out is none.
    pub(crate) fn take(&mut self, chunk: u64) -> (u64, Vec<u8>) {
        let count = self.pieces.len() as u64;
        let wanted = count.saturating_mul(PIECE_BITS).div_ceil(8);
        let bytes = wanted.min(chunk / PIECE_SHARE).min(MAX_PIECE_BITS);
        let bits = bytes.saturating_mul(8);
        let is_coarse = bits < count.saturating_mul(LEAST_PIECE_BITS) || count == 0;
        let bytes = if is_coarse { 0 } else { bytes };
        // As many as make a filter of this size rule out most: the natural logarithm of 2 times the bits of a piece.
        let hashes = bits
            .saturating_mul(7)
            .checked_div(count.saturating_mul(10))
            .map_or(1, |hashes| hashes.clamp(1, MAX_PIECE_HASHES));
        let mut filter = vec![0_u8; bytes as usize];
        for piece in self.pieces.drain(..) {
            for place in places(piece, bits, hashes as u8) {
                if let Some(byte) = filter.get_mut((place >> 3) as usize) {
                    *byte |= 1 << (place & 7);
                }
            }
            if let Some(word) = self.seen.get_mut((piece >> 6) as usize) {
                *word = 0;
            }
        }
        crate::strings::empty(&mut self.pieces);
        (if filter.is_empty() { 0 } else { hashes }, filter)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filter_of(texts: &[Vec<u8>], chunk: u64) -> Pieces {
        let mut gathered = Gathered::default();
        texts.iter().for_each(|text| gathered.add(text));
        let (hashes, bits) = gathered.take(chunk);
        // Nothing is left for the next chunk.
        assert!(gathered.seen.iter().all(|word| *word == 0) && gathered.pieces.is_empty());
        Pieces::check(hashes, &bits).unwrap()
    }

    #[test]
    fn the_places_of_a_piece_are_those_that_the_document_says() {
        let all = |piece, bits, hashes| places(piece, bits, hashes).collect::<Vec<_>>();
        assert_eq!(all(0, 1 << 32, 3), [2318482884, 2720843699, 3123204514]);
        assert_eq!(all(0x2f042, 7376, 3), [3267, 6534, 2426]);
    }

    #[test]
    fn few_texts_pass_that_are_not_there_and_none_does_where_nothing_is() {
        let texts: Vec<Vec<u8>> = (0..400)
            .map(|at| format!("/usr/lib/python3/{}/{}.so", at * 7919 % 1000, at).into_bytes())
            .collect();
        let filter = filter_of(&texts, 1 << 20);
        assert!(texts.iter().all(|text| filter.may_hold_text(text)));
        let passed = (0..2_000_u32)
            .map(|at| format!("#{}%{}", at * 31, at))
            .filter(|text| filter.may_hold_text(text.as_bytes()));
        assert!(passed.count() < 20);
        let pieces: std::collections::BTreeSet<u32> =
            texts.iter().flat_map(|text| pieces(text)).collect();
        assert_eq!(
            filter.bytes() as u64,
            (pieces.len() as u64 * PIECE_BITS).div_ceil(8)
        );
        assert_eq!(filter.hashes(), 4);
        // As much as its share of the chunk, with fewer hashes; then none.
        let wanted = filter.bytes() as u64;
        let half = filter_of(&texts, wanted * PIECE_SHARE / 2);
        assert_eq!((half.bytes() as u64, half.hashes()), (wanted / 2, 2));
        assert!(texts.iter().all(|text| half.may_hold_text(text)));
        assert_eq!(
            filter_of(&texts, wanted * PIECE_SHARE / 4),
            Pieces::default()
        );
        assert_eq!(filter_of(&[b"ab".to_vec()], 1 << 20), Pieces::default());
        assert!(Pieces::default().may_hold_text(b"anything"));
    }

    #[test]
    fn a_filter_that_lies_about_itself_is_refused_or_rules_nothing_out() {
        for (hashes, bits) in [
            (0, vec![1]),
            (3, vec![]),
            (17, vec![1]),
            (u64::MAX, vec![1]),
        ] {
            assert!(Pieces::check(hashes, &bits).is_err(), "{hashes} {bits:?}");
        }
        let large = vec![1; MAX_PIECE_BITS as usize + 1];
        assert!(Pieces::check(3, &large).is_err());
        assert!(Pieces::check(3, large.get(1..).unwrap()).is_ok());
        for bits in [vec![0; 9], vec![0xff; 9]] {
            assert!(
                Pieces::check(3, &bits)
                    .unwrap()
                    .may_hold_text(b"/etc/passwd")
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_there_always_passes(texts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..60), hashes in 1_u8..=16, chunk in 0_u64..200_000) {
            let filter = filter_of(&texts, chunk);
            prop_assert!(texts.iter().all(|text| filter.may_hold_text(text)));
            for bits in [8_u64, 24, 1 << 20] {
                prop_assert!(places(7, bits, hashes).all(|place| place < bits));
            }
        }
    }
}
