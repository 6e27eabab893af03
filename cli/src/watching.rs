//! The flight recorder as a service: its configuration, the folder its evidence goes to, and the socket it is asked at.

pub mod config;
pub mod control;
pub mod evidence;
