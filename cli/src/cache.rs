//! Converted copies of large captures of other programs, so that the second question to the same file is answered from
//! columns. They lie in a folder of the user's own, never beside the evidence, are used only while the file is what it was,
//! and are the first to go when the folder has grown. A question that can do without one is answered first: only who has asked a file
//! for about what a copy costs gets one.

use afterimage_format::Reader;
use rustix::fs::Timestamps;
use std::fs::{DirBuilder, File, Metadata};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

/// Files up to this length are read anew each time: that takes no longer.
const SMALL: u64 = 4 << 20;

/// What all copies together may take. The one that was used longest ago goes first.
const MOST: u64 = 2 << 30;

/// Bytes at each end of a file that its identity is made of.
const ENDS: u64 = 64 << 10;

/// Grows with every change of what a conversion says.
const REVISION: u32 = 3;

/// How the names of copies begin that are being made.
const BEGUN: &str = ".begun-";

/// How the names of files begin that are as long as what asking a capture without a copy has [cost](Cost).
const ASKED: &str = ".asked-";

/// What a question cost for which no copy was used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cost {
    /// A twentieth of a copy or less: the capture was only looked over, or was not read to its end.
    Little = 1,
    /// A third of a copy or more: all of it was followed.
    Much = 8,
}

/// From this on a copy is made along with the answer: it will not have been for nothing.
const ENOUGH: u64 = Cost::Much as u64;

/// What was begun and not ended is left over from a crash after this; that a file was asked is forgotten.
const STALE: Duration = Duration::from_secs(24 * 3600);

static FORBIDDEN: AtomicBool = AtomicBool::new(false);

/// Whether converted copies are used and kept.
#[derive(clap::Args, Debug)]
pub struct Caching {
    /// Neither use nor keep a converted copy of a large capture of another program (see AFTERIMAGE_CACHE)
    #[arg(long)]
    no_cache: bool,
}

impl Caching {
    /// Holds for the whole run.
    pub fn apply(&self) {
        if self.no_cache {
            FORBIDDEN.store(true, Ordering::Relaxed);
        }
    }
}

/// The folder of the copies; `None` when there are to be none.
fn folder() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if FORBIDDEN.load(Ordering::Relaxed) {
        return None;
    }
    if let Some(folder) = set("AFTERIMAGE_CACHE") {
        return (folder != "off").then(|| PathBuf::from(folder));
    }
    let cache = set("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(set("HOME")?).join(".cache")))?;
    cache
        .is_absolute()
        .then(|| cache.join("afterimage/converted"))
}

/// The place of the copy of one file.
pub struct Place {
    folder: PathBuf,
    source: PathBuf,
    identity: [u8; 32],
}

/// The place of the copy of a file; `None` for what is not worth one, and where none may be kept.
pub fn place(source: &Path) -> Option<Place> {
    let meta = source.metadata().ok()?;
    if !meta.is_file() || meta.len() <= SMALL {
        return None;
    }
    let folder = folder()?;
    Some(Place {
        folder,
        source: source.to_owned(),
        identity: identity(source).ok()?,
    })
}

/// What a file is: where, how long, changed when, and how it begins and ends. Writing to it, or setting its times, changes the
/// instant the kernel keeps of its last change, which nobody can set.
fn identity(source: &Path) -> io::Result<[u8; 32]> {
    let mut file = File::open(source)?;
    let meta = file.metadata()?;
    let mut hasher = blake3::Hasher::new();
    hasher.update(env!("CARGO_PKG_VERSION").as_bytes());
    hasher.update(&REVISION.to_le_bytes());
    hasher.update(source.canonicalize()?.as_os_str().as_encoded_bytes());
    for number in [meta.dev(), meta.ino(), meta.len()] {
        hasher.update(&number.to_le_bytes());
    }
    for number in [
        meta.mtime(),
        meta.mtime_nsec(),
        meta.ctime(),
        meta.ctime_nsec(),
    ] {
        hasher.update(&number.to_le_bytes());
    }
    hasher.update_reader((&mut file).take(ENDS))?;
    file.seek(SeekFrom::Start(meta.len().saturating_sub(ENDS)))?;
    hasher.update_reader(file.take(ENDS))?;
    Ok(*hasher.finalize().as_bytes())
}

/// Whether only its owner, who runs this, can have put there what is there.
fn is_own(meta: &Metadata) -> bool {
    meta.uid() == rustix::process::geteuid().as_raw() && meta.permissions().mode() & 0o022 == 0
}

/// What becomes of a copy while a question is answered without one.
pub enum Along {
    /// There is none, and is to be none.
    Nothing,
    /// It is made.
    Made(Draft),
    /// What the question costs is noted, because one that is asked often gets a copy.
    Noted(Place),
}

/// A copy that is being made: gone unless it is [finished](Draft::finish).
pub struct Draft {
    place: Place,
    file: tempfile::NamedTempFile,
}

impl Place {
    fn path(&self) -> PathBuf {
        let name = blake3::Hash::from_bytes(self.identity).to_hex();
        self.folder.join(format!("{name}.aft"))
    }

    /// The copy, where there is one.
    pub fn open(&self) -> Option<Reader> {
        let path = self.path();
        if !is_own(&self.folder.metadata().ok()?) {
            return None;
        }
        let meta = path.symlink_metadata().ok()?;
        if !meta.is_file() || !is_own(&meta) {
            return None;
        }
        let reader = Reader::open(&path)
            .ok()
            .filter(|reader| reader.totals().is_some());
        if reader.is_none() {
            let _ = std::fs::remove_file(&path);
        }
        // By this it is told which was used last.
        let now = rustix::fs::Timespec {
            tv_sec: 0,
            tv_nsec: rustix::fs::UTIME_NOW,
        };
        let times = Timestamps {
            last_access: now,
            last_modification: now,
        };
        let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
        let _ = rustix::fs::utimensat(rustix::fs::CWD, &path, &times, flags);
        reader
    }

    /// Makes the folder; `None` where there is none that only its owner can write to.
    fn make_folder(&self) -> Option<()> {
        let mut builder = DirBuilder::new();
        let made = builder.recursive(true).mode(0o700).create(&self.folder);
        made.ok()?;
        is_own(&self.folder.metadata().ok()?).then_some(())
    }

    fn asked(&self) -> PathBuf {
        let name = blake3::Hash::from_bytes(self.identity).to_hex();
        self.folder.join(format!("{ASKED}{name}"))
    }

    /// Whether the file was asked so often within a day that a copy will not have been for nothing.
    pub fn is_worth_a_copy(&self) -> bool {
        self.asked()
            .symlink_metadata()
            .is_ok_and(|meta| is_own(&meta) && meta.len() >= ENOUGH)
    }

    /// Notes that it was asked. Where that is not possible, it is as if it had not been.
    pub fn was_asked(&self, cost: Cost) {
        if self.make_folder().is_none() {
            return;
        }
        let mut options = File::options();
        let options = options.append(true).create(true).mode(0o600);
        if let Ok(mut file) = options.open(self.asked()) {
            let _ = file.write_all(&vec![b'.'; cost as usize]);
        }
    }

    /// Begins a copy; `None` where that is not possible, which is no reason not to answer. What was asked until then is paid with it:
    /// where no copy comes of it, for lack of room or because it is too large, the next one is not tried at once.
    pub fn begin(self) -> Option<Draft> {
        self.make_folder()?;
        // It may not be there.
        let _ = std::fs::remove_file(self.asked());
        let file = tempfile::Builder::new()
            .prefix(BEGUN)
            .tempfile_in(&self.folder)
            .ok()?;
        Some(Draft { place: self, file })
    }
}

impl Draft {
    /// Where the copy is written to.
    pub fn file(&self) -> io::Result<File> {
        self.file.as_file().try_clone()
    }

    /// Keeps the copy, if the file it was made of is still the same, and makes room for it.
    pub fn finish(self) {
        let Draft { place, file } = self;
        if identity(&place.source).ok() != Some(place.identity) {
            return;
        }
        let size = file
            .as_file()
            .metadata()
            .map_or(u64::MAX, |meta| meta.len());
        if size > MOST / 2 {
            return;
        }
        if file.persist(place.path()).is_ok() {
            trim(&place.folder, MOST);
        }
    }
}

/// Removes what was used longest ago until all together take no more than `most` bytes.
fn trim(folder: &Path, most: u64) {
    let mut copies = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let Some(meta) = entry.metadata().ok().filter(Metadata::is_file) else {
            continue;
        };
        let path = entry.path();
        let used = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let name = entry.file_name();
        let name = name.as_encoded_bytes();
        if [BEGUN, ASKED]
            .iter()
            .any(|mark| name.starts_with(mark.as_bytes()))
        {
            if used.elapsed().is_ok_and(|age| age > STALE) {
                let _ = std::fs::remove_file(path);
            }
        } else if name.ends_with(b".aft") {
            copies.push((used, meta.len(), path));
        }
    }
    copies.sort();
    let mut all: u64 = copies.iter().map(|copy| copy.1).sum();
    for (_, size, path) in copies {
        if all <= most {
            break;
        }
        if std::fs::remove_file(path).is_ok() {
            all -= size;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        for (at, name) in ["a.aft", "b.aft", "c.aft"].iter().enumerate() {
            let file = File::create(folder.path().join(name)).unwrap();
            file.set_len(100).unwrap();
            let used = SystemTime::UNIX_EPOCH + Duration::from_secs(at as u64 * 1000);
            file.set_modified(used).unwrap();
        }
        File::create(folder.path().join("other")).unwrap();
        trim(folder.path(), 200);
        let left = |name: &str| folder.path().join(name).exists();
        assert!(!left("a.aft") && left("b.aft") && left("c.aft") && left("other"));
    }

    #[test]
    fn what_was_asked_often_is_worth_a_copy_until_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let place = |file: &Path| Place {
            folder: folder.path().join("new"),
            source: file.to_owned(),
            identity: identity(file).unwrap(),
        };
        let first = place(file.path());
        for _ in 0..8 {
            assert!(!first.is_worth_a_copy());
            first.was_asked(Cost::Little);
        }
        assert!(first.is_worth_a_copy());
        // One that came to nothing is not tried again at once.
        drop(place(file.path()).begin());
        assert!(!first.is_worth_a_copy());
        first.was_asked(Cost::Much);
        file.write_all(b"more").unwrap();
        let other = place(file.path());
        assert!(!other.is_worth_a_copy());
        other.was_asked(Cost::Much);
        assert!(other.is_worth_a_copy());
    }

    #[test]
    fn a_file_that_was_written_to_is_another_one() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"one").unwrap();
        let before = identity(file.path()).unwrap();
        assert_eq!(before, identity(file.path()).unwrap());
        file.write_all(b"two").unwrap();
        assert_ne!(before, identity(file.path()).unwrap());
    }

    #[test]
    fn a_copy_that_others_could_have_written_is_not_used() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(is_own(&file.as_file().metadata().unwrap()));
        let open = std::fs::Permissions::from_mode(0o666);
        file.as_file().set_permissions(open).unwrap();
        assert!(!is_own(&file.as_file().metadata().unwrap()));
    }
}
