//! What is wrong with rule files, or worth a word: Falco's codes and texts, with the places that lead there.

use crate::yaml::Mark;
use serde_json::{Value, json};
use std::fmt;

macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($variant:ident $code:literal $text:literal $more:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $(#[doc = $text] $variant),* }
        impl $name {
            /// How Falco writes it.
            pub fn code(self) -> &'static str {
                match self { $($name::$variant => $code),* }
            }

            /// A few words.
            pub fn text(self) -> &'static str {
                match self { $($name::$variant => $text),* }
            }

            /// What it is about.
            pub fn doc(self) -> &'static str {
                match self { $($name::$variant => $more),* }
            }
        }
    };
}

codes! {
    /// Codes of errors and warnings, those of Falco.
    Code {
        FileRead "LOAD_ERR_FILE_READ" "File read error" "The file cannot be read.";
        YamlParse "LOAD_ERR_YAML_PARSE" "YAML parse error" "The text is not YAML.";
        YamlValidate "LOAD_ERR_YAML_VALIDATE" "Error validating internal structure of YAML file" "The text is YAML, and not a list of rules, macros and lists with the keys they need.";
        CompileCondition "LOAD_ERR_COMPILE_CONDITION" "Error compiling condition" "A condition is not a filter.";
        CompileOutput "LOAD_ERR_COMPILE_OUTPUT" "Error compiling output" "An output is not a template.";
        Validate "LOAD_ERR_VALIDATE" "Error validating rule/macro/list/exception objects" "A rule, a macro, a list or an exception does not fit the others.";
        UnknownSource "LOAD_UNKNOWN_SOURCE" "Unknown event source" "A rule is about events of a source that is not there. It is left out.";
        NoEvttype "LOAD_NO_EVTTYPE" "Condition has no event-type restriction" "A condition may hold for events of very many types.";
        UnknownFilter "LOAD_UNKNOWN_FILTER" "Unknown field or event-type in condition or output" "A rule that may be left out names a field or an event type that does not exist.";
        UnusedMacro "LOAD_UNUSED_MACRO" "Unused macro" "No rule and no other macro uses the macro.";
        UnusedList "LOAD_UNUSED_LIST" "Unused list" "No rule, macro or other list uses the list.";
        UnknownItem "LOAD_UNKNOWN_ITEM" "Unknown rules file item" "An item is neither rule, macro nor list. It is left out.";
        DeprecatedItem "LOAD_DEPRECATED_ITEM" "Used deprecated item" "Something is written in a way that Falco will give up.";
        AppendNoValues "LOAD_APPEND_NO_VALUES" "Overriding/appending with no values" "An exception is extended by nothing.";
        ExceptionNameNotUnique "LOAD_EXCEPTION_NAME_NOT_UNIQUE" "Multiple exceptions defined with the same name" "A rule has two exceptions of one name.";
        InvalidMacroName "LOAD_INVALID_MACRO_NAME" "Invalid macro name" "A macro's name cannot be used in a condition.";
        InvalidListName "LOAD_INVALID_LIST_NAME" "Invalid list name" "A list's name cannot be used in a condition.";
        CompileConditionWarning "LOAD_COMPILE_CONDITION" "Warning in rule condition" "A condition may mean something else than it says.";
        UnknownKey "LOAD_UNKNOWN_KEY" "Unknown key in item definition" "A key means nothing here. It is passed over.";
    }
}

codes! {
    /// What a place is, in Falco's words.
    Item {
        ValueFor "value for" "value" "A value of a key.";
        Exceptions "exceptions" "exceptions" "Exceptions of a rule.";
        Exception "exception" "exception" "An exception.";
        ExceptionValues "exception values" "exception values" "Values of an exception.";
        ExceptionValue "exception value" "exception value" "One of them.";
        RulesContent "rules content" "file" "A whole file.";
        RulesContentItem "rules content item" "item" "An item of a file.";
        RequiredEngineVersion "required_engine_version" "required engine version" "A demand on the engine.";
        RequiredPluginVersions "required plugin versions" "required plug-ins" "Demands on plug-ins.";
        RequiredPluginVersionsEntry "required plugin versions entry" "required plug-in" "One of them.";
        RequiredPluginVersionsAlternative "required plugin versions alternative" "alternative plug-in" "A plug-in that will do as well.";
        List "list" "list" "A list.";
        ListItem "list item" "list item" "A member of a list.";
        Macro "macro" "macro" "A macro.";
        MacroCondition "macro condition" "macro condition" "Its condition.";
        Rule "rule" "rule" "A rule.";
        RuleCondition "rule condition" "rule condition" "Its condition.";
        ConditionExpression "condition expression" "condition" "A condition as it is compiled.";
        RuleOutput "rule output" "rule output" "Its output.";
        RulePriority "rule priority" "rule priority" "Its priority.";
        Overrides "overrides" "overrides" "What of an earlier rule is changed.";
    }
}

/// One step on the way to a place.
#[derive(Clone, Debug)]
struct Step {
    file: String,
    mark: Mark,
    item: Item,
    name: String,
}

/// The way to a place: the file, the item in it, and so on.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    steps: Vec<Step>,
    /// The condition that the last place is in, where that is not the file's own text.
    condition: Option<String>,
}

impl Context {
    /// A whole file.
    pub fn file(name: &str) -> Context {
        let step = Step {
            file: name.to_owned(),
            mark: Mark::default(),
            item: Item::RulesContent,
            name: String::new(),
        };
        Context {
            steps: vec![step],
            condition: None,
        }
    }

    /// Something in it.
    pub fn inside(&self, mark: Mark, item: Item, name: &str) -> Context {
        let mut steps = self.steps.clone();
        steps.push(Step {
            file: self.file_name().to_owned(),
            mark,
            item,
            name: name.to_owned(),
        });
        Context {
            steps,
            condition: None,
        }
    }

    /// A place in a condition, in bytes from its start.
    pub fn in_condition(&self, at: usize, condition: &str) -> Context {
        let base = self.steps.last().map(|step| step.mark).unwrap_or_default();
        let before = condition.get(..at).unwrap_or(condition);
        let line = before.matches('\n').count();
        let column = before.rsplit('\n').next().unwrap_or_default().len();
        let mut short: String = condition.chars().take(20).collect();
        if short.len() < condition.len() {
            short = condition.chars().take(17).chain("...".chars()).collect();
        }
        let mut steps = self.steps.clone();
        steps.push(Step {
            file: format!("\"{}\"", short.replace(['\n', '\r'], " ")),
            mark: Mark {
                offset: base.offset + at,
                line: base.line + line + 1,
                column: base.column + column + 1,
            },
            item: Item::ConditionExpression,
            name: String::new(),
        });
        Context {
            steps,
            condition: Some(condition.to_owned()),
        }
    }

    fn file_name(&self) -> &str {
        self.steps.first().map_or("", |step| step.file.as_str())
    }

    /// The line that the place is in, and a mark under the place.
    fn snippet(&self, text: &str, mark: Mark) -> String {
        const WIDTH: usize = 160;
        let text = self.condition.as_deref().unwrap_or(text);
        let bytes = text.as_bytes();
        let mut at = match self.condition {
            Some(_) => {
                let base = self
                    .steps
                    .iter()
                    .rev()
                    .nth(1)
                    .map_or(0, |step| step.mark.offset);
                mark.offset.saturating_sub(base)
            }
            None => mark.offset,
        };
        while at > 0 && (at >= bytes.len() || bytes.get(at) == Some(&b'\n')) {
            at -= 1;
        }
        while at > 0 && !text.is_char_boundary(at) {
            at -= 1;
        }
        let (left, right) = (
            text.get(..at).unwrap_or_default(),
            text.get(at..).unwrap_or_default(),
        );
        let inside = |c: &char| *c != '\n';
        let before = left
            .chars()
            .rev()
            .take_while(inside)
            .take(WIDTH / 2)
            .count();
        let shown = left.chars().rev().take(before).collect::<Vec<_>>();
        let after = right.chars().take_while(inside).take(WIDTH / 2);
        let mut line: String = shown.into_iter().rev().chain(after).collect();
        if line.is_empty() {
            return "<No context available>\n".to_owned();
        }
        if before == WIDTH / 2 && line.is_char_boundary(3) {
            line.replace_range(..3, "...");
        }
        format!("{line}\n{}^\n", " ".repeat(before))
    }

    fn json(&self) -> Value {
        let steps = self.steps.iter().map(|step| {
            json!({
                "item_type": step.item.code(),
                "item_name": step.name,
                "position": {
                    "name": step.file,
                    "line": step.mark.line,
                    "column": step.mark.column,
                    "offset": step.mark.offset,
                },
            })
        });
        Value::Array(steps.collect())
    }
}

/// An error or a warning, with its place.
#[derive(Clone, Debug)]
pub struct Problem {
    code: Code,
    message: String,
    context: Context,
    snippet: String,
}

impl Problem {
    pub(crate) fn new(code: Code, message: impl Into<String>, context: &Context) -> Problem {
        Problem {
            code,
            message: message.into(),
            context: context.clone(),
            snippet: String::new(),
        }
    }

    /// Takes the line it is about out of the file's text.
    pub(crate) fn quote(mut self, text: &str) -> Problem {
        let mark = self.context.steps.last().map(|step| step.mark);
        self.snippet = self.context.snippet(text, mark.unwrap_or_default());
        self
    }

    /// The file it is about.
    pub(crate) fn file(&self) -> &str {
        self.context.file_name()
    }

    /// Its code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// One line; names out of the file are in it as they are there.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The file, with line and column of the nearest item, both from 1.
    pub fn place(&self) -> (&str, usize, usize) {
        let in_file = |step: &&Step| step.item != Item::ConditionExpression;
        let step = self.context.steps.iter().rev().find(in_file);
        step.map_or(("", 0, 0), |step| {
            (&step.file, step.mark.line + 1, step.mark.column + 1)
        })
    }

    /// The innermost item that has a name: what it is, and its name.
    pub fn item(&self) -> (Item, &str) {
        let named = |step: &&Step| !step.name.is_empty();
        let steps = &self.context.steps;
        let step = steps.iter().rev().find(named).or(steps.last());
        step.map_or((Item::RulesContent, ""), |step| (step.item, &step.name))
    }

    /// Every kind of item on the way to the place, with its name, outermost first.
    pub fn items(&self) -> impl Iterator<Item = (Item, &str)> {
        self.context
            .steps
            .iter()
            .map(|step| (step.item, step.name.as_str()))
    }

    /// The line it is about, and a mark under the place; ends with a newline.
    pub fn snippet(&self) -> &str {
        &self.snippet
    }

    fn json(&self, warning: bool) -> Value {
        json!({
            "code": self.code.code(),
            "codedesc": if warning { self.code.doc() } else { self.code.text() },
            "context": { "locations": self.context.json(), "snippet": self.snippet },
            "message": self.message,
        })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, line, column) = self.place();
        write!(
            f,
            "{file}:{line}:{column}: {} ({}): {}",
            self.code.code(),
            self.code.text(),
            self.message
        )
    }
}

/// What became of one file.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The file's name.
    pub name: String,
    /// Why its rules are not there; loading ends at the first.
    pub errors: Vec<Problem>,
    /// What is worth a word.
    pub warnings: Vec<Problem>,
}

impl Report {
    /// Whether its rules are there.
    pub fn is_ok(&self) -> bool {
        self.errors.is_empty()
    }

    /// As an entry of Falco's `falco_load_results`.
    pub fn json(&self) -> Value {
        let all = |problems: &[Problem], warning: bool| {
            Value::Array(problems.iter().map(|p| p.json(warning)).collect())
        };
        json!({
            "name": self.name,
            "successful": self.is_ok(),
            "errors": all(&self.errors, false),
            "warnings": all(&self.warnings, true),
        })
    }
}

/// The reports of several files as Falco's `--validate` gives them.
pub fn results_json(reports: &[Report]) -> Value {
    let all: Vec<_> = reports.iter().map(Report::json).collect();
    json!({ "falco_load_results": all })
}
