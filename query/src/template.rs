//! Output templates: literal text with `%field` in it.

use crate::MAX_TEXT;
use crate::error::{FilterError, FilterErrorKind};
use crate::field::FieldRef;
use crate::ops::Function;
use crate::parse;
use crate::source::Source;
use afterimage_model::{Ctx, Decimal, FieldValue, Safe, fields};
use std::fmt::{self, Write as _};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Widest column a template may ask for.
const WIDEST: usize = 4096;

/// What stands for a missing value.
const MISSING: &str = "<NA>";

/// A template with a name.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// Name, as `-p` takes it.
    pub name: &'static str,
    /// The template.
    pub text: &'static str,
    /// One sentence.
    pub doc: &'static str,
}

/// Templates by name: `default`, `container` (`-pc`), `kubernetes` (`-pk`), `mesos` (`-pm`).
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "default",
        text: "*%evt.num %evt.time %evt.cpu %proc.name (%thread.tid) %evt.type %evt.info",
        doc: "One line an event, as sysdig prints it, without the direction: there are no enter events.",
    },
    Preset {
        name: "container",
        text: "*%evt.num %evt.time %evt.cpu %container.name (%container.id) %proc.name (%thread.tid:%proc.vpid) %evt.type %evt.info",
        doc: "With the container, and the process id inside it.",
    },
    Preset {
        name: "kubernetes",
        text: "*%evt.num %evt.time %evt.cpu %k8s.ns.name/%k8s.pod.name (%container.id) %proc.name (%thread.tid:%proc.vpid) %evt.type %evt.info",
        doc: "With namespace and pod.",
    },
    Preset {
        name: "mesos",
        text: "*%evt.num %evt.time %evt.cpu %mesos.task.name (%container.id) %proc.name (%thread.tid:%proc.vpid) %evt.type %evt.info",
        doc: "As sysdig's -pm. Mesos is not recorded, so that the task is always missing.",
    },
];

#[derive(Clone, Debug)]
enum Piece {
    Literal(String),
    Field {
        shown: Shown,
        width: usize,
        optional: bool,
    },
}

/// What one place of a template shows: a field, or a function of fields.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown(Source);

impl Shown {
    /// The event's value; `None` when it has none.
    pub fn value<'a>(&self, ctx: &Ctx<'a>) -> Option<FieldValue<'a>> {
        self.0.value(ctx)
    }

    /// Whether any of the fields it is made of is such a one.
    pub fn asks_any(&self, is: &dyn Fn(&FieldRef) -> bool) -> bool {
        let mut found = false;
        self.0.fields(&mut |field| found |= is(field));
        found
    }

    /// The field, where it is nothing but one.
    pub fn field(&self) -> Option<&FieldRef> {
        self.0.field()
    }
}

impl Shown {
    /// Whether it is nanoseconds within a second.
    fn is_fraction(&self) -> bool {
        let name = self.field().map_or("", |field| field.field().name);
        name.starts_with("evt.") && name.ends_with("time.ns") || name == "evt.latency.ns"
    }
}

impl From<FieldRef> for Shown {
    fn from(field: FieldRef) -> Shown {
        Shown(Source::Field(field))
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// An output format like `%evt.num %-12proc.name *%fd.name`.
///
/// `%12proc.name` pads and cuts to 12 columns. A `*` at the very start makes every field optional, one right before a `%`
/// makes that field optional: a missing value prints as `<NA>`. `%%` is a percent sign.
#[derive(Clone, Debug, Default)]
pub struct Template {
    pieces: Vec<Piece>,
}

impl Template {
    /// Parses and checks.
    pub fn parse(text: &str) -> Result<Template, FilterError> {
        if text.len() > MAX_TEXT {
            return Err(FilterError::new(text, 0..0, FilterErrorKind::TooLong));
        }
        let all_optional = text.starts_with('*');
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut at = usize::from(all_optional);
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let (optional, field_text) = match (rest.strip_prefix("*%"), rest.strip_prefix('%')) {
                (Some(after), _) if !after.starts_with('%') => (true, after),
                (_, Some(after)) if !after.starts_with('%') => (false, after),
                (_, Some(_)) => {
                    literal.push('%');
                    at += 2;
                    continue;
                }
                _ => {
                    let len = rest.chars().next().map_or(1, char::len_utf8);
                    literal.push_str(rest.get(..len).unwrap_or_default());
                    at += len;
                    continue;
                }
            };
            let start = text.len() - field_text.len();
            let (source, width, len) = Template::field(text, start, field_text)?;
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            pieces.push(Piece::Field {
                shown: Shown(source),
                width,
                optional: optional || all_optional,
            });
            at = start + len;
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Ok(Template { pieces })
    }

    /// The template of a preset, or else the text itself.
    pub fn named(text: &str) -> Result<Template, FilterError> {
        Template::parse(
            PRESETS
                .iter()
                .find(|preset| preset.name == text)
                .map_or(text, |preset| preset.text),
        )
    }

    /// The field after a `%`, its width, and the bytes it took.
    fn field(text: &str, start: usize, rest: &str) -> Result<(Source, usize, usize), FilterError> {
        let unsigned = rest.strip_prefix('-').unwrap_or(rest);
        let name = unsigned.trim_start_matches(|c: char| c.is_ascii_digit());
        let digits = unsigned
            .get(..unsigned.len() - name.len())
            .unwrap_or_default();
        let before = rest.len() - name.len();
        let run = name
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'))
            .unwrap_or(name.len());
        let mut len = run;
        let place = start + before;
        let term = || {
            let moved = |e: FilterError| e.within(text, place);
            let (term, taken) = parse::term(name).map_err(moved)?;
            let source = Source::resolve(&term).map_err(|(span, kind)| {
                FilterError::new(text, place + span.start..place + span.end, kind)
            })?;
            let width = digits.parse::<usize>().unwrap_or(0).min(WIDEST);
            Ok((source, width, before + taken))
        };
        let word = name.get(..run).unwrap_or_default();
        let calls = name.get(run..).is_some_and(|after| after.starts_with('('));
        if calls && Function::by_text(word).is_some() {
            return term();
        }
        // `%evt.type.` ends a sentence: the longest part up to a dot that is a field counts.
        loop {
            let word = name.get(..len).unwrap_or_default();
            if fields::split_name(word).is_some() && !word.ends_with('.') {
                break;
            }
            match word.rfind('.') {
                Some(dot) => len = dot,
                None => {
                    let kind = if run == 0 {
                        FilterErrorKind::BarePercent
                    } else {
                        FilterErrorKind::UnknownField
                    };
                    let end = if run == 0 {
                        start
                    } else {
                        start + before + run
                    };
                    return Err(FilterError::new(
                        text,
                        start + if run == 0 { 0 } else { before }..end,
                        kind,
                    ));
                }
            }
        }
        let word = name.get(..len).unwrap_or_default();
        let bracketed = name.get(len..).is_some_and(|after| after.starts_with('['));
        if bracketed {
            return term();
        }
        let field = FieldRef::resolve(word, None)
            .map_err(|kind| FilterError::new(text, place..place + len, kind))?;
        let width = digits.parse::<usize>().unwrap_or(0).min(WIDEST);
        Ok((Source::Field(field), width, before + len))
    }

    /// Whether it prints an event: no field is missing that is not optional.
    pub fn prints(&self, ctx: &Ctx<'_>) -> bool {
        self.pieces.iter().all(|piece| match piece {
            Piece::Field {
                shown,
                optional: false,
                ..
            } => shown.value(ctx).is_some(),
            _ => true,
        })
    }

    /// What it shows, in order.
    pub fn shown(&self) -> impl Iterator<Item = &Shown> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Field { shown, .. } => Some(shown),
            Piece::Literal(_) => None,
        })
    }

    /// The line for an event, captured bytes escaped; `None` when a field is missing that is not optional.
    pub fn print(&self, ctx: &Ctx<'_>) -> Option<String> {
        let mut line = String::new();
        self.print_to(ctx, &mut line).then_some(line)
    }

    /// The line for an event as a sentence: instead of a value that is missing, or of the word for one, stands what `missing` has for
    /// the name of the field.
    pub fn tell(&self, ctx: &Ctx<'_>, missing: impl Fn(&str) -> &'static str) -> String {
        let mut line = String::new();
        self.write(ctx, &mut line, Some(&missing));
        line
    }

    /// Adds the line for an event to a text; false when a field is missing that is not optional. Then part of it may be there.
    pub fn print_to(&self, ctx: &Ctx<'_>, line: &mut String) -> bool {
        self.write(ctx, line, None)
    }

    fn write(
        &self,
        ctx: &Ctx<'_>,
        line: &mut String,
        missing: Option<&dyn Fn(&str) -> &'static str>,
    ) -> bool {
        for piece in &self.pieces {
            let (shown, width, optional) = match piece {
                Piece::Literal(text) => {
                    line.push_str(text);
                    continue;
                }
                Piece::Field {
                    shown,
                    width,
                    optional,
                } => (shown, *width, *optional),
            };
            let from = line.len();
            let name = || shown.field().map_or("", |field| field.field().name);
            // Another recorder may have called a process so that it did not know.
            let value = shown.value(ctx).filter(|value| {
                missing.is_none()
                    || !matches!(value, FieldValue::Str(text) if **text == *MISSING.as_bytes())
            });
            match value {
                // The part of a second behind the point.
                Some(FieldValue::Uint(n)) if shown.is_fraction() => drop(write!(line, "{n:09}")),
                Some(value) => push_value(line, &value),
                None if missing.is_some() => {
                    line.push_str(missing.map_or("", |word| word(name())));
                }
                None if optional => line.push_str(MISSING),
                None => return false,
            }
            if width > 0 {
                let value = line.split_off(from);
                push_column(line, &value, width);
            }
        }
        true
    }
}

/// Adds a value, captured bytes escaped.
fn push_value(line: &mut String, value: &FieldValue<'_>) {
    match value {
        FieldValue::Str(text) => Safe::new(text).push_to(line),
        FieldValue::Int(n) => line.push_str(Decimal::signed(*n).as_str()),
        FieldValue::Uint(n) => line.push_str(Decimal::unsigned(*n).as_str()),
        other => Safe::new(&other.text()).push_to(line),
    }
}

/// Adds a text padded and cut to a width.
fn push_column(line: &mut String, text: &str, width: usize) {
    let mut used = 0;
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if used + wide > width {
            break;
        }
        line.push(c);
        used += wide;
    }
    line.extend(std::iter::repeat_n(
        ' ',
        width.saturating_sub(used.min(text.width())),
    ));
}
