//! Prints the processor time in which an open index answers queries of each sort, made of its words (for `tests/bench/search.py`).
//!
//! usage: asks CAPTURE SECRET [NUMBER [SORT]]
//!
//! SECRET is the file that indexes are sealed with (`index.secret` among the keys); NUMBER is how many queries there are of
//! each sort, 125 unless it is said; SORT is the only one, by a part of its name.
#![allow(clippy::print_stdout, reason = "its table is what it is for")]

use afterimage_indexer::{Ask, Hit, Hits, Index, Keeper, Progress, Session};
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use rustix::time::{ClockId, clock_gettime};
use std::path::Path;
use std::time::Instant;

type Failure = Box<dyn std::error::Error>;

/// Hits that a query is answered with, as `search` does.
const LIMIT: usize = 50;

/// Things that words are taken from.
const SAMPLE: usize = 50_000;

/// Numbers that are the same each time.
struct Chance(TestRng);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        (self.0.next_u64() % end.max(1) as u64) as usize
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        all.get(self.below(all.len()))
    }
}

/// Words and pairs of neighbours of the things that there are, each as often as there are things with it.
fn words(hits: &[Hit], chance: &mut Chance) -> (Vec<String>, Vec<String>) {
    let (mut words, mut pairs) = (Vec::new(), Vec::new());
    for hit in hits {
        let Some((_, text)) = chance.of(&hit.texts) else {
            continue;
        };
        let Ok(text) = std::str::from_utf8(text) else {
            continue;
        };
        let is_word =
            |word: &&str| word.len() >= 4 && word.bytes().all(|b| b.is_ascii_alphanumeric());
        let found: Vec<&str> = (text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')))
            .filter(is_word)
            .collect();
        words.extend(chance.of(&found).map(|word| (*word).to_owned()));
        let blanks: Vec<&str> = text.split_ascii_whitespace().collect();
        let pair = |two: &[&str]| match two {
            [a, b] if !a.contains('"') && !b.contains('"') => Some(format!("\"{a} {b}\"")),
            _ => None,
        };
        let two = chance.below(blanks.len());
        pairs.extend(blanks.windows(2).nth(two).and_then(pair));
    }
    (words, pairs)
}

/// A word as somebody asks for it.
type Asked = fn(&str, &str, &mut Chance) -> String;

const SORTS: &[(&str, Asked)] = &[
    ("a word", |word, _, _| word.to_owned()),
    ("a prefix", |word, _, _| {
        format!("{}*", word.get(..4).unwrap_or(word))
    }),
    ("a suffix", |word, _, _| {
        format!("*{}", word.get(1..).unwrap_or(word))
    }),
    ("a phrase", |_, pair, _| pair.to_owned()),
    ("fuzzy, one letter", |word, _, chance| {
        let at = chance.below(word.len());
        let (head, tail) = word.split_at(at);
        format!("{head}x{}~1", tail.get(1..).unwrap_or_default())
    }),
    ("fuzzy, two letters", |word, _, _| {
        format!("{}zz~2", word.get(..word.len() - 2).unwrap_or(word))
    }),
    ("a pattern", |word, _, _| {
        format!("re:{}[a-z0-9]+", word.get(..4).unwrap_or(word))
    }),
    ("a range", |word, _, _| format!("[{word} TO {word}zz]")),
    ("a block of addresses", |_, _, chance| {
        format!("10.{}.0.0/16", chance.below(255))
    }),
    ("two words", |word, pair, _| format!("{word} AND {pair}")),
    ("a word that is nowhere", |word, _, _| format!("{word}qqzx")),
    ("a word AND (filter)", |word, _, _| {
        format!("{word} AND (proc.name=find or evt.failed=true)")
    }),
];

/// Processor time of this process so far, ms: some answers are counted by several threads.
fn spent() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as f64 * 1e3 + now.tv_nsec as f64 / 1e6
}

fn percentile(times: &mut [f64], share: f64) -> f64 {
    times.sort_by(f64::total_cmp);
    let at = (times.len() as f64 * share) as usize;
    times
        .get(at.min(times.len().saturating_sub(1)))
        .copied()
        .unwrap_or_default()
}

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [capture, secret, rest @ ..] = args.as_slice() else {
        return Err("usage: asks CAPTURE SECRET [NUMBER [SORT]]".into());
    };
    let number = rest.first().map_or(Ok(125), |text| text.parse::<usize>())?;
    let capture = Path::new(capture);
    let key = <[u8; 32]>::try_from(std::fs::read(secret)?.as_slice())?;
    let keeper = Keeper { key, cache: None };
    let ms = |since: Instant| since.elapsed().as_secs_f64() * 1e3;
    let began = Instant::now();
    let index = Index::open(capture, &keeper)?;
    let opened = ms(began);
    let first = index.search(&Ask::parse("needle-that-is-nowhere")?, LIMIT)?;
    println!(
        "opening the index {opened:.1} ms, with a first answer {:.1} ms ({} found)",
        ms(began),
        first.found
    );
    let began = Instant::now();
    let mut session = Session::open(capture)?;
    if !session.use_index(Index::open(capture, &keeper)?) {
        return Err("the index is of another capture".into());
    }
    println!(
        "opening the capture and its index {:.1} ms, {} events",
        ms(began),
        session.events()
    );
    // The same for all, warm from here on.
    let index = session.index().ok_or("the index is not used")?;
    let hits = index.search(&Ask::parse("re:.")?, SAMPLE)?;
    let mut chance = Chance(TestRng::from_seed(RngAlgorithm::XorShift, &[9; 16]));
    let (words, pairs) = words(&hits.hits, &mut chance);
    println!(
        "\n| Query | p50, ms of CPU | p99, ms | most, ms | found, middle |\n|---|---:|---:|---:|---:|"
    );
    let (mut all, mut firsts, mut wholes) = (Vec::new(), Vec::new(), Vec::new());
    let mut clocks = Vec::new();
    let only = rest.get(1).map_or("", String::as_str);
    for (sort, asked) in SORTS.iter().filter(|(sort, _)| sort.contains(only)) {
        let (mut times, mut found) = (Vec::new(), Vec::new());
        let mut slowest = (0.0, String::new());
        for _ in 0..number {
            let word = chance.of(&words).map_or("root", String::as_str);
            let pair = chance.of(&pairs).map_or("\"-c true\"", String::as_str);
            let text = asked(word, pair, &mut chance);
            let ask = Ask::parse(&text)?;
            let began = spent();
            let clock = Instant::now();
            let mut part = None;
            let mut take = |_: Hits| {
                part.get_or_insert((spent() - began, ms(clock)));
            };
            let hits = match ask.has_conditions() {
                true => {
                    let quiet = Progress::default();
                    session.search_in_parts(&ask, None, LIMIT, &quiet, Some(&mut take))?
                }
                false => index.search(&ask, LIMIT)?,
            };
            let took = spent() - began;
            let whole = ms(clock);
            if ask.has_conditions() {
                firsts.push(part.unwrap_or((took, whole)));
                wholes.push(whole);
            }
            if took > slowest.0 {
                slowest = (took, text);
            }
            clocks.push(
                firsts
                    .last()
                    .filter(|_| ask.has_conditions())
                    .map_or(whole, |first| first.1),
            );
            times.push(took);
            found.push(hits.found as f64);
        }
        all.extend_from_slice(&times);
        println!(
            "| {sort} | {:.2} | {:.2} | {:.2}, `{}` | {:.0} |",
            percentile(&mut times, 0.5),
            percentile(&mut times, 0.99),
            slowest.0,
            slowest.1.replace('|', "\\|"),
            percentile(&mut found, 0.5)
        );
    }
    println!(
        "| all {} | {:.2} | {:.2} | | |",
        all.len(),
        percentile(&mut all, 0.5),
        percentile(&mut all, 0.99)
    );
    println!(
        "\nuntil the first answer of all {}, ms by the clock: {:.1} in the middle, {:.1} at the 95th of 100, {:.1} at the 99th",
        clocks.len(),
        percentile(&mut clocks, 0.5),
        percentile(&mut clocks, 0.95),
        percentile(&mut clocks, 0.99),
    );
    let (mut cpu, mut clock): (Vec<f64>, Vec<f64>) = firsts.into_iter().unzip();
    println!(
        "\nfirst answers of {} with a filter, ms of CPU (by the clock): {:.1} ({:.1}) in the middle, {:.1} ({:.1}) at the 95th of 100, {:.1} ({:.1}) at the most; the whole by the clock {:.0}, {:.0}",
        cpu.len(),
        percentile(&mut cpu, 0.5),
        percentile(&mut clock, 0.5),
        percentile(&mut cpu, 0.95),
        percentile(&mut clock, 0.95),
        percentile(&mut cpu, 1.0),
        percentile(&mut clock, 1.0),
        percentile(&mut wholes, 0.5),
        percentile(&mut wholes, 1.0),
    );
    Ok(())
}
