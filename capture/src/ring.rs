//! The rings: shared memory that the kernel programs write and this module reads.
//!
//! Each CPU has a ring of segments and a state with its head; user space keeps the tail. A record is copied out before
//! anything looks at it, so the rest of the crate sees plain bytes. This is the recorder's only memory map.

use crate::wire::{CpuState, RECORD_MAX, RecordHead, SEGMENT_BYTES};
use std::io;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering, fence};

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

    fn copy(&self, offset: usize, len: usize, into: &mut Vec<u8>) {
        assert!(
            offset.checked_add(len).is_some_and(|end| end <= self.bytes),
            "a record outside of the map"
        );
        into.clear();
        into.reserve(len);
        // SAFETY: source in bounds (checked above), destination reserved; the kernel does not write behind its published
        // head, and what it would do there is bytes, valid for any value.
        unsafe {
            std::ptr::copy_nonoverlapping(self.start.as_ptr().add(offset), into.as_mut_ptr(), len);
            into.set_len(len);
        }
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
}

/// A loss found between two records, or at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The CPU.
    pub cpu: u16,
    /// First missing sequence number.
    pub first_seq: u64,
    /// How many are missing.
    pub count: u64,
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
        /// Its bytes, head included.
        bytes: &'a [u8],
    },
    /// A loss.
    Loss(Loss),
}

/// The books of all CPUs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// Records offered.
    pub offered: u64,
    /// Records that found no room.
    pub dropped: u64,
    /// Records refused because the CPU was writing another.
    pub nested: u64,
    /// Calls of the recorder that were spared.
    pub spared_self: u64,
    /// Calls out of scope that were spared.
    pub spared_scope: u64,
}

/// The rings of all CPUs.
pub struct Rings {
    ring: Memory,
    cpus: Memory,
    tails: Memory,
    segments: u64,
    cursors: Vec<Cursor>,
    record: Vec<u8>,
}

impl Rings {
    /// Maps the three maps. `segments` is a power of two, the number of segments of each CPU.
    pub fn map(
        ring: BorrowedFd<'_>,
        cpus: BorrowedFd<'_>,
        tails: BorrowedFd<'_>,
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
            tails: Memory::map(tails, count * 8, true)?,
            segments: u64::from(segments),
            cursors: (0..count)
                .map(|_| Cursor {
                    segment: 0,
                    pos: 0,
                    head: 0,
                    next_seq: 0,
                    last_ns: 0,
                })
                .collect(),
            record: Vec::with_capacity(RECORD_MAX as usize),
        };
        Ok(rings)
    }

    /// Reads how far the kernel has got on every CPU.
    pub fn refresh(&mut self) {
        for (cpu, cursor) in self.cursors.iter_mut().enumerate() {
            cursor.head = self
                .cpus
                .word(cpu * CpuState::BYTES + std::mem::offset_of!(CpuState, head))
                .load(Ordering::Acquire);
        }
    }

    /// Stamp of the next record of a CPU, moving to its next segment when this one is used up.
    fn peek(&mut self, cpu: usize) -> Option<u64> {
        let cursor = self.cursors.get_mut(cpu)?;
        let (head_segment, head_pos) = (cursor.head >> 32, cursor.head as u32);
        if cursor.segment < head_segment
            || (cursor.segment == head_segment && head_pos >= SEGMENT_BYTES - RECORD_MAX)
        {
            // The kernel has left this segment, or will before it writes again: how far it filled it is where no record
            // may start any more.
            if cursor.pos >= SEGMENT_BYTES - RECORD_MAX {
                cursor.segment += 1;
                cursor.pos = 0;
                fence(Ordering::Release);
                self.tails
                    .word(cpu * 8)
                    .store(cursor.segment, Ordering::Release);
            }
        }
        let behind = (cursor.segment, cursor.pos) < (head_segment, head_pos);
        behind.then(|| self.ring_word(cpu, std::mem::offset_of!(RecordHead, time_ns)))
    }

    fn offset(&self, cpu: usize) -> usize {
        let cursor = &self.cursors[cpu];
        let element = cpu as u64 * self.segments + (cursor.segment & (self.segments - 1));
        element as usize * SEGMENT_BYTES as usize + cursor.pos as usize
    }

    fn ring_word(&self, cpu: usize, field: usize) -> u64 {
        self.ring
            .word(self.offset(cpu) + field)
            .load(Ordering::Relaxed)
    }

    /// Hands over, in order of time, every record stamped before `until_ns`; a loss comes before the first record behind
    /// it. Stops early when `each` returns false. Call [`Rings::refresh`] first.
    pub fn drain<E>(
        &mut self,
        until_ns: u64,
        mut each: impl FnMut(Item<'_>) -> Result<(), E>,
    ) -> Result<u64, E> {
        let mut handed = 0;
        loop {
            let mut first: Option<(u64, usize)> = None;
            for cpu in 0..self.cursors.len() {
                if let Some(ns) = self.peek(cpu)
                    && ns < until_ns
                    && first.is_none_or(|best| (ns, cpu) < best)
                {
                    first = Some((ns, cpu));
                }
            }
            let Some((ns, cpu)) = first else {
                return Ok(handed);
            };
            let len = (self.ring_word(cpu, 0) as u32).clamp(RecordHead::BYTES as u32, RECORD_MAX);
            let mut record = std::mem::take(&mut self.record);
            self.ring.copy(self.offset(cpu), len as usize, &mut record);
            let seq = RecordHead::read(&record).map_or(0, |head| head.seq);
            let cursor = &mut self.cursors[cpu];
            let loss = (seq > cursor.next_seq).then(|| Loss {
                cpu: cpu as u16,
                first_seq: cursor.next_seq,
                count: seq - cursor.next_seq,
                after_ns: cursor.last_ns,
                before_ns: ns,
            });
            cursor.next_seq = seq + 1;
            cursor.last_ns = ns;
            cursor.pos += len;
            let mut result = Ok(());
            if let Some(loss) = loss {
                result = each(Item::Loss(loss));
            }
            result = result.and_then(|()| {
                each(Item::Record {
                    cpu: cpu as u16,
                    bytes: &record,
                })
            });
            self.record = record;
            result?;
            handed += 1;
        }
    }

    /// The losses behind the last record of each CPU: to be asked when the programs are detached and all is drained.
    pub fn tail_losses(&self) -> Vec<Loss> {
        let seq_at = std::mem::offset_of!(CpuState, seq);
        (self.cursors.iter().enumerate())
            .filter_map(|(cpu, cursor)| {
                let seq = self
                    .cpus
                    .word(cpu * CpuState::BYTES + seq_at)
                    .load(Ordering::Acquire);
                (seq > cursor.next_seq).then(|| Loss {
                    cpu: cpu as u16,
                    first_seq: cursor.next_seq,
                    count: seq - cursor.next_seq,
                    after_ns: cursor.last_ns,
                    before_ns: 0,
                })
            })
            .collect()
    }

    /// The books, summed over all CPUs.
    pub fn books(&self) -> Books {
        let mut books = Books::default();
        for cpu in 0..self.cursors.len() {
            let word = |field: usize| {
                self.cpus
                    .word(cpu * CpuState::BYTES + field)
                    .load(Ordering::Acquire)
            };
            books.offered += word(std::mem::offset_of!(CpuState, seq));
            books.dropped += word(std::mem::offset_of!(CpuState, dropped));
            books.nested += word(std::mem::offset_of!(CpuState, nested));
            books.spared_self += word(std::mem::offset_of!(CpuState, spared_self));
            books.spared_scope += word(std::mem::offset_of!(CpuState, spared_scope));
        }
        books
    }
}
