//! Blocks of a capture one after another, and what to do where there is none: find the next place at which type, length,
//! trailer and content agree, and say what lay before it.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::bytes::Cursor;
use super::input::{Input, is_packed};
use std::io;

/// Bytes of a block at the most: the list of all processes is one block.
pub const MAX_BLOCK: usize = 128 << 20;

/// Bytes of an event at the most.
pub const MAX_EVENT: usize = 16 << 20;

/// Bytes of a block that is taken for one behind damage, unless it is a list.
const MAX_FOUND: usize = 1 << 20;

/// Bytes read at once.
const STEP: usize = 256 << 10;

/// Type of the block that starts a section.
pub const SECTION: u32 = 0x0a0d_0d0a;

/// First word of the body of a section header, on a machine that writes the lowest byte first.
pub const MAGIC: u32 = 0x1a2b_3c4d;

/// What a block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Starts a section.
    Section,
    /// The machine.
    Machine,
    /// Processes and threads, in the layout of this version.
    Processes(u8),
    /// Descriptors of a process, in the layout of this version.
    Descriptors(u8),
    /// Interfaces, in the layout of this version.
    Interfaces(u8),
    /// Users and groups, in the layout of this version.
    Users(u8),
    /// An event: whether it says how many parameters it has, and whether it has flags.
    Event {
        /// It says how many parameters it has.
        counted: bool,
        /// It has flags.
        flagged: bool,
        /// Its type is that of events with lengths of 32 bits. Of types that are known, their row says so.
        large: bool,
    },
}

/// Every block type with what it holds. The last column are the numbers before the format was settled.
#[rustfmt::skip]
const KINDS: &[(u32, Kind)] = &[
    (SECTION, Kind::Section),
    (0x201, Kind::Machine),
    (0x202, Kind::Processes(1)), (0x207, Kind::Processes(2)), (0x209, Kind::Processes(3)), (0x210, Kind::Processes(4)),
    (0x211, Kind::Processes(5)), (0x212, Kind::Processes(6)), (0x213, Kind::Processes(7)), (0x214, Kind::Processes(8)),
    (0x215, Kind::Processes(9)),
    (0x203, Kind::Descriptors(1)), (0x218, Kind::Descriptors(2)),
    (0x205, Kind::Interfaces(1)), (0x219, Kind::Interfaces(2)),
    (0x206, Kind::Users(1)), (0x220, Kind::Users(2)),
    (0x204, Kind::Event { counted: false, flagged: false, large: false }), (0x216, Kind::Event { counted: true, flagged: false, large: false }),
    (0x221, Kind::Event { counted: true, flagged: false, large: true }),
    (0x208, Kind::Event { counted: false, flagged: true, large: false }), (0x217, Kind::Event { counted: true, flagged: true, large: false }),
    (0x222, Kind::Event { counted: true, flagged: true, large: true }),
    (0x8002_abcd, Kind::Machine), (0x8000_abcd, Kind::Processes(1)), (0x8013_abcd, Kind::Processes(2)),
    (0x8014_abcd, Kind::Processes(3)), (0x8001_abcd, Kind::Descriptors(1)),
    (0x8010_abcd, Kind::Event { counted: false, flagged: false, large: false }), (0x8011_abcd, Kind::Interfaces(1)),
    (0x8012_abcd, Kind::Users(1)),
];

/// The settled numbers but for that of sections begin here.
const FIRST: u32 = 0x200;

/// Those by their place: every event asks.
#[expect(
    clippy::indexing_slicing,
    reason = "what would be wrong does not compile"
)]
const SETTLED: [Option<Kind>; 0x40] = {
    let mut settled = [None; 0x40];
    let mut at = 0;
    while at < KINDS.len() {
        let (ty, kind) = KINDS[at];
        if ty >= FIRST && ty - FIRST < 0x40 {
            settled[(ty - FIRST) as usize] = Some(kind);
        }
        at += 1;
    }
    settled
};

/// What a block type holds; `None` for types nobody knows.
pub fn kind(ty: u32) -> Option<Kind> {
    let place = ty.checked_sub(FIRST).map(|place| place as usize);
    match place.and_then(|place| SETTLED.get(place)) {
        Some(settled) => *settled,
        None => KINDS.iter().find(|row| row.0 == ty).map(|row| row.1),
    }
}

/// A block.
#[derive(Clone, Copy, Debug)]
pub struct Block<'b> {
    /// What it holds; `None` when nobody knows its type.
    pub kind: Option<Kind>,
    /// Its type.
    pub ty: u32,
    /// What is between head and trailer.
    pub body: &'b [u8],
    /// Byte of the unpacked file at which it starts.
    pub at: u64,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Byte of the unpacked file.
    pub at: u64,
    /// The file ends there.
    pub torn: bool,
    /// Events that are missing for sure to the last one; `None` when that cannot be known.
    pub count: Option<u64>,
    /// What it is.
    pub detail: String,
}

/// What comes next.
pub enum Item<'b> {
    /// A block.
    Block(Block<'b>),
    /// Something that is not as it should be; reading goes on behind it.
    Lost(Lost),
    /// Nothing.
    End,
}

/// Reads blocks.
pub struct Blocks {
    input: Input,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Byte of the unpacked file at `start`.
    offset: u64,
    ended: bool,
    pending: Option<Lost>,
    /// What was wrong with a block of which the front was handed out.
    broken: Option<String>,
    /// Bytes of the block that was handed out.
    taken: usize,
}

impl Blocks {
    /// Reads the blocks of an input.
    pub fn new(input: Input) -> Blocks {
        Blocks {
            input,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            offset: 0,
            ended: false,
            pending: None,
            broken: None,
            taken: 0,
        }
    }

    fn have(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    fn consume(&mut self, count: usize) {
        let count = count.min(self.end - self.start);
        self.start += count;
        self.offset += count as u64;
    }

    /// Reads until there are `count` bytes at hand; false when the input ends before.
    fn ensure(&mut self, count: usize) -> io::Result<bool> {
        while self.end - self.start < count {
            if self.ended {
                return Ok(false);
            }
            if self.start > 0 {
                self.buffer.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
            }
            let wanted = self
                .end
                .saturating_add(STEP)
                .max(count.min(self.end + (STEP << 2)));
            if self.buffer.len() < wanted {
                self.buffer.resize(wanted, 0);
            }
            let room = self.buffer.get_mut(self.end..).unwrap_or_default();
            match self.input.read(room)? {
                0 => self.ended = true,
                n => self.end += n,
            }
        }
        Ok(true)
    }

    /// What could not be unpacked so far.
    pub fn take_damage(&mut self) -> Vec<String> {
        self.input.take_damage()
    }

    /// Whether bytes come as they are in the file.
    pub fn is_plain(&self) -> bool {
        self.input.is_plain()
    }

    /// Byte of the unpacked file that comes next.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The next block, or what is in its place.
    pub fn next(&mut self) -> io::Result<Item<'_>> {
        let taken = std::mem::take(&mut self.taken);
        self.consume(taken);
        if let Some(lost) = self.pending.take() {
            return Ok(Item::Lost(lost));
        }
        if let Some(what) = self.broken.take() {
            return self.search(what);
        }
        if !self.ensure(8)? {
            return Ok(self.torn());
        }
        if self.input.is_plain() && is_packed(self.have()) {
            let rest = self.have().to_vec();
            (self.start, self.end) = (0, 0);
            self.input.unread(rest)?;
            if !self.ensure(8)? {
                return Ok(self.torn());
            }
        }
        let Some((ty, len)) = head(self.have()) else {
            return Ok(self.torn());
        };
        if !fits(ty, len) {
            return self.search(format!("a block of {len} bytes and type {ty:#x} cannot be"));
        }
        if !self.ensure(len)? {
            let what = format!(
                "the file ends in a block of {len} bytes, of which {} are there",
                self.end - self.start
            );
            // A list is worth something without its end.
            let known = kind(ty);
            if matches!(
                known,
                Some(Kind::Processes(_) | Kind::Descriptors(_) | Kind::Users(_))
            ) {
                self.broken = Some(what);
                return Ok(Item::Block(Block {
                    kind: known,
                    ty,
                    body: self.have().get(8..).unwrap_or_default(),
                    at: self.offset,
                }));
            }
            return self.search(what);
        }
        let known = kind(ty);
        let trailer = word(self.have(), len - 4);
        if trailer != Some(len as u32) {
            // What follows decides whether the length or only the trailer is wrong.
            let follows = self.ensure(len + 8)?
                && head(self.have().get(len..).unwrap_or_default())
                    .is_some_and(|(ty, len)| kind(ty).is_some() && fits(ty, len));
            let ends = self.ended && self.end - self.start == len;
            if known.is_none()
                || !(follows || ends)
                || !is_sound(self.have().get(..len).unwrap_or_default(), known)
            {
                return self.search(format!("a block of {len} bytes does not end as it began"));
            }
            self.pending = Some(Lost {
                at: self.offset,
                torn: false,
                count: Some(0),
                detail: format!(
                    "the length behind a block of {len} bytes is wrong; its content was kept"
                ),
            });
        }
        self.taken = len;
        let body = self.buffer.get(self.start + 8..self.start + len - 4);
        Ok(Item::Block(Block {
            kind: known,
            ty,
            body: body.unwrap_or_default(),
            at: self.offset,
        }))
    }

    /// Passes over blocks of events that are whole and at hand, as long as nothing more is wanted of them.
    pub fn skim(&mut self, mut is_done: impl FnMut(&[u8], Kind) -> bool) {
        let taken = std::mem::take(&mut self.taken);
        self.consume(taken);
        if self.pending.is_some() || self.broken.is_some() {
            return;
        }
        let mut passed = 0;
        let have = self.have();
        while let Some((ty, len)) = head(have.get(passed..).unwrap_or_default()) {
            let Some(kind @ Kind::Event { .. }) = kind(ty) else {
                break;
            };
            let block = have.get(passed..).and_then(|rest| rest.get(..len));
            let Some(block) = block.filter(|_| fits(ty, len)) else {
                break;
            };
            let body = block.get(8..len - 4).unwrap_or_default();
            if word(block, len - 4) != Some(len as u32) || !is_done(body, kind) {
                break;
            }
            passed += len;
        }
        self.consume(passed);
    }

    /// The end, with or without bytes left over.
    fn torn(&mut self) -> Item<'static> {
        let left = self.end - self.start;
        let at = self.offset;
        self.consume(left);
        if left == 0 {
            return Item::End;
        }
        Item::Lost(Lost {
            at,
            torn: true,
            count: None,
            detail: format!("the file ends {left} bytes into a block"),
        })
    }

    /// Looks for the next block behind something that is none.
    fn search(&mut self, what: String) -> io::Result<Item<'_>> {
        let at = self.offset;
        let mut passed = 0_u64;
        // The first byte is known not to start a block.
        self.consume(1);
        loop {
            if !self.ensure(12)? {
                let left = self.end - self.start;
                self.consume(left);
                let torn = what.starts_with("the file ends");
                return Ok(Item::Lost(Lost {
                    at,
                    torn,
                    count: None,
                    detail: if torn {
                        what
                    } else {
                        format!(
                            "{what}; nothing was found in the {} bytes to the end",
                            passed + left as u64 + 1
                        )
                    },
                }));
            }
            let candidates = self.end - self.start - 11;
            let found = (0..candidates).find(|place| {
                let rest = self.have().get(*place..).unwrap_or_default();
                head(rest).is_some_and(|(ty, len)| kind(ty).is_some() && fits(ty, len))
            });
            let step = found.unwrap_or(candidates);
            self.consume(step);
            passed += step as u64;
            if found.is_none() {
                continue;
            }
            if self.is_block()? {
                return Ok(Item::Lost(Lost {
                    at,
                    torn: false,
                    count: None,
                    detail: format!("{what}; {} bytes were passed over", passed + 1),
                }));
            }
            self.consume(1);
            passed += 1;
        }
    }

    /// Whether a whole, sound block is at hand.
    fn is_block(&mut self) -> io::Result<bool> {
        let Some((ty, len)) = head(self.have()) else {
            return Ok(false);
        };
        let known = kind(ty);
        let is_list = matches!(known, Some(Kind::Processes(_) | Kind::Users(_)));
        if (!is_list && len > MAX_FOUND) || !self.ensure(len)? {
            return Ok(false);
        }
        let whole = self.have().get(..len).unwrap_or_default();
        Ok(word(whole, len - 4) == Some(len as u32) && is_sound(whole, known))
    }
}

pub(super) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}

/// Type and length of a block.
pub(super) fn head(bytes: &[u8]) -> Option<(u32, usize)> {
    Some((word(bytes, 0)?, word(bytes, 4)? as usize))
}

/// Whether a block of this type can have this length.
pub(super) fn fits(ty: u32, len: usize) -> bool {
    let (least, most) = match kind(ty) {
        Some(Kind::Section) => (28, 1 << 20),
        Some(Kind::Machine) => (12, 1 << 16),
        Some(Kind::Event { .. }) => (36, MAX_EVENT),
        Some(Kind::Descriptors(_)) => (20, MAX_BLOCK),
        _ => (12, MAX_BLOCK),
    };
    len.is_multiple_of(4) && (least..=most).contains(&len)
}

/// Whether the content of a block can be what its type says.
fn is_sound(whole: &[u8], kind: Option<Kind>) -> bool {
    let body = whole
        .get(8..whole.len().saturating_sub(4))
        .unwrap_or_default();
    match kind {
        Some(Kind::Section) => word(body, 0) == Some(MAGIC),
        Some(Kind::Event {
            counted, flagged, ..
        }) => {
            let before = if flagged { 6 } else { 2 };
            let least = if counted { 26 } else { 22 };
            event_head(body, flagged).is_some_and(|(cpu, len, code)| {
                let len = len as usize;
                cpu < 8192 && code < 1024 && len >= least && len + before <= body.len() + 3
            })
        }
        _ => true,
    }
}

/// CPU, length and code of an event.
fn event_head(body: &[u8], flagged: bool) -> Option<(u16, u32, u16)> {
    let mut cursor = Cursor::new(body);
    let cpu = cursor.u16()?;
    cursor.skip(if flagged { 20 } else { 16 })?;
    Some((cpu, cursor.u32()?, cursor.u16()?))
}
