//! The tree of a filter and its canonical text.

use crate::check::Matcher;
use crate::error::FilterError;
use crate::eval::Plan;
use crate::field::FieldRef;
use crate::ops::{Op, Operand};
use crate::parse;
use crate::values::print_value;
use afterimage_model::Ctx;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// One comparison.
#[derive(Clone)]
pub(crate) struct Test {
    pub field: FieldRef,
    pub op: Op,
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

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blank = if self.op.is_word() { " " } else { "" };
        write!(f, "{}{blank}{}", self.field, self.op.text())?;
        let values = || self.values.iter().map(|value| print_value(value));
        match self.op.operand() {
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
        self.field == other.field && self.op == other.op && self.values == other.values
    }
}

/// A parsed and checked filter. Cheap to clone.
#[derive(Clone)]
pub struct Filter {
    pub(crate) expr: Arc<Expr>,
    pub(crate) plan: Arc<Plan>,
}

impl Filter {
    /// Parses and checks. Blank text is the filter that every event passes.
    pub fn parse(text: &str) -> Result<Filter, FilterError> {
        Ok(Filter::of(parse::parse(text)?))
    }

    fn of(expr: Expr) -> Filter {
        Filter {
            plan: Arc::new(Plan::of(&expr)),
            expr: Arc::new(expr),
        }
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
        let keep = |part: &Expr| !matches!(part, Expr::Test(test) if known.contains(&test.field));
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
