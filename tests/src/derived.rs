//! Captures that tests make of others.

use afterimage_format::derive::Recipe;
use afterimage_format::{Deed, WriterOptions};

/// Everything, in chunks so small that there are several of them, noted as this.
pub fn in_small_chunks(action: &str) -> Recipe<'_> {
    Recipe {
        deed: Deed {
            action: action.into(),
            ..Deed::default()
        },
        options: WriterOptions {
            chunk_events: 60,
            ..WriterOptions::default()
        },
        ..Recipe::default()
    }
}
