//! The `afterimage` command: reads the command line, runs one subcommand, and turns how it ended into an exit code.
//!
//! Each subcommand is a file in `commands/`. Standard output carries data only; what a person should know goes to
//! standard error. Exit codes: 0 done, 1 failed, 2 usage, 3 done with loss, 4 evidence does not verify.
#![forbid(unsafe_code)]

mod anchoring;
mod cache;
mod catalogue;
mod commands;
mod container;
mod converting;
mod custody;
mod derived;
mod earliest;
mod failure;
mod following;
mod found;
mod gate;
mod habits;
mod identity;
mod json;
mod keyring;
mod layout;
mod many;
mod moment;
mod opening;
mod output;
mod payload;
mod recording;
mod scenario;
mod shelf;
mod sidecar;
mod source;
mod streaming;
mod table;
mod tls;
mod units;
mod watching;
mod webhook;

use clap::{CommandFactory, FromArgMatches};
use failure::{Exit, Outcome};
use output::{Output, say};
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

/// Where there is no memory left it says so, instead of being aborted.
#[global_allocator]
static MEMORY: afterimage_capture::memory::Saying = afterimage_capture::memory::Saying;

fn main() -> ExitCode {
    afterimage_capture::memory::before_the_end(afterimage_inspect_tui::leave_at_once);
    // Most commands read; those that record say so themselves.
    afterimage_capture::memory::keep();
    // A file that may not grow is an error of who writes it, not the end of the program. A handler, because what is executed from here would
    // inherit a signal that is ignored. Where it cannot be set, that end it is.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default());
    let mut out = Output::stdout();
    let ended = match parse(&mut out) {
        Ok(Some(command)) => command.run(&mut out),
        Ok(None) => Ok(Exit::Done),
        Err(failure) => Err(failure),
    };
    // What was computed must also have arrived.
    let ended = match (ended, out.flush()) {
        (Ok(_), Err(error)) => Err(error.into()),
        (ended, _) => ended,
    };
    let exit = match ended {
        Ok(exit) => exit,
        Err(failure) => {
            failure.report();
            failure.exit
        }
    };
    ExitCode::from(exit as u8)
}

/// The command asked for; `None` when clap already answered (`--help`, `--version`).
fn parse(out: &mut Output) -> Result<Option<commands::Command>, failure::Failure> {
    let parsed = commands::Cli::command()
        .try_get_matches()
        .and_then(|matches| commands::Cli::from_arg_matches(&matches));
    let error = match parsed {
        Ok(cli) => {
            identity::name(cli.identity);
            return Ok(Some(cli.command));
        }
        Err(error) => error,
    };
    if error.use_stderr() {
        // Clap quotes what the user typed; that may hold escape sequences.
        let text = error.render().to_string();
        say(failure::escape_lines(text.trim_end()));
        return Err(failure::Failure {
            what: String::new(),
            remedy: String::new(),
            exit: Exit::Usage,
        });
    }
    write!(out, "{}", error.render())?;
    Ok(None)
}

/// A number nobody else has: names temporary files and throw-away containers.
fn token() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}
