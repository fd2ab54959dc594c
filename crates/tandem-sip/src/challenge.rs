//! The 401 and 407 that edge and owner give alike, and the tag by which an edge knows the ACK to one. It checks no password.

use crate::base32;
use crate::ids::{mac, Key, Keys};
use crate::nonce;
use crate::policy::Policy;
use crate::question::Question;
use crate::reply::Reply;
use smallvec::SmallVec;
use std::net::SocketAddr;

/// Bytes of challenges that are written without asking for memory; six of the longest realm have more.
const HEADERS: usize = 1024;
/// Characters of a stateless answer's To tag: `x` and a MAC.
pub const TAG: usize = 14;

/// Who challenges, and by what.
#[derive(Clone, Copy, Debug)]
pub struct Challenger<'a> {
    /// For the tag.
    pub keys: &'a Keys,
    /// For the nonce.
    pub nonce_keys: &'a [Key],
    /// Realms, algorithms.
    pub policy: &'a Policy,
}

impl Challenger<'_> {
    /// Writes a 401 or 407 into `out`, one header per algorithm, best first. `most`: bytes that it may have; where that is too little,
    /// header names are short, then the last algorithm stands alone (the one that every phone knows), then a 403 without any: who asks is
    /// told that he is heard, alike whether the user exists. False: not even that fits, stay silent.
    pub fn write(&self, out: &mut Vec<u8>, question: &Question<'_>, source: SocketAddr, stale: bool, most: usize, now_us: u64) -> bool {
        let realm = question.realm(self.policy);
        let salt = self.keys.hash(&[b"salt", question.call_id, question.branch, &source.port().to_le_bytes()]);
        let mut nonce: SmallVec<[u8; nonce::NONCE + 2]> = SmallVec::new();
        nonce::push(&mut nonce, self.nonce_keys, realm.as_bytes(), salt, now_us);
        let (status, name) = if by_401(question.method) {
            ("401 Unauthorized", &b"WWW-Authenticate"[..])
        } else {
            ("407 Proxy Authentication Required", &b"Proxy-Authenticate"[..])
        };
        let tag = self.tag(question);
        let mut headers: SmallVec<[u8; HEADERS]> = SmallVec::new();
        let mut last = 0;
        for algorithm in &self.policy.algorithms {
            last = headers.len();
            headers.extend_from_slice(name);
            headers.extend_from_slice(b": Digest realm=\"");
            headers.extend_from_slice(realm.as_bytes());
            headers.extend_from_slice(b"\",nonce=\"");
            headers.extend_from_slice(&nonce);
            headers.extend_from_slice(b"\",algorithm=");
            headers.extend_from_slice(algorithm.name().as_bytes());
            headers.extend_from_slice(b",qop=\"auth\"");
            headers.extend_from_slice(if stale { b",stale=true" } else { b"" });
            headers.extend_from_slice(if self.policy.userhash { b",userhash=true\r\n" } else { b"\r\n" });
        }
        let one = headers.get(last..).unwrap_or_default();
        fit(out, question, source, most, &tag, status, &[(&headers, false), (&headers, true), (one, false), (one, true)])
            || fit(out, question, source, most, &tag, "403 Forbidden", &[(b"", false), (b"", true)])
    }

    /// The To tag of a stateless answer: `x` and a MAC of the branch and Call-ID, which the ACK repeats (RFC 3261 17.1.1.3).
    pub fn tag(&self, question: &Question<'_>) -> [u8; TAG] {
        stateless_tag(self.keys, question)
    }

    /// Whether an ACK is to a stateless answer of any of us.
    pub fn gave(&self, question: &Question<'_>) -> bool {
        gave(self.keys, question)
    }
}

pub(crate) fn stateless_tag(keys: &Keys, question: &Question<'_>) -> [u8; TAG] {
    keys.signing.first().map_or([b'x'; TAG], |key| tag(key, question))
}

pub(crate) fn gave(keys: &Keys, question: &Question<'_>) -> bool {
    question.to_tag.first() == Some(&b'x') && keys.signing.iter().any(|key| tag(key, question) == question.to_tag)
}

/// Writes the first of several forms that fits into `most` bytes; false: none does, and `out` is empty.
pub(crate) fn fit(
    out: &mut Vec<u8>,
    question: &Question<'_>,
    source: SocketAddr,
    most: usize,
    tag: &[u8],
    status: &str,
    forms: &[(&[u8], bool)],
) -> bool {
    for &(headers, compact) in forms {
        Reply { status, tag, headers, compact }.write(out, question, source);
        if out.len() <= most {
            return true;
        }
    }
    out.clear();
    false
}

/// Methods that a server of ours itself serves are challenged by 401, what passes through us by 407.
pub(crate) fn by_401(method: &[u8]) -> bool {
    matches!(method, b"REGISTER" | b"SUBSCRIBE" | b"PUBLISH")
}

fn tag(key: &Key, question: &Question<'_>) -> [u8; TAG] {
    let mut text: SmallVec<[u8; 16]> = SmallVec::new();
    text.push(b'x');
    base32::push(&mut text, mac(&key.secret, &[b"answer", question.branch, question.call_id]), 13);
    text.first_chunk().copied().unwrap_or([b'x'; TAG])
}
