//! What a piece of work had to do, and how another thread watches and stops it.

use afterimage_query::Evaluator;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What a piece of work had to do, and what it could pass over.
#[derive(Debug, Default)]
pub struct Work {
    /// Parts of the capture (chunks).
    pub chunks: AtomicU64,
    /// Chunks outside the span.
    pub outside: AtomicU64,
    /// Chunks that hold no type of event that could match.
    pub by_type: AtomicU64,
    /// Chunks that hold no container whose events could match.
    pub by_container: AtomicU64,
    /// Chunks whose strings do not hold what every match must, by the filters of texts in their zone maps.
    pub by_text: AtomicU64,
    /// Chunks in which the index knows no process and no file that could match.
    pub by_index: AtomicU64,
    /// Chunks in which no event could match by the rows they may point at, or by what is known without arguments and results;
    /// those were not read.
    pub by_head: AtomicU64,
    /// Those of them whose events were counted by the sorts of events that the index keeps.
    pub by_sorts: AtomicU64,
    /// Chunks that could not be read.
    pub unreadable: AtomicU64,
    /// Chunks whose events were read, at least those of the types that could match.
    pub read: AtomicU64,
    /// Events in chunks that were looked into.
    pub events: AtomicU64,
    /// Those of them that were asked with their arguments and results.
    pub asked: AtomicU64,
    /// Tests of texts in arguments.
    pub texts: AtomicU64,
    /// Texts that were looked at for those; the others had been met before.
    pub tested: AtomicU64,
    /// Those that matched.
    pub matched: AtomicU64,
}

impl Work {
    pub(super) fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Ordering::Relaxed);
    }

    /// Adds what an evaluator has done, once it is done.
    pub fn add_texts(&self, evaluator: &Evaluator) {
        let texts = evaluator.texts();
        Work::add(&self.texts, texts.asked);
        Work::add(&self.tested, texts.tested);
    }

    /// Each count with what it is of, in the order of the work.
    pub fn counts(&self) -> [(&'static str, u64); 15] {
        [
            ("chunks", &self.chunks),
            ("skipped: outside the time span", &self.outside),
            ("skipped: by the types of their events", &self.by_type),
            ("skipped: by their containers", &self.by_container),
            ("skipped: by the texts in their strings", &self.by_text),
            ("skipped: by the index", &self.by_index),
            ("skipped: by their rows, arguments not read", &self.by_head),
            ("unreadable", &self.unreadable),
            ("read", &self.read),
            ("events in chunks that were looked into", &self.events),
            ("events asked with their arguments", &self.asked),
            ("events that matched", &self.matched),
            ("tests of texts in arguments", &self.texts),
            ("distinct texts looked at for those", &self.tested),
            ("chunks counted by sorts of events", &self.by_sorts),
        ]
        .map(|(name, count)| (name, count.load(Ordering::Relaxed)))
    }
}

/// Lets another thread watch and stop a piece of work.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Set to stop: the work ends soon with what it has.
    pub cancel: Arc<AtomicBool>,
    /// Events looked at so far.
    pub done: Arc<AtomicU64>,
    /// What had to be done for that.
    pub work: Arc<Work>,
}
