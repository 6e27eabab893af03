//! A file system in user space that takes its time to open a file: two files, and whatever else is asked does not exist. The
//! messages are those of include/uapi/linux/fuse.h, version 7.31.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

const LOOKUP: u32 = 1;
const FORGET: u32 = 2;
const GETATTR: u32 = 3;
const OPEN: u32 = 14;
const RELEASE: u32 = 18;
const FLUSH: u32 = 25;
const INIT: u32 = 26;
const DESTROY: u32 = 38;
const BATCH_FORGET: u32 = 42;

/// Its names: nodes 2 and 3; 1 is the root.
pub const NAMES: [&str; 2] = ["true", "lies"];

/// Mounts it at a folder, in this process's own mount namespace.
///
/// # Errors
/// When there is no `/dev/fuse`, or it may not be mounted.
pub fn mount(at: &Path) -> io::Result<File> {
    let device = File::options().read(true).write(true).open("/dev/fuse")?;
    let options = format!(
        "fd={},rootmode=40000,user_id=0,group_id=0",
        device.as_raw_fd()
    );
    let text = |bytes: &[u8]| CString::new(bytes).map_err(io::Error::other);
    let (at, options) = (text(at.as_os_str().as_bytes())?, text(options.as_bytes())?);
    // SAFETY: all strings live through the call.
    let mounted = unsafe {
        libc::mount(
            c"late".as_ptr(),
            at.as_ptr(),
            c"fuse".as_ptr(),
            libc::MS_NODEV | libc::MS_NOSUID,
            options.as_ptr().cast(),
        )
    };
    match mounted {
        0 => Ok(device),
        _ => Err(io::Error::last_os_error()),
    }
}

/// A `fuse_attr`.
fn attributes(node: u64) -> Vec<u8> {
    let mode: u32 = if node == 1 { 0o40_755 } else { 0o100_644 };
    let mut attr = Vec::new();
    // Inode, size and blocks; three instants; their nanoseconds.
    for word in [node, 0, 0, 0, 0, 0] {
        attr.extend(word.to_ne_bytes());
    }
    attr.extend([0; 12]);
    // Mode, links, user, group, device, block size, flags.
    for half in [mode, 1, 0, 0, 0, 4096, 0] {
        attr.extend(half.to_ne_bytes());
    }
    attr
}

/// Answers until it is unmounted; `opening` is called while the kernel waits for a file to be opened.
///
/// # Errors
/// When the kernel does not take an answer.
pub fn serve(mut device: File, mut opening: impl FnMut()) -> io::Result<()> {
    let mut request = vec![0; 1 << 20];
    loop {
        let len = match device.read(&mut request) {
            Ok(len) => len,
            // It was unmounted.
            Err(why) if why.raw_os_error() == Some(libc::ENODEV) => return Ok(()),
            Err(why) if why.kind() == io::ErrorKind::Interrupted => continue,
            Err(why) => return Err(why),
        };
        let half = |at: usize| {
            let bytes = request.get(at..).and_then(|rest| rest.first_chunk());
            bytes.map_or(0, |bytes| u32::from_ne_bytes(*bytes))
        };
        let node = u64::from(half(16));
        let asked = request.get(40..len).unwrap_or_default();
        let answer: Result<Vec<u8>, i32> = match half(4) {
            FORGET | BATCH_FORGET => continue,
            INIT => {
                // Version 7.31, and no more than is needed of the rest of `fuse_init_out`.
                let mut out = [7_u32, 31, 0, 0, 0, 65_536, 1, 0]
                    .map(u32::to_ne_bytes)
                    .concat();
                out.resize(64, 0);
                Ok(out)
            }
            LOOKUP => {
                let name = asked.strip_suffix(&[0]).unwrap_or(asked);
                let found = NAMES.iter().position(|known| known.as_bytes() == name);
                found.ok_or(libc::ENOENT).map(|at| {
                    let node = at as u64 + 2;
                    // Its generation; nothing of it is kept, so that each open asks for everything.
                    let mut out = [node, 0, 0, 0, 0].map(u64::to_ne_bytes).concat();
                    out.extend(attributes(node));
                    out
                })
            }
            GETATTR => {
                let mut out = vec![0; 16];
                out.extend(attributes(node));
                Ok(out)
            }
            OPEN => {
                opening();
                Ok(vec![0; 16])
            }
            RELEASE | FLUSH | DESTROY => Ok(Vec::new()),
            _ => Err(libc::ENOSYS),
        };
        let (error, body) = match answer {
            Ok(body) => (0, body),
            Err(errno) => (-errno, Vec::new()),
        };
        let mut reply = (body.len() as u32 + 16).to_ne_bytes().to_vec();
        reply.extend(error.to_ne_bytes());
        reply.extend(request.get(8..16).unwrap_or_default());
        reply.extend(body);
        match device.write_all(&reply) {
            // Whoever asked is gone.
            Err(why) if why.raw_os_error() != Some(libc::ENOENT) => return Err(why),
            _ => {}
        }
    }
}
