//! The rings: shared memory that the kernel programs write and this module reads.
//!
//! Each CPU has a ring of segments and a state with its head; user space keeps the tail. A record is looked at where it
//! lies: the kernel side does not write there before the tail has moved. This is the recorder's only memory map.

use crate::wire::{
    CLASSES, Context, CpuControl, CpuState, Kind, LossCounts, RECORD_MAX, RecordHead,
    SEGMENT_BYTES, Verdict,
};
use std::io;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

/// A map's memory.
struct Memory {
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: the mapping is shared memory with the kernel; all access goes through atomics or a bounded copy below.
unsafe impl Send for Memory {}

impl Memory {
    fn map(fd: BorrowedFd<'_>, bytes: usize, writable: bool) -> io::Result<Memory> {
        use rustix::mm::{MapFlags, ProtFlags, mmap};
        let page = rustix::param::page_size();
        let bytes = bytes.div_ceil(page) * page;
        let prot = if writable {
            ProtFlags::READ | ProtFlags::WRITE
        } else {
            ProtFlags::READ
        };
        // SAFETY: a new mapping at an address of the kernel's choice aliases nothing.
        let start = unsafe { mmap(std::ptr::null_mut(), bytes, prot, MapFlags::SHARED, fd, 0)? };
        let start = NonNull::new(start.cast())
            .ok_or_else(|| io::Error::other("mmap gave a null address"))?;
        Ok(Memory { start, bytes })
    }

    fn word(&self, offset: usize) -> &AtomicU64 {
        assert!(
            offset.is_multiple_of(8) && offset + 8 <= self.bytes,
            "a word outside of the map"
        );
        // SAFETY: in bounds and aligned (checked above); the kernel side writes it as one 64-bit store.
        unsafe { AtomicU64::from_ptr(self.start.as_ptr().add(offset).cast()) }
    }

    fn half(&self, offset: usize) -> &AtomicU32 {
        assert!(
            offset.is_multiple_of(4) && offset + 4 <= self.bytes,
            "a word outside of the map"
        );
        // SAFETY: in bounds and aligned (checked above); both sides write it as one 32-bit store.
        unsafe { AtomicU32::from_ptr(self.start.as_ptr().add(offset).cast()) }
    }

    /// Bytes that the kernel side has published and does not write again before the tail has moved past them.
    fn published(&self, offset: usize, len: usize) -> &[u8] {
        assert!(
            offset.checked_add(len).is_some_and(|end| end <= self.bytes),
            "a record outside of the map"
        );
        // SAFETY: in bounds (checked above); behind the published head and before the tail nothing is written, and the
        // borrow ends before this reader moves the tail (both need the rings).
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().add(offset), len) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: mapped by `map` with this length, and no reference outlives self.
        let _ = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}

/// Where user space has got to on one CPU.
struct Cursor {
    segment: u64,
    pos: u32,
    /// Head as read at the last refresh.
    head: u64,
    /// Sequence number of the next record, when no loss happens.
    next_seq: u64,
    /// Stamp of the last record read.
    last_ns: u64,
    /// Whose records follow.
    context: Context,
    /// What the kernel side says it did not record before the next record.
    lost: Option<LossCounts>,
    /// What was told of that already, because nothing had been recorded behind it for a while.
    told: LossCounts,
    /// Whether what comes before the next record has been taken: then the record lies in the same segment, wherever it starts.
    introduced: bool,
}

impl Cursor {
    /// Whether something lies before a head.
    fn has_unread(&self, head: u64) -> bool {
        (self.segment, self.pos) < (head >> 32, head as u32)
    }
}

/// Why records were not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    /// There was no room.
    Full,
    /// Under pressure they were only counted.
    Counted,
}

/// A loss found between two records, or at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The CPU.
    pub cpu: u16,
    /// Why.
    pub why: Missed,
    /// First missing sequence number.
    pub first_seq: u64,
    /// How many are missing.
    pub count: u64,
    /// Of those, how many of each class (by the class's number).
    pub classes: [u32; CLASSES as usize],
    /// Id of the control group that all of them were of; 0 where they were of several.
    pub group: u64,
    /// Stamp of the last record before; 0 when there is none.
    pub after_ns: u64,
    /// Stamp of the first record behind; 0 when there is none.
    pub before_ns: u64,
}

/// What one look at the rings gives.
#[derive(Debug)]
pub enum Item<'a> {
    /// A record, whole.
    Record {
        /// The CPU it was recorded on.
        cpu: u16,
        /// Its number among the records offered on that CPU.
        seq: u64,
        /// Whose it is.
        context: &'a Context,
        /// Its bytes, front included.
        bytes: &'a [u8],
    },
    /// A loss.
    Loss(Loss),
}

/// Where a record may still start in a segment (see `START_MAX` on the kernel side).
const START_MAX: u32 = SEGMENT_BYTES
    - RECORD_MAX
    - (2 * RecordHead::BYTES + Context::BYTES + LossCounts::BYTES) as u32;

/// The books of all CPUs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// Records offered.
    pub offered: u64,
    /// Records that found no room.
    pub dropped: u64,
    /// Records that were only counted, under pressure.
    pub counted: u64,
    /// Records refused because the CPU was writing another.
    pub nested: u64,
    /// Calls that waited and were not timed, because too many threads waited.
    pub untimed: u64,
    /// Calls of the recorder that were spared.
    pub spared_self: u64,
    /// Calls out of scope that were spared.
    pub spared_scope: u64,
}

/// The rings of all CPUs.
pub struct Rings {
    ring: Memory,
    cpus: Memory,
    control: Memory,
    segments: u64,
    generation: u32,
    cursors: Vec<Cursor>,
}

impl Rings {
    /// Maps the three maps. `segments` is a power of two, the number of segments of each CPU.
    pub fn map(
        ring: BorrowedFd<'_>,
        cpus: BorrowedFd<'_>,
        control: BorrowedFd<'_>,
        cpu_count: u16,
        segments: u32,
    ) -> io::Result<Rings> {
        let count = usize::from(cpu_count);
        let rings = Rings {
            ring: Memory::map(
                ring,
                count * segments as usize * SEGMENT_BYTES as usize,
                false,
            )?,
            cpus: Memory::map(cpus, count * CpuState::BYTES, false)?,
            control: Memory::map(control, count * CpuControl::BYTES, true)?,
            segments: u64::from(segments),
            generation: 0,
            cursors: (0..count)
                .map(|_| Cursor {
                    segment: 0,
                    pos: 0,
                    head: 0,
                    next_seq: 0,
                    last_ns: 0,
                    context: Context::read(&[0; Context::BYTES])
                        .unwrap_or_else(|| unreachable!("as many bytes as it has")),
                    lost: None,
                    told: LossCounts::NONE,
                    introduced: false,
                })
                .collect(),
        };
        Ok(rings)
    }

    /// Whether nothing waits to be taken, now that the programs know how whoever reads sleeps.
    pub fn are_empty(&self) -> bool {
        // They write a record before they look whether to wake anybody.
        fence(Ordering::SeqCst);
        (0..).zip(&self.cursors).all(|(cpu, cursor)| {
            let head = self.state_word(cpu, std::mem::offset_of!(CpuState, head));
            !cursor.has_unread(head)
        })
    }

    /// Reads how far the kernel has got on every CPU. Returns how full the fullest ring is, in parts of 256.
    pub fn refresh(&mut self) -> u64 {
        let mut fullest = 0;
        for cpu in 0..self.cursors.len() {
            let head = self.state_word(cpu, std::mem::offset_of!(CpuState, head));
            if let Some(cursor) = self.cursors.get_mut(cpu) {
                cursor.head = head;
                let used = (head >> 32).saturating_sub(cursor.segment);
                fullest = fullest.max(used * 256 / self.segments);
            }
        }
        fullest
    }

    fn state_word(&self, cpu: usize, field: usize) -> u64 {
        self.cpus
            .word(cpu * CpuState::BYTES + field)
            .load(Ordering::Acquire)
    }

    /// Tells the programs that the scope has changed: what they remember of a task's verdict is void.
    pub fn scope_changed(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        for cpu in 0..self.cursors.len() {
            self.control
                .half(cpu * CpuControl::BYTES + std::mem::offset_of!(CpuControl, generation))
                .store(self.generation, Ordering::Release);
        }
    }

    /// Tells the programs how much to record.
    pub fn press(&mut self, pressure: u32) {
        for cpu in 0..self.cursors.len() {
            self.control
                .half(cpu * CpuControl::BYTES + std::mem::offset_of!(CpuControl, pressure))
                .store(pressure, Ordering::Release);
        }
    }

    /// Tells the programs how whoever reads sleeps: a [`crate::wire::Sleep`].
    pub fn sleep(&mut self, how: u32) {
        for cpu in 0..self.cursors.len() {
            self.control
                .half(cpu * CpuControl::BYTES + std::mem::offset_of!(CpuControl, asleep))
                .store(how, Ordering::Release);
        }
    }

    /// Stamp of the next record of a CPU, past what is no event: whose records follow, what was lost.
    fn peek(&mut self, cpu: usize) -> Option<u64> {
        loop {
            let cursor = self.cursors.get_mut(cpu)?;
            if !cursor.introduced && cursor.pos >= START_MAX {
                // No record starts here any more: the kernel has left this segment, or will before it writes again.
                cursor.segment += 1;
                cursor.pos = 0;
                fence(Ordering::Release);
                self.control
                    .word(cpu * CpuControl::BYTES + std::mem::offset_of!(CpuControl, tail))
                    .store(cursor.segment, Ordering::Release);
            }
            if !cursor.has_unread(cursor.head) {
                return None;
            }
            let (at, len) = (self.offset(cpu), RecordHead::BYTES);
            let front = RecordHead::read(self.ring.published(at, len))?;
            let body = at + RecordHead::BYTES;
            match u32::from(front.kind) {
                Kind::CONTEXT => {
                    let context = Context::read(self.ring.published(body, Context::BYTES))?;
                    let cursor = self.cursors.get_mut(cpu)?;
                    cursor.context = context;
                    cursor.introduced = true;
                    cursor.pos += (RecordHead::BYTES + Context::BYTES) as u32;
                }
                Kind::LOSS => {
                    let lost = LossCounts::read(self.ring.published(body, LossCounts::BYTES));
                    let cursor = self.cursors.get_mut(cpu)?;
                    let told = std::mem::replace(&mut cursor.told, LossCounts::NONE);
                    cursor.lost = lost.map(|lost| lost.without(&told));
                    cursor.introduced = true;
                    cursor.pos += (RecordHead::BYTES + LossCounts::BYTES) as u32;
                }
                _ => return Some(front.time_ns),
            }
        }
    }

    fn offset(&self, cpu: usize) -> usize {
        let cursor = &self.cursors[cpu];
        let element = cpu as u64 * self.segments + (cursor.segment & (self.segments - 1));
        element as usize * SEGMENT_BYTES as usize + cursor.pos as usize
    }

    /// Hands over, in order of time, records stamped before `until_ns`, at most `most` of them; a loss comes before the first
    /// record behind it. Call [`Rings::refresh`] first. Returns how many there were.
    pub fn drain<E>(
        &mut self,
        until_ns: u64,
        most: u64,
        mut each: impl FnMut(Item<'_>) -> Result<(), E>,
    ) -> Result<u64, E> {
        let mut handed = 0;
        let mut next: Vec<Option<u64>> =
            (0..self.cursors.len()).map(|cpu| self.peek(cpu)).collect();
        loop {
            let first = (next.iter().enumerate())
                .filter_map(|(cpu, ns)| ns.map(|ns| (ns, cpu)))
                .min();
            let Some((ns, cpu)) = first.filter(|(ns, _)| *ns < until_ns && handed < most) else {
                return Ok(handed);
            };
            let at = self.offset(cpu);
            let front = RecordHead::read(self.ring.published(at, RecordHead::BYTES));
            let (len, low) = front.map_or((0, 0), |front| (front.len, front.seq));
            let len = len.clamp(RecordHead::BYTES as u32, RECORD_MAX);
            let cursor = &mut self.cursors[cpu];
            // The low half tells the whole number: fewer than 2^32 are lost between two records.
            let jump = low.wrapping_sub(cursor.next_seq as u32);
            let seq = cursor.next_seq + u64::from(jump);
            let lost = cursor.lost.take();
            let losses = if jump > 0 {
                losses(cpu, cursor, u64::from(jump), lost, ns)
            } else {
                Default::default()
            };
            cursor.next_seq = seq + 1;
            cursor.last_ns = ns;
            cursor.introduced = false;
            cursor.pos += len;
            for loss in losses.into_iter().flatten() {
                each(Item::Loss(loss))?;
            }
            each(Item::Record {
                cpu: cpu as u16,
                seq,
                context: &self.cursors[cpu].context,
                bytes: self.ring.published(at, len as usize),
            })?;
            handed += 1;
            next[cpu] = self.peek(cpu);
        }
    }

    /// The losses behind the last record of each CPU, up to now: a CPU on which nothing is recorded any more would not tell them
    /// before it records something again. They are told once. To be asked when all is drained that was recorded, `ended` when the
    /// programs are detached.
    pub fn standing_losses(&mut self, now_ns: u64, ended: bool) -> Vec<Loss> {
        let mut all = Vec::new();
        for cpu in 0..self.cursors.len() {
            // In this order: whatever record `seq` counts is either being written, or in `head`.
            let seq = self.state_word(cpu, std::mem::offset_of!(CpuState, seq));
            let busy = self.state_word(cpu, std::mem::offset_of!(CpuState, busy)) != 0;
            let head = self.state_word(cpu, std::mem::offset_of!(CpuState, head));
            let counts = self.counts(cpu);
            let Some(cursor) = self.cursors.get_mut(cpu) else {
                continue;
            };
            let jump = seq.saturating_sub(cursor.next_seq);
            if jump == 0 || !ended && (busy || cursor.has_unread(head)) {
                continue;
            }
            let fresh = counts.without(&cursor.told);
            all.extend(
                losses(cpu, cursor, jump, Some(fresh), now_ns)
                    .into_iter()
                    .flatten(),
            );
            cursor.told = counts;
            (cursor.next_seq, cursor.last_ns) = (seq, now_ns);
        }
        all
    }

    /// What a CPU has not recorded since its last record.
    fn counts(&self, cpu: usize) -> LossCounts {
        let list = |at: usize| {
            std::array::from_fn(|class| {
                self.cpus
                    .half(cpu * CpuState::BYTES + at + class * 4)
                    .load(Ordering::Acquire)
            })
        };
        LossCounts {
            full: list(std::mem::offset_of!(CpuState, lost)),
            counted: list(std::mem::offset_of!(CpuState, yielded)),
            of: self.state_word(cpu, std::mem::offset_of!(CpuState, lost_of)),
        }
    }

    /// The books, summed over all CPUs.
    pub fn books(&self) -> Books {
        let mut books = Books::default();
        for cpu in 0..self.cursors.len() {
            let word = |field: usize| self.state_word(cpu, field);
            let spared =
                |verdict: u32| word(std::mem::offset_of!(CpuState, spared) + verdict as usize * 8);
            books.offered += word(std::mem::offset_of!(CpuState, seq));
            books.dropped += word(std::mem::offset_of!(CpuState, dropped));
            books.counted += word(std::mem::offset_of!(CpuState, counted));
            books.nested += word(std::mem::offset_of!(CpuState, nested));
            books.untimed += word(std::mem::offset_of!(CpuState, untimed));
            books.spared_self += spared(Verdict::SELF);
            books.spared_scope += spared(Verdict::SCOPE);
        }
        books
    }
}

impl LossCounts {
    const NONE: LossCounts = LossCounts {
        full: [0; CLASSES as usize],
        counted: [0; CLASSES as usize],
        of: 0,
    };

    /// What is left of it when so much was told.
    fn without(&self, told: &LossCounts) -> LossCounts {
        let less = |all: &[u32; CLASSES as usize], told: &[u32; CLASSES as usize]| {
            std::array::from_fn(|class| all[class].saturating_sub(told[class]))
        };
        LossCounts {
            full: less(&self.full, &told.full),
            counted: less(&self.counted, &told.counted),
            of: self.of,
        }
    }
}

/// A jump of `jump` sequence numbers as one loss for each reason. The kernel side's counts say which; were they ever to
/// say less than the jump, the rest was for lack of room.
fn losses(
    cpu: usize,
    cursor: &Cursor,
    jump: u64,
    lost: Option<LossCounts>,
    before_ns: u64,
) -> [Option<Loss>; 2] {
    let none = [0; CLASSES as usize];
    let (full, counted) = lost.map_or((none, none), |lost| (lost.full, lost.counted));
    let group = lost.map_or(0, |lost| lost.of);
    let sum = |classes: &[u32]| classes.iter().map(|n| u64::from(*n)).sum::<u64>();
    let yielded = sum(&counted).min(jump);
    [
        (Missed::Full, jump - yielded, full),
        (Missed::Counted, yielded, counted),
    ]
    .map(|(why, count, classes)| {
        (count > 0).then_some(Loss {
            cpu: cpu as u16,
            why,
            first_seq: cursor.next_seq,
            count,
            classes,
            group,
            after_ns: cursor.last_ns,
            before_ns,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::fd::AsFd;
    use std::os::unix::fs::FileExt;

    /// Shared memory as a map has it.
    fn memory(bytes: usize) -> File {
        let fd = rustix::fs::memfd_create(c"map", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        let file = File::from(fd);
        file.set_len(bytes as u64).unwrap();
        file
    }

    fn front(kind: u32, len: usize, time_ns: u64, seq: u32) -> Vec<u8> {
        let mut bytes = vec![0; len];
        bytes[..4].copy_from_slice(&(len as u32).to_le_bytes());
        bytes[4] = kind as u8;
        bytes[8..16].copy_from_slice(&time_ns.to_le_bytes());
        bytes[20..24].copy_from_slice(&seq.to_le_bytes());
        bytes
    }

    #[test]
    fn a_record_introduced_at_the_end_of_a_segment_is_handed_over_whenever_the_look_ends() {
        let (ring, cpus) = (memory(2 * SEGMENT_BYTES as usize), memory(4096));
        let control = memory(4096);
        let mut rings = Rings::map(ring.as_fd(), cpus.as_fd(), control.as_fd(), 1, 2).unwrap();
        // Records up to the last place where another may start, and one that is introduced there.
        let start = START_MAX as usize / 8 * 8 - 8;
        let context = RecordHead::BYTES + Context::BYTES;
        let mut bytes = Vec::new();
        let mut at = 0;
        for seq in 0..4 {
            let len = if seq < 3 { 12_000 } else { start - at };
            bytes.extend(front(Kind::SYSCALL, len, 1, seq));
            at += len;
        }
        bytes.extend(front(Kind::CONTEXT, context, 0, 0));
        bytes.extend(front(Kind::SYSCALL, RecordHead::BYTES, 9, 4));
        assert!(start < START_MAX as usize && start + context >= START_MAX as usize);
        ring.write_all_at(&bytes, 0).unwrap();
        let head = bytes.len() as u64;
        let head_at = std::mem::offset_of!(CpuState, head) as u64;
        cpus.write_all_at(&head.to_le_bytes(), head_at).unwrap();
        rings.refresh();
        let mut seen = Vec::new();
        for until_ns in [5, u64::MAX] {
            let each = |item: Item<'_>| {
                match item {
                    Item::Record { seq, .. } => seen.push(seq),
                    Item::Loss(loss) => panic!("nothing was lost: {loss:?}"),
                }
                Ok::<(), ()>(())
            };
            rings.drain(until_ns, u64::MAX, each).unwrap();
        }
        assert_eq!(seen, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn what_a_processor_lost_that_records_nothing_more_is_told_once() {
        let (ring, cpus) = (memory(2 * SEGMENT_BYTES as usize), memory(4096));
        let control = memory(4096);
        let mut rings = Rings::map(ring.as_fd(), cpus.as_fd(), control.as_fd(), 1, 2).unwrap();
        let put =
            |at: usize, value: u64| cpus.write_all_at(&value.to_le_bytes(), at as u64).unwrap();
        let seq = |value| put(std::mem::offset_of!(CpuState, seq), value);
        let head = |value: usize| put(std::mem::offset_of!(CpuState, head), value as u64);
        let lost = |value| put(std::mem::offset_of!(CpuState, lost), value);
        let busy = |value| put(std::mem::offset_of!(CpuState, busy), value);
        put(std::mem::offset_of!(CpuState, lost_of), 77);
        let told = |rings: &mut Rings, now_ns| -> Vec<(u64, u64, u32, u64)> {
            let all = rings.standing_losses(now_ns, false);
            (all.iter())
                .map(|loss| (loss.first_seq, loss.count, loss.classes[0], loss.group))
                .collect()
        };
        // Nothing yet; then three; then nobody tells while a record is being written; then two more.
        assert_eq!(told(&mut rings, 5), []);
        seq(3);
        lost(3);
        assert_eq!(told(&mut rings, 10), [(0, 3, 3, 77)]);
        assert_eq!(told(&mut rings, 11), []);
        seq(5);
        lost(5);
        busy(1);
        assert_eq!(told(&mut rings, 12), []);
        busy(0);
        assert_eq!(told(&mut rings, 13), [(3, 2, 2, 77)]);
        // The record that comes then says it of all six: one of them is news.
        let mut bytes = front(Kind::LOSS, RecordHead::BYTES + LossCounts::BYTES, 0, 0);
        bytes[RecordHead::BYTES] = 6;
        bytes.extend(front(Kind::SYSCALL, RecordHead::BYTES, 20, 6));
        ring.write_all_at(&bytes, 0).unwrap();
        seq(7);
        lost(0);
        head(bytes.len());
        assert_eq!(told(&mut rings, 21), [], "it is not read yet");
        rings.refresh();
        let mut seen = Vec::new();
        let each = |item: Item<'_>| {
            seen.push(match item {
                Item::Record { seq, .. } => (seq, 0, 0),
                Item::Loss(loss) => (loss.first_seq, loss.count, loss.classes[0]),
            });
            Ok::<(), ()>(())
        };
        rings.drain(u64::MAX, u64::MAX, each).unwrap();
        assert_eq!(seen, [(5, 1, 1), (6, 0, 0)]);
        assert_eq!(told(&mut rings, 22), []);
    }
}
