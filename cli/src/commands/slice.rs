//! `afterimage slice`: a piece of a capture as a capture of its own, in which every name still resolves.

use super::When;
use crate::derived::{self, Target};
use crate::failure::{Failure, Outcome};
use crate::output::say;
use crate::source;
use afterimage_format::derive::{Recipe, containers_called};
use afterimage_indexer::{Progress, Session};
use afterimage_model::{BootNs, Ctx, Safe};
use clap::Args;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  afterimage slice web.aft -o first.aft --to +20ms
  afterimage slice web.aft -o second.aft --from +15ms
  afterimage slice web.aft -o execs.aft evt.type=execve
  afterimage slice web.aft -o one.aft --container afterimage-demo --no-sign

The slice names the capture it was cut from by its hash and is signed by who cut
it. --container leaves out everything about other containers; a filter leaves
out events, and keeps what was known of the whole.";

/// Cut a piece out of a capture, as a capture of its own
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Slice {
    /// The capture; it is only read
    file: PathBuf,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    when: When,
    /// Only this container, by name, id or the beginning of its id; may be repeated
    #[arg(long, value_name = "NAME|ID")]
    container: Vec<String>,
    /// Only events that this filter keeps, in the language of `afterimage read`
    #[arg(value_name = "FILTER")]
    filter: Vec<String>,
}

impl Slice {
    /// Cuts.
    pub fn run(self) -> Outcome {
        self.target.check()?;
        let filter = source::filter(&self.filter)?;
        let origins = derived::open(std::slice::from_ref(&self.file))?;
        let Some(origin) = origins.first() else {
            return Err(Failure::usage("no capture", "name one"));
        };
        let reader = origin.reader();
        for stranger in filter.iter().flat_map(|f| f.strangers(reader.schema())) {
            say(format_args!("afterimage: warning: {stranger}"));
        }
        let chunks = reader.chunks();
        let first = chunks.iter().map(|chunk| chunk.span.0.0).min().unwrap_or(0);
        let span = source::span(
            reader.manifest(),
            first,
            self.when.from.as_deref(),
            self.when.to.as_deref(),
            self.when.tz,
        )?;
        let containers = match self.container.is_empty() {
            true => None,
            false => Some(containers_called(reader, &self.container).map_err(|error| {
                Failure::new(
                    Safe::new(&error.to_string()),
                    "afterimage info lists the containers",
                )
            })?),
        };
        // What the slice does not show of what was done before it is there from its beginning.
        let opening = match span {
            Some((from, _)) if from > first => {
                let session = Session::from_reader(source::reader(&self.file)?);
                let instant = BootNs(from.saturating_sub(1));
                Some(session.state_at(instant, &Progress::default()).0)
            }
            _ => None,
        };
        let recipe = Recipe {
            span,
            containers,
            opening,
            ..derived::plain(&self.target, "sliced", self.said())
        };
        let (manifest, schema) = (reader.manifest().clone(), reader.schema().clone());
        let (mut first_ns, mut previous_ns) = (0, 0);
        let mut asked = filter.as_ref().map(afterimage_query::Filter::evaluator);
        let mut keep = |num: u64, event: &_, tables: &_| {
            let event: &afterimage_model::Event = event;
            if first_ns == 0 {
                (first_ns, previous_ns) = (event.time.0, event.time.0);
            }
            let wanted = asked.as_mut().is_none_or(|asked| {
                asked.matches_anew(&Ctx {
                    manifest: &manifest,
                    schema: &schema,
                    tables,
                    event,
                    num,
                    first_ns,
                    previous_ns,
                })
            });
            if wanted {
                previous_ns = event.time.0;
            }
            wanted
        };
        let files = std::slice::from_ref(&self.file);
        derived::make(&self.target, files, &origins, recipe, &mut keep)
    }

    /// What was asked for, for the custody log.
    fn said(&self) -> String {
        let mut parts = Vec::new();
        for (name, value) in [("from", &self.when.from), ("to", &self.when.to)] {
            parts.extend(value.as_ref().map(|value| format!("{name} {value}")));
        }
        parts.extend(
            self.container
                .iter()
                .map(|name| format!("container {name}")),
        );
        if !self.filter.is_empty() {
            parts.push(format!("filter {}", self.filter.join(" ")));
        }
        parts.join(", ")
    }
}
