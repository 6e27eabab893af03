//! Searching a folder, and showing the answer.

use super::Search;
use crate::failure::{Exit, Outcome, shown};
use crate::found;
use crate::layout::Layout;
use crate::many::{Maker, Many};
use crate::output::{Output, say};
use crate::units::plural;
use afterimage_indexer::{Ask, Indicators, Progress, Session};
use afterimage_model::{Ctx, Safe};
use std::io::Write;
use std::path::Path;

impl Search {
    fn many(&self) -> Many<'_> {
        Many {
            folder: &self.place,
            memory: self.memory,
            plain: self.no_index,
            from: self.when.from.as_deref(),
            to: self.when.to.as_deref(),
            zone: self.when.tz,
            span: None,
            after: None,
            progress: Progress::default(),
        }
    }

    /// Which captures there are.
    pub(super) fn list(&self, out: &mut Output) -> Outcome {
        let (rows, went) = self.many().list()?;
        if !self.quiet {
            found::catalogue(out, &self.place, &rows, self.when.tz, self.json)?;
        }
        out.flush()?;
        Ok(went.report(true))
    }

    /// In every capture of a folder.
    pub(super) fn folder(&self, out: &mut Output, ask: &Ask) -> Outcome {
        if self.events {
            return self.merged_events(out, ask);
        }
        let found = self.many().find(ask, self.number(), self.quiet)?;
        if self.quiet {
            return Ok(if found.total > 0 {
                Exit::Done
            } else {
                Exit::Failed
            });
        }
        let shown_hits: usize = found.kept.iter().map(|(_, _, hits)| hits.hits.len()).sum();
        if found.total > shown_hits as u64 && !self.json {
            say(format_args!(
                "afterimage: the best {shown_hits} of {}",
                plural(found.total, "thing")
            ));
        }
        for (path, about, hits) in &found.kept {
            let manifest = found::manifest(about);
            if self.json {
                for hit in &hits.hits {
                    writeln!(out, "{}", found::json(hit, &manifest, Some(path)))?;
                }
                continue;
            }
            let host = Safe::new(&about.host).to_string();
            let line = format!(
                "{} ({host}): {}",
                shown(path),
                plural(hits.found as u64, "thing")
            );
            let line = out.bold(&line);
            writeln!(out, "{line}")?;
            found::write(out, &hits.hits, &manifest, self.when.tz, self.by)?;
        }
        out.flush()?;
        Ok(found.went.report(true))
    }

    /// The first events of all captures of a folder in the order of the clock.
    fn merged_events(&self, out: &mut Output, ask: &Ask) -> Outcome {
        let found = self
            .many()
            .events(ask, self.number(), self.quiet, |path, session| {
                self.line_maker(path, session)
            })?;
        let events = &found.events;
        if self.quiet {
            return Ok(match events.is_empty() {
                true => Exit::Failed,
                false => Exit::Done,
            });
        }
        if events.is_cut() {
            say(format_args!(
                "afterimage: these are the first {}; -n or --memory gives more",
                plural(events.len() as u64, "event")
            ));
        }
        for (_, line) in events.all() {
            writeln!(out, "{line}")?;
        }
        out.flush()?;
        Ok(found.went.report(true))
    }

    /// Makes the lines of the events of a capture.
    fn line_maker<'s>(
        &self,
        path: &'s Path,
        session: &'s Session,
    ) -> Result<Maker<'s, String>, String> {
        if self.json {
            let fields = crate::commands::read::json_fields(session.schema());
            return Ok(Box::new(move |ctx: &Ctx<'_>| {
                let line = with_capture(path, crate::commands::read::json_line(ctx, &fields));
                let bytes = line.len();
                Some((line, bytes))
            }));
        }
        let layout = match session.schema().has_entries() {
            true => Layout::with_directions(self.format.as_deref(), self.look, self.when.tz),
            false => Layout::parse(self.format.as_deref(), self.look, self.when.tz),
        };
        let layout = layout.map_err(|failure| failure.what)?;
        let name = shown(path);
        Ok(Box::new(move |ctx: &Ctx<'_>| {
            let mut line = format!("{name}: ");
            let printed = layout.line(ctx, &mut line);
            let bytes = line.len();
            printed.then_some((line, bytes))
        }))
    }

    /// When indicators of a list were seen, and where.
    pub(super) fn sweep(&self, out: &mut Output, list: &Indicators, many: bool) -> Outcome {
        let files = (!many).then(|| vec![self.place.clone()]);
        let (seen, answered, went) = self.many().sweep(list, files)?;
        if self.quiet {
            return Ok(if seen.is_empty() {
                Exit::Failed
            } else {
                Exit::Done
            });
        }
        seen.write(out, list, self.when.tz, self.json)?;
        if !self.json {
            out.flush()?;
            say(format_args!(
                "afterimage: {} of {} seen in {}",
                seen.indicators(),
                plural(list.len() as u64, "indicator"),
                plural(answered as u64, "capture")
            ));
        }
        out.flush()?;
        Ok(went.report(true))
    }
}

/// The JSON object of an event, with the name of its capture before the rest.
fn with_capture(path: &Path, object: String) -> String {
    let mut head = crate::json::Object::new();
    head.text("capture", path.as_os_str().as_encoded_bytes());
    let head = head.end();
    match (head.strip_suffix('}'), object.strip_prefix('{')) {
        (Some(head), Some(rest)) => format!("{head},{rest}"),
        _ => object,
    }
}
