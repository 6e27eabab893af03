//! Captures of other programs that are converted before they are asked: said how far that is, where somebody waits for it, or looked at
//! meanwhile.

use crate::cache::{self, Draft};
use crate::failure::shown;
use crate::output;
use crate::units::show_count;
use afterimage_format::Reader;
use afterimage_interop::open::{foreign_file, manifest};
use afterimage_interop::{Error, Provenance, scap};
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Bytes read at once.
const STEP: usize = 256 << 10;

/// What is converted of a file, and how far it is read.
struct Input {
    stream: Box<dyn BufRead + Send>,
    read: Arc<AtomicU64>,
    len: u64,
}

/// Counts what is read.
struct Counted {
    file: File,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.file.read(buffer)?;
        self.read.fetch_add(got as u64, Ordering::Relaxed);
        Ok(got)
    }
}

impl Input {
    /// A capture of another program; `None` for others, and for what cannot be opened.
    fn of(path: &Path) -> Option<Input> {
        let file = foreign_file(path).ok().flatten()?;
        let len = file.metadata().map_or(0, |meta| meta.len());
        let read = Arc::new(AtomicU64::new(0));
        let counted = Counted {
            file,
            read: read.clone(),
        };
        Some(Input {
            stream: Box::new(BufReader::with_capacity(STEP, counted)),
            read,
            len,
        })
    }
}

/// Writes a capture of another program as one of ours, chunk by chunk, and tells `goes_on` before the first and after each how many
/// events there are by now; false ends it, and is given back where it did. Where somebody looks at it meanwhile, with a chunk after so
/// long at the latest.
fn convert(
    stream: Box<dyn BufRead + Send>,
    out: File,
    patience: Option<Duration>,
    goes_on: &mut dyn FnMut(u64) -> bool,
) -> Result<bool, Error> {
    let stream = scap::Stream::open(stream, manifest())?;
    // Nothing is held back: it may be read while it is written.
    let mut writer = stream.writer(out, &Provenance::default())?;
    if !goes_on(0) {
        return Ok(false);
    }
    let take = &mut |stretch: &scap::Stretch| {
        stretch.write(&mut writer)?;
        Ok(goes_on(writer.events()))
    };
    let ended = match patience {
        Some(patience) => stream.chunks_as_they_come(patience, take),
        None => stream.chunks(take),
    }?;
    let Some(ended) = ended else {
        return Ok(false);
    };
    ended.seal(writer)?;
    Ok(true)
}

/// The converted copy of a large capture of another program, which is made where there is none yet; `None` where there is to be none.
pub fn copied(path: &Path) -> Option<Result<Reader, Error>> {
    let input = Input::of(path)?;
    let place = cache::place(path)?;
    if let Some(reader) = place.open() {
        return Some(Ok(reader.of_a_copy()));
    }
    let draft = place.begin()?;
    let file = draft.file().ok()?;
    let mut told = Told::new(path, &input);
    let converted = convert(input.stream, draft.file().ok()?, None, &mut |events| {
        told.show(events);
        true
    });
    drop(told);
    let read = converted.and_then(|_| Ok(Reader::from_file(file)?.of_a_copy()));
    match read {
        Ok(reader) => {
            draft.finish();
            Some(Ok(reader))
        }
        // No room there is no reason not to read it.
        Err(Error::Write(_) | Error::Capture(_)) => None,
        Err(error) => Some(Err(error)),
    }
}

/// Tells on a terminal how far something is, in one line that is taken away at the end.
struct Told {
    name: String,
    read: Arc<AtomicU64>,
    len: u64,
    /// When it is told next; `None` where nobody looks.
    next: Option<Instant>,
    shown: bool,
}

impl Told {
    /// What takes less is not worth a word, nor is a change within that.
    const PATIENCE: Duration = Duration::from_millis(300);

    fn new(path: &Path, input: &Input) -> Told {
        Told {
            name: shown(path),
            read: input.read.clone(),
            len: input.len,
            next: io::stderr()
                .is_terminal()
                .then(|| Instant::now() + Told::PATIENCE),
            shown: false,
        }
    }

    fn show(&mut self, events: u64) {
        let Some(next) = self.next.filter(|next| *next <= Instant::now()) else {
            return;
        };
        self.next = Some(next.max(Instant::now()) + Told::PATIENCE);
        self.shown = true;
        let read = self.read.load(Ordering::Relaxed).min(self.len);
        let percent = (u128::from(read) * 100)
            .checked_div(u128::from(self.len))
            .unwrap_or(0);
        output::redraw(format_args!(
            "{}: {percent} % is read, {} events; what comes of it is kept for the next time",
            self.name,
            show_count(events)
        ));
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        if self.shown {
            output::redraw(format_args!(""));
        }
    }
}

/// A capture of another program that is converted while it is looked at, until this goes.
pub struct Converting {
    stop: Arc<AtomicBool>,
    /// Something was written; nobody tells any more once it is over.
    written: Receiver<()>,
    thread: Option<JoinHandle<Result<(), Error>>>,
}

/// How long the first events are waited for.
const FIRST: Duration = Duration::from_millis(200);

/// How long events may be held back that are looked at.
const PATIENCE: Duration = Duration::from_millis(500);

/// How long it may take to end.
const LAST: Duration = Duration::from_secs(1);

impl Converting {
    /// Begins to convert a large capture, and gives what is there of it at first. `None` where there is a copy, or none is to be made.
    pub fn of(path: &Path) -> Option<Result<(Reader, Converting), Error>> {
        let input = Input::of(path)?;
        let place = cache::place(path)?;
        if place.open().is_some() {
            return None;
        }
        let draft = place.begin()?;
        let file = draft.file().ok()?;
        match Converting::begin(input.stream, file, Some(draft)) {
            // No room there is no reason not to read it.
            Err(Error::Write(_) | Error::Capture(_)) => None,
            begun => Some(begun),
        }
    }

    /// As [`Converting::of`], of a stream, of which no copy is kept.
    pub fn of_stream(stream: Box<dyn BufRead + Send>) -> Result<(Reader, Converting), Error> {
        let file = tempfile::tempfile().map_err(Error::Write)?;
        Converting::begin(stream, file, None)
    }

    fn begin(
        stream: Box<dyn BufRead + Send>,
        file: File,
        draft: Option<Draft>,
    ) -> Result<(Reader, Converting), Error> {
        let stop = Arc::new(AtomicBool::new(false));
        let (tell, written) = sync_channel(1);
        let (out, stopped) = (file.try_clone().map_err(Error::Write)?, stop.clone());
        let thread = std::thread::Builder::new().name("convert".into());
        let thread = thread.spawn(move || {
            let whole = convert(stream, out, Some(PATIENCE), &mut |_| {
                // One that was not heard yet says enough.
                let _ = tell.try_send(());
                !stopped.load(Ordering::Relaxed)
            })?;
            if let Some(draft) = draft.filter(|_| whole) {
                draft.finish();
            }
            Ok(())
        });
        let mut converting = Converting {
            stop,
            written,
            thread: Some(thread.map_err(Error::Write)?),
        };
        // What events look like is written as it begins; then the first of them come, soon or not.
        match converting.written.recv() {
            Ok(()) => drop(converting.written.recv_timeout(FIRST)),
            Err(_) => converting.end()?,
        }
        Ok((Reader::from_file(file)?.of_a_copy(), converting))
    }

    /// Ends it, where it is not over. What waits for an input that does not come is left alone.
    ///
    /// # Errors
    /// When it had failed before.
    pub fn end(&mut self) -> Result<(), Error> {
        self.stop.store(true, Ordering::Relaxed);
        let until = Instant::now() + LAST;
        let over = loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.written.recv_timeout(left) {
                Ok(()) => {}
                Err(why) => break why == RecvTimeoutError::Disconnected,
            }
        };
        match self.thread.take().filter(|_| over).map(JoinHandle::join) {
            Some(Ok(ended)) => ended,
            Some(Err(_)) => Err(Error::Not("the thread that converts has failed".to_owned())),
            None => Ok(()),
        }
    }
}

impl Drop for Converting {
    fn drop(&mut self) {
        // Who wants to know asks before.
        let _ = self.end();
    }
}
