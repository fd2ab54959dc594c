//! Names that we put on the wire: shards, call ids, tags, branches and route tokens. See docs/concepts/boundary.md, 1.

use crate::base32;
use siphasher::sip::{SipHasher13, SipHasher24};
use smallvec::SmallVec;

/// How many shards the calls are divided into.
pub const SHARDS: u16 = 1024;
/// Characters of a call id: shard (2) and 55 bits of the INVITE's handle (11).
pub const CALL_ID: usize = 13;
/// Characters of a tag of ours: call id and dialog name.
pub const TAG: usize = CALL_ID + 2;
/// Characters of a route token: key id, shard, dialog name, MAC.
pub const TOKEN: usize = 18;
/// What every branch of ours starts with (RFC 3261 8.1.1.7).
pub const COOKIE: &[u8] = b"z9hG4bK";
/// Bytes that are hashed without asking for memory.
const MAC_TEXT: usize = 512;

/// One signing key with its one-character name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key {
    /// The name that stands in tokens and branches.
    pub id: u8,
    /// The secret.
    pub secret: [u8; 16],
}

/// The keys in force: the first signs, all verify. `hash` never rotates: it places calls on shards.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Keys {
    /// For shards and handles.
    pub hash: [u8; 16],
    /// For MACs, newest first, never empty.
    pub signing: Vec<Key>,
}

impl Keys {
    /// The shard of a Call-ID or an address of record.
    pub fn shard(&self, text: &[u8]) -> u16 {
        (self.hash(&[text]) % u64::from(SHARDS)) as u16
    }

    /// A keyed hash of parts; the parts' boundaries count.
    pub fn hash(&self, parts: &[&[u8]]) -> u64 {
        mac(&self.hash, parts)
    }

    /// A keyed hash of a whole message, for comparing it within this process: SipHash-1-3, twice as fast as what goes on the wire.
    pub fn fingerprint(&self, message: &[u8]) -> u64 {
        SipHasher13::new_with_key(&self.hash).hash(message)
    }

    /// Appends the branch of client transaction `n` of `call`.
    pub fn push_branch(&self, out: &mut Vec<u8>, call: &[u8], n: u32) {
        let key = &self.signing[0];
        out.extend_from_slice(COOKIE);
        out.extend_from_slice(call);
        base32::push(out, u64::from(n), chars_for(n));
        out.push(b'-');
        out.push(key.id);
        base32::push(out, mac(&key.secret, &[b"branch", call, &n.to_le_bytes()]), 13);
    }

    /// Reads a branch of ours: (call id, n), or `None` when it is foreign or forged.
    pub fn read_branch<'a>(&self, branch: &'a [u8]) -> Option<(&'a [u8], u32)> {
        let text = branch.strip_prefix(COOKIE)?;
        let dash = text.len().checked_sub(15).filter(|&at| at > CALL_ID && text[at] == b'-')?;
        let call = &text[..CALL_ID];
        let n = u32::try_from(base32::read(&text[CALL_ID..dash])?).ok()?;
        let key = self.key(text[dash + 1])?;
        let good = mac(&key.secret, &[b"branch", call, &n.to_le_bytes()]);
        (base32::read(&text[dash + 2..])? == good).then_some((call, n))
    }

    /// Appends the route token of a dialog: `dialog` is its name (`a0`), `call_id` the Call-ID that its peer uses.
    pub fn push_token(&self, out: &mut Vec<u8>, shard: u16, dialog: [u8; 2], call_id: &[u8]) {
        let key = &self.signing[0];
        out.push(key.id);
        base32::push(out, u64::from(shard), 2);
        out.extend_from_slice(&dialog);
        base32::push(out, mac(&key.secret, &[b"token", &shard.to_le_bytes(), &dialog, call_id]), 13);
    }

    /// Reads a route token: (shard, dialog name). `Err(Forged)` when it looks like one and does not verify.
    pub fn read_token(&self, token: &[u8], call_id: &[u8]) -> Result<(u16, [u8; 2]), NotAToken> {
        if token.len() != TOKEN {
            return Err(NotAToken::Foreign);
        }
        let (Some(shard), Some(sum)) = (base32::read(&token[1..3]), base32::read(&token[5..])) else {
            return Err(NotAToken::Foreign);
        };
        let (shard, dialog) = (shard as u16, [token[3], token[4]]);
        let key = self.key(token[0]).ok_or(NotAToken::Forged)?;
        let good = mac(&key.secret, &[b"token", &shard.to_le_bytes(), &dialog, call_id]);
        if sum == good {
            Ok((shard, dialog))
        } else {
            Err(NotAToken::Forged)
        }
    }

    fn key(&self, id: u8) -> Option<&Key> {
        self.signing.iter().find(|key| key.id == id)
    }
}

/// Why a text is not a route token of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotAToken {
    /// It never was one.
    Foreign,
    /// It has the form of one, and its MAC is wrong for this dialog.
    Forged,
}

/// The call id of an INVITE: its shard and 55 bits of its server handle.
pub fn call_id(shard: u16, handle: u64) -> [u8; CALL_ID] {
    let mut text = Vec::with_capacity(CALL_ID);
    base32::push(&mut text, u64::from(shard), 2);
    base32::push(&mut text, handle, 11);
    text.try_into().expect("2 + 11 characters")
}

/// The shard that a call id names.
pub fn shard_of(call: &[u8]) -> Option<u16> {
    base32::read(call.get(..2)?).map(|shard| shard as u16)
}

/// Splits a tag (or Call-ID) of ours into call id and dialog name.
pub fn read_tag(tag: &[u8]) -> Option<(&[u8], [u8; 2])> {
    if tag.len() != TAG || !matches!(tag[CALL_ID], b'a' | b'b') || base32::digit(tag[CALL_ID + 1]).is_none() {
        return None;
    }
    tag[..CALL_ID].iter().all(|&c| base32::digit(c).is_some()).then(|| (&tag[..CALL_ID], [tag[CALL_ID], tag[CALL_ID + 1]]))
}

/// SipHash-2-4 over length-prefixed parts.
pub fn mac(secret: &[u8; 16], parts: &[&[u8]]) -> u64 {
    let mut text: SmallVec<[u8; MAC_TEXT]> = SmallVec::new();
    for part in parts {
        text.extend_from_slice(&(part.len() as u32).to_le_bytes());
        text.extend_from_slice(part);
    }
    SipHasher24::new_with_key(secret).hash(&text) // in one piece: half the time of one that is fed
}

fn chars_for(n: u32) -> u32 {
    ((32 - n.leading_zeros()).max(1)).div_ceil(5)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        Keys { hash: [1; 16], signing: vec![Key { id: b'b', secret: [2; 16] }, Key { id: b'a', secret: [3; 16] }] }
    }

    #[test]
    fn a_branch_reads_back_and_a_forged_one_does_not() {
        let keys = keys();
        let call = call_id(517, 0xdead_beef_1234);
        for n in [0, 1, 31, 32, 1023, 70_000] {
            let mut branch = Vec::new();
            keys.push_branch(&mut branch, &call, n);
            assert_eq!(Some((&call[..], n)), keys.read_branch(&branch));
            branch[8] ^= 1;
            assert_eq!(None, keys.read_branch(&branch));
        }
    }

    #[test]
    fn a_token_holds_for_its_own_dialog_only() {
        let keys = keys();
        let mut token = Vec::new();
        keys.push_token(&mut token, 517, *b"b3", b"one@host");
        assert_eq!(TOKEN, token.len());
        assert_eq!(Ok((517, *b"b3")), keys.read_token(&token, b"one@host"));
        assert_eq!(Err(NotAToken::Forged), keys.read_token(&token, b"two@host"));
        assert_eq!(Err(NotAToken::Foreign), keys.read_token(b"alice", b"one@host"));
    }

    #[test]
    fn a_rotated_key_still_verifies() {
        let old = Keys { hash: [1; 16], signing: vec![Key { id: b'a', secret: [3; 16] }] };
        let mut token = Vec::new();
        old.push_token(&mut token, 3, *b"a0", b"x");
        assert_eq!(Ok((3, *b"a0")), keys().read_token(&token, b"x"));
    }
}
