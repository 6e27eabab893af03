//! What turns the past into evidence: the kinds of trigger there are, as a table, and those that are armed.
//!
//! Most kinds are a filter in the language of `read`, made from a few parameters: what a trigger sees, an investigator can
//! ask for in the same words afterwards.

mod alert;
mod arm;

pub use alert::{Alert, Heard};
pub use arm::{Fired, Trigger, Wanted, defaults};

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
    /// By events that rules of Falco match.
    Rules,
    /// By alerts of other programs that come in this way.
    Alerts,
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
    // What keeps the books of a descriptor follows from how it was come by.
    "canary": Source::Filter("not evt.type in (close, fcntl, fcntl64, fstat, fstat64, lseek, _llseek) and ({paths:fd.name glob} or {paths:fs.path.name glob} or {paths:fs.path.source glob} or {paths:fs.path.target glob})"),
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
    "falco": Source::Rules,
        { "rules" = "" "Rule files, and folders of them, in order.", "mode" = "rules" "rules: those that say capture: true; all: every rule that is enabled.", "priority" = "debug" "None less urgent than this." }
        "An event matches a rule of Falco; its capture_duration is how long is recorded after it.";
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
    "stdin": Source::Alerts,
        { "rules" = "*" "Patterns of names of rules.", "priority" = "debug" "None less urgent than this." }
        "An alert comes in on standard input, a line of JSON as Falco prints it: watch --stdin-alerts.";
    "webhook": Source::Alerts,
        { "rules" = "*" "Patterns of names of rules.", "priority" = "debug" "None less urgent than this." }
        "An alert is posted: JSON of Falco, Falcosidekick or Alertmanager, or text; see below.";
};

impl TriggerKind {
    /// Whether somebody outside says that it fires, and why.
    pub fn is_told(&self) -> bool {
        matches!(self.source, Source::Told | Source::Alerts)
    }

    /// What it looks at: a filter, or a few words; empty when somebody has to say so.
    pub fn looks_at(&self) -> &'static str {
        match self.source {
            Source::Filter(filter) => filter,
            Source::Rate => "{filter}, more than {above} times within {within}",
            Source::Rules => "{rules}, {mode}, {priority} or more urgent",
            Source::Time => "every {every}",
            Source::Alerts => "rules {rules}, {priority} or more urgent",
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

#[cfg(test)]
mod tests {
    use super::*;
    use afterimage_detect::Priority;

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

    const RULES: &str = "
- rule: loud
  desc: d
  condition: evt.type = openat
  output: opened
  priority: WARNING
  capture: true
  capture_duration: 1500
- rule: quiet
  desc: d
  condition: evt.type = openat
  output: opened
  priority: NOTICE
";

    #[test]
    fn rules_are_those_that_capture_or_all_and_urgent_enough() {
        let armed = |params: &[(&str, &[&str])], text: &str| {
            let mut falco = wanted("falco", params);
            let rules = vec!["a.yaml".to_owned()];
            falco.params.insert("rules".to_owned(), rules);
            falco.texts.push(("a.yaml".to_owned(), text.to_owned()));
            falco.arm().map(|trigger| trigger.text)
        };
        let said = |answer: Result<String, String>| answer.unwrap_or_else(|why| why);
        assert_eq!(said(armed(&[], RULES)), "1 rule of a.yaml");
        let all = armed(&[("mode", &["all"])], RULES);
        assert_eq!(said(all), "2 rules of a.yaml");
        let urgent = armed(&[("mode", &["all"]), ("priority", &["warning"])], RULES);
        assert_eq!(said(urgent), "1 rule of a.yaml");
        for (params, text, why) in [
            (
                &[("priority", &["error"][..])][..],
                RULES,
                "no rule is left",
            ),
            (
                &[],
                &RULES.replace("capture: true", "capture: false"),
                "mode = \"all\"",
            ),
            (&[("mode", &["some"][..])][..], RULES, "mode is \"some\""),
            (
                &[("priority", &["loud"][..])][..],
                RULES,
                "priority is \"loud\"",
            ),
            (&[], &RULES.replace("evt.type", "evt.tipe"), "LOAD_ERR"),
        ] {
            let answer = armed(params, text).err().unwrap_or_default();
            assert!(answer.contains(why), "{answer}");
        }
    }

    #[test]
    fn alerts_are_taken_by_rule_and_urgency() {
        let trigger = wanted(
            "webhook",
            &[("rules", &["Term*"]), ("priority", &["warning"])],
        )
        .arm()
        .unwrap_or_else(|why| panic!("{why}"));
        let alert = |rule: &str, priority| Alert {
            rule: rule.to_owned(),
            priority: Priority::parse(priority),
            ..Alert::default()
        };
        assert!(trigger.takes(&alert("Terminal shell", "error")));
        assert!(!trigger.takes(&alert("Terminal shell", "notice")));
        assert!(!trigger.takes(&alert("Other", "error")));
        // How urgent it is was not said: better a file too many.
        assert!(trigger.takes(&alert("Terminal shell", "")));
        let long = Alert {
            text: "ä".repeat(9_000),
            ..Alert::default()
        };
        assert!(long.bounded().text.len() <= 2_048);
    }

    #[test]
    fn every_kind_can_be_armed_once_it_has_what_it_needs() {
        for kind in TRIGGERS {
            let needed: Vec<(&str, &[&str])> = (kind.params.iter())
                .filter(|param| param.default.is_empty())
                .map(|param| match param.name {
                    "filter" => (param.name, &["evt.type=openat"][..]),
                    "addresses" => (param.name, &["10.0.0.0/8"][..]),
                    "rules" => (param.name, &["a.yaml"][..]),
                    _ => (param.name, &["/etc/pa\"ss*", "with blank"][..]),
                })
                .collect();
            let mut whole = wanted(kind.name, &needed);
            whole.texts.push(("a.yaml".to_owned(), RULES.to_owned()));
            whole
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
