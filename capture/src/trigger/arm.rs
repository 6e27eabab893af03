//! A trigger as somebody wants it, and armed: its filter compiled, its rules loaded, its clock set.

use super::alert::{Alert, MOST_TEXT, shorten};
use super::{Reach, Source, TRIGGERS, TriggerKind, kind};
use afterimage_detect::{Detector, Matching, Priority, Rules, Selection, fits, load};
use afterimage_model::{Ctx, Schema, TypeId};
use afterimage_query::{Evaluator, Filter, duration_ns};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// A trigger as somebody wants it.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// What it is called, in file names too.
    pub name: String,
    /// Name of its kind.
    pub kind: String,
    /// Values of its parameters: a number, a text, or items.
    pub params: BTreeMap<String, Vec<String>>,
    /// What goes into the file.
    pub reach: Reach,
    /// How long is recorded after it; the recorder's own time when `None`.
    pub after: Option<Duration>,
    /// The rule files that it names, by name and text, in order: reading them is left to who asks.
    pub texts: Vec<(String, String)>,
}

/// An armed trigger.
pub struct Trigger {
    /// What it is called.
    pub name: String,
    /// Its kind.
    pub kind: &'static TriggerKind,
    /// What goes into the file.
    pub reach: Reach,
    /// How long is recorded after it.
    pub after: Option<Duration>,
    /// How often it has fired.
    pub fired: u64,
    /// The filter it stands for, as text; empty when it is none.
    pub text: String,
    seen: Option<Seen>,
    rate: Option<Rate>,
    every: Option<Duration>,
    falco: Option<Detector>,
    alerts: Option<Meant>,
}

/// A trigger has fired.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fired {
    /// What it says of it; empty when the event says enough.
    pub why: String,
    /// How long is to be recorded then, where it knows.
    pub after: Option<Duration>,
}

/// Which alerts of others are meant.
struct Meant {
    rules: Vec<String>,
    least: Priority,
}

struct Seen {
    evaluator: Evaluator,
    /// By type of the schema: whether an event of it may match.
    types: Vec<bool>,
}

struct Rate {
    above: usize,
    within_ns: u64,
    times: VecDeque<u64>,
}

impl Wanted {
    /// Arms it.
    ///
    /// # Errors
    /// A sentence, when there is no such kind, a parameter is missing, unknown or wrong, or the filter is none.
    pub fn arm(&self) -> Result<Trigger, String> {
        let Some(kind) = kind(&self.kind) else {
            let all: Vec<_> = TRIGGERS.iter().map(|kind| kind.name).collect();
            return Err(format!(
                "there is no kind of trigger {:?}; there are {}",
                self.kind,
                all.join(", ")
            ));
        };
        for name in self.params.keys() {
            if !kind.params.iter().any(|param| param.name == name) {
                let takes: Vec<_> = kind.params.iter().map(|param| param.name).collect();
                return Err(match takes.is_empty() {
                    true => format!("a {} trigger takes no {name}", kind.name),
                    false => format!(
                        "a {} trigger takes no {name}: {}",
                        kind.name,
                        takes.join(", ")
                    ),
                });
            }
        }
        let items = |name: &str| -> Result<Vec<String>, String> {
            if let Some(items) = self.params.get(name).filter(|items| !items.is_empty()) {
                return Ok(items.clone());
            }
            let param = kind.params.iter().find(|param| param.name == name);
            match param
                .map(|param| param.default)
                .filter(|text| !text.is_empty())
            {
                Some(text) => Ok(text.split(' ').map(str::to_owned).collect()),
                None => Err(format!("a {} trigger needs {name}", kind.name)),
            }
        };
        let one = |name: &str| items(name).map(|items| items.join(" "));
        let (mut falco, mut alerts) = (None, None);
        let text = match kind.source {
            Source::Filter(template) => fill(template, &items)?,
            Source::Rate => one("filter")?,
            Source::Rules => {
                let named = items("rules")?;
                let rules = self.rules(&one("mode")?, priority(&one("priority")?)?)?;
                falco = Some(rules.detector(Matching::All));
                let count = rules.all().len();
                let plural = if count == 1 { "" } else { "s" };
                format!("{count} rule{plural} of {}", named.join(", "))
            }
            Source::Alerts => {
                let least = one("priority")?;
                let text = format!("rules {}, {least} or more urgent", one("rules")?);
                alerts = Some(Meant {
                    rules: items("rules")?,
                    least: priority(&least)?,
                });
                text
            }
            Source::Time | Source::Told => String::new(),
        };
        let seen = match kind.source {
            Source::Filter(_) | Source::Rate => Some(Seen::of(&text)?),
            Source::Rules | Source::Alerts | Source::Time | Source::Told => None,
        };
        let rate = match kind.source {
            Source::Rate => Some(Rate {
                above: number(&one("above")?, "above")?,
                within_ns: duration(&one("within")?, "within")?.as_nanos() as u64,
                times: VecDeque::new(),
            }),
            _ => None,
        };
        let every = match kind.source {
            Source::Time => Some(duration(&one("every")?, "every")?),
            _ => None,
        };
        Ok(Trigger {
            name: self.name.clone(),
            kind,
            reach: self.reach,
            after: self.after,
            fired: 0,
            text,
            seen,
            rate,
            every,
            falco,
            alerts,
        })
    }

    /// The rules of its files that are meant.
    fn rules(&self, mode: &str, least: Priority) -> Result<Rules, String> {
        let files = (self.texts.iter()).map(|(name, text)| (name.as_str(), text.as_str()));
        let (rules, reports) = load(files);
        if let Some(wrong) = reports
            .iter()
            .flat_map(|report| report.errors.first())
            .next()
        {
            return Err(wrong.to_string());
        }
        let capture = match mode {
            "rules" => true,
            "all" => false,
            _ => return Err(format!("mode is {mode:?}, expected rules, all")),
        };
        let selected = rules.select(&Selection {
            least: Some(least),
            capture,
            ..Selection::default()
        });
        if selected.all().is_empty() {
            return Err(
                match capture && !rules.all().iter().any(|rule| rule.capture) {
                    true => {
                        "no rule says capture: true; mode = \"all\" takes every rule".to_owned()
                    }
                    false => "no rule is left to be asked".to_owned(),
                },
            );
        }
        Ok(selected)
    }
}

fn priority(name: &str) -> Result<Priority, String> {
    Priority::parse(name).ok_or_else(|| {
        let all: Vec<_> = Priority::ALL
            .iter()
            .map(|row| row.1.to_lowercase())
            .collect();
        format!("priority is {name:?}, expected {}", all.join(", "))
    })
}

/// The triggers that are armed without a configuration.
pub fn defaults() -> Vec<Wanted> {
    (TRIGGERS.iter())
        .filter(|kind| kind.by_default)
        .map(|kind| Wanted {
            name: kind.name.to_owned(),
            kind: kind.name.to_owned(),
            ..Wanted::default()
        })
        .collect()
}

/// Puts the parameters into a template.
fn fill(
    template: &str,
    items: &dyn Fn(&str) -> Result<Vec<String>, String>,
) -> Result<String, String> {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, tail)) = rest.split_once('{') {
        text.push_str(before);
        let Some((place, tail)) = tail.split_once('}') else {
            break;
        };
        match place.split_once(':') {
            Some((name, test)) => {
                let tests: Vec<String> = (items(name)?.iter())
                    .map(|item| format!("{test} {}", quoted(item)))
                    .collect();
                text.push_str(&format!("({})", tests.join(" or ")));
            }
            None => text.push_str(&items(place)?.join(" ")),
        }
        rest = tail;
    }
    text.push_str(rest);
    Ok(text)
}

/// A value of the filter language, whatever is in it.
fn quoted(item: &str) -> String {
    format!("\"{}\"", item.replace('\\', "\\\\").replace('"', "\\\""))
}

fn number<T: std::str::FromStr>(text: &str, name: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| format!("{name} is {text:?}, not a whole number"))
}

/// A length of time as the filter language has it: `90s`, `5m`, `2h`.
fn duration(text: &str, name: &str) -> Result<Duration, String> {
    // A bare number is nanoseconds there, which nobody means here.
    let bare = text.bytes().all(|b| b.is_ascii_digit());
    let ns = duration_ns(text).filter(|_| !bare);
    match ns
        .and_then(|ns| u64::try_from(ns).ok())
        .filter(|ns| *ns > 0)
    {
        Some(ns) => Ok(Duration::from_nanos(ns)),
        None => Err(format!(
            "{name} is {text:?}, not a length of time such as 90s, 5m or 2h"
        )),
    }
}

impl Seen {
    fn of(text: &str) -> Result<Seen, String> {
        let filter = Filter::parse(text).map_err(|why| why.to_string())?;
        let schema = Schema::current();
        let types = (0..schema.types.len())
            .map(|at| filter.may_match_type(schema, TypeId(at as u16)))
            .collect();
        Ok(Seen {
            evaluator: filter.evaluator(),
            types,
        })
    }
}

impl Trigger {
    /// Whether events of a type may fire it.
    pub fn looks_at(&mut self, ty: TypeId) -> bool {
        if let Some(falco) = &mut self.falco {
            return falco.may_match_type(Schema::current(), ty);
        }
        let types = self.seen.as_ref().map(|seen| &seen.types);
        types.is_some_and(|types| types.get(usize::from(ty.0)).copied().unwrap_or(true))
    }

    /// What is remembered of rows is forgotten: the next events come with others.
    pub fn forget(&mut self) {
        if let Some(falco) = &mut self.falco {
            falco.forget();
        }
        if let Some(seen) = &mut self.seen {
            seen.evaluator.forget();
        }
    }

    /// Whether an alert that came in by its way is meant.
    pub fn takes(&self, alert: &Alert) -> bool {
        self.alerts.as_ref().is_some_and(|meant| {
            alert
                .priority
                .is_none_or(|priority| priority <= meant.least)
                && meant.rules.iter().any(|pattern| fits(pattern, &alert.rule))
        })
    }

    /// Whether an event fires it.
    pub fn fires(&mut self, ctx: &Ctx<'_>) -> Option<Fired> {
        if let Some(falco) = &mut self.falco {
            return examined(falco, ctx);
        }
        let seen = self.seen.as_mut()?;
        if !seen.evaluator.matches(ctx) {
            return None;
        }
        let Some(rate) = &mut self.rate else {
            return Some(Fired::default());
        };
        let now = ctx.event.time.0;
        rate.times.push_back(now);
        while (rate.times.front()).is_some_and(|first| now.saturating_sub(*first) > rate.within_ns)
        {
            rate.times.pop_front();
        }
        // No more are remembered than it takes to know.
        let fires = rate.times.len() > rate.above;
        if fires {
            rate.times.clear();
        }
        fires.then(Fired::default)
    }

    /// How often it fires by itself.
    pub fn every(&self) -> Option<Duration> {
        self.every
    }
}

/// Asks rules about an event; the longest time of those that match is the time that is recorded.
fn examined(falco: &mut Detector, ctx: &Ctx<'_>) -> Option<Fired> {
    let mut fired: Option<Fired> = None;
    falco.examine(ctx, |rule| {
        let mut why = format!(
            "rule {} ({}): {}",
            rule.name,
            rule.priority.name().to_lowercase(),
            rule.output.print(ctx).unwrap_or_default()
        );
        shorten(&mut why);
        let after = (rule.capture && rule.capture_duration_ms > 0)
            .then(|| Duration::from_millis(rule.capture_duration_ms.into()));
        match &mut fired {
            None => fired = Some(Fired { why, after }),
            Some(first) => {
                first.after = first.after.max(after);
                if first.why.len() < MOST_TEXT {
                    first.why.push_str("; ");
                    first.why.push_str(&why);
                    shorten(&mut first.why);
                }
            }
        }
    });
    fired
}
