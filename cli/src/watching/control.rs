//! The socket at which a running `watch` is asked: one line of JSON there, one line back. Only root and the user who runs
//! `watch` are answered.

use super::status::{self, Doors};
use crate::failure::{Failure, shown};
use crate::json::Object;
use afterimage_capture::handed;
use afterimage_capture::watch::{Command, Sealed};
use afterimage_model::Safe;
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

/// Where the socket is unless somebody says otherwise.
pub const SOCKET: &str = "/run/afterimage/control.sock";
/// Bytes of a question at most.
const MOST: u64 = 64 << 10;
/// Questions that are open at a time.
const OPEN: usize = 32;
/// How long a question may take to be asked.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is asked.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Question {
    /// To make a file now.
    Fire {
        /// The container; everything that is watched when there is none.
        #[serde(default)]
        container: Option<String>,
        /// Why.
        #[serde(default)]
        reason: String,
    },
    /// How it stands.
    Status {},
}

/// The socket. Dropping it removes that.
pub struct Control {
    /// Where it is, where it is this process's own.
    path: Option<PathBuf>,
}

/// A socket at which nobody listens yet: whoever asks there waits.
pub struct Bound {
    listener: UnixListener,
    control: Control,
}

impl Drop for Control {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // Gone already is as good.
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Control {
    /// Makes the socket.
    ///
    /// # Errors
    /// When it cannot be made, or another `watch` answers there.
    pub fn bind(path: &Path) -> Result<Bound, Failure> {
        // What a service manager made is its to remove.
        let (listener, own) = match handed::listener("control") {
            Some(listener) => (listener, None),
            None => (bind(path)?, Some(path.to_owned())),
        };
        Ok(Bound {
            listener,
            control: Control { path: own },
        })
    }
}

impl Bound {
    /// The folder it is in, where it is this process's own.
    pub fn folder(&self) -> Option<&Path> {
        self.control.path.as_deref()?.parent()
    }

    /// Listens, on a thread of its own, and hands on what is asked.
    ///
    /// # Errors
    /// When there can be no thread.
    pub fn listen(self, commands: Sender<Command>, doors: Doors) -> Result<Control, Failure> {
        let Bound { listener, control } = self;
        let open = Arc::new(AtomicUsize::new(0));
        let listen = move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { continue };
                if open.fetch_add(1, Ordering::Relaxed) >= OPEN {
                    open.fetch_sub(1, Ordering::Relaxed);
                    let _ = refuse(&stream, "too many questions are open");
                    continue;
                }
                let (commands, open, doors) = (commands.clone(), open.clone(), doors.clone());
                std::thread::spawn(move || {
                    // Whoever asked is gone: then nobody misses the answer.
                    let _ = answer(&stream, &commands, &doors);
                    open.fetch_sub(1, Ordering::Relaxed);
                });
            }
        };
        let thread = std::thread::Builder::new().name("control".to_owned());
        thread.spawn(listen).map_err(|error| {
            Failure::new(
                format!("starting a thread: {error}"),
                "raise the limit of tasks",
            )
        })?;
        Ok(control)
    }
}

/// Makes the socket, for its owner alone.
fn bind(path: &Path) -> Result<UnixListener, Failure> {
    let wrong = |error: io::Error| {
        Failure::path(
            "listening at",
            path,
            error,
            "name another place with --socket PATH",
        )
    };
    if let Some(parent) = path.parent().filter(|parent| !parent.exists()) {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(parent).map_err(wrong)?;
    }
    if path.symlink_metadata().is_ok() {
        if UnixStream::connect(path).is_ok() {
            return Err(Failure::new(
                format!("another watch answers at {}", shown(path)),
                "stop it, or name another place with --socket PATH",
            ));
        }
        // Left behind by one that was killed.
        std::fs::remove_file(path).map_err(wrong)?;
    }
    let listener = UnixListener::bind(path).map_err(wrong)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(wrong)?;
    Ok(listener)
}

fn refuse(mut stream: &UnixStream, why: &str) -> io::Result<()> {
    let mut object = Object::new();
    object.text("error", why);
    writeln!(stream, "{}", object.end())
}

/// Whether the other end is root or this process's own user.
fn is_trusted(stream: &UnixStream) -> bool {
    let peer = rustix::net::sockopt::socket_peercred(stream);
    peer.is_ok_and(|peer| peer.uid.is_root() || peer.uid == rustix::process::geteuid())
}

fn answer(stream: &UnixStream, commands: &Sender<Command>, doors: &Doors) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    if !is_trusted(stream) {
        return refuse(stream, "only root and the user who runs watch are answered");
    }
    let mut line = String::new();
    BufReader::new(stream.take(MOST)).read_line(&mut line)?;
    let question = match serde_json::from_str(&line) {
        Ok(question) => question,
        Err(why) => return refuse(stream, &format!("not a question: {why}")),
    };
    let ended = "watch has ended";
    let mut out = stream;
    match question {
        Question::Fire { container, reason } => {
            let (reply, told) = channel();
            let fire = Command::Fire {
                trigger: "command",
                container,
                reason,
                reply,
            };
            if commands.send(fire).is_err() {
                return refuse(stream, ended);
            }
            match told.recv() {
                Ok(Ok(sealed)) => writeln!(out, "{}", sealed_json(&sealed)),
                Ok(Err(why)) => refuse(stream, &why),
                Err(_) => refuse(stream, ended),
            }
        }
        Question::Status {} => {
            let (reply, told) = channel();
            let ask = Command::Status(Box::new(move |status| {
                let _ = reply.send(status);
            }));
            if commands.send(ask).is_err() {
                return refuse(stream, ended);
            }
            match told.recv() {
                Ok(status) => writeln!(out, "{}", status::json(&status, doors)),
                Err(_) => refuse(stream, ended),
            }
        }
    }
}

fn sealed_json(sealed: &Sealed) -> String {
    let mut object = Object::new();
    object
        .text("path", sealed.path.as_os_str().as_encoded_bytes())
        .text("trigger", &sealed.trigger)
        .text("container", &sealed.container)
        .number("events", sealed.events)
        .number("missing", sealed.missing)
        .number("from_ns", sealed.from_ns)
        .number("fired_ns", sealed.fired_ns)
        .number("until_ns", sealed.until_ns);
    object.end()
}

/// Puts a question, and gives the line that answers it. Who is refused unheard is told why, and not that nobody listens any more.
fn exchange(mut stream: &UnixStream, line: &str) -> io::Result<String> {
    let sent = stream.write_all(format!("{line}\n").as_bytes());
    let mut answer = String::new();
    let read = BufReader::new(stream.take(16 << 20)).read_line(&mut answer);
    if !answer.ends_with('\n') {
        sent?;
        read?;
    }
    Ok(answer)
}

/// Asks a running `watch`; gives its answer, which is no error.
///
/// # Errors
/// When nobody listens there, or the answer is an error.
pub fn ask(path: &Path, question: &Question) -> Result<serde_json::Value, Failure> {
    let wrong = |error: io::Error| {
        Failure::path(
            "asking at",
            path,
            error,
            "start one with: sudo afterimage watch, or name its socket with --socket PATH",
        )
    };
    let stream = UnixStream::connect(path).map_err(wrong)?;
    let line = serde_json::to_string(question).map_err(|why| Failure::new(why, ""))?;
    let answer = exchange(&stream, &line).map_err(wrong)?;
    let answer: serde_json::Value = serde_json::from_str(&answer)
        .map_err(|why| Failure::new(format!("the answer makes no sense: {why}"), ""))?;
    match answer["error"].as_str() {
        Some(why) => Err(Failure::new(Safe::new(why), "")),
        None => Ok(answer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_refused_before_the_question_was_read_is_told_why() {
        let (own, other) = UnixStream::pair().unwrap();
        refuse(&other, "only root").unwrap();
        drop(other);
        assert_eq!(exchange(&own, "{}").unwrap(), "{\"error\":\"only root\"}\n");
    }

    #[test]
    fn who_is_not_answered_is_told_that() {
        let (own, other) = UnixStream::pair().unwrap();
        drop(other);
        let why = exchange(&own, "{}").unwrap_err();
        assert_eq!(why.kind(), io::ErrorKind::BrokenPipe);
    }
}
