//! Mappings, their protection and their placement.

use crate::c;
use crate::call::{file, gathered, n, null, ptr, wide};
use libc::{MAP_ANONYMOUS, MAP_PRIVATE, PROT_EXEC, PROT_READ, PROT_WRITE};

/// Bytes of two pages.
const PAGES: usize = 8192;

/// Two fresh pages.
fn pages() -> *mut libc::c_void {
    c!(mmap(
        std::ptr::null_mut(),
        PAGES,
        PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS,
        -1,
        0
    ))
}

crate::cases! {
    mmap(call) {
        let fd = file("f", &[0; PAGES]);
        call.make(&[null(), n(4096), n(PROT_READ | PROT_EXEC), n(MAP_PRIVATE), n(fd), n(4096)]);
    }
    mprotect(call) {
        call.make(&[ptr(pages()), n(4096), n(PROT_READ | PROT_EXEC)]);
    }
    pkey_mprotect(call) {
        call.make(&[ptr(pages()), n(4096), n(PROT_READ), n(-1)]);
    }
    pkey_alloc(call) {
        call.make(&[n(0), n(1)]);
    }
    pkey_free(call) {
        call.make(&[n(9)]);
    }
    munmap(call) {
        call.make(&[ptr(pages()), n(8192)]);
    }
    mremap(call) {
        call.make(&[ptr(pages()), n(8192), n(16384), n(libc::MREMAP_MAYMOVE), null()]);
    }
    remap_file_pages(call) {
        call.make(&[ptr(pages()), n(4096), n(0), n(0), n(0)]);
    }
    brk(call) {
        call.make(&[null()]);
    }
    msync(call) {
        call.make(&[ptr(pages()), n(4096), n(libc::MS_SYNC)]);
    }
    mincore(call) {
        let mut resident = [0u8; 2];
        call.make(&[ptr(pages()), n(8192), ptr(&raw mut resident)]);
    }
    madvise(call) {
        call.make(&[ptr(pages()), n(8192), n(libc::MADV_DONTNEED)]);
    }
    mlock(call) {
        call.make(&[ptr(pages()), n(4096)]);
    }
    mlock2(call) {
        // MLOCK_ONFAULT.
        call.make(&[ptr(pages()), n(4096), n(1)]);
    }
    munlock(call) {
        call.make(&[ptr(pages()), n(4096)]);
    }
    mlockall(call) {
        call.make(&[n(libc::MCL_ONFAULT | libc::MCL_CURRENT)]);
    }
    munlockall(call) {
        call.make(&[]);
    }
    mseal(call) {
        call.make(&[ptr(pages()), n(4096), n(0)]);
    }
    mbind(call) {
        let nodes = 0u64;
        call.make(&[ptr(pages()), n(4096), n(0), ptr(&raw const nodes), n(0), n(0)]);
    }
    set_mempolicy(call) {
        call.make(&[n(0), null(), n(0)]);
    }
    get_mempolicy(call) {
        let mut mode = 0;
        call.make(&[ptr(&raw mut mode), null(), n(0), null(), n(0)]);
    }
    set_mempolicy_home_node(call) {
        call.make(&[ptr(pages()), n(4096), n(0), n(0)]);
    }
    migrate_pages(call) {
        let nodes = 1u64;
        call.make(&[n(0), n(64), ptr(&raw const nodes), ptr(&raw const nodes)]);
    }
    move_pages(call) {
        let places = [pages()];
        let mut status = [0i32];
        call.make(&[n(0), n(1), ptr(&raw const places), null(), ptr(&raw mut status), n(0)]);
    }
    map_shadow_stack(call) {
        // SHADOW_STACK_SET_TOKEN below the lowest address allowed.
        call.make(&[wide(4096), n(4096), n(1)]);
    }
    memfd_secret(call) {
        call.make(&[n(libc::O_CLOEXEC)]);
    }
    userfaultfd(call) {
        call.make(&[n(libc::O_CLOEXEC | libc::O_NONBLOCK)]);
    }
    process_vm_readv(call) {
        let (mut to, from) = ([0u8; 5], *b"there");
        let local = [libc::iovec { iov_base: to.as_mut_ptr().cast(), iov_len: 5 }];
        let remote = [libc::iovec { iov_base: from.as_ptr().cast_mut().cast(), iov_len: 5 }];
        let pid = c!(getpid());
        call.make(&[n(pid), gathered(local.as_ptr(), b"there"), n(1), ptr(remote.as_ptr()).says("len=5}]"), n(1), n(0)]);
    }
    process_vm_writev(call) {
        let (from, mut to) = (*b"other", [0u8; 5]);
        let local = [libc::iovec { iov_base: from.as_ptr().cast_mut().cast(), iov_len: 5 }];
        let remote = [libc::iovec { iov_base: to.as_mut_ptr().cast(), iov_len: 5 }];
        let pid = c!(getpid());
        call.make(&[n(pid), gathered(local.as_ptr(), b"other"), n(1), ptr(remote.as_ptr()), n(1), n(0)]);
    }
}
