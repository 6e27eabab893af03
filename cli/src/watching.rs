//! The flight recorder as a service: its configuration, the folder its evidence goes to, and the socket it is asked at.

mod alerts;
mod begun;
pub mod config;
pub mod control;
pub mod evidence;
pub mod indexing;
pub mod owner;
mod room;
mod secret;
pub mod signals;
pub mod status;
pub mod stdin;
pub mod webhook;
