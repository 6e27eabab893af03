//! A folder of captures as the inspector asks for it.

use crate::catalogue;
use crate::commands::detect_rules;
use crate::failure::{Failure, shown};
use crate::found;
use crate::many::{Maker, Many};
use crate::moment::Zone;
use afterimage_indexer::{About, Ask, Cell, Hit, Indicators, Kind, Progress, Session};
use afterimage_inspect_tui::folder::{Activity, Page, Place, Query, Sheet, SheetRow, Shelf};
use afterimage_model::{Ctx, FieldValue, Manifest};
use afterimage_query::FieldRef;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Things that are shown at most, and events that are told at a time.
const MOST_ROWS: usize = 1000;

/// Bytes of a text that are kept for a row.
const MOST_TEXT: usize = 400;

/// Memory for going through captures, bytes.
const MEMORY: u64 = 1 << 30;

/// A folder.
pub struct Folder {
    /// Where.
    pub folder: PathBuf,
    /// What is looked for on the page of indicators.
    pub indicators: Option<Indicators>,
    /// Rule files for the views of alerts.
    pub rules: Vec<PathBuf>,
}

fn text(bytes: impl AsRef<[u8]>) -> Cell {
    let bytes = bytes.as_ref();
    match bytes.is_empty() {
        true => Cell::Missing,
        false => Cell::Text(bytes.get(..MOST_TEXT).unwrap_or(bytes).to_vec()),
    }
}

fn number(n: u64) -> Cell {
    Cell::Number(i128::from(n))
}

fn instant(ns: Option<i64>) -> Cell {
    ns.map_or(Cell::Missing, |ns| Cell::Number(i128::from(ns)))
}

/// An instant to the millisecond, which is what an index knows.
fn moment(ns: Option<i64>) -> Cell {
    ns.map_or(Cell::Missing, |ns| {
        text(found::moment(Zone::Utc, &Manifest::default(), ns))
    })
}

/// An instant to the second, which is enough to know a capture by.
fn day(ns: Option<i64>) -> Cell {
    ns.map_or(Cell::Missing, |ns| {
        text(found::day(Zone::Utc, &Manifest::default(), ns))
    })
}

/// What a capture's row says of its being whole, and whether that is bad news.
fn integrity(about: &About) -> (&'static str, bool) {
    let gaps = about.gaps > 0 || about.missing.is_some();
    if found::has_no_seal(about) {
        return match gaps {
            false => ("no seal", false),
            true => ("no seal, gaps", true),
        };
    }
    match (about.sealed, gaps) {
        (true, false) => ("sealed, whole", false),
        (true, true) => ("sealed, with gaps", false),
        (false, false) => ("not sealed", false),
        (false, true) => ("not sealed, gaps", true),
    }
}

/// What a thing is called in one line.
fn headline(hit: &Hit) -> Vec<u8> {
    let of = |name: &str| hit.texts.iter().find(|(field, _)| *field == name);
    if hit.kind == Kind::Process
        && let Some((_, line)) = of("proc.cmdline")
    {
        return line.clone();
    }
    let place = hit.places.first().map_or(0, |place| place.0);
    hit.texts
        .get(place)
        .or(hit.texts.first())
        .map_or_else(Vec::new, |(_, text)| text.clone())
}

fn hit_row(path: &Path, name: &str, about: &About, hit: &Hit) -> SheetRow {
    let manifest = found::manifest(about);
    let (first, last) = found::between(&manifest, hit.first, hit.last);
    let at = |ns: i64| moment((hit.events > 0).then_some(ns));
    let mut by: Vec<u8> = Vec::new();
    for (process, container, _) in &hit.by {
        if !by.is_empty() {
            by.extend(b", ");
        }
        by.extend(process);
        if !container.is_empty() {
            by.extend(b" in ");
            by.extend(container);
        }
    }
    SheetRow {
        cells: vec![
            text(hit.kind.row().name),
            text(headline(hit)),
            number(hit.events),
            at(first),
            at(last),
            text(by),
            text(&about.host),
            text(name),
        ],
        place: Some(Place {
            path: path.to_owned(),
            at: (hit.events > 0).then_some(hit.first),
            event: None,
        }),
        bad: false,
    }
}

impl Folder {
    fn many(&self, query: &Query, progress: &Progress) -> Many<'_> {
        Many {
            folder: &self.folder,
            memory: MEMORY,
            plain: false,
            from: None,
            to: None,
            zone: Zone::Utc,
            span: query.span,
            after: query.after.clone(),
            progress: progress.clone(),
        }
    }

    /// What a capture is called: its path below the folder.
    fn name(&self, path: &Path) -> String {
        shown(path.strip_prefix(&self.folder).unwrap_or(path))
    }

    /// What could not be read, in a sentence.
    fn note(&self, went: &catalogue::Went) -> String {
        match went.why.first() {
            Some((_, why)) => format!(
                "{} could not be read: {why}",
                crate::units::plural(went.broken as u64, "capture")
            ),
            None if went.plain > 16 => {
                format!(
                    "{} of {} captures have no index: afterimage index makes it fast",
                    went.plain, went.read
                )
            }
            None => String::new(),
        }
    }

    fn captures(&self, query: &Query, progress: &Progress) -> Result<Sheet, Failure> {
        let (rows, went) = self.many(query, progress).list()?;
        let mut sheet = Sheet {
            note: self.note(&went),
            ..Sheet::default()
        };
        for (path, why) in &went.why {
            let mut cells = vec![Cell::Missing; 10];
            for (at, said) in [
                (0, self.name(path)),
                (5, "not readable".to_owned()),
                (9, why.clone()),
            ] {
                if let Some(cell) = cells.get_mut(at) {
                    *cell = text(said);
                }
            }
            sheet.rows.push(SheetRow {
                cells,
                place: None,
                bad: true,
            });
        }
        for (path, about) in rows {
            let (state, bad) = integrity(&about);
            let containers = about.containers.join(", ");
            let within = match (query.span, about.span) {
                (Some((from, to)), Some((first, last))) => first <= to && last >= from,
                (Some(_), None) => false,
                (None, _) => true,
            };
            let row = SheetRow {
                cells: vec![
                    text(self.name(&path)),
                    text(&about.host),
                    day(about.span.map(|span| span.0)),
                    day(about.span.map(|span| span.1)),
                    number(about.events),
                    text(state),
                    number(about.lost),
                    text(containers),
                    text(&about.trigger),
                    text(&about.reason),
                ],
                place: Some(Place {
                    path,
                    ..Place::default()
                }),
                bad,
            };
            if within {
                sheet.rows.push(row);
            }
            if let Some(span) = about.span {
                sheet.activity.push(Activity {
                    span,
                    counts: about.profile,
                    triggered: !about.trigger.is_empty(),
                    lossy: about.gaps > 0,
                });
            }
        }
        Ok(sheet)
    }

    fn found(&self, query: &Query, progress: &Progress) -> Result<Sheet, Failure> {
        let words = query.words.as_str();
        if words.is_empty() {
            return Ok(Sheet {
                empty: "nothing is searched for yet: Ctrl-F".to_owned(),
                ..Sheet::default()
            });
        }
        let ask = ask(words)?;
        let found = self.many(query, progress).find(&ask, MOST_ROWS, false)?;
        let mut rows: Vec<(u32, SheetRow)> = Vec::new();
        for (path, about, hits) in &found.kept {
            let name = self.name(path);
            rows.extend(
                hits.hits
                    .iter()
                    .map(|hit| (hit.score, hit_row(path, &name, about, hit))),
            );
        }
        rows.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
        let mut note = self.note(&found.went);
        if found.total > rows.len() as u64 {
            note = format!(
                "the best {} of {}. {note}",
                rows.len(),
                crate::units::plural(found.total, "thing")
            );
        }
        Ok(Sheet {
            rows: rows.into_iter().map(|(_, row)| row).collect(),
            note,
            ..Sheet::default()
        })
    }

    fn events(&self, query: &Query, progress: &Progress) -> Result<Sheet, Failure> {
        let words = query.words.as_str();
        let ask = match words.is_empty() {
            true => Ask::everything(),
            false => ask(words)?,
        };
        const FIELDS: [&str; 5] = [
            "container.name",
            "proc.name",
            "evt.type",
            "fd.name",
            "evt.args",
        ];
        let found =
            self.many(query, progress)
                .events(&ask, MOST_ROWS, false, |path, session| {
                    let fields = FIELDS.map(|name| FieldRef::parse(name).ok());
                    let (name, host) = (self.name(path), session.manifest().host.clone());
                    let make = move |ctx: &Ctx<'_>| {
                        let [container, process, ty, file, args] = fields.each_ref().map(|field| {
                            let value: Option<FieldValue<'_>> =
                                field.as_ref().and_then(|field| field.value(ctx));
                            value.map_or(Cell::Missing, |value| text(value.text()))
                        });
                        let what = if file == Cell::Missing { args } else { file };
                        let row = SheetRow {
                            cells: vec![
                                instant(Some(ctx.manifest.wall_ns(ctx.event.time.0))),
                                text(&host),
                                container,
                                process,
                                ty,
                                what,
                                text(&name),
                            ],
                            place: Some(Place {
                                path: path.to_owned(),
                                at: None,
                                event: Some(ctx.num),
                            }),
                            bad: ctx.event.errno().is_some(),
                        };
                        // Two texts that may be long, and the rest.
                        Some((row, 2 * MOST_TEXT + 512))
                    };
                    Ok(Box::new(make) as Maker<'_, SheetRow>)
                })?;
        let more = found.events.is_cut().then(|| found.events.all().last());
        let more = more.flatten().map(|(at, _)| at.clone());
        Ok(Sheet {
            rows: found.events.all().map(|(_, row)| row.clone()).collect(),
            note: self.note(&found.went),
            more,
            ..Sheet::default()
        })
    }

    fn indicators(&self, progress: &Progress) -> Result<Sheet, Failure> {
        let Some(list) = &self.indicators else {
            return Ok(Sheet {
                empty: "no list of indicators was given: afterimage inspect DIR --ioc LIST"
                    .to_owned(),
                ..Sheet::default()
            });
        };
        let (seen, _, went) = self.many(&Query::default(), progress).sweep(list, None)?;
        let rows = seen.all().filter_map(|((at, host), seen)| {
            let (sort, indicator) = list.get(*at)?;
            let (what, path) = match &seen.example {
                Some((_, what, path)) => (what.as_slice(), Some(path)),
                None => (&b""[..], None),
            };
            Some(SheetRow {
                cells: vec![
                    text(indicator),
                    text(sort.name()),
                    text(host),
                    moment(seen.first),
                    moment(seen.last),
                    number(seen.events),
                    number(seen.captures),
                    text(what),
                    path.map_or(Cell::Missing, |path| text(self.name(path))),
                ],
                place: path.map(|path| Place {
                    path: path.clone(),
                    ..Place::default()
                }),
                bad: false,
            })
        });
        Ok(Sheet {
            rows: rows.collect(),
            note: self.note(&went),
            empty: format!(
                "none of {} was seen",
                crate::units::plural(list.len() as u64, "indicator")
            ),
            ..Sheet::default()
        })
    }
}

fn ask(words: &str) -> Result<Ask, Failure> {
    Ask::parse(words).map_err(|error| Failure::new(error.to_string(), ""))
}

impl Shelf for Folder {
    fn sheet(&self, page: Page, query: &Query, progress: &Progress) -> Result<Sheet, String> {
        let sheet = match page {
            Page::Captures => self.captures(query, progress),
            Page::Found => self.found(query, progress),
            Page::Events => self.events(query, progress),
            Page::Indicators => self.indicators(progress),
        };
        sheet.map_err(|failure| failure.what)
    }

    fn look(&self) -> Option<u64> {
        let mut hasher = DefaultHasher::new();
        for path in catalogue::captures(&self.folder).ok()? {
            // What is gone by now is not there the next time.
            if let Ok(meta) = path.symlink_metadata() {
                let what = (meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec());
                (path, what).hash(&mut hasher);
            }
        }
        Some(hasher.finish())
    }

    fn open(&self, place: &Place) -> Result<Session, String> {
        let mut session = catalogue::capture_with_index(&place.path)?;
        if !self.rules.is_empty() {
            session.set_rules(detect_rules(&self.rules).map_err(|failure| failure.what)?);
        }
        Ok(session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_events_of_a_folder_come_a_thousand_at_a_time_and_none_is_left_out_or_told_twice() {
        let folder = Folder {
            folder: Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/v1"),
            indicators: None,
            rules: Vec::new(),
        };
        let progress = Progress::default();
        let all = folder.many(&Query::default(), &progress);
        let (captures, _) = all.list().expect("the folder is read");
        let events: u64 = captures.iter().map(|(_, about)| about.events).sum();
        let mut query = Query::default();
        let mut seen = std::collections::HashSet::new();
        let mut last = i128::MIN;
        loop {
            let sheet = folder
                .sheet(Page::Events, &query, &progress)
                .expect("it is told");
            assert!(sheet.rows.len() <= MOST_ROWS);
            for row in &sheet.rows {
                let place = row.place.clone().expect("each leads to its event");
                assert!(seen.insert((place.path, place.event)));
                let Some(Cell::Number(at)) = row.cells.first() else {
                    panic!("{row:?}");
                };
                assert!(last <= *at);
                last = *at;
            }
            query.after = sheet.more;
            if query.after.is_none() {
                break;
            }
        }
        assert!(
            events > 2000 && seen.len() as u64 == events,
            "{events} {}",
            seen.len()
        );
    }
}
