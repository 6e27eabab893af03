//! The bytes of a capture, whatever they are wrapped in: plain, gzip, zstd, one after another in any order. What cannot be
//! unpacked is said and passed over.

use flate2::bufread::GzDecoder;
use std::io::{self, BufRead, Cursor, Read};

type Raw = Box<dyn BufRead + Send>;

/// First bytes of a gzip member with the only method there is (RFC 1952).
const GZIP: [u8; 3] = [0x1f, 0x8b, 8];

/// First bytes of a zstd frame (RFC 8878).
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// The largest window a zstd frame may ask for, as a power of two: 128 MiB.
const ZSTD_WINDOW: u32 = 27;

enum Stream {
    Plain(Raw),
    Gzip(Box<GzDecoder<Raw>>),
    Zstd(Box<zstd::stream::read::Decoder<'static, Raw>>),
    End,
}

/// Unpacked bytes in order.
pub struct Input {
    stream: Stream,
    damage: Vec<String>,
    /// Nothing was unpacked since the last damage.
    stuck: bool,
}

/// Bytes of a gzip member that are unpacked at once: where it is damaged, those of the piece are lost.
const PIECE: usize = 4 << 10;

/// Sentences about damage that wait at the most.
const MAX_DAMAGE: usize = 1000;

/// Whether bytes begin something that has to be unpacked.
pub fn is_packed(bytes: &[u8]) -> bool {
    bytes.starts_with(&GZIP) || bytes.starts_with(&ZSTD)
}

impl Input {
    /// Reads a stream; how it is packed is found out.
    pub fn new(raw: Raw) -> io::Result<Input> {
        let mut input = Input {
            stream: Stream::End,
            damage: Vec::new(),
            stuck: false,
        };
        input.begin(raw)?;
        Ok(input)
    }

    /// What could not be unpacked since the last call, one sentence each.
    pub fn take_damage(&mut self) -> Vec<String> {
        std::mem::take(&mut self.damage)
    }

    /// Whether bytes come as they are in the file.
    pub fn is_plain(&self) -> bool {
        matches!(self.stream, Stream::Plain(_))
    }

    /// Goes on with these bytes, which were read before, and finds out again how they are packed.
    pub fn unread(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        match std::mem::replace(&mut self.stream, Stream::End) {
            Stream::Plain(raw) => self.begin(Box::new(Cursor::new(bytes).chain(raw))),
            other => {
                self.stream = other;
                Ok(())
            }
        }
    }

    fn begin(&mut self, mut raw: Raw) -> io::Result<()> {
        let head = raw.fill_buf()?;
        self.stream = if head.is_empty() {
            Stream::End
        } else if head.starts_with(&ZSTD) {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(raw)?.single_frame();
            decoder.window_log_max(ZSTD_WINDOW)?;
            Stream::Zstd(Box::new(decoder))
        } else if head.starts_with(&GZIP) {
            Stream::Gzip(Box::new(GzDecoder::new(raw)))
        } else {
            Stream::Plain(raw)
        };
        Ok(())
    }

    /// Goes on behind what was packed, at the next thing that is packed where what follows is damaged.
    fn resume(&mut self, error: Option<io::Error>) -> io::Result<()> {
        let mut raw = match std::mem::replace(&mut self.stream, Stream::End) {
            Stream::Gzip(decoder) => decoder.into_inner(),
            Stream::Zstd(decoder) => decoder.finish(),
            Stream::Plain(raw) => raw,
            Stream::End => return Ok(()),
        };
        if let Some(error) = error {
            if error.kind() == io::ErrorKind::UnexpectedEof {
                self.damage
                    .push("the compressed data end in the middle".to_owned());
                return Ok(());
            }
            let mut skipped = skip_to_member(&mut raw)?;
            if skipped == 0 && self.stuck {
                // What cannot even begin would be found for ever.
                raw.consume(1);
                skipped = 1 + skip_to_member(&mut raw)?;
            }
            self.stuck = true;
            if self.damage.len() < MAX_DAMAGE {
                self.damage.push(format!(
                    "the compressed data are damaged ({error}), {skipped} bytes of them were passed over"
                ));
            }
        }
        self.begin(raw)
    }

    /// Fills a buffer as far as there are bytes at hand; 0 at the end.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = match &mut self.stream {
                Stream::End => return Ok(0),
                Stream::Plain(raw) => return raw.read(buffer),
                Stream::Gzip(decoder) => {
                    let most = buffer.len().min(PIECE);
                    decoder.read(buffer.get_mut(..most).unwrap_or_default())
                }
                Stream::Zstd(decoder) => decoder.read(buffer),
            };
            match read {
                Ok(0) => self.resume(None)?,
                Ok(n) => {
                    self.stuck = false;
                    return Ok(n);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.resume(Some(error))?,
            }
        }
    }
}

/// Passes over bytes up to the next gzip member or zstd frame, or the end.
fn skip_to_member(raw: &mut Raw) -> io::Result<u64> {
    let mut skipped = 0;
    loop {
        let bytes = raw.fill_buf()?;
        if bytes.is_empty() {
            return Ok(skipped);
        }
        let found = (0..bytes.len()).find(|at| {
            let rest = bytes.get(*at..).unwrap_or_default();
            // Reserved flags of a gzip header are 0, the operating system is a small number.
            let gzip = rest.starts_with(&GZIP)
                && rest.get(3).is_some_and(|flags| flags & 0xe0 == 0)
                && rest.get(9).is_some_and(|os| *os <= 13 || *os == 255);
            gzip || rest.starts_with(&ZSTD)
        });
        let past = found.unwrap_or(bytes.len());
        raw.consume(past);
        skipped += past as u64;
        if found.is_some() {
            return Ok(skipped);
        }
    }
}
