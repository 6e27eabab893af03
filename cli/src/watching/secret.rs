//! Secrets that who posts an alert has to know, kept in files.

use crate::failure::Failure;
use std::path::Path;

/// Bytes that a secret has at least.
const LEAST_SECRET: usize = 16;

/// The secret in a file that nobody else can read.
///
/// # Errors
/// When it cannot be read, others can read it, or it is too short to be one.
pub fn secret(path: &Path) -> Result<Vec<u8>, Failure> {
    use std::io::Read;
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
    let remedy = "make one: (umask 077; openssl rand -hex 32 > FILE)";
    let wrong = |why: &dyn std::fmt::Display| Failure::path("reading", path, why, remedy);
    let mut options = std::fs::File::options();
    options
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC);
    let file = options.open(path).map_err(|why| wrong(&why))?;
    let meta = file.metadata().map_err(|why| wrong(&why))?;
    if !meta.is_file() {
        return Err(wrong(&"it is no file"));
    }
    let owner = rustix::process::geteuid().as_raw();
    if meta.mode() & 0o077 != 0 || (meta.uid() != 0 && meta.uid() != owner) {
        return Err(wrong(&"others may read or change it, so it is no secret"));
    }
    let mut bytes = Vec::new();
    file.take(4_096)
        .read_to_end(&mut bytes)
        .map_err(|why| wrong(&why))?;
    let bytes = bytes.trim_ascii_end().to_vec();
    match bytes.len() >= LEAST_SECRET {
        true => Ok(bytes),
        false => Err(wrong(&format_args!(
            "it has {} bytes, too few to be a secret: {LEAST_SECRET} at least",
            bytes.len()
        ))),
    }
}
