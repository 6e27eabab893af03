//! A small capture in memory with a story, for tests.
