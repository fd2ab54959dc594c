//! The promises of pools, each a test; what they share stands here.

mod algorithms;
mod apply;
mod calls;
mod dispatcher_list;
mod health;
mod model;
mod probes;

use super::*;
use serde_json::{json, Value};

pub(super) const SECOND: u64 = 1_000_000;

/// A pool `farm` of members `a`, `b`, ... with what else is said about it.
pub(super) fn farm(members: &[Value], more: Value) -> PoolsConfig {
    let members: Vec<Value> = members
        .iter()
        .enumerate()
        .map(|(i, more)| {
            let name = char::from(b'a' + i as u8).to_string();
            merged(json!({"name": name, "address": format!("192.0.2.{}:5060", i + 1)}), more)
        })
        .collect();
    let pool = merged(json!({"name": "farm", "members": members}), &more);
    serde_json::from_value(json!({"pools": [pool]})).unwrap()
}

pub(super) fn plain(members: usize, more: Value) -> PoolsConfig {
    farm(&vec![json!({}); members], more)
}

pub(super) fn merged(mut value: Value, more: &Value) -> Value {
    for (key, new) in more.as_object().unwrap() {
        value[key] = new.clone();
    }
    value
}

pub(super) struct Farm {
    pub pools: Pools,
    pub now: u64,
}

impl Farm {
    pub fn new(config: &PoolsConfig) -> Farm {
        let mut pools = Pools::new([7; 16]);
        pools.apply(config, 0).unwrap();
        Farm { pools, now: 0 }
    }

    pub fn id(&self, name: &str) -> MemberId {
        (0..MEMBERS as MemberId).find(|&id| self.pools.member(id).is_some_and(|member| &*member.name == name)).unwrap()
    }

    pub fn name(&self, id: MemberId) -> String {
        self.pools.member(id).unwrap().name.to_string()
    }

    pub fn need(&self) -> Need {
        self.pools.need(0, b"INVITE", None)
    }

    pub fn ask(&mut self, key: &str) -> Candidates {
        let need = self.need();
        self.pools.candidates(0, &Ask { key: key.as_bytes(), need }, self.now)
    }

    /// The names of those that a call would try, in order.
    pub fn tries(&mut self, key: &str) -> Vec<String> {
        match self.ask(key) {
            Candidates::Try(list) => list.iter().map(|&id| self.name(id)).collect(),
            Candidates::Full | Candidates::NoneUp => Vec::new(),
        }
    }

    pub fn first(&mut self, key: &str) -> String {
        self.tries(key).first().cloned().unwrap_or_default()
    }

    pub fn begin(&mut self, name: &str, call: u64) -> bool {
        self.pools.begin(self.id(name), call, self.need(), self.now)
    }

    pub fn heard(&mut self, name: &str, outcome: Outcome) -> Vec<Became> {
        let changes = self.pools.heard(self.id(name), outcome, self.now);
        changes.iter().map(|change| change.became).collect()
    }

    pub fn probed(&mut self, name: &str, outcome: Outcome) -> Vec<Became> {
        let changes = self.pools.probed(self.id(name), outcome, self.now);
        changes.iter().map(|change| change.became).collect()
    }

    pub fn down(&mut self, name: &str) {
        for _ in 0..3 {
            self.probed(name, Outcome::NoAnswer);
        }
    }

    /// How often each member is first for so many keys.
    pub fn shares(&mut self, keys: usize) -> std::collections::BTreeMap<String, usize> {
        let mut shares = std::collections::BTreeMap::new();
        for key in 0..keys {
            *shares.entry(self.first(&format!("{key}@host"))).or_insert(0) += 1;
        }
        shares
    }

    pub fn view(&self, name: &str) -> MemberView {
        let view = self.pools.view(self.now);
        view.pools.into_iter().flat_map(|pool| pool.members).find(|member| &*member.name == name).unwrap()
    }
}
