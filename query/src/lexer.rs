//! Words, fields, operators and values out of a filter's text, with their places. Which of them may come next is the
//! parser's business: a bare value may hold what elsewhere would be an operator (`evt.dir=>`).

use crate::error::{FilterError, FilterErrorKind};
use crate::field::FieldRef;
use crate::ops::{OPERATORS, Op};
use crate::values::unescape;
use std::ops::Range;

/// What would have been welcome where the text ends: read by completion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    Field,
    Operator(FieldRef),
    Value(FieldRef),
    Connective,
    Nothing,
}

/// A place in a text.
pub(crate) struct Lexer<'t> {
    text: &'t str,
    at: usize,
    /// What was welcome last, and from which byte on.
    pub(crate) expect: (Expect, usize),
}

/// A value with its place.
pub(crate) struct Token {
    pub bytes: Vec<u8>,
    pub span: Range<usize>,
}

impl<'t> Lexer<'t> {
    pub fn new(text: &'t str) -> Lexer<'t> {
        Lexer {
            text,
            at: 0,
            expect: (Expect::Field, 0),
        }
    }

    pub fn at(&self) -> usize {
        self.at
    }

    pub fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub fn error(&self, span: Range<usize>, kind: FilterErrorKind) -> FilterError {
        FilterError::new(self.text, span, kind)
    }

    /// An error about the word that stands here, or about the end.
    pub fn error_here(&self, kind: FilterErrorKind) -> FilterError {
        let len = self
            .rest()
            .find(char::is_whitespace)
            .unwrap_or(self.rest().len());
        self.error(self.at..self.at + len, kind)
    }

    pub fn skip_blanks(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    pub fn expect(&mut self, what: Expect) {
        self.expect = (what, self.at);
    }

    /// Takes `text` if it stands here.
    pub fn take(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    fn take_while(&mut self, fits: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let len = rest.find(|c| !fits(c)).unwrap_or(rest.len());
        self.at += len;
        rest.get(..len).unwrap_or_default()
    }

    /// Takes a keyword if it stands here as a whole word; a bracket may follow without a blank.
    pub fn keyword(&mut self, word: &str) -> bool {
        let ends = |c: char| c.is_whitespace() || c == '(' || c == ')';
        match self.rest().strip_prefix(word) {
            Some(rest) if rest.is_empty() || rest.starts_with(ends) => {
                self.at += word.len();
                true
            }
            _ => false,
        }
    }

    /// A field, with its argument in brackets or after a dot.
    pub fn field(&mut self) -> Result<FieldRef, FilterError> {
        let start = self.at;
        let word =
            self.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/'));
        if word.is_empty() {
            return Err(self.error_here(FilterErrorKind::ExpectedField));
        }
        if self.rest().starts_with('(') {
            return Err(self.error(start..self.at, FilterErrorKind::Function));
        }
        let name_end = self.at;
        let arg = self.bracketed(start)?;
        FieldRef::resolve(word, arg).map_err(|kind| {
            let end = if kind == FilterErrorKind::UnknownField {
                name_end
            } else {
                self.at
            };
            self.error(start..end, kind)
        })
    }

    /// `[argument]`, quoted or bare.
    fn bracketed(&mut self, start: usize) -> Result<Option<String>, FilterError> {
        if !self.take("[") {
            return Ok(None);
        }
        let arg = if self.rest().starts_with(['"', '\'']) {
            String::from_utf8_lossy(&self.quoted()?.bytes).into_owned()
        } else {
            self.take_while(|c| c != ']' && !c.is_control())
                .trim()
                .to_owned()
        };
        if arg.is_empty() || !self.take("]") {
            return Err(self.error(start..self.at, FilterErrorKind::BadArgument));
        }
        Ok(Some(arg))
    }

    /// An operator.
    pub fn operator(&mut self) -> Result<Op, FilterError> {
        let symbols = OPERATORS.iter().filter(|row| !row.op.is_word());
        for row in symbols {
            for text in row.aliases.iter().chain([&row.text]) {
                if self.take(text) {
                    return Ok(row.op);
                }
            }
        }
        let start = self.at;
        let word = self.take_while(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
        let span = start..self.at;
        match Op::by_text(word) {
            Some(op) => Ok(op),
            None if matches!(word, "" | "and" | "or" | "not") => {
                Err(self.error(span, FilterErrorKind::ExpectedOperator))
            }
            None => Err(self.error(span, FilterErrorKind::UnknownOperator)),
        }
    }

    /// A value, quoted or bare.
    pub fn value(&mut self) -> Result<Token, FilterError> {
        if self.rest().starts_with(['"', '\'']) {
            return self.quoted();
        }
        let start = self.at;
        let word = self
            .take_while(|c| !c.is_whitespace() && !matches!(c, '(' | ')' | ',' | '=' | '"' | '\''));
        if word.is_empty() {
            return Err(self.error_here(FilterErrorKind::ExpectedValue));
        }
        Ok(Token {
            bytes: word.as_bytes().to_vec(),
            span: start..self.at,
        })
    }

    fn quoted(&mut self) -> Result<Token, FilterError> {
        let start = self.at;
        let quote = self.rest().chars().next().unwrap_or('"');
        let mut escaped = false;
        let close = self.rest().char_indices().skip(1).find(|(_, c)| {
            let closes = !escaped && *c == quote;
            escaped = !escaped && *c == '\\';
            closes
        });
        let Some((close, _)) = close else {
            return Err(self.error(start..self.text.len(), FilterErrorKind::OpenQuote));
        };
        let inside = self.rest().get(1..close).unwrap_or_default();
        self.at += close + 1;
        Ok(Token {
            bytes: unescape(inside),
            span: start..self.at,
        })
    }
}
