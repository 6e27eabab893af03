//! `afterimage detect` over a capture with a story: what it prints, and how it ends.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const RULES: &str = r"
- list: readers
  items: [cat, tac]
- macro: reads_secrets
  condition: evt.is_open_read=true and fd.name startswith /etc/shadow
- rule: secrets read
  desc: somebody reads secrets
  condition: reads_secrets and proc.name in (readers)
  output: secrets (file=%fd.name by=%toupper(proc.name) missing=%evt.arg.nothing)
  priority: WARNING
  tags: [files, secrets]
- rule: programs
  desc: a program is executed
  condition: evt.type=execve and evt.failed=false
  output: program (%proc.exepath)
  priority: INFO
  tags: [processes]
- rule: programs again
  desc: the same once more
  condition: evt.type=execve and evt.failed=false and proc.name=id
  output: again %proc.name
  priority: NOTICE
- rule: off
  desc: asked only when it is named
  condition: evt.type=openat
  output: off
  priority: DEBUG
  enabled: false
";

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/v1/break-in.aft")
}

struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("rules.yaml"), RULES).unwrap();
        std::fs::copy(sample(), folder.path().join("a.aft")).unwrap();
        Bench { folder }
    }

    fn run(&self, words: &str) -> Output {
        Command::new(env!("CARGO_BIN_EXE_afterimage"))
            .arg("detect")
            .args(words.split_whitespace())
            .current_dir(self.folder.path())
            .output()
            .unwrap()
    }

    fn lines(&self, words: &str) -> Vec<String> {
        let output = self.run(words);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// How many alerts each rule gives, by the first words of its output.
    fn counts(&self, words: &str) -> [usize; 4] {
        let lines = self.lines(words);
        ["secrets (", "program (", "again ", "off"].map(|word| {
            lines
                .iter()
                .filter(|line| line.contains(&format!(" {word}")))
                .count()
        })
    }
}

#[test]
fn alerts_are_lines_of_falco_in_the_order_of_events() {
    let bench = Bench::new();
    let lines = bench.lines("a.aft --rules rules.yaml");
    let secrets: Vec<_> = lines
        .iter()
        .filter(|line| line.contains("secrets"))
        .collect();
    assert_eq!(
        secrets,
        ["18:11:27.810970395: Warning secrets (file=/etc/shadow by=CAT missing=<NA>)"]
    );
    assert!(
        lines
            .iter()
            .any(|line| line.ends_with("Informational program (/tmp/.x/kworker)"))
    );
    assert!(lines.is_sorted());
    assert_eq!(lines, bench.lines("a.aft --rules rules.yaml"));
}

#[test]
fn rules_are_chosen_by_name_tag_and_priority() {
    let bench = Bench::new();
    let [secrets, programs, again, off] = bench.counts("a.aft --rules rules.yaml");
    assert_eq!((secrets, again, off), (1, 0, 0));
    assert!(programs > 10);
    let count = |words: &str| bench.counts(&format!("a.aft --rules rules.yaml {words}"));
    assert_eq!(count("--all"), [1, programs, 1, 0]);
    assert_eq!(count("--tag secrets --tag nothing"), [1, 0, 0, 0]);
    assert_eq!(count("--no-tag processes"), [1, 0, 1, 0]);
    assert_eq!(count("--priority notice"), [1, 0, 1, 0]);
    assert_eq!(count("--rule *again --rule secrets*"), [1, 0, 1, 0]);
    assert_eq!(count("--no-rule programs*"), [1, 0, 0, 0]);
    assert!(count("--rule off")[3] > 0);
    assert_eq!(count("--filter proc.name=cat --tag secrets"), [1, 0, 0, 0]);
}

#[test]
fn json_has_the_keys_of_falco() {
    let bench = Bench::new();
    let lines = bench.lines("a.aft --rules rules.yaml --json --tag secrets");
    let alert: Value = serde_json::from_str(&lines[0]).unwrap();
    let keys: Vec<_> = alert.as_object().unwrap().keys().cloned().collect();
    assert_eq!(
        keys,
        [
            "hostname",
            "output",
            "output_fields",
            "priority",
            "rule",
            "source",
            "tags",
            "time"
        ]
    );
    assert_eq!(alert["time"], "2026-11-22T18:11:27.810970395Z");
    assert_eq!(alert["rule"], "secrets read");
    assert_eq!(alert["tags"], serde_json::json!(["files", "secrets"]));
    let fields = &alert["output_fields"];
    assert_eq!(fields["evt.time"], 1_795_371_087_810_970_395_i64);
    assert_eq!(fields["toupper(proc.name)"], "CAT");
    assert_eq!(fields["evt.arg.nothing"], Value::Null);
    let lines = bench.lines(
        "a.aft --rules rules.yaml --json --iso8601 --tag secrets --without output --without tags",
    );
    let alert: Value = serde_json::from_str(&lines[0]).unwrap();
    assert!(alert.get("output").is_none() && alert.get("tags").is_none());
    assert!(alert["output_fields"]["evt.time.iso8601"].is_number());
}

#[test]
fn several_captures_are_printed_one_after_another_and_name_themselves() {
    let bench = Bench::new();
    let deep = bench.folder.path().join("more/deep");
    std::fs::create_dir_all(&deep).unwrap();
    for name in ["c.aft", "b.aft"] {
        std::fs::copy(sample(), deep.join(name)).unwrap();
    }
    std::fs::write(deep.join("notes.txt"), "no capture").unwrap();
    let once = bench.lines("a.aft --rules rules.yaml");
    for jobs in ["1", "4"] {
        let lines = bench.lines(&format!("a.aft more --rules rules.yaml --jobs {jobs}"));
        let expected: Vec<_> = ["a.aft", "more/deep/b.aft", "more/deep/c.aft"]
            .iter()
            .flat_map(|name| once.iter().map(move |line| format!("{name}: {line}")))
            .collect();
        assert_eq!(lines, expected);
    }
    let lines = bench.lines("a.aft more --rules rules.yaml --json --tag secrets");
    let alert: Value = serde_json::from_str(&lines[1]).unwrap();
    assert_eq!(alert["capture"], "more/deep/b.aft");
}

#[test]
fn what_cannot_be_read_is_said_and_does_not_keep_the_others_from_their_turn() {
    let bench = Bench::new();
    std::fs::write(bench.folder.path().join("b.aft"), "nothing").unwrap();
    let output = bench.run("b.aft a.aft --rules rules.yaml");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("a.aft: "));
    assert!(String::from_utf8_lossy(&output.stderr).contains("b.aft"));
    assert_eq!(bench.run("a.aft --rules none.yaml").status.code(), Some(1));
    assert_eq!(bench.run("a.aft").status.code(), Some(2));
}

#[test]
fn wrong_rules_are_told_with_their_place_and_nothing_runs() {
    let bench = Bench::new();
    std::fs::write(
        bench.folder.path().join("bad.yaml"),
        "- rule: bad\n  desc: x\n  condition: evt.type=open and\n    proc.nam=\x1b\n  output: x\n  priority: INFO\n"
            .replace('\x1b', "x"),
    )
    .unwrap();
    let output = bench.run("a.aft --rules rules.yaml --rules bad.yaml");
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("bad.yaml:3:14: LOAD_ERR_COMPILE_CONDITION"),
        "{said}"
    );
    assert!(said.contains("nonexistent field proc.nam"), "{said}");
    let output = bench.run("--validate --rules rules.yaml --rules bad.yaml --json");
    assert_eq!(output.status.code(), Some(1));
    let results: Value = serde_json::from_slice(&output.stdout).unwrap();
    let results = &results["falco_load_results"];
    assert_eq!(results[0]["successful"], true);
    assert_eq!(
        results[1]["errors"][0]["code"],
        "LOAD_ERR_COMPILE_CONDITION"
    );
    assert_eq!(
        bench.run("--validate --rules rules.yaml").status.code(),
        Some(0)
    );
}

#[test]
fn quiet_says_by_its_exit_code_whether_there_was_an_alert() {
    let bench = Bench::new();
    let output = bench.run("-q a.aft --rules rules.yaml --tag secrets");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(0), 0));
    let output = bench.run("-q a.aft --rules rules.yaml --rule nothing");
    assert_eq!(output.status.code(), Some(1));
}
