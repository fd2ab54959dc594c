//! What requests take: names of resources as small numbers, and each different cost once. It holds no call.

use super::settings::{bad, BadPools, RESOURCES};
use smallvec::SmallVec;
use std::collections::BTreeMap;

/// Different costs that configurations and held calls may name.
pub const COSTS: usize = 1 << 14;

/// An amount of each resource.
pub(super) type Amounts = [u32; RESOURCES];
/// No limit.
pub(super) const UNLIMITED: u32 = u32::MAX;

/// What one kind of request takes: (resource, amount), few of them.
type Take = SmallVec<[(u8, u32); 4]>;

/// The tables. Number 0 is the cost of nothing.
#[derive(Clone)]
pub(super) struct Costs {
    resources: Vec<Box<str>>,
    takes: Vec<Take>,
}

impl Costs {
    pub(super) fn new() -> Costs {
        Costs { resources: Vec::new(), takes: vec![Take::new()] }
    }

    pub(super) fn take(&self, cost: u16) -> &[(u8, u32)] {
        self.takes.get(usize::from(cost)).map_or(&[], |take| take)
    }

    pub(super) fn name(&self, resource: usize) -> &str {
        self.resources.get(resource).map_or("", |name| name)
    }

    /// The number of a resource, a new one if need be.
    pub(super) fn resource(&mut self, field: &str, name: &str) -> Result<u8, BadPools> {
        if let Some(at) = self.known(name) {
            return Ok(at);
        }
        if self.resources.len() >= RESOURCES {
            return Err(bad(field, format!("{name:?} is one more than the {RESOURCES} resources that an edge knows between two starts")));
        }
        self.resources.push(name.into());
        Ok(self.resources.len() as u8 - 1)
    }

    pub(super) fn known(&self, name: &str) -> Option<u8> {
        self.resources.iter().position(|known| **known == *name).map(|at| at as u8)
    }

    /// The number of a cost, a new one if need be.
    pub(super) fn cost(&mut self, field: &str, take: &BTreeMap<String, u32>) -> Result<u16, BadPools> {
        let mut wanted = Take::new();
        for (name, &amount) in take {
            wanted.push((self.resource(field, name)?, amount));
        }
        if let Some(at) = self.takes.iter().position(|known| *known == wanted) {
            return Ok(at as u16);
        }
        if self.takes.len() >= COSTS {
            return Err(bad(field, format!("one more than the {COSTS} different costs that an edge knows between two starts")));
        }
        self.takes.push(wanted);
        Ok(self.takes.len() as u16 - 1)
    }
}
