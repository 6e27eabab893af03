//! `afterimage completions`: completion scripts for shells.

use crate::failure::{Exit, Outcome};
use crate::output::Output;
use clap::{Args, CommandFactory};

const EXAMPLES: &str = "\
Examples:
  afterimage completions bash > /etc/bash_completion.d/afterimage
  afterimage completions zsh > ~/.zfunc/_afterimage
  afterimage completions fish > ~/.config/fish/completions/afterimage.fish";

/// Print a completion script for a shell
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Completions {
    /// The shell
    shell: clap_complete::Shell,
}

impl Completions {
    /// Prints.
    pub fn run(self, out: &mut Output) -> Outcome {
        // Generated into memory: the generator panics when its writer fails, as a closed pipe does.
        let mut script = Vec::new();
        clap_complete::generate(
            self.shell,
            &mut super::Cli::command(),
            "afterimage",
            &mut script,
        );
        std::io::Write::write_all(out, &script)?;
        Ok(Exit::Done)
    }
}
