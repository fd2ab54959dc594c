//! What a search has found: choices by priority and weight, and the order in which a message tries them. It keeps nothing.

use super::{Ill, Seeded};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tandem_sip::frame::Transport;

/// Most targets of one order: nobody waits for a seventeenth.
pub const TARGETS: usize = 16;

/// A host that may be sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Lower ones first: NAPTR's preference, then SRV's priority, counted up.
    pub rank: u16,
    /// SRV's weight; 0 without SRV.
    pub weight: u16,
    /// How.
    pub transport: Transport,
    /// The host's name, or its address as text.
    pub host: Arc<str>,
    /// The port.
    pub port: u16,
    /// Its addresses, the preferred family first.
    pub addresses: Vec<IpAddr>,
}

/// Where to send, as far as names say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// At least one, by rank; each has an address.
    pub choices: Vec<Choice>,
    /// What a certificate there must name: the host that was wished for, not the one that DNS led to (RFC 5922 4).
    pub name: Arc<str>,
    /// How long all of it counts.
    pub ttl_seconds: u32,
    /// Some of it is older than it may be: servers are away.
    pub stale: bool,
}

/// One address to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// How.
    pub transport: Transport,
    /// Where.
    pub address: SocketAddr,
    /// What a certificate there must name.
    pub name: Arc<str>,
    /// The host that has the address.
    pub host: Arc<str>,
}

impl Found {
    /// The order in which one message tries its targets: rank, then a draw by weight (RFC 2782), then a host's addresses; those that
    /// failed lately come last. The next one is for a 503, a transport error or silence (RFC 3263 4.3).
    pub fn order(&self, mut draw: Seeded, ill: &Ill, now_us: u64) -> Vec<Target> {
        let mut targets: Vec<Target> = Vec::new();
        for same in self.choices.chunk_by(|one, next| one.rank == next.rank) {
            for choice in weighed(same, &mut draw) {
                let turned = turned(&choice.addresses, &mut draw);
                targets.extend(turned.map(|ip| Target {
                    transport: choice.transport,
                    address: SocketAddr::new(ip, choice.port),
                    name: self.name.clone(),
                    host: choice.host.clone(),
                }));
            }
        }
        // stable: among the ill and among the others the draw's order stays
        targets.sort_by_key(|target| ill.is_ill(target.transport, target.address, now_us));
        targets.truncate(TARGETS);
        targets
    }

    /// Every address of every choice, for who may call from there.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.choices.iter().flat_map(|choice| choice.addresses.iter().copied())
    }
}

/// RFC 2782: those with weight 0 first, a draw from 0 to the sum, the first whose running sum reaches it; again with what is left.
fn weighed<'a>(same: &'a [Choice], draw: &mut Seeded) -> Vec<&'a Choice> {
    let mut left: Vec<&Choice> = same.iter().collect();
    left.sort_by_key(|choice| choice.weight != 0);
    let mut order = Vec::with_capacity(left.len());
    while left.len() > 1 {
        let sum: u32 = left.iter().map(|choice| u32::from(choice.weight)).sum();
        let chosen = if sum == 0 { usize::try_from(draw.upto(left.len() as u32 - 1)).unwrap_or(0) } else { running(&left, draw.upto(sum)) };
        order.push(left.remove(chosen));
    }
    order.extend(left);
    order
}

fn running(left: &[&Choice], drawn: u32) -> usize {
    let mut sum = 0;
    left.iter()
        .position(|choice| {
            sum += u32::from(choice.weight);
            sum >= drawn
        })
        .unwrap_or(0)
}

/// A host's addresses, each family beginning anywhere: a cache always answers in one order, and the first would bear it all.
fn turned<'a>(addresses: &'a [IpAddr], draw: &mut Seeded) -> impl Iterator<Item = IpAddr> + 'a {
    let families: Vec<(&[IpAddr], usize)> = addresses
        .chunk_by(|one, next| one.is_ipv4() == next.is_ipv4())
        .map(|family| (family, draw.upto((family.len() as u32).saturating_sub(1)) as usize))
        .collect();
    families.into_iter().flat_map(|(family, from)| (0..family.len()).filter_map(move |n| family.get((n + from) % family.len()).copied()))
}
