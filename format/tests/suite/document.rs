//! `docs/format.md` says what the code does: its tables are those of the code. `BLESS=1` writes them anew.

use afterimage_format::layout::{self, Row};
use afterimage_format::records;
use std::fmt::Write as _;
use std::path::PathBuf;

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/format.md")
}

/// The table of this name as the code has it.
fn table(name: &str) -> String {
    let mut out = String::new();
    let numbers = |out: &mut String, rows: &[Row]| {
        out.push_str("| Number | Name | Description |\n|---|---|---|\n");
        for (number, name, doc) in rows {
            let _ = writeln!(out, "| {number} | {name} | {doc} |");
        }
    };
    match name {
        "block" => numbers(&mut out, layout::block::ALL),
        "column" => numbers(&mut out, layout::column::ALL),
        "row" => numbers(&mut out, layout::row::ALL),
        "value" => numbers(&mut out, layout::value::ALL),
        "ints" => numbers(&mut out, layout::ints::ALL),
        "way" => numbers(&mut out, layout::way::ALL),
        "limits" => {
            out.push_str("| Name | Value |\n|---|---|\n");
            for (name, value) in layout::LIMITS {
                let _ = writeln!(out, "| {name} | {value} |");
            }
        }
        _ => {
            let record = name
                .strip_prefix("fields:")
                .unwrap_or_else(|| panic!("no table {name}"));
            let all = records();
            let rows = &all
                .iter()
                .find(|row| row.0 == record)
                .unwrap_or_else(|| panic!("no record {record}"))
                .1;
            out.push_str("| Tag | Name | Type | Description |\n|---|---|---|---|\n");
            for row in rows {
                let _ = writeln!(
                    out,
                    "| {} | {} | {} | {} |",
                    row.tag, row.name, row.wire, row.doc
                );
            }
        }
    }
    out
}

/// The document with every table as the code has it, and the names of the tables found.
fn renewed(document: &str) -> (String, Vec<String>) {
    let (mut out, mut names, mut inside) = (String::new(), Vec::new(), false);
    for line in document.lines() {
        if let Some(name) = line
            .strip_prefix("<!-- table: ")
            .and_then(|rest| rest.strip_suffix(" -->"))
        {
            let _ = write!(out, "{line}\n{}", table(name));
            names.push(name.to_owned());
            inside = true;
        } else {
            inside &= line != "<!-- end -->";
            if !inside {
                let _ = writeln!(out, "{line}");
            }
        }
    }
    (out, names)
}

#[test]
fn every_table_of_the_document_is_that_of_the_code() {
    let document = std::fs::read_to_string(path()).unwrap();
    let (wanted, names) = renewed(&document);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path(), &wanted).unwrap();
        return;
    }
    for (record, _) in records() {
        assert!(
            names.contains(&format!("fields:{record}")),
            "the document has no table of {record}"
        );
    }
    for name in ["block", "column", "row", "value", "ints", "way", "limits"] {
        assert!(
            names.iter().any(|other| other == name),
            "the document has no table of {name}"
        );
    }
    for (line, (is, should)) in document.lines().zip(wanted.lines()).enumerate() {
        assert_eq!(
            is,
            should,
            "line {} of docs/format.md; BLESS=1 renews the tables",
            line + 1
        );
    }
    assert_eq!(document, wanted, "BLESS=1 renews the tables");
}

#[test]
fn the_document_names_the_magic_the_marker_and_the_version() {
    let document = std::fs::read_to_string(path()).unwrap();
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02X}"))
            .collect::<Vec<_>>()
            .join(" ")
    };
    for text in [
        format!("| 0–7 | magic | 8 bytes | `{}` |", hex(&layout::MAGIC)),
        format!("| 0–3 | sync | 4 bytes | `{}` |", hex(&layout::SYNC)),
        format!(
            "Version {}.{} ·",
            layout::VERSION_MAJOR,
            layout::VERSION_MINOR
        ),
        format!("| 8–9 | major | u16 | {}.", layout::VERSION_MAJOR),
        format!(
            "| 20–23 | crc | u32 | CRC of bytes 0–{}. |",
            layout::FILE_HEAD - 5
        ),
        format!("from {:#x} on are private", layout::PRIVATE_BLOCKS),
    ] {
        assert!(
            document.contains(&text),
            "docs/format.md does not say {text:?}"
        );
    }
    assert_eq!(
        (layout::BLOCK_HEAD, layout::BLOCK_TAIL, layout::FILE_HEAD),
        (32, 40, 24)
    );
}

#[test]
fn no_number_is_used_twice() {
    for table in [
        layout::block::ALL,
        layout::column::ALL,
        layout::row::ALL,
        layout::value::ALL,
        layout::ints::ALL,
        layout::way::ALL,
    ] {
        assert!(
            table.windows(2).all(|pair| pair[0].0 < pair[1].0),
            "{table:?}"
        );
    }
    for (record, rows) in records() {
        assert!(
            rows.windows(2).all(|pair| pair[0].tag < pair[1].tag),
            "{record}"
        );
        assert!(rows.iter().all(|row| row.doc.ends_with('.')), "{record}");
    }
}
