//! What is compared or printed: a field, or a function of fields and texts, with its names looked up.

use crate::error::FilterErrorKind;
use crate::field::FieldRef;
use crate::ops::Function;
use crate::syntax::Term;
use crate::values::quote;
use afterimage_model::{Ctx, Dependency, FieldType, FieldValue};
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

/// What has a value for each event.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    Field(FieldRef),
    Text(Vec<u8>),
    List(Vec<Source>),
    Call(Box<Call>),
}

/// A function with its arguments.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Call {
    function: Function,
    args: Vec<Source>,
    index: Option<String>,
}

/// Fields that are compared in a way of their own: either end of a connection, any ancestor. No function takes them, and
/// they are not compared with other fields.
const APART: &[&str] = &[
    "evt.around",
    "evt.rawarg",
    "fd.cip.name",
    "fd.ip",
    "fd.lip.name",
    "fd.net",
    "fd.port",
    "fd.proto",
    "fd.rip.name",
    "fd.sip.name",
    "proc.acmdline",
    "proc.aenv",
    "proc.aexe",
    "proc.aexepath",
    "proc.aname",
    "proc.apid",
];

type Refused = (Range<usize>, FilterErrorKind);

impl Source {
    /// Looks the names up and checks what functions are given.
    pub fn resolve(term: &Term) -> Result<Source, Refused> {
        let place = term.span();
        match term {
            Term::Field { name, arg, .. } => FieldRef::resolve(name, arg.clone())
                .map(Source::Field)
                .map_err(|kind| {
                    let place = match kind {
                        FilterErrorKind::UnknownField => place.start..place.start + name.len(),
                        _ => place,
                    };
                    (place, kind)
                }),
            Term::Literal(literal) => Ok(Source::Text(literal.bytes.clone())),
            Term::List(terms, _) => terms
                .iter()
                .map(Source::resolve)
                .collect::<Result<_, _>>()
                .map(Source::List),
            Term::Call {
                function,
                args,
                index,
                ..
            } => {
                let call = Call {
                    function: *function,
                    args: args.iter().map(Source::resolve).collect::<Result<_, _>>()?,
                    index: index.clone(),
                };
                call.check().map_err(|kind| (place, kind))?;
                Ok(Source::Call(Box::new(call)))
            }
        }
    }

    /// What its value is.
    pub fn ty(&self) -> FieldType {
        match self {
            Source::Field(field) => field.field().ty,
            Source::Text(_) => FieldType::Str,
            Source::List(_) => FieldType::List,
            Source::Call(call) => call.ty(),
        }
    }

    /// Whether it is one of the fields that are compared in a way of their own.
    pub fn is_apart(&self) -> bool {
        match self {
            Source::Field(field) => APART.binary_search(&field.field().name).is_ok(),
            _ => false,
        }
    }

    /// The field, where it is nothing but one.
    pub fn field(&self) -> Option<&FieldRef> {
        match self {
            Source::Field(field) => Some(field),
            _ => None,
        }
    }

    /// Every field it is made of.
    pub fn fields<'s>(&'s self, see: &mut dyn FnMut(&'s FieldRef)) {
        match self {
            Source::Field(field) => see(field),
            Source::Text(_) => {}
            Source::List(parts) => parts.iter().for_each(|part| part.fields(see)),
            Source::Call(call) => call.args.iter().for_each(|part| part.fields(see)),
        }
    }

    /// Which row decides its value.
    pub fn on(&self) -> Dependency {
        let mut on = None;
        self.fields(&mut |field| {
            let own = field.field().on;
            on = Some(on.map_or(own, |on: Dependency| on.with(own)));
        });
        on.unwrap_or(Dependency::Type)
    }

    /// Whether it has members that stand in brackets or are arguments.
    fn is_list(&self) -> bool {
        match self {
            // Arguments of a process are a list to whoever asks for one.
            Source::Field(field) => {
                field.field().ty == FieldType::List
                    || (matches!(field.field().name, "proc.args" | "proc.aargs")
                        && (field.arg().is_none()) == (field.field().name == "proc.args"))
            }
            other => other.ty() == FieldType::List,
        }
    }

    /// The event's value; `None` when it has none.
    pub fn value<'a>(&self, ctx: &Ctx<'a>) -> Option<FieldValue<'a>> {
        match self {
            Source::Field(field) => field.value(ctx),
            Source::Text(text) => Some(FieldValue::owned(text.clone())),
            Source::List(parts) => {
                let mut all = Vec::with_capacity(parts.len());
                for part in parts {
                    match part.value(ctx)? {
                        FieldValue::Any(inner) => all.extend(inner),
                        one => all.push(one),
                    }
                }
                Some(FieldValue::Any(all))
            }
            Source::Call(call) => call.value(ctx),
        }
    }

    /// The members of a list.
    fn members<'a>(&self, ctx: &Ctx<'a>) -> Option<Vec<Cow<'a, [u8]>>> {
        if let Source::Field(field) = self
            && field.field().ty == FieldType::Str
        {
            let process = match field.arg().and_then(|arg| arg.parse::<usize>().ok()) {
                None | Some(0) => ctx.proc()?,
                Some(above) => ctx.tables.ancestors(ctx.event.proc).nth(above - 1)?,
            };
            return Some(process.args().skip(1).map(Cow::Borrowed).collect());
        }
        match self.value(ctx)? {
            FieldValue::Any(all) => Some(all.into_iter().map(into_text).collect()),
            one => Some(vec![into_text(one)]),
        }
    }
}

/// The text of a value.
fn into_text(value: FieldValue<'_>) -> Cow<'_, [u8]> {
    match value {
        FieldValue::Str(text) => text,
        other => Cow::Owned(other.text().into_owned()),
    }
}

impl Call {
    fn ty(&self) -> FieldType {
        let first = self.args.first().map_or(FieldType::Str, Source::ty);
        match self.function {
            Function::Len => FieldType::Uint,
            Function::Join | Function::Concat => FieldType::Str,
            Function::Getopt if self.index.is_some() => FieldType::Str,
            Function::Getopt => FieldType::List,
            Function::Tolower | Function::Toupper | Function::B64 | Function::Basename => first,
        }
    }

    fn check(&self) -> Result<(), FilterErrorKind> {
        use FieldType::{Bytes, List, Str};
        let name = self.function.text();
        let wrong = |needs| Err(FilterErrorKind::BadCall(name, needs));
        if let Some(field) = self
            .args
            .iter()
            .filter(|arg| arg.is_apart())
            .find_map(Source::field)
        {
            return Err(FilterErrorKind::NoFunction(field.field().name));
        }
        let types: Vec<_> = self.args.iter().map(Source::ty).collect();
        match (self.function, types.as_slice()) {
            (Function::Tolower | Function::Toupper | Function::Basename, [Str | List]) => {}
            (Function::Tolower | Function::Toupper | Function::Basename, _) => {
                return wrong("one text");
            }
            (Function::B64, [Str | Bytes | List]) => {}
            (Function::B64, _) => return wrong("one text, or bytes"),
            (Function::Len, [Str | Bytes | List]) => {}
            (Function::Len, _) => return wrong("one text, bytes or a list"),
            (Function::Join, [separator, _]) if *separator != List => {
                if !self.args.get(1).is_some_and(Source::is_list) {
                    return wrong("a text to put between, and a list");
                }
            }
            (Function::Join, _) => return wrong("a text to put between, and a list"),
            (Function::Concat, all) if all.len() >= 2 && all.iter().all(|ty| *ty == Str) => {}
            (Function::Concat, _) => return wrong("two texts or more"),
            (Function::Getopt, [_, Str]) if self.args.first().is_some_and(Source::is_list) => {}
            (Function::Getopt, _) => {
                return wrong("a list of arguments, and the letters of options");
            }
        }
        match (&self.index, self.function) {
            (None, _) => Ok(()),
            (Some(option), Function::Getopt) if option.len() == 1 => Ok(()),
            (Some(_), Function::Getopt) => Err(FilterErrorKind::BadOption),
            (Some(_), _) => Err(FilterErrorKind::NoIndex(name)),
        }
    }

    fn value<'a>(&self, ctx: &Ctx<'a>) -> Option<FieldValue<'a>> {
        let first = self.args.first()?;
        match self.function {
            Function::Tolower => each(first.value(ctx)?, &|text| Some(text.to_ascii_lowercase())),
            Function::Toupper => each(first.value(ctx)?, &|text| Some(text.to_ascii_uppercase())),
            Function::B64 => each(first.value(ctx)?, &b64),
            Function::Basename => each(first.value(ctx)?, &|text| {
                let start = text.iter().rposition(|b| *b == b'/').map_or(0, |at| at + 1);
                text.get(start..).map(<[u8]>::to_vec)
            }),
            Function::Len => {
                let len = match first.value(ctx)? {
                    FieldValue::Any(all) if first.ty() == FieldType::List => all.len(),
                    value => value.text().len(),
                };
                Some(FieldValue::Uint(len as u64))
            }
            Function::Join => {
                let between = first.value(ctx)?.text().into_owned();
                let members = self.args.get(1)?.members(ctx)?;
                Some(FieldValue::owned(members.join(between.as_slice())))
            }
            Function::Concat => {
                let mut text = Vec::new();
                for arg in &self.args {
                    text.extend_from_slice(&arg.value(ctx)?.text());
                }
                Some(FieldValue::owned(text))
            }
            Function::Getopt => {
                let letters = self.args.get(1)?.value(ctx)?.text().into_owned();
                let found = options(&first.members(ctx)?, &letters);
                match self.index.as_ref().and_then(|text| text.as_bytes().first()) {
                    None => Some(FieldValue::Any(
                        found
                            .into_iter()
                            .flat_map(|option| option.listed())
                            .map(FieldValue::owned)
                            .collect(),
                    )),
                    Some(wanted) => found
                        .into_iter()
                        .rfind(|option| option.letter == Some(*wanted))
                        .map(|option| FieldValue::owned(option.chosen())),
                }
            }
        }
    }
}

/// A text of every value.
fn each<'a>(
    value: FieldValue<'_>,
    make: &dyn Fn(&[u8]) -> Option<Vec<u8>>,
) -> Option<FieldValue<'a>> {
    match value {
        FieldValue::Any(all) => all
            .iter()
            .map(|one| make(&one.text()).map(FieldValue::owned))
            .collect::<Option<_>>()
            .map(FieldValue::Any),
        one => make(&one.text()).map(FieldValue::owned),
    }
}

/// An option that `getopt` finds.
struct Opt {
    /// Its letter; `None` for one that is not among those asked for.
    letter: Option<u8>,
    /// Its value: `None` when it takes none, inner `None` when it lacks one.
    value: Option<Option<Vec<u8>>>,
}

impl Opt {
    /// What stands for it in a list: its letter and its value; a `?` for one unknown, an empty text for a lacking value.
    fn listed(self) -> Vec<Vec<u8>> {
        match (self.letter, self.value) {
            (None, _) => vec![b"?".to_vec()],
            (Some(letter), None) => vec![vec![letter]],
            (Some(_), Some(None)) => vec![Vec::new()],
            (Some(letter), Some(Some(value))) => vec![vec![letter], value],
        }
    }

    /// What stands for it alone: its value, or its letter when it takes none.
    fn chosen(self) -> Vec<u8> {
        match self.value {
            None => self.letter.into_iter().collect(),
            Some(value) => value.unwrap_or_default(),
        }
    }
}

/// Short options of a command line up to the first argument that is none. Long options are passed over.
fn options(argv: &[Cow<'_, [u8]>], letters: &[u8]) -> Vec<Opt> {
    let letters = letters.strip_prefix(b":").unwrap_or(letters);
    // Whether a letter is an option, and whether that option takes a value.
    let known = |letter: u8| {
        let at = letters
            .iter()
            .position(|b| *b == letter)
            .filter(|_| letter != b':')?;
        Some(letters.get(at + 1) == Some(&b':'))
    };
    let mut found = Vec::new();
    let mut rest = argv.iter();
    while let Some(word) = rest.next() {
        if word.starts_with(b"--") {
            if word.len() == 2 {
                break;
            }
            continue;
        }
        let Some(cluster) = word.strip_prefix(b"-").filter(|rest| !rest.is_empty()) else {
            break;
        };
        for (at, letter) in cluster.iter().enumerate() {
            match known(*letter) {
                None => found.push(Opt {
                    letter: None,
                    value: None,
                }),
                Some(false) => found.push(Opt {
                    letter: Some(*letter),
                    value: None,
                }),
                Some(true) => {
                    let attached = cluster.get(at + 1..).filter(|rest| !rest.is_empty());
                    let value = match attached {
                        Some(text) => Some(text.to_vec()),
                        None => rest.next().map(|text| text.to_vec()),
                    };
                    found.push(Opt {
                        letter: Some(*letter),
                        value: Some(value),
                    });
                    break;
                }
            }
        }
    }
    found
}

/// Base64, padded or not, as the peers take it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Decodes base64; `None` when it is none.
fn b64(text: &[u8]) -> Option<Vec<u8>> {
    BASE64.decode(text.strip_suffix(b"\0").unwrap_or(text)).ok()
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |parts: &[Source]| {
            parts
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", ")
        };
        match self {
            Source::Field(field) => write!(f, "{field}"),
            Source::Text(text) => f.write_str(&quote(text)),
            Source::List(parts) => write!(f, "({})", list(parts)),
            Source::Call(call) => {
                write!(f, "{}({})", call.function.text(), list(&call.args))?;
                match &call.index {
                    Some(index) => write!(f, "[{}]", crate::syntax::print_argument(index)),
                    None => Ok(()),
                }
            }
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn getopt(words: &[&str], letters: &str) -> Vec<String> {
        let argv: Vec<_> = words.iter().map(|w| Cow::Borrowed(w.as_bytes())).collect();
        let found = options(&argv, letters.as_bytes());
        let texts = found.into_iter().flat_map(Opt::listed);
        texts.map(|text| String::from_utf8(text).unwrap()).collect()
    }

    #[test]
    fn options_are_found_as_getopt_finds_them() {
        for (words, letters, found) in [
            (&["-n", ""][..], "n", &["n"][..]),
            (&["-nt", "hello"], "nt:", &["n", "t", "hello"]),
            (&["-thello"], "t:", &["t", "hello"]),
            (&["-n", "--", "-t"], "nt:", &["n"]),
            (&["-x", "-n"], "n", &["?", "n"]),
            (&["-lpe", "/bin/sh"], "lp:e:", &["l", "p", "e"]),
            (&["-t"], "t:", &[""]),
            (&["-t"], ":t:", &[""]),
            (&["-t", "-123"], "t:", &["t", "-123"]),
            (&["--exec", "-n"], "n", &["n"]),
            (&["-n", "file", "-t"], "nt", &["n"]),
            (&["-", "-n"], "n", &[]),
            (&["-@", "-+"], "@+", &["@", "+"]),
            (&["-n:"], "n:", &["n", ":"]),
        ] {
            assert_eq!(getopt(words, letters), found, "{words:?} {letters}");
        }
    }

    #[test]
    fn base64_is_decoded_with_and_without_padding() {
        assert_eq!(b64(b"aGVsbG8=").unwrap(), b"hello");
        assert_eq!(b64(b"aGVsbG8").unwrap(), b"hello");
        assert_eq!(b64(b"d29ybGQgIQ==").unwrap(), b"world !");
        assert_eq!(b64(b"").unwrap(), b"");
        for bad in [&b"a"[..], b"a b=", b"\xff\xff", b"ab=c"] {
            assert_eq!(b64(bad), None);
        }
    }

    #[test]
    fn the_fields_apart_are_sorted() {
        assert!(APART.is_sorted());
    }
}
