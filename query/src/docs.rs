//! The documents that are printed from this crate's tables: `docs/views.md` and `docs/query.md`.

use crate::ops::{FUNCTIONS, MODIFIERS, OPERATORS, type_name};
use crate::template::PRESETS;
use crate::tiles::{Counted, TILES};
use crate::views::{Aggregate, Shape, Unit, VIEWS};
use crate::{MAX_DEPTH, MAX_TEXT};
use afterimage_model::FieldType;
use std::fmt::Write;

/// The text of `docs/views.md`.
pub fn views_md() -> String {
    let mut out = String::from(
        "# Views\n\nGenerated from the tables `VIEWS` and `TILES` of the crate `query`; `BLESS=1 cargo test -p afterimage-query` writes it anew.\n\n\
         | View | Key | Shows | Enter opens |\n|---|---|---|---|\n",
    );
    for view in VIEWS {
        let key = if view.key == '\0' {
            String::new()
        } else {
            format!("`{}`", view.key)
        };
        let _ = writeln!(
            out,
            "| `{}` | {key} | {} | {} |",
            view.id,
            view.doc,
            view.drill.unwrap_or("")
        );
    }
    for view in VIEWS {
        let _ = write!(out, "\n## {} (`{}`)\n\n{} ", view.title, view.id, view.doc);
        let shape = match view.shape {
            Shape::Table => "One row per group.",
            Shape::List => "One row per event.",
            Shape::Tree => "One row per process, under its parent.",
            Shape::Overview => "Tiles.",
            Shape::Gaps => "One row per gap.",
            Shape::Events => "One row per event, with its arguments and bytes.",
            Shape::Made(made) => made.doc(),
        };
        out.push_str(shape);
        if !view.filter.is_empty() {
            let _ = write!(out, " Looks at `{}`.", view.filter);
        }
        match (view.drill, view.drill_filter) {
            (Some(drill), "") => {
                let _ = write!(out, " Enter opens `{drill}` of the row.");
            }
            (Some(drill), filter) => {
                let _ = write!(out, " Enter opens `{drill}` with `{filter}`.");
            }
            (None, _) => {}
        }
        if view.keeps.len() < view.columns.len() {
            let _ = write!(
                out,
                " Where not all columns fit, these stay longest: {}.",
                view.keeps.join(", ")
            );
        }
        out.push_str("\n\n| Column | Field | In JSON | Of a group | Shown as | |\n|---|---|---|---|---|---|\n");
        for (column, name) in view.columns.iter().zip(view.names()) {
            let _ = writeln!(
                out,
                "| {} | `{}` | `{name}` | {} | {} | {} |",
                column.title,
                column.field,
                aggregate_name(column.aggregate),
                unit_name(column.unit),
                column.doc
            );
        }
    }
    out.push_str("\n# Tiles of the overview\n\n`inspect --mark ID,ID` marks tiles by their ids.\n\n| Group | Tile | Id | Counts | Of events | Opens | |\n|---|---|---|---|---|---|---|\n");
    for tile in TILES {
        let counted = match tile.counted {
            Counted::Events => "events".to_owned(),
            Counted::Sum(field) => format!("sum of `{field}`"),
            Counted::Distinct(fields) => format!("distinct `{}`", fields.join("`, `")),
        };
        let filter = if tile.filter.is_empty() {
            "all".to_owned()
        } else {
            format!("`{}`", tile.filter)
        };
        let mark = if tile.notable {
            " Worth a look when not zero."
        } else {
            ""
        };
        let _ = writeln!(
            out,
            "| {} | {} | `{}` | {counted} | {filter} | `{}` | {}{mark} |",
            tile.group, tile.title, tile.id, tile.view, tile.doc
        );
    }
    out
}

/// The text of `docs/query.md`.
pub fn query_md() -> String {
    let mut out = String::from(
        "# The filter language\n\nThe language of Falco and sysdig. Generated from the tables of the crate `query`.\n\n\
         ```text\n\
         filter      = alternative { \"or\" alternative }\n\
         alternative = condition { \"and\" condition }\n\
         condition   = { \"not\" } ( \"(\" filter \")\" | term comparison )\n\
         comparison  = \"exists\" | operator ( value | right ) | operator modifier list | list-operator ( list | right )\n\
         term        = field | function \"(\" argument { \",\" argument } \")\" [ \"[\" option \"]\" ]\n\
         argument    = term | \"…\" | '…' | number | \"(\" [ argument { \",\" argument } ] \")\"\n\
         right       = \"val(\" field \")\" | function \"(\" … \")\"\n\
         list        = \"(\" [ value { \",\" value } ] \")\" | word\n\
         field       = name | name \"[\" argument \"]\" | name \".\" argument\n\
         value       = bare text without blanks, brackets, commas, quotes or = | \"…\" | '…'\n\
         ```\n\n",
    );
    let _ = writeln!(
        out,
        "- `and` binds tighter than `or`; `not` toggles. Brackets need no blanks around them. Text is at most {MAX_TEXT} bytes,\n  \
         brackets at most {MAX_DEPTH} deep.\n\
         - A comparison with a field the event does not have is false, also `!=`; `not` of it is true.\n\
         - A field with several values (`fd.ip`, `fd.port`, `proc.aname`) matches when one of them does. `!=` is true of `fd.ip`,\n  \
         `fd.port`, `fd.net` and their kin when neither end is equal, and of ancestors when one of them differs: to ask that none\n  \
         is a shell write `not proc.aname=sh`.\n\
         - `<` and its kin take a number, a length of time, an instant or a text in quotes; an argument of a call (`evt.arg`) is\n  \
         compared as the number it shows, any other text byte by byte.\n\
         - In quotes `\\\\`, `\\/`, `\\b`, `\\f`, `\\n`, `\\r`, `\\t`, `\\xNN` (a byte), `\\u{{N}}` (a character) and a backslash before the quote\n  \
         itself are escapes. Bare text has none: `\\d` in a regular expression is `\\\\d` in quotes.\n\
         - Numbers are decimal, `0x` hex or `1e9`; durations take `ns us ms s m h`; instants are ns since 1970 or `2026-01-31T12:00:00Z`;\n  \
         ports take service names; addresses take CIDR blocks.\n\
         - Both sides of a comparison of two fields hold the same: text, a number, an address.\n\
         - Fields of tracers, Mesos and Marathon are read and match nothing; a note says what to ask for instead.\n\
         - Blank text is the filter that every event passes.\n\n## Operators\n\n| Operator | Example | |\n|---|---|---|"
    );
    for row in OPERATORS {
        let also = if row.aliases.is_empty() {
            String::new()
        } else {
            format!(", `{}`", row.aliases.join("`, `"))
        };
        let _ = writeln!(
            out,
            "| `{}`{also} | `{}` | {} |",
            row.text, row.example, row.doc
        );
    }
    out.push_str("\n## Modifiers\n\nBetween an operator that takes one value (but not `<` and its kin) and a list.\n\n| Modifier | Example | |\n|---|---|---|\n");
    for row in MODIFIERS {
        let _ = writeln!(out, "| `{}` | `{}` | {} |", row.text, row.example, row.doc);
    }
    out.push_str("\n## Functions\n\n| Function | Example | |\n|---|---|---|\n");
    for row in FUNCTIONS {
        let _ = writeln!(out, "| `{}` | `{}` | {} |", row.text, row.example, row.doc);
    }
    out.push_str("\n## What fits what\n\n| A field that holds | takes |\n|---|---|\n");
    let types = [
        FieldType::Str,
        FieldType::List,
        FieldType::Bytes,
        FieldType::Int,
        FieldType::Bool,
        FieldType::Ip,
        FieldType::Net,
        FieldType::Port,
        FieldType::RelTime,
        FieldType::AbsTime,
    ];
    for ty in types {
        let names: Vec<_> = OPERATORS
            .iter()
            .filter(|row| row.op.fits(ty))
            .map(|row| format!("`{}`", row.text))
            .collect();
        let _ = writeln!(out, "| {} | {} |", type_name(ty), names.join(" "));
    }
    out.push_str(
        "\n# Output templates\n\n`%field` prints a field, `%12field` in 12 columns, `%toupper(field)` what a function makes of it, `%%` a percent sign. An event that lacks a field is not printed, \
         unless the template begins with `*`, or a `*` stands right before that `%`: then `<NA>` is printed.\n\n| Preset | Template | |\n|---|---|---|\n",
    );
    for preset in PRESETS {
        let _ = writeln!(
            out,
            "| `{}` | `{}` | {} |",
            preset.name, preset.text, preset.doc
        );
    }
    out
}

fn aggregate_name(aggregate: Aggregate) -> &'static str {
    match aggregate {
        Aggregate::Key => "key",
        Aggregate::Sum => "sum",
        Aggregate::Max => "largest",
        Aggregate::Min => "smallest",
        Aggregate::Avg => "mean",
        Aggregate::Told => "sum of what was told",
        Aggregate::Threads => "mean of each thread, together",
        Aggregate::Peaks => "largest of each thread, together",
        Aggregate::Rate => "per second",
        Aggregate::Count => "number",
        Aggregate::Distinct => "distinct",
        Aggregate::First => "first",
        Aggregate::Last => "last",
    }
}

fn unit_name(unit: Unit) -> &'static str {
    match unit {
        Unit::Plain => "",
        Unit::Bytes => "bytes",
        Unit::Duration | Unit::Processor => "duration",
        Unit::Time => "time",
        Unit::Heat => "count, shaded",
    }
}
