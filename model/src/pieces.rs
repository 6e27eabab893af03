//! Three bytes in a row, as a filter of texts knows them: a text holds another only if it holds all of its pieces.
//!
//! Bytes that differ in case alone are of one class, and so are NUL and blank, so that one filter serves searches with and
//! without case, and lists of texts with NUL between them as they are shown. `docs/format.md`, section 7.7, is normative.

/// Bytes of a piece.
pub const PIECE: usize = 3;
/// Pieces there are: numbers below this.
pub const PIECES: usize = 1 << 18;

/// The class of a byte, one of 64.
pub const fn class(byte: u8) -> u32 {
    let low = byte as u32 & 31;
    if byte < 64 { low | 32 } else { low }
}

/// The pieces of a text, in order; one that is shorter than a piece has none.
pub fn pieces(text: &[u8]) -> impl Iterator<Item = u32> + '_ {
    let mut last = 0_u32;
    let numbers = text.iter().map(move |byte| {
        last = (last << 6 | class(*byte)) & (PIECES as u32 - 1);
        last
    });
    numbers.skip(PIECE - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_piece_is_three_classes_of_six_bits() {
        let all = |text: &[u8]| pieces(text).collect::<Vec<_>>();
        assert_eq!(all(b"ab"), [] as [u32; 0]);
        assert_eq!(all(b"/ab"), [47 << 12 | 1 << 6 | 2]);
        assert_eq!(all(b"ABC"), all(b"abc"));
        assert_eq!(all(b"a\0b"), all(b"a b"));
        assert_eq!(all(b"a-b"), [1 << 12 | 45 << 6 | 2]);
        assert_eq!(class(0xff), 31);
        assert!((0..=255).all(|byte| class(byte) < 64));
    }

    proptest! {
        #[test]
        fn a_text_has_all_pieces_of_its_parts_in_any_case(text in proptest::collection::vec(any::<u8>(), 0..40), from in 0_usize..40, to in 0_usize..40) {
            let all: Vec<u32> = pieces(&text).collect();
            prop_assert_eq!(all.len(), text.len().saturating_sub(PIECE - 1));
            let part = text.get(from..to).unwrap_or_default();
            prop_assert!(pieces(part).all(|piece| all.contains(&piece)));
            prop_assert!(pieces(&text.to_ascii_uppercase()).eq(all.iter().copied()));
        }
    }
}
