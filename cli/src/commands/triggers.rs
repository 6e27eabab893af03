//! `triggers`: the kinds of trigger there are.

use super::{Form, Listing};
use crate::Outcome;
use crate::failure::Exit;
use crate::json::Object;
use crate::output::Output;
use afterimage_capture::trigger::{self, TRIGGERS};
use clap::Args;
use std::io::Write;

const EXAMPLES: &str = "\
Examples:
  afterimage triggers               # the kinds, with their parameters
  afterimage triggers --json        # the same for programs

In a configuration of watch:
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

impl Triggers {
    /// Does it.
    pub fn run(self, out: &mut Output) -> Outcome {
        let form = self.listing.form();
        if form == Form::Markdown {
            write!(out, "{}", trigger::table_md())?;
            return Ok(Exit::Done);
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
                    let filter = kind.looks_at();
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
                        .text("filter", kind.looks_at());
                    writeln!(out, "{}", object.end())?;
                }
                Form::Markdown => {}
            }
        }
        Ok(Exit::Done)
    }
}
