//! Text to tree. `or` of `and` of `not` of brackets and comparisons; depth is bounded, so no text exhausts the stack.

use crate::error::{FilterError, FilterErrorKind};
use crate::lexer::{Expect, Lexer};
use crate::note::{Note, NoteKind};
use crate::ops::{Op, Operand};
use crate::source::Source;
use crate::syntax::{Check, Literal, Node, Right, Term};
use crate::{MAX_DEPTH, MAX_TEXT};
use std::ops::Range;

/// Most notes that are kept of one text.
const MOST_NOTES: usize = 32;

/// The tree of a text, names not looked up.
pub(crate) fn words(text: &str) -> Result<(Node, Vec<Note>), FilterError> {
    let mut parser = Parser::new(text, false);
    let node = parser.whole()?;
    match node {
        Some(node) => Ok((node, parser.notes)),
        None => Err(parser.lexer.error_here(FilterErrorKind::ExpectedField)),
    }
}

/// The tree of a text whose names are all known; `None` for blank text.
pub(crate) fn known(text: &str) -> Result<(Option<Node>, Vec<Note>), FilterError> {
    let mut parser = Parser::new(text, true);
    let node = parser.whole()?;
    Ok((node, parser.notes))
}

/// One term at the start of a text, and where it ends.
pub(crate) fn term(text: &str) -> Result<(Term, usize), FilterError> {
    let mut parser = Parser::new(text, true);
    match parser.term()? {
        Ok(term) => Ok((term, parser.lexer.at())),
        Err(word) => Err(parser.lexer.error(word.span, FilterErrorKind::UnknownField)),
    }
}

/// Where the comparison ends that a text begins with.
pub(crate) fn comparison(text: &str) -> Result<usize, FilterError> {
    let mut parser = Parser::new(text, true);
    parser.comparison()?;
    let taken = text.get(..parser.lexer.at()).unwrap_or(text);
    Ok(taken.trim_end().len())
}

/// What would have been welcome where `text` ends, and the byte where the word begun there starts.
pub(crate) fn expected(text: &str) -> (Expect, usize) {
    let mut parser = Parser::new(text, true);
    let _ = parser.whole();
    parser.lexer.expect
}

struct Parser<'t> {
    text: &'t str,
    lexer: Lexer<'t>,
    depth: usize,
    /// Whether a name that is not known is an error.
    strict: bool,
    notes: Vec<Note>,
}

impl<'t> Parser<'t> {
    fn new(text: &'t str, strict: bool) -> Parser<'t> {
        Parser {
            text,
            lexer: Lexer::new(text),
            depth: 0,
            strict,
            notes: Vec::new(),
        }
    }

    fn whole(&mut self) -> Result<Option<Node>, FilterError> {
        // Rule files put whole lists into a condition.
        let longest = if self.strict { MAX_TEXT } else { 16 * MAX_TEXT };
        if self.text.len() > longest {
            return Err(FilterError::new(self.text, 0..0, FilterErrorKind::TooLong));
        }
        self.blanks(Expect::Field);
        if self.lexer.rest().is_empty() {
            return Ok(None);
        }
        let node = self.alternatives()?;
        if !self.lexer.rest().is_empty() {
            return Err(self.lexer.error_here(FilterErrorKind::ExpectedConnective));
        }
        Ok(Some(node))
    }

    fn blanks(&mut self, next: Expect) {
        self.lexer.skip_blanks();
        self.lexer.expect(next);
    }

    fn alternatives(&mut self) -> Result<Node, FilterError> {
        let start = self.lexer.at();
        let mut mixed = false;
        let mut parts = Vec::new();
        loop {
            let (part, joined) = self.conditions()?;
            mixed |= joined;
            parts.push(part);
            if !self.lexer.keyword("or") {
                break;
            }
        }
        let mixed = mixed && parts.len() > 1;
        let node = one_or(parts, Node::Or);
        if mixed {
            self.note(start, NoteKind::Mixed, &node);
        }
        Ok(node)
    }

    /// Conditions joined by `and`, and whether there are several.
    fn conditions(&mut self) -> Result<(Node, bool), FilterError> {
        let mut parts = vec![self.condition()?];
        while self.lexer.keyword("and") {
            parts.push(self.condition()?);
        }
        let joined = parts.len() > 1;
        Ok((one_or(parts, Node::And), joined))
    }

    fn note(&mut self, start: usize, kind: fn(String) -> NoteKind, node: &Node) {
        if self.notes.len() >= MOST_NOTES {
            return;
        }
        let kind = kind(node.to_string());
        let text = self.text.get(start..self.lexer.at()).unwrap_or_default();
        let end = start + text.trim_end().len();
        self.notes.push(Note {
            span: start..end,
            kind,
        });
    }

    /// A comparison or a bracket, with any number of `not` before it. Leaves the place at the next word.
    fn condition(&mut self) -> Result<Node, FilterError> {
        let mut nots = 0usize;
        self.blanks(Expect::Field);
        let start = self.lexer.at();
        while self.lexer.keyword("not") {
            nots += 1;
            self.blanks(Expect::Field);
        }
        let bracket = self.lexer.rest().starts_with('(');
        let node = if bracket {
            self.bracket()?
        } else {
            self.comparison()?
        };
        let node = match nots % 2 {
            1 => Node::Not(Box::new(node)),
            _ => node,
        };
        if nots > 1 {
            self.note(start, NoteKind::ManyNots, &node);
        }
        // A word that stands at the end may still be growing: what was welcome in its place stays welcome.
        if bracket || !self.lexer.rest().is_empty() {
            self.blanks(Expect::Connective);
        }
        Ok(node)
    }

    fn deeper(&mut self, place: Range<usize>) -> Result<(), FilterError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.lexer.error(place, FilterErrorKind::TooDeep));
        }
        Ok(())
    }

    fn bracket(&mut self) -> Result<Node, FilterError> {
        let open = self.lexer.at();
        self.lexer.take("(");
        self.deeper(open..open + 1)?;
        let node = self.alternatives()?;
        self.close(open, FilterErrorKind::ExpectedConnective)?;
        self.depth -= 1;
        Ok(node)
    }

    /// The closing bracket; else the error that fits what stands here.
    fn close(&mut self, open: usize, otherwise: FilterErrorKind) -> Result<(), FilterError> {
        if self.lexer.take(")") {
            return Ok(());
        }
        Err(if self.lexer.rest().is_empty() {
            self.lexer
                .error(open..open + 1, FilterErrorKind::OpenBracket)
        } else {
            self.lexer.error_here(otherwise)
        })
    }

    /// A field or a function of fields, else the word that stands here alone.
    fn term(&mut self) -> Result<Result<Term, Literal>, FilterError> {
        let start = self.lexer.at();
        if self.lexer.function().is_some() {
            self.lexer.back_to(start);
            return self.call().map(Ok);
        }
        let name = self.lexer.name();
        if name.is_empty() {
            return Err(self.lexer.error_here(FilterErrorKind::ExpectedField));
        }
        if self.lexer.rest().starts_with('(') {
            return Err(self
                .lexer
                .error(start..self.lexer.at(), FilterErrorKind::UnknownFunction));
        }
        if !name.contains('.') {
            return Ok(Err(Literal {
                bytes: name.as_bytes().to_vec(),
                span: start..self.lexer.at(),
            }));
        }
        self.field(start, name).map(Ok)
    }

    fn field(&mut self, start: usize, name: &str) -> Result<Term, FilterError> {
        let arg = self.lexer.bracketed(start)?;
        let term = Term::Field {
            name: name.to_owned(),
            arg,
            span: start..self.lexer.at(),
        };
        self.check_known(&term)?;
        Ok(term)
    }

    fn check_known(&self, term: &Term) -> Result<(), FilterError> {
        if self.strict {
            Source::resolve(term).map_err(|(span, kind)| self.lexer.error(span, kind))?;
        }
        Ok(())
    }

    /// A function with its arguments.
    fn call(&mut self) -> Result<Term, FilterError> {
        let start = self.lexer.at();
        let Some(function) = self.lexer.function() else {
            return Err(self.lexer.error_here(FilterErrorKind::ExpectedField));
        };
        let open = self.lexer.at() - 1;
        self.deeper(open..open + 1)?;
        let mut args = Vec::new();
        loop {
            self.blanks(Expect::Field);
            args.push(self.argument(true)?);
            self.blanks(Expect::Nothing);
            if !self.lexer.take(",") {
                break;
            }
        }
        self.close(open, FilterErrorKind::ExpectedArgument)?;
        self.depth -= 1;
        let index = self.lexer.bracketed(start)?;
        let term = Term::Call {
            function,
            args,
            index,
            span: start..self.lexer.at(),
        };
        self.check_known(&term)?;
        Ok(term)
    }

    /// An argument of a function, or of a list in brackets inside one.
    fn argument(&mut self, list: bool) -> Result<Term, FilterError> {
        if let Some(number) = self.lexer.plain_number() {
            return Ok(Term::Literal(number));
        }
        if self.lexer.rest().starts_with(['"', '\'']) {
            return self.lexer.quoted().map(Term::Literal);
        }
        let open = self.lexer.at();
        if list && self.lexer.take("(") {
            return self.terms(open);
        }
        match self.term()? {
            Ok(term) => Ok(term),
            Err(word) => Err(self
                .lexer
                .error(word.span, FilterErrorKind::ExpectedArgument)),
        }
    }

    fn terms(&mut self, open: usize) -> Result<Term, FilterError> {
        let mut terms = Vec::new();
        self.blanks(Expect::Field);
        if !self.lexer.take(")") {
            loop {
                self.blanks(Expect::Field);
                terms.push(self.argument(false)?);
                self.blanks(Expect::Nothing);
                if !self.lexer.take(",") {
                    break;
                }
            }
            self.close(open, FilterErrorKind::ExpectedArgument)?;
        }
        Ok(Term::List(terms, open..self.lexer.at()))
    }

    fn comparison(&mut self) -> Result<Node, FilterError> {
        let left = match self.term()? {
            Ok(term) => term,
            Err(word) if self.strict => {
                return Err(self.lexer.error(word.span, FilterErrorKind::UnknownField));
            }
            Err(word) => return Ok(Node::Macro(word)),
        };
        if self.lexer.rest().is_empty() {
            // The word still stands at the cursor: it may be the start of a longer name.
            return Err(self.lexer.error_here(FilterErrorKind::ExpectedOperator));
        }
        self.blanks(Expect::Operator(left.clone()));
        let start = self.lexer.at();
        let op = self.lexer.operator()?;
        let op_span = start..self.lexer.at();
        if op.is_word() && self.lexer.rest().is_empty() && op.operand() != Operand::None {
            return Err(self.lexer.error_here(FilterErrorKind::ExpectedValue));
        }
        let welcome = Expect::Value(left.clone());
        let mut modifier = None;
        let right = match op.operand() {
            Operand::None => Right::Nothing,
            Operand::Value => {
                let blank = self.lexer.skip_blanks();
                self.lexer.expect(welcome.clone());
                if blank && op.takes_modifier() {
                    modifier = self.lexer.modifier();
                }
                match modifier {
                    Some(_) => self.list(op, &welcome, false)?,
                    None => self.value(op)?,
                }
            }
            Operand::List => self.list(op, &welcome, true)?,
        };
        Ok(Node::Check(Box::new(Check {
            left,
            op,
            modifier,
            right,
            op_span,
        })))
    }

    /// `val(field)` or a function, if one begins here.
    fn right_term(&mut self) -> Result<Option<Right>, FilterError> {
        let start = self.lexer.at();
        if self.lexer.take("val(") {
            let open = self.lexer.at() - 1;
            self.blanks(Expect::Field);
            let at = self.lexer.at();
            let name = self.lexer.name();
            if !name.contains('.') || self.lexer.rest().starts_with('(') {
                return Err(self
                    .lexer
                    .error(at..self.lexer.at(), FilterErrorKind::ExpectedField));
            }
            let field = self.field(at, name)?;
            self.blanks(Expect::Nothing);
            self.close(open, FilterErrorKind::ExpectedArgument)?;
            if self.lexer.bracketed(start)?.is_some() {
                return Err(self
                    .lexer
                    .error(start..self.lexer.at(), FilterErrorKind::NoIndex("val")));
            }
            return Ok(Some(Right::Term(field)));
        }
        if self.lexer.function().is_some() {
            self.lexer.back_to(start);
            return self.call().map(|call| Some(Right::Term(call)));
        }
        Ok(None)
    }

    fn value(&mut self, op: Op) -> Result<Right, FilterError> {
        if let Some(term) = self.right_term()? {
            return Ok(term);
        }
        let value = match op {
            Op::Lt | Op::Le | Op::Gt | Op::Ge => self.lexer.number()?,
            _ => self.lexer.value()?,
        };
        Ok(Right::Value(value))
    }

    fn list(&mut self, op: Op, expect: &Expect, terms: bool) -> Result<Right, FilterError> {
        self.blanks(Expect::Nothing);
        let open = self.lexer.at();
        if !self.lexer.take("(") {
            if terms && let Some(term) = self.right_term()? {
                return Ok(term);
            }
            let start = self.lexer.at();
            let word = self.lexer.identifier();
            if word.is_empty() {
                return Err(self.lexer.error_here(FilterErrorKind::ExpectedList(op)));
            }
            return Ok(Right::Name(Literal {
                bytes: word.as_bytes().to_vec(),
                span: start..self.lexer.at(),
            }));
        }
        let mut values = Vec::new();
        self.blanks(expect.clone());
        if self.lexer.take(")") {
            return Ok(Right::List(values));
        }
        loop {
            self.blanks(expect.clone());
            values.push(self.lexer.value()?);
            self.lexer.skip_blanks();
            if !self.lexer.take(",") {
                break;
            }
        }
        self.close(open, FilterErrorKind::ExpectedList(op))?;
        Ok(Right::List(values))
    }
}

/// The only one, or all joined.
fn one_or(mut parts: Vec<Node>, join: fn(Vec<Node>) -> Node) -> Node {
    match (parts.len(), parts.pop()) {
        (1, Some(part)) => part,
        (_, last) => {
            parts.extend(last);
            join(parts)
        }
    }
}
