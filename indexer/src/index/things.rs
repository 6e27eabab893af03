//! Things with text: what a search finds. Each kind is a row of [`KINDS`]; `Gather` takes them from events.

use std::borrow::Borrow;
use std::sync::Arc;

/// What a thing is. Numbers are part of the index only, which can always be made anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A program that ran, with its arguments.
    Process = 0,
    /// A file, by the kernel's name.
    File = 1,
    /// A path as a program passed it, where that is not the file's own name.
    Path = 2,
    /// An internet address; a server's also with its port.
    Address = 3,
    /// A name that a name server was asked for or answered with.
    Name = 4,
    /// A container.
    Container = 5,
    /// A request in HTTP.
    Request = 6,
    /// A line for the system log or on standard error.
    Line = 7,
    /// A word in what was read, written, sent or received.
    Word = 8,
    /// The hash of a program or of an artifact.
    Hash = 9,
    /// A remark or an entry of the custody log.
    Note = 10,
    /// Why the capture was made.
    Alert = 11,
    /// An event's internet socket: has no text, says where addresses are.
    Flow = 12,
}

/// A row of [`KINDS`].
pub struct KindRow {
    /// Which.
    pub kind: Kind,
    /// What it is called.
    pub name: &'static str,
    /// Its texts, by the names of fields where there are such.
    pub fields: &'static [&'static str],
    /// Whether one row of a table decides all of its texts, so that a filter may be told by them where it cannot match.
    pub by_row: bool,
}

/// Every kind with text, in the order of their numbers, the most telling first where ranks are equal.
pub const KINDS: &[KindRow; 13] = &[
    KindRow {
        kind: Kind::Process,
        name: "process",
        fields: &["proc.name", "proc.exepath", "proc.cmdline", "proc.cwd"],
        by_row: true,
    },
    KindRow {
        kind: Kind::File,
        name: "file",
        fields: &["fd.name"],
        by_row: true,
    },
    KindRow {
        kind: Kind::Path,
        name: "path",
        fields: &["fd.nameraw"],
        by_row: false,
    },
    KindRow {
        kind: Kind::Address,
        name: "address",
        fields: &["fd.ip"],
        by_row: false,
    },
    KindRow {
        kind: Kind::Name,
        name: "name",
        fields: &["dns.question", "dns.answers"],
        by_row: false,
    },
    KindRow {
        kind: Kind::Container,
        name: "container",
        fields: &[
            "container.name",
            "container.full_id",
            "container.image",
            "container.labels",
        ],
        by_row: false,
    },
    KindRow {
        kind: Kind::Request,
        name: "request",
        fields: &["http.request", "http.host"],
        by_row: false,
    },
    KindRow {
        kind: Kind::Line,
        name: "line",
        fields: &["syslog.message", "evt.buffer"],
        by_row: false,
    },
    KindRow {
        kind: Kind::Word,
        name: "word",
        fields: &["evt.buffer"],
        by_row: false,
    },
    KindRow {
        kind: Kind::Hash,
        name: "hash",
        fields: &["proc.exe_hash.sha256", "artifact.hash", "artifact.name"],
        by_row: false,
    },
    KindRow {
        kind: Kind::Note,
        name: "note",
        fields: &["note.text", "note.action", "note.author"],
        by_row: false,
    },
    KindRow {
        kind: Kind::Alert,
        name: "alert",
        fields: &["capture.trigger", "capture.reason"],
        by_row: false,
    },
    KindRow {
        kind: Kind::Flow,
        name: "flow",
        fields: &[],
        by_row: false,
    },
];

impl Kind {
    /// Its row.
    pub fn row(self) -> &'static KindRow {
        let [first, ..] = KINDS;
        KINDS.get(self as usize).unwrap_or(first)
    }

    /// Whether rows of processes hold it.
    pub(crate) fn is_of_process(self) -> bool {
        matches!(self, Kind::Process | Kind::Container | Kind::Hash)
    }

    /// Whether rows of files hold it.
    pub(crate) fn is_of_file(self) -> bool {
        matches!(self, Kind::File | Kind::Address | Kind::Flow)
    }

    /// Whether paths that a program passed hold it.
    pub(crate) fn is_of_paths(self) -> bool {
        self == Kind::Path
    }

    /// Whether what was read and written holds it.
    pub(crate) fn is_of_payload(self) -> bool {
        matches!(self, Kind::Name | Kind::Request | Kind::Line | Kind::Word)
    }

    pub(crate) fn from_code(code: u8) -> Option<Kind> {
        KINDS.get(usize::from(code)).map(|row| row.kind)
    }
}

/// Longest text of a thing that is kept, in bytes.
pub(crate) const MOST_TEXT: usize = 4096;

/// Most texts a thing has.
pub(crate) const MOST_FIELDS: usize = 4;

/// How many of those who had to do with a thing are named: the first in the order of their names.
pub(crate) const MOST_ACTORS: usize = 8;

/// A thing's kind and texts in one string of bytes, by which things are told apart and put in order: the kind, a bit for
/// each text that was cut, and for each text its length and one more, or 0 where there is none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Thing(pub Vec<u8>);

impl Thing {
    pub fn new(kind: Kind, texts: &[Option<&[u8]>]) -> Thing {
        let mut key = Vec::new();
        Thing::encode(kind, texts, &mut key);
        Thing(key)
    }

    /// Puts its bytes behind what is there, which is nothing.
    pub fn encode(kind: Kind, texts: &[Option<&[u8]>], key: &mut Vec<u8>) {
        key.extend([kind as u8, 0]);
        let mut cut = 0u8;
        for (at, text) in texts.iter().take(MOST_FIELDS).enumerate() {
            let kept = text.map(|text| text.get(..MOST_TEXT).unwrap_or(text));
            if kept.map(<[u8]>::len) != text.map(<[u8]>::len) {
                cut |= 1 << at;
            }
            let len = kept.map_or(0, |text| text.len() + 1) as u16;
            key.extend(len.to_be_bytes());
            key.extend(kept.unwrap_or_default());
        }
        if let Some(marks) = key.get_mut(1) {
            *marks = cut;
        }
    }

    /// The kind; `None` of bytes that are no thing.
    pub fn kind(&self) -> Option<Kind> {
        Kind::from_code(*self.0.first()?)
    }

    /// Whether the text at this place was longer.
    pub fn is_cut(&self, at: usize) -> bool {
        self.0
            .get(1)
            .is_some_and(|marks| at < 8 && marks >> at & 1 == 1)
    }

    /// Its texts, in the order of the kind's fields; fewer where the bytes end early.
    pub fn texts(&self) -> impl Iterator<Item = Option<&[u8]>> {
        let mut rest = self.0.get(2..).unwrap_or_default();
        std::iter::from_fn(move || {
            let (len, after) = rest.split_first_chunk::<2>()?;
            let Some(len) = usize::from(u16::from_be_bytes(*len)).checked_sub(1) else {
                rest = after;
                return Some(None);
            };
            let text = after.get(..len)?;
            rest = after.get(len..).unwrap_or_default();
            Some(Some(text))
        })
    }
}

impl Borrow<[u8]> for Thing {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

/// Who had to do with a thing: the name of the process, a NUL, the name of its container.
pub(crate) type Actor = Arc<[u8]>;

/// What instants of a tally are rounded to, ns: the first down, the last up.
pub(crate) const TICK: u64 = 1_000_000;

/// How often a thing was met, when, and by whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub count: u64,
    /// First and last instant, ns since boot, rounded outwards to whole [`TICK`]s.
    pub first: u64,
    pub last: u64,
    /// In the order of names, at most [`MOST_ACTORS`].
    pub by: Vec<(Actor, u64)>,
}

impl Tally {
    /// Adds another of the same thing.
    pub fn absorb(&mut self, other: Tally) {
        if other.count > 0 && self.count > 0 {
            self.first = self.first.min(other.first);
            self.last = self.last.max(other.last);
        } else if other.count > 0 {
            (self.first, self.last) = (other.first, other.last);
        }
        self.count = self.count.saturating_add(other.count);
        if self.by.is_empty() {
            self.by = other.by;
            return;
        }
        for (actor, count) in other.by {
            match self.by.binary_search_by(|(have, _)| have.cmp(&actor)) {
                Ok(at) => {
                    if let Some((_, sum)) = self.by.get_mut(at) {
                        *sum = sum.saturating_add(count);
                    }
                }
                Err(at) if at < MOST_ACTORS => self.by.insert(at, (actor, count)),
                Err(_) => {}
            }
        }
        self.by.truncate(MOST_ACTORS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use afterimage_query::FieldRef;

    #[test]
    fn every_kind_stands_at_its_number_and_has_few_texts() {
        for (at, row) in KINDS.iter().enumerate() {
            assert_eq!(row.kind as usize, at);
            assert!(row.fields.len() <= MOST_FIELDS);
            assert!(!row.by_row || row.fields.iter().all(|name| FieldRef::parse(name).is_ok()));
        }
    }

    #[test]
    fn the_document_names_every_kind_and_its_texts() {
        let document = include_str!("../../../docs/search.md");
        for row in KINDS.iter().filter(|row| !row.fields.is_empty()) {
            let line = format!("| {} |", row.name);
            let line = document.lines().find(|found| found.starts_with(&line));
            let line = line.unwrap_or_else(|| panic!("{} is not in docs/search.md", row.name));
            for field in row.fields {
                assert!(line.contains(&format!("`{field}`")), "{field}: {line}");
            }
        }
    }

    #[test]
    fn a_thing_gives_back_its_texts_and_bad_bytes_give_none() {
        let long = vec![b'x'; 5000];
        let thing = Thing::new(Kind::Process, &[Some(b"sh"), None, Some(&long), Some(b"")]);
        let texts: Vec<_> = thing.texts().collect();
        assert_eq!(texts[0], Some(&b"sh"[..]));
        assert_eq!((texts[1], texts[3]), (None, Some(&b""[..])));
        assert_eq!(texts[2].map(<[u8]>::len), Some(MOST_TEXT));
        assert!(thing.is_cut(2) && !thing.is_cut(0));
        assert_eq!(Thing(vec![200, 0, 255, 255, 1]).texts().count(), 0);
        assert_eq!(Thing(vec![]).kind(), None);
    }

    #[test]
    fn tallies_add_up_in_any_order() {
        let tally = |names: &[&str], at: u64| Tally {
            count: names.len() as u64,
            first: at,
            last: at,
            by: names
                .iter()
                .map(|name| (Arc::from(name.as_bytes()), 1))
                .collect(),
        };
        let parts = [
            tally(&["a", "b", "c", "d", "e", "f", "g", "h"], 5),
            tally(&["0", "c", "z"], 3),
            tally(&["1", "h"], 9),
        ];
        let sum = |order: [usize; 3]| {
            let mut sum = Tally::default();
            for at in order {
                sum.absorb(parts[at].clone());
            }
            sum
        };
        assert_eq!(sum([0, 1, 2]), sum([2, 1, 0]));
        assert_eq!((sum([0, 1, 2]).first, sum([0, 1, 2]).last), (3, 9));
        assert_eq!(sum([0, 1, 2]).by.len(), MOST_ACTORS);
    }
}
