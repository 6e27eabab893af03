//! Searching a folder: its catalogue says which captures must be opened, and what comes of those is put together.

use super::Search;
use crate::catalogue::{self, Opened, Walk};
use crate::earliest::Earliest;
use crate::failure::{Exit, Outcome, shown};
use crate::found;
use crate::layout::Layout;
use crate::output::{Output, say};
use crate::units::plural;
use afterimage_indexer::{About, Ask, Folder, Hits, Indicators, Progress, Session, Sighting};
use afterimage_model::{Ctx, Safe};
use std::collections::HashSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

impl Search {
    fn walk(&self, events: bool) -> Walk {
        Walk {
            memory: self.memory,
            events,
            plain: self.no_index,
        }
    }

    /// Which captures there are.
    pub(super) fn list(&self, out: &mut Output) -> Outcome {
        let files = catalogue::captures(&self.place)?;
        let known = catalogue::folder(&self.place, &files, self.no_index);
        let mut rows: Vec<(PathBuf, About)> = Vec::new();
        let mut others = Vec::new();
        for (at, path) in files.iter().enumerate() {
            match known.about(at) {
                Some(about) => rows.push((path.clone(), about.clone())),
                None => others.push(path.clone()),
            }
        }
        let mut went = self.walk(false).each(
            &others,
            |_, opened| Ok(opened.about()),
            |path, about| {
                rows.push((path.to_owned(), about));
                Ok(())
            },
        )?;
        went.read += files.len() - others.len();
        self.learn(known, &files);
        rows.sort_by(|a, b| a.1.span.cmp(&b.1.span).then_with(|| a.0.cmp(&b.0)));
        if !self.quiet {
            found::catalogue(out, &self.place, &rows, self.when.tz, self.json)?;
        }
        out.flush()?;
        Ok(went.report(true))
    }

    /// Keeps what was learnt of a folder, where that is much. What cannot be kept is no reason not to answer.
    fn learn(&self, known: Folder, files: &[PathBuf]) {
        if !self.no_index && catalogue::is_behind(&known, files) {
            let _ = catalogue::update(known, &self.place, files);
        }
    }

    /// In every capture of a folder.
    pub(super) fn folder(&self, out: &mut Output, ask: &Ask) -> Outcome {
        let files = catalogue::captures(&self.place)?;
        let known = catalogue::folder(&self.place, &files, self.no_index);
        if self.events {
            return self.merged_events(out, ask, files, known);
        }
        let (number, quiet) = (self.number, self.quiet);
        let events = ask.has_conditions() || self.when.from.is_some() || self.when.to.is_some();
        // Which captures must be looked into. What the catalogue answers for is counted already.
        let mut total = 0u64;
        let mut answered = vec![false; files.len()];
        let mut chosen = vec![true; files.len()];
        if events {
            chosen = known.may_have(ask).unwrap_or(chosen);
        } else if let Ok(sifted) = known.search(ask, number) {
            total = sifted.found;
            for (at, (answered, chosen)) in answered.iter_mut().zip(&mut chosen).enumerate() {
                *answered = known.has_things(at);
                *chosen = !*answered || sifted.best.binary_search(&at).is_ok() && !quiet;
            }
        }
        let (mut asked, mut is_answered) = (Vec::new(), HashSet::new());
        for ((path, chosen), answered) in files.iter().zip(chosen).zip(answered) {
            if chosen {
                asked.push(path.clone());
            }
            if answered {
                is_answered.insert(path.as_path());
            }
        }
        let mut kept: Vec<(PathBuf, About, Hits)> = Vec::new();
        let mut went = self.walk(events).each(
            &asked,
            |_, opened| {
                let hits = match opened {
                    Opened::Index(index) => index
                        .search(ask, number)
                        .map_err(|error| error.to_string())?,
                    Opened::Capture(session) => {
                        let span = self.span_of(session)?;
                        let progress = Progress::default();
                        let hits = session.search(ask, span, number, &progress);
                        hits.map_err(|error| Safe::new(&error.to_string()).to_string())?
                    }
                };
                Ok((hits.found > 0).then(|| (opened.about(), hits)))
            },
            |path, found| {
                if let Some((about, hits)) = found {
                    if !is_answered.contains(path) {
                        total += hits.found as u64;
                    }
                    if !quiet {
                        kept.push((path.to_owned(), about, hits));
                        best(&mut kept, number);
                    }
                }
                Ok(())
            },
        )?;
        went.read += files.len() - asked.len();
        self.learn(known, &files);
        if quiet {
            return Ok(if total > 0 { Exit::Done } else { Exit::Failed });
        }
        trim(&mut kept, number);
        let shown_hits: usize = kept.iter().map(|(_, _, hits)| hits.hits.len()).sum();
        if total > shown_hits as u64 && !self.json {
            say(format_args!(
                "afterimage: the best {shown_hits} of {}",
                plural(total, "thing")
            ));
        }
        for (path, about, hits) in &kept {
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
        Ok(went.report(true))
    }

    /// The span asked for, in a capture of a folder.
    fn span_of(&self, session: &Session) -> Result<afterimage_indexer::Span, String> {
        let first = session.span().map_or(0, |span| span.0);
        let span = crate::source::span(
            session.manifest(),
            first,
            self.when.from.as_deref(),
            self.when.to.as_deref(),
            self.when.tz,
        );
        span.map_err(|failure| failure.what)
    }

    /// The first events of all captures of a folder in the order of the clock.
    fn merged_events(
        &self,
        out: &mut Output,
        ask: &Ask,
        files: Vec<PathBuf>,
        known: Folder,
    ) -> Outcome {
        let may = known.may_have(ask).unwrap_or_default();
        let asked: Vec<PathBuf> = files
            .iter()
            .enumerate()
            .filter(|(at, _)| may.get(*at).copied().unwrap_or(true))
            .map(|(_, path)| path.clone())
            .collect();
        let earliest = Mutex::new(Earliest::new(self.number, self.memory));
        let mut went = self.walk(true).each(
            &asked,
            |path, opened| {
                let Opened::Capture(session) = opened else {
                    return Ok(());
                };
                self.gather_events(path, session, ask, &earliest)
            },
            |_, ()| Ok(()),
        )?;
        went.read += files.len() - asked.len();
        self.learn(known, &files);
        let earliest = earliest
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        if self.quiet {
            return Ok(match earliest.is_empty() {
                true => Exit::Failed,
                false => Exit::Done,
            });
        }
        if earliest.is_cut() {
            say(format_args!(
                "afterimage: these are the first {}; -n or --memory gives more",
                plural(earliest.len() as u64, "event")
            ));
        }
        for line in earliest.lines() {
            writeln!(out, "{line}")?;
        }
        out.flush()?;
        Ok(went.report(true))
    }

    fn gather_events(
        &self,
        path: &Path,
        session: &Session,
        ask: &Ask,
        earliest: &Mutex<Earliest>,
    ) -> Result<(), String> {
        let layout = match session.schema().has_entries() {
            true => Layout::with_directions(self.format.as_deref(), self.look, self.when.tz),
            false => Layout::parse(self.format.as_deref(), self.look, self.when.tz),
        };
        let layout = layout.map_err(|failure| failure.what)?;
        let fields = crate::commands::read::json_fields(session.schema());
        let name = shown(path);
        let mut each = |ctx: &Ctx<'_>| {
            let at = (
                ctx.manifest.wall_ns(ctx.event.time.0),
                name.clone(),
                ctx.num,
            );
            let lock = || earliest.lock().unwrap_or_else(PoisonError::into_inner);
            if !lock().wants(&at) {
                // Those behind it are later still, but for what another processor told a moment before.
                return at.0.saturating_sub(SLACK_NS) < lock().last();
            }
            let mut line = String::new();
            let printed = match self.json {
                true => {
                    let object = crate::commands::read::json_line(ctx, &fields);
                    let mut head = crate::json::Object::new();
                    head.text("capture", path.as_os_str().as_encoded_bytes());
                    let head = head.end();
                    let both = (head.strip_suffix('}'), object.strip_prefix('{'));
                    line = match both {
                        (Some(head), Some(rest)) => format!("{head},{rest}"),
                        _ => object,
                    };
                    true
                }
                false => layout.line(ctx, &mut line),
            };
            if printed {
                let line = match self.json {
                    true => line,
                    false => format!("{name}: {line}"),
                };
                lock().add(at, line);
            }
            !self.quiet
        };
        let span = self.span_of(session)?;
        session
            .search_events(ask, span, &Progress::default(), &mut each)
            .map_err(|error| Safe::new(&error.to_string()).to_string())
    }

    /// When indicators of a list were seen, and where.
    pub(super) fn sweep(&self, out: &mut Output, list: &Indicators, many: bool) -> Outcome {
        let mut files = vec![self.place.clone()];
        let mut passed = 0;
        if many {
            files = catalogue::captures(&self.place)?;
            let all = files.len();
            let known = catalogue::folder(&self.place, &files, self.no_index);
            let may = known.may_show(list).unwrap_or_default();
            let mut may = may.into_iter();
            let learnt = files.clone();
            files.retain(|_| may.next().unwrap_or(true));
            passed = all - files.len();
            self.learn(known, &learnt);
        }
        let mut seen = found::Seen::default();
        let went = self.walk(false).each(
            &files,
            |_, opened| {
                let sightings: Vec<Sighting> = match opened {
                    Opened::Index(index) => index.sweep(list).map_err(|error| error.to_string())?,
                    Opened::Capture(session) => session.sweep(list, &Progress::default()),
                };
                Ok((opened.about(), sightings))
            },
            |path, (about, sightings)| {
                seen.add(path, &about, sightings);
                Ok(())
            },
        )?;
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
                plural((went.read + passed) as u64, "capture")
            ));
        }
        out.flush()?;
        Ok(went.report(true))
    }
}

/// Leaves the best hits of all captures now and then.
fn best(kept: &mut Vec<(PathBuf, About, Hits)>, number: usize) {
    let all: usize = kept.iter().map(|(_, _, hits)| hits.hits.len()).sum();
    if all > number.saturating_mul(2) {
        trim(kept, number);
    }
}

/// Leaves the best hits of all captures, and captures that still have some.
fn trim(kept: &mut Vec<(PathBuf, About, Hits)>, number: usize) {
    let mut scores: Vec<u32> = kept
        .iter()
        .flat_map(|(_, _, hits)| hits.hits.iter().map(|hit| hit.score))
        .collect();
    scores.sort_unstable_by_key(|score| std::cmp::Reverse(*score));
    let least = match number.checked_sub(1) {
        Some(last) => scores.get(last).copied().unwrap_or(0),
        None => u32::MAX,
    };
    let above = scores.iter().filter(|score| **score > least).count();
    let mut equal = number - above.min(number);
    for (_, _, hits) in kept.iter_mut() {
        hits.hits.retain(|hit| {
            let keep = hit.score > least || hit.score == least && equal > 0;
            equal -= usize::from(keep && hit.score == least);
            keep
        });
    }
    kept.retain(|(_, _, hits)| !hits.hits.is_empty());
}

/// How far events of one capture may be out of the order of time, ns.
const SLACK_NS: i64 = 2_000_000_000;
