//! A file's items as they are written, with the checks that need nothing but the item.

use crate::collect::{
    Collector, Entry, Exception, ListInfo, MacroInfo, Outcome, RuleInfo, SOURCE, Update,
};
use crate::priority::Priority;
use crate::report::{Code, Context, Item, Problem, Report};
use crate::yaml::{self, Node};
use std::collections::BTreeSet;
use std::rc::Rc;

/// The engine whose rules are understood, as Falco counts its engines.
pub const ENGINE_VERSION: (u32, u32, u32) = (0, 63, 0);

const APPEND_IS_OLD: &str = "'append' key is deprecated. Add an 'append' entry (e.g. 'condition: append') under 'override' instead.";
const ENABLED_IS_OLD: &str = "The standalone 'enabled' key usage is deprecated. The correct approach requires also a 'replace' entry under the 'override' key (i.e. 'enabled: replace').";
const OVERRIDE_AND_APPEND: &str = "Keys 'override' and 'append: true' cannot be used together. Add an 'append' entry (e.g. 'condition: append') under 'override' instead.";

fn fail<T>(message: impl Into<String>, context: &Context) -> Outcome<T> {
    Err(Box::new(Problem::new(Code::YamlValidate, message, context)))
}

/// Takes a file into what is known so far. Stops at the first error.
pub(crate) fn read(collector: &mut Collector, name: &str, text: &str, report: &mut Report) {
    let file = Context::file(name);
    let documents = match yaml::load(text) {
        Ok(documents) => documents,
        Err(refused) => {
            let context = match refused.mark {
                Some(mark) => file.inside(mark, Item::ValueFor, ""),
                None => file,
            };
            let problem = Problem::new(Code::YamlParse, refused.message, &context);
            report.errors.push(problem);
            return;
        }
    };
    for document in documents {
        if let Err(problem) = read_document(collector, &document, &file, report) {
            report.errors.push(*problem);
            return;
        }
    }
}

fn read_document(
    collector: &mut Collector,
    document: &Node,
    file: &Context,
    report: &mut Report,
) -> Outcome {
    if document.is_null() {
        return Ok(());
    }
    if document.mapping().is_none() && document.sequence().is_none() {
        return fail("Rules content is not yaml", file);
    }
    let Some(items) = document.sequence() else {
        return fail("Rules content is not yaml array of objects", file);
    };
    for item in items.iter().filter(|item| !item.is_null()) {
        let mut reader = ItemReader {
            item,
            file,
            report: &mut *report,
            collector: &mut *collector,
        };
        reader.read()?;
    }
    Ok(())
}

struct ItemReader<'r> {
    item: &'r Node,
    file: &'r Context,
    report: &'r mut Report,
    collector: &'r mut Collector,
}

/// A scalar that must be there.
fn text(item: &Node, key: &str, context: &Context) -> Outcome<String> {
    match optional(item, key, context, false)? {
        Some(text) => Ok(text),
        None => fail(format!("Item has no mapping for key '{key}'"), context),
    }
}

/// A scalar that may be missing, and with `empty` also empty.
fn optional(item: &Node, key: &str, context: &Context, empty: bool) -> Outcome<Option<String>> {
    let Some(value) = item.get(key) else {
        return Ok(None);
    };
    if value.is_null() {
        return match empty {
            true => Ok(None),
            false => fail(format!("Mapping for key '{key}' is empty"), context),
        };
    }
    let inside = context.inside(value.mark, Item::ValueFor, key);
    match value.scalar() {
        None => fail("Value is not a scalar value", &inside),
        Some("") if empty => Ok(None),
        Some("") => fail("Value must be non-empty", &inside),
        Some(text) => Ok(Some(text.to_owned())),
    }
}

/// A scalar of some type that may be missing.
fn decoded<T>(
    item: &Node,
    key: &str,
    context: &Context,
    decode: impl Fn(&Node) -> Option<T>,
) -> Outcome<Option<T>> {
    if optional(item, key, context, false)?.is_none() {
        return Ok(None);
    }
    let Some(value) = item.get(key) else {
        return Ok(None);
    };
    match decode(value) {
        Some(value) => Ok(Some(value)),
        None => fail(
            "Can't decode YAML scalar value",
            &context.inside(value.mark, Item::ValueFor, key),
        ),
    }
}

fn flag(item: &Node, key: &str, context: &Context) -> Outcome<Option<bool>> {
    decoded(item, key, context, Node::flag)
}

fn number(item: &Node, key: &str, context: &Context) -> Outcome<Option<u32>> {
    decoded(item, key, context, |node| node.scalar()?.parse().ok())
}

/// A list of scalars.
fn words(item: &Node, key: &str, context: &Context) -> Outcome<Option<Vec<String>>> {
    let Some(value) = item.get(key) else {
        return Ok(None);
    };
    let inside = context.inside(value.mark, Item::ValueFor, key);
    let Some(items) = value.sequence() else {
        return fail("Value is not a sequence", &inside);
    };
    let mut all = Vec::with_capacity(items.len());
    for one in items {
        match (one.scalar(), one.is_null()) {
            (Some(text), _) => all.push(text.to_owned()),
            // yaml-cpp gives what is nothing as the word it was.
            (None, true) => all.push("null".to_owned()),
            (None, false) => {
                return fail(
                    "sequence value is not scalar",
                    &inside.inside(one.mark, Item::ListItem, ""),
                );
            }
        }
    }
    Ok(Some(all))
}

fn tags(item: &Node, context: &Context) -> Outcome<BTreeSet<String>> {
    Ok(words(item, "tags", context)?
        .into_iter()
        .flatten()
        .collect())
}

fn priority(item: &Node, context: &Context) -> Outcome<Priority> {
    let name = text(item, "priority", context)?;
    let mark = item.get("priority").map_or(item.mark, |node| node.mark);
    match Priority::parse(&name) {
        Some(priority) => Ok(priority),
        None => fail(
            "Invalid priority",
            &context.inside(mark, Item::RulePriority, ""),
        ),
    }
}

/// Keys under `override` by what is to be done.
#[derive(Default)]
struct Overrides {
    append: BTreeSet<String>,
    replace: BTreeSet<String>,
}

impl Overrides {
    fn read(
        item: &Node,
        appendable: &[&str],
        replaceable: &[&str],
        context: &Context,
    ) -> Outcome<Overrides> {
        let mut found = Overrides::default();
        let Some(value) = item.get("override") else {
            return Ok(found);
        };
        let inside = context.inside(item.mark, Item::Overrides, "");
        let Some(pairs) = value.mapping() else {
            return fail("Value is not a mapping", &inside);
        };
        for (key_node, operation) in pairs {
            let key = key_node.scalar().unwrap_or_default();
            let at_key = inside.inside(key_node.mark, Item::Overrides, key);
            let may = (appendable.contains(&key), replaceable.contains(&key));
            match (operation.scalar().unwrap_or_default(), may) {
                ("append", (true, _)) => found.append.insert(key.to_owned()),
                ("append", _) => {
                    return fail(
                        format!("Key '{key}' cannot be appended to, use 'replace' instead"),
                        &at_key,
                    );
                }
                ("replace", (_, true)) => found.replace.insert(key.to_owned()),
                ("replace", _) => {
                    return fail(format!("Key '{key}' cannot be replaced"), &at_key);
                }
                (other, may) => {
                    let allowed = [(may.0, "append "), (may.1, "replace ")];
                    let allowed: String = allowed
                        .into_iter()
                        .filter_map(|(may, word)| may.then_some(word))
                        .collect();
                    return fail(
                        format!(
                            "Invalid override operation for key '{key}': '{other}'. Allowed values are: {allowed}"
                        ),
                        &inside.inside(operation.mark, Item::ValueFor, key),
                    );
                }
            };
        }
        Ok(found)
    }

    fn is_empty(&self) -> bool {
        self.append.is_empty() && self.replace.is_empty()
    }
}

/// `x.y.z`.
fn version(text: &str) -> Option<(u32, u32, u32)> {
    let mut parts = text.splitn(3, '.');
    let mut part = |last: bool| {
        let text = parts.next()?;
        // What follows the last number, such as `-rc1`, is not compared.
        let digits = text.trim_start_matches(|c: char| c.is_ascii_digit());
        let number = text.get(..text.len() - digits.len())?;
        (last || digits.is_empty()).then(|| number.parse().ok())?
    };
    Some((part(false)?, part(false)?, part(true)?))
}

/// Whether a name is a word of letters, digits and underscores that begins with a letter.
fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn is_bare(name: &str) -> bool {
    !name.contains(|c: char| c.is_whitespace() || "()\"'=,".contains(c))
}

impl ItemReader<'_> {
    fn warn(&mut self, code: Code, message: impl Into<String>, context: &Context) {
        let problem = Problem::new(code, message, context);
        self.report.warnings.push(problem);
    }

    fn warn_of_keys(&mut self, known: &[&str], context: &Context) {
        for (key, _) in self.item.mapping().unwrap_or_default() {
            let key = key.scalar().unwrap_or_default();
            if !known.contains(&key) {
                self.warn(
                    Code::UnknownKey,
                    format!("Unknown key '{key}'. The key will be ignored."),
                    context,
                );
            }
        }
    }

    fn append_flag(&mut self, context: &Context) -> Outcome<bool> {
        let append = flag(self.item, "append", context)?.unwrap_or(false);
        if append {
            self.warn(Code::DeprecatedItem, APPEND_IS_OLD, context);
        }
        Ok(append)
    }

    fn read(&mut self) -> Outcome {
        let item = self.item;
        if item.mapping().is_none() {
            return fail(
                "Unexpected element type. Each element should be a yaml associative array.",
                &self.file.inside(item.mark, Item::RulesContentItem, ""),
            );
        }
        if item.get("required_engine_version").is_some() {
            self.engine_version()
        } else if let Some(plugins) = item.get("required_plugin_versions") {
            self.plugin_versions(plugins)
        } else if item.get("list").is_some() {
            self.list()
        } else if item.get("macro").is_some() {
            self.macro_()
        } else if item.get("rule").is_some() {
            self.rule()
        } else {
            let context = self.file.inside(item.mark, Item::RulesContentItem, "");
            self.warn(Code::UnknownItem, "Unknown top level item", &context);
            Ok(())
        }
    }

    fn engine_version(&mut self) -> Outcome {
        let context = self
            .file
            .inside(self.item.mark, Item::RequiredEngineVersion, "");
        let wanted = text(self.item, "required_engine_version", &context)?;
        // Engines were once counted by one number.
        let parsed = match wanted.parse::<u32>() {
            Ok(minor) => Some((0, minor, 0)),
            Err(_) => version(&wanted),
        };
        let Some(parsed) = parsed else {
            return fail(
                format!(
                    "Unable to parse engine version '{wanted}' as a semver string. Expected \"x.y.z\" semver format."
                ),
                &context,
            );
        };
        if parsed.0 != ENGINE_VERSION.0 || parsed > ENGINE_VERSION {
            let show = |v: (u32, u32, u32)| format!("{}.{}.{}", v.0, v.1, v.2);
            return Err(Box::new(Problem::new(
                Code::Validate,
                format!(
                    "Rules require engine version {}, but engine version is {}",
                    show(parsed),
                    show(ENGINE_VERSION)
                ),
                &context,
            )));
        }
        self.warn_of_keys(&["required_engine_version"], &context);
        Ok(())
    }

    /// What is demanded of plug-ins is checked for its form; there are none, and what they would add is built in or unknown.
    fn plugin_versions(&mut self, plugins: &Rc<Node>) -> Outcome {
        let context = self
            .file
            .inside(plugins.mark, Item::RequiredPluginVersions, "");
        let Some(entries) = plugins.sequence() else {
            return fail(
                "Value of required_plugin_versions must be a sequence",
                &context,
            );
        };
        for entry in entries {
            let inside = context.inside(entry.mark, Item::RequiredPluginVersionsEntry, "");
            if entry.mapping().is_none() {
                return fail("Plugin version must be a mapping", &inside);
            }
            let name = text(entry, "name", &inside)?;
            let inside = context.inside(entry.mark, Item::RequiredPluginVersionsEntry, &name);
            let mut wanted = vec![(name, text(entry, "version", &inside)?)];
            if let Some(others) = entry.get("alternatives") {
                let Some(others) = others.sequence() else {
                    return fail(
                        "Value of plugin version alternatives must be a sequence",
                        &inside,
                    );
                };
                for other in others {
                    let at = inside.inside(other.mark, Item::RequiredPluginVersionsAlternative, "");
                    if other.mapping().is_none() {
                        return fail("Plugin version alternative must be a mapping", &at);
                    }
                    let name = text(other, "name", &at)?;
                    wanted.push((name, text(other, "version", &at)?));
                }
            }
            let mut seen = BTreeSet::new();
            for (name, wanted) in wanted {
                let wrong =
                    |message: String| Err(Box::new(Problem::new(Code::Validate, message, &inside)));
                if version(&wanted).is_none() {
                    return wrong(format!(
                        "Invalid required version '{wanted}' for plugin '{name}'"
                    ));
                }
                if !seen.insert(name.clone()) {
                    return wrong(format!(
                        "Defined multiple alternative version requirements for plugin '{name}'"
                    ));
                }
            }
        }
        let whole = self
            .file
            .inside(self.item.mark, Item::RequiredPluginVersions, "");
        self.warn_of_keys(&["required_plugin_versions"], &whole);
        Ok(())
    }

    /// The name under a key, and the context that has it.
    fn named(&self, key: &str, item: Item) -> Outcome<(String, Context)> {
        let nameless = self.file.inside(self.item.mark, item, "");
        let name = text(self.item, key, &nameless)?;
        let context = self.file.inside(self.item.mark, item, &name);
        Ok((name, context))
    }

    /// Whether the one key of a list or macro is to be appended.
    fn appends(&mut self, key: &str, context: &Context) -> Outcome<bool> {
        let append = self.append_flag(context)?;
        let overrides = Overrides::read(self.item, &[key], &[key], context)?;
        if append && !overrides.is_empty() {
            return fail(OVERRIDE_AND_APPEND, context);
        }
        Ok(append || overrides.append.contains(key))
    }

    fn list(&mut self) -> Outcome {
        let (name, context) = self.named("list", Item::List)?;
        if !is_bare(&name) {
            self.warn(
                Code::InvalidListName,
                "List has an invalid name. List names should match a regular expression: ([^()\"'[:space:]=,]+)",
                &context,
            );
        }
        let Some(items) = words(self.item, "items", &context)? else {
            return fail("Item has no mapping for key 'items'", &context);
        };
        let append = self.appends("items", &context)?;
        let info = ListInfo {
            name,
            items,
            context: context.clone(),
            index: 0,
            visibility: 0,
        };
        match append {
            true => self.collector.append_list(info)?,
            false => self.collector.define_list(info)?,
        }
        self.warn_of_keys(&["list", "items", "append", "override"], &context);
        Ok(())
    }

    fn condition_context(&self, item: Item, context: &Context) -> Context {
        match self.item.get("condition") {
            Some(node) => context.inside(node.mark, item, ""),
            None => context.clone(),
        }
    }

    fn macro_(&mut self) -> Outcome {
        let (name, context) = self.named("macro", Item::Macro)?;
        if !is_identifier(&name) {
            self.warn(
                Code::InvalidMacroName,
                "Macro has an invalid name. Macro names should match a regular expression: ([a-zA-Z]+[a-zA-Z0-9_]*)",
                &context,
            );
        }
        let condition = text(self.item, "condition", &context)?;
        let append = self.appends("condition", &context)?;
        let info = MacroInfo {
            name,
            condition,
            condition_context: self.condition_context(Item::MacroCondition, &context),
            context: context.clone(),
            index: 0,
            visibility: 0,
        };
        match append {
            true => self.collector.append_macro(info)?,
            false => self.collector.define_macro(info)?,
        }
        self.warn_of_keys(&["macro", "condition", "append", "override"], &context);
        Ok(())
    }

    fn rule(&mut self) -> Outcome {
        const APPENDABLE: &[&str] = &["condition", "output", "desc", "tags", "exceptions"];
        const REPLACEABLE: &[&str] = &[
            "condition",
            "output",
            "desc",
            "priority",
            "capture",
            "capture_duration",
            "tags",
            "exceptions",
            "enabled",
            "warn_evttypes",
            "skip-if-unknown-filter",
        ];
        let (name, context) = self.named("rule", Item::Rule)?;
        let source = optional(self.item, "source", &context, true)?.unwrap_or_default();
        let append = self.append_flag(&context)?;
        let overrides = Overrides::read(self.item, APPENDABLE, REPLACEABLE, &context)?;
        if append && !overrides.is_empty() {
            return fail(OVERRIDE_AND_APPEND, &context);
        }
        if !overrides.is_empty() {
            self.override_rule(&name, &source, &overrides, REPLACEABLE, &context)?;
        } else if append {
            let mut update = Update::new(&name, &context);
            update.source = source;
            update.condition = optional(self.item, "condition", &context, false)?;
            if self.item.get("exceptions").is_some() {
                update.exceptions = Some(self.exceptions(true, &context)?);
            }
            self.collector.append_rule(update)?;
        } else {
            let has = |key: &str| self.item.get(key).is_some();
            let needed = ["condition", "output", "desc", "priority"];
            if !needed.into_iter().any(has) {
                let Some(enabled) = flag(self.item, "enabled", &context)? else {
                    return fail("Item has no mapping for key 'enabled'", &context);
                };
                self.warn(Code::DeprecatedItem, ENABLED_IS_OLD, &context);
                self.collector.enable_rule(&name, enabled, &context)?;
            } else {
                let info = self.whole_rule(&name, source, &context)?;
                self.collector.define_rule(info, self.report)?;
            }
        }
        self.warn_of_keys(
            &[
                "rule",
                "condition",
                "output",
                "desc",
                "priority",
                "source",
                "enabled",
                "capture",
                "capture_duration",
                "warn_evttypes",
                "skip-if-unknown-filter",
                "tags",
                "exceptions",
                "override",
                "append",
            ],
            &context,
        );
        Ok(())
    }

    fn whole_rule(&mut self, name: &str, source: String, context: &Context) -> Outcome<RuleInfo> {
        let item = self.item;
        let condition = text(item, "condition", context)?;
        let output = text(item, "output", context)?;
        let output_mark = item.get("output").map_or(item.mark, |node| node.mark);
        Ok(RuleInfo {
            name: name.to_owned(),
            condition,
            output: output.trim().to_owned(),
            desc: text(item, "desc", context)?,
            priority: priority(item, context)?,
            source: match source.is_empty() {
                true => SOURCE.to_owned(),
                false => source,
            },
            unknown_source: false,
            enabled: flag(item, "enabled", context)?.unwrap_or(true),
            capture: flag(item, "capture", context)?.unwrap_or(false),
            capture_duration_ms: number(item, "capture_duration", context)?.unwrap_or(0),
            warn_evttypes: flag(item, "warn_evttypes", context)?.unwrap_or(true),
            skip_if_unknown_filter: flag(item, "skip-if-unknown-filter", context)?.unwrap_or(false),
            tags: tags(item, context)?,
            exceptions: self.exceptions(false, context)?,
            condition_context: self.condition_context(Item::RuleCondition, context),
            output_context: context.inside(output_mark, Item::RuleOutput, ""),
            context: context.clone(),
        })
    }

    fn override_rule(
        &mut self,
        name: &str,
        source: &str,
        overrides: &Overrides,
        keys: &[&str],
        context: &Context,
    ) -> Outcome {
        let item = self.item;
        let mut unused: BTreeSet<&str> = keys
            .iter()
            .copied()
            .filter(|key| item.get(key).is_some())
            .collect();
        for (word, asked) in [
            ("append", &overrides.append),
            ("replace", &overrides.replace),
        ] {
            if asked.is_empty() {
                continue;
            }
            let mut update = Update::new(name, context);
            let append = word == "append";
            for key in asked {
                if !unused.remove(key.as_str()) {
                    return fail(
                        format!(
                            "An {word} override for '{key}' was specified but '{key}' is not defined"
                        ),
                        context,
                    );
                }
                match key.as_str() {
                    "condition" => {
                        update.source = source.to_owned();
                        update.condition = Some(text(item, key, context)?);
                    }
                    "exceptions" => update.exceptions = Some(self.exceptions(append, context)?),
                    "output" => update.output = Some(text(item, key, context)?),
                    "desc" => update.desc = Some(text(item, key, context)?),
                    "tags" => update.tags = Some(tags(item, context)?),
                    "priority" => update.priority = Some(priority(item, context)?),
                    "capture" => update.capture = flag(item, key, context)?,
                    "capture_duration" => {
                        update.capture_duration_ms = number(item, key, context)?;
                    }
                    "enabled" => update.enabled = flag(item, key, context)?,
                    "warn_evttypes" => update.warn_evttypes = flag(item, key, context)?,
                    _ => update.skip_if_unknown_filter = flag(item, key, context)?,
                }
            }
            match append {
                true => self.collector.append_rule(update)?,
                false => self.collector.replace_rule(update)?,
            }
        }
        match unused.first() {
            None => Ok(()),
            Some(key) => {
                let mark = item.get(key).map_or(item.mark, |node| node.mark);
                fail(
                    format!(
                        "Unexpected key '{key}': no corresponding entry under 'override' is defined."
                    ),
                    &context.inside(mark, Item::Overrides, key),
                )
            }
        }
    }

    fn exceptions(&mut self, append: bool, context: &Context) -> Outcome<Vec<Exception>> {
        let mut all: Vec<Exception> = Vec::new();
        let Some(node) = self.item.get("exceptions").filter(|node| !node.is_null()) else {
            return Ok(all);
        };
        let whole = context.inside(node.mark, Item::Exceptions, "");
        let Some(entries) = node.sequence() else {
            return fail("Rule exceptions must be a sequence", &whole);
        };
        for entry in entries {
            let nameless = whole.inside(entry.mark, Item::Exception, "");
            if entry.mapping().is_none() {
                return fail("Rule exception must be a mapping", &nameless);
            }
            let name = text(entry, "name", &nameless)?;
            let inside = context.inside(entry.mark, Item::Exception, &name);
            if all.iter().any(|other| other.name == name) {
                self.warn(
                    Code::ExceptionNameNotUnique,
                    format!("Multiple definitions of exception '{name}' in the same rule"),
                    &inside,
                );
            }
            let fields = match entry.get("fields") {
                Some(node) => value(node, Some("fields"), &inside)?,
                None if append => Entry::default(),
                None => return fail("Item has no mapping for key 'fields'", &inside),
            };
            let comps = match entry.get("comps") {
                Some(node) => value(node, Some("comps"), &inside)?,
                None => Entry::default(),
            };
            let mut values = Vec::new();
            match entry.get("values") {
                Some(node) => {
                    let at = inside.inside(node.mark, Item::ExceptionValues, "");
                    let Some(rows) = node.sequence() else {
                        return fail("Rule exception values must be a sequence", &at);
                    };
                    for row in rows {
                        let at = at.inside(row.mark, Item::ExceptionValue, "");
                        values.push(value(row, None, &at)?);
                    }
                }
                None if append => self.warn(
                    Code::AppendNoValues,
                    "Overriding/appending exception with no values",
                    &inside,
                ),
                None => {}
            }
            all.push(Exception {
                name,
                fields,
                comps,
                values,
                context: inside,
            });
        }
        Ok(all)
    }
}

/// A scalar or a list of such values. How deep they are nested is bounded by the reader of YAML.
fn value(node: &Node, key: Option<&str>, context: &Context) -> Outcome<Entry> {
    let inside = context.inside(node.mark, Item::ValueFor, key.unwrap_or_default());
    if let Some(items) = node.sequence() {
        let items = items
            .iter()
            .map(|one| value(one, None, &inside.inside(one.mark, Item::Exception, "")));
        return items.collect::<Outcome<_>>().map(Entry::List);
    }
    match node.scalar() {
        Some("") => fail("Value must be non-empty", &inside),
        Some(text) => Ok(Entry::Item(text.to_owned())),
        None => Ok(Entry::default()),
    }
}
