//! Bookmarks with notes and the filters that were typed, as a text file beside the capture: never in the evidence itself.
//! One line each: a word, and what it is about.

use crate::fit;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The first line of the file.
const HEAD: &str = "afterimage notes 1";

/// Most bytes of such a file that are read.
const MOST: u64 = 4 << 20;

/// Most bookmarks, and most filters, that are kept.
const MOST_LINES: usize = 10_000;

/// Where the notes on a capture are.
pub fn path_of(capture: &Path) -> PathBuf {
    let mut name = capture.as_os_str().to_owned();
    name.push(".notes");
    name.into()
}

/// The text of a file of notes.
pub fn write(bookmarks: &BTreeMap<u64, String>, filters: &[String]) -> String {
    let mut out = format!("{HEAD}\n");
    for (num, note) in bookmarks {
        out += &format!("mark {num} {}\n", fit::plain(note));
    }
    for filter in filters {
        out += &format!("filter {}\n", fit::plain(filter));
    }
    out
}

/// Bookmarks and filters from such a text; lines that are none are left out.
pub fn read(text: &str) -> (BTreeMap<u64, String>, Vec<String>) {
    let (mut bookmarks, mut filters) = (BTreeMap::new(), Vec::new());
    let mut lines = text.lines();
    if lines.next() != Some(HEAD) {
        return (bookmarks, filters);
    }
    for line in lines {
        match line.split_once(' ') {
            Some(("mark", rest)) => {
                let (num, note) = rest.split_once(' ').unwrap_or((rest, ""));
                if let Ok(num) = num.parse()
                    && bookmarks.len() < MOST_LINES
                {
                    bookmarks.insert(num, note.to_owned());
                }
            }
            Some(("filter", rest)) if filters.len() < MOST_LINES => filters.push(rest.to_owned()),
            _ => {}
        }
    }
    (bookmarks, filters)
}

/// Reads the notes on a capture; none where there is no such file.
pub fn load(path: &Path) -> (BTreeMap<u64, String>, Vec<String>) {
    use std::io::Read;
    let file = std::fs::File::open(path);
    let mut bytes = Vec::new();
    let read_all = file.and_then(|file| file.take(MOST).read_to_end(&mut bytes));
    match (read_all, std::str::from_utf8(&bytes)) {
        (Ok(_), Ok(text)) => read(text),
        _ => (BTreeMap::new(), Vec::new()),
    }
}

/// Writes the notes: all of them or none.
pub fn store(path: &Path, text: &str) -> std::io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    std::fs::write(&new, text)?;
    std::fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_come_back_as_they_were_written() {
        let bookmarks = BTreeMap::from([(7, "the shell".to_owned()), (9, String::new())]);
        let filters = vec!["proc.name=sh".to_owned()];
        assert_eq!(read(&write(&bookmarks, &filters)), (bookmarks, filters));
        assert_eq!(read("something else\nmark 1 x\n").0.len(), 0);
    }

    #[test]
    fn a_note_cannot_hold_a_line_of_its_own() {
        let bookmarks = BTreeMap::from([(1, "a\nmark 2 b".to_owned())]);
        assert_eq!(read(&write(&bookmarks, &[])).0.len(), 1);
    }
}
