//! Requests of HTTP/1 with their answers, and the same by path.

use crate::cell::Cell;
use crate::made::{self, Asked, Columns, instant, number, one, row, text};
use crate::rows::Rows;
use crate::session::Session;
use crate::speak;
use crate::talks::{Talk, WHOLE, collect};
use afterimage_query::{Filter, print_value};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A request and what came of it.
#[derive(Clone)]
struct Exchange {
    time: u64,
    num: u64,
    method: Vec<u8>,
    url: Vec<u8>,
    status: Option<u16>,
    took: Option<u64>,
    bytes: u64,
    talk: usize,
    /// Event of the answer.
    answer: Option<u64>,
}

impl Exchange {
    /// Whether only its answer is among what was looked at.
    fn is_answer(&self) -> bool {
        self.method.is_empty()
    }
}

/// Talks of which the rest is looked for at the most where a filter leaves only a part of them.
const MOST_WIDENED: usize = 64;

/// The requests of all talks that match, and whether all of the capture was looked at. Where a filter leaves only what was asked or
/// only what was answered, the other is looked for beside it.
fn asked_for(session: &Session, asked: &Asked<'_>) -> (Vec<Talk>, Vec<Exchange>, bool) {
    let (mut talks, mut complete) = collect(session, asked, WHOLE);
    let mut found = exchanges(&talks);
    let is_part = |one: &Exchange| one.is_answer() || one.status.is_none();
    let parts: BTreeSet<usize> = found
        .iter()
        .filter(|one| asked.filter.is_some() && is_part(one))
        .map(|one| one.talk)
        .collect();
    let filters: Vec<String> = parts
        .iter()
        .filter_map(|at| talks.get(*at))
        .take(MOST_WIDENED)
        .map(|talk| format!("({})", talk.filter_of_both()))
        .collect();
    if filters.is_empty() {
        return (talks, found, complete);
    }
    let Ok(filter) = Filter::parse(&filters.join(" or ")) else {
        return (talks, found, complete);
    };
    let wider = Asked {
        filter: Some(&filter),
        ..*asked
    };
    let (whole, all) = collect(session, &wider, WHOLE);
    complete &= all;
    let first = talks.len();
    talks.extend(whole);
    let whole = exchanges(talks.get(first..).unwrap_or_default());
    for part in found.iter_mut().filter(|one| is_part(one)) {
        // What one end sent at one instant the other received a little later.
        let same = |one: &&Exchange| match part.is_answer() {
            true => one.answer == part.answer,
            false => one.method == part.method && one.url == part.url && one.time <= part.time,
        };
        let Some(other) = whole.iter().rev().find(same) else {
            continue;
        };
        *part = Exchange {
            talk: other.talk + first,
            ..other.clone()
        };
    }
    found.sort_by_key(|exchange| exchange.num);
    (talks, found, complete)
}

/// Requests in the order they were made, and answers whose request is not among what was said. Answers come in the order of requests (RFC 9112, 9.3.2).
fn exchanges(talks: &[Talk]) -> Vec<Exchange> {
    let mut out: Vec<Exchange> = Vec::new();
    for (talk_at, talk) in talks.iter().enumerate() {
        let mut open: VecDeque<usize> = VecDeque::new();
        let mut answering = None;
        for piece in &talk.pieces {
            // Who asks is known by what is said, not by who called whom.
            if let Some(request) = speak::request(&piece.bytes) {
                open.push_back(out.len());
                out.push(Exchange {
                    time: piece.time,
                    num: piece.num,
                    method: request.method,
                    url: [&request.host[..], &request.target].concat(),
                    status: None,
                    took: None,
                    bytes: 0,
                    talk: talk_at,
                    answer: None,
                });
            } else if let Some(status) = speak::status(&piece.bytes) {
                answering = match status {
                    // An interim answer: the real one follows.
                    100..=199 => None,
                    _ => open.pop_front().or_else(|| {
                        out.push(Exchange {
                            time: piece.time,
                            num: piece.num,
                            method: Vec::new(),
                            url: Vec::new(),
                            status: None,
                            took: None,
                            bytes: 0,
                            talk: talk_at,
                            answer: None,
                        });
                        out.len().checked_sub(1)
                    }),
                };
                if let Some(exchange) = answering.and_then(|at| out.get_mut(at)) {
                    exchange.status = Some(status);
                    exchange.answer = Some(piece.num);
                    exchange.took =
                        (!exchange.is_answer()).then(|| piece.time.saturating_sub(exchange.time));
                    exchange.bytes = piece.len;
                }
            } else if piece.from == 1
                && let Some(exchange) = answering.and_then(|at: usize| out.get_mut(at))
            {
                exchange.bytes = exchange.bytes.saturating_add(piece.len);
            }
        }
    }
    out.sort_by_key(|exchange| exchange.num);
    out
}

/// The rows of `http`.
pub(crate) fn rows(session: &Session, asked: &Asked<'_>) -> Rows {
    let (talks, exchanges, complete) = asked_for(session, asked);
    let columns = Columns::of(asked.view);
    let mut matched = 0;
    let rows = exchanges.into_iter().filter_map(|exchange| {
        let talk = talks.get(exchange.talk)?;
        matched += 1;
        let cells = columns.cells(None, |name| match name {
            "first" => instant(session, exchange.time),
            "num" => number(exchange.num),
            "method" => text(&exchange.method),
            "status" => exchange.status.map_or(Cell::Missing, number),
            "took" => exchange.took.map_or(Cell::Missing, number),
            "client" => text(talk.ends[0].name()),
            "server" => text(talk.ends[1].name()),
            "received" => number(exchange.bytes),
            "url" => text(&exchange.url),
            _ => Cell::Missing,
        });
        Some(row(cells, exchange.num, talk.events, talk.filter()))
    });
    let rows = rows.collect();
    made::answer(rows, matched, complete)
}

/// The rows of `http_top`.
pub(crate) fn top(session: &Session, asked: &Asked<'_>) -> Rows {
    struct Sum {
        count: u64,
        took: u128,
        answered: u64,
        slowest: Option<u64>,
        bytes: u64,
        first_num: u64,
        filter: String,
    }
    let (talks, exchanges, complete) = asked_for(session, asked);
    let columns = Columns::of(asked.view);
    /// Method, status, path.
    type Key = (Vec<u8>, Option<u16>, Vec<u8>);
    let mut sums: BTreeMap<Key, Sum> = BTreeMap::new();
    for exchange in exchanges {
        let Some(talk) = talks.get(exchange.talk) else {
            continue;
        };
        let path = exchange
            .url
            .split(|b| *b == b'?')
            .next()
            .unwrap_or_default();
        let key = (exchange.method, exchange.status, path.to_vec());
        let sum = sums.entry(key).or_insert_with(|| Sum {
            count: 0,
            took: 0,
            answered: 0,
            slowest: None,
            bytes: 0,
            first_num: exchange.num,
            filter: match talk.ends[1].address {
                Some(server) => format!("fd.sip={} and fd.sport={}", server.ip(), server.port()),
                None => format!("fd.name={}", print_value(&talk.ends[1].path)),
            },
        });
        sum.count += 1;
        sum.bytes = sum.bytes.saturating_add(exchange.bytes);
        sum.slowest = sum.slowest.max(exchange.took);
        if let Some(took) = exchange.took {
            sum.took += u128::from(took);
            sum.answered += 1;
        }
    }
    let mut rows: Vec<_> = sums
        .iter()
        .map(|((method, status, url), sum)| {
            let cells = columns.cells(None, |name| match name {
                "method" => text(method),
                "status" => status.map_or(Cell::Missing, number),
                "count" => number(sum.count),
                "took" if sum.answered > 0 => Cell::Float(sum.took as f64 / sum.answered as f64),
                "slowest" => sum.slowest.map_or(Cell::Missing, number),
                "received" => number(sum.bytes),
                "url" => text(url),
                _ => Cell::Missing,
            });
            row(cells, sum.first_num, sum.count, sum.filter.clone())
        })
        .collect();
    rows.sort_by_key(|row| (std::cmp::Reverse(row.events), row.first_num));
    let matched = rows.iter().map(|row| row.events).sum();
    for row in &mut rows {
        // Without an event behind it a row leads nowhere.
        if row.filter.is_empty() {
            row.filter = one(row.first_num);
        }
    }
    made::answer(rows, matched, complete)
}
