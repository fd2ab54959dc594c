//! Established media streams are forwarded inside the kernel: the program, its loading, its maps. Which streams those are, it does not
//! decide, and it needs neither a kernel module nor a compiler.
//!
//! A stream's socket stays open: what the program does not know (RTCP, STUN, other sources, fragments) goes there unchanged.
#![cfg(target_os = "linux")]

mod attach;
mod flow;
mod kernel;
mod layout;
mod links;
mod netlink;
mod object;
mod program;
mod route;
mod slots;
mod sys;

pub use attach::Way;
pub use flow::{Counters, Flow, Kind};
pub use kernel::{Kernel, Options, Refused, Unavailable, CHANGES, FLOWS, INTERFACES, LEASE_NS};
pub use links::having as interfaces_having;
