//! Which key an owner signs with: the newest that is in force, or for what it says again, the one of the first time.

use super::glance::Glance;
use super::Owner;
use crate::frame::push_keys;
use crate::ids::Keys;
use crate::ring::Ring;
use std::borrow::Cow;

impl Owner {
    /// Puts keys in force here and at every edge. The error names the field, and nothing has changed.
    pub fn set_keys(&mut self, json: &[u8]) -> Result<(), String> {
        self.config.ring = Ring::read(json)?;
        self.config.keys_json = json.to_vec();
        self.keys_change_at = 1;
        self.turn_keys();
        for edge in self.out.edges.values_mut().filter(|edge| edge.up) {
            push_keys(&mut edge.output, json);
        }
        Ok(())
    }

    /// Another key signs when its time has come.
    pub(super) fn turn_keys(&mut self) {
        let at = self.out.at;
        if self.keys_change_at != 0 && at >= self.keys_change_at {
            let ring = &self.config.ring;
            (self.config.keys, self.config.nonce) = (ring.keys(at), ring.nonces(at));
            self.keys_change_at = ring.changes_at(at);
        }
    }

    /// The keys for a request that was first sent so many microseconds ago: what repeats it must have the same branch. One that is in
    /// hand, or is cancelled, has its key in its bytes.
    pub(super) fn keys_of(&self, transaction: u64, age: u64) -> Cow<'_, Keys> {
        let known = self.clients.message(transaction).and_then(Glance::of).and_then(|message| key_of(message.value(b"via")?));
        let id = match known {
            Some(id) => Some(id),
            None if age == 0 => None,
            None => self.config.ring.keys(self.out.at.saturating_sub(age)).signing.first().map(|key| key.id),
        };
        match id.and_then(|id| self.config.keys.signing.iter().position(|key| key.id == id)) {
            None | Some(0) => Cow::Borrowed(&self.config.keys),
            Some(at) => {
                let mut keys = self.config.keys.clone();
                keys.signing.swap(0, at);
                Cow::Owned(keys)
            }
        }
    }
}

/// The id of the key that signed the branch in a Via of ours.
fn key_of(via: &[u8]) -> Option<u8> {
    let branch = via.split(|c| *c == b';').find_map(|part| part.strip_prefix(b"branch="))?;
    let dash = branch.iter().rposition(|c| *c == b'-')?;
    branch.get(dash + 1).copied()
}
