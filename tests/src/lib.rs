//! What the tests that span crates stand on.
//!
//! [`harness`] records a workload and reads the capture back, checking the books of every run; [`cgroup`] makes control
//! groups to point the recorder at; [`child`] forks; [`peers`] finds captures of sysdig; [`derived`] says how captures are made
//! of others. The tests compare a capture with what the workload says it did, never
//! with what another part of the recorder says.

pub mod asking;
pub mod cgroup;
pub mod child;
pub mod chunked;
pub mod daemon;
pub mod derived;
pub mod fuse;
pub mod harness;
pub mod kubelet;
pub mod peers;
pub mod uring;
