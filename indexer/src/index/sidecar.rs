//! The file beside a capture that holds its index: blocks, text index and pyramid, then a head that says where they are and
//! which capture they belong to, then a seal with a key that only this user has.
//!
//! A sidecar of another capture, of an earlier state of it, of another version or of another user is refused: one that lies
//! would hide evidence. Every part is checked by its hash before it is used. Only whole reads, no mapped memory: a file that
//! shrinks meanwhile is an error.

use super::Stamp;
use super::block::{self, Draft, Entry, MOST_RAW};
use afterimage_format::ChunkInfo;
use bincode::{Decode, Encode};
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// What an index file ends with.
const MAGIC: &[u8; 8] = b"AFTIDX01";

/// Version of what the bytes mean; another one is made anew.
const VERSION: u32 = 6;

/// Bytes behind the head: its seal, its length, the magic.
const TAIL: usize = 32 + 8 + 8;

/// Most bytes of a head.
const MOST_HEAD: usize = 64 << 20;

/// Bytes of a capture's beginning and end that its identity covers.
const EDGE: u64 = 64 << 10;

fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<MOST_HEAD>()
}

/// Why an index is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// There is none.
    #[error("there is no index")]
    Missing,
    /// Not what this program writes, or damaged.
    #[error("it is no index, or damaged")]
    Damaged,
    /// Made with another key: by another user, or by somebody who wants something to be overlooked.
    #[error("it was made by another user, or on another machine")]
    Foreign,
    /// Of another capture, or of an earlier state of this one.
    #[error("it is of another capture, or of an earlier state of this one")]
    Stale,
    /// It cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Who keeps indexes: the key that seals them and the folder for those that cannot stand beside their captures.
#[derive(Clone, Debug)]
pub struct Keeper {
    /// The key; a secret.
    pub key: [u8; 32],
    /// Where indexes go whose captures lie in a place that cannot be written.
    pub cache: Option<PathBuf>,
}

impl Keeper {
    /// Where the index of a capture may be: beside it, else in the cache.
    pub fn places(&self, capture: &Path) -> Vec<PathBuf> {
        let mut beside = capture.as_os_str().to_owned();
        beside.push(".idx");
        let mut places = vec![PathBuf::from(beside)];
        if let Some(cache) = &self.cache {
            let whole = capture
                .canonicalize()
                .unwrap_or_else(|_| capture.to_owned());
            let name = blake3::hash(whole.as_os_str().as_encoded_bytes()).to_hex();
            places.push(cache.join(format!("{}.idx", name.get(..32).unwrap_or_default())));
        }
        places
    }
}

/// Which bytes an index was made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Identity {
    /// Bytes of the capture.
    pub len: u64,
    /// BLAKE3 of its beginning and end, which holds the hash chain; of all of it when another program wrote it.
    pub hash: [u8; 32],
}

/// How an index stands to a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    /// It is of these bytes.
    Whole,
    /// It is of their beginning: more was written since.
    Beginning,
    No,
}

impl Identity {
    /// Of a capture as it is now.
    pub fn of(path: &Path) -> io::Result<Identity> {
        let file = open(path)?;
        let len = file.metadata()?.len();
        Identity::of_beginning(&file, len)
    }

    fn of_beginning(file: &File, len: u64) -> io::Result<Identity> {
        let mut hasher = blake3::Hasher::new();
        let mut feed = |from: u64, to: u64| -> io::Result<()> {
            let mut step = vec![0; 256 << 10];
            let mut at = from;
            while at < to {
                let want = usize::try_from(to - at).map_or(step.len(), |n| n.min(step.len()));
                let step = step.get_mut(..want).unwrap_or_default();
                file.read_exact_at(step, at)?;
                hasher.update(step);
                at += step.len() as u64;
            }
            Ok(())
        };
        if is_ours(file) && len > 2 * EDGE {
            feed(0, EDGE)?;
            feed(len - EDGE, len)?;
        } else {
            feed(0, len)?;
        }
        Ok(Identity {
            len,
            hash: *hasher.finalize().as_bytes(),
        })
    }

    /// How this stands to a capture as it is now. Blocks of our captures are never changed, only added.
    pub(crate) fn holds(&self, path: &Path) -> io::Result<Holds> {
        let file = open(path)?;
        let len = file.metadata()?.len();
        let grown = len > self.len && is_ours(&file) && self.len > 0;
        if len != self.len && !grown || Identity::of_beginning(&file, self.len)? != *self {
            return Ok(Holds::No);
        }
        Ok(if grown {
            Holds::Beginning
        } else {
            Holds::Whole
        })
    }
}

/// Whether a file begins as captures of our own do.
fn is_ours(file: &File) -> bool {
    let mut head = [0; 4];
    file.read_exact_at(&mut head, 0).is_ok() && &head == b"\x89AFT"
}

/// Opens a regular file, without waiting for anybody.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "no regular file",
        ));
    }
    Ok(file)
}

/// A stretch of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Part {
    pub offset: u64,
    pub len: u64,
    /// Bytes before compression.
    pub raw: u64,
    pub hash: [u8; 32],
}

/// A chunk that the index covers.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Covered {
    pub first_num: u64,
    pub events: u64,
    pub start: u64,
    pub end: u64,
    /// It could not be read: its things are not here.
    pub unread: bool,
}

impl Covered {
    pub fn of(info: &ChunkInfo, unread: bool) -> Covered {
        Covered {
            first_num: info.first_num,
            events: info.events,
            start: info.span.0.0,
            end: info.span.1.0,
            unread,
        }
    }
}

/// What is known of a capture without opening it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct About {
    /// Its id.
    pub capture_id: String,
    /// Host it was recorded on.
    pub host: String,
    /// What started the recording.
    pub trigger: String,
    /// What it was started for: of an alert, what it says.
    pub reason: String,
    /// Its footer is there.
    pub sealed: bool,
    /// Events in it.
    pub events: u64,
    /// First and last instant, ns since 1970.
    pub span: Option<(i64, i64)>,
    /// The first instant of the boot clock, ns since 1970: what turns instants into dates.
    pub boot_ns: i64,
    /// Names of its containers.
    pub containers: Vec<String>,
    /// Gaps, and events known to be lost; an unknown number is not counted.
    pub gaps: u64,
    /// Events known to be lost.
    pub lost: u64,
    /// What is missing from it, as far as the capture says; `None` when nothing is known to be.
    pub missing: Option<Missing>,
    /// Events in [`PROFILE`] equal steps of the span, as near as chunks tell; empty when there are none.
    pub profile: Vec<u64>,
}

/// What is missing from a capture: [`Loss`](afterimage_model::Loss) as an index keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Missing {
    /// Stretches of time with something missing.
    pub gaps: u64,
    /// Events that are known to be missing.
    pub events: u64,
    /// Whether that is all of them.
    pub exact: bool,
    /// Names of the causes.
    pub causes: Vec<String>,
}

/// Steps of a capture's profile.
pub const PROFILE: usize = 64;

/// What an index file says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Head {
    pub version: u32,
    pub identity: Identity,
    pub about: About,
    pub chunks: Vec<Covered>,
    /// Blocks, each with the number of things in it and the key of its first.
    pub blocks: Vec<(Part, u64, Vec<u8>)>,
    /// Things of each kind.
    pub kinds: Vec<u64>,
    pub pyramid: Option<Part>,
    /// Files of the text index by name.
    pub text: Vec<(String, Part)>,
    /// What the states that are kept have in common, those states, and their rows.
    pub states: Option<Part>,
    pub state_parts: Vec<Part>,
    pub row_parts: Vec<Part>,
    /// Sorts of events of some chunks, each part with the first of these.
    pub alike: Vec<(Part, u32)>,
    /// Of a folder's catalogue: its captures.
    pub members: Option<Part>,
    /// Answers that are kept, by name, which build of the program found them, and whether these are all that it keeps.
    pub answers: Vec<(String, Part)>,
    pub made_by: Option<Stamp>,
    pub is_answered: bool,
}

impl Head {
    pub fn things(&self) -> u64 {
        self.kinds.iter().copied().fold(0, u64::saturating_add)
    }
}

fn seal(key: &[u8; 32], head: &[u8]) -> [u8; 32] {
    *blake3::keyed_hash(key, head).as_bytes()
}

/// An index file being written.
pub(crate) struct Out {
    file: BufWriter<File>,
    at: u64,
    draft: Draft,
    first: Vec<u8>,
    pub head: Head,
}

impl Out {
    /// One that begins with all that another holds.
    pub fn like(other: &In, path: &Path) -> io::Result<Out> {
        let mut out = Out::create(path)?;
        let mut step = vec![0; 256 << 10];
        while out.at < other.parts {
            let want =
                usize::try_from(other.parts - out.at).map_or(step.len(), |n| n.min(step.len()));
            let step = step.get_mut(..want).unwrap_or_default();
            other.file.read_exact_at(step, out.at)?;
            out.file.write_all(step)?;
            out.at += step.len() as u64;
        }
        out.head = other.head.clone();
        Ok(out)
    }

    pub fn create(path: &Path) -> io::Result<Out> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let file = File::from(rustix::fs::open(path, flags, mode)?);
        Ok(Out {
            file: BufWriter::with_capacity(256 << 10, file),
            at: 0,
            draft: Draft::default(),
            first: Vec::new(),
            head: Head {
                version: VERSION,
                kinds: vec![0; super::things::KINDS.len()],
                ..Head::default()
            },
        })
    }

    /// Writes a part, compressed where that helps.
    pub fn part(&mut self, raw: &[u8], level: i32) -> io::Result<Part> {
        let packed = zstd::bulk::compress(raw, level)?;
        self.pressed(&packed, raw.len())
    }

    /// Writes a part that is compressed already.
    pub fn pressed(&mut self, packed: &[u8], raw: usize) -> io::Result<Part> {
        let part = Part {
            offset: self.at,
            len: packed.len() as u64,
            raw: raw as u64,
            hash: *blake3::hash(packed).as_bytes(),
        };
        self.file.write_all(packed)?;
        self.at += part.len;
        Ok(part)
    }

    /// Writes a thing; they come in order.
    pub fn push(&mut self, entry: &Entry, level: i32) -> io::Result<()> {
        if self.draft.things == 0 {
            self.first.clone_from(&entry.thing.0);
        }
        if let Some(count) = entry
            .thing
            .kind()
            .and_then(|kind| self.head.kinds.get_mut(kind as usize))
        {
            *count += 1;
        }
        self.draft.push(entry);
        if self.draft.is_full() {
            self.flush(level)?;
        }
        Ok(())
    }

    fn flush(&mut self, level: i32) -> io::Result<()> {
        if self.draft.things == 0 {
            return Ok(());
        }
        let things = self.draft.things;
        let raw = self.draft.take();
        let part = self.part(&raw, level)?;
        let first = std::mem::take(&mut self.first);
        self.head.blocks.push((part, things, first));
        Ok(())
    }

    /// Writes head and seal, and waits for the disk.
    pub fn finish(mut self, key: &[u8; 32], level: i32) -> io::Result<()> {
        self.flush(level)?;
        let head = bincode::encode_to_vec(&self.head, config()).map_err(io::Error::other)?;
        self.file.write_all(&head)?;
        self.file.write_all(&seal(key, &head))?;
        self.file.write_all(&(head.len() as u64).to_le_bytes())?;
        self.file.write_all(MAGIC)?;
        let file = self
            .file
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        file.sync_all()
    }
}

/// An index file that was found to be our own.
pub(crate) struct In {
    file: File,
    pub head: Head,
    /// Bytes of the file, and of the parts that it begins with.
    pub len: u64,
    parts: u64,
}

impl In {
    pub fn open(path: &Path, key: &[u8; 32]) -> Result<In, Refused> {
        let file = match open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Refused::Missing),
            other => other?,
        };
        let len = file.metadata()?.len();
        let start = len.checked_sub(TAIL as u64).ok_or(Refused::Damaged)?;
        let mut tail = [0; TAIL];
        file.read_exact_at(&mut tail, start)?;
        let (mac, rest) = tail.split_first_chunk::<32>().ok_or(Refused::Damaged)?;
        let (head_len, magic) = rest.split_first_chunk::<8>().ok_or(Refused::Damaged)?;
        let head_len = u64::from_le_bytes(*head_len);
        if magic != MAGIC || head_len > MOST_HEAD as u64 || head_len > start {
            return Err(Refused::Damaged);
        }
        let mut head = vec![0; head_len as usize];
        file.read_exact_at(&mut head, start - head_len)?;
        if blake3::Hash::from_bytes(seal(key, &head)) != blake3::Hash::from_bytes(*mac) {
            return Err(Refused::Foreign);
        }
        let (head, used): (Head, usize) =
            bincode::decode_from_slice(&head, config()).map_err(|_| Refused::Damaged)?;
        if used as u64 != head_len || head.version != VERSION {
            return Err(Refused::Stale);
        }
        Ok(In {
            file,
            head,
            len,
            parts: start - head_len,
        })
    }

    /// The bytes of a part, checked, as they stand there.
    pub fn packed(&self, part: &Part, most: u64) -> Result<Vec<u8>, Refused> {
        if part.raw > most || part.len > self.len || part.offset > self.len - part.len {
            return Err(Refused::Damaged);
        }
        let mut packed = vec![0; usize::try_from(part.len).map_err(|_| Refused::Damaged)?];
        self.file.read_exact_at(&mut packed, part.offset)?;
        if blake3::hash(&packed) != blake3::Hash::from_bytes(part.hash) {
            return Err(Refused::Damaged);
        }
        Ok(packed)
    }

    /// The bytes of a part, checked and decompressed.
    pub fn part(&self, part: &Part, most: u64) -> Result<Vec<u8>, Refused> {
        let packed = self.packed(part, most)?;
        let raw =
            zstd::bulk::decompress(&packed, part.raw as usize).map_err(|_| Refused::Damaged)?;
        (raw.len() as u64 == part.raw)
            .then_some(raw)
            .ok_or(Refused::Damaged)
    }

    /// The things of a block.
    pub fn block(&self, at: usize) -> Result<Vec<Entry>, Refused> {
        let (part, _, _) = self.head.blocks.get(at).ok_or(Refused::Damaged)?;
        block::read(&self.part(part, MOST_RAW)?).ok_or(Refused::Damaged)
    }

    /// Every thing in order, a block at a time in memory.
    pub fn entries(&self) -> impl Iterator<Item = Result<Entry, Refused>> + '_ {
        (0..self.head.blocks.len()).flat_map(|at| match self.block(at) {
            Ok(entries) => entries.into_iter().map(Ok).collect::<Vec<_>>(),
            Err(refused) => vec![Err(refused)],
        })
    }
}
