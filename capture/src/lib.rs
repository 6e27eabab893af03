//! The recorder: the only crate that meets the kernel.
//!
//! A [`Recorder`] is armed with [`Options`] and drains the kernel's rings into a capture until it is told to stop:
//! records come out of the rings, are decoded to values (pure), enriched by what is known of the world, and written.
//! [`Recorder::watch`] keeps the past in memory instead, and makes files of it when a [`trigger`] fires.
//! [`doctor`] says what a host allows. Paths, addresses and identities are the kernel's own objects; what a program
//! passed is kept beside them as a claim.
//!
//! Invariants: no index, no terminal, no stored data; the event path never waits for a container runtime; every record
//! the kernel offered is written, counted as filtered, or counted in a gap.

mod alone;
mod artifacts;
mod btf;
mod cgroup;
mod clock;
pub mod confine;
mod decode;
mod enrich;
mod error;
pub mod handed;
mod hash;
mod host;
mod intake;
mod load;
mod losses;
pub mod memory;
mod objects;
mod plan;
mod pressure;
mod procfs;
mod program_info;
mod programs;
mod recent;
mod ring;
mod runtime;
mod segment;
pub mod serve;
mod session;
mod sink;
mod sockets;
pub mod trigger;
mod usage;
pub mod user;
pub mod watch;
mod window;
#[allow(
    dead_code,
    reason = "the build script, which shares this file, uses the rest"
)]
mod wire;

pub use artifacts::Keep;
pub use error::Error;
pub use host::{Check, check_rights, doctor};
pub use load::Floor;
pub use runtime::{Endpoint, endpoints, grpc};
pub use session::{Limits, Options, Recorder, Scope, Status, StopReason};
pub use window::{Bounds, Held, TrailHeld};
