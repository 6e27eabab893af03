//! `afterimage keys`: the keys that captures are signed with.

use crate::failure::{Exit, Failure, Outcome, shown};
use crate::json::Object;
use crate::keyring::{self, DEFAULT};
use crate::output::{Output, say};
use crate::table::{Align, Table};
use afterimage_model::Safe;
use clap::{Args, Subcommand};
use std::io::Write;

const EXAMPLES: &str = "\
Examples:
  afterimage keys generate lab        # a key beside the default one
  afterimage keys show lab > lab.pub  # what others need to check with
  afterimage keys list
  afterimage keys rotate lab          # a new key; old seals stay valid

Keys are Ed25519 and lie in /var/lib/afterimage/keys for root, else in
~/.local/state/afterimage/keys; AFTERIMAGE_KEYS names another folder. The one
called default is made when a recording first needs it.";

/// Make and show the keys that captures are signed with
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub struct Keys {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a key; one that exists is never overwritten
    Generate {
        /// What to call it
        #[arg(default_value = DEFAULT)]
        name: String,
    },
    /// Print a public key, for who checks captures
    Show {
        /// Which
        #[arg(default_value = DEFAULT)]
        name: String,
    },
    /// List the keys known here
    List {
        /// One JSON object a key
        #[arg(long)]
        json: bool,
    },
    /// Put a new key in the place of one, and destroy the old secret; what it signed can still be checked
    Rotate {
        /// Which
        #[arg(default_value = DEFAULT)]
        name: String,
    },
}

impl Keys {
    /// Does it.
    pub fn run(self, out: &mut Output) -> Outcome {
        match self.action {
            Action::Generate { name } => {
                let pair = keyring::generate(&name)?;
                say(format_args!(
                    "made {name} in {}; keep its public key where captures are checked",
                    shown(&keyring::folder())
                ));
                write!(out, "{}", pair.card)?;
            }
            Action::Show { name } => {
                let known = keyring::known();
                let own = keyring::folder().join(format!("{name}.pub"));
                let (_, card) = known.iter().find(|(path, _)| *path == own).ok_or_else(|| {
                    Failure::new(
                        format!("there is no key called {}", Safe::new(&name)),
                        format!("afterimage keys generate {}", Safe::new(&name)),
                    )
                })?;
                write!(out, "{card}")?;
            }
            Action::List { json } => list(out, json)?,
            Action::Rotate { name } => {
                let (old, new) = keyring::rotate(&name)?;
                say(format_args!(
                    "{} took the place of {}, whose secret is destroyed",
                    new.key.short(),
                    old.key.short()
                ));
                write!(out, "{new}")?;
            }
        }
        Ok(Exit::Done)
    }
}

fn list(out: &mut Output, json: bool) -> Result<(), Failure> {
    let known = keyring::known();
    let mut table = Table::new([
        ("Key", Align::Left),
        ("Name", Align::Left),
        ("Made", Align::Left),
        ("Signs", Align::Left),
        ("File", Align::Left),
    ]);
    for (path, card) in &known {
        let signs = path.with_extension("key").exists();
        if json {
            let mut o = Object::new();
            o.text("key", card.key.to_string())
                .text("name", &card.name)
                .text("made", &card.made)
                .truth("signs", signs)
                .text("file", path.as_os_str().as_encoded_bytes())
                .texts("before", card.before.iter().map(ToString::to_string));
            writeln!(out, "{}", o.end())?;
            continue;
        }
        table.row([
            card.key.to_string(),
            Safe::new(&card.name).to_string(),
            Safe::new(&card.made).to_string(),
            if signs { "yes" } else { "no" }.to_owned(),
            shown(path),
        ]);
    }
    if !json {
        table.write(out)?;
    }
    Ok(())
}
