//! The user a recorder goes on as once its programs are attached.

use crate::error::Error;
use crate::procfs;
use crate::runtime::Endpoint;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const USERS: &str = "/etc/passwd";
const GROUPS: &str = "/etc/group";

/// The user that is taken when it is there and none is named.
pub const USUAL: &str = "afterimage";

/// Docker's socket is this group's, wherever it comes up later.
const DOCKER: &str = "docker";

/// A user of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its name.
    pub name: String,
    /// Its number.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Further groups, which the sockets of container runtimes are for.
    pub groups: Vec<u32>,
}

fn records(path: &str) -> Result<Vec<Vec<String>>, Error> {
    let text =
        std::fs::read(path).map_err(|why| Error::System(Path::new(path).to_path_buf(), why))?;
    Ok(procfs::records(&text))
}

impl User {
    /// The user of this name in `/etc/passwd`; `None` when there is none. It gets the groups of the sockets of `runtimes`, that
    /// of Docker, and group 0, which the sockets of the others are for: a runtime may come up later.
    ///
    /// # Errors
    /// When the lists of users or groups cannot be read.
    pub fn named(name: &str, runtimes: &[Endpoint]) -> Result<Option<User>, Error> {
        let found = records(USERS)?.into_iter().find_map(|line| {
            let [is, _, uid, gid, ..] = line.as_slice() else {
                return None;
            };
            let numbers = (uid.parse().ok()?, gid.parse().ok()?);
            (is == name).then_some(numbers)
        });
        let Some((uid, gid)) = found else {
            return Ok(None);
        };
        let docker = match records(GROUPS) {
            Err(Error::System(_, why)) if why.kind() == io::ErrorKind::NotFound => None,
            all => all?.into_iter().find_map(|line| match line.as_slice() {
                [is, _, gid, ..] if is == DOCKER => gid.parse().ok(),
                _ => None,
            }),
        };
        let sockets = runtimes
            .iter()
            .filter_map(|one| Some(std::fs::metadata(&one.socket).ok()?.gid()));
        let mut groups: Vec<u32> = sockets.chain(docker).chain([0]).collect();
        groups.sort_unstable();
        groups.dedup();
        groups.retain(|group| *group != gid);
        Ok(Some(User {
            name: name.to_owned(),
            uid,
            gid,
            groups,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_the_groups_that_sockets_of_runtimes_are_for() {
        let none = User::named("no such user", &[]).expect("a list of users");
        assert_eq!(none, None);
        let root = User::named("root", &[]).expect("a list of users");
        let root = root.expect("every host has it");
        assert_eq!((root.uid, root.gid), (0, 0));
        assert!(!root.groups.contains(&0), "it is its own group");
        let here = std::env::current_dir().expect("a folder");
        let gid = std::fs::metadata(&here).expect("it is there").gid();
        let runtimes = [Endpoint {
            runtime: "docker",
            socket: here,
        }];
        if let Some(nobody) = User::named("nobody", &runtimes).expect("a list of users") {
            assert!(nobody.groups.contains(&0), "{nobody:?}");
            assert!(
                nobody.groups.contains(&gid) || nobody.gid == gid,
                "{nobody:?}"
            );
        }
    }
}
