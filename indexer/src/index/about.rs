//! What is known of a capture as a whole, and things that no event is about.

use super::gather::Gather;
use super::sidecar::{About, Missing, PROFILE};
use super::things::{Kind, Tally, Thing};
use crate::session::Session;
use crate::timeline::step_of;
use afterimage_model::{Event, Loss, Tables, TypeId};
use afterimage_query::Among;

/// What a session knows of its capture.
pub(crate) fn about(session: &Session) -> About {
    let manifest = session.manifest();
    let loss = Loss::of(session.gaps(), session.totals());
    let names = session.state().containers.values();
    let mut containers: Vec<String> = names
        .map(|row| {
            if row.name.is_empty() {
                row.short_id()
            } else {
                &row.name
            }
            .to_owned()
        })
        .collect();
    containers.sort();
    containers.dedup();
    containers.truncate(256);
    About {
        capture_id: manifest.capture_id.clone(),
        host: manifest.host.clone(),
        trigger: manifest.trigger.clone(),
        reason: manifest.reason.clone(),
        sealed: session.totals().is_some() && !session.has_no_seal(),
        events: session.events(),
        span: session
            .span()
            .map(|(from, to)| (manifest.wall_ns(from), manifest.wall_ns(to))),
        boot_ns: manifest.wall_ns(0),
        containers,
        gaps: session.gaps().len() as u64,
        lost: loss.as_ref().map_or(0, |loss| loss.events),
        missing: loss.map(|loss| Missing {
            gaps: loss.gaps,
            events: loss.events,
            exact: loss.exact,
            causes: loss.causes.into_iter().map(str::to_owned).collect(),
        }),
        profile: profile(session),
    }
}

/// Events in equal steps of a capture's span, those of a chunk spread evenly over it. Nothing is read for that.
fn profile(session: &Session) -> Vec<u64> {
    let Some(span) = session.span() else {
        return Vec::new();
    };
    let mut steps = vec![0u64; PROFILE];
    for info in session.chunks() {
        let (start, end) = (info.span.0.0, info.span.1.0);
        let (first, last) = (step_of(start, span, PROFILE), step_of(end, span, PROFILE));
        let (first, last) = (first.min(last), first.max(last));
        let width = (last - first + 1) as u64;
        for (at, step) in steps.iter_mut().take(last + 1).skip(first).enumerate() {
            // What does not divide goes to the first.
            let rest = if at == 0 { info.events % width } else { 0 };
            *step = step.saturating_add(info.events / width + rest);
        }
    }
    steps
}

/// Processes and files that were there when a capture of sysdig began, as things: its lists know what no event tells.
fn there(session: &Session) -> Vec<(Thing, Tally)> {
    let mut gather = Gather::new();
    let mut found = Vec::new();
    let mut one = |tables: &Tables| {
        let among = Among {
            manifest: session.manifest(),
            schema: session.schema(),
            tables,
            procs: &[],
            types: &[],
            first_ns: 0,
        };
        let mut event = Event {
            cpu: Event::NO_CPU,
            ..Event::of_type(TypeId(u16::MAX))
        };
        for proc in tables.procs.keys() {
            event.proc = *proc;
            gather.meet(&among.ctx(&event));
        }
        for ((proc, _), file) in &tables.descriptors {
            (event.proc, event.file) = (*proc, Some(*file));
            gather.meet(&among.ctx(&event));
        }
        let things = gather.met().into_iter();
        found.extend(things.map(|thing| (thing, Tally::default())));
    };
    if session.is_scap() {
        let sections = session.sections().into_iter();
        for (_, mut tables) in sections.filter_map(|section| session.section(&section)) {
            // Names come as they are heard of.
            let mut known = session.state().clone();
            (known.procs, known.files) = Default::default();
            known.descriptors.clear();
            known.absorb(&std::mem::take(&mut tables));
            one(&known);
        }
    }
    found
}

/// Things that no event is about: remarks, artifacts, why the capture was made, and what was there before the events.
pub(crate) fn apart(session: &Session) -> Vec<(Thing, Tally)> {
    fn some(text: &[u8]) -> Option<&[u8]> {
        Some(text).filter(|text| !text.is_empty())
    }
    let mut found = there(session);
    for note in session.notes() {
        let texts = [&note.text, &note.action, &note.author];
        let texts = texts.map(|text| some(text.as_bytes()));
        let at = note.about.map_or(0, |at| at.0);
        let tally = Tally {
            first: at,
            last: at,
            ..Tally::default()
        };
        found.push((Thing::new(Kind::Note, &texts), tally));
    }
    for (name, hash) in session.artifacts() {
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let texts = [None, some(hash.as_bytes()), some(&name)];
        found.push((Thing::new(Kind::Hash, &texts), Tally::default()));
    }
    let manifest = session.manifest();
    let why = [&manifest.trigger, &manifest.reason].map(|text| some(text.as_bytes()));
    if why.iter().any(Option::is_some) {
        found.push((Thing::new(Kind::Alert, &why), Tally::default()));
    }
    found
}
