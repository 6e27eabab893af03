//! How the process has its memory.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::OnceLock;

/// Gives back to the kernel what is free inside of the heaps (malloc_trim(3)). Elsewhere than with the GNU C library it does nothing.
pub fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes locks of the allocator's alone, at any time.
    unsafe {
        // That nothing was to be had is no failure.
        libc::malloc_trim(0);
    }
}

/// Bytes from which on a block of memory is the kernel's again as soon as it is free, and bytes that may be free at the end of the heap
/// before they are; see mallopt(3), `M_MMAP_THRESHOLD` and `M_TRIM_THRESHOLD`.
struct Limits {
    large: libc::c_int,
    end: libc::c_int,
}

impl Limits {
    /// Elsewhere than with the GNU C library it does nothing.
    fn set(self) {
        #[cfg(target_env = "gnu")]
        // SAFETY: sets numbers of the allocator's, which takes them at any time.
        unsafe {
            // A refusal leaves what is usual.
            libc::mallopt(libc::M_MMAP_THRESHOLD, self.large);
            libc::mallopt(libc::M_TRIM_THRESHOLD, self.end);
        }
        #[cfg(not(target_env = "gnu"))]
        let Limits { large: _, end: _ } = self;
    }
}

/// Has large blocks kept when they are free, for the next. To be called once, by a program that reads.
///
/// Lists of a chunk are some hundred KiB each, and are made and freed chunk by chunk: where the kernel gets them back and
/// has to hand out cleared memory again each time, that takes as long as filling them.
pub fn keep() {
    let (large, end) = (8 << 20, 64 << 20);
    Limits { large, end }.set();
}

/// Has large blocks given back to the kernel when they are free. To be called once, by a program that records for long.
///
/// The C library raises the first limit to 32 MiB by itself as blocks come and go, and from then on cuts them out of its heaps,
/// where smaller ones keep what is between them from ever being given back: with chunks of every size a recorder would grow
/// for hours.
pub fn give_back() {
    let (large, end) = (256 << 10, 128 << 10);
    Limits { large, end }.set();
}

/// The system's allocator; where it has nothing left, the program says so and ends with exit code 1.
///
/// Rust's own answer is to abort: that leaves a core dump of what was recorded, where those are kept, and a terminal as the inspector
/// had it. What a capture has on disk stays as it is with any end that nobody expects: whole up to its last chunk, and not sealed.
#[derive(Debug)]
pub struct Saying;

/// What is done before that end.
static BEFORE: OnceLock<fn()> = OnceLock::new();

/// Has something done before the program ends for lack of memory. It may not ask for any, nor wait for a lock. The first one stays.
///
/// The C library has needs of its own (what a thread keeps for itself), and aborts where those are refused: that is such an end, too.
pub fn before_the_end(what: fn()) {
    // A second one says the same.
    let _ = BEFORE.set(what);
    let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = aborted;
    // SAFETY: all zeros are a value of it.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: both live, and the handler does only what a handler may. Where it is refused, an abort is an abort.
    unsafe { libc::sigaction(libc::SIGABRT, &raw const action, std::ptr::null_mut()) };
}

/// The program aborts, or somebody wants it to.
extern "C" fn aborted(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    _context: *mut libc::c_void,
) {
    if let Some(before) = BEFORE.get() {
        before();
    }
    // SAFETY: the kernel gave it, and says in it who sent the signal.
    let by_itself = unsafe { (*info).si_pid() == libc::getpid() };
    if by_itself {
        end(&[
            b"afterimage: cannot go on: ended by the C library, mostly because no memory is left\n",
        ]);
    }
    // SAFETY: as if nobody had looked.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}

/// Says why, and what to do, and ends the process, without running anything of it any more.
fn end(why: &[&[u8]]) -> ! {
    const REMEDY: &[u8] = b"  try: raise the limit it runs under (ulimit -v, memory.max); a capture keeps what is on disk by now, see afterimage verify\n";
    for part in why.iter().chain([&REMEDY]) {
        // SAFETY: the bytes live; nobody is left to hear of a failure.
        unsafe { libc::write(libc::STDERR_FILENO, part.as_ptr().cast(), part.len()) };
    }
    // SAFETY: ends the process.
    unsafe { libc::_exit(1) }
}

// SAFETY: hands everything on to the system's allocator, and gives what that gives but null, where it does not return.
unsafe impl GlobalAlloc for Saying {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        had(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        had(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        had(unsafe { System.realloc(old, layout, size) }, size)
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(old, layout) }
    }
}

#[inline]
fn had(block: *mut u8, size: usize) -> *mut u8 {
    if block.is_null() {
        none(size);
    }
    block
}

#[cold]
fn none(size: usize) -> ! {
    if let Some(before) = BEFORE.get() {
        before();
    }
    let mut digits = [0_u8; 20];
    let mut first = digits.len();
    let mut left = size;
    loop {
        first -= 1;
        digits[first] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    end(&[
        b"afterimage: no memory is left: the system refused ",
        &digits[first..],
        b" bytes\n",
    ])
}
