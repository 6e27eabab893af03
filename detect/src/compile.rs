//! Collected rules as filters and templates: lists put in, macros put in, names looked up.

use crate::collect::{Collector, Entry, Exception, Outcome, RuleInfo, ensure, takes_list};
use crate::report::{Code, Context, Problem, Report};
use crate::rules::{Rule, is_event};
use afterimage_model::{Safe, Schema};
use afterimage_query::{
    Filter, FilterError, FilterErrorKind, Node, Op, Right, Syntax, Template, Term,
};
use std::collections::HashMap;

/// Longest condition once lists are put in, in bytes.
const MAX_CONDITION: usize = 2 * 1024 * 1024;
/// Most comparisons of a condition once macros are put in, and its deepest nesting.
const MAX_SIZE: usize = 200_000;
const MAX_DEPTH: usize = 500;
/// More event types than this, and a rule is worth a warning.
const MANY_TYPES: usize = 100;

/// A list with the lists in it put in.
struct List {
    name: String,
    items: Vec<String>,
    used: bool,
}

/// A macro with what its condition is.
struct Macro {
    node: Node,
    size: usize,
    depth: usize,
    used: bool,
}

/// Every rule, or the first thing that is wrong.
pub(crate) fn compile(collector: &Collector, report: &mut Report) -> Outcome<Vec<Rule>> {
    let mut lists = compile_lists(collector);
    let mut macros = compile_macros(collector, &mut lists)?;
    let mut rules = Vec::new();
    for info in collector.rules.iter().filter(|rule| !rule.unknown_source) {
        if let Some(rule) = compile_rule(info, &mut lists, &mut macros, report)? {
            rules.push(rule);
        }
    }
    for info in collector.macros.iter() {
        if macros.get(&info.name).is_some_and(|m| !m.used) {
            report.warnings.push(Problem::new(
                Code::UnusedMacro,
                "Macro not referred to by any other rule/macro",
                &info.context,
            ));
        }
    }
    for (info, _) in collector
        .lists
        .iter()
        .zip(&lists)
        .filter(|pair| !pair.1.used)
    {
        report.warnings.push(Problem::new(
            Code::UnusedList,
            "List not referred to by any other rule/macro",
            &info.context,
        ));
    }
    Ok(rules)
}

fn compile_lists(collector: &Collector) -> Vec<List> {
    let mut used = Vec::new();
    let mut lists: Vec<List> = Vec::new();
    for info in collector.lists.iter() {
        let mut items = Vec::new();
        for item in &info.items {
            let other = collector.lists.get(item);
            match other.filter(|other| other.index < info.visibility) {
                Some(other) => {
                    used.extend(collector.lists.place(&other.name));
                    items.extend(other.items.iter().cloned());
                }
                None => items.push(item.clone()),
            }
        }
        lists.push(List {
            name: info.name.clone(),
            items,
            used: false,
        });
    }
    for place in used {
        if let Some(list) = lists.get_mut(place) {
            list.used = true;
        }
    }
    lists
}

/// A member of a list as a condition has it: quoted where it has a blank, unless it is quoted already.
fn quoted(item: &str) -> String {
    if item.contains(' ') && !item.starts_with(['"', '\'']) {
        format!("\"{item}\"")
    } else {
        item.to_owned()
    }
}

/// Puts a list's members in the place of its name, wherever that stands as a word of its own. The text is what Falco works
/// on too: a name in quotes between blanks is replaced as well.
fn put_list(condition: &str, list: &List) -> Option<String> {
    const BLANKS: &[u8] = b" \t\n\r";
    let delimiter = |b: Option<&u8>| b.is_none_or(|b| BLANKS.contains(b) || b"(),=".contains(b));
    let name = list.name.as_str();
    if name.is_empty() || !condition.contains(name) {
        return None;
    }
    let bytes = condition.as_bytes();
    let members = list.items.iter().map(|item| quoted(item));
    let members = members.collect::<Vec<_>>().join(", ");
    let mut out = String::with_capacity(condition.len() + members.len());
    let mut used = false;
    let (mut done, mut from) = (0, 0);
    while let Some(found) = condition.get(from..).and_then(|rest| rest.find(name)) {
        let (mut start, mut end) = (from + found, from + found + name.len());
        let before = start.checked_sub(1).and_then(|at| bytes.get(at));
        if !delimiter(before) || !delimiter(bytes.get(end)) {
            from = start + 1;
            while !condition.is_char_boundary(from) {
                from += 1;
            }
            continue;
        }
        let blank = |at: usize| bytes.get(at).is_some_and(|b| BLANKS.contains(b));
        while start > done && blank(start - 1) {
            start -= 1;
        }
        while blank(end) {
            end += 1;
        }
        let mut kept = condition.get(done..start).unwrap_or_default();
        // An empty list takes a comma with it.
        if members.is_empty() {
            match kept.strip_suffix(',') {
                Some(rest) => kept = rest,
                None if bytes.get(end) == Some(&b',') => end += 1,
                None => {}
            }
        }
        out.push_str(kept);
        if start > 0 {
            out.push(' ');
        }
        out.push_str(&members);
        out.push(' ');
        (done, from) = (end, end);
        used = true;
        if out.len() > MAX_CONDITION {
            break;
        }
    }
    if !used {
        return None;
    }
    out.push_str(condition.get(done..).unwrap_or_default());
    Some(out)
}

/// A condition with lists put in, as a tree.
fn parse(condition: &str, lists: &mut [List], context: &Context) -> Outcome<Node> {
    let mut text = condition.to_owned();
    for list in lists {
        if let Some(replaced) = put_list(&text, list) {
            list.used = true;
            text = replaced;
            ensure(
                text.len() <= MAX_CONDITION,
                "Condition is too long once lists are put in",
                context,
            )?;
        }
    }
    match Syntax::parse(&text) {
        Ok(syntax) => Ok(syntax.node),
        Err(error) => {
            let context = context.in_condition(error.span().start, &text);
            Err(Box::new(Problem::new(
                Code::CompileCondition,
                peer_message(&error),
                &context,
            )))
        }
    }
}

/// The words that users know from Falco, where there are such.
fn peer_message(error: &FilterError) -> String {
    let text = error.text();
    let span = error.span();
    let word = text.get(span.clone()).unwrap_or_default();
    match error.kind() {
        FilterErrorKind::UnknownField => {
            format!("filter_check called with nonexistent field {word}")
        }
        FilterErrorKind::ExpectedConnective => {
            let before = text.get(..span.start).unwrap_or_default().trim_end();
            let stop = |c: char| c.is_whitespace() || "()=,".contains(c);
            let last = before.rsplit(stop).next().unwrap_or_default();
            format!("unexpected token after '{last}', expecting 'or', 'and'")
        }
        _ => error.message(),
    }
}

fn compile_macros(collector: &Collector, lists: &mut [List]) -> Outcome<HashMap<String, Macro>> {
    let mut macros = HashMap::new();
    for info in collector.macros.iter() {
        let node = parse(&info.condition, lists, &info.condition_context)?;
        let (size, depth) = (node.size(), node.depth());
        macros.insert(
            info.name.clone(),
            Macro {
                node,
                size,
                depth,
                used: false,
            },
        );
    }
    for info in collector.macros.iter() {
        let Some(own) = macros.get(&info.name) else {
            continue;
        };
        let mut node = own.node.clone();
        let visible = |name: &str| {
            collector
                .macros
                .get(name)
                .is_some_and(|other| other.index < info.visibility)
        };
        put_macros(
            &mut node,
            &mut macros,
            &visible,
            &info.condition,
            &info.context,
        )?;
        let (size, depth) = (node.size(), node.depth());
        if let Some(own) = macros.get_mut(&info.name) {
            (own.node, own.size, own.depth) = (node, size, depth);
        }
    }
    Ok(macros)
}

/// Puts macros in the place of their names until none is left.
fn put_macros(
    node: &mut Node,
    macros: &mut HashMap<String, Macro>,
    visible: &dyn Fn(&str) -> bool,
    condition: &str,
    context: &Context,
) -> Outcome {
    let wrong = |message: String, at: usize| {
        let context = context.in_condition(at, condition);
        Err(Box::new(Problem::new(Code::Validate, message, &context)))
    };
    // What a macro holds may hold macros that were defined later: each round goes one level deeper.
    let mut rounds = 0;
    loop {
        let mut syntax = Syntax { node: node.clone() };
        let mut named: Vec<(String, usize)> = Vec::new();
        for literal in syntax.macros() {
            let name = literal.text().unwrap_or_default();
            named.push((name.to_owned(), literal.span.start));
        }
        if named.is_empty() {
            return Ok(());
        }
        let (mut size, mut deepest) = (syntax.node.size(), 0);
        for (name, at) in &named {
            match macros.get_mut(name).filter(|_| visible(name)) {
                Some(found) => {
                    found.used = true;
                    size = size.saturating_add(found.size);
                    deepest = deepest.max(found.depth);
                }
                None => {
                    return wrong(format!("Undefined macro '{name}' used in filter."), *at);
                }
            }
        }
        rounds += 1;
        if rounds > macros.len() {
            let (name, at) = named.first().cloned().unwrap_or_default();
            return wrong(format!("reference loop in macro '{name}'"), at);
        }
        if size > MAX_SIZE || syntax.node.depth() + deepest > MAX_DEPTH {
            return wrong(
                "Condition is too large once macros are put in".to_owned(),
                0,
            );
        }
        syntax.inline(&mut |name| macros.get(name).map(|found| found.node.clone()));
        *node = syntax.node;
    }
}

/// The condition of a rule with its exceptions, as text.
fn with_exceptions(condition: &str, exceptions: &[Exception]) -> Outcome<String> {
    let mut whole = format!("({condition})");
    for exception in exceptions {
        let mut not = String::new();
        match (&exception.fields, &exception.comps) {
            (Entry::Item(field), comp) => {
                for value in &exception.values {
                    let Entry::Item(value) = value else {
                        ensure(
                            false,
                            "Expected values array to contain a list of strings",
                            &exception.context,
                        )?;
                        continue;
                    };
                    if not.is_empty() {
                        not = format!("({field} {} (", comp.text());
                    } else {
                        not.push_str(", ");
                    }
                    not.push_str(&quoted(value));
                }
                if !not.is_empty() {
                    not.push_str("))");
                }
            }
            (Entry::List(fields), comps) => {
                let comps = match comps {
                    Entry::List(comps) => comps.as_slice(),
                    Entry::Item(_) => &[],
                };
                for row in &exception.values {
                    let values = match row {
                        Entry::List(values) => values.as_slice(),
                        Entry::Item(_) => &[],
                    };
                    ensure(
                        values.len() == fields.len(),
                        "Fields and values lists must have equal length",
                        &exception.context,
                    )?;
                    not.push_str(if not.is_empty() { "((" } else { " or (" });
                    for (at, ((field, comp), value)) in
                        fields.iter().zip(comps).zip(values).enumerate()
                    {
                        let value = exception_value(value, takes_list(comp.text()));
                        let and = if at == 0 { "" } else { " and " };
                        not.push_str(&format!("{and}{} {} {value}", field.text(), comp.text()));
                    }
                    not.push(')');
                }
                if !not.is_empty() {
                    not.push(')');
                }
            }
        }
        if !not.is_empty() {
            whole.push_str(" and not ");
            whole.push_str(&not);
        }
        ensure(
            whole.len() <= MAX_CONDITION,
            "Condition is too long once exceptions are put in",
            &exception.context,
        )?;
    }
    Ok(whole)
}

fn exception_value(value: &Entry, list: bool) -> String {
    match value {
        Entry::List(items) => {
            let items: Vec<_> = items.iter().map(|item| quoted(item.text())).collect();
            format!("({})", items.join(", "))
        }
        Entry::Item(text) if list && !text.starts_with('(') => format!("({text})"),
        Entry::Item(text) if list => text.clone(),
        Entry::Item(text) => quoted(text),
    }
}

/// A text with everything escaped that a terminal would act on; a backslash stays what it is.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\\' {
            out.push(c);
        } else {
            out.push_str(&Safe::new(c.encode_utf8(&mut [0; 4]).as_bytes()).to_string());
        }
    }
    out
}

/// What stands for `%container.info` in outputs of old.
const CONTAINER_INFO: &str = "container_id=%container.id container_name=%container.name";

/// The fields that Falco warns of, and why.
const OLD_FIELDS: &[(&str, &str)] = &[(
    "evt.dir",
    "due to the drop of enter events, 'evt.dir = <' always evaluates to true, and 'evt.dir = >' always evaluates to false. The rule expression can be simplified by removing the condition on 'evt.dir'",
)];

/// One rule; `None` for one that may be left out and names what does not exist.
fn compile_rule(
    info: &RuleInfo,
    lists: &mut [List],
    macros: &mut HashMap<String, Macro>,
    report: &mut Report,
) -> Outcome<Option<Rule>> {
    let condition = match info.exceptions.is_empty() {
        true => info.condition.clone(),
        false => with_exceptions(&info.condition, &info.exceptions)?,
    };
    let text = printable(&info.output.replace("%container.info", CONTAINER_INFO));
    let format = match text.starts_with('*') {
        true => text.clone(),
        false => format!("*{text}"),
    };
    let output = match Template::parse(&format) {
        Ok(output) => output,
        Err(error) => {
            let word = format.get(error.span()).unwrap_or_default();
            let message = format!("invalid formatting token {word}");
            if info.skip_if_unknown_filter && *error.kind() == FilterErrorKind::UnknownField {
                let problem = Problem::new(Code::UnknownFilter, message, &info.output_context);
                report.warnings.push(problem);
                return Ok(None);
            }
            return Err(Box::new(Problem::new(
                Code::CompileOutput,
                message,
                &info.output_context,
            )));
        }
    };
    for (field, _) in OLD_FIELDS.iter().filter(|row| text.contains(row.0)) {
        report.warnings.push(Problem::new(
            Code::DeprecatedItem,
            format!("usage of deprecated field '{field}' has been detected in the rule output"),
            &info.output_context,
        ));
    }
    let mut node = parse(&condition, lists, &info.condition_context)?;
    put_macros(&mut node, macros, &|_| true, &condition, &info.context)?;
    let syntax = Syntax { node };
    let expression = info.condition_context.in_condition(0, &condition);
    for (field, why) in OLD_FIELDS {
        let named = |term: &Term| matches!(term, Term::Field { name, .. } if name == field);
        if syntax.checks().iter().any(|check| named(&check.left)) {
            let problem = Problem::new(Code::DeprecatedItem, *why, &expression);
            report.warnings.push(problem);
        }
    }
    let unknown = |word: &str, message: String, report: &mut Report| {
        let at = condition.find(word).unwrap_or_default();
        let expression = info.condition_context.in_condition(at, &condition);
        let skipped = info.skip_if_unknown_filter;
        let code = match skipped {
            true => Code::UnknownFilter,
            false => Code::CompileCondition,
        };
        let problem = Problem::new(code, message, &expression);
        match skipped {
            true => {
                report.warnings.push(problem);
                Ok(None)
            }
            false => Err(Box::new(problem)),
        }
    };
    let filter = match Filter::from_syntax(&syntax) {
        Ok(filter) => filter,
        Err(error) if *error.kind() == FilterErrorKind::UnknownField => {
            let word = error.text().get(error.span()).unwrap_or_default();
            return unknown(word, peer_message(&error), report);
        }
        Err(error) => {
            return Err(Box::new(Problem::new(
                Code::CompileCondition,
                peer_message(&error),
                &expression,
            )));
        }
    };
    if let Some(name) = unknown_event(&syntax) {
        return unknown(&name, format!("unknown event type {name}"), report);
    }
    for note in filter.notes() {
        report.warnings.push(Problem::new(
            Code::CompileConditionWarning,
            note.message(),
            &expression,
        ));
    }
    let schema = Schema::current();
    let types = (0..schema.types.len())
        .filter_map(|at| u16::try_from(at).ok())
        .filter(|at| filter.may_match_type(schema, afterimage_model::TypeId(*at)))
        .count();
    if types > MANY_TYPES && info.warn_evttypes {
        report.warnings.push(Problem::new(
            Code::NoEvttype,
            "Rule matches too many evt.type values. This has a significant performance penalty.",
            &info.context,
        ));
    }
    Ok(Some(Rule {
        name: info.name.clone(),
        desc: info.desc.clone(),
        condition: syntax.to_string(),
        filter,
        output,
        output_text: text,
        priority: info.priority,
        tags: info.tags.clone(),
        source: info.source.clone(),
        enabled: info.enabled,
        capture: info.capture,
        capture_duration_ms: info.capture_duration_ms,
    }))
}

/// The first name that is compared with the type of an event and is none.
fn unknown_event(syntax: &Syntax) -> Option<String> {
    let checks = syntax.checks().into_iter().filter(|check| {
        matches!(check.op, Op::Eq | Op::Ne | Op::In | Op::Intersects)
            && matches!(&check.left, Term::Field { name, .. } if name == "evt.type")
    });
    let values = checks.flat_map(|check| match &check.right {
        Right::Value(value) | Right::Name(value) => std::slice::from_ref(value),
        Right::List(values) => values.as_slice(),
        Right::Nothing | Right::Term(_) => &[],
    });
    values
        .filter_map(|value| value.text())
        .find(|name| !is_event(name))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(condition: &str, name: &str, items: &[&str]) -> Option<String> {
        let list = List {
            name: name.to_owned(),
            items: items.iter().map(|item| (*item).to_owned()).collect(),
            used: false,
        };
        put_list(condition, &list)
    }

    #[test]
    fn a_list_stands_where_its_name_is_a_word() {
        let items = ["a", "b c"];
        for (condition, becomes) in [
            ("x in (names)", "x in ( a, \"b c\" )"),
            ("x in ( names , y)", "x in ( a, \"b c\" , y)"),
            ("names", "a, \"b c\" "),
            ("x=names and names2=y", "x= a, \"b c\" and names2=y"),
        ] {
            assert_eq!(put(condition, "names", &items).as_deref(), Some(becomes));
        }
        for kept in ["x in (mynames)", "x in (names2)", "x.names=1", "\"names\""] {
            assert_eq!(put(kept, "names", &items), None, "{kept}");
        }
    }

    #[test]
    fn an_empty_list_takes_a_comma_with_it() {
        assert_eq!(put("x in (a, names)", "names", &[]).unwrap(), "x in (a  )");
        assert_eq!(put("x in (names, a)", "names", &[]).unwrap(), "x in (   a)");
        assert_eq!(put("x in (names)", "names", &[]).unwrap(), "x in (  )");
    }
}
