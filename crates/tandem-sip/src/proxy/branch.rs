//! The Via of ours: a branch that any edge makes alike and verifies from the response alone, and a parameter that names a connection.
//! It keeps nothing.

use crate::base32;
use crate::ids::{mac, Key, Keys, COOKIE};
use crate::via::Via;

/// Characters of a branch: cookie, marker, key id, target, MAC.
pub const BRANCH: usize = 7 + 1 + 1 + TARGET + 13;
/// A target that is no member.
pub(super) const NOBODY: u16 = 0x7fff;
/// Characters of a target.
const TARGET: usize = 3;
/// Neither alphabet nor call ids have this letter: no branch of an owner reads like one of these.
const MARKER: u8 = b'u';
/// Characters of the MAC beside a connection. Guessing one sends a response that is ours down a connection that is not its own: to nobody who can use it.
const AT_MAC: u32 = 6;
/// Characters of an edge's number, and of an address' mark.
const EDGE: usize = 2;
const LOCAL: usize = 4;

/// A branch that has the form of ours. It is not verified.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ours {
    /// The member that the request went to, or [`NOBODY`].
    pub(super) target: u16,
    key: u8,
    /// Its MAC.
    pub(super) sum: u64,
}

/// The key of this name, else the newest.
fn key(keys: &Keys, id: u8) -> Option<&Key> {
    keys.signing.iter().find(|key| key.id == id).or(keys.signing.first())
}

/// Appends the branch of the request `identity` to `target`, signed by the key of this name or the newest.
pub(super) fn push(out: &mut Vec<u8>, keys: &Keys, by: u8, identity: u64, target: u16) {
    let Some(key) = key(keys, by) else { return };
    out.extend_from_slice(COOKIE);
    out.extend_from_slice(&[MARKER, key.id]);
    base32::push(out, u64::from(target), TARGET as u32);
    base32::push(out, sum(key, identity, target), 13);
}

/// Reads a branch; None: it is nobody's of ours.
pub(super) fn read(branch: &[u8]) -> Option<Ours> {
    let rest = branch.strip_prefix(COOKIE).filter(|_| branch.len() == BRANCH)?;
    let [MARKER, key, target @ ..] = rest else { return None };
    let (target, sum) = target.split_at_checked(TARGET)?;
    Some(Ours { target: base32::read(target)? as u16, key: *key, sum: base32::read(sum)? })
}

/// Marks the branch of a probe.
const PROBE: u8 = b'o';

/// Appends the branch of a probe: who sent it to whom, its number, and the MAC over these.
pub(super) fn push_probe(out: &mut Vec<u8>, key: u8, edge: u16, member: u16, n: u32, sum: u64) {
    out.extend_from_slice(COOKIE);
    out.extend_from_slice(&[PROBE, key]);
    base32::push(out, u64::from(edge), EDGE as u32);
    base32::push(out, u64::from(member), TARGET as u32);
    base32::push(out, u64::from(n), 4);
    base32::push(out, sum, 13);
}

/// Reads it: key, edge, member, number, MAC.
pub(super) fn read_probe(branch: &[u8]) -> Option<(u8, u16, u16, u32, u64)> {
    let rest = branch.strip_prefix(COOKIE)?;
    let [PROBE, by, rest @ ..] = rest else { return None };
    let (edge, rest) = rest.split_at_checked(EDGE)?;
    let (member, rest) = rest.split_at_checked(TARGET)?;
    let (n, sum) = rest.split_at_checked(4)?;
    Some((*by, base32::read(edge)? as u16, base32::read(member)? as u16, base32::read(n)? as u32, base32::read(sum)?))
}

/// The MAC of such a branch.
pub(super) fn sum_of(keys: &Keys, by: u8, identity: u64, target: u16) -> u64 {
    key(keys, by).map_or(0, |key| sum(key, identity, target))
}

impl Ours {
    /// Whether it was made by one of us, for this request.
    pub(super) fn verifies(&self, keys: &Keys, identity: u64) -> bool {
        keys.signing.iter().any(|key| key.id == self.key && sum(key, identity, self.target) == self.sum)
    }
}

/// What stands beside the branch where the response alone does not say it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct At {
    /// The edge that has the transaction; 0: none, or any.
    pub(super) edge: u16,
    /// The address of ours that the client asked ([`super::OwnAddress`]' mark).
    pub(super) local: u16,
    /// The client's connection, 0 for datagrams.
    pub(super) flow: u64,
    /// The edge that holds that connection.
    pub(super) flow_edge: u16,
}

/// Appends `;at=`.
pub(super) fn push_at(out: &mut Vec<u8>, keys: &Keys, identity: u64, at: &At) {
    let Some(key) = keys.signing.first() else { return };
    out.extend_from_slice(b";at=");
    base32::push(out, at_sum(key, identity, at), AT_MAC);
    base32::push(out, u64::from(at.edge), EDGE as u32);
    base32::push(out, u64::from(at.local), LOCAL as u32);
    if at.flow != 0 {
        base32::push(out, u64::from(at.flow_edge), EDGE as u32);
        base32::push(out, at.flow, (64 - at.flow.leading_zeros()).div_ceil(5));
    }
}

/// Reads it. None: there is none, or it is forged.
pub(super) fn read_at(keys: &Keys, via: &Via<'_>, identity: u64) -> Option<At> {
    let (sum, rest) = via.params.get(b"at")?.split_at_checked(AT_MAC as usize)?;
    let (edge, rest) = rest.split_at_checked(EDGE)?;
    let (local, rest) = rest.split_at_checked(LOCAL)?;
    let (flow_edge, flow) = if rest.is_empty() { (&b""[..], rest) } else { rest.split_at_checked(EDGE)? };
    let number = |text: &[u8]| base32::read(text).and_then(|value| u16::try_from(value).ok());
    let at = At { edge: number(edge)?, local: number(local)?, flow: base32::read(flow)?, flow_edge: number(flow_edge)? };
    let sum = base32::read(sum)?;
    keys.signing.iter().any(|key| at_sum(key, identity, &at) == sum).then_some(at)
}

fn sum(key: &Key, identity: u64, target: u16) -> u64 {
    let mut bytes = [0; 11];
    let (kind, rest) = bytes.split_at_mut(1);
    let (id, rest) = rest.split_at_mut(8);
    kind.copy_from_slice(b"v");
    id.copy_from_slice(&identity.to_le_bytes());
    rest.copy_from_slice(&target.to_le_bytes());
    mac(&key.secret, &[&bytes])
}

fn at_sum(key: &Key, identity: u64, at: &At) -> u64 {
    let numbers = [at.edge.to_le_bytes(), at.local.to_le_bytes(), at.flow_edge.to_le_bytes()];
    mac(&key.secret, &[b"at", &identity.to_le_bytes(), numbers.as_flattened(), &at.flow.to_le_bytes()]) & ((1 << (5 * AT_MAC)) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        Keys { hash: [1; 16], signing: vec![Key { id: b'b', secret: [2; 16] }, Key { id: b'a', secret: [3; 16] }] }
    }

    #[test]
    fn a_branch_holds_for_its_request_and_member_and_after_a_rotation() {
        let old = Keys { hash: [1; 16], signing: vec![Key { id: b'a', secret: [3; 16] }] };
        let mut text = Vec::new();
        push(&mut text, &old, 0, 77, 1_023);
        assert_eq!(BRANCH, text.len());
        let ours = read(&text).unwrap();
        assert_eq!((1_023, true, false), (ours.target, ours.verifies(&keys(), 77), ours.verifies(&keys(), 78)));
        text[9] ^= 1;
        assert!(!read(&text).is_some_and(|ours| ours.verifies(&keys(), 77)));
        assert_eq!(None, read(b"z9hG4bKabc"));
    }

    #[test]
    fn a_connection_stands_beside_it_and_cannot_be_made_up() {
        for flow in [0, 1, 31, 32, u64::MAX, 1_795_247_687_999_999] {
            let at = At { edge: 9, local: 65_535, flow, flow_edge: if flow == 0 { 0 } else { 1_023 } };
            let mut text = b"SIP/2.0/TCP h;branch=z9hG4bKx".to_vec();
            push_at(&mut text, &keys(), 77, &at);
            assert_eq!(Some(at), read_at(&keys(), &Via::parse(&text).unwrap(), 77));
            assert_eq!(None, read_at(&keys(), &Via::parse(&text).unwrap(), 78));
        }
    }
}
