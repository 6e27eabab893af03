//! `afterimage inspect`: the terminal inspector.

use crate::cache::Caching;
use crate::failure::{Exit, Failure, Outcome, shown};
use crate::source::{Source, bad_filter};
use afterimage_inspect_tui::{ColorChoice, Error, Options, run};
use afterimage_model::Safe;
use clap::Args;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  afterimage inspect web.aft
  afterimage inspect web.aft --view files container.name=web
  afterimage inspect --ascii --color never web.aft   # on a serial console

Keys: ? shows all of them, Enter goes deeper, Backspace back, / filters, q leaves.";

/// Walk through a capture on the terminal
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Inspect {
    /// The capture; `-` reads a pipe
    file: PathBuf,
    /// Look only at events that match
    #[arg(allow_negative_numbers = true)]
    filter: Vec<String>,
    /// The first view, by its id
    #[arg(short, long, value_name = "VIEW")]
    view: Option<String>,
    /// Draw with ASCII only
    #[arg(long)]
    ascii: bool,
    /// When to use colour
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    color: Colour,
    /// Write nothing, not even exports
    #[arg(long)]
    read_only: bool,
    #[command(flatten)]
    caching: Caching,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Colour {
    /// Unless NO_COLOR or TERM=dumb says not to
    Auto,
    Always,
    Never,
}

impl Inspect {
    /// Opens the inspector.
    pub fn run(self) -> Outcome {
        self.caching.apply();
        let view = match &self.view {
            Some(id) => super::view::find(id)?.id.to_owned(),
            None => String::new(),
        };
        let options = Options {
            name: name(&self.file),
            ascii: self.ascii,
            color: match self.color {
                Colour::Auto => ColorChoice::Auto,
                Colour::Always => ColorChoice::Always,
                Colour::Never => ColorChoice::Never,
            },
            view,
            filter: self.filter.join(" "),
            read_only: self.read_only,
        };
        let source = Source::open(&self.file)?;
        begin(&self.file, source, options)?;
        Ok(Exit::Done)
    }
}

/// Opens the inspector on a capture that is open already, as it starts by default.
pub fn open(file: &Path, source: Source) -> Result<(), Failure> {
    begin(
        file,
        source,
        Options {
            name: name(file),
            ..Options::default()
        },
    )
}

fn begin(file: &Path, source: Source, options: Options) -> Result<(), Failure> {
    run(source.session, options).map_err(|error| match error {
        Error::NotATerminal => Failure::new(
            "the inspector needs a terminal, and standard output is none",
            format!("afterimage view {} overview", shown(file)),
        ),
        Error::Filter(error) => bad_filter(&error),
        error => Failure::new(Safe::new(&error.to_string()), ""),
    })
}

/// What the inspector calls the capture.
fn name(file: &Path) -> String {
    file.file_name()
        .map_or_else(|| shown(file), |name| shown(Path::new(name)))
}
