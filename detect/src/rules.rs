//! Rules that are ready to be asked, and what asks them.

use crate::collect::Collector;
use crate::compile;
use crate::priority::Priority;
use crate::read;
use crate::report::Report;
use afterimage_model::{Ctx, Schema, TypeId};
use afterimage_query::{Evaluator, Filter, Template};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// A rule, compiled.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// What it is about, in its author's words.
    pub desc: String,
    /// Its condition with lists and macros put in, as the peers print it.
    pub condition: String,
    /// When it matches.
    pub filter: Filter,
    /// What it says then; fields an event lacks are `<NA>`.
    pub output: Template,
    /// The same as text.
    pub output_text: String,
    /// How urgent it is.
    pub priority: Priority,
    /// Its tags.
    pub tags: BTreeSet<String>,
    /// The source of the events it is about.
    pub source: String,
    /// Whether it is asked when nothing else is said.
    pub enabled: bool,
    /// Whether a match is to start a recording.
    pub capture: bool,
    /// For how long then, ms; 0 for the recorder's own choice.
    pub capture_duration_ms: u32,
}

/// Which rules of the files are asked.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Only those with one of these tags; all when empty.
    pub tags: Vec<String>,
    /// None with one of these tags.
    pub not_tags: Vec<String>,
    /// Only those whose name matches one of these patterns (`*` stands for any text); all when empty. Such a rule is
    /// asked even if its file switches it off.
    pub rules: Vec<String>,
    /// None whose name matches one of these.
    pub not_rules: Vec<String>,
    /// None less urgent than this.
    pub least: Option<Priority>,
    /// Only those of which a match is to start a recording.
    pub capture: bool,
}

/// Whether one rule at most answers for an event, or all that match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Matching {
    /// The first in the order of the files.
    #[default]
    First,
    /// All, in the order of the files.
    All,
}

/// Events of the peers that are known here by another name, or not at all: rules that name them are right, and match what
/// captures of the peers hold.
const PEER_EVENTS: &[&str] = &[
    "asyncevent",
    "container",
    "cpu_hotplug",
    "drop",
    "groupadded",
    "groupdeleted",
    "infra",
    "k8s",
    "llseek",
    "mesos",
    "notification",
    "page_fault",
    "pluginevent",
    "pread",
    "prlimit",
    "procinfo",
    "pwrite",
    "recv",
    "s390_guarded_storage",
    "s390_pci_mmio_read",
    "s390_pci_mmio_write",
    "s390_runtime_instr",
    "s390_sthyi",
    "scapevent",
    "send",
    "switch",
    "syscall",
    "task",
    "tracer",
    "useradded",
    "userdeleted",
];

/// Whether there are events of this name.
pub(crate) fn is_event(name: &str) -> bool {
    PEER_EVENTS.binary_search(&name).is_ok() || Schema::current().type_id(name).is_some()
}

/// Loads rule files, given by name and text, in order: later ones may use, extend and change what earlier ones define.
/// Each file has its report; rules that were right before an error are there.
pub fn load<'t>(files: impl IntoIterator<Item = (&'t str, &'t str)>) -> (Rules, Vec<Report>) {
    let mut collector = Collector::default();
    let mut rules = Vec::new();
    let mut reports = Vec::new();
    let mut texts = HashMap::new();
    for (name, text) in files {
        texts.insert(name, text);
        let mut report = Report {
            name: name.to_owned(),
            ..Report::default()
        };
        let before = collector.clone();
        read::read(&mut collector, name, text, &mut report);
        if report.is_ok() {
            match compile::compile(&collector, &mut report) {
                Ok(compiled) => rules = compiled,
                Err(problem) => report.errors.push(*problem),
            }
        }
        // What a wrong file said is forgotten, so that it spoils none of the others.
        if !report.is_ok() {
            collector = before;
        }
        for problem in report.errors.iter_mut().chain(&mut report.warnings) {
            let text = texts.get(problem.file()).copied().unwrap_or_default();
            *problem = problem.clone().quote(text);
        }
        reports.push(report);
    }
    let rules = Rules {
        rules: rules.into(),
    };
    (rules, reports)
}

/// The rules of some files. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Rules {
    rules: Arc<[Rule]>,
}

impl Rules {
    /// All of them, in the order of the files.
    pub fn all(&self) -> &[Rule] {
        &self.rules
    }

    /// Those that are selected, also by their files.
    pub fn select(&self, selection: &Selection) -> Rules {
        let chosen = |rule: &&Rule| {
            let named = |patterns: &[String]| patterns.iter().any(|p| fits(p, &rule.name));
            let tagged = |tags: &[String]| tags.iter().any(|tag| rule.tags.contains(tag));
            (rule.enabled || named(&selection.rules))
                && (selection.rules.is_empty() || named(&selection.rules))
                && !named(&selection.not_rules)
                && (selection.tags.is_empty() || tagged(&selection.tags))
                && !tagged(&selection.not_tags)
                && selection.least.is_none_or(|least| rule.priority <= least)
                && (rule.capture || !selection.capture)
        };
        Rules {
            rules: self.rules.iter().filter(chosen).cloned().collect(),
        }
    }

    /// Something that asks them about the events of one capture.
    pub fn detector(&self, matching: Matching) -> Detector {
        Detector {
            evaluators: self
                .rules
                .iter()
                .map(|rule| rule.filter.evaluator())
                .collect(),
            rules: self.clone(),
            matching,
            by_type: Vec::new(),
        }
    }
}

/// Whether a name matches a pattern in which `*` stands for any text.
pub fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    true
}

/// Asks rules about the events of one capture. What depends on a type, a process or a file is asked once.
#[derive(Debug)]
pub struct Detector {
    rules: Rules,
    evaluators: Vec<Evaluator>,
    matching: Matching,
    /// By event type, the rules that may match it.
    by_type: Vec<Option<Vec<usize>>>,
}

impl Detector {
    /// The rules that match an event, in the order of the files; one at most with [`Matching::First`].
    pub fn examine(&mut self, ctx: &Ctx<'_>, mut hit: impl FnMut(&Rule)) {
        let Some(candidates) = candidates(&mut self.by_type, &self.rules, ctx.schema, ctx.event.ty)
        else {
            return;
        };
        for at in candidates {
            let (Some(evaluator), Some(rule)) =
                (self.evaluators.get_mut(*at), self.rules.rules.get(*at))
            else {
                continue;
            };
            if evaluator.matches(ctx) {
                hit(rule);
                if self.matching == Matching::First {
                    return;
                }
            }
        }
    }

    /// Whether some rule may match an event, as far as that can be told without its arguments and its result.
    pub fn may_match(&mut self, ctx: &Ctx<'_>) -> bool {
        let Some(candidates) = candidates(&mut self.by_type, &self.rules, ctx.schema, ctx.event.ty)
        else {
            return false;
        };
        candidates.iter().any(|at| {
            self.evaluators
                .get_mut(*at)
                .is_some_and(|evaluator| evaluator.by_head(ctx) != Some(false))
        })
    }

    /// Forgets what was learnt of processes and files: to be called before events that come with other tables (another
    /// chunk).
    pub fn forget(&mut self) {
        self.evaluators.iter_mut().for_each(Evaluator::forget);
    }

    /// Whether some rule may match events of a type.
    pub fn may_match_type(&mut self, schema: &Schema, ty: TypeId) -> bool {
        candidates(&mut self.by_type, &self.rules, schema, ty).is_some_and(|all| !all.is_empty())
    }
}

fn candidates<'d>(
    by_type: &'d mut Vec<Option<Vec<usize>>>,
    rules: &Rules,
    schema: &Schema,
    ty: TypeId,
) -> Option<&'d Vec<usize>> {
    let place = usize::from(ty.0);
    if by_type.len() <= place {
        by_type.resize(place + 1, None);
    }
    let slot = by_type.get_mut(place)?;
    Some(slot.get_or_insert_with(|| {
        let rows = rules.rules.iter().enumerate();
        rows.filter(|(_, rule)| rule.filter.may_match_type(schema, ty))
            .map(|(at, _)| at)
            .collect()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_patterns() {
        for (pattern, name) in [
            ("open_from_cat", "open_from_cat"),
            ("open*", "open_from_cat"),
            ("*cat", "open_from_cat"),
            ("*", ""),
            ("*from*", "open_from_cat"),
            ("o*_*t", "open_from_cat"),
        ] {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("open", "open_x"), ("*x*y", "yx"), ("", "a"), ("a*a", "a")] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn events_of_the_peers_are_sorted() {
        assert!(PEER_EVENTS.is_sorted());
        assert!(is_event("openat") && is_event("container") && !is_event("opennat"));
    }
}
