//! The cases of Falco's own test suite that run rules over captures, out of files beside the repository: the same rules must
//! give the same alerts. Where the files are not there, or captures of sysdig are not read, the test says so.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn fixtures() -> PathBuf {
    std::env::var_os("AFTERIMAGE_FIXTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures"),
        PathBuf::from,
    )
}

#[expect(clippy::print_stderr, reason = "what is skipped is said")]
fn skip(why: &str) {
    eprintln!("skipped: {why}");
}

fn json(path: &Path) -> Option<Value> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(serde_json::from_str(&text).unwrap())
}

fn detect(words: &[String]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_afterimage"))
        .arg("detect")
        .args(words)
        .output()
        .unwrap()
}

/// Whether captures of sysdig can be read; says so where not.
fn reads_scap() -> bool {
    let sample = fixtures().join("scap/falco_cat_write.scap");
    if !sample.exists() {
        skip(&format!("{} is not there", sample.display()));
        return false;
    }
    let output = Command::new(env!("CARGO_BIN_EXE_afterimage"))
        .args(["read", "-n", "1"])
        .arg(&sample)
        .output()
        .unwrap();
    let reads = output.status.code() != Some(1);
    if !reads {
        skip("this program does not read captures of sysdig");
    }
    reads
}

/// Words in quotes between commas, as the cases have the arguments of Go's functions.
fn quoted(values: &Value) -> Vec<String> {
    let texts = values.as_array().into_iter().flatten();
    texts
        .filter_map(Value::as_str)
        .flat_map(|text| text.split(','))
        .map(|word| word.trim().trim_matches('"').to_owned())
        .collect()
}

/// The command line for a case.
fn words_of(case: &Value) -> Vec<String> {
    let root = fixtures();
    let falco = root.join("falco");
    let mut words = Vec::new();
    for path in case["rules_paths"].as_array().into_iter().flatten() {
        words.push("--rules".to_owned());
        words.push(falco.join(path.as_str().unwrap()).display().to_string());
    }
    for (key, option) in [
        ("enabledtags", "--tag"),
        ("disabledtags", "--no-tag"),
        ("disabledrules", "--no-rule"),
        ("minrulepriority", "--priority"),
    ] {
        for word in quoted(&case[key]) {
            words.push(option.to_owned());
            words.push(word);
        }
    }
    let config = case["config"].to_string();
    if config.contains("RuleMatchingAll") {
        words.push("--all".to_owned());
    }
    words.push("--json".to_owned());
    for pair in case["args"].as_array().into_iter().flatten() {
        match pair[1].as_str().unwrap_or_default() {
            "json_include_output_property=false" => {
                words.extend(["--without".to_owned(), "output".to_owned()]);
            }
            "json_include_tags_property=false" => {
                words.extend(["--without".to_owned(), "tags".to_owned()]);
            }
            "time_format_iso_8601=true" => words.push("--iso8601".to_owned()),
            _ => {}
        }
    }
    let capture = case["capture_path"].as_str().unwrap();
    words.push(root.join(capture).display().to_string());
    words
}

fn by_rule(output: &Output) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let alert: Value = serde_json::from_str(line).unwrap();
        *counts
            .entry(alert["rule"].as_str().unwrap().to_owned())
            .or_default() += 1;
    }
    counts
}

fn counts(value: &Value) -> BTreeMap<String, u64> {
    let pairs = value.as_object().into_iter().flatten();
    pairs
        .map(|(rule, count)| (rule.clone(), count.as_u64().unwrap()))
        .collect()
}

#[test]
fn the_cases_of_falco_give_the_alerts_they_give_there() {
    if !reads_scap() {
        return;
    }
    let falco = fixtures().join("falco");
    let cases = json(&falco.join("cases.json")).unwrap();
    let results = json(&falco.join("falco040_results.json")).unwrap();
    let mut wrong = Vec::new();
    for case in cases.as_array().unwrap() {
        let runs = case["available"] == true
            && !case["rules_paths"].as_array().unwrap().is_empty()
            // What Falco itself drops and checks in its configuration is not about rules.
            && !case["config"].to_string().contains("Drops");
        if !runs {
            continue;
        }
        let name = &case["test"];
        let output = detect(&words_of(case));
        let found = by_rule(&output);
        let result = results
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["test"] == *name);
        let expected = result.map_or_else(BTreeMap::new, |row| counts(&row["by_rule"]));
        if found != expected {
            wrong.push(format!("{name}: {found:?}, Falco {expected:?}"));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        for expected in case["expect"].as_array().unwrap() {
            let pattern = expected["pattern"].as_str().unwrap_or_default();
            let Some((pattern, "res.Stdout()")) = pattern.split_once(", ") else {
                continue;
            };
            let pattern = regex_of(pattern.trim_matches('`'));
            let matches = pattern.is_some_and(|wanted| text.contains(&wanted));
            if matches != (expected["op"] == "Regexp") {
                wrong.push(format!("{name}: {expected} in {text}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The text that a plain pattern looks for; the cases have no others.
fn regex_of(pattern: &str) -> Option<String> {
    let plain = pattern.trim_start_matches(".*").trim_end_matches(".*");
    let plain = plain.trim_end_matches(',').trim_end_matches(".*");
    Some(
        plain
            .replace(":[ ]*", ":")
            .replace("\\[.*\\]", "[")
            .replace('\\', ""),
    )
}

#[test]
fn the_official_rules_say_of_every_capture_what_falco_says() {
    if !reads_scap() {
        return;
    }
    let root = fixtures();
    let rules = root.join("falco/rulesets/falco_rules.yaml");
    let mut wrong = Vec::new();
    for entry in std::fs::read_dir(root.join("scap")).unwrap() {
        let path = entry.unwrap().path();
        let expected = path
            .with_extension("scap.expected")
            .join("falco040_alerts.json");
        if path.extension().is_none_or(|ending| ending != "scap") {
            continue;
        }
        let Some(expected) = json(&expected) else {
            continue;
        };
        let words = ["--json", "--rules"].map(str::to_owned).into_iter();
        let words = words.chain([rules.display().to_string(), path.display().to_string()]);
        let found = by_rule(&detect(&words.collect::<Vec<_>>()));
        let stable = counts(&expected["stable"]["by_rule"]);
        if found != stable {
            wrong.push(format!("{}: {found:?}, Falco {stable:?}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Filters that are answered otherwise than by Falco 0.40, of how many captures, and why: there sysdig 0.29.3, whose columns are held
/// to as well, and Falco tell different things of the same events.
const OTHERWISE: &[(&str, usize, &str)] = &[
    (
        "proc.nchilds>0",
        16,
        "sysdig counts threads that were seen to begin",
    ),
    (
        "evt.category=process and evt.dir=<",
        8,
        "sysdig counts calls of no category as of processes",
    ),
    (
        "container.name exists",
        8,
        "Falco takes no description of a container out of a capture",
    ),
    ("container.image.repository exists", 8, "the same"),
    (
        "fd.containername exists",
        7,
        "Falco's table lets mmap be about its descriptor, sysdig's does not",
    ),
    ("fd.name contains /etc", 6, "the same"),
    ("fd.directory=/etc or fd.directory=/proc", 6, "the same"),
    (
        "fd.filename in (passwd, group, nsswitch.conf, resolv.conf, ld.so.cache)",
        6,
        "the same",
    ),
    ("fd.name iglob '*/ETC/*'", 6, "the same"),
    ("fd.name pmatch (/etc, /usr/lib, /proc)", 6, "the same"),
    ("fd.name startswith /usr and fd.typechar=f", 5, "the same"),
    (
        "container.id=host and evt.category=file",
        2,
        "sysdig counts other calls as of files",
    ),
    ("evt.category=file and container.id!=host", 1, "the same"),
    (
        "evt.rawres >= 0 and not proc.name in (sshd, systemd)",
        2,
        "sysdig tells no result of calls that give an id",
    ),
    (
        "fd.net in (10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16)",
        2,
        "Falco finds no network of either end",
    ),
    (
        "proc.name = val(proc.pname)",
        1,
        "the parent of a thread is who made it, for sysdig",
    ),
    (
        "fs.path.name startswith /etc",
        1,
        "also of calls that only look",
    ),
    (
        "fd.port=80 or fd.port=443 or fd.port=53",
        1,
        "sysdig knows no ends of that socket",
    ),
];

#[test]
fn rules_see_the_events_that_falcos_rules_see() {
    if !reads_scap() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules.yaml");
    let (mut wrong, mut compared): (BTreeMap<String, Vec<String>>, usize) = (BTreeMap::new(), 0);
    for entry in std::fs::read_dir(fixtures().join("scap")).unwrap() {
        let path = entry.unwrap().path();
        let expected = path
            .with_extension("scap.expected")
            .join("falco040_filters.json");
        let Some(expected) =
            json(&expected).filter(|_| path.extension().is_some_and(|end| end == "scap"))
        else {
            continue;
        };
        let filters = expected["filters"].as_array().unwrap().iter();
        let filters: Vec<(&str, BTreeSet<u64>)> = filters
            .filter_map(|row| Some((row["filter"].as_str()?, numbers(row["events"].as_str()?))))
            .collect();
        let mut text = String::new();
        for (at, (filter, _)) in filters.iter().enumerate() {
            let condition = serde_json::to_string(filter).unwrap();
            text += &format!(
                "- rule: r{at}\n  desc: d\n  condition: {condition}\n  output: \"%evt.num\"\n  priority: INFO\n"
            );
        }
        std::fs::write(&rules, text).unwrap();
        let words = ["--json", "--all", "--rules"]
            .map(str::to_owned)
            .into_iter();
        let words = words.chain([rules.display().to_string(), path.display().to_string()]);
        let output = detect(&words.collect::<Vec<_>>());
        let mut found: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let alert: Value = serde_json::from_str(line).unwrap();
            let rule = alert["rule"].as_str().unwrap().to_owned();
            let number = alert["output_fields"]["evt.num"].as_u64().unwrap();
            found.entry(rule).or_default().insert(number);
        }
        for (at, (filter, expected)) in filters.into_iter().enumerate() {
            let found = found.remove(&format!("r{at}")).unwrap_or_default();
            compared += 1;
            if found != expected {
                let (ours, theirs) = (found.len(), expected.len());
                let place = format!("{}: {ours} events, Falco {theirs}", path.display());
                wrong.entry(filter.to_owned()).or_default().push(place);
            }
        }
    }
    assert!(compared > 1_000, "{compared} answers");
    for (filter, captures, why) in OTHERWISE {
        let found = wrong.remove(*filter).unwrap_or_default();
        assert_eq!(found.len(), *captures, "{filter} ({why}): {found:#?}");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Numbers as `1,4-6`.
fn numbers(text: &str) -> BTreeSet<u64> {
    let parts = text.split(',').filter(|part| !part.is_empty());
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        first.parse::<u64>().unwrap()..=last.parse().unwrap()
    };
    parts.flat_map(range).collect()
}
