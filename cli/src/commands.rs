//! The subcommands: one file each, and the table that names them.

mod anchor;
mod artifacts;
mod completions;
mod convert;
mod custody;
mod demo;
mod detect;
mod doctor;
mod fields;
mod index;
mod info;
mod inspect;
mod keys;
mod merge;
mod read;
mod record;
mod recover;
mod repack;
mod search;
mod slice;
mod syscalls;
mod trigger;
mod triggers;
mod verify;
mod view;
mod views;
mod watch;

pub use detect::rules as detect_rules;
pub use index::index_quietly;
pub use search::By;

use crate::Outcome;
use crate::moment::Zone;
use crate::output::Output;
use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum};
pub use detect::rule_files;
use std::path::PathBuf;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Yellow.on_default().bold())
    .usage(AnsiColor::Yellow.on_default().bold())
    .literal(AnsiColor::Green.on_default())
    .placeholder(AnsiColor::Cyan.on_default());

const AFTER: &str = "\
Examples:
  sudo afterimage demo                      # break into a throw-away container
  sudo afterimage record -o web.aft --container web     # one container, by name
  sudo afterimage watch                     # keep the past for a trigger
  afterimage inspect web.aft                # walk through it when it is gone
  afterimage read web.aft evt.type=execve   # print events, as sysdig -r would
  afterimage view web.aft processes         # a view of the inspector as text
  afterimage search /evidence shadow        # find a word in any of its captures

Exit codes: 0 done, 1 failed, 2 usage, 3 done with loss (which is printed),
4 does not verify.";

/// Records what containers do, and shows it after they are gone.
#[derive(Debug, Parser)]
#[command(name = "afterimage", version, after_help = AFTER, styles = STYLES, arg_required_else_help = true, max_term_width = 100)]
pub struct Cli {
    /// What opens encrypted captures: a file that age-keygen made; may be repeated [default: $AFTERIMAGE_IDENTITY, or
    /// identity.txt beside the keys]
    #[arg(long, value_name = "FILE", global = true)]
    pub identity: Vec<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Every subcommand.
#[derive(Debug, Subcommand)]
pub enum Command {
    Record(Box<record::Record>),
    Watch(watch::Watch),
    Trigger(trigger::Trigger),
    Read(read::Read),
    View(view::View),
    Search(search::Search),
    Index(index::Index),
    Detect(detect::Detect),
    Info(info::Info),
    Verify(verify::Verify),
    Anchor(anchor::Anchor),
    Custody(custody::Custody),
    Artifacts(artifacts::Artifacts),
    Keys(keys::Keys),
    Recover(recover::Recover),
    Slice(slice::Slice),
    Merge(merge::Merge),
    Repack(repack::Repack),
    Convert(convert::Convert),
    Inspect(inspect::Inspect),
    Demo(demo::Demo),
    Doctor(doctor::Doctor),
    Fields(fields::Fields),
    Syscalls(syscalls::Syscalls),
    Triggers(triggers::Triggers),
    Views(views::Views),
    Completions(completions::Completions),
    #[command(name = crate::gate::NAME, hide = true)]
    Gate(crate::gate::Gate),
    #[command(name = crate::watching::indexing::NAME, hide = true)]
    IndexSealed(crate::watching::indexing::IndexSealed),
}

impl Command {
    /// Does it.
    pub fn run(self, out: &mut Output) -> Outcome {
        match self {
            Command::Record(args) => args.run(out),
            Command::Watch(args) => args.run(out),
            Command::Trigger(args) => args.run(out),
            Command::Read(args) => args.run(out),
            Command::View(args) => args.run(out),
            Command::Search(args) => args.run(out),
            Command::Index(args) => args.run(out),
            Command::Detect(args) => args.run(out),
            Command::Info(args) => args.run(out),
            Command::Verify(args) => args.run(out),
            Command::Anchor(args) => args.run(out),
            Command::Custody(args) => args.run(out),
            Command::Artifacts(args) => args.run(out),
            Command::Keys(args) => args.run(out),
            Command::Recover(args) => args.run(),
            Command::Slice(args) => args.run(),
            Command::Merge(args) => args.run(),
            Command::Repack(args) => args.run(),
            Command::Convert(args) => args.run(out),
            Command::Inspect(args) => args.run(),
            Command::Demo(args) => args.run(out),
            Command::Doctor(args) => args.run(out),
            Command::Fields(args) => args.run(out),
            Command::Syscalls(args) => args.run(out),
            Command::Triggers(args) => args.run(out),
            Command::Views(args) => args.run(out),
            Command::Completions(args) => args.run(out),
            Command::Gate(args) => args.run(),
            Command::IndexSealed(args) => args.run(out),
        }
    }
}

/// Which part of a capture to look at, and in which zone.
#[derive(Args, Debug)]
struct When {
    /// Leave out events before this instant (see --help for the forms)
    ///
    /// An instant is 2026-11-22T17:19:46Z, 2026-11-22 17:19:46, 17:19:46.5 on the first event's day, +90s after the
    /// first event, or seconds since 1970. Times without a zone are in that of --tz.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Leave out events after this instant
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Zone of the times: utc, local, host (the recorded one), or an offset such as +02:00
    #[arg(long, value_name = "ZONE", default_value = "utc", value_parser = Zone::parse)]
    tz: Zone,
}

/// How a table of this program is printed.
#[derive(Args, Debug)]
struct Listing {
    /// One JSON object a line
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// A Markdown table, as in docs/
    #[arg(long)]
    markdown: bool,
}

/// The forms a [`Listing`] can take.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    Text,
    Json,
    Markdown,
}

impl Listing {
    fn form(&self) -> Form {
        match (self.json, self.markdown) {
            (true, _) => Form::Json,
            (_, true) => Form::Markdown,
            _ => Form::Text,
        }
    }
}

/// A cell of a Markdown table: a bar would end it.
fn markdown_cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent_and_every_subcommand_says_what_it_does() {
        let command = Cli::command();
        command.clone().debug_assert();
        for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
            assert!(
                sub.get_about()
                    .is_some_and(|about| !about.to_string().is_empty()),
                "{}",
                sub.get_name()
            );
        }
    }
}
