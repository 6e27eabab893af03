//! Rules, macros and lists as the files define, extend and change them, one after another.

use crate::priority::Priority;
use crate::report::{Code, Context, Problem, Report};
use afterimage_query::{Filter, Modifier, OPERATORS, Op};
use std::collections::{BTreeSet, HashMap};

/// Most members all lists may have, and most bytes all texts.
const MAX_ITEMS: usize = 2_000_000;

/// What a key of an exception holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Entry {
    Item(String),
    List(Vec<Entry>),
}

impl Entry {
    pub fn is_given(&self) -> bool {
        match self {
            Entry::Item(text) => !text.is_empty(),
            Entry::List(items) => !items.is_empty(),
        }
    }

    /// The text of a scalar; nothing of a list.
    pub fn text(&self) -> &str {
        match self {
            Entry::Item(text) => text,
            Entry::List(_) => "",
        }
    }
}

impl Default for Entry {
    fn default() -> Entry {
        Entry::Item(String::new())
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Exception {
    pub name: String,
    pub fields: Entry,
    pub comps: Entry,
    pub values: Vec<Entry>,
    pub context: Context,
}

#[derive(Clone, Debug)]
pub(crate) struct ListInfo {
    pub name: String,
    pub items: Vec<String>,
    pub context: Context,
    pub index: usize,
    pub visibility: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct MacroInfo {
    pub name: String,
    pub condition: String,
    pub context: Context,
    pub condition_context: Context,
    pub index: usize,
    pub visibility: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct RuleInfo {
    pub name: String,
    pub condition: String,
    pub output: String,
    pub desc: String,
    pub source: String,
    pub unknown_source: bool,
    pub priority: Priority,
    pub tags: BTreeSet<String>,
    pub exceptions: Vec<Exception>,
    pub enabled: bool,
    pub capture: bool,
    pub capture_duration_ms: u32,
    pub warn_evttypes: bool,
    pub skip_if_unknown_filter: bool,
    pub context: Context,
    pub condition_context: Context,
    pub output_context: Context,
}

/// What an item changes of an earlier rule.
#[derive(Clone, Debug)]
pub(crate) struct Update {
    pub name: String,
    pub source: String,
    pub condition: Option<String>,
    pub output: Option<String>,
    pub desc: Option<String>,
    pub tags: Option<BTreeSet<String>>,
    pub exceptions: Option<Vec<Exception>>,
    pub priority: Option<Priority>,
    pub capture: Option<bool>,
    pub capture_duration_ms: Option<u32>,
    pub enabled: Option<bool>,
    pub warn_evttypes: Option<bool>,
    pub skip_if_unknown_filter: Option<bool>,
    pub context: Context,
}

impl Update {
    pub fn new(name: &str, context: &Context) -> Update {
        Update {
            name: name.to_owned(),
            source: String::new(),
            condition: None,
            output: None,
            desc: None,
            tags: None,
            exceptions: None,
            priority: None,
            capture: None,
            capture_duration_ms: None,
            enabled: None,
            warn_evttypes: None,
            skip_if_unknown_filter: None,
            context: context.clone(),
        }
    }

    fn is_empty(&self) -> bool {
        self.condition.is_none()
            && self.output.is_none()
            && self.desc.is_none()
            && self.tags.is_none()
            && self.exceptions.is_none()
            && self.priority.is_none()
            && self.capture.is_none()
            && self.capture_duration_ms.is_none()
            && self.enabled.is_none()
            && self.warn_evttypes.is_none()
            && self.skip_if_unknown_filter.is_none()
    }
}

/// Things with names, in the order in which the names came first.
#[derive(Clone, Debug)]
pub(crate) struct Named<T> {
    rows: Vec<T>,
    places: HashMap<String, usize>,
}

impl<T> Default for Named<T> {
    fn default() -> Named<T> {
        Named {
            rows: Vec::new(),
            places: HashMap::new(),
        }
    }
}

impl<T> Named<T> {
    pub fn get(&self, name: &str) -> Option<&T> {
        self.rows.get(*self.places.get(name)?)
    }

    pub fn get_mut(&mut self, name: &str) -> Option<&mut T> {
        self.rows.get_mut(*self.places.get(name)?)
    }

    pub fn place(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    pub fn insert(&mut self, name: &str, row: T) {
        match self.get_mut(name) {
            Some(old) => *old = row,
            None => {
                self.places.insert(name.to_owned(), self.rows.len());
                self.rows.push(row);
            }
        }
    }

    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.rows.iter()
    }
}

pub(crate) type Outcome<T = ()> = Result<T, Box<Problem>>;

/// Fails unless something holds.
pub(crate) fn ensure(holds: bool, message: &str, context: &Context) -> Outcome {
    if holds {
        Ok(())
    } else {
        Err(refusal(message, context))
    }
}

fn refusal(message: &str, context: &Context) -> Box<Problem> {
    Box::new(Problem::new(Code::Validate, message, context))
}

/// Whether a word is an operator that a list goes with.
pub(crate) fn takes_list(comp: &str) -> bool {
    matches!(
        Op::by_text(comp),
        Some(Op::In | Op::Intersects | Op::Pmatch)
    ) || takes_modifier(comp)
}

/// Whether a word is an operator with a modifier, such as `startswith oneof`.
fn takes_modifier(comp: &str) -> bool {
    comp.split_once(' ').is_some_and(|(op, modifier)| {
        Op::by_text(op).is_some_and(Op::takes_modifier) && Modifier::by_text(modifier).is_some()
    })
}

fn is_operator(comp: &str) -> bool {
    OPERATORS
        .iter()
        .any(|row| row.text == comp || row.aliases.contains(&comp))
}

fn is_field(text: &str) -> bool {
    Filter::parse(&format!("{text} exists")).is_ok()
}

/// Events that there are; rules about others are left out.
pub(crate) const SOURCE: &str = "syscall";

/// All that the files said so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Collector {
    pub lists: Named<ListInfo>,
    pub macros: Named<MacroInfo>,
    pub rules: Named<RuleInfo>,
    next: usize,
    items: usize,
}

impl Collector {
    fn index(&mut self) -> usize {
        self.next += 1;
        self.next - 1
    }

    /// Counts what is kept, and refuses too much of it.
    fn count(&mut self, items: usize, context: &Context) -> Outcome {
        self.items = self.items.saturating_add(items);
        ensure(
            self.items <= MAX_ITEMS,
            "Rule files hold more than can be taken",
            context,
        )
    }

    pub fn define_list(&mut self, mut info: ListInfo) -> Outcome {
        self.count(info.items.len(), &info.context)?;
        let id = self.index();
        info.index = self.lists.get(&info.name).map_or(id, |old| old.index);
        info.visibility = id;
        self.lists.insert(&info.name.clone(), info);
        Ok(())
    }

    pub fn append_list(&mut self, info: ListInfo) -> Outcome {
        self.count(info.items.len(), &info.context)?;
        let id = self.index();
        let Some(old) = self.lists.get_mut(&info.name) else {
            return ensure(
                false,
                "List uses 'append' or 'override.items: append' but no list by that name already exists",
                &info.context,
            );
        };
        old.items.extend(info.items);
        old.visibility = id;
        Ok(())
    }

    pub fn define_macro(&mut self, mut info: MacroInfo) -> Outcome {
        self.count(1, &info.context)?;
        let id = self.index();
        info.index = self.macros.get(&info.name).map_or(id, |old| old.index);
        info.visibility = id;
        self.macros.insert(&info.name.clone(), info);
        Ok(())
    }

    pub fn append_macro(&mut self, info: MacroInfo) -> Outcome {
        self.count(1, &info.context)?;
        let id = self.index();
        let Some(old) = self.macros.get_mut(&info.name) else {
            return ensure(
                false,
                "Macro uses 'append' or 'override.condition: append' but no macro by that name already exists",
                &info.context,
            );
        };
        old.condition.push(' ');
        old.condition.push_str(&info.condition);
        old.visibility = id;
        Ok(())
    }

    fn same_source(&self, name: &str, source: &str, context: &Context) -> Outcome {
        let other = self.rules.get(name).is_some_and(|old| {
            !old.source.is_empty() && !source.is_empty() && old.source != source
        });
        ensure(
            !other,
            "Rule has been re-defined with a different source",
            context,
        )
    }

    pub fn define_rule(&mut self, mut info: RuleInfo, report: &mut Report) -> Outcome {
        self.count(1 + info.exceptions.len(), &info.context)?;
        self.same_source(&info.name, &info.source, &info.context)?;
        info.unknown_source = info.source != SOURCE;
        if info.unknown_source {
            report.warnings.push(Problem::new(
                Code::UnknownSource,
                format!("Unknown source {}, skipping", info.source),
                &info.context,
            ));
        }
        for exception in &mut info.exceptions {
            ensure(
                exception.fields.is_given(),
                "Rule exception item must have fields property with a list of fields",
                &exception.context,
            )?;
            check_exception(exception, !info.unknown_source)?;
        }
        self.index();
        self.rules.insert(&info.name.clone(), info);
        Ok(())
    }

    /// The rule that an item changes; `unknown` is said when there is none.
    fn known_rule(&mut self, info: &Update, unknown: &str) -> Outcome<&mut RuleInfo> {
        self.count(1, &info.context)?;
        self.same_source(&info.name, &info.source, &info.context)?;
        self.index();
        let rule = self.rules.get_mut(&info.name);
        rule.ok_or_else(|| refusal(unknown, &info.context))
    }

    pub fn append_rule(&mut self, info: Update) -> Outcome {
        let old = self.known_rule(
            &info,
            "Rule uses 'append' or 'override.<key>: append' but no rule by that name already exists",
        )?;
        ensure(
            !info.is_empty(),
            "Appended rule must have exceptions or condition property",
            &info.context,
        )?;
        let add = |old: &mut String, more: Option<String>| {
            if let Some(more) = more.filter(|more| !more.is_empty()) {
                old.push(' ');
                old.push_str(&more);
            }
        };
        add(&mut old.condition, info.condition);
        add(&mut old.output, info.output);
        add(&mut old.desc, info.desc);
        old.tags.extend(info.tags.into_iter().flatten());
        for mut exception in info.exceptions.into_iter().flatten() {
            let known = !old.unknown_source;
            match old
                .exceptions
                .iter_mut()
                .find(|one| one.name == exception.name)
            {
                None => {
                    ensure(
                        exception.fields.is_given(),
                        "Rule exception must have fields property with a list of fields",
                        &exception.context,
                    )?;
                    ensure(
                        !exception.values.is_empty(),
                        "Rule exception must have values property with a list of values",
                        &exception.context,
                    )?;
                    check_exception(&mut exception, known)?;
                    old.exceptions.push(exception);
                }
                Some(one) => {
                    ensure(
                        !exception.fields.is_given(),
                        "Can not append exception fields to existing exception, only values",
                        &exception.context,
                    )?;
                    ensure(
                        !exception.comps.is_given(),
                        "Can not append exception comps to existing exception, only values",
                        &exception.context,
                    )?;
                    one.values.extend(exception.values);
                }
            }
        }
        Ok(())
    }

    pub fn replace_rule(&mut self, info: Update) -> Outcome {
        let old = self.known_rule(
            &info,
            "An 'override.<key>: replace' to a rule was requested but no rule by that name already exists",
        )?;
        ensure(
            !info.is_empty(),
            "The rule must have at least one field that can be replaced",
            &info.context,
        )?;
        fn put<T>(old: &mut T, new: Option<T>) {
            if let Some(new) = new {
                *old = new;
            }
        }
        put(&mut old.condition, info.condition);
        put(&mut old.output, info.output);
        put(&mut old.desc, info.desc);
        put(&mut old.tags, info.tags);
        if let Some(mut exceptions) = info.exceptions {
            for exception in &mut exceptions {
                check_exception(exception, !old.unknown_source)?;
            }
            old.exceptions = exceptions;
        }
        put(&mut old.priority, info.priority);
        put(&mut old.capture, info.capture);
        put(&mut old.capture_duration_ms, info.capture_duration_ms);
        put(&mut old.enabled, info.enabled);
        put(&mut old.warn_evttypes, info.warn_evttypes);
        put(&mut old.skip_if_unknown_filter, info.skip_if_unknown_filter);
        Ok(())
    }

    pub fn enable_rule(&mut self, name: &str, enabled: bool, context: &Context) -> Outcome {
        let Some(old) = self.rules.get_mut(name) else {
            return ensure(
                false,
                "Rule has 'enabled' key but no rule by that name already exists",
                context,
            );
        };
        old.enabled = enabled;
        Ok(())
    }
}

/// Fills in the operators that are left out, and checks that the parts of an exception fit each other.
fn check_exception(exception: &mut Exception, known_source: bool) -> Outcome {
    let context = exception.context.clone();
    let no_field = |text: &str| format!("'{text}' is not a supported filter field");
    match &exception.fields {
        Entry::List(fields) => {
            if !exception.comps.is_given() {
                let equal = Entry::Item("=".to_owned());
                exception.comps = Entry::List(vec![equal; fields.len()]);
            }
            let comps = match &mut exception.comps {
                Entry::List(comps) => comps.as_mut_slice(),
                Entry::Item(_) => &mut [],
            };
            ensure(
                comps.len() == fields.len(),
                "Fields and comps lists must have equal length",
                &context,
            )?;
            for comp in comps {
                let text = comp.text().trim().to_owned();
                ensure(
                    is_operator(&text) || takes_modifier(&text),
                    &format!("'{text}' is not a supported comparison operator"),
                    &context,
                )?;
                *comp = Entry::Item(text);
            }
            for field in fields.iter().filter(|_| known_source) {
                ensure(is_field(field.text()), &no_field(field.text()), &context)?;
            }
        }
        Entry::Item(field) => {
            if !exception.comps.is_given() {
                exception.comps = Entry::Item("in".to_owned());
            }
            let Entry::Item(comp) = &mut exception.comps else {
                return ensure(false, "Fields and comps must both be strings", &context);
            };
            *comp = comp.trim().to_owned();
            ensure(
                takes_list(comp),
                "When fields is a single value, comps must be one of (in, pmatch, intersects) or a modifier operator (e.g. startswith oneof)",
                &context,
            )?;
            ensure(!known_source || is_field(field), &no_field(field), &context)?;
        }
    }
    Ok(())
}
