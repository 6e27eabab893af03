//! `afterimage demo`: makes a small container, breaks into it, records, removes it, and opens what is left.

use crate::container::{self, Container};
use crate::failure::{Failure, Outcome, shown};
use crate::gate::ending;
use crate::keyring;
use crate::output::{Output, say};
use crate::recording::{self, Custody, Summary, Target};
use crate::scenario::{self, SCENARIOS, Scenario};
use crate::source::Source;
use afterimage_capture::{Options, Scope};
use afterimage_model::Safe;
use afterimage_query::Filter;
use clap::Args;
use clap::builder::PossibleValuesParser;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  sudo afterimage demo                           # break in, and look at it
  sudo afterimage demo crash-loop --no-inspect   # another story, printed
  sudo afterimage demo -o break-in.aft           # keep the capture here";

/// How long the recorder goes on after the container is gone, so that its end is on record too.
const AFTERMATH: Duration = Duration::from_millis(300);

/// Views printed where there is no terminal to open the inspector on, and how many rows of each; behind them what tells the story.
const VIEWS: &[(&str, usize)] = &[
    ("overview", 40),
    ("containers", 10),
    ("processes", 40),
    ("files", 15),
    ("connections", 10),
];

/// Break into a throw-away container, record it, remove it, and look at what is left
///
/// Makes a container of its own with nothing but namespaces, a control group and busybox (no Docker needed), records
/// while a scripted story runs inside, removes the container, and opens the inspector, or prints the key views where
/// there is no terminal. Where a Docker daemon answers, the same story is also told with `docker run --rm`.
/// Needs root. Changes nothing that it does not remove.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Demo {
    /// The story
    #[arg(default_value = "break-in", value_parser = PossibleValuesParser::new(SCENARIOS.iter().map(|s| s.name)))]
    scenario: String,
    /// Where the capture goes [default: a new file in the temporary folder]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Do not open the inspector, print
    #[arg(long)]
    no_inspect: bool,
    /// Leave Docker out, also where it answers
    #[arg(long)]
    no_docker: bool,
}

impl Demo {
    /// Tells the story.
    pub fn run(self, out: &mut Output) -> Outcome {
        let scenario = scenario::by_name(&self.scenario)
            .ok_or_else(|| Failure::usage("no such story", "afterimage demo --help lists them"))?;
        let path = self.output.clone().unwrap_or_else(|| {
            std::env::temp_dir().join(format!(
                "afterimage-{}-{:08x}.aft",
                scenario.name,
                crate::token() & 0xffff_ffff
            ))
        });
        say(format_args!("{}: {}", scenario.name, scenario.doc));
        let stop = recording::stop_on_signals()?;

        let container = Container::create(scenario.script)?;
        let options = Options {
            scope: Scope::Cgroup(container.cgroup.clone()),
            reason: format!("demonstration: {}", scenario.name),
            operator: "afterimage demo".to_owned(),
            command: std::env::args_os()
                .map(|arg| arg.to_string_lossy().into_owned())
                .collect(),
            ..Options::default()
        };
        let name = container.name.clone();
        let (summary, interrupted) = record(options, &path, &stop, move || {
            let status = container.run()?;
            container.remove().map_err(|error| {
                Failure::path("removing", &container.cgroup, error, "remove it by hand")
            })?;
            say(format_args!(
                "container {} ran ({}) and is gone",
                container.name,
                ending(status)
            ));
            Ok(())
        })?;
        summary.print(&Target::File(path.clone()));

        let mut from_docker = None;
        if !self.no_docker && !interrupted {
            match docker(scenario, &path, &stop) {
                Ok(Some(path)) => from_docker = Some(path),
                Ok(None) => say(
                    "no Docker daemon answers: the story is not told a second time with docker run --rm",
                ),
                Err(failure) => say(format_args!(
                    "afterimage: with Docker: {}\n  try: {}",
                    failure.what, failure.remedy
                )),
            }
        }

        writeln!(out)?;
        let source = Source::open(&path)?;
        super::info::describe(out, &path, &source)?;
        out.flush()?;
        if io::stdin().is_terminal() && out.terminal && !self.no_inspect {
            super::inspect::open(&path, source)?;
        } else {
            print_views(out, &source, scenario)?;
            out.flush()?;
        }
        say(format_args!(
            "\nThe container {name} no longer exists. What it did is in {}",
            shown(&path)
        ));
        if let Some(path) = from_docker {
            say(format_args!(
                "The same story, told with docker run --rm, is in {}",
                shown(&path)
            ));
        }
        // As it was called: who has just built it has it in no PATH.
        let called = std::env::args_os().next();
        let called = called.map_or_else(|| "afterimage".into(), PathBuf::from);
        say(format_args!(
            "  {0} inspect {1}\n  {0} view {1} {2}",
            shown(&called),
            shown(&path),
            match scenario.worth_a_look {
                (view, "") => view.to_owned(),
                (view, filter) => format!("{view} '{filter}'"),
            }
        ));
        Ok(summary.exit())
    }
}

/// Records while `story` runs on another thread, and a moment longer. Also says whether the user interrupted it.
fn record(
    options: Options,
    path: &Path,
    stop: &AtomicBool,
    story: impl FnOnce() -> Result<(), Failure> + Send,
) -> Result<(Summary, bool), Failure> {
    let target = Target::File(path.to_owned());
    let custody = Custody {
        key: Some(keyring::DEFAULT.to_owned()),
        anchors: None,
        recipients: Vec::new(),
    };
    let mut told = None;
    let summary = std::thread::scope(|scope| {
        let mut teller = None;
        let summary = recording::run(options, &target, custody, stop, true, |_| {
            teller = Some(scope.spawn(|| {
                let told = story();
                std::thread::sleep(AFTERMATH);
                // Set already: the user pressed Ctrl-C.
                let interrupted = stop.swap(true, Ordering::AcqRel);
                told.map(|()| interrupted)
            }));
            Ok(())
        });
        told = teller.map(|teller| teller.join());
        summary
    })?;
    // The flag is free again for a second recording.
    stop.store(false, Ordering::Release);
    match told {
        Some(Ok(Err(failure))) => Err(failure),
        Some(Err(panic)) => std::panic::resume_unwind(panic),
        Some(Ok(Ok(interrupted))) => Ok((summary, interrupted)),
        None => Ok((summary, true)),
    }
}

/// The key views, and last what tells the story.
fn print_views(out: &mut Output, source: &Source, scenario: &Scenario) -> Result<(), Failure> {
    let (told_by, filter) = scenario.worth_a_look;
    let filter = Filter::parse(filter).map_err(|error| crate::source::bad_filter(&error))?;
    let story = (told_by, usize::MAX, Some(&filter));
    for (id, most, filter) in VIEWS
        .iter()
        .map(|(id, most)| (*id, *most, None))
        .chain([story])
    {
        let title = super::view::find(id)?.title;
        let title = out.bold(&title.to_uppercase());
        writeln!(out, "\n{title}")?;
        super::view::glance(out, source, id, filter, most)?;
    }
    Ok(())
}

/// The same story in a Docker container that is removed when it ends; the capture lies beside the first one. `None` where
/// no daemon answers.
fn docker(
    scenario: &Scenario,
    beside: &Path,
    stop: &AtomicBool,
) -> Result<Option<PathBuf>, Failure> {
    let quiet = |command: &mut Command| {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|s| s.success())
    };
    if !quiet(Command::new("docker").arg("version")) {
        return Ok(None);
    }
    let path = beside.with_extension("docker.aft");
    let name = format!("afterimage-demo-{:08x}", crate::token() & 0xffff_ffff);
    let image = format!("{name}:busybox");
    import_image(scenario, &image)?;
    let options = Options {
        // Its id is not known before it runs, so it is recorded among all.
        scope: Scope::AllContainers,
        reason: format!("demonstration with Docker: {}", scenario.name),
        operator: "afterimage demo".to_owned(),
        command: std::env::args_os()
            .map(|arg| arg.to_string_lossy().into_owned())
            .collect(),
        ..Options::default()
    };
    let recorded = record(options, &path, stop, || {
        let environment = container::ENVIRONMENT
            .iter()
            .flat_map(|(name, value)| ["--env".to_owned(), format!("{name}={value}")]);
        let output = Command::new("docker")
            .args([
                "run",
                "--rm",
                "--network",
                "none",
                "--hostname",
                "web",
                "--label",
                "app=demo",
                "--name",
                &name,
            ])
            .args(environment)
            .args([&image, "/bin/sh", "/scenario"])
            .stdin(Stdio::null())
            .output();
        match output {
            // 125 is the daemon's own failure; any other code is that of the story.
            Ok(output) if output.status.code() != Some(125) => {
                say(format_args!(
                    "docker run --rm {name} ended ({}) and is gone",
                    ending(output.status)
                ));
                Ok(())
            }
            Ok(output) => Err(Failure::new(
                format!("docker run: {}", Safe::new(output.stderr.trim_ascii())),
                "docker run --rm hello-world shows whether Docker works",
            )),
            Err(error) => Err(Failure::new(
                format!("docker run: {error}"),
                "check the docker command",
            )),
        }
    });
    quiet(Command::new("docker").args(["image", "rm", "--force", &image]));
    recorded?.0.print(&Target::File(path.clone()));
    Ok(Some(path))
}

/// Makes an image of the same root file system, without any registry.
fn import_image(scenario: &Scenario, image: &str) -> Result<(), Failure> {
    let folder = std::env::temp_dir().join(format!(
        "afterimage-image-{:012x}",
        crate::token() & 0xffff_ffff_ffff
    ));
    let made = container::fill(&folder, scenario.script).and_then(|()| {
        let failed = |error: io::Error| {
            Failure::new(
                format!("docker import: {error}"),
                "check the docker and tar commands",
            )
        };
        let mut tar = Command::new("tar")
            .arg("-C")
            .arg(&folder)
            .args(["-c", "."])
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let archive = tar
            .stdout
            .take()
            .ok_or_else(|| failed(io::Error::other("tar has no output")))?;
        let output = Command::new("docker")
            .args(["import", "-", image])
            .stdin(archive)
            .output()
            .map_err(failed)?;
        tar.wait().map_err(failed)?;
        if output.status.success() {
            return Ok(());
        }
        Err(Failure::new(
            format!("docker import: {}", Safe::new(output.stderr.trim_ascii())),
            "check that the daemon has room for an image of 5 MB",
        ))
    });
    let _ = std::fs::remove_dir_all(&folder);
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_view_that_is_printed_exists() {
        for (id, rows) in VIEWS {
            assert!(super::super::view::find(id).is_ok() && *rows > 0, "{id}");
        }
    }
}
