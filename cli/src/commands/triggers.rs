//! `triggers`: the kinds of trigger there are.

use super::{Form, Listing, markdown_cell};
use crate::Outcome;
use crate::failure::Exit;
use crate::json::Object;
use crate::output::Output;
use afterimage_capture::trigger::{Source, TRIGGERS};
use clap::Args;
use std::io::Write;

const EXAMPLES: &str = "\
Example:
  [[trigger]]
  name = \"honey\"            # what files are called by; the kind when there is none
  kind = \"canary\"
  paths = [\"/srv/honey*\"]   # a parameter of the kind
  reach = \"container\"       # or pod, or host: what goes into the file
  after = \"30s\"             # how long is recorded after it";

/// List the kinds of trigger that watch knows, with their parameters
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Triggers {
    #[command(flatten)]
    listing: Listing,
}

/// What a kind looks at, in words.
fn looks_at(source: Source) -> &'static str {
    match source {
        Source::Filter(filter) => filter,
        Source::Rate => "{filter}, more than {above} times within {within}",
        Source::Time => "every {every}",
        Source::Told => "",
    }
}

impl Triggers {
    /// Does it.
    pub fn run(self, out: &mut Output) -> Outcome {
        let form = self.listing.form();
        if form == Form::Markdown {
            writeln!(
                out,
                "| Kind | Parameters | Default | Meaning | Filter |\n|---|---|---|---|---|"
            )?;
        }
        for kind in TRIGGERS {
            match form {
                Form::Text => {
                    let armed = if kind.by_default {
                        " (armed by default)"
                    } else {
                        ""
                    };
                    writeln!(out, "{}{armed}", out.bold(kind.name))?;
                    writeln!(out, "    {}", kind.doc)?;
                    for param in kind.params {
                        let default = match param.default {
                            "" => "required".to_owned(),
                            text => format!("default {text}"),
                        };
                        writeln!(out, "    {}: {} ({default})", param.name, param.doc)?;
                    }
                    let filter = looks_at(kind.source);
                    if !filter.is_empty() {
                        writeln!(out, "    {filter}")?;
                    }
                }
                Form::Json => {
                    let mut object = Object::new();
                    object
                        .text("name", kind.name)
                        .text("doc", kind.doc)
                        .truth("default", kind.by_default)
                        .texts("params", kind.params.iter().map(|param| param.name))
                        .text("filter", looks_at(kind.source));
                    writeln!(out, "{}", object.end())?;
                }
                Form::Markdown => {
                    let params: Vec<String> = (kind.params.iter())
                        .map(|param| match param.default {
                            "" => format!("`{}`: {}", param.name, param.doc),
                            text => format!("`{}` (`{text}`): {}", param.name, param.doc),
                        })
                        .collect();
                    let filter = match looks_at(kind.source) {
                        "" => String::new(),
                        filter => format!("`{}`", markdown_cell(filter)),
                    };
                    writeln!(
                        out,
                        "| `{}` | {} | {} | {} | {filter} |",
                        kind.name,
                        markdown_cell(&params.join(" ")),
                        if kind.by_default { "yes" } else { "" },
                        kind.doc
                    )?;
                }
            }
        }
        Ok(Exit::Done)
    }
}
