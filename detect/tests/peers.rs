//! Rule files that Falco's own tests load, with what Falco says of them, out of files beside the repository; where there are
//! none, the tests say so.

use afterimage_detect::{Report, Rules, load};
use serde_json::Value;
use std::path::PathBuf;

fn folder() -> PathBuf {
    std::env::var_os("AFTERIMAGE_FIXTURES")
        .map_or_else(
            || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures"),
            PathBuf::from,
        )
        .join("falco")
}

#[expect(clippy::print_stderr, reason = "a test that skips says so")]
fn text(name: &str) -> Option<String> {
    let path = folder().join(name);
    let text = std::fs::read_to_string(&path).ok();
    if text.is_none() {
        eprintln!("skipped: {} is not there", path.display());
    }
    text
}

fn rows(name: &str) -> Vec<Value> {
    text(name).map_or_else(Vec::new, |text| serde_json::from_str(&text).unwrap())
}

fn list<'v>(row: &'v Value, key: &str) -> &'v [Value] {
    row[key].as_array().map_or(&[], Vec::as_slice)
}

fn word<'v>(row: &'v Value, key: &str) -> &'v str {
    row[key].as_str().unwrap_or_default()
}

/// What stands for a text in the vectors, where that is a constant of the peers' sources.
fn meant(message: &str) -> &str {
    match message {
        "WARNING_APPEND" => "'append' key is deprecated",
        "WARNING_ENABLED" => "The standalone 'enabled' key usage is deprecated",
        "WARNING_NO_EVTTYPE" => "Rule matches too many evt.type values",
        "ERROR_OVERRIDE_APPEND" => "Keys 'override' and 'append: true' cannot be used together",
        "ERROR_NO_PREVIOUS_MACRO" => "no macro by that name already exists",
        "ERROR_NO_PREVIOUS_LIST" => "no list by that name already exists",
        "ERROR_NO_PREVIOUS_RULE_APPEND" => "'append' or 'override.<key>: append' but no rule",
        "ERROR_NO_PREVIOUS_RULE_REPLACE" => "An 'override.<key>: replace' to a rule was requested",
        other => other,
    }
}

/// The rule that some vectors add exceptions to; the peers' sources put it before them.
const BASE: &str = "
- rule: test_rule
  desc: test rule
  condition: evt.type = open
  output: command=%proc.cmdline
  priority: INFO
";

#[test]
fn rule_files_load_as_they_do_in_falco() {
    for row in rows("rule_loader_vectors.json") {
        let name = word(&row, "test");
        let Some(load_row) = list(&row, "load").first() else {
            continue;
        };
        let yaml = list(&row, "yaml")
            .iter()
            .map(|part| part.as_str().unwrap_or_default())
            .collect::<String>();
        let whole = if yaml.trim_start().starts_with("- ") {
            yaml
        } else {
            format!("{}{yaml}", BASE.trim_end())
        };
        let (rules, reports) = load([("rules.yaml", whole.as_str())]);
        let report = &reports[0];
        assert_eq!(
            Some(report.is_ok()),
            load_row["ok"].as_bool(),
            "{name}: {:?}",
            report.errors
        );
        for compiled in list(&row, "compiled") {
            let rule = find(&rules, word(compiled, "rule"), name);
            assert_eq!(rule, word(compiled, "condition"), "{name}");
        }
        let texts: Vec<_> = report.warnings.iter().map(|p| p.message()).collect();
        for wanted in list(&row, "warnings").iter().filter_map(Value::as_str) {
            // Where the name of a test says that there is no warning, there is none.
            let absent = name.starts_with("no_") || name.contains("disabled");
            let found = texts.iter().any(|text| text.contains(meant(wanted)));
            assert_eq!(found, !absent, "{name}: {wanted} in {texts:?}");
        }
        let texts: Vec<_> = report.errors.iter().map(|p| p.message()).collect();
        for wanted in list(&row, "errors").iter().filter_map(Value::as_str) {
            let found = texts.iter().any(|text| text.contains(meant(wanted)));
            assert!(found, "{name}: {wanted} in {texts:?}");
        }
    }
}

fn find<'r>(rules: &'r Rules, rule: &str, test: &str) -> &'r str {
    let found = rules.all().iter().find(|one| one.name == rule);
    found.map_or_else(|| panic!("{test}: no rule {rule}"), |one| &one.condition)
}

/// A message without blanks, as the vectors have it.
fn packed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

/// `("…")` behind a word of a chain of calls, as the vectors have it.
fn of<'v>(chain: &'v str, call: &str) -> Option<String> {
    let (_, rest) = chain.split_once(&format!("{call}(\""))?;
    let (inside, _) = rest.split_once("\")")?;
    let inside: &'v str = inside;
    Some(inside.replace("\\\"", "\""))
}

fn reports_of(case: &Value, key: &str) -> Option<Vec<Report>> {
    let files: Option<Vec<(String, String)>> = list(case, key)
        .iter()
        .filter_map(Value::as_str)
        .map(|path| Some((path.to_owned(), text(path)?)))
        .collect();
    let files = files?;
    let named = files.iter().map(|(n, t)| (n.as_str(), t.as_str()));
    Some(load(named).1)
}

#[test]
fn files_that_are_wrong_are_wrong_for_the_same_reason() {
    for case in rows("cases.json") {
        let Some(reports) = reports_of(&case, "validate_paths") else {
            continue;
        };
        if reports.is_empty() {
            continue;
        }
        let name = word(&case, "test");
        for expected in list(&case, "expect") {
            let chain = word(expected, "validation");
            let problems: Vec<_> = reports
                .iter()
                .flat_map(|report| match chain.contains("AllWarnings") {
                    true => &report.warnings,
                    false => &report.errors,
                })
                .collect();
            if let Some(code) = of(chain, "OfCode") {
                let item_type = of(chain, "OfItemType").unwrap_or_default();
                let item_name = of(chain, "OfItemName").unwrap_or_default();
                let message = of(chain, "OfMessage").unwrap_or_default();
                let found = problems.iter().any(|problem| {
                    let item = problem.items().any(|(item, name)| {
                        packed(item.code()) == item_type
                            && (item_name.is_empty() || packed(name) == item_name)
                    });
                    problem.code().code() == code && item && packed(problem.message()) == message
                });
                assert!(found, "{name}: {chain} in {problems:?}");
            } else if chain.contains("At(0).Successful") {
                assert!(reports[0].is_ok(), "{name}: {:?}", reports[0].errors);
            }
            if let Some(code) = expected["exit_code"].as_i64() {
                let ok = reports.iter().all(Report::is_ok);
                assert_eq!(i64::from(!ok), code, "{name}");
            }
        }
    }
}

#[test]
fn rules_that_falco_runs_load_without_an_error() {
    for case in rows("cases.json") {
        let Some(reports) = reports_of(&case, "rules_paths") else {
            continue;
        };
        for report in reports {
            let name = word(&case, "test");
            assert!(report.is_ok(), "{name}: {:?}", report.errors);
        }
    }
    for name in ["falco_rules.yaml", "falco-incubating_rules.yaml"] {
        let Some(text) = text(&format!("rulesets/{name}")) else {
            continue;
        };
        let (rules, reports) = load([(name, text.as_str())]);
        assert!(reports[0].is_ok(), "{:?}", reports[0].errors);
        assert!(rules.all().len() > 20, "{name}: {}", rules.all().len());
        for warning in &reports[0].warnings {
            let code = warning.code().code();
            assert!(
                matches!(
                    code,
                    "LOAD_UNUSED_MACRO" | "LOAD_UNUSED_LIST" | "LOAD_DEPRECATED_ITEM"
                ),
                "{name}: {warning}"
            );
        }
    }
}
