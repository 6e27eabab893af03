//! What is asked of a folder of captures, whoever shows the answer: its catalogue says which captures must be opened, and what
//! comes of those is put together, in bounded memory.

use crate::catalogue::{self, Opened, Walk, Went};
use crate::earliest::{At, Earliest};
use crate::failure::{Failure, shown};
use crate::found::Seen;
use crate::moment::Zone;
use afterimage_indexer::{About, Ask, Folder, Hits, Indicators, Progress, Session, Sighting, Span};
use afterimage_model::{Ctx, Safe};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// How far events of one capture may be out of the order of time, ns.
const SLACK_NS: i64 = 2_000_000_000;

/// A folder that is asked.
pub struct Many<'a> {
    /// Where.
    pub folder: &'a Path,
    /// At most this much memory, bytes.
    pub memory: u64,
    /// Indexes are not used.
    pub plain: bool,
    /// From when and until when, and in which zone that is meant.
    pub from: Option<&'a str>,
    /// Until when.
    pub to: Option<&'a str>,
    /// The zone of both.
    pub zone: Zone,
    /// The same as instants, ns since 1970: only what lies in both.
    pub span: Option<(i64, i64)>,
    /// Only events after this one.
    pub after: Option<At>,
    /// Counts captures, and ends the work.
    pub progress: Progress,
}

/// What was found in many captures.
pub struct FoundIn {
    /// The best, by capture.
    pub kept: Vec<(PathBuf, About, Hits)>,
    /// How many there are in all.
    pub total: u64,
    /// How it went.
    pub went: Went,
}

/// Turns the events of a capture into what is kept of them, and says how many bytes that takes; `None` leaves one out.
pub type Maker<'m, T> = Box<dyn FnMut(&Ctx<'_>) -> Option<(T, usize)> + 'm>;

/// The first events of many captures.
pub struct FirstEvents<T> {
    /// In the order of the clock.
    pub events: Earliest<T>,
    /// How it went.
    pub went: Went,
}

impl Many<'_> {
    fn walk(&self, events: bool) -> Walk {
        Walk {
            memory: self.memory,
            events,
            plain: self.plain,
            progress: self.progress.clone(),
        }
    }

    /// For the work on one capture: it ends with the whole, and does not count for it.
    fn inner(&self) -> Progress {
        Progress {
            cancel: self.progress.cancel.clone(),
            ..Progress::default()
        }
    }

    fn is_cancelled(&self) -> bool {
        (self.progress.cancel).load(std::sync::atomic::Ordering::Relaxed)
    }

    fn known(&self, files: &[PathBuf]) -> Folder {
        catalogue::folder(self.folder, files, self.plain)
    }

    /// Keeps what was learnt of a folder, where that is much. What cannot be kept is no reason not to answer.
    fn learn(&self, known: Folder, files: &[PathBuf]) {
        if !self.plain && !self.is_cancelled() && catalogue::is_behind(&known, files) {
            let _ = catalogue::update(known, self.folder, files);
        }
    }

    /// Which captures there are, in the order of time.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn list(&self) -> Result<(Vec<(PathBuf, About)>, Went), Failure> {
        let files = catalogue::captures(self.folder)?;
        let known = self.known(&files);
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
        Ok((rows, went))
    }

    /// What is asked for, the best of all captures; with `count_only` only how much there is.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn find(&self, ask: &Ask, number: usize, count_only: bool) -> Result<FoundIn, Failure> {
        let files = catalogue::captures(self.folder)?;
        let known = self.known(&files);
        let events =
            ask.has_conditions() || self.from.is_some() || self.to.is_some() || self.span.is_some();
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
                *chosen = !*answered || sifted.best.binary_search(&at).is_ok() && !count_only;
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
                        let hits = session.search(ask, span, number, &self.inner());
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
                    if !count_only {
                        kept.push((path.to_owned(), about, hits));
                        best(&mut kept, number);
                    }
                }
                Ok(())
            },
        )?;
        went.read += files.len() - asked.len();
        self.learn(known, &files);
        trim(&mut kept, number);
        Ok(FoundIn { kept, total, went })
    }

    /// The span asked for, in a capture of a folder.
    fn span_of(&self, session: &Session) -> Result<Span, String> {
        let first = session.span().map_or(0, |span| span.0);
        let span = crate::source::span(session.manifest(), first, self.from, self.to, self.zone);
        let span = span.map_err(|failure| failure.what)?;
        let Some((from, to)) = self.instants() else {
            return Ok(span);
        };
        let clock = session.manifest().clock;
        let boot = |ns: i64| {
            let at = i128::from(ns) - i128::from(clock.real_ns) + i128::from(clock.boot_ns);
            u64::try_from(at.max(0)).unwrap_or(u64::MAX)
        };
        let (first, last) = span.unwrap_or((0, u64::MAX));
        Ok(Some((first.max(boot(from)), last.min(boot(to)))))
    }

    /// From when to when, ns since 1970; `None` for all.
    fn instants(&self) -> Option<(i64, i64)> {
        let after = self.after.as_ref().map(|after| after.0);
        let (from, to) = self.span.unwrap_or((i64::MIN, i64::MAX));
        let asked = self.span.is_some() || after.is_some();
        asked.then(|| (after.map_or(from, |after| from.max(after)), to))
    }

    /// The first events of all captures in the order of the clock, or, with `first_only`, whether there is one. `begin` is
    /// called for each capture.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn events<T: Send>(
        &self,
        ask: &Ask,
        number: usize,
        first_only: bool,
        begin: impl for<'s> Fn(&'s Path, &'s Session) -> Result<Maker<'s, T>, String> + Sync,
    ) -> Result<FirstEvents<T>, Failure> {
        let files = catalogue::captures(self.folder)?;
        let known = self.known(&files);
        let may = known.may_have(ask).unwrap_or_default();
        // Of a capture that the catalogue knows it is known whether it is of that time at all.
        let within = |at: usize| match (
            self.instants(),
            known.about(at).and_then(|about| about.span),
        ) {
            (Some((from, to)), Some((first, last))) => first <= to && last >= from,
            _ => true,
        };
        let asked: Vec<PathBuf> = files
            .iter()
            .enumerate()
            .filter(|(at, _)| may.get(*at).copied().unwrap_or(true) && within(*at))
            .map(|(_, path)| path.clone())
            .collect();
        let earliest = Mutex::new(Earliest::new(number, self.memory));
        let mut went = self.walk(true).each(
            &asked,
            |path, opened| {
                let Opened::Capture(session) = opened else {
                    return Ok(());
                };
                let name = shown(path);
                let mut make = begin(path, session)?;
                let mut each = |ctx: &Ctx<'_>| {
                    let at = (
                        ctx.manifest.wall_ns(ctx.event.time.0),
                        name.clone(),
                        ctx.num,
                    );
                    if self.after.as_ref().is_some_and(|after| at <= *after) {
                        return true;
                    }
                    let lock = || earliest.lock().unwrap_or_else(PoisonError::into_inner);
                    if !lock().wants(&at) {
                        // Those behind it are later still, but for what another processor told a moment before.
                        return at.0.saturating_sub(SLACK_NS) < lock().last();
                    }
                    if let Some((line, bytes)) = make(ctx) {
                        lock().add(at, line, bytes);
                    }
                    !first_only
                };
                let span = self.span_of(session)?;
                session
                    .search_events(ask, span, &self.inner(), &mut each)
                    .map_err(|error| Safe::new(&error.to_string()).to_string())
            },
            |_, ()| Ok(()),
        )?;
        went.read += files.len() - asked.len();
        self.learn(known, &files);
        let events = earliest
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        Ok(FirstEvents { events, went })
    }

    /// When indicators of a list were seen, and where; in the folder, or in these files. Also how many captures answered.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn sweep(
        &self,
        list: &Indicators,
        files: Option<Vec<PathBuf>>,
    ) -> Result<(Seen, usize, Went), Failure> {
        let mut passed = 0;
        let files = match files {
            Some(files) => files,
            None => {
                let mut files = catalogue::captures(self.folder)?;
                let all = files.len();
                let known = self.known(&files);
                let may = known.may_show(list).unwrap_or_default();
                let mut may = may.into_iter();
                let learnt = files.clone();
                files.retain(|_| may.next().unwrap_or(true));
                passed = all - files.len();
                self.learn(known, &learnt);
                files
            }
        };
        let mut seen = Seen::default();
        let went = self.walk(false).each(
            &files,
            |_, opened| {
                let sightings: Vec<Sighting> = match opened {
                    Opened::Index(index) => index.sweep(list).map_err(|error| error.to_string())?,
                    Opened::Capture(session) => session.sweep(list, &self.inner()),
                };
                Ok((opened.about(), sightings))
            },
            |path, (about, sightings)| {
                seen.add(path, &about, sightings);
                Ok(())
            },
        )?;
        let answered = went.read + passed;
        Ok((seen, answered, went))
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
