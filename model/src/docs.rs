//! The documents that are printed from this crate's tables: `docs/syscalls.md` and `docs/fields.md`.

use crate::args::{Abi, ArgKind, Class};
use crate::fields::{Dependency, FIELDS};
use crate::flags::FLAG_SETS;
use crate::structs::{CHOICES, STRUCTS};
use crate::syscalls::{HAPPENINGS, SYSCALLS, Syscall, When};
use std::fmt::Write;

/// The text of `docs/syscalls.md`.
pub fn syscalls_md() -> String {
    let mut out = String::from("# System calls and happenings\n\n");
    out.push_str("Generated from the tables of the crate `model`; `BLESS=1 cargo test -p afterimage-model` writes it anew.\n\n");
    out.push_str("An event is recorded when its call returns. Marks: **→ fd** its result is a new descriptor; **task** it may change who or\n");
    out.push_str("where the caller is, which is then recorded again; **entry** it never returns and is recorded when it is entered. A call\n");
    out.push_str("without a row is recorded as `unknown` with its raw arguments. Rows without a 64-bit number are those of 32-bit x86 only.\n\n");
    for (class, name, sentence) in Class::ALL {
        let rows = SYSCALLS
            .iter()
            .filter(|row| row.class == *class)
            .collect::<Vec<_>>();
        if rows.is_empty() {
            continue;
        }
        let _ = writeln!(
            out,
            "## {name}\n\n{sentence}\n\n| Call | x86_64 | aarch64 | i386 | Arguments | Marks | |\n|---|---|---|---|---|---|---|"
        );
        for row in rows {
            let number = |abi| row.number(abi).map_or_else(String::new, |n| n.to_string());
            let numbers = [Abi::x86_64, Abi::aarch64, Abi::i386]
                .map(number)
                .join(" | ");
            let _ = writeln!(
                out,
                "| `{}` | {numbers} | {} | {} | {} |",
                row.name,
                arguments(row),
                marks(row),
                row.doc
            );
        }
        out.push('\n');
    }
    out.push_str("## Happenings\n\nWhat the kernel does without being called.\n\n| Event | Class | Arguments | |\n|---|---|---|---|\n");
    for row in HAPPENINGS {
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | {} |",
            row.name,
            row.class.name(),
            arguments(row),
            row.doc
        );
    }
    out.push_str("\n## Kinds of arguments\n\n| Kind | Number in the file | |\n|---|---|---|\n");
    for (kind, name, sentence) in ArgKind::ALL {
        let _ = writeln!(out, "| {name} | {} | {sentence} |", *kind as u8);
    }
    out.push_str("\n## Names of bits and numbers\n\n| Set | Names |\n|---|---|\n");
    for set in FLAG_SETS {
        let names = set.entries.iter().map(|entry| entry.0).collect::<Vec<_>>();
        let _ = writeln!(out, "| {} | {} |", set.name, names.join(" "));
    }
    out.push_str("\n## Structures\n\nBytes are those that are read; behind the stroke those of 32-bit x86, where it differs.\n\n");
    out.push_str("| Structure | Bytes | Fields | From |\n|---|---|---|---|\n");
    for row in STRUCTS {
        let fields = row.fields.iter().map(|field| {
            named(field.name, field.kind, field.set, "")
                .trim_start()
                .to_owned()
        });
        let size = match row.has_narrow() {
            true => format!("{} / {}", row.size, row.narrow_size),
            false => row.size.to_string(),
        };
        let fields = fields.collect::<Vec<_>>().join(", ");
        let _ = writeln!(out, "| {} | {size} | {fields} | {} |", row.name, row.source);
    }
    out.push_str("\n## What another argument decides\n\n| Choice | By | Value: what the argument holds |\n|---|---|---|\n");
    for row in CHOICES {
        let holds = |spec: &crate::ArgSpec| named("", spec.kind, spec.set, spec.by);
        let cases = row
            .cases
            .iter()
            .map(|case| format!("`{}`:{}", case.value, holds(&case.holds)));
        let cases = cases.chain([format!("else:{}", holds(&row.otherwise))]);
        let cases = cases.collect::<Vec<_>>().join(", ");
        let _ = writeln!(out, "| {} | `{}` | {cases} |", row.name, row.by);
    }
    out
}

/// `name` kind (set, by the argument that counts).
fn named(name: &str, kind: ArgKind, set: &str, by: &str) -> String {
    let name = match name {
        "" => String::new(),
        name => format!("`{name}`"),
    };
    let brackets = match (set, by) {
        ("", "") => String::new(),
        (set, "") => format!(" ({set})"),
        ("", by) => format!(" (by `{by}`)"),
        (set, by) => format!(" ({set} by `{by}`)"),
    };
    format!("{name} {}{brackets}", kind.name())
}

fn arguments(row: &Syscall) -> String {
    let argument = |arg: &crate::ArgSpec| named(arg.name, arg.kind, arg.set, arg.by);
    row.args.iter().map(argument).collect::<Vec<_>>().join(", ")
}

fn marks(row: &Syscall) -> String {
    let marks = [
        (row.returns_fd, "→ fd"),
        (row.changes_task, "task"),
        (row.when == When::Enter, "entry"),
    ];
    marks
        .iter()
        .filter(|mark| mark.0)
        .map(|mark| mark.1)
        .collect::<Vec<_>>()
        .join(", ")
}

/// The text of `docs/fields.md`.
pub fn fields_md() -> String {
    let mut out = String::from("# Fields\n\n");
    out.push_str("Generated from the table `FIELDS` of the crate `model`; `BLESS=1 cargo test -p afterimage-model` writes it anew.\n\n");
    out.push_str("Names and meanings are those of Falco and sysdig; fields of Afterimage's own have a name those do not use. A field whose\n");
    out.push_str("name is shown with `[…]` takes an argument, which may also follow a dot: `evt.arg[flags]`, `evt.arg.flags`; in `[…]?` it may be\n");
    out.push_str("left out. An event that has no value for a field is shown as `<NA>` and matches no comparison with it. **Decided by** says\n");
    out.push_str("which row of the capture, or which part of the event, the value comes from: filters on those look at nothing else.\n");
    let mut section = "";
    for row in FIELDS {
        let class = row.name.split('.').next().unwrap_or_default();
        if class != section {
            let _ = write!(
                out,
                "\n## {class}\n\n| Field | Type | Decided by | |\n|---|---|---|---|\n"
            );
            section = class;
        }
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | {} |",
            row.usage(),
            row.ty.name(),
            decided_by(row.on),
            row.doc
        );
    }
    out
}

fn decided_by(on: Dependency) -> &'static str {
    match on {
        Dependency::Event => "event",
        Dependency::Head => "head",
        Dependency::Type => "type",
        Dependency::Process => "process",
        Dependency::File => "file",
        Dependency::Marks => "marks",
        Dependency::Cpu => "CPU",
        Dependency::Thread => "thread",
        Dependency::Latency => "latency",
        Dependency::Instant | Dependency::Time => "instant",
        Dependency::Result => "result",
        Dependency::Outcome => "result, file",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// Compares with the committed document, or writes it when `BLESS` is set.
    #[track_caller]
    fn agrees(name: &str, text: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../docs")
            .join(name);
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, text).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        let differs = committed
            .lines()
            .zip(text.lines())
            .position(|(old, new)| old != new);
        assert!(
            committed == text,
            "docs/{name} is not what the tables say, first at line {:?}; run with BLESS=1",
            differs.map(|at| at + 1)
        );
    }

    #[test]
    fn the_document_of_calls_is_what_the_tables_say() {
        agrees("syscalls.md", &syscalls_md());
    }

    #[test]
    fn the_document_of_fields_is_what_the_table_says() {
        agrees("fields.md", &fields_md());
    }

    #[test]
    fn no_cell_of_a_table_breaks_its_row() {
        for text in [syscalls_md(), fields_md()] {
            let mut columns = None;
            for line in text.lines() {
                let bars = line.matches('|').count();
                match columns {
                    _ if !line.starts_with('|') => columns = None,
                    None => columns = Some(bars),
                    Some(expected) => assert_eq!(bars, expected, "{line}"),
                }
            }
        }
    }
}
