//! How the process has its memory.

/// Gives back to the kernel what is free inside of the heaps (malloc_trim(3)). Elsewhere than with the GNU C library it does nothing.
pub fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes locks of the allocator's alone, at any time.
    unsafe {
        // That nothing was to be had is no failure.
        libc::malloc_trim(0);
    }
}

/// Bytes from which on a block of memory is the kernel's again as soon as it is free.
const LARGE: libc::c_int = 256 << 10;

/// Has large blocks given back to the kernel when they are free. To be called once, by a program that records for long.
///
/// The C library raises that limit to 32 MiB by itself as blocks come and go (mallopt(3), `M_MMAP_THRESHOLD`), and from then on cuts
/// them out of its heaps, where smaller ones keep what is between them from ever being given back: with chunks of every size
/// a recorder would grow for hours. Elsewhere than with the GNU C library it does nothing.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: sets a number of the allocator's, which takes it at any time.
    unsafe {
        // A refusal leaves what is usual.
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
    }
}
