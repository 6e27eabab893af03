//! Words, fields, operators and values out of a filter's text, with their places. Which of them may come next is the
//! parser's business: a bare value may hold what elsewhere would be an operator (`evt.dir=>`).

use crate::error::{FilterError, FilterErrorKind};
use crate::ops::{Function, Modifier, OPERATORS, Op, Operand};
use crate::syntax::{Literal, Term};
use crate::values::unescape;
use std::ops::Range;

/// What would have been welcome where the text ends: read by completion.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expect {
    Field,
    Operator(Term),
    Value(Term),
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

/// The words that join conditions.
const CONNECTIVES: [&str; 3] = ["and", "or", "not"];

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

    /// Goes back to a place this lexer was at.
    pub fn back_to(&mut self, at: usize) {
        self.at = at;
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

    /// Takes blanks; whether there were any.
    pub fn skip_blanks(&mut self) -> bool {
        let before = self.at;
        let blank = |c: char| c.is_whitespace() || c == '\u{8}';
        self.at = self.text.len() - self.rest().trim_start_matches(blank).len();
        self.at > before
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

    pub fn take_while(&mut self, fits: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let len = rest.find(|c| !fits(c)).unwrap_or(rest.len());
        self.at += len;
        rest.get(..len).unwrap_or_default()
    }

    /// Takes a keyword if it stands here as a whole word; a bracket may follow without a blank.
    pub fn keyword(&mut self, word: &str) -> bool {
        let found = self.is_keyword(word);
        if found {
            self.at += word.len();
        }
        found
    }

    fn is_keyword(&self, word: &str) -> bool {
        let ends = |c: char| c.is_whitespace() || c == '\u{8}' || c == '(' || c == ')';
        match self.rest().strip_prefix(word) {
            Some(rest) => rest.is_empty() || rest.starts_with(ends),
            None => false,
        }
    }

    /// A word of letters, digits and underscores that begins with a letter; empty when none stands here.
    pub fn identifier(&mut self) -> &'t str {
        if !self.rest().starts_with(|c: char| c.is_ascii_alphabetic()) {
            return "";
        }
        self.take_while(|c| c.is_ascii_alphanumeric() || c == '_')
    }

    /// A dotted name, or an identifier where no dot follows. Behind the second dot, where the peers know no names, a key
    /// may also hold what keys of labels hold.
    pub fn name(&mut self) -> &'t str {
        let start = self.at;
        if self.identifier().is_empty() {
            return "";
        }
        let mut parts = 1;
        loop {
            let key = parts >= 2;
            let begins = |c: char| {
                c.is_ascii_alphabetic() || (key && (c.is_ascii_alphanumeric() || c == '_'))
            };
            match self.rest().strip_prefix('.') {
                Some(after) if after.starts_with(begins) => self.at += 1,
                _ => break,
            }
            self.take_while(|c| {
                c.is_ascii_alphanumeric() || c == '_' || (key && matches!(c, '-' | '/'))
            });
            parts += 1;
        }
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// `[argument]`, quoted or bare, if a bracket stands here.
    pub fn bracketed(&mut self, start: usize) -> Result<Option<String>, FilterError> {
        if !self.take("[") {
            return Ok(None);
        }
        let quoted = self.rest().starts_with(['"', '\'']);
        let arg = if quoted {
            String::from_utf8_lossy(&self.quoted()?.bytes).into_owned()
        } else {
            self.take_while(|c| !c.is_whitespace() && !"[]\"'".contains(c))
                .to_owned()
        };
        if (arg.is_empty() && !quoted) || !self.take("]") {
            return Err(self.error(start..self.at, FilterErrorKind::BadArgument));
        }
        Ok(Some(arg))
    }

    /// The function that begins here, with its opening bracket taken.
    pub fn function(&mut self) -> Option<Function> {
        let start = self.at;
        let found = Function::by_text(self.identifier()).filter(|_| self.take("("));
        if found.is_none() {
            self.at = start;
        }
        found
    }

    /// An operator. Symbols need no blanks, nor do `exists` before a connective and lists in brackets.
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
        if let Some(rest) = word.strip_prefix(Op::Exists.text())
            && CONNECTIVES.contains(&rest)
        {
            self.at = start + Op::Exists.text().len();
            return Ok(Op::Exists);
        }
        let blank = self.rest().is_empty() || self.rest().starts_with(|c: char| c.is_whitespace());
        match Op::by_text(word) {
            Some(op) if blank || op.operand() != Operand::Value => Ok(op),
            Some(_) => Err(self.error(self.at..self.at, FilterErrorKind::ExpectedBlank)),
            None if word.is_empty() || CONNECTIVES.contains(&word) => {
                Err(self.error(span, FilterErrorKind::ExpectedOperator))
            }
            None => Err(self.error(span, FilterErrorKind::UnknownOperator)),
        }
    }

    /// A modifier, if one stands here with a list, or the name of one, behind it. Else the word is a value.
    pub fn modifier(&mut self) -> Option<Modifier> {
        let start = self.at;
        let word = self.identifier();
        let found = Modifier::by_text(word).filter(|_| {
            let blank = self.skip_blanks();
            let list = self.rest().starts_with('(')
                || self.rest().starts_with(|c: char| c.is_ascii_alphabetic());
            blank && list && !CONNECTIVES.iter().any(|word| self.is_keyword(word))
        });
        if found.is_none() {
            self.at = start;
        }
        found
    }

    /// A value, quoted or bare.
    pub fn value(&mut self) -> Result<Literal, FilterError> {
        if self.rest().starts_with(['"', '\'']) {
            return self.quoted();
        }
        let start = self.at;
        let word = self
            .take_while(|c| !c.is_whitespace() && !matches!(c, '(' | ')' | ',' | '=' | '"' | '\''));
        if word.is_empty() {
            return Err(self.error_here(FilterErrorKind::ExpectedValue));
        }
        Ok(Literal {
            bytes: word.as_bytes().to_vec(),
            span: start..self.at,
        })
    }

    /// What stands after `<` and its kin: a number, a length of time, an instant.
    pub fn number(&mut self) -> Result<Literal, FilterError> {
        if self.rest().starts_with(['"', '\'']) {
            return self.quoted();
        }
        let start = self.at;
        let word = self.take_while(|c| !c.is_whitespace() && c != '(' && c != ')' && c != ',');
        let len = number_len(word);
        let tail = word.get(len..).unwrap_or_default();
        if CONNECTIVES.contains(&tail) {
            self.at = start + len;
        } else if word.is_empty() || !(tail.is_empty() || is_time(word)) {
            return Err(self.error(start..self.at, FilterErrorKind::ExpectedNumber));
        }
        Ok(Literal {
            bytes: self
                .text
                .get(start..self.at)
                .unwrap_or_default()
                .as_bytes()
                .to_vec(),
            span: start..self.at,
        })
    }

    /// A number as an argument of a function, if one stands here.
    pub fn plain_number(&mut self) -> Option<Literal> {
        let len = number_len(self.rest());
        let start = self.at;
        self.at += len;
        let bytes = self.text.get(start..self.at)?.as_bytes().to_vec();
        (len > 0).then_some(Literal {
            bytes,
            span: start..self.at,
        })
    }

    /// A quoted text. As the peers read it, a quote right behind a backslash never closes; where that leaves none to close
    /// it, one behind a backslash that is itself escaped does.
    pub fn quoted(&mut self) -> Result<Literal, FilterError> {
        let start = self.at;
        let quote = self.rest().chars().next().unwrap_or('"');
        let mut before = quote;
        let mut escaped = false;
        let mut lenient = None;
        let close = self.rest().char_indices().skip(1).find(|(at, c)| {
            let closes = before != '\\' && *c == quote;
            if !escaped && *c == quote && lenient.is_none() {
                lenient = Some((*at, *c));
            }
            escaped = !escaped && *c == '\\';
            before = *c;
            closes
        });
        let close = close.or(lenient);
        let Some((close, _)) = close else {
            return Err(self.error(start..self.text.len(), FilterErrorKind::OpenQuote));
        };
        let inside = self.rest().get(1..close).unwrap_or_default();
        self.at += close + 1;
        let bytes = unescape(inside, quote).map_err(|escape| {
            let place = start + 1 + escape.start..start + 1 + escape.end;
            self.error(place, FilterErrorKind::BadEscape)
        })?;
        Ok(Literal {
            bytes,
            span: start..self.at,
        })
    }
}

/// How many bytes at the start of a text are a number: hex, or decimal with sign, fraction and exponent.
fn number_len(text: &str) -> usize {
    let digits =
        |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        let rest = hex.trim_start_matches(|c: char| c.is_ascii_hexdigit());
        if rest.len() < hex.len() {
            return text.len() - rest.len();
        }
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let whole = digits(unsigned);
    if whole == 0 {
        return 0;
    }
    let mut rest = unsigned.get(whole..).unwrap_or_default();
    if let Some(fraction) = rest.strip_prefix('.') {
        rest = fraction.get(digits(fraction)..).unwrap_or_default();
    }
    if let Some(exponent) = rest.strip_prefix(['e', 'E']) {
        let unsigned = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        let len = digits(unsigned);
        if len > 0 {
            rest = unsigned.get(len..).unwrap_or_default();
        }
    }
    text.len() - rest.len()
}

/// Whether a text can stand bare after `<` and its kin.
pub(crate) fn is_bare_number(text: &str) -> bool {
    let mut lexer = Lexer::new(text);
    !text.starts_with(['"', '\'']) && lexer.number().is_ok() && lexer.rest().is_empty()
}

/// Whether a word is a length of time with a unit, or begins as a date does.
fn is_time(word: &str) -> bool {
    let units = ["ns", "us", "µs", "ms", "s", "m", "h"];
    let tail = word.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let dated = word.len() >= 10
        && word.bytes().take(10).enumerate().all(|(at, b)| match at {
            4 | 7 => b == b'-',
            _ => b.is_ascii_digit(),
        });
    (tail.len() < word.len() && units.contains(&tail)) || dated
}
