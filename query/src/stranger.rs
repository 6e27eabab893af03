//! Names of event types that a filter asks for and a schema does not have: slips that would otherwise just match nothing.

use crate::error::nearest;
use crate::expr::{Expr, Filter};
use crate::ops::Op;
use afterimage_model::{Safe, Schema};
use std::fmt;

/// A name no event type has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stranger {
    /// The name as the filter has it.
    pub name: String,
    /// The type that was probably meant.
    pub near: Option<String>,
}

impl fmt::Display for Stranger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no event type {}", Safe::new(&self.name))?;
        match &self.near {
            Some(near) => write!(f, ": did you mean {}?", Safe::new(near)),
            None => Ok(()),
        }
    }
}

impl Filter {
    /// The event types this filter names that `schema` does not have. Patterns are not names. A schema without types, as
    /// that of a damaged file, knows too little to say.
    pub fn strangers(&self, schema: &Schema) -> Vec<Stranger> {
        let mut found = Vec::new();
        if !schema.types.is_empty() {
            collect(&self.expr, schema, &mut found);
        }
        found
    }
}

fn collect(expr: &Expr, schema: &Schema, found: &mut Vec<Stranger>) {
    match expr {
        Expr::All => {}
        Expr::Or(parts) | Expr::And(parts) => {
            for part in parts {
                collect(part, schema, found);
            }
        }
        Expr::Not(inner) => collect(inner, schema, found),
        Expr::Test(test) => {
            let named = test
                .left
                .field()
                .is_some_and(|field| matches!(field.field().name, "evt.type" | "syscall.type"));
            if !named || !matches!(test.op, Op::Eq | Op::Ne | Op::In | Op::Intersects) {
                return;
            }
            for value in &test.values {
                let name = String::from_utf8_lossy(value).into_owned();
                if crate::check::is_peer_name(value) {
                    continue;
                }
                let new = found.iter().all(|other: &Stranger| other.name != name);
                if new && schema.type_id(&name).is_none() {
                    let names = schema.types.iter().map(|ty| ty.name.as_str());
                    let near = nearest(&name, names).map(str::to_owned);
                    found.push(Stranger { name, near });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strangers(text: &str) -> Vec<String> {
        let filter = Filter::parse(text).unwrap();
        let found = filter.strangers(Schema::current());
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_slip_in_an_event_type_is_named_with_what_was_meant() {
        assert_eq!(
            strangers(
                "not (evt.type in (open, exceve) and proc.name=exceve) or evt.type != \"x\x1b\""
            ),
            [
                "there is no event type exceve: did you mean execve?",
                "there is no event type x\\x1b"
            ]
        );
    }

    #[test]
    fn patterns_are_no_names_and_an_empty_schema_knows_nothing() {
        assert!(
            strangers("evt.type glob 'exe*' or evt.type startswith op or syscall.type=openat")
                .is_empty()
        );
        let filter = Filter::parse("evt.type=nonsense").unwrap();
        assert!(filter.strangers(&Schema::default()).is_empty());
    }

    #[test]
    fn no_view_and_no_tile_names_a_type_that_does_not_exist() {
        for view in crate::VIEWS {
            assert_eq!(strangers(view.filter), [""; 0], "{}", view.id);
        }
        for tile in crate::TILES {
            assert_eq!(strangers(tile.filter), [""; 0], "{}", tile.title);
        }
    }
}
