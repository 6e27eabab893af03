//! What the commands that make captures from captures have in common: where the new one goes, who signs it, and what is
//! said of it.

use crate::custody::Signer;
use crate::failure::{Exit, Failure, Outcome, shown};
use crate::identity::{self, EncryptTo};
use crate::keyring::Pair;
use crate::output::say;
use crate::source::{loss, not_a_capture, reader};
use crate::units::plural;
use afterimage_format::derive::{self, Derived, Keep, Origin, Recipe};
use afterimage_format::{Checks, Error, Place, Recipient, Verdict, WriterOptions};
use afterimage_indexer::bytes_text;
use afterimage_interop::open::foreign_file;
use afterimage_model::Safe;
use clap::Args;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The new capture.
#[derive(Args, Debug)]
pub struct Target {
    /// The new capture; it must not exist
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Do not sign the new capture
    #[arg(long, help_heading = "Custody", conflicts_with = "sign_with")]
    no_sign: bool,
    /// Also append to the custody log of each capture it is made from, if that is sealed and intact
    #[arg(long, help_heading = "Custody")]
    log: bool,
    #[command(flatten)]
    pub encrypt: EncryptTo,
    /// Do not encrypt what is made of an encrypted capture; else it is for the same recipients
    #[arg(long, help_heading = "Custody", conflicts_with = "encrypt_to")]
    decrypt: bool,
    #[command(flatten)]
    pub signer: Signer,
}

impl Target {
    /// Whom the new capture is said to be encrypted to; `None` where that is not said.
    pub fn named(&self) -> Option<Vec<Recipient>> {
        let named = &self.encrypt.encrypt_to;
        (self.decrypt || !named.is_empty()).then(|| named.clone())
    }

    /// Whom the new capture is encrypted to: whom it is said to, else whom those are that it is made from.
    fn recipients(&self, origins: &[Origin]) -> Result<Vec<Recipient>, Failure> {
        if let Some(named) = self.named() {
            return Ok(named);
        }
        let mut all = BTreeSet::new();
        for origin in origins {
            all.extend(origin.recipients().map_err(|error| {
                Failure::new(
                    Safe::new(&error.to_string()),
                    "say whom it is for with --encrypt-to, or --decrypt",
                )
            })?);
        }
        Ok(all.into_iter().collect())
    }

    /// Fails where a file would be overwritten.
    pub fn check(&self) -> Result<(), Failure> {
        if self.output.symlink_metadata().is_err() {
            return Ok(());
        }
        Err(Failure::new(
            format!(
                "{} exists already, and nothing is ever overwritten",
                shown(&self.output)
            ),
            "name another file with -o FILE",
        ))
    }

    /// The key that signs it.
    pub fn key(&self) -> Result<Option<Pair>, Failure> {
        (!self.no_sign).then(|| self.signer.key()).transpose()
    }

    /// Appends to the custody logs of the parents, where that was asked for.
    pub fn log(&self, parents: &[PathBuf], action: &str) -> Result<(), Failure> {
        if !self.log {
            return Ok(());
        }
        let made =
            derive::hash_of(&self.output).map_err(|error| not_a_capture(&self.output, &error))?;
        let name = self.output.file_name().unwrap_or_default();
        for parent in parents {
            let text = format!("into {}", Safe::new(name.as_encoded_bytes()));
            let deed = self.signer.deed(action, text, Some(made.0));
            if let Err(failure) = self.signer.append(parent, &deed, &Checks::default()) {
                say(format_args!("afterimage: {}", failure.what));
            }
        }
        Ok(())
    }
}

/// Opens the captures that another one is made from, and warns of those that do not verify.
pub fn open(files: &[PathBuf]) -> Result<Vec<Origin>, Failure> {
    let mut origins = Vec::new();
    let identities = identity::identities()?;
    for file in files {
        let origin =
            Origin::open_with(file, &identities).map_err(|error| not_a_capture(file, &error))?;
        let verdict = origin.report().map(|report| &report.verdict);
        if let Some(verdict) = verdict.filter(|verdict| !matches!(verdict, Verdict::SealedIntact)) {
            say(format_args!(
                "afterimage: {}: {}; the new capture says so",
                shown(file),
                Safe::new(&verdict.to_string())
            ));
        }
        origins.push(origin);
    }
    Ok(origins)
}

/// As [`open`], also captures of another program: each is converted, and named by its own hash.
pub fn open_any(files: &[PathBuf]) -> Result<Vec<Origin>, Failure> {
    let mut origins = Vec::new();
    for file in files {
        let read = |error| Failure::path("reading", file, error, "check the disk it is on");
        match foreign_file(file).map_err(read)? {
            Some(_) => {
                let reader = reader(file)?;
                let origin = Origin::converted(file, reader);
                origins.push(origin.map_err(|error| not_a_capture(file, &error))?);
            }
            None => origins.extend(open(std::slice::from_ref(file))?),
        }
    }
    Ok(origins)
}

/// A recipe that changes nothing.
pub fn plain(target: &Target, action: &str, text: String) -> Recipe<'static> {
    Recipe {
        deed: target.signer.deed(action, text, None),
        ..Recipe::default()
    }
}

/// Makes the capture, and says what is in it.
pub fn make(
    target: &Target,
    files: &[PathBuf],
    origins: &[Origin],
    recipe: Recipe<'_>,
    keep: Keep<'_>,
) -> Outcome {
    let key = target.key()?;
    let action = recipe.deed.action.clone();
    let options = WriterOptions {
        recipients: target.recipients(origins)?,
        ..recipe.options
    };
    let recipe = Recipe {
        options,
        key: key.as_ref().map(|pair| &pair.secret),
        ..recipe
    };
    let derived = derive::derive(origins, &target.output, &recipe, keep)
        .map_err(|error| failed(&target.output, &error))?;
    target.log(files, &action)?;
    Ok(told(&target.output, &derived))
}

/// What went wrong while a capture was written.
pub fn failed(output: &Path, error: &Error) -> Failure {
    if error.place == Place::Output {
        return Failure::path(
            "writing",
            output,
            &error.kind,
            "name a place you may write to with -o FILE",
        );
    }
    Failure::new(
        Safe::new(&error.to_string()),
        "captures that are merged must be of one boot and one version of the recorder, or all of sysdig's kind and of one host",
    )
}

fn told(output: &Path, derived: &Derived) -> Exit {
    say(format_args!(
        "{}: {} ({}), {} left out; digest {}",
        shown(output),
        plural(derived.events, "event"),
        bytes_text(derived.bytes.into()),
        plural(derived.left_out, "event"),
        derived.digest
    ));
    match loss(&derived.gaps, None) {
        None => Exit::Done,
        Some(loss) => {
            say(format_args!("it is not whole: {loss}"));
            Exit::Loss
        }
    }
}
