//! `afterimage fields`: the fields a filter, a format or a column can name.

use super::{Form, Listing, markdown_cell};
use crate::failure::{Exit, Outcome};
use crate::json::Object;
use crate::output::Output;
use crate::table::{Align, Table};
use afterimage_model::{FIELDS, FieldArg};
use clap::Args;
use std::io::Write;

const EXAMPLES: &str = "\
Examples:
  afterimage fields                  # all of them
  afterimage fields proc             # those of processes
  afterimage fields --json | jq -r '.name'";

/// List the fields that filters, formats and columns can name
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Fields {
    /// Only fields whose name begins with this: proc, evt, container …
    prefix: Option<String>,
    #[command(flatten)]
    listing: Listing,
}

impl Fields {
    /// Lists.
    pub fn run(self, out: &mut Output) -> Outcome {
        let prefix = self.prefix.as_deref().unwrap_or_default();
        let rows = FIELDS.iter().filter(|field| field.name.starts_with(prefix));
        match self.listing.form() {
            Form::Text => {
                let mut table = Table::new([
                    ("Field", Align::Left),
                    ("Type", Align::Left),
                    ("Meaning", Align::Left),
                ]);
                for field in rows {
                    table.row([
                        field.usage(),
                        field.ty.name().to_owned(),
                        field.doc.to_owned(),
                    ]);
                }
                table.write(out)?;
            }
            Form::Json => {
                for field in rows {
                    let mut object = Object::new();
                    object
                        .text("name", field.name)
                        .text("type", field.ty.name())
                        .text("argument", argument(field.arg));
                    object.text("doc", field.doc);
                    writeln!(out, "{}", object.end())?;
                }
            }
            Form::Markdown => {
                writeln!(out, "| Field | Type | Meaning |\n|---|---|---|")?;
                for field in rows {
                    writeln!(
                        out,
                        "| `{}` | {} | {} |",
                        field.usage(),
                        field.ty.name(),
                        markdown_cell(field.doc)
                    )?;
                }
            }
        }
        Ok(Exit::Done)
    }
}

fn argument(arg: FieldArg) -> &'static str {
    match arg {
        FieldArg::None => "none",
        FieldArg::Optional => "optional",
        FieldArg::Required => "required",
    }
}
