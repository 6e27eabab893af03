//! Keys of one's own: a file of lines `ACTION = KEY, KEY`, with the names of `docs/keys.md`. The keys of an action that is named
//! are replaced by those given, and taken from whatever had them where both can be pressed. Help and footer show the result.

use crate::action::{Action, BINDINGS, Binding, Key, Scope};
use std::sync::OnceLock;

static OWN: OnceLock<Vec<Binding>> = OnceLock::new();

/// The bindings that hold: the user's where there are some, else those of the table.
pub fn bindings() -> &'static [Binding] {
    OWN.get().map_or(BINDINGS, Vec::as_slice)
}

/// Makes these bindings hold, once for the whole run.
pub fn set(own: Vec<Binding>) {
    // Whoever comes second finds what the first has set: there is one user.
    let _ = OWN.set(own);
}

/// Scopes that hold at the same time, so that no key may mean two things in them.
const TOGETHER: &[&[Scope]] = &[
    &[Scope::Rows, Scope::View, Scope::Everywhere],
    &[Scope::Tiles, Scope::View, Scope::Everywhere],
    &[Scope::Timeline, Scope::Everywhere],
    &[Scope::Entry],
    &[Scope::Overlay],
];

/// A line that is none, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong.
    pub why: String,
}

/// Reads the text of such a file. Lines that begin with `#` are remarks.
pub fn parse(text: &str) -> Result<Vec<Binding>, Refused> {
    let mut own: Vec<Binding> = BINDINGS.to_vec();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let refused = |why: String| Refused { line: at + 1, why };
        let (name, keys) = line
            .split_once('=')
            .ok_or_else(|| refused("it is not ACTION = KEY, KEY".to_owned()))?;
        let (name, keys) = (name.trim(), keys.trim());
        let keys = keys
            .split(", ")
            .map(|key| named(key.trim()).ok_or_else(|| refused(format!("there is no key {key}"))))
            .collect::<Result<Vec<Key>, Refused>>()?;
        let scopes: Vec<Scope> = own
            .iter()
            .filter(|row| format!("{:?}", row.action) == name)
            .map(|row| row.scope)
            // What is typed, and what closes help, stays as it is.
            .filter(|scope| !matches!(scope, Scope::Entry | Scope::Overlay))
            .collect();
        if scopes.is_empty() {
            return Err(refused(format!("there is no action {name}")));
        }
        let meets = |scope: Scope| {
            let mut together = TOGETHER.iter().filter(|group| group.contains(&scope));
            together.any(|group| scopes.iter().any(|own| group.contains(own)))
        };
        for row in &mut own {
            if format!("{:?}", row.action) == name && scopes.contains(&row.scope) {
                row.keys = Box::leak(keys.clone().into_boxed_slice());
            } else if meets(row.scope) && row.keys.iter().any(|key| keys.contains(key)) {
                let left = row.keys.iter().copied().filter(|key| !keys.contains(key));
                row.keys = Box::leak(left.collect::<Vec<_>>().into_boxed_slice());
            }
        }
    }
    let leave = own.iter().any(|row| {
        row.action == Action::Quit && row.scope == Scope::Everywhere && !row.keys.is_empty()
    });
    if !leave {
        return Err(Refused {
            line: 0,
            why: "no key is left to leave by (Quit)".to_owned(),
        });
    }
    Ok(own)
}

/// A key by the name that help shows.
fn named(text: &str) -> Option<Key> {
    let mut characters = text.chars();
    if let (Some(c), None) = (characters.next(), characters.next()) {
        return (!c.is_control() && c != ' ').then_some(Key::Char(c));
    }
    match crate::play::keys(&format!("<{text}>")).as_slice() {
        [key] => Some(*key),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(own: &[Binding], action: Action) -> Vec<Key> {
        let row = own.iter().find(|row| row.action == action).unwrap();
        row.keys.to_vec()
    }

    #[test]
    fn a_key_that_is_given_away_is_taken_from_where_it_was() {
        let own = parse("# mine\nPlay = F7, P\n\nHelp = Ctrl-H\n").unwrap();
        assert_eq!(keys(&own, Action::Play), [Key::F(7), Key::Char('P')]);
        assert_eq!(keys(&own, Action::Describe), [Key::Char('i')]);
        assert_eq!(keys(&own, Action::Help), [Key::Ctrl('h')]);
        assert_eq!(keys(&own, Action::Back), [Key::Backspace]);
    }

    #[test]
    fn what_is_no_key_or_no_action_is_refused_with_its_line() {
        let line = |text| parse(text).unwrap_err().line;
        assert_eq!(line("Play = p\nDance = d"), 2);
        assert_eq!(line("Play = Hyper-X"), 1);
        assert_eq!(line("Play"), 1);
        assert!(parse("Play = q\nSort = F10\nFold = Ctrl-C").is_err());
    }
}
