//! What a user can do, and the keys that do it: the table `BINDINGS`.
//!
//! A new key is one row here and one arm in [`State::update`](crate::state::State::update). The key map, the footer, the
//! help overlay and `docs/keys.md` read the same row.

/// A key as the user names it, whatever library reported it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// A character, with shift already applied.
    Char(char),
    /// Control and a letter.
    Ctrl(char),
    /// A function key.
    F(u8),
    /// Return.
    Enter,
    /// Escape.
    Esc,
    /// Backspace.
    Backspace,
    /// Delete.
    Delete,
    /// Tab.
    Tab,
    /// Shift and Tab.
    BackTab,
    /// Arrow up.
    Up,
    /// Arrow down.
    Down,
    /// Arrow left.
    Left,
    /// Arrow right.
    Right,
    /// Page up.
    PageUp,
    /// Page down.
    PageDown,
    /// Home.
    Home,
    /// End.
    End,
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Char(' ') => f.write_str("Space"),
            Char(c) => write!(f, "{c}"),
            Ctrl(c) => write!(f, "Ctrl-{}", c.to_ascii_uppercase()),
            F(n) => write!(f, "F{n}"),
            BackTab => f.write_str("Shift-Tab"),
            PageUp => f.write_str("PgUp"),
            PageDown => f.write_str("PgDn"),
            named => write!(f, "{named:?}"),
        }
    }
}

/// Where a binding holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everywhere except while typing and in an overlay.
    Everywhere,
    /// A view: its rows, tiles or panes.
    View,
    /// The overview's tiles.
    Tiles,
    /// A view that has rows.
    Rows,
    /// The timeline, when it has the focus.
    Timeline,
    /// Typing a filter, a search, a number, a file name, or into the list of views.
    Entry,
    /// What lies over the screen: help, the capture's description, a whole row.
    Overlay,
}

impl Scope {
    /// Every scope with its heading in help and documents.
    pub const ALL: &'static [(Scope, &'static str)] = &[
        (Scope::View, "In a view"),
        (Scope::Tiles, "On the overview's tiles"),
        (Scope::Rows, "Where there are rows"),
        (Scope::Everywhere, "Everywhere"),
        (Scope::Timeline, "On the timeline"),
        (Scope::Entry, "While typing"),
        (
            Scope::Overlay,
            "In what lies over the screen: help, the capture, a whole row",
        ),
    ];
}

/// Something the user wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// One row or line up.
    Up,
    /// One row or line down.
    Down,
    /// One column or tile to the left.
    Left,
    /// One column or tile to the right.
    Right,
    /// A page up.
    PageUp,
    /// A page down.
    PageDown,
    /// To the first row.
    Home,
    /// To the last row.
    End,
    /// Into the selected row.
    Drill,
    /// The events of the selected row.
    Dig,
    /// Into the selected row with a view of the user's choice.
    Through,
    /// How long the calls of the selected row waited.
    Spectrum,
    /// Pick the columns that are shown.
    Columns,
    /// Show the selected row with all its columns.
    Whole,
    /// Back to the step before.
    Back,
    /// Sort by the selected column, then the other way round, then as the view does.
    Sort,
    /// Sort by the column to the left.
    SortLeft,
    /// Sort by the column to the right.
    SortRight,
    /// Narrow to the value of the selected cell.
    FilterCell,
    /// Narrow to everything but the value of the selected cell.
    ExcludeCell,
    /// Fold or unfold the selected process; mark a tile; where nothing folds, play.
    Fold,
    /// Write the view to a file.
    Export,
    /// Edit the filter of this step.
    Filter,
    /// Drop the filter of this step.
    ClearFilter,
    /// Search for text.
    Search,
    /// Next match.
    Next,
    /// Previous match.
    Previous,
    /// Go to an event by number, or to an instant.
    GoTo,
    /// Focus the next pane.
    NextPane,
    /// Focus the previous pane.
    PreviousPane,
    /// Change how instants are shown.
    TimeFormat,
    /// Pick a view by name.
    Views,
    /// Describe the capture.
    Describe,
    /// Show the keys.
    Help,
    /// Stop the work in progress, or close what is open.
    Cancel,
    /// Leave.
    Quit,
    /// Mark one end of a range, then the other.
    Mark,
    /// Mark the selected tile: the timeline shows its course; or take the mark away.
    Pin,
    /// Take the marks of all tiles away.
    Unpin,
    /// Show half of the span, around the cursor.
    ZoomIn,
    /// Show twice the span.
    ZoomOut,
    /// Show the whole capture.
    WholeSpan,
    /// Take what was typed.
    Accept,
    /// Complete the word before the caret.
    Complete,
    /// Delete the character before the caret.
    Erase,
    /// Delete the character under the caret.
    EraseNext,
    /// Delete the word before the caret.
    EraseWord,
    /// Delete everything.
    EraseLine,
    /// Let the instant move on by itself, or stop it.
    Play,
    /// So many nanoseconds have passed. Nobody's key.
    Tick(u64),
    /// Play slower.
    Slower,
    /// Play faster.
    Faster,
    /// The instant a step back.
    Before,
    /// The instant a step on.
    After,
    /// Mark the selected event, with a note.
    Bookmark,
    /// To the next marked event.
    NextBookmark,
    /// List the marked events.
    Bookmarks,
    /// To where the user was when they left last.
    Resume,
    /// Measure times from the selected event.
    Reference,
    /// Show what is hidden.
    Reveal,
    /// Hand the selected cell to the clipboard.
    Copy,
    /// Print the command that leads here.
    Link,
    /// What was said over the selected connection.
    Echo,
    /// How it came to the selected event.
    Tell,
    /// Group by the selected column.
    Group,
    /// A conversation as text or in hex.
    OtherForm,
    /// Open the view with this key. Bound by the rows of `VIEWS`, not by `BINDINGS`.
    OpenView(char),
    /// A character while typing.
    Type(char),
    /// The left button went down on this column and line.
    Press(u16, u16),
    /// The pointer moved there with the button down.
    Drag(u16, u16),
    /// The button went up there.
    Release(u16, u16),
    /// The wheel turned; lines, negative is up.
    Wheel(i8),
    /// The terminal has this many columns and lines.
    Resize(u16, u16),
}

impl Action {
    /// Whether somebody did it who has read what was said: else it comes by itself, or while something is under way.
    pub fn is_meant(self) -> bool {
        use Action::{Drag, Release, Resize, Tick};
        !matches!(self, Resize(..) | Drag(..) | Release(..) | Tick(_))
    }
}

/// A row of [`BINDINGS`].
#[derive(Clone, Copy, Debug)]
pub struct Binding {
    /// What is done.
    pub action: Action,
    /// Where.
    pub scope: Scope,
    /// The keys that do it; the first is the one the footer shows.
    pub keys: &'static [Key],
    /// A word for the footer; empty keeps it out of there.
    pub short: &'static str,
    /// A sentence for help and documents.
    pub doc: &'static str,
}

macro_rules! bindings {
    ($( $scope:ident $action:ident [$($key:expr),+ $(,)?] $short:literal $doc:literal; )*) => {
        &[$(Binding { action: Action::$action, scope: Scope::$scope, keys: &[$($key),+], short: $short, doc: $doc }),*]
    };
}

use Key::{
    BackTab, Backspace, Char, Ctrl, Delete, Down, End, Enter, Esc, F, Home, Left, PageDown, PageUp,
    Right, Tab, Up,
};

/// Every key. In a scope's footer they come in this order.
pub const BINDINGS: &[Binding] = bindings! {
    Timeline Mark  [Enter, Char(' ')] "mark" "Mark one end of a range; the second mark shows just that range, in every view.";
    View Drill        [Enter] "open" "Go into the selected row: the view it leads to, narrowed to that row.";
    Everywhere Back   [Backspace, Ctrl('h')] "back" "Go back to the step before.";
    Everywhere Help   [Char('?'), F(1)] "help" "Show the keys and what this view means.";
    Everywhere Filter [Char('/'), F(4), Char('\\')] "filter" "Edit the filter of this step; Tab completes names.";
    View Dig          [Char('d'), F(6)] "events" "Show the events behind the selected row.";
    Tiles Pin         [Char('m')] "compare" "Mark the selected tile: the timeline shows the courses of all marked tiles one below the other; again to take the mark away.";
    View Through      [Char('a')] "other view" "Go into the selected row with another view: pick it by name.";
    Rows Sort         [Char('s'), F(9)] "sort" "Sort by the selected column; again for the other way round; again for the view's own order.";
    Rows FilterCell   [Char('f')] "only this" "Narrow to rows with the value of the selected cell.";
    Rows ExcludeCell  [Char('F')] "not this" "Narrow to rows without the value of the selected cell.";
    Rows Echo         [Char('e'), F(5)] "said" "Show what was said over the selected connection, pipe or terminal; of any other row what its events moved.";
    Rows Tell         [Char('b')] "story" "Tell how it came to the selected event, and what came of it.";
    Everywhere Views  [F(2), Char(':')] "views" "Pick a view by name.";
    Everywhere Quit   [Char('q'), F(10), Ctrl('c')] "quit" "Leave the inspector.";
    Everywhere NextPane     [Tab] "pane" "Focus the next pane, or the timeline.";
    Everywhere Search       [Ctrl('f')] "" "Search the rows for text.";
    Everywhere Next         [Char('n'), F(3)] "" "Go to the next match of the search.";
    Everywhere Previous     [Char('N')] "" "Go to the previous match of the search.";
    Everywhere GoTo         [Char('g'), Ctrl('g')] "go to" "Go to an event by its number, or to an instant: 17:19:46.5, a date and time, or +90s after the first event.";
    Everywhere TimeFormat   [Char('t')] "time" "Change how instants are shown: time of day, date and time, since the first event, nanoseconds since 1970.";
    View Export             [Char('x')] "export" "Write this view to a new file: .csv, .json, .md; conversations also .raw, sessions .cast, the map .dot and .svg.";
    Everywhere Play         [Char('p')] "play" "Show everything as it was at an instant, and let the instant move on; again to stop.";
    Rows Bookmark           [Char('m')] "mark" "Mark the selected event with a note; an empty note takes the mark away.";
    Everywhere Describe     [Char('i'), F(7)] "capture" "Describe the capture: who recorded it, where, of what, and what it does not see.";
    Everywhere PreviousPane [BackTab] "" "Focus the previous pane.";
    Everywhere ClearFilter  [Delete, Ctrl('l')] "" "Drop the filter of this step.";
    Everywhere ZoomIn       [Char('+')] "" "Show half of the span, around the timeline's cursor.";
    Everywhere ZoomOut      [Char('-')] "" "Show twice the span.";
    Everywhere WholeSpan    [Char('=')] "" "Show the whole capture again, up to its end.";
    Everywhere Unpin        [Char('z')] "" "Take the marks of all tiles away.";
    Everywhere Cancel       [Esc] "" "Stop the work in progress and keep what it has found.";
    View Up        [Up, Char('k')] "" "Move up.";
    View Down      [Down, Char('j')] "" "Move down.";
    View Left      [Left, Char('h')] "" "Select the column to the left.";
    View Right     [Right, Char('l')] "" "Select the column to the right.";
    View PageUp    [PageUp, Ctrl('b')] "" "Move a page up.";
    View PageDown  [PageDown, Ctrl('d')] "" "Move a page down.";
    View Home      [Home] "" "Go to the first row.";
    View End       [End, Char('G')] "" "Go to the last row.";
    Rows SortLeft  [Char('<')] "" "Sort by the column to the left of the one sorted by.";
    Rows SortRight [Char('>')] "" "Sort by the column to the right of the one sorted by.";
    Everywhere Before       [Char('[')] "" "Move the instant a step back.";
    Everywhere After        [Char(']')] "" "Move the instant a step on.";
    Everywhere Slower       [Char('{')] "" "Play slower, down to a tenth of the speed it had.";
    Everywhere Faster       [Char('}')] "" "Play faster, up to a thousand times the speed it had.";
    Everywhere NextBookmark [Char('\'')] "" "Go to the next marked event.";
    Everywhere Bookmarks    [Char('"')] "" "List the marked events and their notes.";
    Everywhere Resume       [Char('r')] "" "Go to where you were when you left this capture last, where something is kept of it.";
    Everywhere Link         [Char('u')] "" "Print the command that leads to this place, and hand it to the terminal's clipboard.";
    Rows Reference [Char('T')] "" "Measure times from the selected event; again to stop.";
    Rows Group     [Char('o')] "" "Group the events of this step by the field of the selected column.";
    Rows OtherForm [Char('v')] "" "Show a conversation in hex, or as text again.";
    Rows Reveal    [Char('R')] "" "Show what is hidden because it is a secret, or hide it again.";
    Rows Copy      [Char('y')] "" "Hand the selected cell to the terminal's clipboard (OSC 52).";
    Rows Columns   [Char('c')] "" "Pick the columns that are shown.";
    Rows Whole     [Char('w')] "whole row" "Show the selected row whole: every column, with all that stands in it.";
    View Spectrum  [F(12)] "" "Show how long the calls behind the selected row waited, over time.";
    View Fold      [Char(' ')] "" "Fold or unfold the children of the selected process; on a tile, mark it; where nothing folds, and while playing, the same as play.";
    Timeline Left  [Left, Char('h')] "" "Move the cursor back.";
    Timeline Right [Right, Char('l')] "" "Move the cursor on.";
    Timeline Home  [Home] "" "Move the cursor to the beginning.";
    Timeline End   [End] "" "Move the cursor to the end.";
    Entry Accept    [Enter] "accept" "Take what was typed.";
    Entry Cancel    [Esc, Ctrl('c')] "cancel" "Leave everything as it was.";
    Entry Complete  [Tab] "complete" "Complete the name before the caret.";
    Entry EraseLine [Ctrl('u')] "erase all" "Delete everything.";
    Entry EraseWord [Ctrl('w')] "" "Delete the word before the caret.";
    Entry Erase     [Backspace] "" "Delete the character before the caret.";
    Entry EraseNext [Delete] "" "Delete the character under the caret.";
    Entry Left      [Left] "" "Move the caret to the left.";
    Entry Right     [Right] "" "Move the caret to the right.";
    Entry Home      [Home, Ctrl('a')] "" "Move the caret to the beginning.";
    Entry End       [End, Ctrl('e')] "" "Move the caret to the end.";
    Entry Up        [Up] "" "Take the line typed before, or the entry above.";
    Entry Down      [Down] "" "Take the line typed after, or the entry below.";
    Overlay Cancel   [Esc, Char('q'), Char('?'), F(1), Backspace, Enter, Char('i'), F(7), Char('w')] "close" "Close.";
    Overlay Up       [Up, Char('k')] "" "Scroll up.";
    Overlay Down     [Down, Char('j')] "" "Scroll down.";
    Overlay PageUp   [PageUp] "" "Scroll a page up.";
    Overlay PageDown [PageDown, Char(' ')] "" "Scroll a page down.";
    Overlay Home     [Home] "" "Scroll to the top.";
    Overlay End      [End] "" "Scroll to the end.";
    Overlay Quit     [F(10), Ctrl('c')] "" "Leave the inspector.";
};

/// What a key means where `scopes` hold, nearest first. While typing, characters type themselves; elsewhere a character
/// without a binding may be the key of a view.
pub fn action(key: Key, scopes: &[Scope]) -> Option<Action> {
    let bound = |scope: &Scope| {
        crate::keymap::bindings()
            .iter()
            .find(|row| row.scope == *scope && row.keys.contains(&key))
            .map(|row| row.action)
    };
    if let Some(action) = scopes.iter().find_map(bound) {
        return Some(action);
    }
    match key {
        Char(c) if scopes.contains(&Scope::Entry) => Some(Action::Type(c)),
        Char(c) if scopes.contains(&Scope::Everywhere) => afterimage_query::VIEWS
            .iter()
            .any(|view| view.key == c)
            .then_some(Action::OpenView(c)),
        _ => None,
    }
}

/// The keys as a document.
pub fn keys_markdown() -> String {
    let mut out = String::from(
        "# Keys of the inspector\n\nPrinted from the table `BINDINGS`; `BLESS=1` rewrites it. A file of lines such as `Play = F7, P` changes them \
         (`inspect --keys FILE`), but for those while typing and in help.\n",
    );
    for (scope, heading) in Scope::ALL {
        out += &format!("\n## {heading}\n\n| keys | what they do | action |\n|---|---|---|\n");
        for row in BINDINGS.iter().filter(|row| row.scope == *scope) {
            let keys: Vec<String> = row
                .keys
                .iter()
                .map(|key| format!("`{key}`").replace("`\\`", "`` \\ ``"))
                .collect();
            let name = format!("{:?}", row.action);
            out += &format!("| {} | {} | {name} |\n", keys.join(" "), row.doc);
        }
    }
    out += "\n## Views\n\n| key | view | what it shows |\n|---|---|---|\n";
    for view in afterimage_query::VIEWS.iter() {
        let key = if view.key == '\0' {
            String::new()
        } else {
            format!("`{}`", view.key)
        };
        out += &format!("| {key} | {} | {} |\n", view.title, view.doc);
    }
    out + "\nThe mouse selects rows, tiles and columns, turns the wheel, and marks a range on the timeline.\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_key_is_bound_twice_where_it_can_be_pressed() {
        for scopes in [
            &[Scope::Rows, Scope::View, Scope::Everywhere][..],
            &[Scope::Tiles, Scope::View, Scope::Everywhere],
            &[Scope::Timeline, Scope::Everywhere],
            &[Scope::Entry],
            &[Scope::Overlay],
        ] {
            let mut seen = HashSet::new();
            for row in BINDINGS.iter().filter(|row| scopes.contains(&row.scope)) {
                for key in row.keys {
                    assert!(seen.insert(*key), "{key} is bound twice in {scopes:?}");
                }
            }
        }
    }

    #[test]
    fn no_view_has_the_key_of_a_binding_or_of_another_view() {
        let mut seen = HashSet::new();
        for view in afterimage_query::VIEWS
            .iter()
            .filter(|view| view.key != '\0')
        {
            let bound = BINDINGS
                .iter()
                .find(|row| row.scope != Scope::Entry && row.keys.contains(&Char(view.key)));
            assert!(
                bound.is_none(),
                "{} of view {} is bound to {:?}",
                view.key,
                view.id,
                bound.map(|row| row.action)
            );
            assert!(seen.insert(view.key), "two views have the key {}", view.key);
        }
    }

    #[test]
    fn every_binding_says_what_it_does_in_a_sentence() {
        for row in BINDINGS {
            assert!(
                row.doc.ends_with('.') && row.doc.starts_with(char::is_uppercase),
                "{:?}: {}",
                row.action,
                row.doc
            );
            assert!(!row.keys.is_empty());
        }
    }

    #[test]
    fn while_typing_letters_are_letters() {
        assert_eq!(action(Char('q'), &[Scope::Entry]), Some(Action::Type('q')));
        assert_eq!(
            action(Char('q'), &[Scope::View, Scope::Everywhere]),
            Some(Action::Quit)
        );
        assert_eq!(action(Ctrl('c'), &[Scope::Entry]), Some(Action::Cancel));
    }
}
