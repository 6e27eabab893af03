//! The command over a capture made here, byte for byte the same every time: what it prints, and how it ends.
//!
//! `BLESS=1` rewrites the golden answers in `tests/golden/`.

mod capture;
mod desk;
mod help;
mod read;
#[path = "../help/subcommands.rs"]
mod subcommands;
mod verify;
mod view;
