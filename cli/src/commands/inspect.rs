//! `afterimage inspect`: the terminal inspector.

use crate::cache::Caching;
use crate::failure::{Exit, Failure, Outcome, shown};
use crate::moment::Zone;
use crate::shelf::Folder;
use crate::source::{Source, bad_filter, not_opened};
use afterimage_inspect_tui::action::Binding;
use afterimage_inspect_tui::state::courses::MOST_MARKS;
use afterimage_inspect_tui::{ColorChoice, Error, Options, folder, keymap, run, theme};
use afterimage_model::Safe;
use afterimage_query::TILES;
use clap::Args;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const EXAMPLES: &str = "\
Examples:
  afterimage inspect web.aft
  afterimage inspect web.aft --view files container.name=web
  afterimage inspect web.aft --view lsof --at '#100' # what was open then
  afterimage inspect web.aft --rules falco_rules.yaml --view alerts
  afterimage inspect /evidence           # every capture in a folder
  afterimage inspect --ascii --color never web.aft   # on a serial console
  afterimage inspect --linear web.aft   # plain text, for a screen reader

Keys: ? shows all of them, Enter goes deeper, Backspace back, / filters, q leaves.";

/// Walk through a capture on the terminal
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Inspect {
    /// The capture, or a folder of captures; `-` reads a pipe
    #[arg(value_name = "FILE|DIR")]
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
    /// Where to stand: an instant (as --from of view takes it), or #N for event N
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Tiles of the overview whose courses the timeline shows, by their ids, at most eight
    #[arg(long, value_name = "TILE", value_delimiter = ',')]
    mark: Vec<String>,
    /// Falco rule file for the view of alerts; may be given again
    #[arg(long, value_name = "FILE")]
    rules: Vec<PathBuf>,
    /// Of a folder: a list of indicators, one a line, to look for
    #[arg(long, value_name = "LIST")]
    ioc: Option<PathBuf>,
    /// Colours: for dark or light backgrounds, or told apart without red and green
    #[arg(long, value_name = "NAME", default_value = "dark")]
    palette: Palette,
    /// Keys of your own: a file of lines ACTION = KEY, KEY (docs/keys.md names both)
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// Line by line in plain text, for screen readers and terminals that only print
    #[arg(long)]
    linear: bool,
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

/// Colours.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Palette {
    /// For dark backgrounds
    Dark,
    /// For light backgrounds
    Light,
    /// Told apart without red and green
    Blind,
}

impl Inspect {
    /// Opens the inspector.
    pub fn run(self) -> Outcome {
        self.caching.apply();
        for id in &self.mark {
            if !TILES.iter().any(|tile| tile.id == *id) {
                return Err(Failure::usage(
                    format!("no tile is called {}", Safe::new(id)),
                    "docs/views.md lists the tiles; u in the inspector prints those that are marked",
                ));
            }
        }
        if self.mark.len() > MOST_MARKS {
            return Err(Failure::usage(
                format!("{} tiles are more than can be marked", self.mark.len()),
                format!("name at most {MOST_MARKS}"),
            ));
        }
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
            palette: match self.palette {
                Palette::Dark => theme::Palette::Dark,
                Palette::Light => theme::Palette::Light,
                Palette::Blind => theme::Palette::Blind,
            },
            linear: self.linear,
            tiles: self.mark.clone(),
            keys: self.keys.as_deref().map(own_keys).transpose()?,
            ..Options::default()
        };
        if self.file.is_dir() {
            return self.folder(options);
        }
        if self.ioc.is_some() {
            return Err(Failure::usage(
                "--ioc is for a folder of captures",
                format!("afterimage search {} --ioc LIST", shown(&self.file)),
            ));
        }
        // An instant is looked for in all of it, and what is printed line by line does not change.
        let (mut source, mut converting) = match self.at.is_none() && !self.linear {
            true => Source::open_at_once(&self.file)?,
            false => (Source::open(&self.file)?, None),
        };
        if !self.rules.is_empty() {
            source.session.set_rules(super::detect::rules(&self.rules)?);
        }
        let options = Options {
            at: match &self.at {
                Some(text) => Some(source.instant(text, Zone::Utc)?),
                None => None,
            },
            event: self
                .at
                .as_deref()
                .and_then(|text| text.strip_prefix('#')?.parse().ok()),
            path: if self.file == Path::new("-") {
                None
            } else {
                Some(self.file.clone())
            },
            ..options
        };
        begin(&self.file, source, options)?;
        if let Some(converting) = &mut converting {
            converting
                .end()
                .map_err(|error| not_opened(&self.file, &error))?;
        }
        Ok(Exit::Done)
    }
}

impl Inspect {
    /// Opens the inspector on a folder.
    fn folder(self, options: Options) -> Outcome {
        if self.at.is_some() || !options.filter.is_empty() {
            return Err(Failure::usage(
                "a filter or an instant is of one capture, and this is a folder",
                format!("afterimage search {} 'WORDS AND FILTER'", shown(&self.file)),
            ));
        }
        // What is wrong with rules is said before the screen is taken over.
        if !self.rules.is_empty() {
            super::detect::rules(&self.rules)?;
        }
        let shelf = Folder {
            indicators: self
                .ioc
                .as_deref()
                .map(super::search::indicators)
                .transpose()?,
            folder: self.file.clone(),
            rules: self.rules,
        };
        folder::run(Arc::new(shelf), options).map_err(|error| not_run(&self.file, &error))?;
        Ok(Exit::Done)
    }
}

/// Reads a file of keys.
fn own_keys(path: &Path) -> Result<Vec<Binding>, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(format!("{}: {error}", shown(path)), ""))?;
    keymap::parse(&text).map_err(|refused| {
        Failure::usage(
            format!(
                "{} line {}: {}",
                shown(path),
                refused.line,
                Safe::new(&refused.why)
            ),
            "docs/keys.md names actions and keys",
        )
    })
}

/// Opens the inspector on a capture that is open already, as it starts by default.
pub fn open(file: &Path, source: Source) -> Result<(), Failure> {
    begin(
        file,
        source,
        Options {
            name: name(file),
            path: Some(file.to_owned()),
            ..Options::default()
        },
    )
}

fn begin(file: &Path, source: Source, options: Options) -> Result<(), Failure> {
    run(source.session, options).map_err(|error| not_run(file, &error))
}

fn not_run(file: &Path, error: &Error) -> Failure {
    let instead = match file.is_dir() {
        true => format!("afterimage search {}", shown(file)),
        false => format!("afterimage view {} overview", shown(file)),
    };
    match error {
        Error::NotATerminal => Failure::new(
            "the inspector needs a terminal, and standard output is none",
            instead,
        ),
        Error::Filter(error) => bad_filter(error),
        error => Failure::new(Safe::new(&error.to_string()), ""),
    }
}

/// What the inspector calls the capture.
fn name(file: &Path) -> String {
    file.file_name()
        .map_or_else(|| shown(file), |name| shown(Path::new(name)))
}
