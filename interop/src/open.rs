//! Opening a capture, whoever wrote it. What is not ours is converted into an unnamed temporary file, or into memory when
//! it is small.

use crate::Provenance;
use crate::error::Error;
use crate::scap;
use afterimage_format::{Identities, Reader};
use afterimage_model::Manifest;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Cursor, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Files up to this length are converted in memory.
const SMALL: u64 = 4 << 20;

/// Bytes read at once.
const STEP: usize = 256 << 10;

/// First bytes of a section of scap, of gzip and of zstd.
const FOREIGN: &[&[u8]] = &[
    &[0x0a, 0x0d, 0x0d, 0x0a],
    &[0x1f, 0x8b, 8],
    &[0x28, 0xb5, 0x2f, 0xfd],
];

/// Whether a file that begins so is a capture of another program.
pub fn is_foreign(head: &[u8]) -> bool {
    FOREIGN.iter().any(|magic| head.starts_with(magic))
}

/// Opens a capture by its path.
///
/// # Errors
/// When it cannot be read, or is no capture.
pub fn open(path: &Path) -> Result<Reader, Error> {
    open_with(path, &Identities::default())
}

/// As [`open`], also a capture that is encrypted to one of the identities.
///
/// # Errors
/// As of [`open`].
pub fn open_with(path: &Path, identities: &Identities) -> Result<Reader, Error> {
    let small = path.metadata().is_ok_and(|meta| meta.len() <= SMALL);
    match foreign(path).map_err(Error::Read)? {
        Some(stream) => read(stream, small),
        None => Ok(Reader::open_with(path, identities)?),
    }
}

/// The bytes of a file that is a capture of another program; `None` for others, and for what cannot be opened or is no
/// regular file: the reader of our own files says best what is wrong with those.
///
/// # Errors
/// When it cannot be read.
pub fn foreign(path: &Path) -> io::Result<Option<Box<dyn BufRead + Send>>> {
    let file = foreign_file(path)?;
    Ok(file.map(|file| Box::new(BufReader::with_capacity(STEP, file)) as Box<dyn BufRead + Send>))
}

/// As [`foreign`], the file itself, at its start.
///
/// # Errors
/// As of [`foreign`].
pub fn foreign_file(path: &Path) -> io::Result<Option<File>> {
    let Ok(mut file) = File::open(path) else {
        return Ok(None);
    };
    if !file.metadata().is_ok_and(|meta| meta.is_file()) {
        return Ok(None);
    }
    let mut head = [0; 4];
    let got = fill(&mut file, &mut head)?;
    let named = path.extension().is_some_and(|end| end == "scap");
    let is_ours = head.starts_with(b"\x89AFT");
    if !is_foreign(head.get(..got).unwrap_or_default()) && (!named || is_ours) {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(0))?;
    Ok(Some(file))
}

/// A stream of which the first bytes are known.
pub enum Sniffed {
    /// A capture of another program.
    Foreign(Box<dyn BufRead + Send>),
    /// Anything else.
    Other(Box<dyn Read + Send>),
}

/// Looks at the first bytes of a stream.
///
/// # Errors
/// When it cannot be read.
pub fn sniff(mut stream: impl Read + Send + 'static) -> io::Result<Sniffed> {
    let mut head = [0; 4];
    let got = fill(&mut stream, &mut head)?;
    let head = head.get(..got).unwrap_or_default().to_vec();
    let foreign = is_foreign(&head);
    let whole = Cursor::new(head).chain(stream);
    Ok(if foreign {
        Sniffed::Foreign(Box::new(BufReader::with_capacity(STEP, whole)))
    } else {
        Sniffed::Other(Box::new(whole))
    })
}

/// Opens a capture that comes as a stream, which is read to its end.
///
/// # Errors
/// As of [`open`].
pub fn open_stream(stream: impl Read + Send + 'static) -> Result<Reader, Error> {
    open_stream_with(stream, &Identities::default())
}

/// As [`open_stream`], also a capture that is encrypted to one of the identities.
///
/// # Errors
/// As of [`open`].
pub fn open_stream_with(
    stream: impl Read + Send + 'static,
    identities: &Identities,
) -> Result<Reader, Error> {
    open_sniffed(sniff(stream).map_err(Error::Read)?, identities)
}

/// Opens a capture that comes as a stream whose first bytes are known.
///
/// # Errors
/// As of [`open`].
pub fn open_sniffed(stream: Sniffed, identities: &Identities) -> Result<Reader, Error> {
    match stream {
        Sniffed::Foreign(stream) => read(stream, false),
        Sniffed::Other(stream) => Ok(Reader::from_reader_with(stream, identities)?),
    }
}

/// The BLAKE3 of a file.
///
/// # Errors
/// When it cannot be read.
pub fn hash(path: &Path) -> io::Result<[u8; 32]> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path)?)?;
    Ok(*hasher.finalize().as_bytes())
}

/// Reads until the buffer is full or the stream ends.
fn fill(stream: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while let Some(rest) = buffer.get_mut(got..).filter(|rest| !rest.is_empty()) {
        match stream.read(rest) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}

fn read(stream: Box<dyn BufRead + Send>, small: bool) -> Result<Reader, Error> {
    if small {
        let (bytes, _) = scap::convert(stream, Vec::new(), manifest(), &Provenance::default())?;
        return Ok(Reader::from_bytes(bytes)?.of_a_copy());
    }
    let file = tempfile::tempfile().map_err(Error::Read)?;
    let (mut out, _) = scap::convert(
        stream,
        BufWriter::new(file),
        manifest(),
        &Provenance::default(),
    )?;
    out.flush().map_err(Error::Read)?;
    let file = out
        .into_inner()
        .map_err(|error| Error::Read(error.into_error()))?;
    Ok(Reader::from_file(file)?.of_a_copy())
}

/// What is known of a foreign capture before it is read.
pub fn manifest() -> Manifest {
    Manifest {
        tool: "scap".to_owned(),
        ..Manifest::default()
    }
}
