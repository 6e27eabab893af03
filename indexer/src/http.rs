//! Requests of HTTP/1 with their answers, and the same by path.

use crate::cell::Cell;
use crate::made::{self, Asked, Columns, instant, number, one, row, text};
use crate::rows::Rows;
use crate::session::Session;
use crate::speak;
use crate::talks::{Talk, WHOLE, collect};
use afterimage_query::print_value;
use std::collections::{BTreeMap, VecDeque};

/// A request and what came of it.
struct Exchange {
    time: u64,
    num: u64,
    method: Vec<u8>,
    url: Vec<u8>,
    status: Option<u16>,
    took: Option<u64>,
    bytes: u64,
    talk: usize,
}

/// Requests in the order they were made. Answers come in the order of requests (RFC 9112, 9.3.2).
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
                });
            } else if let Some(status) = speak::status(&piece.bytes) {
                answering = match status {
                    // An interim answer: the real one follows.
                    100..=199 => None,
                    _ => open.pop_front(),
                };
                if let Some(exchange) = answering.and_then(|at| out.get_mut(at)) {
                    exchange.status = Some(status);
                    exchange.took = Some(piece.time.saturating_sub(exchange.time));
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
    let (talks, complete) = collect(session, asked, WHOLE);
    let columns = Columns::of(asked.view);
    let mut matched = 0;
    let rows = exchanges(&talks).into_iter().filter_map(|exchange| {
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
    let (talks, complete) = collect(session, asked, WHOLE);
    let columns = Columns::of(asked.view);
    /// Method, status, path.
    type Key = (Vec<u8>, Option<u16>, Vec<u8>);
    let mut sums: BTreeMap<Key, Sum> = BTreeMap::new();
    for exchange in exchanges(&talks) {
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
