//! The tree of a text in the filter language before any name is looked up: fields, macros and lists are words here. Rule
//! files are made of these trees; a [`Filter`](crate::Filter) is one whose words were found.

use crate::error::FilterError;
use crate::lexer::is_bare_number;
use crate::ops::{Function, Modifier, Op};
use crate::parse;
use crate::values::{print_value, quote};
use std::fmt;
use std::ops::Range;

/// A value as it was written.
#[derive(Clone, Debug)]
pub struct Literal {
    /// What it means.
    pub bytes: Vec<u8>,
    /// Where it stands.
    pub span: Range<usize>,
}

impl Literal {
    /// What it means as text; `None` where that is not UTF-8.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.bytes).ok()
    }
}

impl PartialEq for Literal {
    fn eq(&self, other: &Literal) -> bool {
        self.bytes == other.bytes
    }
}

/// What is compared: a field, or something made of fields.
#[derive(Clone, Debug)]
pub enum Term {
    /// A field by name, with the argument in brackets.
    Field {
        /// Dotted name.
        name: String,
        /// What stands in brackets.
        arg: Option<String>,
        /// Where it stands.
        span: Range<usize>,
    },
    /// A function of terms.
    Call {
        /// Which.
        function: Function,
        /// Its arguments.
        args: Vec<Term>,
        /// What stands in brackets behind it.
        index: Option<String>,
        /// Where it stands.
        span: Range<usize>,
    },
    /// A quoted text or a number, as an argument of a function.
    Literal(Literal),
    /// A list in brackets, as an argument of a function.
    List(Vec<Term>, Range<usize>),
}

impl Term {
    /// Where it stands.
    pub fn span(&self) -> Range<usize> {
        match self {
            Term::Field { span, .. } | Term::Call { span, .. } | Term::List(_, span) => {
                span.clone()
            }
            Term::Literal(literal) => literal.span.clone(),
        }
    }
}

impl PartialEq for Term {
    fn eq(&self, other: &Term) -> bool {
        match (self, other) {
            (
                Term::Field { name, arg, .. },
                Term::Field {
                    name: name2,
                    arg: arg2,
                    ..
                },
            ) => name == name2 && arg == arg2,
            (
                Term::Call {
                    function,
                    args,
                    index,
                    ..
                },
                Term::Call {
                    function: function2,
                    args: args2,
                    index: index2,
                    ..
                },
            ) => function == function2 && args == args2 && index == index2,
            (Term::Literal(one), Term::Literal(other)) => one == other,
            (Term::List(one, _), Term::List(other, _)) => one == other,
            _ => false,
        }
    }
}

/// What a comparison is made with.
#[derive(Clone, Debug, PartialEq)]
pub enum Right {
    /// Nothing: `exists`.
    Nothing,
    /// One value.
    Value(Literal),
    /// A list in brackets.
    List(Vec<Literal>),
    /// A list by name; where there are no named lists, a list of that one word.
    Name(Literal),
    /// Another field, or something made of fields.
    Term(Term),
}

/// One comparison.
#[derive(Clone, Debug)]
pub struct Check {
    /// What is compared.
    pub left: Term,
    /// How.
    pub op: Op,
    /// For how many members of a list it has to hold.
    pub modifier: Option<Modifier>,
    /// With what.
    pub right: Right,
    /// Where the operator stands.
    pub op_span: Range<usize>,
}

impl PartialEq for Check {
    fn eq(&self, other: &Check) -> bool {
        self.left == other.left
            && self.op == other.op
            && self.modifier == other.modifier
            && self.right == other.right
    }
}

/// A tree of comparisons and macros.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// One of them must hold; at least two.
    Or(Vec<Node>),
    /// All must hold; at least two.
    And(Vec<Node>),
    /// The opposite.
    Not(Box<Node>),
    /// A macro by name.
    Macro(Literal),
    /// A comparison.
    Check(Box<Check>),
}

/// A text of the language as a tree of words.
#[derive(Clone, Debug, PartialEq)]
pub struct Syntax {
    /// The tree.
    pub node: Node,
}

impl Syntax {
    /// Parses. Names are not looked up, so that a field nobody knows is no error.
    pub fn parse(text: &str) -> Result<Syntax, FilterError> {
        let (node, _) = parse::words(text)?;
        Ok(Syntax { node })
    }

    /// Puts the tree that `find` gives in the place of each macro it knows.
    pub fn inline(&mut self, find: &mut dyn FnMut(&str) -> Option<Node>) {
        self.node.inline(find);
    }

    /// Every macro named in the tree, in order.
    pub fn macros(&self) -> Vec<&Literal> {
        let mut found = Vec::new();
        self.node.each(&mut |node| {
            if let Node::Macro(name) = node {
                found.push(name);
            }
        });
        found
    }

    /// Every comparison in the tree, in order.
    pub fn checks(&self) -> Vec<&Check> {
        let mut found = Vec::new();
        self.node.each(&mut |node| {
            if let Node::Check(check) = node {
                found.push(check.as_ref());
            }
        });
        found
    }
}

impl Node {
    /// How many comparisons, macros and joints there are.
    pub fn size(&self) -> usize {
        let mut size = 0usize;
        self.each(&mut |_| size = size.saturating_add(1));
        size
    }

    /// How deep they are nested.
    pub fn depth(&self) -> usize {
        match self {
            Node::Or(parts) | Node::And(parts) => {
                1 + parts.iter().map(Node::depth).max().unwrap_or(0)
            }
            Node::Not(inner) => 1 + inner.depth(),
            Node::Macro(_) | Node::Check(_) => 1,
        }
    }

    fn each<'n>(&'n self, see: &mut dyn FnMut(&'n Node)) {
        see(self);
        match self {
            Node::Or(parts) | Node::And(parts) => parts.iter().for_each(|part| part.each(see)),
            Node::Not(inner) => inner.each(see),
            Node::Macro(_) | Node::Check(_) => {}
        }
    }

    fn inline(&mut self, find: &mut dyn FnMut(&str) -> Option<Node>) {
        match self {
            Node::Or(parts) | Node::And(parts) => {
                parts.iter_mut().for_each(|part| part.inline(find));
            }
            Node::Not(inner) => inner.inline(find),
            Node::Macro(name) => {
                let name = String::from_utf8_lossy(&name.bytes).into_owned();
                if let Some(node) = find(&name) {
                    *self = node;
                }
            }
            Node::Check(_) => {}
        }
    }
}

/// As the peers print a condition: every `and` and `or` in brackets, blanks around operators.
impl fmt::Display for Syntax {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.node)
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = |parts: &[Node], word: &str, f: &mut fmt::Formatter<'_>| {
            for (at, part) in parts.iter().enumerate() {
                write!(f, "{}{part}", if at == 0 { "(" } else { word })?;
            }
            f.write_str(")")
        };
        match self {
            Node::Or(parts) => group(parts, " or ", f),
            Node::And(parts) => group(parts, " and ", f),
            // Side by side they would be read as none.
            Node::Not(inner) if matches!(**inner, Node::Not(_)) => write!(f, "not ({inner})"),
            Node::Not(inner) => write!(f, "not {inner}"),
            Node::Macro(name) => write!(f, "{}", String::from_utf8_lossy(&name.bytes)),
            Node::Check(check) => write!(f, "{check}"),
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.left, self.op.text())?;
        if let Some(modifier) = self.modifier {
            write!(f, " {}", modifier.text())?;
        }
        match &self.right {
            Right::Nothing => Ok(()),
            Right::Value(value) => {
                let printed = print_literal(&value.bytes);
                if self.op.orders() && !is_bare_number(&printed) {
                    write!(f, " {}", quote(&value.bytes))
                } else {
                    write!(f, " {printed}")
                }
            }
            Right::Name(name) => write!(f, " {}", String::from_utf8_lossy(&name.bytes)),
            Right::List(values) => {
                let values: Vec<_> = values.iter().map(|v| print_literal(&v.bytes)).collect();
                write!(f, " ({})", values.join(", "))
            }
            Right::Term(term @ Term::Field { .. }) => write!(f, " val({term})"),
            Right::Term(term) => write!(f, " {term}"),
        }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bracket = |arg: &Option<String>| match arg {
            Some(arg) => format!("[{}]", print_argument(arg)),
            None => String::new(),
        };
        match self {
            Term::Field { name, arg, .. } => write!(f, "{name}{}", bracket(arg)),
            Term::Call {
                function,
                args,
                index,
                ..
            } => {
                let args: Vec<_> = args.iter().map(ToString::to_string).collect();
                write!(
                    f,
                    "{}({}){}",
                    function.text(),
                    args.join(","),
                    bracket(index)
                )
            }
            Term::Literal(literal) => write!(f, "{}", quote(&literal.bytes)),
            Term::List(terms, _) => {
                let terms: Vec<_> = terms.iter().map(ToString::to_string).collect();
                write!(f, "({})", terms.join(","))
            }
        }
    }
}

/// A value bare wherever the language allows it, as the peers print it.
fn print_literal(bytes: &[u8]) -> String {
    let special = |b: &u8| b.is_ascii_whitespace() || b"()\"'=,\\".contains(b);
    match std::str::from_utf8(bytes) {
        Ok(text)
            if !text.is_empty()
                && !bytes.iter().any(special)
                && !text.chars().any(char::is_control) =>
        {
            // What a terminal would act on is escaped, and what is escaped is quoted.
            let safe = afterimage_model::Safe::new(text).to_string();
            if safe == text {
                safe
            } else {
                print_value(bytes)
            }
        }
        _ => print_value(bytes),
    }
}

/// What stands in brackets behind a field: bare where that can be read back, else quoted.
pub(crate) fn print_argument(arg: &str) -> String {
    let special = |c: char| c.is_whitespace() || "[]\"'\\".contains(c);
    let safe = afterimage_model::Safe::new(arg).to_string();
    if arg.is_empty() || arg.contains(special) || safe != arg {
        quote(arg.as_bytes())
    } else {
        safe
    }
}
