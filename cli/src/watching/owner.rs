//! Who a watch goes on as once its programs are attached, and the folders that are then that user's.

use super::evidence::opened;
use crate::failure::{Failure, shown};
use afterimage_capture::user::{USUAL, User};
use afterimage_capture::{Error, endpoints};
use afterimage_model::Safe;
use rustix::fs::{Gid, Mode, Uid};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

/// The user of this name; the usual one, where there is such a user and root runs this, when none is named. `None` for who runs this.
///
/// # Errors
/// When there is no user of this name.
pub fn user(named: Option<&str>) -> Result<Option<User>, Failure> {
    let root = rustix::process::geteuid().is_root();
    if named.is_none() && !root {
        return Ok(None);
    }
    let name = named.unwrap_or(USUAL);
    let known = |name: &str| match User::named(name, &endpoints()) {
        // Nobody is named in a list that is not there.
        Err(Error::System(_, why)) if why.kind() == io::ErrorKind::NotFound => Ok(None),
        known => known.map_err(|why| Failure::new(why.to_string(), why.remedy())),
    };
    match known(name)? {
        None if named.is_some() => Err(Failure::new(
            format!("there is no user {} in /etc/passwd", Safe::new(name)),
            format!(
                "make one: useradd --system --home-dir / --shell /usr/sbin/nologin {USUAL}, or stay root with --user root"
            ),
        )),
        // Root stays what it is.
        Some(user) if user.uid == 0 => Ok(None),
        found => Ok(found),
    }
}

/// Whether a user may make files in a folder.
fn may_write(folder: &OwnedFd, user: &User) -> io::Result<bool> {
    let stat = rustix::fs::fstat(folder)?;
    let mode = Mode::from_raw_mode(stat.st_mode);
    let needed = if stat.st_uid == user.uid {
        Mode::WUSR | Mode::XUSR
    } else if stat.st_gid == user.gid || user.groups.contains(&stat.st_gid) {
        Mode::WGRP | Mode::XGRP
    } else {
        Mode::WOTH | Mode::XOTH
    };
    Ok(mode.contains(needed))
}

fn is_empty(folder: &OwnedFd) -> io::Result<bool> {
    for entry in rustix::fs::Dir::read_from(folder)? {
        if !matches!(entry?.file_name().to_bytes(), b"." | b"..") {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Makes a folder where it is missing, and the user's when it is new, empty or `ours`: the place that this program has for such files.
///
/// # Errors
/// When it cannot be made, is a link, or is one of others that the user may not write to.
pub fn give(path: &Path, user: &User, ours: bool) -> Result<(), Failure> {
    let name = Safe::new(&user.name).to_string();
    let wrong = |doing: &str, error: io::Error| {
        let remedy = "name a folder of your own, or stay root with --user root";
        Failure::path(doing, path, error, remedy)
    };
    let folder = opened(path).map_err(|(doing, error)| wrong(doing, error))?;
    let may = may_write(&folder, user).map_err(|error| wrong("looking at", error))?;
    if may {
        return Ok(());
    }
    if !ours && !is_empty(&folder).map_err(|error| wrong("looking at", error))? {
        return Err(Failure::new(
            format!(
                "{}: user {name} may not write there, and there are files of others",
                shown(path)
            ),
            format!(
                "chown {name} {}, name another folder, or stay root with --user root",
                shown(path)
            ),
        ));
    }
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    rustix::fs::fchown(&folder, Some(uid), Some(gid))
        .map_err(|error| wrong("giving it to the user", error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_folder_with_files_of_others_is_not_given_away() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let user = User {
            name: "somebody".to_owned(),
            uid: 4_242,
            gid: 4_243,
            groups: Vec::new(),
        };
        let top = tempfile::tempdir().expect("a folder");
        let owner = |path: &Path| {
            let meta = std::fs::metadata(path).expect("it is there");
            (meta.uid(), meta.gid())
        };
        let new = top.path().join("made/new");
        give(&new, &user, false).unwrap_or_else(|why| panic!("{}", why.what));
        assert_eq!(owner(&new), (4_242, 4_243));
        assert_eq!(
            owner(&top.path().join("made")),
            (0, 0),
            "what it lies in is not given"
        );
        std::fs::write(top.path().join("file"), b"").expect("a file");
        let refused = give(top.path(), &user, false).expect_err("it has a file of root's");
        assert!(refused.what.contains("somebody"), "{}", refused.what);
        assert_eq!(owner(top.path()), (0, 0));
        give(top.path(), &user, true).unwrap_or_else(|why| panic!("{}", why.what));
        assert_eq!(owner(top.path()), (4_242, 4_243));
        let link = top.path().join("link");
        std::os::unix::fs::symlink(&new, &link).expect("a link");
        assert!(give(&link, &user, true).is_err());
    }

    #[test]
    fn whoever_is_named_has_to_be_there_and_root_stays_root() {
        let refused = user(Some("no such user")).expect_err("nobody is called that");
        assert!(refused.what.contains("no such user"), "{}", refused.what);
        assert_eq!(user(Some("root")).map_err(|why| why.what), Ok(None));
    }
}
