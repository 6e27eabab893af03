//! `afterimage views`: the views of the inspector and of `afterimage view`.

use super::{Form, Listing, markdown_cell};
use crate::failure::{Exit, Outcome};
use crate::json::Object;
use crate::output::Output;
use crate::table::{Align, Table};
use afterimage_query::VIEWS;
use clap::Args;
use std::io::Write;

const EXAMPLES: &str = "\
Examples:
  afterimage views
  afterimage views --json";

/// List the views
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Views {
    #[command(flatten)]
    listing: Listing,
}

impl Views {
    /// Lists.
    pub fn run(self, out: &mut Output) -> Outcome {
        list(out, self.listing.form())
    }
}

/// Writes the table of views.
pub fn list(out: &mut Output, form: Form) -> Outcome {
    let key = |key: char| {
        if key == '\0' {
            String::new()
        } else {
            key.to_string()
        }
    };
    match form {
        Form::Text => {
            let mut table = Table::new([
                ("View", Align::Left),
                ("Key", Align::Left),
                ("Title", Align::Left),
                ("What it shows", Align::Left),
            ]);
            for view in VIEWS {
                table.row([
                    view.id.to_owned(),
                    key(view.key),
                    view.title.to_owned(),
                    view.doc.to_owned(),
                ]);
            }
            table.write(out)?;
        }
        Form::Json => {
            for view in VIEWS {
                let mut object = Object::new();
                object
                    .text("id", view.id)
                    .text("title", view.title)
                    .text("filter", view.filter)
                    .text("doc", view.doc);
                object.texts("columns", view.columns.iter().map(|column| column.field));
                writeln!(out, "{}", object.end())?;
            }
        }
        Form::Markdown => {
            writeln!(
                out,
                "| View | Key | Title | Filter | Columns | What it shows |\n|---|---|---|---|---|---|"
            )?;
            for view in VIEWS {
                let columns: Vec<&str> = view.columns.iter().map(|column| column.title).collect();
                let filter = if view.filter.is_empty() {
                    String::new()
                } else {
                    format!("`{}`", markdown_cell(view.filter))
                };
                let (id, title) = (view.id, view.title);
                writeln!(
                    out,
                    "| `{id}` | {} | {title} | {filter} | {} | {} |",
                    key(view.key),
                    columns.join(", "),
                    markdown_cell(view.doc)
                )?;
            }
        }
    }
    Ok(Exit::Done)
}
