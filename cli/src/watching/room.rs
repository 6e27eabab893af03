//! Room in the folder of evidence: what is there, and the oldest file that nobody holds, when something has to go.

use crate::custody;
use afterimage_format::{Checks, Verdict};
use rustix::fs::{AtFlags, OFlags};
use serde::Deserialize;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;

/// What becomes of a new file when there is no room for it.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Full {
    /// It is refused, which is said and counted.
    #[default]
    Stop,
    /// The oldest files that are whole and that nobody holds go.
    Oldest,
}

/// A file that was removed.
#[derive(Debug)]
pub struct Removed {
    /// Its name.
    pub name: String,
    /// What it was, by the digest its seal has.
    pub digest: String,
    /// Bytes that are free again.
    pub bytes: u64,
}

/// The files of evidence in a folder, the oldest first, with their bytes: those whose names begin with an instant.
pub fn files(folder: &OwnedFd) -> Vec<(String, u64)> {
    let Ok(entries) = rustix::fs::Dir::read_from(folder) else {
        return Vec::new();
    };
    let names =
        entries.filter_map(|entry| entry.ok()?.file_name().to_str().ok().map(str::to_owned));
    let mut files: Vec<(String, u64)> = names
        .filter(|name| is_evidence(name))
        .filter_map(|name| {
            let (regular, bytes) = found(folder, &name)?;
            // Its index goes with it.
            let index = found(folder, &index_of(&name)).map_or(0, |(_, bytes)| bytes);
            regular.then_some((name, bytes.saturating_add(index)))
        })
        .collect();
    files.sort();
    files
}

/// Whether a name is that of a regular file, and its bytes.
fn found(folder: &OwnedFd, name: &str) -> Option<(bool, u64)> {
    let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    let regular = rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file();
    Some((regular, u64::try_from(stat.st_size).unwrap_or(0)))
}

/// The index that `index` and `watch` put beside a capture.
fn index_of(name: &str) -> String {
    format!("{name}.idx")
}

/// `20261127T031500Z-….aft`, as [`super::evidence`] names them.
fn is_evidence(name: &str) -> bool {
    let stamp = name.as_bytes().iter().zip(b"00000000T000000Z-");
    name.ends_with(".aft")
        && stamp.clone().count() == 17
        && stamp.fold(true, |so_far, (have, want)| {
            so_far && (have == want || (*want == b'0' && have.is_ascii_digit()))
        })
}

/// Removes the oldest file that is sealed, intact and held by nobody. `None` when there is no such file.
///
/// # Errors
/// When it cannot be removed.
pub fn remove_oldest(folder: &OwnedFd) -> Result<Option<Removed>, String> {
    for (name, bytes) in files(folder) {
        // By the folder that was opened, whatever its path leads to by now.
        let path = PathBuf::from(format!("/proc/self/fd/{}/{name}", folder.as_raw_fd()));
        let open = rustix::fs::openat(
            folder,
            &name,
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            rustix::fs::Mode::empty(),
        );
        let Ok(report) = open
            .map(drop)
            .map_err(|_| ())
            .and_then(|()| afterimage_format::check(&path, &Checks::default()).map_err(|_| ()))
        else {
            continue;
        };
        let whole =
            matches!(report.verdict, Verdict::SealedIntact) && report.custody_error.is_none();
        if !whole || custody::held(&report).is_some() {
            continue;
        }
        rustix::fs::unlinkat(folder, &name, AtFlags::empty())
            .map_err(|error| format!("removing {name}: {error}"))?;
        // Mostly there is none.
        let _ = rustix::fs::unlinkat(folder, index_of(&name), AtFlags::empty());
        return Ok(Some(Removed {
            name,
            digest: report.digest.to_string(),
            bytes,
        }));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_that_are_named_by_an_instant_are_evidence() {
        for name in [
            "20261127T031500Z-canary.aft",
            "20261127T031500Z-canary-web-1.aft",
        ] {
            assert!(is_evidence(name), "{name}");
        }
        for name in [
            "mine.aft",
            "20261127T031500Z.aft",
            "20261127T031500Z-x.aft.aftx",
            "2026-127T031500Z-x.aft",
            "",
        ] {
            assert!(!is_evidence(name), "{name}");
        }
    }
}
