//! What is said of a tile beside its number: how it is spread, how much there is a second, where it begins and where it is most.

use crate::show;
use crate::state::State;
use afterimage_indexer::{self as indexer, TileTotal, bytes_text};
use afterimage_query::{Counted, Tile, Unit};

/// Percentiles, and what they are of: calls where the tile sums what calls moved, else equal parts of the span.
pub fn percentiles(state: &State, total: &TileTotal, (from, to): (u64, u64)) -> Option<String> {
    let spread = total.percentiles()?;
    let unit = total.tile.unit;
    let steps = (total.steps.len() as u64).max(1);
    let length = to.saturating_sub(from).saturating_add(1) / steps;
    let of = match total.tile.counted {
        Counted::Sum(_) => "each call".to_owned(),
        _ if length == 0 => return None,
        Counted::Events => format!("each {}", show::time_text(length, state.ascii)),
        Counted::Distinct(_) => format!("new in each {}", show::time_text(length, state.ascii)),
    };
    let [p50, p95, p99, most] =
        [spread.p50, spread.p95, spread.p99, spread.most].map(|n| show::figure(n, unit));
    Some(format!(
        "{of}: p50 {p50}, p95 {p95}, p99 {p99}, most {most}"
    ))
}

/// All of it for a tile; empty where nothing was counted.
pub fn figures(state: &State, tile: &Tile, counted: Option<&indexer::Overview>) -> String {
    let tally = counted.and_then(|all| {
        let tally = all.tiles.iter().find(|tally| tally.tile.id == tile.id)?;
        Some((tally, all.span))
    });
    let mut says = Vec::new();
    if let Some((tally, (from, to))) = tally
        && let Some(first) = tally.first_num
    {
        says.extend(percentiles(state, tally, (from, to)));
        let seconds = to.saturating_sub(from) as f64 / 1e9;
        if seconds > 0.0 && !matches!(tile.counted, Counted::Distinct(_)) {
            let rate = tally.total as f64 / seconds;
            says.push(match tile.unit {
                Unit::Bytes => format!("{} a second", bytes_text(rate as i128)),
                _ if rate >= 100.0 => format!("{} a second", show::count(rate as u64)),
                _ => format!("{rate:.1} a second"),
            });
        }
        says.push(format!("first in #{first}"));
        // Told by parts that one can see.
        let steps: Vec<u64> = tally
            .steps
            .chunks((tally.steps.len() / PARTS).max(1))
            .map(|steps| steps.iter().sum())
            .collect();
        if let Some((step, above)) = peak(&steps) {
            let length = u128::from(to.saturating_sub(from)) + 1;
            let into = length * step as u128 / steps.len() as u128;
            let at = from.saturating_add(u64::try_from(into).unwrap_or(u64::MAX));
            let sigma = how_far(state, above);
            says.push(format!("most from {}{sigma}", state.epoch().boot(at)));
        }
    }
    says.join("; ")
}

/// Parts of the span of which one has most.
const PARTS: usize = 16;

/// How far a peak stands out, where it does.
fn how_far(state: &State, above: f64) -> String {
    /// So many deviations above the mean are seldom by chance.
    const FAR: f64 = 3.0;
    match (above >= FAR, state.ascii) {
        (false, _) => String::new(),
        (true, false) => format!(", {above:.1}σ above the mean"),
        (true, true) => format!(", {above:.1} sigma above the mean"),
    }
}

/// The step with most, and by how many standard deviations it is above the mean; nothing where all are alike.
fn peak(steps: &[u64]) -> Option<(usize, f64)> {
    let (at, most) = steps
        .iter()
        .enumerate()
        .rev()
        .max_by_key(|(_, count)| **count)?;
    let number = steps.len() as f64;
    let mean = steps.iter().map(|count| *count as f64).sum::<f64>() / number;
    let spread = steps.iter().map(|count| (*count as f64 - mean).powi(2));
    let deviation = (spread.sum::<f64>() / number).sqrt();
    (deviation > 0.0).then(|| (at, (*most as f64 - mean) / deviation))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_where_most_is_and_says_how_far_it_stands_out() {
        assert_eq!(peak(&[]), None);
        assert_eq!(peak(&[3, 3, 3]), None);
        let (at, above) = peak(&[0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]).unwrap();
        assert!(at == 3 && above < 3.0, "the first of two: {at} {above}");
        let (at, above) = peak(&[1, 0, 1, 0, 1, 0, 40, 0, 1, 0, 1, 0, 1, 0, 1, 0]).unwrap();
        assert!(at == 6 && above > 3.0, "{at} {above}");
    }
}
