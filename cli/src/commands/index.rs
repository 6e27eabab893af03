//! `afterimage index`: makes the index beside a capture.

use crate::failure::{Exit, Failure, Outcome, shown};
use crate::output::{Output, say};
use crate::source::{Source, each};
use crate::units::{plural, show_count};
use crate::{catalogue, sidecar};
use afterimage_indexer::{
    Counting, Index as Sidecar, Indexing, Keeper, Progress, bytes_text, keep_answers, questions,
};
use clap::{Args, ValueEnum};
use std::io::{self, IsTerminal, Write};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  afterimage index web.aft                # makes web.aft.idx
  afterimage index /var/lib/afterimage    # of every capture in a folder
  afterimage index --views all web.aft    # counts them of a large one, too
  afterimage index --delete web.aft

The index serves as soon as it is there; views are counted after that. What was
counted before Ctrl-C is kept, and the next time goes on there.

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
    /// Whether every view that takes long is counted and kept in the index, too, so that it opens at once
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Views::Auto)]
    views: Views,
    /// Threads that decode
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    threads: Option<u16>,
    /// Print nothing
    #[arg(short, long)]
    quiet: bool,
}

/// When views are counted ahead.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Views {
    /// Of captures with up to 5 million events
    Auto,
    /// Of all
    All,
    /// Of none
    None,
}

impl Views {
    /// Events of a capture whose views are counted without being asked. Of fewer each is there at once, and of more it takes long: some
    /// twenty times as long as the index.
    const AUTO: RangeInclusive<u64> = 50_000..=5_000_000;

    fn are_wanted(self, events: u64) -> bool {
        match self {
            Views::Auto => Views::AUTO.contains(&events),
            Views::All => true,
            Views::None => false,
        }
    }
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
            if !index.is_answered() {
                self.count_views(out, path, keeper)?;
            }
            return Ok(Exit::Done);
        }
        let source = Source::open_plain(path)?;
        let how = Indexing {
            anew: self.anew,
            threads: self.threads(),
            ..Indexing::default()
        };
        let progress = Progress::default();
        let of = (source.session.events(), "events");
        let built = watched(&progress, of, !self.quiet, || {
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
        self.count_views(out, path, keeper)?;
        Ok(source.report_loss())
    }

    /// Counts the views ahead.
    fn count_views(&self, out: &mut Output, path: &Path, keeper: &Keeper) -> Result<(), Failure> {
        let source = Source::open(path)?;
        let index = (source.session.index())
            .filter(|index| index.is_whole() && self.views.are_wanted(source.session.events()));
        let Some(index) = index else {
            return Ok(());
        };
        let place = shown(index.place());
        let progress = Progress::default();
        let how = Counting {
            threads: self.threads(),
            ..Counting::default()
        };
        let kept = watched(&progress, (questions(), "views"), !self.quiet, || {
            keep_answers(&source.session, keeper, how, &progress)
        });
        let kept = kept.map_err(|error| {
            Failure::path(
                "counting the views ahead of",
                path,
                error,
                "the index serves without; --views none leaves it at that",
            )
        })?;
        if !self.quiet && kept.kept > 0 {
            writeln!(
                out,
                "{place}: {} counted ahead, {}",
                plural(kept.kept as u64, "view"),
                bytes_text(i128::from(kept.bytes)),
            )?;
            out.flush()?;
        }
        Ok(())
    }

    fn threads(&self) -> usize {
        let usual = Indexing::default().threads;
        self.threads.map_or(usual, usize::from)
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
        views: Views::None,
        threads: Some(1),
        quiet: true,
    };
    index.one(out, path, keeper)
}

/// Does something while a terminal is told how far it is.
pub fn watched<T>(
    progress: &Progress,
    (of, what): (u64, &str),
    talk: bool,
    work: impl FnOnce() -> T,
) -> T {
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
                        "\r  {} of {} {what} ",
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
