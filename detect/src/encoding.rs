//! The bytes of a rule file as text: UTF-8, or UTF-16 and UTF-32 with a mark in front (YAML 1.2.2, 5.2).

use std::borrow::Cow;

/// Marks of byte order, with the bytes of a unit and whether its lowest byte comes first. The longer come before those that they
/// begin with.
const MARKS: &[(&[u8], usize, bool)] = &[
    (&[0xff, 0xfe, 0, 0], 4, true),
    (&[0, 0, 0xfe, 0xff], 4, false),
    (&[0xff, 0xfe], 2, true),
    (&[0xfe, 0xff], 2, false),
];

/// The text of a rule file. What is no text, such as a letter of an older encoding in a comment, is replaced by U+FFFD: Falco takes
/// such files, too.
pub fn text(bytes: &[u8]) -> Cow<'_, str> {
    let marked = |row: &&(&[u8], usize, bool)| bytes.starts_with(row.0);
    let Some((mark, width, low_first)) = MARKS.iter().find(marked) else {
        return utf8(bytes);
    };
    let rest = bytes.get(mark.len()..).unwrap_or_default();
    let units = rest.chunks(*width).map(|unit| {
        let add = |all: u32, byte: &u8| all << 8 | u32::from(*byte);
        match low_first {
            true => unit.iter().rev().fold(0, add),
            false => unit.iter().fold(0, add),
        }
    });
    Cow::Owned(match width {
        4 => {
            let chars =
                units.map(|unit| char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER));
            chars.collect()
        }
        _ => {
            let chars = char::decode_utf16(units.map(|unit| unit as u16));
            chars
                .map(|one| one.unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect()
        }
    })
}

/// UTF-8, of which what is none is replaced.
fn utf8(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_the_same_in_every_encoding() {
        let wanted = "- rule: é 😀\n  desc: d\r\n";
        let units: Vec<u16> = wanted.encode_utf16().collect();
        let with = |mark: &[u8], rest: Vec<u8>| [mark, &rest].concat();
        let of16 = |bytes: fn(u16) -> [u8; 2]| units.iter().flat_map(|unit| bytes(*unit)).collect();
        let of32 =
            |bytes: fn(u32) -> [u8; 4]| wanted.chars().flat_map(|c| bytes(u32::from(c))).collect();
        for bytes in [
            wanted.as_bytes().to_vec(),
            with(&[0xff, 0xfe], of16(u16::to_le_bytes)),
            with(&[0xfe, 0xff], of16(u16::to_be_bytes)),
            with(&[0xff, 0xfe, 0, 0], of32(u32::to_le_bytes)),
            with(&[0, 0, 0xfe, 0xff], of32(u32::to_be_bytes)),
        ] {
            assert_eq!(text(&bytes), wanted);
        }
    }

    #[test]
    fn what_is_no_text_does_not_keep_the_rest_from_being_read() {
        assert_eq!(text(b"# caf\xe9\n- list: a"), "# caf\u{fffd}\n- list: a");
        assert_eq!(text(&[0xff, 0xfe, b'a', 0, b'b']), "ab");
        assert_eq!(text(&[0xff, 0xfe, 0, 0xd8, b'b', 0]), "\u{fffd}b");
    }
}
