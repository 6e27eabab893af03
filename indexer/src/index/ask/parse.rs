//! Text to a tree of words and conditions, with the place of what is wrong.

use super::super::things::{KINDS, MOST_TEXT};
use super::super::words::{self, Near};
use super::Look;
use super::want::{Pattern, Want, address_range, compile, pattern};
use super::{AskError, Node, Term};
use afterimage_model::fields;
use afterimage_query::{FUNCTIONS, Filter, duration_ns};
use std::ops::Range;

/// Most words and conditions of a text, and deepest nesting of its brackets.
const MOST_TERMS: usize = 64;
const MOST_DEPTH: usize = 32;

/// The tree of a whole text.
pub(super) fn node(text: &str) -> Result<Node, AskError> {
    let mut parser = Parser {
        text,
        at: 0,
        depth: 0,
        terms: 0,
    };
    let node = parser.either()?;
    if parser.at < text.len() {
        let span = parser.at..parser.at + 1;
        return Err(parser.error(span, "no bracket is open here"));
    }
    Ok(node)
}

/// What is wrong with a part of a text.
pub(super) fn error(text: &str, span: Range<usize>, what: impl Into<String>) -> AskError {
    AskError::Text {
        text: text.to_owned(),
        span,
        what: what.into(),
    }
}

/// Names of fields that texts of things have.
fn text_field(name: &str) -> Option<&'static str> {
    let mut all = KINDS.iter().flat_map(|row| row.fields);
    all.find(|field| **field == name).copied()
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
    terms: usize,
}

impl<'t> Parser<'t> {
    fn error(&self, span: Range<usize>, what: impl Into<String>) -> AskError {
        error(self.text, span, what)
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn blanks(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// Takes a word of the language, in capitals or small.
    fn keyword(&mut self, word: &str) -> bool {
        self.blanks();
        let rest = self.rest();
        let head = rest.get(..word.len());
        let after = rest.get(word.len()..).unwrap_or_default();
        let found = head.is_some_and(|head| head.eq_ignore_ascii_case(word))
            && (after.is_empty() || after.starts_with([' ', '\t', '\n', '(']));
        if found {
            self.at += word.len();
        }
        found
    }

    fn either(&mut self) -> Result<Node, AskError> {
        let mut parts = vec![self.both()?];
        while self.keyword("or") {
            parts.push(self.both()?);
        }
        Ok(match parts.len() {
            1 => parts.remove(0),
            _ => Node::Or(parts),
        })
    }

    fn both(&mut self) -> Result<Node, AskError> {
        let mut parts = Vec::new();
        loop {
            match self.one()? {
                Node::And(inner) => parts.extend(inner),
                other => parts.push(other),
            }
            let joined = self.keyword("and");
            self.blanks();
            let rest = self.rest();
            let ends = rest.is_empty() || rest.starts_with(')');
            let at = self.at;
            let or = self.keyword("or");
            self.at = at;
            if !joined && (ends || or) {
                break;
            }
        }
        Ok(match parts.len() {
            1 => parts.remove(0),
            _ => Node::And(parts),
        })
    }

    fn one(&mut self) -> Result<Node, AskError> {
        if self.keyword("not") {
            self.deeper()?;
            let inner = self.one()?;
            self.depth -= 1;
            return Ok(Node::Not(Box::new(inner)));
        }
        self.blanks();
        let start = self.at;
        if self.keyword("and") || self.keyword("or") {
            let word = self.text.get(start..self.at).unwrap_or_default();
            let what = format!(
                "a word is expected here; the word {word} itself is searched in quotes: \"{word}\""
            );
            return Err(self.error(start..self.at, what));
        }
        let rest = self.rest();
        if rest.is_empty() || rest.starts_with(')') {
            return Err(self.error(start..start, "a word is expected here"));
        }
        if rest.starts_with('(') {
            self.deeper()?;
            self.at += 1;
            let inner = self.either()?;
            self.blanks();
            if !self.rest().starts_with(')') {
                return Err(self.error(start..start + 1, "this bracket is not closed"));
            }
            self.at += 1;
            self.depth -= 1;
            return Ok(inner);
        }
        self.terms += 1;
        if self.terms > MOST_TERMS {
            return Err(self.error(
                start..start,
                format!("more than {MOST_TERMS} words and conditions"),
            ));
        }
        if let Some(condition) = self.condition()? {
            return Ok(condition);
        }
        self.term().map(Node::Term)
    }

    fn deeper(&mut self) -> Result<(), AskError> {
        self.depth += 1;
        if self.depth > MOST_DEPTH {
            return Err(self.error(self.at..self.at, "brackets are nested too deeply"));
        }
        Ok(())
    }

    /// A condition, where the name of a field and an operator stand here, or a function.
    fn condition(&mut self) -> Result<Option<Node>, AskError> {
        let (start, rest) = (self.at, self.rest());
        let len = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '[' | ']')))
            .unwrap_or(rest.len());
        let (name, after) = rest.split_at(len);
        let function = after.starts_with('(') && FUNCTIONS.iter().any(|row| row.text == name);
        let operator = after.trim_start();
        let symbol = operator.starts_with(['=', '<', '>']) || operator.starts_with("!=");
        let word = || {
            let word: String = operator
                .chars()
                .take_while(char::is_ascii_alphabetic)
                .collect();
            operator.len() < after.len()
                && afterimage_query::OPERATORS
                    .iter()
                    .any(|row| row.text == word)
        };
        let dotted = name.contains('.') && !name.starts_with('.');
        let is_field = dotted && fields::split_name(name).is_some();
        if !(function || dotted && symbol || is_field && word()) {
            return Ok(None);
        }
        if is_field && matches!(name, "evt.time" | "evt.rawtime") && symbol {
            let op = [">=", "<=", ">", "<"]
                .into_iter()
                .find(|op| operator.starts_with(op));
            if let Some(op) = op
                && let Some(ago) = operator
                    .get(op.len()..)
                    .and_then(|v| v.trim_start().strip_prefix('-'))
            {
                let len = ago.find([' ', ')', '\t']).unwrap_or(ago.len());
                let (length, behind) = ago.split_at(len);
                let end = self.text.len() - behind.len();
                let ns = duration_ns(length).and_then(|ns| u64::try_from(ns).ok());
                let Some(ns) = ns else {
                    return Err(
                        self.error(end - len..end, "no length of time: write 5m, 90s or 250ms")
                    );
                };
                self.at = end;
                return Ok(Some(Node::Before(op, ns)));
            }
        }
        let end = Filter::comparison_at(self.text, start).map_err(AskError::Filter)?;
        self.at = end;
        let text = self.text.get(start..end).unwrap_or_default();
        Ok(Some(Node::When(text.to_owned())))
    }

    fn term(&mut self) -> Result<Term, AskError> {
        let mut field = None;
        if let Some((name, _)) = self.rest().split_once(':')
            && name.contains('.')
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_'))
        {
            field = text_field(name);
            let is_name = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
            if field.is_none() && is_name && fields::split_name(name).is_some() {
                let span = self.at..self.at + name.len();
                let what = format!(
                    "no text of this field is searched; as a condition it is written {name}=…"
                );
                return Err(self.error(span, what));
            }
            if field.is_some() {
                self.at += name.len() + 1;
            }
        }
        let want = self.want()?;
        Ok(Term { field, want })
    }

    fn want(&mut self) -> Result<Want, AskError> {
        let (start, rest) = (self.at, self.rest());
        if let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'')) {
            let inner = rest.get(1..).unwrap_or_default();
            let Some(len) = inner.find(quote) else {
                return Err(self.error(start..start + 1, "this quote is not closed"));
            };
            let phrase = inner.get(..len).unwrap_or_default();
            self.at += len + 2;
            return self.checked(start, phrase, pattern(phrase, true, true, false));
        }
        if let Some(inner) = rest.strip_prefix('[') {
            let Some((range, _)) = inner.split_once(']') else {
                return Err(self.error(start..start + 1, "this bracket is not closed"));
            };
            self.at += range.len() + 2;
            let ends = range
                .split_once(" TO ")
                .or_else(|| range.split_once(" to "));
            let Some((from, to)) = ends.map(|(a, b)| (a.trim(), b.trim())) else {
                return Err(self.error(start..self.at, "a range is written [from TO to]"));
            };
            if let (Some((from, _)), Some((_, to))) = (address_range(from), address_range(to)) {
                return Ok(Want::Addresses(from, to));
            }
            return Ok(Want::Words(
                words::key(from.as_bytes()),
                words::key(to.as_bytes()),
            ));
        }
        if let Some(inner) = rest.strip_prefix("re:") {
            let quoted = inner
                .strip_prefix('"')
                .and_then(|inner| inner.split_once('"'));
            let (text, len) = match quoted {
                Some((text, _)) => (text, text.len() + 2),
                None => {
                    let len = inner.find([' ', '\t']).unwrap_or(inner.len());
                    (inner.get(..len).unwrap_or_default(), len)
                }
            };
            self.at += 3 + len;
            let want = compile(text).map(|regex| Want::Pattern {
                regex: Pattern::Regex(regex),
                begins: false,
                ends: false,
                look: Look::Anything,
                plain: false,
            });
            return self.checked(start, text, want);
        }
        let len = rest
            .find([' ', '\t', '\n', '(', ')', '"'])
            .unwrap_or(rest.len());
        let word = rest.get(..len).unwrap_or_default();
        self.at += len;
        if let Some((from, to)) = address_range(word) {
            return Ok(Want::Addresses(from, to));
        }
        if let Some((word, most)) = word.rsplit_once('~') {
            let Some(most) = most
                .parse::<u8>()
                .ok()
                .filter(|most| (1..=2).contains(most))
            else {
                let span = start + word.len()..self.at;
                return Err(self.error(span, "a word may differ in 1 or 2 letters: curl~1"));
            };
            let mut runs = words::runs(word.as_bytes());
            if runs.next() != Some(0..word.len()) {
                return Err(self.error(start..start + word.len(), "only one whole word may differ"));
            }
            return Ok(Want::Near(Near::of(word.as_bytes(), most)));
        }
        self.checked(start, word, pattern(word, true, true, true))
    }

    fn checked(
        &self,
        start: usize,
        text: &str,
        want: Result<Want, String>,
    ) -> Result<Want, AskError> {
        let span = start..self.at;
        if text.is_empty() {
            return Err(self.error(span, "there is nothing to search for here"));
        }
        if text.len() > MOST_TEXT {
            return Err(self.error(span, "longer than any text that is kept"));
        }
        want.map_err(|what| self.error(span, what))
    }
}
