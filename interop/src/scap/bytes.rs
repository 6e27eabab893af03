//! Numbers and strings out of bytes that nobody vouches for. Everything is little-endian.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

/// A place in bytes. What is not there is `None`, and the place does not move.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'b> {
    rest: &'b [u8],
}

macro_rules! numbers {
    ($($name:ident),*) => {
        $(
            /// The next number of this type.
            pub fn $name(&mut self) -> Option<$name> {
                let (bytes, rest) = self.rest.split_first_chunk()?;
                self.rest = rest;
                Some($name::from_le_bytes(*bytes))
            }
        )*
    };
}

impl<'b> Cursor<'b> {
    /// Starts at the front.
    pub fn new(rest: &'b [u8]) -> Cursor<'b> {
        Cursor { rest }
    }

    /// What is left.
    pub fn rest(&self) -> &'b [u8] {
        self.rest
    }

    /// Bytes left.
    pub fn len(&self) -> usize {
        self.rest.len()
    }

    /// The next bytes.
    pub fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(bytes)
    }

    /// Passes over bytes.
    pub fn skip(&mut self, count: usize) -> Option<()> {
        self.take(count).map(|_| ())
    }

    /// A string behind its length of 16 bits.
    pub fn text(&mut self) -> Option<&'b [u8]> {
        let before = *self;
        let count = self.u16()?;
        let text = self.take(usize::from(count));
        if text.is_none() {
            *self = before;
        }
        text
    }

    numbers!(u8, u16, u32, u64, i64);
}

/// A number of 1, 2, 4 or 8 bytes without a sign.
pub fn unsigned(bytes: &[u8]) -> Option<u64> {
    match *bytes {
        [n] => Some(u64::from(n)),
        [a, b] => Some(u64::from(u16::from_le_bytes([a, b]))),
        [a, b, c, d] => Some(u64::from(u32::from_le_bytes([a, b, c, d]))),
        _ => Some(u64::from_le_bytes(bytes.try_into().ok()?)),
    }
}

/// A number of 1, 2, 4 or 8 bytes with a sign.
pub fn signed(bytes: &[u8]) -> Option<i64> {
    match *bytes {
        [n] => Some(i64::from(n as i8)),
        [a, b] => Some(i64::from(i16::from_le_bytes([a, b]))),
        [a, b, c, d] => Some(i64::from(i32::from_le_bytes([a, b, c, d]))),
        _ => Some(i64::from_le_bytes(bytes.try_into().ok()?)),
    }
}

/// The bytes before the first NUL.
pub fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|b| *b == 0).next().unwrap_or_default()
}
