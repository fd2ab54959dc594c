//! One member: what is configured about a server, its number and what is known of its state.

use super::config::{MemberConfig, Wanted};
use super::PoolId;
use crate::frame::Transport;
use std::net::SocketAddr;

/// Members over all pools, those that are gone and still have calls among them: a number is two characters of base 32.
pub const MEMBERS: usize = 1_024;

/// One server of a pool.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its name within the pool.
    pub name: Box<str>,
    /// Its pool.
    pub pool: PoolId,
    /// Where it is.
    pub address: SocketAddr,
    /// How it is talked to.
    pub transport: Transport,
    /// The name that its certificate must have; empty: its address.
    pub tls_name: Box<str>,
    /// Its share among those of its priority.
    pub weight: u32,
    /// Lower is tried first.
    pub priority: u16,
    /// What the operator wants of it.
    pub wanted: Wanted,
    /// What the keyed hash of its name is: its place in every rendezvous.
    pub(super) seed: u64,
}

impl Member {
    pub(super) fn new(pool: PoolId, config: &MemberConfig, seed: u64) -> Member {
        Member {
            name: config.name.as_str().into(),
            pool,
            address: config.address,
            transport: config.transport,
            tls_name: config.tls_name.as_str().into(),
            weight: config.weight,
            priority: config.priority,
            wanted: config.state,
            seed,
        }
    }
}
