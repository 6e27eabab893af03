//! The line being typed: a filter, a search, an event number, a file name, or part of the name of a view or a column.

use crate::action::Action;
use afterimage_query::{Candidate, FilterError, VIEWS, View, complete};

/// What is being typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A filter for this step.
    Filter,
    /// A text to search for.
    Search,
    /// An event's number, or an instant.
    GoTo,
    /// The file to export to.
    Export,
    /// A view.
    View,
    /// A view of what is selected.
    Through,
    /// A column to show or to hide.
    Column,
    /// What is noted of an event.
    Note,
}

impl Kind {
    /// Whether one of a list below the line is picked.
    pub fn is_list(self) -> bool {
        matches!(self, Kind::View | Kind::Through | Kind::Column)
    }

    /// What stands before the line.
    pub fn prompt(self) -> &'static str {
        match self {
            Kind::Filter => "filter: ",
            Kind::Search => "search: ",
            Kind::GoTo => "go to event or time: ",
            Kind::Export => {
                "export to (.csv, .json, .md; .raw, .cast, .dot or .svg where there is one): "
            }
            Kind::Note => "note: ",
            Kind::View => "view: ",
            Kind::Through => "the selected row as view: ",
            Kind::Column => "columns: ",
        }
    }
}

/// The line, its caret, and what is said about it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What it is for.
    pub kind: Kind,
    /// What was typed.
    pub text: String,
    /// Where the caret is, in bytes; always between characters.
    pub caret: usize,
    /// Why it is not a filter.
    pub error: Option<FilterError>,
    /// Names that would complete the word before the caret, with a sentence each.
    pub hints: Vec<Candidate>,
    /// The selected view, or the line of history.
    pub choice: usize,
    /// The number of the event that a note is about.
    pub about: u64,
    /// The text is only proposed: the first character that is typed takes its place.
    pub proposed: bool,
}

impl Entry {
    /// Begins with a text, the caret at its end.
    pub fn new(kind: Kind, text: String) -> Entry {
        Entry {
            kind,
            caret: text.len(),
            text,
            error: None,
            hints: Vec::new(),
            choice: 0,
            about: 0,
            proposed: false,
        }
    }

    /// Begins with a text that is only proposed.
    pub fn proposing(kind: Kind, text: String) -> Entry {
        Entry {
            proposed: true,
            ..Entry::new(kind, text)
        }
    }

    /// Replaces the text.
    pub fn set(&mut self, text: String) {
        self.caret = text.len();
        self.text = text;
        self.touched();
    }

    fn touched(&mut self) {
        self.error = None;
        self.hints.clear();
        if self.kind.is_list() {
            self.choice = 0;
        }
    }

    fn before(&self) -> &str {
        self.text.get(..self.caret).unwrap_or_default()
    }

    /// Changes the line or moves the caret, where the action is about that; says whether it is.
    pub fn edit(&mut self, action: Action) -> bool {
        let proposed = std::mem::take(&mut self.proposed);
        match action {
            Action::Type(c) if proposed => {
                self.set(String::new());
                self.insert(c);
            }
            Action::Type(c) => self.insert(c),
            Action::Erase => self.erase(),
            Action::EraseNext => self.erase_next(),
            Action::EraseWord => self.erase_word(),
            Action::EraseLine => self.set(String::new()),
            Action::Left => self.step(false),
            Action::Right => self.step(true),
            Action::Home => self.caret = 0,
            Action::End => self.caret = self.text.len(),
            _ => return false,
        }
        true
    }

    /// Adds a character at the caret.
    pub fn insert(&mut self, c: char) {
        /// Nobody types a filter longer than this; a pasted file is not one.
        const LONGEST: usize = 8192;
        if self.text.len() < LONGEST && !c.is_control() {
            self.text.insert(self.caret, c);
            self.caret += c.len_utf8();
            self.touched();
        }
    }

    /// Deletes the character before the caret.
    pub fn erase(&mut self) {
        if let Some(c) = self.before().chars().next_back() {
            self.caret -= c.len_utf8();
            self.text.remove(self.caret);
            self.touched();
        }
    }

    /// Deletes the character under the caret.
    pub fn erase_next(&mut self) {
        if self.caret < self.text.len() {
            self.text.remove(self.caret);
            self.touched();
        }
    }

    /// Deletes the word before the caret.
    pub fn erase_word(&mut self) {
        let before = self.before();
        let keep = before
            .trim_end()
            .rfind(|c: char| c.is_whitespace())
            .map_or(0, |at| at + 1);
        self.text.replace_range(keep..self.caret, "");
        self.caret = keep;
        self.touched();
    }

    /// Moves the caret by one character.
    pub fn step(&mut self, forward: bool) {
        let rest = self.text.get(self.caret..).unwrap_or_default();
        match forward {
            true => self.caret += rest.chars().next().map_or(0, char::len_utf8),
            false => self.caret -= self.before().chars().next_back().map_or(0, char::len_utf8),
        }
    }

    /// Completes the word before the caret as far as it is certain, and keeps what it could become.
    pub fn complete(&mut self) {
        if self.kind != Kind::Filter {
            return;
        }
        let hints = complete(&self.text, self.caret);
        let Some(first) = hints.first() else {
            return self.touched();
        };
        let replace = first.replace.clone();
        let word = self.text.get(replace.clone()).unwrap_or_default();
        // Names that merely hold the word come after those that begin with it, and complete nothing.
        let begin = hints
            .iter()
            .filter(|hint| hint.replace == replace && hint.text.starts_with(word));
        let mut shared: Option<&str> = None;
        for hint in begin.clone() {
            let so_far = shared.unwrap_or(&hint.text);
            let same = so_far
                .char_indices()
                .zip(hint.text.chars())
                .take_while(|((_, a), b)| a == b);
            let end = same.last().map_or(0, |((at, c), _)| at + c.len_utf8());
            shared = so_far.get(..end);
        }
        let certain = if begin.count() == 0 && hints.len() == 1 {
            Some(first.text.as_str())
        } else {
            shared
        };
        let certain = certain.unwrap_or(word).to_owned();
        let one = hints.len() == 1;
        if self.text.is_char_boundary(replace.start) && replace.end <= self.text.len() {
            self.caret = replace.start + certain.len();
            self.text.replace_range(replace, &certain);
        }
        self.touched();
        if !one {
            self.hints = hints;
        } else if !certain.ends_with(['[', ' ']) {
            self.insert(' ');
        }
    }

    /// The views whose id or title holds the letters typed, in order.
    pub fn views(&self) -> Vec<&'static View> {
        let wanted = self.text.to_lowercase();
        let mut found: Vec<&'static View> = VIEWS
            .iter()
            .filter(|view| self.fits(view.id) || self.fits(view.title))
            .collect();
        // What begins with the letters comes before what merely holds them.
        found.sort_by_key(|view| {
            !(view.id.starts_with(&wanted) || view.title.to_lowercase().starts_with(&wanted))
        });
        found
    }

    /// The places of the columns whose title holds the letters typed, in order.
    pub fn columns(&self, view: &View) -> Vec<usize> {
        let titles = view.columns.iter().map(|column| column.title).enumerate();
        let fitting = titles.filter(|(_, title)| self.fits(title));
        fitting.map(|(at, _)| at).collect()
    }

    /// How many there are to pick from.
    pub fn choices(&self, view: &View) -> usize {
        match self.kind {
            Kind::View | Kind::Through => self.views().len(),
            Kind::Column => self.columns(view).len(),
            _ => 0,
        }
    }

    /// Whether a text holds the letters typed, in order.
    fn fits(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        let mut letters = text.chars();
        let wanted = self.text.to_lowercase();
        wanted.chars().all(|c| letters.any(|l| l == c))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_never_splits_a_character() {
        let mut entry = Entry::new(Kind::Filter, "ü検".to_owned());
        entry.step(false);
        entry.insert('x');
        assert_eq!(entry.text, "üx検");
        entry.erase();
        entry.erase();
        entry.erase();
        assert_eq!((entry.text.as_str(), entry.caret), ("検", 0));
        entry.erase_next();
        entry.step(true);
        entry.step(false);
        assert_eq!((entry.text.as_str(), entry.caret), ("", 0));
    }

    #[test]
    fn completion_goes_as_far_as_it_is_certain() {
        let mut entry = Entry::new(Kind::Filter, "proc.nam".to_owned());
        entry.complete();
        assert!(entry.text.starts_with("proc.name"), "{}", entry.text);
        let mut entry = Entry::new(Kind::Filter, "evt.type = open and evt.".to_owned());
        entry.complete();
        assert!(entry.text.starts_with("evt.type = open and evt."));
        assert!(entry.hints.len() > 1);
        assert!(
            entry
                .hints
                .iter()
                .take(3)
                .all(|hint| hint.text.starts_with("evt."))
        );
    }

    #[test]
    fn erasing_a_word_leaves_the_ones_before() {
        let mut entry = Entry::new(Kind::Filter, "proc.name = sh ".to_owned());
        entry.erase_word();
        assert_eq!(entry.text, "proc.name = ");
    }
}
