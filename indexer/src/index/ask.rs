//! What is searched for: words, phrases, patterns and ranges, joined with `AND`, `OR` and `NOT`, and conditions of the filter
//! language. Parsing gives a caret under what is wrong; matching decides what is found, with an index or without.

mod parse;

use super::things::Thing;
use super::words;
use afterimage_model::Safe;
use afterimage_query::{Filter, FilterError};
use regex::bytes::{Regex, RegexBuilder};
use std::fmt;
use std::net::IpAddr;
use std::ops::Range;

/// Longest text that is taken, in bytes.
const MOST_ASKED: usize = 16 << 10;

/// Most memory of a compiled pattern, bytes.
const MOST_PATTERN: usize = 1 << 20;

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
    All(Vec<Look>),
    Any(Vec<Look>),
}

/// What a term wants.
#[derive(Clone, Debug)]
enum Want {
    /// A pattern, and whether words must begin and end where it does.
    Pattern {
        regex: Regex,
        begins: bool,
        ends: bool,
        look: Look,
        /// It is what was typed, without wild cards.
        plain: bool,
    },
    /// A word, nearly.
    Near(String, u8),
    /// A word or an address between two others.
    Words(String, String),
    Addresses(IpAddr, IpAddr),
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
}

impl Found {
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
}

impl Ask {
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
        let mut ask = Ask {
            text: None,
            when: Vec::new(),
        };
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
        let Some(node) = &self.text else {
            return Some(Found::default());
        };
        let mut texts = Vec::with_capacity(4);
        let row = thing.kind()?.row();
        for (name, text) in row.fields.iter().zip(thing.texts()) {
            texts.push((*name, text.unwrap_or_default()));
        }
        let mut found = Found::default();
        holds(node, &texts, &mut found).then_some(found)
    }

    /// What must be in the text index for a thing to be found.
    pub(crate) fn look(&self) -> Look {
        self.text.as_ref().map_or(Look::Anything, look)
    }
}

fn look(node: &Node) -> Look {
    match node {
        Node::Term(term) => match &term.want {
            Want::Pattern { look, .. } => look.clone(),
            Want::Near(word, most) => Look::Near(word.clone(), *most),
            Want::Words(..) | Want::Addresses(..) => Look::Anything,
        },
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
                    found.places.push((at, place));
                }
            }
            any
        }
        Node::And(parts) => {
            let mut all = Found::default();
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
        Node::Not(inner) => !holds(inner, texts, &mut Found::default()),
        Node::When(_) | Node::Before(..) => false,
    }
}

impl Want {
    /// The first place in a text, and how well it fits there.
    fn find(&self, text: &[u8]) -> Option<(Range<usize>, u32)> {
        match self {
            Want::Pattern {
                regex,
                begins,
                ends,
                plain,
                ..
            } => {
                let mut from = 0;
                let mut best: Option<(Range<usize>, u32)> = None;
                while let Some(place) = regex.find_at(text, from) {
                    let place = place.range();
                    if (!begins || words::begins(text, place.start))
                        && (!ends || words::ends(text, place.end))
                        && !place.is_empty()
                    {
                        let score = if *plain { fit(text, &place) } else { 2 };
                        if best.as_ref().is_none_or(|(_, best)| score > *best) {
                            best = Some((place.clone(), score));
                        }
                    }
                    from = place.start + 1;
                    if from > text.len() {
                        break;
                    }
                }
                best
            }
            Want::Near(word, most) => {
                let mut found = None;
                words::each(text, |rest| {
                    if found.is_none() && words::within(&words::key(rest), word, usize::from(*most))
                    {
                        found = Some(rest);
                    }
                });
                let rest = found?;
                let start = place_of(text, rest)?;
                Some((start..start + rest.len(), 1))
            }
            Want::Words(from, to) => {
                let mut found = None;
                words::each(text, |rest| {
                    let key = words::key(rest);
                    if found.is_none() && *from <= key && key <= *to {
                        found = Some(rest);
                    }
                });
                let rest = found?;
                let start = place_of(text, rest)?;
                Some((start..start + rest.len(), 2))
            }
            Want::Addresses(from, to) => {
                let within =
                    |ip: IpAddr| ip.is_ipv4() == from.is_ipv4() && *from <= ip && ip <= *to;
                let part = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':');
                let mut start = 0;
                while start < text.len() {
                    let rest = text.get(start..)?;
                    let skip = rest.iter().position(&part)?;
                    let rest = rest.get(skip..)?;
                    let len = rest
                        .iter()
                        .position(|byte| !part(byte))
                        .unwrap_or(rest.len());
                    let word = std::str::from_utf8(rest.get(..len)?).ok()?;
                    // With a port behind it, or alone.
                    let alone = word.parse().ok();
                    let with_port = || word.rsplit_once(':').and_then(|(ip, _)| ip.parse().ok());
                    if alone.or_else(with_port).is_some_and(within) {
                        let at = start + skip;
                        return Some((at..at + len, 4));
                    }
                    start += skip + len;
                }
                None
            }
        }
    }
}

/// Where a part of a text stands in it.
fn place_of(text: &[u8], part: &[u8]) -> Option<usize> {
    let behind = text.len().checked_sub(part.len())?;
    // Parts begin anywhere and end with their run: the first that is equal will do.
    (0..=behind).find(|at| text.get(*at..at + part.len()) == Some(part))
}

/// How telling it is that a text has it here: all of it, its last part, whole words, the rest.
fn fit(text: &[u8], place: &Range<usize>) -> u32 {
    let whole_words = |at: usize| {
        let before = at.checked_sub(1).and_then(|at| text.get(at));
        !(before.is_some_and(|byte| words::in_word(*byte))
            && text.get(at).is_some_and(|byte| words::in_word(*byte)))
    };
    let before = place.start.checked_sub(1).and_then(|at| text.get(at));
    match (place.start, place.end == text.len()) {
        (0, true) => 8,
        (_, true) if before == Some(&b'/') => 6,
        _ if whole_words(place.start) && whole_words(place.end) => 4,
        _ => 3,
    }
}

/// Addresses of a block, or one.
fn address_range(text: &str) -> Option<(IpAddr, IpAddr)> {
    let (ip, bits) = match text.split_once('/') {
        Some((ip, bits)) => (ip.parse::<IpAddr>().ok()?, Some(bits.parse::<u32>().ok()?)),
        None => (text.parse::<IpAddr>().ok()?, None),
    };
    Some(match ip {
        IpAddr::V4(v4) => {
            let bits = bits.unwrap_or(32);
            let host = u32::MAX.checked_shr(bits).unwrap_or(0);
            let from = u32::from(v4) & !host;
            let to = from | host;
            (bits <= 32).then_some((IpAddr::V4(from.into()), IpAddr::V4(to.into())))?
        }
        IpAddr::V6(v6) => {
            let bits = bits.unwrap_or(128);
            let host = u128::MAX.checked_shr(bits).unwrap_or(0);
            let from = u128::from(v6) & !host;
            let to = from | host;
            (bits <= 128).then_some((IpAddr::V6(from.into()), IpAddr::V6(to.into())))?
        }
    })
}

/// What a word with or without wild cards wants.
fn pattern(text: &str, begins: bool, ends: bool, wild: bool) -> Result<Want, String> {
    let mut regex = String::new();
    let mut looks = Vec::new();
    let mut plain = true;
    let (begins, body) = match text.strip_prefix('*').filter(|_| wild) {
        Some(rest) => (false, rest.trim_start_matches('*')),
        None => (begins, text),
    };
    let (ends, body) = match body.strip_suffix('*').filter(|_| wild) {
        Some(rest) => (false, rest.trim_end_matches('*')),
        None => (ends, body),
    };
    let mut sure = begins;
    for part in body.split_inclusive(|c| wild && matches!(c, '*' | '?')) {
        let card = part
            .chars()
            .next_back()
            .filter(|c| wild && matches!(c, '*' | '?'));
        let word = match card {
            Some(_) => part.get(..part.len() - 1).unwrap_or_default(),
            None => part,
        };
        regex.push_str(&regex::escape(word));
        for (at, run) in words::runs(word.as_bytes()).enumerate() {
            // The first of them may begin inside a word.
            if (at > 0 || sure || run.start > 0)
                && let Some(bytes) = word.as_bytes().get(run)
            {
                looks.push(Look::Begins(words::key(bytes)));
            }
        }
        match card {
            Some('*') => regex.push_str("[^ ]*?"),
            Some(_) => regex.push_str("[^ ]"),
            None => {}
        }
        plain &= card.is_none();
        sure = false;
    }
    if body.is_empty() {
        return Err("only wild cards".to_owned());
    }
    plain &= begins && ends;
    Ok(Want::Pattern {
        regex: compile(&format!("(?i-u){regex}"))?,
        begins,
        ends,
        look: match looks.is_empty() {
            true => Look::Anything,
            false => Look::All(looks),
        },
        plain,
    })
}

fn compile(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern)
        .unicode(true)
        .size_limit(MOST_PATTERN)
        .build()
        .map_err(|_| "no pattern that can be matched in bounded space".to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::things::Kind;
    use super::*;

    fn process(cmdline: &str) -> Thing {
        let path = b"/usr/bin/curl";
        Thing::new(
            Kind::Process,
            &[Some(b"curl"), Some(path), Some(cmdline.as_bytes()), None],
        )
    }

    fn found(query: &str, thing: &Thing) -> bool {
        let ask = Ask::parse(query).unwrap_or_else(|error| panic!("{error}"));
        ask.find(thing).is_some()
    }

    #[test]
    fn words_paths_and_flags_are_found_by_any_part() {
        let thing = process("curl --max-time 3 -o /tmp/getPasswordHash.sh http://10.0.0.5:8080/a");
        for query in [
            "curl",
            "CURL",
            "/usr/bin/curl",
            "bin/curl",
            "/usr/*",
            "*url",
            "cu*",
            "c?rl",
            "--max-time",
            "max-time",
            "password",
            "hash.sh",
            "*.sh",
            "\"max-time 3\"",
            "'-o /tmp'",
            "curl~1",
            "cur1~1",
            "bsh~2 OR cul~1",
            "re:get[A-Z]",
            "10.0.0.5",
            "10.0.0.0/8",
            "[10.0.0.1 TO 10.0.0.9]",
            "[cup TO curz]",
            "proc.exepath:curl",
            "proc.cmdline:tmp AND NOT wget",
            "(wget or curl) and tmp",
            "8080",
        ] {
            assert!(found(query, &thing), "{query}");
        }
        for query in [
            "url",
            "ur*",
            "cur",
            "passw",
            "wget",
            "proc.cwd:curl",
            "proc.exepath:tmp",
            "10.0.1.0/24",
            "10.0.0.50",
            "curl AND wget",
            "NOT curl",
            "crul~1",
            "\"max time\"",
            "[d TO e]",
            "re:^get",
        ] {
            assert!(!found(query, &thing), "{query}");
        }
    }

    #[test]
    fn conditions_stand_beside_words() {
        let ask = Ask::parse("curl~1 AND proc.name=sh AND evt.time>-5m").unwrap();
        let filter = ask.filter(1_000_000_000_000).unwrap().unwrap();
        assert_eq!(filter.print(), "proc.name=sh and evt.rawtime>700000000000");
        assert_eq!(ask.look(), Look::Near("curl".into(), 1));
        let ask = Ask::parse("shadow (proc.name in (sh, bash) or fd.name exists)").unwrap();
        let filter = ask.filter(0).unwrap().unwrap();
        assert_eq!(filter.print(), "proc.name in (sh, bash) or fd.name exists");
        let ask = Ask::parse("proc.name contains sh").unwrap();
        assert!(!ask.has_text() && ask.has_conditions());
        let ask = Ask::parse("tolower(proc.name)=sh x").unwrap();
        assert!(ask.has_text() && ask.has_conditions());
    }

    #[test]
    fn what_is_wrong_has_a_caret_under_it() {
        for (query, caret) in [
            ("curl AND", "         ^"),
            ("curl AND OR x", "           ^"),
            ("(curl", "  ^"),
            ("curl)", "      ^"),
            ("\"curl", "  ^"),
            ("curl~9", "      ^^"),
            ("a [b]", "    ^^^"),
            ("x re:(", "    ^^^"),
            ("curl OR proc.name=sh", "  ^^^^^^^^^^^^^^^^^^^^"),
            ("a evt.time>-5q", "             ^^"),
            ("curl proc.nam=sh", "       ^^^^^^^^"),
            ("evt.type:open", "  ^^^^^^^^"),
            ("***", "  ^^^"),
            ("\u{1b}[2J (", "         "),
        ] {
            let error = Ask::parse(query).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(caret), "{query}\n{error}");
            assert!(!error.contains('\u{1b}'), "{query}");
        }
    }

    #[test]
    fn whatever_is_found_has_the_words_that_are_looked_up() {
        // The text index may only leave out what is not found.
        fn named(look: &Look, keys: &[String]) -> bool {
            match look {
                Look::Anything => true,
                Look::Begins(word) => {
                    let word = word.trim_start_matches('_');
                    word.is_empty() || keys.iter().any(|key| key.starts_with(word))
                }
                Look::Near(word, _) if word.contains('_') => true,
                Look::Near(word, most) => keys
                    .iter()
                    .any(|key| words::within(key, word, usize::from(*most))),
                Look::All(parts) => parts.iter().all(|part| named(part, keys)),
                Look::Any(parts) => parts.iter().any(|part| named(part, keys)),
            }
        }
        let texts = [
            "curl -o /tmp/x.sh",
            "getPasswordHash",
            "/usr/lib/x86_64-linux-gnu/libc.so.6",
            "a_b__c",
            "10.0.0.5:443",
            "my\u{fc}sql \u{65e5}\u{672c}",
            "\u{1}\u{2}",
            "HTTPServer2Go",
        ];
        let queries = [
            "x*",
            "*x",
            "*x*",
            "l?bc*",
            "PASSWORD*",
            "hash",
            "so.6",
            "64-linux",
            "_b",
            "b__c",
            "m\u{fc}*",
            "*sql",
            "server2*",
            "http*go",
            "curl~1",
            "hsh~1",
            "x86*gnu",
            "5:443",
            "\"-o /tmp\"",
            "2go",
            "_b*",
            "__c",
            "c_b~1",
            "x_b~2",
        ];
        for text in texts {
            let mut keys = Vec::new();
            words::each_sure(text.as_bytes(), |word| keys.push(words::key(word)));
            let thing = Thing::new(Kind::File, &[Some(text.as_bytes())]);
            for query in queries {
                let ask = Ask::parse(query).unwrap();
                if ask.find(&thing).is_some() {
                    assert!(named(&ask.look(), &keys), "{query} in {text}");
                }
            }
        }
    }
}
