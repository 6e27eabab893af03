//! `afterimage syscalls`: the calls and happenings that are recorded with named arguments.

use super::{Form, Listing, markdown_cell};
use crate::failure::{Exit, Outcome};
use crate::json::Object;
use crate::output::Output;
use crate::table::{Align, Table};
use afterimage_model::syscalls::Syscall;
use afterimage_model::{Abi, HAPPENINGS, SYSCALLS};
use clap::Args;
use std::io::Write;

const EXAMPLES: &str = "\
Examples:
  afterimage syscalls mount          # those with mount in their name
  afterimage syscalls --json";

/// List the system calls and kernel events that are recorded with named arguments
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Syscalls {
    /// Only those whose name contains this
    name: Option<String>,
    #[command(flatten)]
    listing: Listing,
}

impl Syscalls {
    /// Lists.
    pub fn run(self, out: &mut Output) -> Outcome {
        let wanted = self.name.as_deref().unwrap_or_default();
        let rows = SYSCALLS
            .iter()
            .chain(HAPPENINGS)
            .filter(|row| row.name.contains(wanted));
        match self.listing.form() {
            Form::Text => {
                let mut table = Table::new([
                    ("Name", Align::Left),
                    ("x86_64", Align::Right),
                    ("aarch64", Align::Right),
                    ("i386", Align::Right),
                    ("Class", Align::Left),
                    ("Arguments", Align::Left),
                    ("Meaning", Align::Left),
                ]);
                for row in rows {
                    let [x86_64, aarch64, i386] = numbers(row);
                    table.row([
                        row.name.to_owned(),
                        x86_64,
                        aarch64,
                        i386,
                        row.class.name().to_owned(),
                        arguments(row),
                        row.doc.to_owned(),
                    ]);
                }
                table.write(out)?;
            }
            Form::Json => {
                for row in rows {
                    let mut object = Object::new();
                    object
                        .text("name", row.name)
                        .text("class", row.class.name())
                        .text("doc", row.doc);
                    for (abi, number) in row.numbers {
                        object.number(&format!("number.{}", abi.name()), *number);
                    }
                    object.texts(
                        "args",
                        row.args
                            .iter()
                            .map(|arg| format!("{}:{}", arg.name, arg.kind.name())),
                    );
                    writeln!(out, "{}", object.end())?;
                }
            }
            Form::Markdown => {
                writeln!(
                    out,
                    "| Name | x86_64 | aarch64 | i386 | Class | Arguments | Meaning |\n|---|---:|---:|---:|---|---|---|"
                )?;
                for row in rows {
                    let [x86_64, aarch64, i386] = numbers(row);
                    let (class, args) = (row.class.name(), arguments(row));
                    writeln!(
                        out,
                        "| `{}` | {x86_64} | {aarch64} | {i386} | {class} | {args} | {} |",
                        row.name,
                        markdown_cell(row.doc)
                    )?;
                }
            }
        }
        Ok(Exit::Done)
    }
}

fn numbers(row: &Syscall) -> [String; 3] {
    [Abi::x86_64, Abi::aarch64, Abi::i386]
        .map(|abi| row.number(abi).map_or_else(String::new, |n| n.to_string()))
}

fn arguments(row: &Syscall) -> String {
    row.args
        .iter()
        .map(|arg| arg.name)
        .collect::<Vec<_>>()
        .join(", ")
}
