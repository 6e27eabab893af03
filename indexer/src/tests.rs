//! What a session answers, against answers found the slow and plain way: part by part, by what is asked.

use crate::aggregate::view_field;
use crate::cell::Key;
use crate::story::{Memory, event, events, memory, process, world};
use crate::*;
use afterimage_model::{
    BootNs, Ctx, FieldValue, Gap, GapCause, Manifest, ProcId, ProcKey, Process, Schema, Tables,
    Totals, Value,
};
use afterimage_query::{Aggregate, Counted, FieldRef, Filter, Shape, TILES, VIEWS, View, view};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Shows every event, asking the filter anew for each.
fn naive(session: &Session, filter: &str, mut each: impl FnMut(&Ctx<'_>)) -> u64 {
    let filter = Filter::parse(filter).unwrap_or_else(|e| panic!("{e}"));
    let mut matched = 0;
    let mut keep = |ctx: &Ctx<'_>| {
        if filter.matches(ctx) {
            matched += 1;
            each(ctx);
        }
        true
    };
    session
        .scan(None, None, 1, &Progress::default(), &mut keep)
        .unwrap();
    matched
}

fn numbers(session: &Session, filter: Option<&str>, span: Span, from: u64) -> Vec<u64> {
    let filter = filter.map(|text| Filter::parse(text).unwrap_or_else(|e| panic!("{e}")));
    let mut found = Vec::new();
    let mut each = |ctx: &Ctx<'_>| {
        found.push(ctx.num);
        true
    };
    session
        .scan(filter.as_ref(), span, from, &Progress::default(), &mut each)
        .unwrap();
    found
}

fn rows(session: &Session, id: &str, filter: &str) -> Rows {
    let filter = Filter::parse(filter).unwrap_or_else(|e| panic!("{e}"));
    session
        .view(view(id).unwrap(), Some(&filter), None, &Progress::default())
        .unwrap()
}

fn about_events(view: &&View) -> bool {
    !matches!(view.shape, Shape::Overview | Shape::Gaps | Shape::Made(_))
}

/// Every view, without and with a further filter.
fn every_view(session: &Session, mut check: impl FnMut(&View, &str, Rows)) {
    for view in VIEWS.iter().filter(about_events) {
        for filter in ["", "evt.failed=true or proc.name=sh"] {
            check(view, filter, rows(session, view.id, filter));
        }
    }
}

mod passed_over;
mod rows;
mod scans;
mod tiles;
