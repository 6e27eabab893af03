//! Rule files from somebody who means harm: loading ends soon, with an error and without a panic.

use afterimage_detect::load;
use proptest::prelude::*;

fn rule(condition: &str) -> String {
    format!(
        "- rule: r\n  desc: d\n  condition: {condition}\n  output: o %proc.name\n  priority: INFO\n"
    )
}

fn errors(text: &str) -> Vec<String> {
    let (_, reports) = load([("rules.yaml", text)]);
    reports[0].errors.iter().map(ToString::to_string).collect()
}

#[test]
fn macros_that_double_are_refused() {
    let mut text = String::from("- macro: m0\n  condition: proc.name=a\n");
    for at in 1..64 {
        let before = at - 1;
        text.push_str(&format!(
            "- macro: m{at}\n  condition: m{before} and (m{before} or m{before})\n"
        ));
    }
    text.push_str(&rule("m63"));
    let errors = errors(&text);
    assert!(errors[0].contains("too large"), "{errors:?}");
}

#[test]
fn macros_in_macros_are_taken_up_to_a_depth() {
    let chain = |length: usize| {
        let mut text = String::from("- macro: m0\n  condition: proc.name=a\n");
        for at in 1..length {
            let before = at - 1;
            text.push_str(&format!(
                "- macro: m{at}\n  condition: not (m{before} and proc.pid={at})\n"
            ));
        }
        text + &rule(&format!("m{}", length - 1))
    };
    assert_eq!(errors(&chain(200)), Vec::<String>::new());
    assert!(errors(&chain(2000))[0].contains("too large"));
}

#[test]
fn macros_that_name_themselves_are_refused() {
    let text = format!(
        "- macro: a\n  condition: proc.name=x\n- macro: b\n  condition: a or proc.name=y\n- macro: a\n  condition: or b\n  append: true\n{}",
        rule("a")
    );
    assert!(errors(&text)[0].contains("reference loop in macro"));
}

#[test]
fn lists_that_double_are_refused() {
    let mut text = String::new();
    for at in 0..64 {
        let inner = at + 1;
        text.push_str(&format!(
            "- list: l{at}\n  items: [l{inner}, l{inner}, l{inner}]\n"
        ));
    }
    text.push_str(&rule("proc.name in (l0)"));
    assert!(errors(&text)[0].contains("too long"));
}

#[test]
fn a_wrong_file_spoils_none_of_the_others() {
    let good = rule("evt.type=open");
    let (rules, reports) = load([
        ("a.yaml", good.as_str()),
        ("b.yaml", "- macro: m\n  condition: x.y.z=1 and\n- list: l"),
        ("c.yaml", "- macro: never\n  condition: evt.num=0\n"),
    ]);
    assert_eq!(rules.all().len(), 1);
    let ok: Vec<_> = reports.iter().map(|report| report.is_ok()).collect();
    assert_eq!(ok, [true, false, true]);
}

#[test]
fn what_a_rule_says_reaches_no_terminal_raw() {
    let text = "- rule: r\n  desc: d\n  condition: evt.type=open\n  output: \"a\\e[2Jb \\u202e %proc.name\"\n  priority: INFO\n";
    let (rules, reports) = load([("rules.yaml", text)]);
    assert!(reports[0].is_ok(), "{:?}", reports[0].errors);
    let shown = &rules.all()[0].output_text;
    assert_eq!(shown, "a\\x1b[2Jb \\u{202e} %proc.name");
}

proptest! {
    #[test]
    fn no_rule_file_makes_loading_panic(parts in proptest::collection::vec(proptest::sample::select(vec![
        "- rule: r\n", "- macro: m\n", "- list: l\n", "  condition: ", "evt.type=open", " and m", " in (l)", "proc.name", "\n",
        "  items: [a, l, 'b c']\n", "  output: x %proc.name\n", "  desc: d\n", "  priority: INFO\n", "  append: true\n",
        "  override:\n    condition: append\n", "  exceptions:\n    - name: e\n      fields: [proc.name, fd.name]\n      comps: [=, in]\n",
        "      values:\n        - [a, [b, c]]\n", "  enabled: false\n", "  tags: [x]\n", "  source: y\n", "- required_engine_version: 5\n",
        "- required_plugin_versions:\n  - name: x\n    version: 1.2.3\n", "é", "\t", "&a", "*a", ": ", "---\n", "%container.info", "not ", "(", ")",
    ]), 0..25)) {
        let text = parts.concat();
        let (rules, reports) = load([("a.yaml", text.as_str()), ("b.yaml", text.as_str())]);
        for report in &reports {
            for problem in report.errors.iter().chain(&report.warnings) {
                let _ = (problem.to_string(), problem.snippet().to_owned());
            }
        }
        let _ = rules.all().len();
    }
}
