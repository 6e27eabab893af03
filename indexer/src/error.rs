//! What can go wrong between a capture and an answer.

use afterimage_query::FilterError;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file is not a capture, or cannot be opened.
    #[error(transparent)]
    Capture(#[from] afterimage_format::Error),
    /// The event asked for lies in a part that cannot be decoded.
    #[error("event {num} lies in chunk {chunk}, which cannot be read: {why}")]
    Unreadable {
        /// The event asked for.
        num: u64,
        /// Which chunk, from 0.
        chunk: usize,
        /// What the reader said.
        why: String,
    },
    /// A view's own filter or field is not of the language.
    #[error("view {view}: {source}")]
    View {
        /// The view's id.
        view: &'static str,
        /// What is wrong with it.
        source: FilterError,
    },
    /// What is searched for makes no sense.
    #[error(transparent)]
    Ask(#[from] crate::index::AskError),
}
