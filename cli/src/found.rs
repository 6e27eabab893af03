//! How what was found is shown: hits with their places marked, the catalogue of a folder, indicators and when they were seen.

use crate::commands::By;
use crate::failure::{Failure, shown};
use crate::json::Object;
use crate::moment::Zone;
use crate::output::Output;
use crate::table::{Align, Table};
use crate::units::plural;
use afterimage_indexer::{About, Hit, Indicators, Kind, Sighting};
use afterimage_model::time::Civil;
use afterimage_model::{ClockPair, Manifest, Safe};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Bytes of a text that are shown around the first place.
const AROUND: usize = 120;

/// As much of a manifest as dates need.
pub fn manifest(about: &About) -> Manifest {
    Manifest {
        host: about.host.clone(),
        clock: ClockPair {
            real_ns: about.boot_ns,
            ..ClockPair::default()
        },
        ..Manifest::default()
    }
}

/// A text with its places marked, cut to what is around the first.
fn snippet(out: &Output, text: &[u8], places: &[&Range<usize>]) -> String {
    let first = places.first().map_or(0, |place| place.start);
    let from = if text.len() > 2 * AROUND {
        first.saturating_sub(AROUND / 2)
    } else {
        0
    };
    let to = text.len().min(from + 2 * AROUND);
    let mut line = String::new();
    if from > 0 {
        line.push('…');
    }
    let mut at = from;
    for place in places {
        let (start, end) = (place.start.max(at), place.end.min(to));
        if start >= end {
            continue;
        }
        line.push_str(&Safe::new(text.get(at..start).unwrap_or_default()).to_string());
        let marked = Safe::new(text.get(start..end).unwrap_or_default()).to_string();
        line.push_str(&out.good(&marked));
        at = end;
    }
    line.push_str(&Safe::new(text.get(at..to).unwrap_or_default()).to_string());
    if to < text.len() {
        line.push('…');
    }
    line
}

/// What a hit is called: the texts in which something was found; of a process always its command line.
fn headline(out: &Output, hit: &Hit) -> String {
    let places_of = |at: usize| {
        let mut places: Vec<&Range<usize>> = hit
            .places
            .iter()
            .filter(|(text, _)| *text == at)
            .map(|(_, place)| place)
            .collect();
        places.sort_by_key(|place| place.start);
        places
    };
    let mut parts = Vec::new();
    for (at, (name, text)) in hit.texts.iter().enumerate() {
        let places = places_of(at);
        let usual = hit.kind == Kind::Process && *name == "proc.cmdline" || hit.texts.len() == 1;
        // The name is in the command line already.
        let again = hit.kind == Kind::Process && *name == "proc.name";
        if usual || !places.is_empty() && !again || hit.places.is_empty() && !again {
            let text = snippet(out, text, &places);
            parts.push(match usual {
                true => text,
                false => format!("{name}={text}"),
            });
        }
    }
    parts.join("  ")
}

/// First and last instant of what was found, ns since 1970, at whole milliseconds: an index knows them no better, so they are rounded
/// outwards, and no event is before the first or after the last.
pub fn between(manifest: &Manifest, first: u64, last: u64) -> (i64, i64) {
    const MS: i64 = 1_000_000;
    let (first, last) = (manifest.wall_ns(first), manifest.wall_ns(last));
    let up = last.saturating_add(last.wrapping_neg().rem_euclid(MS));
    (first.saturating_sub(first.rem_euclid(MS)), up)
}

/// A date and a time to the millisecond.
pub fn moment(zone: Zone, manifest: &Manifest, ns: i64) -> String {
    let at = zone.civil(manifest, ns);
    let date = format!("{:04}-{:02}-{:02}", at.year, at.month, at.day);
    format!("{date} {}", at.time_to_ms())
}

/// As programs read it: ISO 8601, to the millisecond.
fn iso(ns: i64) -> String {
    format!(
        "{}+0000",
        moment(Zone::Utc, &Manifest::default(), ns).replace(' ', "T")
    )
}

fn when(hit: &Hit, manifest: &Manifest, zone: Zone) -> String {
    if hit.events == 0 {
        return "no event is about it".to_owned();
    }
    let (first, last) = between(manifest, hit.first, hit.last);
    let (first, last) = (moment(zone, manifest, first), moment(zone, manifest, last));
    // The day is said again only where it is another one.
    let (day, _) = first.split_once(' ').unwrap_or_default();
    let last = last.strip_prefix(day).map_or(last.as_str(), str::trim);
    format!("{}, {first} to {last}", plural(hit.events, "event"))
}

fn who(hit: &Hit) -> String {
    if hit.by.is_empty() || hit.kind == Kind::Process && hit.by.len() == 1 {
        let container = hit.by.first().filter(|by| !by.1.is_empty());
        return container.map_or(String::new(), |by| format!(" in {}", Safe::new(&by.1)));
    }
    let all: u64 = hit.by.iter().map(|by| by.2).fold(0, u64::saturating_add);
    let names = hit
        .by
        .iter()
        .map(|(process, container, _)| match container.is_empty() {
            true => Safe::new(process).to_string(),
            false => format!("{} in {}", Safe::new(process), Safe::new(container)),
        });
    let names: Vec<String> = names.collect();
    let others = if all < hit.events { ", and others" } else { "" };
    format!(", by {}{others}", names.join(", "))
}

fn one(
    out: &mut Output,
    hit: &Hit,
    manifest: &Manifest,
    zone: Zone,
    indent: &str,
) -> io::Result<()> {
    let kind = format!("{:<9}", hit.kind.row().name);
    let head = headline(out, hit);
    writeln!(out, "{indent}{kind} {head}")?;
    writeln!(
        out,
        "{indent}          {}{}",
        when(hit, manifest, zone),
        who(hit)
    )
}

/// Hits as text, best first, or under those who had to do with them.
pub fn write(
    out: &mut Output,
    hits: &[Hit],
    manifest: &Manifest,
    zone: Zone,
    by: Option<By>,
) -> io::Result<()> {
    let Some(by) = by else {
        for hit in hits {
            one(out, hit, manifest, zone, "")?;
        }
        return Ok(());
    };
    let mut groups: BTreeMap<String, Vec<&Hit>> = BTreeMap::new();
    for hit in hits {
        let names = hit.by.iter().map(|(process, container, _)| {
            let container = match container.is_empty() {
                true => "host".to_owned(),
                false => Safe::new(container).to_string(),
            };
            match by {
                By::Process => format!("{} ({container})", Safe::new(process)),
                By::Container => container,
            }
        });
        let mut names: Vec<String> = names.collect();
        names.dedup();
        if names.is_empty() {
            names.push("the capture".to_owned());
        }
        for name in names {
            groups.entry(name).or_default().push(hit);
        }
    }
    for (name, hits) in groups {
        let name = out.bold(&name);
        writeln!(out, "{name}")?;
        for hit in hits {
            one(out, hit, manifest, zone, "  ")?;
        }
    }
    Ok(())
}

/// A hit as a JSON object.
pub fn json(hit: &Hit, manifest: &Manifest, capture: Option<&Path>) -> String {
    let mut object = Object::new();
    if let Some(capture) = capture {
        object.text("capture", capture.as_os_str().as_encoded_bytes());
        object.text("host", &manifest.host);
    }
    object
        .text("kind", hit.kind.row().name)
        .number("score", hit.score)
        .number("events", hit.events);
    if hit.events > 0 {
        let (first, last) = between(manifest, hit.first, hit.last);
        object.text("first", iso(first)).text("last", iso(last));
    }
    for (name, text) in &hit.texts {
        object.text(name, text);
    }
    let places = hit
        .places
        .iter()
        .filter_map(|(at, place)| hit.texts.get(*at)?.1.get(place.clone()));
    object.texts("found", places);
    let by: Vec<String> = hit
        .by
        .iter()
        .map(|(process, container, count)| {
            let mut who = Object::new();
            who.text("proc.name", process);
            if !container.is_empty() {
                who.text("container.name", container);
            }
            who.number("events", *count);
            who.end()
        })
        .collect();
    object.raw("by", &format!("[{}]", by.join(",")));
    object.end()
}

/// Whether it is the capture of a program that seals nothing: ours all have an id.
pub fn has_no_seal(about: &About) -> bool {
    !about.sealed && about.capture_id.is_empty()
}

/// An instant to the second.
pub fn day(zone: Zone, manifest: &Manifest, ns: i64) -> String {
    let c = zone.civil(manifest, ns);
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        c.year, c.month, c.day, c.hour, c.minute, c.second
    )
}

/// The captures of a folder.
pub fn catalogue(
    out: &mut Output,
    folder: &Path,
    rows: &[(PathBuf, About)],
    zone: Zone,
    as_json: bool,
) -> io::Result<()> {
    if as_json {
        for (path, about) in rows {
            let mut object = Object::new();
            object
                .text("capture", path.as_os_str().as_encoded_bytes())
                .text("id", &about.capture_id)
                .text("host", &about.host)
                .texts("containers", &about.containers)
                .text("trigger", &about.trigger)
                .truth("sealed", about.sealed)
                .number("events", about.events)
                .number("gaps", about.gaps)
                .number("lost", about.lost);
            if let Some((from, to)) = about.span {
                object
                    .text("first", Civil::from_unix_ns(from).iso8601())
                    .text("last", Civil::from_unix_ns(to).iso8601());
            }
            writeln!(out, "{}", object.end())?;
        }
        return Ok(());
    }
    let mut table = Table::new([
        ("Capture", Align::Left),
        ("Host", Align::Left),
        ("From", Align::Left),
        ("To", Align::Left),
        ("Events", Align::Right),
        ("State", Align::Left),
        ("Lost", Align::Right),
        ("Containers", Align::Left),
        ("Trigger", Align::Left),
    ]);
    for (path, about) in rows {
        let manifest = manifest(about);
        let at = |ns: Option<i64>| ns.map_or(String::new(), |ns| day(zone, &manifest, ns));
        let gaps = if about.gaps == 0 {
            "whole"
        } else {
            "with gaps"
        };
        let state = if about.sealed {
            format!("sealed, {gaps}")
        } else if has_no_seal(about) {
            "no seal".to_owned()
        } else {
            "not sealed".to_owned()
        };
        table.row([
            shown(path.strip_prefix(folder).unwrap_or(path)),
            Safe::new(&about.host).to_string(),
            at(about.span.map(|span| span.0)),
            at(about.span.map(|span| span.1)),
            about.events.to_string(),
            state,
            about.lost.to_string(),
            Safe::new(&about.containers.join(", ")).to_string(),
            Safe::new(&about.trigger).to_string(),
        ]);
    }
    table.write(out)
}

/// An indicator on a host.
#[derive(Default)]
pub struct SeenOn {
    /// Events about it.
    pub events: u64,
    /// First and last of them, ns since 1970.
    pub first: Option<i64>,
    /// The last of them.
    pub last: Option<i64>,
    /// Captures with it.
    pub captures: u64,
    /// What it was seen in, and in which capture first.
    pub example: Option<(Kind, Vec<u8>, PathBuf)>,
}

/// When indicators were seen on which host.
#[derive(Default)]
pub struct Seen(BTreeMap<(usize, String), SeenOn>);

impl Seen {
    /// Adds what was seen in one capture.
    pub fn add(&mut self, path: &Path, about: &About, sightings: Vec<Sighting>) {
        let manifest = manifest(about);
        for sighting in sightings {
            let seen = self
                .0
                .entry((sighting.indicator, about.host.clone()))
                .or_default();
            seen.events = seen.events.saturating_add(sighting.events);
            seen.captures += 1;
            if sighting.events > 0 {
                let (first, last) = between(&manifest, sighting.first, sighting.last);
                seen.first = Some(seen.first.map_or(first, |have| have.min(first)));
                seen.last = Some(seen.last.map_or(last, |have| have.max(last)));
            }
            if seen.example.is_none()
                && let Some((kind, text)) = sighting.seen_in
            {
                seen.example = Some((kind, text, path.to_owned()));
            }
        }
    }

    /// What was seen, by the place of the indicator in its list and by host.
    pub fn all(&self) -> impl Iterator<Item = (&(usize, String), &SeenOn)> {
        self.0.iter()
    }

    /// Whether nothing was seen.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many indicators were seen.
    pub fn indicators(&self) -> usize {
        let mut all: Vec<usize> = self.0.keys().map(|key| key.0).collect();
        all.dedup();
        all.len()
    }

    /// Prints.
    pub fn write(
        &self,
        out: &mut Output,
        list: &Indicators,
        zone: Zone,
        as_json: bool,
    ) -> Result<(), Failure> {
        let mut table = Table::new([
            ("Indicator", Align::Left),
            ("Kind", Align::Left),
            ("Host", Align::Left),
            ("First", Align::Left),
            ("Last", Align::Left),
            ("Events", Align::Right),
            ("Captures", Align::Right),
            ("In", Align::Left),
            ("First capture", Align::Left),
        ]);
        for ((at, host), seen) in &self.0 {
            let Some((sort, text)) = list.get(*at) else {
                continue;
            };
            let (kind, what, path) = match &seen.example {
                Some((kind, what, path)) => (kind.row().name, what.as_slice(), path.as_path()),
                None => ("", &b""[..], Path::new("")),
            };
            if as_json {
                let mut object = Object::new();
                object
                    .text("indicator", text)
                    .text("kind", sort.name())
                    .text("host", host);
                if let (Some(first), Some(last)) = (seen.first, seen.last) {
                    object.text("first", iso(first)).text("last", iso(last));
                }
                object
                    .number("events", seen.events)
                    .number("captures", seen.captures)
                    .text("in", kind)
                    .text("text", what)
                    .text("capture", path.as_os_str().as_encoded_bytes());
                writeln!(out, "{}", object.end())?;
                continue;
            }
            let date = |ns: Option<i64>| {
                ns.map_or(String::new(), |ns| moment(zone, &Manifest::default(), ns))
            };
            let shown_text = what.get(..what.len().min(AROUND)).unwrap_or_default();
            table.row([
                Safe::new(text).to_string(),
                sort.name().to_owned(),
                Safe::new(host).to_string(),
                date(seen.first),
                date(seen.last),
                seen.events.to_string(),
                seen.captures.to_string(),
                format!("{kind} {}", Safe::new(shown_text)),
                shown(path),
            ]);
        }
        if !as_json {
            table.write(out)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_index_knows_to_the_millisecond_is_told_so_and_around_the_events() {
        // The clock says something between two milliseconds when those since boot are whole.
        let clock = ClockPair {
            boot_ns: 5_000_000,
            mono_ns: 5_000_000,
            real_ns: 1_700_000_000_590_437_148,
        };
        let manifest = Manifest {
            clock,
            ..Manifest::default()
        };
        let (first, last) = between(&manifest, 5_000_000, 7_000_000);
        assert_eq!(first, 1_700_000_000_590_000_000);
        assert_eq!(last, 1_700_000_000_593_000_000);
        assert_eq!(iso(first), "2023-11-14T22:13:20.590+0000");
        assert_eq!(
            moment(Zone::Utc, &manifest, last),
            "2023-11-14 22:13:20.593"
        );
        let hit = |last| Hit {
            kind: Kind::Process,
            texts: Vec::new(),
            places: Vec::new(),
            score: 1,
            events: 2,
            first: 5_000_000,
            last,
            by: Vec::new(),
        };
        let when = |last| when(&hit(last), &manifest, Zone::Utc);
        assert_eq!(
            when(7_000_000),
            "2 events, 2023-11-14 22:13:20.590 to 22:13:20.593"
        );
        assert_eq!(
            when(7_200_000_000_000),
            "2 events, 2023-11-14 22:13:20.590 to 2023-11-15 00:13:20.586"
        );
        // What is whole already stays, also before 1970.
        for real_ns in [0, -3_000_000, 1_700_000_000_000_000_000] {
            let clock = ClockPair { real_ns, ..clock };
            let manifest = Manifest {
                clock,
                ..Manifest::default()
            };
            assert_eq!(between(&manifest, 5_000_000, 5_000_000), (real_ns, real_ns));
        }
        let clock = ClockPair {
            real_ns: -1,
            ..clock
        };
        let manifest = Manifest {
            clock,
            ..Manifest::default()
        };
        assert_eq!(between(&manifest, 5_000_000, 5_000_000), (-1_000_000, 0));
    }
}
