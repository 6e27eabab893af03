//! Indexes beside captures: the secret that seals them, and taking one into use.

use crate::failure::{Failure, shown};
use crate::keyring;
use crate::output::say;
use afterimage_indexer::{Index, Keeper, Refused, Session};
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The file of the secret, among the keys. An index that was not sealed with it could hide evidence, and is not believed.
const SECRET: &str = "index.secret";

/// Indexes of root, whose captures lie where nothing can be written.
const SYSTEM_CACHE: &str = "/var/cache/afterimage/index";

fn cache() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if rustix::process::geteuid().is_root() && set("XDG_CACHE_HOME").is_none() {
        return Some(PathBuf::from(SYSTEM_CACHE));
    }
    let folder = set("XDG_CACHE_HOME").map(PathBuf::from);
    let folder = folder.or_else(|| Some(PathBuf::from(set("HOME")?).join(".cache")))?;
    Some(folder.join("afterimage/index"))
}

fn secret(path: &Path) -> io::Result<[u8; 32]> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let mut file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let mut key = [0; 32];
    file.read_exact(&mut key)?;
    Ok(key)
}

/// Who keeps indexes here; `None` when there is no secret yet, and so no index of one's own.
pub fn known() -> Option<Keeper> {
    let key = secret(&keyring::folder().join(SECRET)).ok()?;
    Some(Keeper {
        key,
        cache: cache(),
    })
}

/// As [`known`]; a secret is made where there is none.
pub fn keeper() -> Result<Keeper, Failure> {
    if let Some(keeper) = known() {
        return Ok(keeper);
    }
    let folder = keyring::folder();
    let path = folder.join(SECRET);
    let make = || -> io::Result<[u8; 32]> {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(&folder)?;
        let mut key = [0; 32];
        let mut filled = 0;
        while let Some(rest) = key.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            filled += rustix::rand::getrandom(rest, rustix::rand::GetRandomFlags::empty())?;
        }
        let draft = folder.join(format!(".{:016x}", crate::token()));
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(rustix::fs::open(&draft, flags, Mode::RUSR | Mode::WUSR)?);
        file.write_all(&key)?;
        file.sync_all()?;
        // Who is first wins; all others take what is there.
        let linked = std::fs::hard_link(&draft, &path);
        std::fs::remove_file(&draft)?;
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => secret(&path),
        }
    };
    let key = make().map_err(|error| {
        Failure::path(
            "making",
            &path,
            error,
            "set AFTERIMAGE_KEYS to a folder of your own",
        )
    })?;
    Ok(Keeper {
        key,
        cache: cache(),
    })
}

/// The index of a capture that answers without the capture: it covers all of it, and the capture is finished.
pub fn alone(path: &Path) -> Option<Index> {
    let keeper = known().filter(|_| path != Path::new("-"))?;
    let index = Index::open(path, &keeper).ok()?;
    (index.is_whole() && index.about().sealed).then_some(index)
}

/// Takes a capture's index into use, if there is one; says so when there is one that is not used.
pub fn take(session: &mut Session, path: &Path) {
    let Some(keeper) = known().filter(|_| path != Path::new("-")) else {
        return;
    };
    let why = match Index::open(path, &keeper) {
        Ok(index) => match session.use_index(index) {
            true => return,
            false => Refused::Stale,
        },
        Err(Refused::Missing) => return,
        Err(why) => why,
    };
    say(format_args!(
        "afterimage: note: the index of {} is not used: {why}",
        shown(path)
    ));
}
