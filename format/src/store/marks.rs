//! Some of the bytes that were written to a file, to see whether they are still there: somebody else may have cut it, and a file that
//! is written on behind a cut has zeros where its beginning was.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// The last bytes of a piece that was written: where they end, and what they are.
type Mark = (u64, [u8; 8]);

/// Marks that are kept at the most; then every other one goes.
const MOST: usize = 1024;

/// Those of one file, in the order of their places.
#[derive(Debug, Default)]
pub(super) struct Marks {
    all: Vec<Mark>,
    /// How many of them have been seen to be right at some time.
    seen: usize,
}

impl Marks {
    /// Notes a piece that ends there.
    pub(super) fn put(&mut self, end: u64, piece: &[u8]) {
        let Some(last) = piece.last_chunk() else {
            return;
        };
        self.all.push((end, *last));
        if self.all.len() > MOST {
            let (mut at, mut seen) = (0, 0);
            let of = self.seen;
            // The newest of those that were seen stays: it is where a cut shows first.
            self.all.retain(|_| {
                let keep = at % 2 == 1 || at + 1 == of || at >= of;
                seen += usize::from(keep && at < of);
                at += 1;
                keep
            });
            self.seen = seen;
        }
    }

    /// Looks at those that are new, and at the last one that was there before. Where one is wrong: up to where the file is as it was
    /// written.
    ///
    /// # Errors
    /// When the file cannot be read, but for one that may only be written.
    pub(super) fn changed(&mut self, file: &File) -> io::Result<Option<u64>> {
        let from = self.seen.saturating_sub(1);
        for mark in self.all.iter().skip(from) {
            if !stands(file, mark)? {
                return Ok(Some(self.good(file)?));
            }
        }
        self.seen = self.all.len();
        Ok(None)
    }

    /// The end of the last one before which all are right.
    fn good(&self, file: &File) -> io::Result<u64> {
        let mut good = 0;
        for mark in &self.all {
            if !stands(file, mark)? {
                break;
            }
            good = mark.0;
        }
        Ok(good)
    }
}

fn stands(file: &File, (end, bytes): &Mark) -> io::Result<bool> {
    let mut found = [0; 8];
    match file.read_exact_at(&mut found, end.saturating_sub(8)) {
        Ok(()) => Ok(found == *bytes),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        // It was opened to be written only.
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::BADF.raw_os_error()) => {
            Ok(true)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn of_many_marks_some_are_kept_and_a_change_shows_wherever_it_is() {
        let mut file = tempfile::tempfile().expect("a file");
        let mut marks = Marks::default();
        for number in 1..=10_000_u64 {
            let piece = number.to_le_bytes();
            file.write_all(&piece).expect("written");
            marks.put(number * 8, &piece);
            assert!(marks.all.len() <= MOST);
            if number % 100 == 0 {
                assert_eq!(marks.changed(&file).expect("read"), None);
            }
        }
        assert_eq!(marks.all.last().map(|mark| mark.0), Some(80_000));
        file.set_len(79_999).expect("cut");
        let good = marks.changed(&file).expect("read").expect("a change");
        assert!((70_000..80_000).contains(&good), "{good}");
    }
}
