//! What turns the past into evidence: the kinds of trigger there are, as a table, and those that are armed.
//!
//! Most kinds are a filter in the language of `read`, made from a few parameters: what a trigger sees, an investigator can
//! ask for in the same words afterwards.

use afterimage_model::{Ctx, Schema, TypeId};
use afterimage_query::{Evaluator, Filter, duration_ns};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// A parameter of a kind of trigger.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    /// Its key in the configuration.
    pub name: &'static str,
    /// What is taken when it is not given; empty when it must be given. Items of a list are separated by blanks.
    pub default: &'static str,
    /// One sentence.
    pub doc: &'static str,
}

/// How a kind of trigger comes to know.
#[derive(Clone, Copy, Debug)]
pub enum Source {
    /// By events that a filter matches: `{name}` stands for a parameter, `{name:FIELD OPERATOR}` for a comparison of the field
    /// with each of its items, joined by `or`.
    Filter(&'static str),
    /// By so many events that a filter matches within so long.
    Rate,
    /// By the passing of time.
    Time,
    /// By somebody who says so: a signal, a command.
    Told,
}

/// A row of [`TRIGGERS`].
#[derive(Clone, Copy, Debug)]
pub struct TriggerKind {
    /// Name, as the configuration has it.
    pub name: &'static str,
    /// One sentence.
    pub doc: &'static str,
    /// Parameters beside those that every trigger has.
    pub params: &'static [Param],
    /// How it comes to know.
    pub source: Source,
    /// Whether it is armed without a configuration.
    pub by_default: bool,
}

macro_rules! triggers {
    ($($name:literal $(by $default:ident)? : $source:expr, { $($param:literal = $value:literal $doc:literal),* $(,)? } $sentence:literal;)*) => {
        &[$(TriggerKind {
            name: $name,
            doc: $sentence,
            params: &[$(Param { name: $param, default: $value, doc: $doc }),*],
            source: $source,
            by_default: triggers!(@default $($default)?),
        }),*]
    };
    (@default) => { false };
    (@default default) => { true };
}

/// Every kind of trigger.
pub const TRIGGERS: &[TriggerKind] = triggers! {
    "canary": Source::Filter("({paths:fd.name glob} or {paths:fs.path.name glob} or {paths:fs.path.source glob} or {paths:fs.path.target glob})"),
        { "paths" = "" "Patterns of paths that nobody has any business with." }
        "Something touches a file that is only there to be touched.";
    "command" by default: Source::Told, {}
        "Somebody asks for it: afterimage trigger.";
    "connect": Source::Filter("evt.type = connect and {addresses:fd.snet =}"),
        { "addresses" = "" "Addresses, or blocks of them." }
        "Something connects to one of these addresses.";
    "container_created": Source::Filter("evt.type = runtime_create"), {}
        "A runtime made a container.";
    "container_died" by default: Source::Filter("evt.type = runtime_oom or evt.type = runtime_die and evt.rawarg.status exists and not evt.rawarg.status in ({expected})"),
        { "expected" = "0,143" "Exit codes that are no accident, with commas between them; 143 is that of a container that was asked to stop." }
        "A container ended with another exit code than one that is expected, or ran out of memory.";
    "container_exec": Source::Filter("evt.type = runtime_exec_start"), {}
        "A runtime started a further program in a container.";
    "container_removed": Source::Filter("evt.type = runtime_destroy"), {}
        "A runtime removed a container.";
    "crash" by default: Source::Filter("evt.type = procexit and evt.arg.signal in (SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE, SIGSYS, SIGTRAP)"), {}
        "A process died of a signal that says it went wrong.";
    "dns": Source::Filter("{names:dns.question glob}"),
        { "names" = "" "Names, or patterns of names." }
        "A name server is asked for one of these names.";
    "filter": Source::Filter("{filter}"),
        { "filter" = "" "A filter in the language of read." }
        "An event matches a filter.";
    "limit": Source::Filter("container.memory.percent >= {percent}"),
        { "percent" = "95" "Share of the limit." }
        "A container comes close to its limit of memory.";
    "listen": Source::Filter("evt.type = listen and evt.failed = false"), {}
        "Something listens on a socket.";
    "oom" by default: Source::Filter("evt.type = oom_kill"), {}
        "The kernel kills a process for lack of memory.";
    "pressure": Source::Filter("container.memory.pressure >= {percent}00 or container.cpu.pressure >= {percent}00 or container.io.pressure >= {percent}00"),
        { "percent" = "50" "Share of the last ten seconds, in whole percent." }
        "Something in a container waits for memory, a processor or a disk for most of the time.";
    "rate": Source::Rate,
        { "filter" = "" "A filter in the language of read.", "above" = "100" "How many events are not too many yet.", "within" = "10s" "Within how long." }
        "More events match a filter than so many within so long.";
    "schedule": Source::Time, { "every" = "1h" "How long to wait in between." }
        "Time has passed: what is normal, to compare with.";
    "secret" by default: Source::Filter("evt.is_open_read = true and evt.failed = false and ({paths:fd.name glob})"),
        { "paths" = "/etc/shadow /etc/gshadow /root/.ssh/* /home/*/.ssh/id_* */.aws/credentials */.kube/config /var/run/secrets/kubernetes.io/* /run/secrets/kubernetes.io/*" "Patterns of paths." }
        "Something opens a file with a secret in it.";
    "signal" by default: Source::Told, {}
        "The recorder is sent SIGUSR1.";
};

impl TriggerKind {
    /// What it looks at: a filter, or a few words; empty when somebody has to say so.
    pub fn looks_at(&self) -> &'static str {
        match self.source {
            Source::Filter(filter) => filter,
            Source::Rate => "{filter}, more than {above} times within {within}",
            Source::Time => "every {every}",
            Source::Told => "",
        }
    }
}

/// The table in Markdown.
pub fn table_md() -> String {
    let cell = |text: &str| text.replace('|', "\\|");
    let mut text = String::from(
        "| Kind | By default | Meaning | Parameters | Looks at |\n|---|---|---|---|---|\n",
    );
    for kind in TRIGGERS {
        let params: Vec<String> = (kind.params.iter())
            .map(|param| match param.default {
                "" => format!("`{}`, required: {}", param.name, param.doc),
                default => format!("`{}` (`{default}`): {}", param.name, param.doc),
            })
            .collect();
        let looks_at = match kind.looks_at() {
            "" => String::new(),
            filter => format!("`{}`", cell(filter)),
        };
        text.push_str(&format!(
            "| `{}` | {} | {} | {} | {looks_at} |\n",
            kind.name,
            if kind.by_default { "armed" } else { "" },
            kind.doc,
            cell(&params.join(" "))
        ));
    }
    text
}

/// The kind with this name.
pub fn kind(name: &str) -> Option<&'static TriggerKind> {
    TRIGGERS.iter().find(|kind| kind.name == name)
}

/// How much of the host goes into the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// The container of the event.
    #[default]
    Container,
    /// All containers of its pod.
    Pod,
    /// Everything that is watched.
    Host,
}

impl Reach {
    /// Every reach with its name.
    pub const ALL: &'static [(Reach, &'static str)] = &[
        (Reach::Container, "container"),
        (Reach::Pod, "pod"),
        (Reach::Host, "host"),
    ];
}

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
        let text = match kind.source {
            Source::Filter(template) => fill(template, &items)?,
            Source::Rate => one("filter")?,
            Source::Time | Source::Told => String::new(),
        };
        let seen = match kind.source {
            Source::Filter(_) | Source::Rate => Some(Seen::of(&text)?),
            Source::Time | Source::Told => None,
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
        })
    }
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
    pub fn looks_at(&self, ty: TypeId) -> bool {
        let types = self.seen.as_ref().map(|seen| &seen.types);
        types.is_some_and(|types| types.get(usize::from(ty.0)).copied().unwrap_or(true))
    }

    /// What is remembered of rows is forgotten: the next events come with others.
    pub fn forget(&mut self) {
        if let Some(seen) = &mut self.seen {
            seen.evaluator.forget();
        }
    }

    /// Whether an event fires it.
    pub fn fires(&mut self, ctx: &Ctx<'_>) -> bool {
        let Some(seen) = &mut self.seen else {
            return false;
        };
        if !seen.evaluator.matches(ctx) {
            return false;
        }
        let Some(rate) = &mut self.rate else {
            return true;
        };
        let now = ctx.event.time.0;
        rate.times.push_back(now);
        while (rate.times.front()).is_some_and(|first| now.saturating_sub(*first) > rate.within_ns)
        {
            rate.times.pop_front();
        }
        let fires = rate.times.len() > rate.above;
        if fires {
            rate.times.clear();
        }
        fires
    }

    /// How often it fires by itself.
    pub fn every(&self) -> Option<Duration> {
        self.every
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(kind: &str, params: &[(&str, &[&str])]) -> Wanted {
        Wanted {
            name: "mine".to_owned(),
            kind: kind.to_owned(),
            params: (params.iter())
                .map(|(name, items)| {
                    let items = items.iter().map(|item| (*item).to_owned());
                    ((*name).to_owned(), items.collect())
                })
                .collect(),
            ..Wanted::default()
        }
    }

    #[test]
    fn every_kind_can_be_armed_once_it_has_what_it_needs() {
        for kind in TRIGGERS {
            let needed: Vec<(&str, &[&str])> = (kind.params.iter())
                .filter(|param| param.default.is_empty())
                .map(|param| match param.name {
                    "filter" => (param.name, &["evt.type=openat"][..]),
                    "addresses" => (param.name, &["10.0.0.0/8"][..]),
                    _ => (param.name, &["/etc/pa\"ss*", "with blank"][..]),
                })
                .collect();
            wanted(kind.name, &needed)
                .arm()
                .unwrap_or_else(|why| panic!("{}: {why}", kind.name));
            if let Some((missing, _)) = needed.first() {
                let why = wanted(kind.name, &[]).arm().err().unwrap_or_default();
                assert!(why.contains(missing), "{}: {why}", kind.name);
            }
        }
        assert!(TRIGGERS.is_sorted_by_key(|kind| kind.name));
        assert!(defaults().iter().all(|wanted| wanted.arm().is_ok()));
    }

    #[test]
    fn the_document_is_that_of_the_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/triggers.md");
        let document = std::fs::read_to_string(path).expect("docs/triggers.md");
        let (before, rest) = document.split_once("<!-- table -->\n").expect("a table");
        let (found, after) = rest.split_once("<!-- end -->").expect("its end");
        if std::env::var_os("BLESS").is_some() {
            let text = format!("{before}<!-- table -->\n{}<!-- end -->{after}", table_md());
            std::fs::write(path, text).expect("written");
        } else {
            assert_eq!(found, table_md(), "print it anew with BLESS=1");
        }
    }

    #[test]
    fn what_is_wrong_with_a_trigger_is_said() {
        for (kind, params, why) in [
            ("crush", &[][..], "there is no kind of trigger \"crush\""),
            ("crash", &[("paths", &["x"][..])][..], "takes no paths"),
            (
                "filter",
                &[("filter", &["proc.nam=sh"][..])],
                "did you mean proc.name?",
            ),
            (
                "rate",
                &[("filter", &["evt.type=open"][..]), ("above", &["many"][..])],
                "not a whole number",
            ),
            (
                "schedule",
                &[("every", &["soon"][..])],
                "not a length of time",
            ),
        ] {
            let said = wanted(kind, params).arm().err().unwrap_or_default();
            assert!(said.contains(why), "{kind}: {said}");
        }
    }
}
