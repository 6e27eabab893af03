//! YAML with the place of every value, read within bounds: of size, depth, and of what aliases stand for.

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

/// Longest text, in bytes.
pub(crate) const MAX_TEXT: usize = 16 * 1024 * 1024;
/// Deepest nesting.
const MAX_DEPTH: usize = 64;
/// Most values a text may stand for, each alias counted with all it stands for.
const MAX_NODES: usize = 2_000_000;

/// Where a value begins; lines and columns count from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Bytes from the start of the text.
    pub offset: usize,
    pub line: usize,
    pub column: usize,
}

/// A value.
#[derive(Debug)]
pub(crate) struct Node {
    pub mark: Mark,
    pub value: Value,
    /// It is a scalar without quotes.
    is_plain: bool,
    /// How many values it is, itself and all inside.
    size: usize,
}

#[derive(Debug)]
pub(crate) enum Value {
    Null,
    Scalar(String),
    Sequence(Vec<Rc<Node>>),
    /// Pairs in order; of a key that stands twice the first counts.
    Mapping(Vec<Pair>),
}

/// A key and its value.
pub(crate) type Pair = (Rc<Node>, Rc<Node>);

/// Why a text is no YAML, or too much of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub mark: Option<Mark>,
    pub message: String,
}

impl Node {
    /// The text of a scalar.
    pub fn scalar(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(text) => Some(text),
            _ => None,
        }
    }

    pub fn sequence(&self) -> Option<&[Rc<Node>]> {
        match &self.value {
            Value::Sequence(items) => Some(items),
            _ => None,
        }
    }

    pub fn mapping(&self) -> Option<&[Pair]> {
        match &self.value {
            Value::Mapping(pairs) => Some(pairs),
            _ => None,
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    /// The value of a key of a mapping.
    pub fn get(&self, key: &str) -> Option<&Rc<Node>> {
        let found = |pair: &&Pair| pair.0.scalar() == Some(key);
        self.mapping()?.iter().find(found).map(|pair| &pair.1)
    }

    /// Yes or no, in the words of YAML 1.1.
    pub fn flag(&self) -> Option<bool> {
        match self.scalar()?.to_ascii_lowercase().as_str() {
            "y" | "yes" | "true" | "on" => Some(true),
            "n" | "no" | "false" | "off" => Some(false),
            _ => None,
        }
    }
}

/// A collection that is not closed yet.
enum Open {
    Sequence(Vec<Rc<Node>>),
    Mapping(Vec<Pair>, Option<Rc<Node>>),
}

struct Reader<'t> {
    text: &'t str,
    /// Lines that were shifted.
    padded: &'t BTreeSet<usize>,
    /// Byte offset of each character, where that is another number.
    offsets: Option<Vec<usize>>,
    anchors: HashMap<usize, Rc<Node>>,
    open: Vec<(Open, Mark, usize)>,
    documents: Vec<Rc<Node>>,
    /// Pairs that merge keys brought so far.
    merged: usize,
}

/// The key whose value is a mapping, or several, that a mapping takes pairs from.
const MERGE: &str = "<<";

/// Spaces put before a line that stands too far left, and how often a text is read for such lines at most.
const PAD: usize = 256;
const MOST_READINGS: usize = 64;

/// Every document of a text. Lines inside brackets may stand as far left as they like, as they may for the peers.
pub(crate) fn load(text: &str) -> Result<Vec<Rc<Node>>, Refused> {
    if text.len() > MAX_TEXT {
        return Err(Refused {
            mark: None,
            message: "the text is longer than 16 MiB".to_owned(),
        });
    }
    let mut padded = BTreeSet::new();
    let mut readings = 0;
    loop {
        let shifted = pad(text, &padded);
        let (refused, indentation) = match read(shifted.as_deref().unwrap_or(text), &padded) {
            Ok(documents) => return Ok(documents),
            Err(refused) => refused,
        };
        let line = refused.mark.map(|mark| mark.line).filter(|_| indentation);
        let Some(line) = line.filter(|line| !padded.contains(line)) else {
            return Err(refused);
        };
        readings += 1;
        if readings > MOST_READINGS {
            return Err(refused);
        }
        let closes = |text: &&str| text.contains([']', '}']);
        let until = text.lines().skip(line).position(|text| closes(&text));
        padded.extend(line..=line + until.unwrap_or(0));
        // Lists are often closed under the key that opens them; one reading is enough for all of those.
        let brackets = text.lines().enumerate();
        padded.extend(
            brackets
                .filter(|(_, text)| text.trim_start().starts_with([']', '}']))
                .map(|(at, _)| at),
        );
    }
}

/// The text with those lines shifted; `None` when there are none.
fn pad(text: &str, lines: &BTreeSet<usize>) -> Option<String> {
    if lines.is_empty() {
        return None;
    }
    let mut out = String::with_capacity(text.len() + lines.len() * PAD);
    for (at, line) in text.split_inclusive('\n').enumerate() {
        if lines.contains(&at) {
            out.extend(std::iter::repeat_n(' ', PAD));
        }
        out.push_str(line);
    }
    Some(out)
}

/// The documents; else why not, and whether for a line's indentation.
fn read(text: &str, padded: &BTreeSet<usize>) -> Result<Vec<Rc<Node>>, (Refused, bool)> {
    let mut reader = Reader {
        text,
        padded,
        offsets: (!text.is_ascii()).then(|| text.char_indices().map(|(at, _)| at).collect()),
        anchors: HashMap::new(),
        open: Vec::new(),
        documents: Vec::new(),
        merged: 0,
    };
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| reader.refused(&error))?;
        reader
            .event(event, span)
            .map_err(|refused| (refused, false))?;
    }
    Ok(reader.documents)
}

impl Reader<'_> {
    fn mark(&self, index: usize, line: usize, column: usize) -> Mark {
        let offset = match &self.offsets {
            None => index,
            Some(offsets) => offsets
                .get(index)
                .or(offsets.last())
                .copied()
                .unwrap_or_default(),
        };
        Mark {
            offset,
            line: line.saturating_sub(1),
            column,
        }
    }

    /// A place in the text as it was before lines were shifted.
    fn unpadded(&self, mark: Mark) -> Mark {
        let here = self.padded.contains(&mark.line);
        let above = self.padded.range(..mark.line).count();
        Mark {
            offset: mark
                .offset
                .saturating_sub(PAD * (above + usize::from(here))),
            line: mark.line,
            column: mark.column.saturating_sub(if here { PAD } else { 0 }),
        }
    }

    fn start(&self, span: Span) -> Mark {
        self.mark(span.start.index(), span.start.line(), span.start.col())
    }

    /// Where the `|` or `>` of a block of text stands, which the scanner says only the inside of.
    fn block(&self, inside: Mark) -> Mark {
        let before = self.text.get(..inside.offset).unwrap_or_default();
        let lines = before.rsplit('\n').skip(1).enumerate();
        let header = |line: &str| {
            let code = line.split_once(" #").map_or(line, |(code, _)| code);
            code.rfind(['|', '>'])
        };
        let mut end = before.rfind('\n').unwrap_or(0);
        for (above, line) in lines {
            if let Some(column) = header(line) {
                return Mark {
                    offset: end - line.len() + column,
                    line: inside.line.saturating_sub(above + 1),
                    column,
                };
            }
            if !line.trim().is_empty() {
                break;
            }
            end = end.saturating_sub(line.len() + 1);
        }
        inside
    }

    fn refused(&self, error: &ScanError) -> (Refused, bool) {
        let at = error.marker();
        let mark = self.unpadded(self.mark(at.index(), at.line(), at.col()));
        let indentation = error.info().starts_with("invalid indentation");
        // As yaml-cpp says it, which users know from Falco.
        let info = match error.info() {
            info if info.contains("mapping values are not allowed") => "illegal map value",
            info => info,
        };
        let refused = Refused {
            mark: Some(mark),
            message: format!(
                "yaml-cpp: error at line {}, column {}: {info}",
                mark.line + 1,
                mark.column + 1
            ),
        };
        (refused, indentation)
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Refused> {
        let raw = self.start(span);
        let mark = self.unpadded(raw);
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                let mark = match block {
                    true => self.unpadded(self.block(raw)),
                    false => mark,
                };
                let plain = style == ScalarStyle::Plain;
                let null = plain && matches!(text.as_ref(), "" | "~" | "null" | "Null" | "NULL");
                let value = if null {
                    Value::Null
                } else {
                    Value::Scalar(text.into_owned())
                };
                let node = Node {
                    mark,
                    value,
                    is_plain: plain,
                    size: 1,
                };
                self.add(Rc::new(node), anchor)
            }
            Event::SequenceStart(anchor, _) => self.begin(Open::Sequence(Vec::new()), mark, anchor),
            Event::MappingStart(anchor, _) => {
                self.begin(Open::Mapping(Vec::new(), None), mark, anchor)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).cloned().ok_or(Refused {
                    mark: Some(mark),
                    message: "an alias stands inside what it stands for, or for nothing".to_owned(),
                })?;
                self.add(node, 0)
            }
            _ => Ok(()),
        }
    }

    fn begin(&mut self, open: Open, mark: Mark, anchor: usize) -> Result<(), Refused> {
        if self.open.len() >= MAX_DEPTH {
            return Err(Refused {
                mark: Some(mark),
                message: format!("values are nested deeper than {MAX_DEPTH}"),
            });
        }
        self.open.push((open, mark, anchor));
        Ok(())
    }

    fn end(&mut self) -> Result<(), Refused> {
        let Some((open, mark, anchor)) = self.open.pop() else {
            return Ok(());
        };
        let add = |sum: usize, node: &Rc<Node>| sum.saturating_add(node.size);
        let (value, mark, size) = match open {
            Open::Sequence(items) => {
                let size = items.iter().fold(1, add);
                (Value::Sequence(items), mark, size)
            }
            Open::Mapping(pairs, _) => {
                let pairs = self.merge(pairs)?;
                let size = pairs
                    .iter()
                    .fold(1, |sum, pair| add(add(sum, &pair.0), &pair.1));
                (Value::Mapping(pairs), mark, size)
            }
        };
        let node = Node {
            mark,
            value,
            is_plain: false,
            size,
        };
        self.add(Rc::new(node), anchor)
    }

    /// Puts the pairs of what merge keys name behind a mapping's own, as far as it has no such keys. A merge key that names no
    /// mapping stays a key like others.
    fn merge(&mut self, pairs: Vec<Pair>) -> Result<Vec<Pair>, Refused> {
        let sources = |pair: &Pair| -> Option<Vec<Rc<Node>>> {
            let named = pair.0.is_plain && pair.0.scalar() == Some(MERGE);
            let all = match &pair.1.value {
                Value::Mapping(_) => vec![pair.1.clone()],
                Value::Sequence(items) => items.clone(),
                Value::Null | Value::Scalar(_) => return None,
            };
            let fit = named && all.iter().all(|one| one.mapping().is_some());
            fit.then_some(all)
        };
        if !pairs.iter().any(|pair| sources(pair).is_some()) {
            return Ok(pairs);
        }
        let (from, mut own): (Vec<Pair>, Vec<Pair>) =
            pairs.into_iter().partition(|pair| sources(pair).is_some());
        let mut keys: BTreeSet<String> = own
            .iter()
            .filter_map(|pair| pair.0.scalar().map(str::to_owned))
            .collect();
        for source in from.iter().filter_map(sources).flatten() {
            for pair in source.mapping().unwrap_or_default() {
                self.merged += 1;
                if self.merged > MAX_NODES {
                    return Err(Refused {
                        mark: Some(source.mark),
                        message: format!("merge keys stand for more than {MAX_NODES} values"),
                    });
                }
                if pair
                    .0
                    .scalar()
                    .is_none_or(|key| keys.insert(key.to_owned()))
                {
                    own.push(pair.clone());
                }
            }
        }
        Ok(own)
    }

    fn add(&mut self, node: Rc<Node>, anchor: usize) -> Result<(), Refused> {
        if node.size > MAX_NODES {
            return Err(Refused {
                mark: Some(node.mark),
                message: format!("aliases stand for more than {MAX_NODES} values"),
            });
        }
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut() {
            None => self.documents.push(node),
            Some((Open::Sequence(items), ..)) => items.push(node),
            Some((Open::Mapping(pairs, key), mark, _)) => match key.take() {
                None => {
                    // A mapping begins where its first key does.
                    if pairs.is_empty() && node.mark.line == mark.line {
                        mark.column = mark.column.min(node.mark.column);
                    }
                    *key = Some(node);
                }
                Some(key) => pairs.push((key, node)),
            },
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_know_where_they_begin() {
        let text =
            "# é\n- rule: x\n  condition: >\n    a and\n    b\n  items: [1, 'two']\n- null\n";
        let documents = load(text).unwrap();
        let items = documents[0].sequence().unwrap();
        let place = |node: &Node| (node.mark.line, node.mark.column);
        assert_eq!(place(&items[0]), (1, 2));
        assert_eq!(place(items[0].get("rule").unwrap()), (1, 8));
        assert_eq!(items[0].get("rule").unwrap().mark.offset, 13);
        let condition = items[0].get("condition").unwrap();
        assert_eq!(place(condition), (2, 13));
        assert_eq!(condition.scalar(), Some("a and b\n"));
        assert_eq!(
            text.get(condition.mark.offset..=condition.mark.offset),
            Some(">")
        );
        let list = items[0].get("items").unwrap().sequence().unwrap();
        assert_eq!(list[1].scalar(), Some("two"));
        assert!(items[1].is_null());
    }

    #[test]
    fn documents_follow_each_other() {
        assert_eq!(load("- a\n---\n- b\n").unwrap().len(), 2);
        assert_eq!(load("").unwrap().len(), 0);
    }

    #[test]
    fn brackets_may_stand_as_far_left_as_they_like() {
        let text =
            "- list: x\n  items: [\n  a,\n b\n  ]\n- list: y\n  items: [\n    c\n  ]\n  é: d\n";
        let documents = load(text).unwrap();
        let items = documents[0].sequence().unwrap();
        let list = items[0].get("items").unwrap().sequence().unwrap();
        assert_eq!(list[1].scalar(), Some("b"));
        assert_eq!((list[1].mark.line, list[1].mark.column), (3, 1));
        assert_eq!(
            text.get(list[1].mark.offset..=list[1].mark.offset),
            Some("b")
        );
        let last = items[1].get("é").unwrap();
        assert_eq!(text.get(last.mark.offset..=last.mark.offset), Some("d"));
        assert!(load("- a\n b: [\n").is_err());
    }

    #[test]
    fn what_is_no_yaml_is_refused_at_its_place() {
        let refused = load("this : is : not : yaml").unwrap_err();
        assert_eq!(
            refused.message,
            "yaml-cpp: error at line 1, column 11: illegal map value"
        );
        assert_eq!(refused.mark.unwrap().offset, 10);
    }

    #[test]
    fn merge_keys_bring_pairs_that_a_mapping_has_not() {
        let text = "- &a {x: 1, y: 2}\n- &b {y: 3, z: 4}\n- y: 0\n  <<: *a\n- <<: [*b, *a]\n  w: 5\n- {'<<': *a}\n- <<: 7\n";
        let documents = load(text).unwrap();
        let items = documents[0].sequence().unwrap();
        let told = |at: usize| -> Vec<(&str, &str)> {
            let pairs = items[at].mapping().unwrap().iter();
            pairs
                .map(|pair| (pair.0.scalar().unwrap(), pair.1.scalar().unwrap_or("…")))
                .collect()
        };
        assert_eq!(told(2), [("y", "0"), ("x", "1")]);
        assert_eq!(told(3), [("w", "5"), ("y", "3"), ("z", "4"), ("x", "1")]);
        // A quoted key is none, nor is one without a mapping.
        assert_eq!(told(4), [("<<", "…")]);
        assert_eq!(told(5), [("<<", "7")]);
        assert_eq!(
            items[2].get("x").unwrap().mark.offset,
            text.find("1,").unwrap()
        );
    }

    #[test]
    fn merge_keys_are_no_bomb() {
        let mut bomb = String::from("- &a0 {k0: x}\n");
        for at in 1..3_000 {
            bomb.push_str(&format!("- &a{at} {{<<: *a{}, k{at}: x}}\n", at - 1));
        }
        assert!(load(&bomb).unwrap_err().message.contains("merge keys"));
    }

    #[test]
    fn bombs_are_refused() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for at in 1..12 {
            let inner = vec![format!("*a{}", at - 1); 10].join(", ");
            bomb.push_str(&format!("a{at}: &a{at} [{inner}]\n"));
        }
        assert!(load(&bomb).unwrap_err().message.contains("aliases"));
        assert!(load("a: &a [*a]").is_err());
        assert!(load(&"[".repeat(10_000)).is_err());
        assert!(load(&"- ".repeat(10_000)).is_err());
        assert!(load(&"a: ".repeat(1000)).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "[-a-z:&*\\[\\]{}>|'\"# \n\t,?!%@]{0,60}") {
            let _ = load(&text);
        }
    }
}
