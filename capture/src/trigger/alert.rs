//! What another program tells: an alert that it raised, as far as it matters here.
//!
//! Nothing of it is believed. It chooses among containers that are known anyhow, by comparing, and its words are kept as
//! words.

use afterimage_detect::Priority;

/// Bytes kept of each text of an alert.
pub const MOST_TEXT: usize = 2_048;

/// An alert of another program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alert {
    /// Name of the rule that raised it; empty where there is none.
    pub rule: String,
    /// How urgent it is, where that is said.
    pub priority: Option<Priority>,
    /// The container it is about: name, id or the beginning of its id. Everything that is watched when `None`.
    pub container: Option<String>,
    /// What it says.
    pub text: String,
}

/// What became of alerts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Triggers that fired and have a file.
    pub fired: u64,
    /// Why others that were meant have none.
    pub refused: Vec<String>,
}

impl Alert {
    /// The same with every text cut to what is kept.
    pub fn bounded(mut self) -> Alert {
        for text in [&mut self.rule, &mut self.text] {
            shorten(text);
        }
        self.container.as_mut().map(shorten);
        self
    }

    /// In a few words.
    pub fn words(&self) -> String {
        let urgent = self.priority.map_or_else(String::new, |priority| {
            format!(" ({})", priority.name().to_lowercase())
        });
        match (self.rule.is_empty(), self.text.is_empty()) {
            (true, _) => format!("{}{urgent}", self.text),
            (false, true) => format!("{}{urgent}", self.rule),
            (false, false) => format!("{}{urgent}: {}", self.rule, self.text),
        }
    }
}

/// Cuts a text to [`MOST_TEXT`] bytes, between characters.
pub(crate) fn shorten(text: &mut String) {
    let mut most = MOST_TEXT.min(text.len());
    while !text.is_char_boundary(most) {
        most -= 1;
    }
    text.truncate(most);
}
