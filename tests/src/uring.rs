//! A small io_uring by raw system calls: as much as the tests need to ask for operations and to hear of their results.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

/// `struct io_uring_sqe`, include/uapi/linux/io_uring.h.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Sqe {
    /// Operation.
    pub opcode: u8,
    /// `IOSQE_` bits.
    pub flags: u8,
    /// Priority.
    pub ioprio: u16,
    /// Descriptor.
    pub fd: i32,
    /// Position, or a second address.
    pub off: u64,
    /// Address.
    pub addr: u64,
    /// Length.
    pub len: u32,
    /// The operation's own bits.
    pub op_flags: u32,
    /// What the completion gives back.
    pub user_data: u64,
    /// Registered buffer.
    pub buf_index: u16,
    /// Credentials.
    pub personality: u16,
    /// Slot of the ring's own table.
    pub file_index: u32,
    /// A third address.
    pub addr3: u64,
    /// Unused.
    pub pad: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct SqOffsets {
    head: u32,
    tail: u32,
    ring_mask: u32,
    ring_entries: u32,
    flags: u32,
    dropped: u32,
    array: u32,
    resv: u32,
    user_addr: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct CqOffsets {
    head: u32,
    tail: u32,
    ring_mask: u32,
    ring_entries: u32,
    overflow: u32,
    cqes: u32,
    flags: u32,
    resv: u32,
    user_addr: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Params {
    sq_entries: u32,
    cq_entries: u32,
    flags: u32,
    sq_thread_cpu: u32,
    sq_thread_idle: u32,
    features: u32,
    wq_fd: u32,
    resv: [u32; 3],
    sq: SqOffsets,
    cq: CqOffsets,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Cqe {
    user_data: u64,
    result: i32,
    flags: u32,
}

const OFF_SQES: i64 = 0x1000_0000;
const ENTER_GETEVENTS: u32 = 1;
const ENTER_SQ_WAKEUP: u32 = 2;
const REGISTER_BUFFERS: u32 = 0;
const REGISTER_FILES: u32 = 2;

/// A ring.
pub struct Uring {
    fd: i32,
    params: Params,
    ring: *mut u8,
    sqes: *mut Sqe,
}

fn checked(result: i64) -> io::Result<i64> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

impl Uring {
    /// A ring with room for so many submissions, with these `IORING_SETUP_` bits.
    pub fn new(entries: u32, flags: u32) -> io::Result<Uring> {
        let mut params = Params {
            flags,
            sq_thread_idle: 1_000,
            ..Params::default()
        };
        // SAFETY: the kernel fills in the structure it is given.
        let fd =
            checked(unsafe { libc::syscall(libc::SYS_io_uring_setup, entries, &raw mut params) })?
                as i32;
        let map = |bytes: usize, offset: i64| {
            // SAFETY: a new mapping of the ring's memory.
            let at = unsafe {
                libc::mmap(
                    std::ptr::null_mut(),
                    bytes,
                    libc::PROT_READ | libc::PROT_WRITE,
                    libc::MAP_SHARED | libc::MAP_POPULATE,
                    fd,
                    offset,
                )
            };
            if at == libc::MAP_FAILED {
                Err(io::Error::last_os_error())
            } else {
                Ok(at.cast::<u8>())
            }
        };
        let sq = params.sq.array as usize + params.sq_entries as usize * 4;
        let cq = params.cq.cqes as usize + params.cq_entries as usize * size_of::<Cqe>();
        Ok(Uring {
            fd,
            params,
            ring: map(sq.max(cq), 0)?,
            sqes: map(params.sq_entries as usize * size_of::<Sqe>(), OFF_SQES)?.cast(),
        })
    }

    fn word(&self, offset: u32) -> &AtomicU32 {
        // SAFETY: an aligned word of the mapping, which lives as long as the ring.
        unsafe { AtomicU32::from_ptr(self.ring.add(offset as usize).cast()) }
    }

    fn enter(&self, submit: u32, wait: u32, flags: u32) -> io::Result<i64> {
        // SAFETY: no signal mask is given.
        checked(unsafe {
            libc::syscall(
                libc::SYS_io_uring_enter,
                self.fd,
                submit,
                wait,
                flags,
                std::ptr::null::<u8>(),
                0,
            )
        })
    }

    /// Submits, and does not wait.
    pub fn submit(&mut self, sqes: &[Sqe]) -> io::Result<()> {
        self.put(sqes);
        self.enter(sqes.len() as u32, 0, ENTER_SQ_WAKEUP)
            .map(|_| ())
    }

    fn put(&mut self, sqes: &[Sqe]) {
        let mask = self.params.sq_entries - 1;
        let tail = self.word(self.params.sq.tail).load(Ordering::Relaxed);
        for (at, sqe) in (tail..).zip(sqes) {
            let slot = at & mask;
            // SAFETY: a slot within the mapping, which the kernel does not read before the tail moves.
            unsafe { self.sqes.add(slot as usize).write(*sqe) };
            self.word(self.params.sq.array + 4 * slot)
                .store(slot, Ordering::Relaxed);
        }
        self.word(self.params.sq.tail)
            .store(tail + sqes.len() as u32, Ordering::Release);
    }

    /// Submits all at once, waits for all, and gives their results in the order of submission, by user data.
    pub fn run(&mut self, sqes: &[Sqe]) -> io::Result<Vec<i32>> {
        self.put(sqes);
        let mut results = vec![None; sqes.len()];
        let mut submit = sqes.len() as u32;
        let mask = self.params.cq_entries - 1;
        while results.iter().any(Option::is_none) {
            self.enter(submit, 1, ENTER_GETEVENTS | ENTER_SQ_WAKEUP)?;
            submit = 0;
            let mut head = self.word(self.params.cq.head).load(Ordering::Relaxed);
            while head != self.word(self.params.cq.tail).load(Ordering::Acquire) {
                let offset =
                    self.params.cq.cqes as usize + (head & mask) as usize * size_of::<Cqe>();
                // SAFETY: an entry within the mapping that the kernel has published.
                let cqe = unsafe { self.ring.add(offset).cast::<Cqe>().read() };
                if let Some(at) = sqes.iter().position(|sqe| sqe.user_data == cqe.user_data) {
                    results[at] = Some(cqe.result);
                }
                head += 1;
            }
            self.word(self.params.cq.head)
                .store(head, Ordering::Release);
        }
        Ok(results.into_iter().flatten().collect())
    }

    fn register(&self, what: u32, from: *const u8, count: u32) -> io::Result<()> {
        // SAFETY: the caller's array has `count` entries.
        checked(unsafe { libc::syscall(libc::SYS_io_uring_register, self.fd, what, from, count) })
            .map(|_| ())
    }

    /// Makes descriptors known by their place.
    pub fn register_files(&mut self, files: &[i32]) -> io::Result<()> {
        self.register(REGISTER_FILES, files.as_ptr().cast(), files.len() as u32)
    }

    /// Makes a buffer known as number 0.
    pub fn register_buffer(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        let vector = [(buffer.as_ptr() as u64, buffer.len() as u64)];
        self.register(REGISTER_BUFFERS, vector.as_ptr().cast(), 1)
    }
}
