//! `afterimage doctor`: what this host can record, and what is missing, each with its remedy.

use crate::failure::{Exit, Outcome};
use crate::json::Object;
use crate::output::Output;
use afterimage_model::Safe;
use clap::Args;
use std::io::Write;

const EXAMPLES: &str = "\
Examples:
  sudo afterimage doctor
  sudo afterimage doctor --json      # for a script that checks many hosts";

/// Say what this host can record and what is missing, each with its remedy
///
/// Exits with 1 when something that recording needs is missing.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Doctor {
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

impl Doctor {
    /// Says.
    pub fn run(self, out: &mut Output) -> Outcome {
        let checks = afterimage_capture::doctor();
        let width = checks
            .iter()
            .map(|check| check.name.len())
            .max()
            .unwrap_or(0);
        for check in &checks {
            if self.json {
                let mut object = Object::new();
                object
                    .text("check.name", check.name)
                    .truth("check.ok", check.ok)
                    .truth("check.needed", check.needed);
                object.text("check.found", &check.found);
                object.text("check.remedy", &check.remedy);
                writeln!(out, "{}", object.end())?;
                continue;
            }
            let mark = match (check.ok, check.needed) {
                (true, _) => out.good("ok     "),
                (false, true) => out.warning("missing"),
                (false, false) => "absent ".to_owned(),
            };
            writeln!(
                out,
                "{mark} {:<width$}  {}",
                check.name,
                Safe::new(&check.found)
            )?;
            if !check.ok && !check.remedy.is_empty() {
                writeln!(
                    out,
                    "        {:<width$}  try: {}",
                    "",
                    Safe::new(&check.remedy)
                )?;
            }
        }
        Ok(if checks.iter().all(|check| check.ok || !check.needed) {
            Exit::Done
        } else {
            Exit::Failed
        })
    }
}
