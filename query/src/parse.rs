//! Text to tree. `or` of `and` of `not` of brackets and comparisons; depth is bounded, so no text exhausts the stack.

use crate::check::Matcher;
use crate::error::{FilterError, FilterErrorKind};
use crate::expr::{Expr, Test};
use crate::lexer::{Expect, Lexer, Token};
use crate::ops::{Op, Operand};
use crate::{MAX_DEPTH, MAX_TEXT};
use std::sync::Arc;

pub(crate) fn parse(text: &str) -> Result<Expr, FilterError> {
    Parser::new(text).whole()
}

/// What would have been welcome where `text` ends, and the byte where the word begun there starts.
pub(crate) fn expected(text: &str) -> (Expect, usize) {
    let mut parser = Parser::new(text);
    let _ = parser.whole();
    parser.lexer.expect
}

struct Parser<'t> {
    text: &'t str,
    lexer: Lexer<'t>,
    depth: usize,
}

impl<'t> Parser<'t> {
    fn new(text: &'t str) -> Parser<'t> {
        Parser {
            text,
            lexer: Lexer::new(text),
            depth: 0,
        }
    }

    fn whole(&mut self) -> Result<Expr, FilterError> {
        if self.text.len() > MAX_TEXT {
            return Err(FilterError::new(self.text, 0..0, FilterErrorKind::TooLong));
        }
        self.blanks(Expect::Field);
        if self.lexer.rest().is_empty() {
            return Ok(Expr::All);
        }
        let expr = self.alternatives()?;
        if !self.lexer.rest().is_empty() {
            return Err(self.lexer.error_here(FilterErrorKind::ExpectedConnective));
        }
        Ok(expr)
    }

    fn blanks(&mut self, next: Expect) {
        self.lexer.skip_blanks();
        self.lexer.expect(next);
    }

    fn alternatives(&mut self) -> Result<Expr, FilterError> {
        let mut parts = vec![self.conditions()?];
        while self.lexer.keyword("or") {
            parts.push(self.conditions()?);
        }
        Ok(Expr::any(parts))
    }

    fn conditions(&mut self) -> Result<Expr, FilterError> {
        let mut parts = vec![self.condition()?];
        while self.lexer.keyword("and") {
            parts.push(self.condition()?);
        }
        Ok(Expr::all(parts))
    }

    /// A comparison or a bracket, with any number of `not` before it. Leaves the place at the next word.
    fn condition(&mut self) -> Result<Expr, FilterError> {
        let mut negated = false;
        self.blanks(Expect::Field);
        while self.lexer.keyword("not") {
            negated = !negated;
            self.blanks(Expect::Field);
        }
        let bracket = self.lexer.rest().starts_with('(');
        let expr = if bracket {
            self.bracket()?
        } else {
            self.comparison()?
        };
        // A word that stands at the end may still be growing: what was welcome in its place stays welcome.
        if bracket || !self.lexer.rest().is_empty() {
            self.blanks(Expect::Connective);
        }
        Ok(if negated { expr.negate() } else { expr })
    }

    fn bracket(&mut self) -> Result<Expr, FilterError> {
        let open = self.lexer.at();
        self.lexer.take("(");
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.lexer.error(open..open + 1, FilterErrorKind::TooDeep));
        }
        let expr = self.alternatives()?;
        if !self.lexer.take(")") {
            return Err(match self.lexer.rest().is_empty() {
                true => self
                    .lexer
                    .error(open..open + 1, FilterErrorKind::OpenBracket),
                false => self.lexer.error_here(FilterErrorKind::ExpectedConnective),
            });
        }
        self.depth -= 1;
        Ok(expr)
    }

    fn comparison(&mut self) -> Result<Expr, FilterError> {
        let field = self.lexer.field()?;
        if self.lexer.rest().is_empty() {
            // The word still stands at the cursor: it may be the start of a longer name.
            return Err(self.lexer.error_here(FilterErrorKind::ExpectedOperator));
        }
        self.blanks(Expect::Operator(field.clone()));
        let start = self.lexer.at();
        let op = self.lexer.operator()?;
        let place = start..self.lexer.at();
        let row = field.field();
        // An argument of a call is text here and a number there; whoever compares it with a number means the number.
        let ty = row.ty;
        if !op.fits(ty) && !Matcher::is_numeric_argument(row, op) {
            return Err(self
                .lexer
                .error(place, FilterErrorKind::OperatorMisfit(op, ty)));
        }
        if op.is_word() && self.lexer.rest().is_empty() && op.operand() != Operand::None {
            return Err(self.lexer.error_here(FilterErrorKind::ExpectedValue));
        }
        let values = match op.operand() {
            Operand::None => Vec::new(),
            Operand::Value => {
                self.blanks(Expect::Value(field.clone()));
                vec![self.lexer.value()?]
            }
            Operand::List => self.list(op, &Expect::Value(field.clone()))?,
        };
        let matcher = Matcher::compile(row, op, &values)
            .map_err(|(span, kind)| self.lexer.error(span, kind))?;
        let values = values.into_iter().map(|token| token.bytes).collect();
        Ok(Expr::Test(Test {
            field,
            op,
            values,
            matcher: Arc::new(matcher),
        }))
    }

    fn list(&mut self, op: Op, expect: &Expect) -> Result<Vec<Token>, FilterError> {
        self.blanks(Expect::Nothing);
        let open = self.lexer.at();
        if !self.lexer.take("(") {
            return Err(self.lexer.error_here(FilterErrorKind::ExpectedList(op)));
        }
        let mut values = Vec::new();
        loop {
            self.blanks(expect.clone());
            values.push(self.lexer.value()?);
            self.lexer.skip_blanks();
            if self.lexer.take(")") {
                return Ok(values);
            }
            if !self.lexer.take(",") {
                return Err(match self.lexer.rest().is_empty() {
                    true => self
                        .lexer
                        .error(open..open + 1, FilterErrorKind::OpenBracket),
                    false => self.lexer.error_here(FilterErrorKind::ExpectedList(op)),
                });
            }
        }
    }
}
