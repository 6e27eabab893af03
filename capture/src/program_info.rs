//! What aya does not ask of the kernel: what it says of a program that is loaded (`BPF_OBJ_GET_INFO_BY_FD`, man 2 bpf), and that a map stays
//! as it is.

use aya_obj::generated::{
    bpf_attr, bpf_attr__bindgen_ty_2, bpf_attr__bindgen_ty_9, bpf_cmd, bpf_prog_info,
};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// How often a program was not run (`recursion_misses`, Linux 5.12; 0 before). aya asks for the same, but keeps this number to
/// itself.
pub fn recursion_misses(fd: BorrowedFd<'_>) -> Option<u64> {
    // SAFETY: zero is a value of every field.
    let mut info: bpf_prog_info = unsafe { std::mem::zeroed() };
    // SAFETY: as above; the attributes are as long as the kernel may read.
    let mut attr: bpf_attr = unsafe { std::mem::zeroed() };
    attr.info = bpf_attr__bindgen_ty_9 {
        bpf_fd: fd.as_raw_fd().unsigned_abs(),
        info_len: size_of_val(&info) as u32,
        info: (&raw mut info).expose_provenance() as u64,
    };
    // SAFETY: both live as long as the call, which writes no more than `info_len`.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            bpf_cmd::BPF_OBJ_GET_INFO_BY_FD,
            &raw mut attr,
            size_of_val(&attr),
        )
    };
    // An older kernel leaves what it does not know as it was.
    (answer == 0).then_some(info.recursion_misses)
}

/// Has a map refuse to be changed by calls from now on, also those of its maker (`BPF_MAP_FREEZE`, Linux 5.2).
///
/// # Errors
/// The kernel's refusal.
pub fn freeze(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: zero is a value of every field, and the attributes are as long as the kernel may read.
    let mut attr: bpf_attr = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    let mut map: bpf_attr__bindgen_ty_2 = unsafe { std::mem::zeroed() };
    map.map_fd = fd.as_raw_fd().unsigned_abs();
    attr.__bindgen_anon_2 = map;
    // SAFETY: the attributes live as long as the call.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            bpf_cmd::BPF_MAP_FREEZE,
            &raw mut attr,
            // What there is to read: the descriptor alone; what is behind it has to be zero.
            size_of_val(&attr),
        )
    };
    match answer {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
