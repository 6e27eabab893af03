//! Indexes of evidence, made after it is durable: by a child that was started before the watch gave up its rights, and gives up
//! more, at the lowest priority. It is told names through a pipe that never blocks; whatever becomes of it, the evidence is there.

use crate::commands;
use crate::failure::{Failure, Outcome, shown};
use crate::output::{Output, say};
use crate::sidecar;
use crate::watching::evidence::opened;
use crate::watching::owner;
use afterimage_capture::confine::{Role, confine};
use afterimage_capture::user::User;
use clap::Args;
use std::ffi::OsStr;
use std::io::{self, BufRead, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

/// Name of the hidden subcommand.
pub const NAME: &str = "__index-sealed";

/// Longest path that is told.
const MOST_PATH: usize = 4096;

/// Makes the indexes of captures whose names come on standard input, each with a NUL behind it.
#[derive(Args, Debug)]
pub struct IndexSealed {
    /// The folder of the captures
    folder: PathBuf,
    /// The user to go on as
    #[arg(long)]
    user: Option<String>,
    /// Whether rights are kept
    #[arg(long)]
    no_confine: bool,
}

impl IndexSealed {
    /// Goes on until the input ends.
    pub fn run(self, out: &mut Output) -> Outcome {
        // Made as who starts this, where it is missing: its folder may be closed to the user.
        let keeper = sidecar::keeper()?;
        // Paths lead here by their last name alone: what the folder lies in may be closed to the user.
        let failed = |error: io::Error| Failure::path("indexing in", &self.folder, error, "");
        let folder = opened(&self.folder).map_err(|(_, error)| failed(error))?;
        rustix::process::fchdir(&folder).map_err(|error| failed(error.into()))?;
        if !self.no_confine {
            let user = self.user.map(|name| owner::user(Some(&name))).transpose()?;
            confine(Role::Indexer, user.flatten().as_ref())
                .map_err(|why| Failure::new(format!("indexing: {why}"), why.remedy()))?;
        }
        // Whoever records goes first. Where this is refused, it is as everybody else.
        let _ = rustix::process::setpriority_process(None, 19);
        let mut input = io::stdin().lock();
        let mut name = Vec::new();
        loop {
            name.clear();
            if input.read_until(0, &mut name)? == 0 {
                return Ok(crate::failure::Exit::Done);
            }
            let Some(name) = name.strip_suffix(b"\0") else {
                continue;
            };
            let path = Path::new(OsStr::from_bytes(name));
            let Some(path) = path.file_name().map(Path::new) else {
                continue;
            };
            if let Err(failure) = commands::index_quietly(out, path, &keeper) {
                failure.report();
            }
        }
    }
}

/// The child, as the watch has it.
pub struct Indexer {
    child: Child,
    names: Option<ChildStdin>,
    quiet: bool,
}

impl Indexer {
    /// Starts it.
    ///
    /// # Errors
    /// When no process can be started.
    pub fn start(
        folder: &Path,
        user: Option<&User>,
        confine: bool,
        quiet: bool,
    ) -> Result<Indexer, Failure> {
        let start = || -> io::Result<Indexer> {
            let mut command = Command::new(std::env::current_exe()?);
            command.arg(NAME).arg(folder);
            if let Some(user) = user {
                command.args(["--user", &user.name]);
            }
            if !confine {
                command.arg("--no-confine");
            }
            command.stdin(Stdio::piped()).stdout(Stdio::null());
            // What ends the watch from a terminal lets this finish what it was told.
            command.process_group(0);
            let mut child = command.spawn()?;
            let names = child.stdin.take();
            if let Some(names) = &names {
                rustix::io::ioctl_fionbio(names, true)?;
            }
            Ok(Indexer {
                child,
                names,
                quiet,
            })
        };
        start().map_err(|error| {
            Failure::new(
                format!("starting the process that makes indexes: {error}"),
                "set evidence.index to false",
            )
        })
    }

    /// Tells it of a capture. One that it cannot be told of gets no index, which is said: `afterimage index` makes it.
    pub fn tell(&mut self, path: &Path) {
        let mut name = path.as_os_str().as_bytes().to_vec();
        name.push(0);
        // As much as a pipe takes at once, or not at all.
        let told = match &mut self.names {
            Some(names) if name.len() <= MOST_PATH => names.write(&name),
            _ => Err(io::Error::from(io::ErrorKind::BrokenPipe)),
        };
        if !matches!(told, Ok(len) if len == name.len()) && !self.quiet {
            say(format_args!(
                "no index of {} is made now: afterimage index makes it",
                shown(path)
            ));
        }
    }
}

impl Drop for Indexer {
    fn drop(&mut self) {
        // The end of its input is its end, once it is done; nobody waits for that.
        self.names = None;
        let _ = self.child.try_wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_that_is_gone_or_does_not_listen_holds_nobody_up() {
        let mut command = Command::new("/bin/sleep");
        let mut child = command
            .arg("1000")
            .stdin(Stdio::piped())
            .spawn()
            .expect("a child");
        let names = child.stdin.take();
        if let Some(names) = &names {
            rustix::io::ioctl_fionbio(names, true).expect("a pipe");
        }
        let mut indexer = Indexer {
            child,
            names,
            quiet: true,
        };
        let path = "x".repeat(1000);
        for _ in 0..1000 {
            indexer.tell(Path::new(&path));
        }
        indexer.child.kill().expect("the child ends");
        indexer.child.wait().expect("the child has ended");
        indexer.tell(Path::new("/a"));
    }
}
