//! `afterimage artifacts`: the files that are kept with a capture, listed, and written beneath a folder.

use crate::custody::hex;
use crate::failure::{Exit, Failure, Outcome, shown};
use crate::json::Object;
use crate::output::{Output, say};
use crate::source;
use crate::table::{Align, Table};
use crate::units::{plural, show_count};
use afterimage_format::{Artifact, Reader};
use afterimage_model::Safe;
use clap::{Args, Subcommand};
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  afterimage artifacts list web.aft
  afterimage artifacts extract web.aft -o found

Files are named by the BLAKE3 of their bytes, which are compared with it before
they are written. Nothing is written outside of the folder, over another file or
through a link, and nothing is made executable.";

/// List the files that are kept with a capture, or write them out
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub struct Artifacts {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List them: hash, bytes, media type, and the name each had
    List {
        /// The capture; `-` reads a pipe
        file: PathBuf,
        /// One JSON object a file
        #[arg(long)]
        json: bool,
    },
    /// Write them into a folder, each under its hash
    Extract {
        /// The capture; `-` reads a pipe
        file: PathBuf,
        /// The folder; it is made when it is not there
        #[arg(short, long, value_name = "FOLDER")]
        output: PathBuf,
        /// Only those whose hash begins with this; may be repeated
        #[arg(long, value_name = "HASH")]
        hash: Vec<String>,
    },
}

impl Artifacts {
    /// Does it.
    pub fn run(self, out: &mut Output) -> Outcome {
        match self.action {
            Action::List { file, json } => list(out, &file, json),
            Action::Extract { file, output, hash } => extract(&file, &output, &hash),
        }
    }
}

/// Does something with each artifact that is whole; one that is not is told of, and the exit code says so.
fn each(reader: &Reader, mut one: impl FnMut(&Artifact) -> Result<(), Failure>) -> Outcome {
    let mut worst = Exit::Done;
    for at in 0..reader.artifacts() {
        match reader.artifact(at) {
            Ok(artifact) => one(&artifact)?,
            Err(error) => {
                say(format_args!(
                    "afterimage: {}",
                    Safe::new(&error.to_string())
                ));
                worst = Exit::Loss;
            }
        }
    }
    Ok(worst)
}

fn list(out: &mut Output, file: &Path, json: bool) -> Outcome {
    let reader = source::reader(file)?;
    let mut table = Table::new([
        ("BLAKE3", Align::Left),
        ("Bytes", Align::Right),
        ("Type", Align::Left),
        ("Name", Align::Left),
    ]);
    let exit = each(&reader, |artifact| {
        if json {
            let mut o = Object::new();
            o.text("artifact.hash", hex(&artifact.hash))
                .number("artifact.bytes", artifact.bytes.len() as u64)
                .text("artifact.type", &artifact.media_type)
                .text("artifact.name", &artifact.name);
            writeln!(out, "{}", o.end())?;
            return Ok(());
        }
        table.row([
            hex(&artifact.hash),
            show_count(artifact.bytes.len() as u64),
            Safe::new(&artifact.media_type).to_string(),
            Safe::new(&artifact.name).to_string(),
        ]);
        Ok(())
    })?;
    if !json {
        table.write(out)?;
    }
    Ok(exit)
}

fn extract(file: &Path, output: &Path, hashes: &[String]) -> Outcome {
    let reader = source::reader(file)?;
    let failed = |doing: &str, error: &dyn std::fmt::Display| {
        Failure::path(
            doing,
            output,
            error,
            "name a folder of your own with -o FOLDER",
        )
    };
    if let Err(error) = std::fs::create_dir(output)
        && error.kind() != std::io::ErrorKind::AlreadyExists
    {
        return Err(failed("making", &error));
    }
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = rustix::fs::open(output, flags, Mode::empty())
        .map_err(|errno| failed("opening", &std::io::Error::from(errno)))?;
    let (mut written, mut there) = (0_u64, 0_u64);
    let exit = each(&reader, |artifact| {
        let name = hex(&artifact.hash);
        if !hashes.is_empty() && !hashes.iter().any(|hash| name.starts_with(hash.as_str())) {
            return Ok(());
        }
        match put(&folder, &name, &artifact.bytes) {
            Ok(()) => written += 1,
            // The same bytes, from before or under two names.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => there += 1,
            Err(error) => {
                return Err(failed(&format!("writing {name} to"), &error));
            }
        }
        Ok(())
    })?;
    say(format_args!(
        "{} written to {}, {there} were there already",
        plural(written, "file"),
        shown(output)
    ));
    Ok(exit)
}

/// Writes a new file right in a folder. Its name is made of hex digits; the kernel makes sure of the rest.
fn put(folder: &OwnedFd, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR;
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let fd = rustix::fs::openat2(folder.as_fd(), name, flags, mode, beneath)?;
    let mut file = File::from(fd);
    let done = file.write_all(bytes).and_then(|()| file.sync_all());
    if done.is_err() {
        // Half a file would pass for the one of this hash.
        let _ = rustix::fs::unlinkat(folder.as_fd(), name, AtFlags::empty());
    }
    done
}
