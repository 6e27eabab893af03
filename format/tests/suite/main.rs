//! The capture file from outside: what is written is read, what is damaged is known to be damaged, and what is hostile is refused.

mod round_trip;
mod story;
