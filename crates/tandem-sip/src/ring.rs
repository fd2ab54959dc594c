//! Keys and the times from which they sign, as `keys.json` and KEYS have them. It signs nothing itself.

use crate::ids::{Key, Keys};
use serde::Deserialize;

/// Keys in one list.
pub const KEYS: usize = 16;

/// All keys that somebody told of: each list newest first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ring {
    hash: [u8; 16],
    signing: Vec<Timed>,
    nonce: Vec<Timed>,
}

/// A key, and from when it signs, in microseconds since 1970. All keys verify from the first moment on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Timed {
    from: u64,
    key: Key,
}

#[derive(Deserialize)]
struct Text {
    hash: String,
    signing: Vec<KeyText>,
    #[serde(default)]
    nonce: Vec<KeyText>,
}

#[derive(Deserialize)]
struct KeyText {
    id: String,
    secret: String,
    #[serde(default)]
    from: u64,
}

impl Ring {
    /// Reads `{"hash": hex32, "signing": [{"id": "a", "secret": hex32, "from"?: microseconds}, ..], "nonce": [..]}`; the error names the field.
    pub fn read(json: &[u8]) -> Result<Ring, String> {
        let text: Text = serde_json::from_slice(json).map_err(|error| format!("keys: {error}"))?;
        let (hash, signing) = (secret("hash", &text.hash)?, list("signing", &text.signing)?);
        if signing.is_empty() {
            return Err(format!("keys: `signing` has no key, 1 to {KEYS} are allowed"));
        }
        Ok(Ring { hash, signing, nonce: list("nonce", &text.nonce)? })
    }

    /// Adds what another source knows, and this one does not.
    pub fn merge(&mut self, other: &Ring) {
        if self.signing.is_empty() {
            self.hash = other.hash;
        }
        for (own, new) in [(&mut self.signing, &other.signing), (&mut self.nonce, &other.nonce)] {
            let unknown: Vec<Timed> = new.iter().filter(|key| !own.contains(key)).copied().collect();
            own.extend(unknown);
            own.sort_by_key(|key| std::cmp::Reverse(key.from));
        }
    }

    /// The keys as they are at a time: that which signs first, then all others.
    pub fn keys(&self, at: u64) -> Keys {
        Keys { hash: self.hash, signing: in_force(&self.signing, at) }
    }

    /// The same of those for nonces.
    pub fn nonces(&self, at: u64) -> Vec<Key> {
        in_force(&self.nonce, at)
    }

    /// When another key begins to sign, after `at`; 0: never.
    pub fn changes_at(&self, at: u64) -> u64 {
        self.signing.iter().chain(&self.nonce).map(|key| key.from).filter(|from| *from > at).min().unwrap_or(0)
    }
}

fn in_force(list: &[Timed], at: u64) -> Vec<Key> {
    let mut keys: Vec<Key> = list.iter().map(|timed| timed.key).collect();
    let newest = list.iter().position(|key| key.from <= at).unwrap_or(list.len().saturating_sub(1));
    if let Some(of_now) = keys.get_mut(..=newest) {
        of_now.rotate_right(1);
    }
    keys
}

fn list(field: &str, texts: &[KeyText]) -> Result<Vec<Timed>, String> {
    if texts.len() > KEYS {
        return Err(format!("keys: `{field}` has {} keys, 1 to {KEYS} are allowed", texts.len()));
    }
    let key = |text: &KeyText| match text.id.as_bytes() {
        [id] => Ok(Timed { from: text.from, key: Key { id: *id, secret: secret(field, &text.secret)? } }),
        _ => Err(format!("keys: `{field}`: an `id` is one character, this is `{}`", text.id)),
    };
    texts.iter().map(key).collect()
}

fn secret(field: &str, hex: &str) -> Result<[u8; 16], String> {
    // The secret itself never enters an error.
    let bad = || format!("keys: `{field}`: a secret is 32 hexadecimal digits");
    if hex.len() != 32 || !hex.bytes().all(|c| c.is_ascii_hexdigit()) {
        return Err(bad());
    }
    u128::from_str_radix(hex, 16).map(u128::to_be_bytes).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "000102030405060708090a0b0c0d0e0f";

    fn ring(signing: &[(&str, u64)]) -> Ring {
        let key = |(id, from): &(&str, u64)| format!(r#"{{"id":"{id}","secret":"{HEX}","from":{from}}}"#);
        let list = signing.iter().map(key).collect::<Vec<_>>().join(",");
        Ring::read(format!(r#"{{"hash":"{HEX}","signing":[{list}]}}"#).as_bytes()).unwrap()
    }

    fn ids(ring: &Ring, at: u64) -> String {
        ring.keys(at).signing.iter().map(|key| key.id as char).collect()
    }

    #[test]
    fn the_newest_key_that_is_in_force_signs_and_all_verify() {
        let ring = ring(&[("c", 300), ("b", 200), ("a", 0)]);
        assert_eq!(["acb", "acb", "bca", "cba"], [0, 199, 200, 300].map(|at| ids(&ring, at)));
        assert_eq!([200, 300, 0], [0, 200, 300].map(|at| ring.changes_at(at)));
    }

    #[test]
    fn a_key_that_is_alone_signs_whenever_it_was_made() {
        assert_eq!("a", ids(&ring(&[("a", 500)]), 1));
    }

    #[test]
    fn what_two_sources_know_is_known_once() {
        let mut both = ring(&[("b", 200), ("a", 0)]);
        both.merge(&ring(&[("c", 300), ("b", 200)]));
        assert_eq!("cba", ids(&both, 400));
        let mut none = Ring::default();
        none.merge(&both);
        assert_eq!(both, none);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let with = |text: &str| Ring::read(text.replace("HEX", HEX).as_bytes()).unwrap_err();
        for (text, named) in [
            (r#"{"hash":"HEX","signing":[]}"#, "`signing` has no key"),
            (r#"{"hash":"HEX","signing":[{"id":"ab","secret":"HEX"}]}"#, "`signing`: an `id`"),
            (r#"{"hash":"xx","signing":[]}"#, "`hash`"),
            (r#"{"hash":"HEX","signing":[{"id":"a","secret":"HEX"}],"nonce":[{"id":"a","secret":"0"}]}"#, "`nonce`"),
        ] {
            assert!(with(text).contains(named), "{}", with(text));
        }
    }
}
