//! What is searched for: words, phrases, patterns and ranges, joined with `AND`, `OR` and `NOT`, and conditions of the filter
//! language. Parsing gives a caret under what is wrong; matching decides what is found, with an index or without.

mod parse;
#[cfg(test)]
mod tests;
mod want;

use super::things::{MOST_FIELDS, Thing};
use afterimage_model::Safe;
use afterimage_query::{Filter, FilterError};
use regex::bytes::{Regex, RegexBuilder};
use smallvec::SmallVec;
use std::fmt;
use std::ops::Range;
use want::Want;

/// Longest text that is taken, in bytes.
const MOST_ASKED: usize = 16 << 10;

/// Why a text cannot be searched for. `Display` prints it with a caret under the place, escaped.
#[derive(Clone, Debug)]
pub enum AskError {
    /// A condition is wrong.
    Filter(FilterError),
    /// Something else is.
    Text {
        /// What was asked.
        text: String,
        /// Which bytes of it.
        span: Range<usize>,
        /// What is wrong with them.
        what: String,
    },
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AskError::Filter(error) => error.fmt(f),
            AskError::Text { text, span, what } => {
                let part = |range: Range<usize>| {
                    Safe::new(text.get(range).unwrap_or_default()).to_string()
                };
                let (before, inside) = (part(0..span.start), part(span.clone()));
                let carets = "^".repeat(inside.chars().count().max(1));
                writeln!(f, "{what}")?;
                writeln!(f, "  {before}{inside}{}", part(span.end..text.len()))?;
                write!(f, "  {:1$}{carets}", "", before.chars().count())
            }
        }
    }
}

impl std::error::Error for AskError {}

/// Words of a text index that must be there for something to be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Nothing is known.
    Anything,
    /// A word that begins so.
    Begins(String),
    /// A word that differs in at most so many letters.
    Near(String, u8),
    /// A word between two others, both included.
    Between(String, String),
    All(Vec<Look>),
    Any(Vec<Look>),
}

#[derive(Clone, Debug)]
struct Term {
    field: Option<&'static str>,
    want: Want,
}

#[derive(Clone, Debug)]
enum Node {
    Term(Term),
    /// A condition of the filter language.
    When(String),
    /// A comparison with an instant before the end of the capture, ns.
    Before(&'static str, u64),
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
}

impl Node {
    /// Whether it has terms, and whether it has conditions.
    fn holds(&self) -> (bool, bool) {
        match self {
            Node::Term(_) => (true, false),
            Node::When(_) | Node::Before(..) => (false, true),
            Node::Not(inner) => inner.holds(),
            Node::And(parts) | Node::Or(parts) => parts
                .iter()
                .map(Node::holds)
                .fold((false, false), |a, b| (a.0 || b.0, a.1 || b.1)),
        }
    }

    fn condition(&self, end_ns: i64) -> String {
        let join = |parts: &[Node], word: &str| {
            let parts: Vec<String> = parts.iter().map(|part| part.condition(end_ns)).collect();
            format!("({})", parts.join(word))
        };
        match self {
            Node::Term(_) => String::new(),
            Node::When(text) => text.clone(),
            Node::Before(op, ns) => {
                let at = end_ns.saturating_sub(i64::try_from(*ns).unwrap_or(i64::MAX));
                format!("evt.rawtime{op}{}", at.max(0))
            }
            Node::And(parts) => join(parts, " and "),
            Node::Or(parts) => join(parts, " or "),
            Node::Not(inner) => format!("not ({})", inner.condition(end_ns)),
        }
    }
}

/// How well something fits, by places in its texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub score: u32,
    /// Which text, and which bytes of it.
    pub places: Vec<(usize, Range<usize>)>,
    /// Nobody asks for the places.
    unplaced: bool,
}

impl Found {
    /// Nothing yet, to be filled as this one is.
    fn empty(&self) -> Found {
        Found {
            unplaced: self.unplaced,
            ..Found::default()
        }
    }

    fn absorb(&mut self, other: Found) {
        self.score = self.score.saturating_add(other.score);
        self.places.extend(other.places);
    }
}

/// What is searched for.
#[derive(Clone, Debug)]
pub struct Ask {
    text: Option<Node>,
    when: Vec<Node>,
    /// A letter that stands in the texts of everything that is meant, small and capital: what has none need not be looked at.
    rare: Option<[u8; 2]>,
}

/// Letters, the most frequent in paths and command lines first; what is not here is rarer.
const FREQUENT: &[u8] = b"/e.tsirnaoc-lupd0mb1h2f_g345678y9vxwk ";

impl Ask {
    /// Everything, without a condition.
    pub fn everything() -> Ask {
        Ask {
            text: None,
            when: Vec::new(),
            rare: None,
        }
    }

    /// Parses.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn parse(text: &str) -> Result<Ask, AskError> {
        if text.len() > MOST_ASKED {
            return Err(parse::error(
                text,
                0..0,
                format!("more than {MOST_ASKED} bytes"),
            ));
        }
        let node = parse::node(text)?;
        let parts = match node {
            Node::And(parts) => parts,
            other => vec![other],
        };
        let mut ask = Ask::everything();
        let mut terms = Vec::new();
        for part in parts {
            match part.holds() {
                (true, true) => {
                    return Err(parse::error(
                        text,
                        0..text.len(),
                        "words and conditions can be joined by AND only, outside of brackets",
                    ));
                }
                (true, false) => terms.push(part),
                _ => ask.when.push(part),
            }
        }
        ask.text = match terms.len() {
            0 => None,
            1 => terms.pop(),
            _ => Some(Node::And(terms)),
        };
        ask.rare = match ask.text.as_ref().and_then(literals).as_deref() {
            Some([part]) => rarest(part),
            _ => None,
        };
        Ok(ask)
    }

    /// Whether there are words to look for.
    pub fn has_text(&self) -> bool {
        self.text.is_some()
    }

    /// Whether there are conditions.
    pub fn has_conditions(&self) -> bool {
        !self.when.is_empty()
    }

    /// The conditions as a filter, for a capture whose last event is at this instant (ns since 1970).
    ///
    /// # Errors
    /// When they make no filter together.
    pub fn filter(&self, end_ns: i64) -> Result<Option<Filter>, AskError> {
        if self.when.is_empty() {
            return Ok(None);
        }
        let parts: Vec<String> = self
            .when
            .iter()
            .map(|part| part.condition(end_ns))
            .collect();
        let filter = Filter::parse(&parts.join(" and ")).map_err(AskError::Filter)?;
        Ok(Some(filter))
    }

    /// Whether a thing is meant, and where; everything is when there are no words.
    pub(crate) fn find(&self, thing: &Thing) -> Option<Found> {
        self.find_in(thing, Found::default())
    }

    /// How well a thing fits, if it is meant.
    pub(crate) fn score(&self, thing: &Thing) -> Option<u32> {
        let found = Found {
            unplaced: true,
            ..Found::default()
        };
        Some(self.find_in(thing, found)?.score)
    }

    fn find_in(&self, thing: &Thing, mut found: Found) -> Option<Found> {
        let Some(node) = &self.text else {
            return Some(found);
        };
        if let Some([small, capital]) = &self.rare
            && !thing.0.contains(small)
            && !thing.0.contains(capital)
        {
            return None;
        }
        let row = thing.kind()?.row();
        let fields = row.fields.iter().zip(thing.texts());
        let texts: SmallVec<[_; MOST_FIELDS]> = fields
            .map(|(name, text)| (*name, text.unwrap_or_default()))
            .collect();
        holds(node, &texts, &mut found).then_some(found)
    }

    /// What stands somewhere in the texts of every thing that is meant; `None` when nothing is known to.
    pub(crate) fn needle(&self) -> Option<Regex> {
        let parts = literals(self.text.as_ref()?)?;
        let parts: Option<Vec<String>> = parts
            .into_iter()
            .map(|part| Some(regex::escape(std::str::from_utf8(part).ok()?)))
            .collect();
        RegexBuilder::new(&format!("(?i-u){}", parts?.join("|")))
            .size_limit(want::MOST_PATTERN)
            .build()
            .ok()
    }

    /// What must be in the text index for a thing to be found.
    pub(crate) fn look(&self) -> Look {
        self.text.as_ref().map_or(Look::Anything, look)
    }
}

/// The rarest byte of a word, as a small letter and as a capital.
fn rarest(word: &[u8]) -> Option<[u8; 2]> {
    let rank = |byte: &&u8| {
        let small = byte.to_ascii_lowercase();
        let place = FREQUENT.iter().position(|frequent| *frequent == small);
        place.unwrap_or(usize::MAX)
    };
    let byte = word.iter().max_by_key(rank)?;
    Some([byte.to_ascii_lowercase(), byte.to_ascii_uppercase()])
}

/// Bytes, letters in either case, one of which stands in the texts of what is meant.
fn literals(node: &Node) -> Option<Vec<&[u8]>> {
    match node {
        Node::Term(term) => Some(vec![term.want.literal()?]),
        // The one that says most.
        Node::And(parts) => parts
            .iter()
            .filter_map(literals)
            .max_by_key(|parts| parts.iter().map(|part| part.len()).min()),
        Node::Or(parts) => {
            let parts: Option<Vec<_>> = parts.iter().map(literals).collect();
            Some(parts?.concat())
        }
        Node::Not(_) | Node::When(_) | Node::Before(..) => None,
    }
}

fn look(node: &Node) -> Look {
    match node {
        Node::Term(term) => term.want.look(),
        Node::And(parts) => Look::All(parts.iter().map(look).collect()),
        Node::Or(parts) => Look::Any(parts.iter().map(look).collect()),
        Node::Not(_) | Node::When(_) | Node::Before(..) => Look::Anything,
    }
}

fn holds(node: &Node, texts: &[(&'static str, &[u8])], found: &mut Found) -> bool {
    match node {
        Node::Term(term) => {
            let mut any = false;
            for (at, (name, text)) in texts.iter().enumerate() {
                if term.field.is_some_and(|field| field != *name) {
                    continue;
                }
                if let Some((place, score)) = term.want.find(text) {
                    if !any {
                        found.score = found.score.saturating_add(score);
                    }
                    any = true;
                    if !found.unplaced {
                        found.places.push((at, place));
                    }
                }
            }
            any
        }
        Node::And(parts) => {
            let mut all = found.empty();
            let held = parts.iter().all(|part| holds(part, texts, &mut all));
            if held {
                found.absorb(all);
            }
            held
        }
        // All of them, so that all are shown.
        Node::Or(parts) => {
            let held = parts.iter().filter(|part| holds(part, texts, found));
            held.count() > 0
        }
        Node::Not(inner) => !holds(inner, texts, &mut found.empty()),
        Node::When(_) | Node::Before(..) => false,
    }
}
