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

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
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

    numbers!(u8, u16, u32, u64, i32, i64);
}

/// A number of 1, 2, 4 or 8 bytes without a sign.
pub fn unsigned(bytes: &[u8]) -> Option<u64> {
    match bytes.len() {
        1 => bytes.first().map(|n| u64::from(*n)),
        2 => Cursor::new(bytes).u16().map(u64::from),
        4 => Cursor::new(bytes).u32().map(u64::from),
        8 => Cursor::new(bytes).u64(),
        _ => None,
    }
}

/// A number of 1, 2, 4 or 8 bytes with a sign.
pub fn signed(bytes: &[u8]) -> Option<i64> {
    match bytes.len() {
        1 => bytes.first().map(|n| i64::from(*n as i8)),
        2 => Cursor::new(bytes).u16().map(|n| i64::from(n as i16)),
        4 => Cursor::new(bytes).i32().map(i64::from),
        8 => Cursor::new(bytes).i64(),
        _ => None,
    }
}

/// The bytes before the first NUL.
pub fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|b| *b == 0).next().unwrap_or_default()
}
