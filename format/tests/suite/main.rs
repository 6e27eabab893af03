//! The capture file from outside: what is written is read, what is damaged is known to be damaged, and what is hostile is refused.
#![allow(clippy::print_stderr, reason = "a test that cannot run says so")]

mod crowds;
mod damage;
mod derived;
mod disk;
mod document;
mod encrypted;
mod evidence;
mod flips;
mod forge;
mod frozen;
mod fuzz;
mod grown;
mod hostile;
mod keyframes;
mod lists;
mod pieces;
mod round_trip;
mod story;
mod twin;
