//! What strings must hold for a filter to match: how a reader passes over parts of a capture whose strings do not, without
//! unpacking them.

use crate::check::Matcher;
use crate::expr::{Expr, Filter};
use crate::field::FieldRef;
use crate::ops::Modifier;
use afterimage_model::{Kept, Schema, TypeId, recorded};

/// What must be there for any event to match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needles(Need);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Need {
    /// These pieces, see [`afterimage_model::pieces`].
    Pieces(Vec<u32>),
    All(Vec<Need>),
    Any(Vec<Need>),
    /// That, of events of types of which the place in this list is not set.
    Unless(Vec<bool>, Box<Need>),
}

impl Need {
    fn all(needs: impl Iterator<Item = Need>) -> Option<Need> {
        let mut needs: Vec<Need> = needs.collect();
        match needs.len() {
            0 | 1 => needs.pop(),
            _ => Some(Need::All(needs)),
        }
    }

    /// `None` when one of them is nothing.
    fn any(needs: impl Iterator<Item = Option<Need>>) -> Option<Need> {
        let mut needs: Vec<Need> = needs.collect::<Option<_>>()?;
        match needs.len() {
            0 | 1 => needs.pop(),
            _ => Some(Need::Any(needs)),
        }
    }

    fn may(&self, types: &[TypeId], holds: &dyn Fn(u32) -> bool) -> bool {
        match self {
            Need::Pieces(pieces) => pieces.iter().all(|piece| holds(*piece)),
            Need::All(needs) => needs.iter().all(|need| need.may(types, holds)),
            Need::Any(needs) => needs.iter().any(|need| need.may(types, holds)),
            Need::Unless(others, need) => {
                let is_other = |ty: &TypeId| others.get(usize::from(ty.0)).is_none_or(|is| *is);
                types.iter().any(is_other) || need.may(types, holds)
            }
        }
    }
}

impl Needles {
    /// Whether an event of one of these types may match, where `holds` says which pieces the strings hold that those events, and
    /// the rows they point at, are made of: false only when that alone rules it out.
    pub fn may_match(&self, types: &[TypeId], holds: &dyn Fn(u32) -> bool) -> bool {
        self.0.may(types, holds)
    }
}

impl Filter {
    /// What strings must hold for an event of a capture with this schema to match; `None` when nothing must be there.
    pub fn needles(&self, schema: &Schema) -> Option<Needles> {
        // What was asked before counts: then every event is asked.
        if self.plan.since {
            return None;
        }
        need_of(&self.expr, schema).map(Needles)
    }
}

/// Words of which one must be there, at the most.
const MOST_WORDS: usize = 8;

impl Filter {
    /// Words of which one must stand in what another recorder kept of a thread, or of those that it has it from, for an event of
    /// the thread to match, see [`recorded`]; `None` when none must.
    pub fn words(&self) -> Option<Vec<Vec<u8>>> {
        if self.plan.since {
            return None;
        }
        words_of(&self.expr).filter(|words| words.len() <= MOST_WORDS)
    }
}

type Words = Vec<Vec<u8>>;

fn words_of(expr: &Expr) -> Option<Words> {
    match expr {
        Expr::All | Expr::Not(_) => None,
        Expr::And(parts) => rarest(parts.iter().filter_map(words_of)),
        Expr::Or(parts) => any_of(parts.iter().map(words_of)),
        Expr::Test(test) => {
            let field = test.left.field()?.field();
            words_of_matcher(&test.matcher, &|text| {
                Some(vec![recorded(field, text)?.to_vec()])
            })
        }
    }
}

/// One of several that all must be there: the longest words are the rarest.
fn rarest(all: impl Iterator<Item = Words>) -> Option<Words> {
    let shortest = |words: &Words| words.iter().map(Vec::len).min();
    all.max_by_key(|words| (words.len() <= MOST_WORDS, shortest(words)))
}

fn any_of(each: impl Iterator<Item = Option<Words>>) -> Option<Words> {
    let all: Vec<Words> = each.collect::<Option<_>>()?;
    Some(all.concat()).filter(|words| !words.is_empty())
}

fn words_of_matcher(matcher: &Matcher, of_text: &dyn Fn(&[u8]) -> Option<Words>) -> Option<Words> {
    match matcher {
        Matcher::Text(texts) => any_of(texts.iter().map(|text| of_text(text))),
        Matcher::Contains(text) | Matcher::StartsWith(text) | Matcher::EndsWith(text) => {
            of_text(text)
        }
        Matcher::Glob(glob) if !glob.is_any_case() => {
            rarest(glob.literals().filter_map(|text| of_text(&text)))
        }
        Matcher::Under(prefixes) => any_of(
            prefixes
                .iter()
                .map(|prefix| rarest(prefix.literals().filter_map(|text| of_text(&text)))),
        ),
        Matcher::Members(modifier, members) => {
            let each = members
                .iter()
                .map(|member| words_of_matcher(member, of_text));
            match modifier {
                Modifier::Anyof | Modifier::Oneof => any_of(each),
                Modifier::Allof => rarest(each.flatten()),
            }
        }
        _ => None,
    }
}

fn need_of(expr: &Expr, schema: &Schema) -> Option<Need> {
    match expr {
        // What does not hold of one value may hold of another.
        Expr::All | Expr::Not(_) => None,
        Expr::And(parts) => Need::all(parts.iter().filter_map(|part| need_of(part, schema))),
        Expr::Or(parts) => Need::any(parts.iter().map(|part| need_of(part, schema))),
        Expr::Test(test) => {
            let field = test.left.field()?;
            let kept = Kept::of(field.field())?;
            let need = of_matcher(&test.matcher, kept)?;
            Some(match others(field, schema) {
                Some(others) => Need::Unless(others, Box::new(need)),
                None => need,
            })
        }
    }
}

/// For each type whether something else decides what a field says of its events; `None` when it is so of none.
fn others(field: &FieldRef, schema: &Schema) -> Option<Vec<bool>> {
    let types = schema.types.iter();
    let others: Vec<bool> = types
        .map(|ty| !Kept::holds_for(field.field(), field.arg(), ty))
        .collect();
    others.contains(&true).then_some(others)
}

fn of_text(text: &[u8], kept: Kept) -> Option<Need> {
    let pieces = kept.pieces(text);
    (!pieces.is_empty()).then_some(Need::Pieces(pieces))
}

fn of_matcher(matcher: &Matcher, kept: Kept) -> Option<Need> {
    match matcher {
        Matcher::Text(texts) => Need::any(texts.iter().map(|text| of_text(text, kept))),
        Matcher::Contains(text)
        | Matcher::ContainsAnyCase(text)
        | Matcher::StartsWith(text)
        | Matcher::EndsWith(text) => of_text(text, kept),
        Matcher::Glob(glob) => Need::all(glob.literals().filter_map(|text| of_text(&text, kept))),
        Matcher::Under(prefixes) => Need::any(prefixes.iter().map(|prefix| {
            let texts = prefix.literals();
            Need::all(texts.filter_map(|text| of_text(&text, kept)))
        })),
        Matcher::Members(modifier, members) => {
            let mut needs = members.iter().map(|member| of_matcher(member, kept));
            match modifier {
                Modifier::Anyof | Modifier::Oneof => Need::any(needs),
                Modifier::Allof => Need::all(needs.by_ref().flatten()),
            }
        }
        Matcher::Exists
        | Matcher::Number(_)
        | Matcher::Fraction(_)
        | Matcher::Bool(..)
        | Matcher::Address(_)
        | Matcher::Order(..)
        | Matcher::FractionOrder(..)
        | Matcher::TextOrder(..)
        | Matcher::Regex(_)
        | Matcher::Differs { .. }
        | Matcher::All(_)
        | Matcher::Against(..) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use afterimage_model::pieces::pieces;
    use std::collections::BTreeSet;

    /// Whether a filter may match where the strings are these.
    fn may(filter: &str, strings: &[&str], types: &[&str]) -> bool {
        let schema = Schema::current();
        let held: BTreeSet<u32> = strings.iter().flat_map(|s| pieces(s.as_bytes())).collect();
        let types: Vec<TypeId> = types
            .iter()
            .map(|name| afterimage_model::schema::current_type(name).unwrap())
            .collect();
        let needles = Filter::parse(filter).unwrap().needles(schema);
        needles.is_none_or(|needles| needles.may_match(&types, &|piece| held.contains(&piece)))
    }

    #[test]
    fn of_what_must_have_been_recorded_the_rarest_is_looked_for() {
        for (filter, words) in [
            ("proc.name=none", &["none"][..]),
            ("proc.name=none and fd.name contains nowhere", &["nowhere"]),
            ("proc.name in (cat, dash)", &["cat", "dash"]),
            (
                "proc.name=cat or fd.name endswith /shadow",
                &["cat", "shadow"],
            ),
            ("proc.name=cat or evt.type=open", &[]),
            ("evt.type=open and not proc.name=cat", &[]),
            ("fd.name glob '/etc/*shadow'", &["shadow"]),
            ("fd.name iglob '/etc/*shadow'", &[]),
            ("fd.name icontains shadow", &[]),
            ("tolower(fd.name) contains shadow", &[]),
            ("fd.name pmatch (/etc/sshd, /lib)", &["sshd", "lib"]),
            ("fd.name contains allof (etc, shadow)", &["shadow"]),
            ("fd.name contains anyof (etc, shadow)", &["etc", "shadow"]),
            ("proc.aname[2]=sshd", &["sshd"]),
            ("fd.name != shadow", &[]),
            ("proc.name=val(proc.pname)", &[]),
            ("fd.name=10.0.0.1:443", &[]),
            ("evt.deltatime>1 and proc.name=cat", &[]),
            ("", &[]),
        ] {
            let found = Filter::parse(filter).unwrap().words().unwrap_or_default();
            let found: BTreeSet<_> = found
                .iter()
                .map(|word| str::from_utf8(word).unwrap())
                .collect();
            assert_eq!(found, words.iter().copied().collect(), "{filter}");
        }
    }

    #[test]
    fn what_no_string_holds_rules_a_filter_out_and_doubt_does_not() {
        let strings = ["/etc/passwd", "bash", "bash\0-c\0curl http://x"];
        for (filter, expected) in [
            ("fd.name contains passwd", true),
            ("fd.name contains shadow", false),
            ("fd.name icontains PASSWD", true),
            ("fd.name icontains SHADOW", false),
            ("fd.name startswith /etc/p", true),
            ("fd.name startswith /var/p", false),
            ("fd.name endswith sswd", true),
            ("fd.name endswith sswx", false),
            ("fd.name glob '/etc/*wd'", true),
            ("fd.name glob '/var/*wd'", false),
            ("fd.name iglob '/ETC/*'", true),
            ("fd.name pmatch (/etc/passwd, /root)", true),
            ("fd.name pmatch (/root, /home)", false),
            ("proc.name=bash", true),
            ("proc.name=dash", false),
            ("proc.name in (dash, bash)", true),
            ("proc.name in (dash, zsh)", false),
            ("proc.cmdline contains '-c curl'", true),
            ("proc.cmdline contains 'bash -c'", true),
            ("proc.args contains 'wget http'", false),
            ("proc.aname=zsh", false),
            ("fd.name contains shadow or proc.name=bash", true),
            ("fd.name contains shadow and proc.name=bash", false),
            ("fd.name contains shadow or evt.failed=true", true),
            ("not fd.name contains shadow", true),
            ("fd.name != shadow", true),
            ("fd.name contains sh", true),
            ("fd.name contains 10.0.0.1:80", true),
            ("fd.name regex '.*shadow.*'", true),
            ("tolower(fd.name) contains shadow", true),
            ("evt.args contains shadow", true),
            ("fd.name=val(proc.name)", true),
            ("fd.name contains anyof (shadow, passwd)", true),
            ("fd.name contains anyof (shadow, gshadow)", false),
            ("fd.name contains allof (passwd, shadow)", false),
            ("evt.arg.path contains shadow", false),
            ("evt.arg.path contains passwd", true),
            ("evt.arg.flags contains O_RDONLY", true),
        ] {
            assert_eq!(
                may(filter, &strings, &["openat", "read"]),
                expected,
                "{filter}"
            );
        }
    }
}
