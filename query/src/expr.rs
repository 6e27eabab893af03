//! The tree of a filter and its canonical text.

use crate::check::Matcher;
use crate::error::{FilterError, FilterErrorKind};
use crate::eval::Plan;
use crate::field::FieldRef;
use crate::lexer::is_bare_number;
use crate::note::{self, Note};
use crate::ops::{Modifier, Op, Operand};
use crate::parse;
use crate::source::Source;
use crate::syntax::{Check, Node, Right, Syntax};
use crate::values::{print_value, quote};
use afterimage_model::Ctx;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

/// One comparison.
#[derive(Clone)]
pub(crate) struct Test {
    pub left: Arc<Source>,
    pub op: Op,
    pub modifier: Option<Modifier>,
    pub values: Vec<Vec<u8>>,
    pub matcher: Arc<Matcher>,
}

/// A tree of comparisons. `And` and `Or` have at least two members, none of their own kind; `Not` never holds a `Not`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expr {
    All,
    Or(Vec<Expr>),
    And(Vec<Expr>),
    Not(Box<Expr>),
    Test(Test),
}

impl Expr {
    /// The tree with its names looked up and its values read.
    fn of(text: &str, node: &Node) -> Result<Expr, FilterError> {
        let parts = |parts: &[Node]| {
            parts
                .iter()
                .map(|part| Expr::of(text, part))
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(match node {
            Node::Or(inner) => Expr::any(parts(inner)?),
            Node::And(inner) => Expr::all(parts(inner)?),
            Node::Not(inner) => Expr::of(text, inner)?.negate(),
            Node::Check(check) => Expr::Test(
                Test::of(check).map_err(|(span, kind)| FilterError::new(text, span, kind))?,
            ),
            Node::Macro(name) => {
                return Err(FilterError::new(
                    text,
                    name.span.clone(),
                    FilterErrorKind::UnknownField,
                ));
            }
        })
    }

    /// As [`Expr::of`], each comparison with its own text.
    fn of_tree(node: &Node) -> Result<Expr, FilterError> {
        let parts = |parts: &[Node]| {
            parts
                .iter()
                .map(Expr::of_tree)
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(match node {
            Node::Or(inner) => Expr::any(parts(inner)?),
            Node::And(inner) => Expr::all(parts(inner)?),
            Node::Not(inner) => Expr::of_tree(inner)?.negate(),
            Node::Check(check) => match Test::of(check) {
                Ok(test) => Expr::Test(test),
                // Read again by itself, so that the place is one in the text that is shown.
                Err((_, kind)) => {
                    let text = check.to_string();
                    return Err(Filter::parse(&text)
                        .err()
                        .unwrap_or_else(|| FilterError::new(&text, 0..text.len(), kind)));
                }
            },
            Node::Macro(name) => {
                let text = String::from_utf8_lossy(&name.bytes);
                return Err(FilterError::new(
                    &text,
                    0..text.len(),
                    FilterErrorKind::UnknownField,
                ));
            }
        })
    }

    /// Joins alternatives, flattening.
    pub fn any(parts: Vec<Expr>) -> Expr {
        let mut flat = Vec::with_capacity(parts.len());
        for part in parts {
            match part {
                Expr::Or(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        if flat.len() == 1 {
            flat.pop().unwrap_or(Expr::All)
        } else {
            Expr::Or(flat)
        }
    }

    /// Joins conditions, flattening; what is always true is left out.
    pub fn all(parts: Vec<Expr>) -> Expr {
        let mut flat = Vec::with_capacity(parts.len());
        for part in parts {
            match part {
                Expr::And(inner) => flat.extend(inner),
                Expr::All => {}
                other => flat.push(other),
            }
        }
        match flat.len() {
            0 => Expr::All,
            1 => flat.pop().unwrap_or(Expr::All),
            _ => Expr::And(flat),
        }
    }

    /// The opposite.
    pub fn negate(self) -> Expr {
        match self {
            Expr::Not(inner) => *inner,
            other => Expr::Not(Box::new(other)),
        }
    }

    /// Whether any of the fields it asks is such a one.
    pub fn asks_any(&self, is: &dyn Fn(&FieldRef) -> bool) -> bool {
        match self {
            Expr::All => false,
            Expr::Or(parts) | Expr::And(parts) => parts.iter().any(|part| part.asks_any(is)),
            Expr::Not(inner) => inner.asks_any(is),
            Expr::Test(test) => {
                let mut found = false;
                let mut see = |field: &FieldRef| found |= is(field);
                test.left.fields(&mut see);
                if let Some(right) = test.matcher.right() {
                    right.fields(&mut see);
                }
                found
            }
        }
    }

    /// Binding strength: what is weaker than its surroundings gets brackets.
    fn strength(&self) -> u8 {
        match self {
            Expr::Or(_) => 0,
            Expr::And(_) => 1,
            Expr::Not(_) => 2,
            Expr::All | Expr::Test(_) => 3,
        }
    }

    fn print(&self, around: u8, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.strength() < around {
            f.write_str("(")?;
            self.print(0, f)?;
            return f.write_str(")");
        }
        match self {
            Expr::All => Ok(()),
            Expr::Or(parts) => Expr::join(parts, " or ", 1, f),
            Expr::And(parts) => Expr::join(parts, " and ", 2, f),
            Expr::Not(inner) => {
                f.write_str("not ")?;
                inner.print(3, f)
            }
            Expr::Test(test) => write!(f, "{test}"),
        }
    }

    fn join(parts: &[Expr], word: &str, around: u8, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, part) in parts.iter().enumerate() {
            if at > 0 {
                f.write_str(word)?;
            }
            part.print(around, f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.print(0, f)
    }
}

impl Test {
    fn of(check: &Check) -> Result<Test, (Range<usize>, FilterErrorKind)> {
        let left = Source::resolve(&check.left)?;
        let matcher = Matcher::compile(&left, check)?;
        let values = match &check.right {
            Right::Nothing | Right::Term(_) => Vec::new(),
            Right::Value(value) | Right::Name(value) => vec![value.bytes.clone()],
            Right::List(values) => values.iter().map(|value| value.bytes.clone()).collect(),
        };
        Ok(Test {
            left: Arc::new(left),
            op: check.op,
            modifier: check.modifier,
            values,
            matcher: Arc::new(matcher),
        })
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let worded = self.op.is_word() || self.modifier.is_some();
        let blank = if worded { " " } else { "" };
        write!(f, "{}{blank}{}", self.left, self.op.text())?;
        if let Some(modifier) = self.modifier {
            write!(f, " {}", modifier.text())?;
        }
        if let Some(right) = self.matcher.right() {
            return match right {
                Source::Field(field) => write!(f, "{blank}val({field})"),
                other => write!(f, "{blank}{other}"),
            };
        }
        let print = |value: &Vec<u8>| {
            let printed = print_value(value);
            if self.op.orders() && !is_bare_number(&printed) {
                quote(value)
            } else {
                printed
            }
        };
        let values = || self.values.iter().map(print);
        let operand = match self.modifier {
            Some(_) => Operand::List,
            None => self.op.operand(),
        };
        match operand {
            Operand::None => Ok(()),
            Operand::Value => write!(f, "{blank}{}", values().next().unwrap_or_default()),
            Operand::List => write!(f, "{blank}({})", values().collect::<Vec<_>>().join(", ")),
        }
    }
}

impl fmt::Debug for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl PartialEq for Test {
    fn eq(&self, other: &Test) -> bool {
        self.left == other.left
            && self.op == other.op
            && self.modifier == other.modifier
            && self.values == other.values
            && self.matcher.right() == other.matcher.right()
    }
}

/// A parsed and checked filter. Cheap to clone.
#[derive(Clone)]
pub struct Filter {
    pub(crate) expr: Arc<Expr>,
    pub(crate) plan: Arc<Plan>,
    notes: Arc<[Note]>,
}

impl Filter {
    /// Parses and checks. Blank text is the filter that every event passes.
    pub fn parse(text: &str) -> Result<Filter, FilterError> {
        let (node, mut notes) = parse::known(text)?;
        let expr = match &node {
            Some(node) => Expr::of(text, node)?,
            None => Expr::All,
        };
        if let Some(node) = node {
            let syntax = Syntax { node };
            for check in syntax.checks() {
                note::of_check(check, &mut notes);
            }
        }
        notes.sort_by_key(|note| note.span.start);
        Ok(Filter {
            notes: notes.into(),
            ..Filter::of(expr)
        })
    }

    /// From a tree of words. An error shows the comparison that is wrong, not the text it once stood in: a tree may be put
    /// together from several.
    pub fn from_syntax(syntax: &Syntax) -> Result<Filter, FilterError> {
        let mut notes = Vec::new();
        for check in syntax.checks() {
            note::of_check(check, &mut notes);
        }
        Ok(Filter {
            notes: notes.into(),
            ..Filter::of(Expr::of_tree(&syntax.node)?)
        })
    }

    fn of(expr: Expr) -> Filter {
        Filter {
            plan: Arc::new(Plan::of(&expr)),
            expr: Arc::new(expr),
            notes: Arc::default(),
        }
    }

    /// What a reader of the text might have meant otherwise, in the order of the text.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// Whether an event matches. To ask about many events, use an [`Evaluator`](crate::Evaluator).
    pub fn matches(&self, ctx: &Ctx<'_>) -> bool {
        self.plan.matches(ctx)
    }

    /// Both must match.
    pub fn and(self, other: Filter) -> Filter {
        let take =
            |expr: Arc<Expr>| Arc::try_unwrap(expr).unwrap_or_else(|shared| (*shared).clone());
        Filter::of(Expr::all(vec![take(self.expr), take(other.expr)]))
    }

    /// This filter without those of its conditions that ask only about `known` fields: what is left to ask of events that
    /// passed the filter once the values of those fields are fixed.
    pub fn beyond(&self, known: &[FieldRef]) -> Filter {
        let fixed = |test: &Test| {
            test.matcher.right().is_none()
                && test.left.field().is_some_and(|field| known.contains(field))
        };
        let keep = |part: &Expr| !matches!(part, Expr::Test(test) if fixed(test));
        Filter::of(match &*self.expr {
            Expr::And(parts) => {
                Expr::all(parts.iter().filter(|part| keep(part)).cloned().collect())
            }
            other if keep(other) => other.clone(),
            _ => Expr::All,
        })
    }

    /// The canonical text, in brackets where it needs them beside an `and`.
    pub fn print_member(&self) -> String {
        match &*self.expr {
            Expr::Or(_) => format!("({})", self.expr),
            other => other.to_string(),
        }
    }

    /// Whether any of the fields it asks is such a one.
    pub fn asks_any(&self, is: &dyn Fn(&FieldRef) -> bool) -> bool {
        self.expr.asks_any(is)
    }

    /// Whether every event passes.
    pub fn is_all(&self) -> bool {
        *self.expr == Expr::All
    }

    /// The canonical text; parsing it gives the same filter. It holds no control character.
    pub fn print(&self) -> String {
        self.expr.to_string()
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Filter({})", self.expr)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.expr)
    }
}

impl PartialEq for Filter {
    fn eq(&self, other: &Filter) -> bool {
        self.expr == other.expr
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Filter, FilterError> {
        Filter::parse(text)
    }
}
