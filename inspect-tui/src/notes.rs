//! Bookmarks with notes, the filters that were typed, and the way to where the user was last, as a text file beside the capture: never in the evidence itself.
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

/// What is kept of a user's work on a capture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// Marked events and what was noted of them.
    pub bookmarks: BTreeMap<u64, String>,
    /// Filters that were typed, oldest first.
    pub filters: Vec<String>,
    /// Where the user was last.
    pub place: Place,
}

/// A place in a capture: the trail to it, the part and the instant that were shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// From the first view to the last.
    pub steps: Vec<KeptStep>,
    /// The part of the capture, ns since boot.
    pub span: Option<(u64, u64)>,
    /// The instant, ns since boot.
    pub at: Option<u64>,
    /// The event, where the last step lists events.
    pub event: Option<u64>,
    /// Tiles whose courses the timeline shows: the place of the letter, and the tile's id.
    pub tiles: Vec<(usize, String)>,
}

/// A step of a trail as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptStep {
    /// The id of the view; of one that groups by a field, `by` and the field.
    pub view: String,
    /// The row that was opened.
    pub from: String,
    /// The filter of that row.
    pub narrowing: String,
    /// The user's own filter.
    pub filter: String,
    /// Whether the filters of the steps before hold no longer.
    pub fresh: bool,
}

/// The text of a file of notes.
pub fn write(notes: &Notes) -> String {
    let mut out = format!("{HEAD}\n");
    let mut line = |word: &str, text: &str| {
        if !text.is_empty() {
            out += &format!("{word} {}\n", fit::plain(text));
        }
    };
    for (num, note) in &notes.bookmarks {
        line("mark", &format!("{num} {note}"));
    }
    for filter in &notes.filters {
        line("filter", filter);
    }
    for step in &notes.place.steps {
        line("step", &step.view);
        line("from", &step.from);
        line("narrowing", &step.narrowing);
        line("own", &step.filter);
        line("fresh", if step.fresh { "yes" } else { "" });
    }
    if let Some((first, last)) = notes.place.span {
        line("span", &format!("{first} {last}"));
    }
    if let Some(at) = notes.place.at {
        line("at", &at.to_string());
    }
    if let Some(num) = notes.place.event {
        line("event", &num.to_string());
    }
    for (letter, tile) in &notes.place.tiles {
        line("tile", &format!("{letter} {tile}"));
    }
    out
}

/// Notes from such a text; lines that are none are left out.
pub fn read(text: &str) -> Notes {
    /// Nobody goes deeper.
    const MOST_STEPS: usize = 100;
    let mut notes = Notes::default();
    let mut lines = text.lines();
    if lines.next() != Some(HEAD) {
        return notes;
    }
    for line in lines {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let steps = &mut notes.place.steps;
        match word {
            "mark" => {
                let (num, note) = rest.split_once(' ').unwrap_or((rest, ""));
                if let Ok(num) = num.parse()
                    && notes.bookmarks.len() < MOST_LINES
                {
                    notes.bookmarks.insert(num, note.to_owned());
                }
            }
            "filter" if notes.filters.len() < MOST_LINES => notes.filters.push(rest.to_owned()),
            "step" if steps.len() < MOST_STEPS => steps.push(KeptStep {
                view: rest.to_owned(),
                ..KeptStep::default()
            }),
            "from" | "narrowing" | "own" => {
                if let Some(step) = steps.last_mut() {
                    let part = match word {
                        "from" => &mut step.from,
                        "narrowing" => &mut step.narrowing,
                        _ => &mut step.filter,
                    };
                    rest.clone_into(part);
                }
            }
            "fresh" => {
                if let Some(step) = steps.last_mut() {
                    step.fresh = true;
                }
            }
            "span" => {
                let ends = rest.split_once(' ');
                let parsed = ends.map(|(first, last)| (first.parse().ok(), last.parse().ok()));
                if let Some((Some(first), Some(last))) = parsed {
                    notes.place.span = Some((first, last));
                }
            }
            "at" => notes.place.at = rest.parse().ok(),
            "event" => notes.place.event = rest.parse().ok(),
            "tile" if notes.place.tiles.len() < MOST_STEPS => {
                let parted = rest.split_once(' ');
                if let Some((Ok(letter), tile)) = parted.map(|(n, id)| (n.parse(), id)) {
                    notes.place.tiles.push((letter, tile.to_owned()));
                }
            }
            _ => {}
        }
    }
    notes
}

/// Reads the notes on a capture; none where there is no such file.
pub fn load(path: &Path) -> Notes {
    use std::io::Read;
    let file = std::fs::File::open(path);
    let mut bytes = Vec::new();
    let read_all = file.and_then(|file| file.take(MOST).read_to_end(&mut bytes));
    match (read_all, std::str::from_utf8(&bytes)) {
        (Ok(_), Ok(text)) => read(text),
        _ => Notes::default(),
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
        let step = |view: &str, narrowing: &str| KeptStep {
            view: view.to_owned(),
            from: "sh[7] web".to_owned(),
            narrowing: narrowing.to_owned(),
            filter: String::new(),
            fresh: view != "overview",
        };
        let notes = Notes {
            bookmarks: BTreeMap::from([(7, "the shell".to_owned()), (9, String::new())]),
            filters: vec!["proc.name=sh".to_owned()],
            place: Place {
                steps: vec![step("overview", ""), step("by proc.name", "evt.num=3")],
                span: Some((3, 9)),
                at: Some(5),
                event: Some(3),
                tiles: vec![(0, "events".to_owned()), (2, "commands".to_owned())],
            },
        };
        assert_eq!(read(&write(&notes)), notes);
        let others = read("something else\nmark 1 x\nstep files\n");
        assert_eq!(others, Notes::default());
    }

    #[test]
    fn a_note_cannot_hold_a_line_of_its_own() {
        let bookmarks = BTreeMap::from([(1, "a\nmark 2 b".to_owned())]);
        let notes = Notes {
            bookmarks,
            ..Notes::default()
        };
        assert_eq!(read(&write(&notes)).bookmarks.len(), 1);
    }
}
