//! The house rules, checked: which crate may lean on which, how files open and what they are called, and that captured
//! bytes have one way to the screen. A rule that is only written down is a rule that is broken already.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Crate by crate, what it may depend on. The order is that of the layers: nothing points downwards.
const ARROWS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("format", &["model"]),
    ("query", &["model"]),
    ("detect", &["query", "model"]),
    ("interop", &["format", "query", "model"]),
    ("indexer", &["format", "query", "detect", "model"]),
    ("capture", &["format", "query", "detect", "model"]),
    ("archive", &["format", "model"]),
    (
        "inspect-tui",
        &["indexer", "interop", "detect", "query", "model"],
    ),
    (
        "cli",
        &[
            "inspect-tui",
            "archive",
            "capture",
            "indexer",
            "interop",
            "detect",
            "query",
            "format",
            "model",
        ],
    ),
    (
        "tests",
        &[
            "inspect-tui",
            "archive",
            "capture",
            "indexer",
            "interop",
            "detect",
            "query",
            "format",
            "model",
        ],
    ),
];

/// Libraries of others that only one place may know: the crate's name, and who may name it.
const CONFINED: &[(&str, &[&str])] = &[
    ("aya", &["capture"]),
    ("hyper", &["capture"]),
    ("memmap2", &["format"]),
    ("tantivy", &["indexer"]),
    ("ratatui", &["inspect-tui"]),
    ("crossterm", &["inspect-tui"]),
    ("clap", &["cli"]),
    ("anyhow", &["cli"]),
    ("object_store", &["archive"]),
    ("saphyr-parser", &["detect"]),
    ("rustls", &["cli"]),
];

/// Where code may be unsafe; everywhere else the crate root forbids it.
const UNSAFE: &[(&str, &str)] = &[
    (
        "capture/",
        "talks to the kernel: maps its rings and loads its programs",
    ),
    ("format/", "one module maps the capture file"),
    ("tests/", "makes raw system calls on purpose"),
];

/// Files that may turn bytes into text without `Safe`, and why that is harmless.
const LOSSY: &[(&str, &str)] = &[
    (
        "model/src/",
        "defines what is safe, and compares text without printing it",
    ),
    (
        "query/src/",
        "compares and matches text; printing goes through the model",
    ),
    (
        "capture/src/",
        "reads what the kernel and the container runtime say of themselves into the tables",
    ),
    (
        "interop/src/",
        "reads what a capture says of users, hosts and containers into the tables",
    ),
    ("capture/build.rs", "shows the compiler's own messages"),
    ("tests/", "reads what other programs printed"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace is above this crate")
        .to_owned()
}

/// Every file below the workspace with one of these endings, build output and hidden folders left out, as relative paths.
fn files(endings: &[&str]) -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        let mut entries: Vec<_> = std::fs::read_dir(folder)
            .expect("a folder of the workspace reads")
            .map(|e| e.expect("entry").path())
            .collect();
        entries.sort();
        for path in entries {
            let name = path
                .file_name()
                .and_then(|n| n.to_str())
                .unwrap_or_default();
            if name.starts_with('.') || name == "target" || name == "corpus" {
                continue;
            }
            if path.is_dir() && !path.is_symlink() {
                walk(&path, found);
            } else {
                found.push(path);
            }
        }
    }
    let root = root();
    let mut found = Vec::new();
    walk(&root, &mut found);
    found
        .into_iter()
        .filter(|p| {
            p.extension()
                .and_then(|e| e.to_str())
                .is_some_and(|e| endings.contains(&e))
        })
        .map(|p| p.strip_prefix(&root).expect("below the root").to_owned())
        .collect()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// What cargo says of the members.
fn metadata() -> serde_json::Value {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
            "--offline",
        ])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "cargo metadata: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON")
}

/// Folder, own dependencies and foreign dependencies of every member, from cargo itself. Development dependencies count
/// too: a test that needs a forbidden crate belongs into this one.
fn members() -> BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)> {
    let metadata = metadata();
    let folder_of = |path: &str| {
        Path::new(path)
            .file_name()
            .and_then(|n| n.to_str())
            .expect("a folder name")
            .to_owned()
    };
    let mut members = BTreeMap::new();
    for package in metadata["packages"].as_array().expect("packages") {
        let manifest = Path::new(package["manifest_path"].as_str().expect("manifest_path"));
        let folder = folder_of(manifest.parent().and_then(Path::to_str).expect("folder"));
        let (mut ours, mut others) = (BTreeSet::new(), BTreeSet::new());
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            match dependency["path"].as_str() {
                Some(path) => ours.insert(folder_of(path)),
                None => others.insert(dependency["name"].as_str().expect("name").to_owned()),
            };
        }
        members.insert(folder, (ours, others));
    }
    members
}

#[test]
fn every_crate_leans_only_on_what_its_layer_allows() {
    let mut wrong = Vec::new();
    for (member, (ours, _)) in members() {
        let Some((_, allowed)) = ARROWS.iter().find(|row| row.0 == member) else {
            wrong.push(format!("{member}: no row in ARROWS"));
            continue;
        };
        wrong.extend(
            ours.iter()
                .filter(|to| !allowed.contains(&to.as_str()))
                .map(|to| format!("{member} → {to} is not an allowed arrow")),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_allowed_arrows_have_no_circle() {
    // A row may only name rows above it, except `cli` and `tests`, which nobody may name at all.
    for (at, (from, allowed)) in ARROWS.iter().enumerate() {
        for to in *allowed {
            let place = ARROWS
                .iter()
                .position(|row| row.0 == *to)
                .unwrap_or_else(|| panic!("{from} names {to}, which has no row"));
            assert!(place < at, "{from} → {to} points downwards");
        }
    }
}

#[test]
fn the_architecture_document_draws_the_arrows_that_are_there() {
    let document = read(Path::new("docs/architecture.md"));
    let members = members();
    // `indexer → format, query, model          capture → format, query, model`: columns are two blanks apart.
    let drawn: BTreeMap<&str, BTreeSet<&str>> = document
        .lines()
        .flat_map(|line| line.split("  ").map(str::trim))
        .filter_map(|cell| cell.split_once(" → "))
        .map(|(from, to)| (from, to.split(", ").collect()))
        .collect();
    let mut wrong = Vec::new();
    for (member, (ours, _)) in &members {
        let ours: BTreeSet<&str> = ours.iter().map(String::as_str).collect();
        match drawn.get(member.as_str()) {
            None if ours.is_empty() && document.contains(&format!("  {member} ")) => {}
            None => wrong.push(format!("{member} is not drawn")),
            // "all of the above", "all"
            Some(to) if to.iter().any(|to| to.starts_with("all")) => {}
            Some(to) if *to == ours => {}
            Some(to) => wrong.push(format!("{member} leans on {ours:?}, drawn {to:?}")),
        }
    }
    wrong.extend(
        drawn
            .keys()
            .filter(|from| !members.contains_key(**from))
            .map(|from| format!("{from} is drawn, but is no crate")),
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_readme_and_the_workspace_say_what_each_crate_is_for() {
    let (readme, workspace) = (read(Path::new("README.md")), read(Path::new("Cargo.toml")));
    for member in members().keys() {
        assert!(
            readme.contains(&format!("`{member}/`")) || readme.contains(&format!("{member}/ ")),
            "README.md does not name {member}/"
        );
        let line = workspace
            .lines()
            .find(|line| line.trim_start().starts_with(&format!("\"{member}\",")));
        assert!(
            line.is_some_and(|line| line.contains("# ")),
            "Cargo.toml does not say what {member} is for"
        );
    }
}

#[test]
fn a_confined_library_is_named_only_where_it_belongs() {
    let mut wrong = Vec::new();
    for (member, (_, others)) in members() {
        for (library, owners) in CONFINED {
            if others.contains(*library) && !owners.contains(&member.as_str()) {
                wrong.push(format!(
                    "{member} depends on {library}, which belongs to {}",
                    owners.join(", ")
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_crate_is_named_after_its_folder_and_none_can_be_published_by_accident() {
    let metadata = metadata();
    for package in metadata["packages"].as_array().expect("packages") {
        let name = package["name"].as_str().expect("name");
        let folder = Path::new(package["manifest_path"].as_str().expect("path"))
            .parent()
            .and_then(Path::file_name)
            .expect("folder");
        let expected = if folder == "cli" {
            "afterimage".to_owned()
        } else {
            format!("afterimage-{}", folder.display())
        };
        assert_eq!(name, expected);
        assert_eq!(package["license"], "Apache-2.0", "{name}");
        assert_eq!(
            package["publish"],
            serde_json::json!([]),
            "{name} could be published"
        );
    }
}

#[test]
fn every_rust_file_opens_by_saying_what_it_is_responsible_for() {
    let mut wrong = Vec::new();
    for path in files(&["rs"]) {
        let text = read(&path);
        let lines = text
            .lines()
            .take_while(|line| line.starts_with("//!"))
            .count();
        if lines == 0 {
            wrong.push(format!("{}: does not open with //!", path.display()));
        } else if path.file_name().is_some_and(|n| n != "lib.rs") && lines > 6 {
            wrong.push(format!(
                "{}: opens with {lines} lines, six are enough",
                path.display()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_file_has_a_name_that_says_nothing() {
    let empty = [
        "utils", "util", "common", "helpers", "helper", "misc", "mod",
    ];
    let wrong: Vec<_> = files(&["rs", "c", "h", "py", "sh"])
        .into_iter()
        .filter(|p| {
            let stem = p.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
            empty.contains(&stem)
                || p.parent().is_some_and(|f| {
                    f.components()
                        .any(|c| c.as_os_str().to_str().is_some_and(|c| empty.contains(&c)))
                })
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn nothing_is_left_for_later_in_the_code() {
    // Spelled in halves, or this file would find itself.
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("todo", "!("),
        concat!("unimpl", "emented!("),
        concat!("HA", "CK:"),
    ];
    let mut wrong = Vec::new();
    for path in files(&["rs", "c", "h", "toml", "md", "sh", "py"]) {
        for (at, line) in read(&path).lines().enumerate() {
            if marks.iter().any(|mark| line.contains(mark)) {
                wrong.push(format!("{}:{}: {}", path.display(), at + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn captured_bytes_become_text_only_where_it_is_safe() {
    let lossy = [
        concat!("from_utf8_", "lossy"),
        concat!("from_utf8_", "unchecked"),
        concat!("escape_", "ascii"),
    ];
    let mut wrong = Vec::new();
    for path in files(&["rs"]) {
        let shown = path.to_str().expect("paths here are text");
        if LOSSY.iter().any(|(allowed, _)| shown.starts_with(allowed)) || shown.contains("/tests/")
        {
            continue;
        }
        for (at, line) in read(&path).lines().enumerate() {
            if lossy.iter().any(|word| line.contains(word)) && !line.trim_start().starts_with("//")
            {
                wrong.push(format!("{shown}:{}: {}", at + 1, line.trim()));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "bytes must reach a screen through afterimage_model::Safe:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn crates_that_need_no_unsafe_code_forbid_it() {
    let mut wrong = Vec::new();
    for member in members().keys() {
        if UNSAFE
            .iter()
            .any(|(allowed, _)| allowed.trim_end_matches('/') == member)
        {
            continue;
        }
        let root_file = ["src/lib.rs", "src/main.rs"]
            .map(|f| Path::new(member).join(f))
            .into_iter()
            .find(|f| root().join(f).exists());
        let root_file =
            root_file.unwrap_or_else(|| panic!("{member} has neither lib.rs nor main.rs"));
        if !read(&root_file).contains("#![forbid(unsafe_code)]") {
            wrong.push(format!(
                "{}: does not forbid unsafe code",
                root_file.display()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_unsafe_block_says_why_it_is_sound() {
    let mut wrong = Vec::new();
    for path in files(&["rs"]) {
        let text = read(&path);
        if path.starts_with("tests") || text.contains("#![forbid(unsafe_code)]") {
            continue;
        }
        let lines: Vec<_> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let opens = code.contains("unsafe {") || code.contains("unsafe impl");
            let said = lines[at.saturating_sub(6)..=at]
                .iter()
                .any(|l| l.contains("SAFETY:"));
            if opens && !said {
                wrong.push(format!("{}:{}: {}", path.display(), at + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_committed_file_names_the_machine_it_was_written_on() {
    let marks = [concat!("/work", "/"), concat!("/root", "/.cargo")];
    let mut wrong = Vec::new();
    for path in files(&["rs", "c", "h", "toml", "md", "sh", "py", "yml", "yaml"]) {
        // Samples speak of paths inside the containers they recorded.
        if path.starts_with("samples") {
            continue;
        }
        for (at, line) in read(&path).lines().enumerate() {
            if marks.iter().any(|mark| line.contains(mark)) {
                wrong.push(format!("{}:{}: {}", path.display(), at + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
