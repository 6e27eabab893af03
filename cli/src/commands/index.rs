//! `afterimage index`: makes the index beside a capture.

use crate::failure::{Exit, Failure, Outcome, shown};
use crate::output::{Output, say};
use crate::source::{Source, each};
use crate::units::{plural, show_count};
use crate::{catalogue, sidecar};
use afterimage_indexer::{Index as Sidecar, Indexing, Keeper, Progress, bytes_text};
use clap::Args;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  afterimage index web.aft                # makes web.aft.idx
  afterimage index /var/lib/afterimage    # of every capture in a folder
  afterimage index --delete web.aft

The index holds nothing that the capture does not. It is sealed with a secret of
this user, and made anew where it is stale or somebody else's. It may be deleted
at any time. Where the capture's folder cannot be written, it goes to the cache.";

/// Make the index with which a capture is searched and filtered fast
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Index {
    /// Captures, or folders of captures
    #[arg(required = true, value_name = "FILE|DIR")]
    files: Vec<PathBuf>,
    /// Begin at the beginning, whatever is there
    #[arg(long)]
    anew: bool,
    /// Delete the indexes instead
    #[arg(long, conflicts_with = "anew")]
    delete: bool,
    /// Threads that decode
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    threads: Option<u16>,
    /// Print nothing
    #[arg(short, long)]
    quiet: bool,
}

impl Index {
    /// Makes them.
    pub fn run(self, out: &mut Output) -> Outcome {
        let mut files = Vec::new();
        for path in &self.files {
            if path.is_dir() {
                files.extend(catalogue::captures(path)?);
            } else {
                files.push(path.clone());
            }
        }
        if self.delete {
            return self.remove(out, &files);
        }
        let keeper = sidecar::keeper()?;
        let exit = each(&files, |path| self.one(out, path, &keeper))?;
        for folder in self.files.iter().filter(|path| path.is_dir()) {
            let files = catalogue::captures(folder)?;
            let known = catalogue::folder(folder, &files, self.anew);
            if known.missing() > 0 {
                catalogue::update(known, folder, &files)?;
            }
        }
        Ok(exit)
    }

    fn one(&self, out: &mut Output, path: &Path, keeper: &Keeper) -> Outcome {
        if path == Path::new("-") {
            return Err(Failure::usage(
                "a pipe has no place for an index",
                "record into a file first",
            ));
        }
        if !self.anew
            && let Ok(index) = Sidecar::open(path, keeper)
            && index.is_whole()
        {
            if !self.quiet {
                let place = shown(index.place());
                writeln!(
                    out,
                    "{place}: up to date, {}",
                    plural(index.things(), "thing")
                )?;
            }
            return Ok(Exit::Done);
        }
        let source = Source::open_plain(path)?;
        let mut how = Indexing {
            anew: self.anew,
            ..Indexing::default()
        };
        if let Some(threads) = self.threads {
            how.threads = usize::from(threads);
        }
        let progress = Progress::default();
        let built = watched(&progress, source.session.events(), !self.quiet, || {
            afterimage_indexer::build(&source.session, path, keeper, &how, &progress)
        });
        let built = built.map_err(|error| match error.kind() {
            io::ErrorKind::ResourceBusy => Failure::new(
                format!(
                    "the index of {} is being made by another process",
                    shown(path)
                ),
                "wait for it to end",
            ),
            io::ErrorKind::Unsupported => Failure::path(
                "making the index of",
                path,
                error,
                "search it as it is: the answer is the same, and slower",
            ),
            _ => Failure::path(
                "making the index of",
                path,
                error,
                "check the space and the rights of its folder, or set XDG_CACHE_HOME",
            ),
        })?;
        if !self.quiet {
            let resumed = match built.resumed {
                0 => String::new(),
                n => format!(", {} were there", plural(n as u64, "chunk")),
            };
            writeln!(
                out,
                "{}: {} of {}, {}{resumed}",
                shown(&built.place),
                plural(built.things, "thing"),
                plural(built.events, "event"),
                bytes_text(i128::from(built.bytes)),
            )?;
            out.flush()?;
        }
        Ok(source.report_loss())
    }

    fn remove(&self, out: &mut Output, files: &[PathBuf]) -> Outcome {
        let keeper = sidecar::keeper()?;
        for path in files {
            for place in keeper.places(path) {
                let mut part = place.clone().into_os_string();
                part.push(".part");
                let part = Path::new(&part);
                if part.is_dir() && !part.is_symlink() {
                    std::fs::remove_dir_all(part).map_err(|error| {
                        Failure::path("deleting", part, error, "check its rights")
                    })?;
                }
                match std::fs::remove_file(&place) {
                    Ok(()) if !self.quiet => writeln!(out, "{}: deleted", shown(&place))?,
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => {
                        return Err(Failure::path("deleting", &place, error, "check its rights"));
                    }
                }
            }
        }
        Ok(Exit::Done)
    }
}

/// Makes the index of one capture on one thread, and prints nothing.
///
/// # Errors
/// When it cannot be made.
pub fn index_quietly(out: &mut Output, path: &Path, keeper: &Keeper) -> Outcome {
    let index = Index {
        files: Vec::new(),
        anew: false,
        delete: false,
        threads: Some(1),
        quiet: true,
    };
    index.one(out, path, keeper)
}

/// Does something while a terminal is told how far it is.
pub fn watched<T>(progress: &Progress, of: u64, talk: bool, work: impl FnOnce() -> T) -> T {
    let talk = talk && io::stderr().is_terminal();
    std::thread::scope(|scope| {
        let (end, ended) = std::sync::mpsc::channel::<()>();
        if talk {
            scope.spawn(move || {
                let mut said = false;
                // The first word comes when it takes long.
                while ended
                    .recv_timeout(Duration::from_millis(500))
                    .is_err_and(|why| why == std::sync::mpsc::RecvTimeoutError::Timeout)
                {
                    let done = progress.done.load(Ordering::Relaxed);
                    let _ = write!(
                        io::stderr(),
                        "\r  {} of {} events ",
                        show_count(done),
                        show_count(of)
                    );
                    said = true;
                }
                if said {
                    say("");
                }
            });
        }
        let result = work();
        drop(end);
        result
    })
}
