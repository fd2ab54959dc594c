//! The edge's decision about one message that came in (boundary.md, 5): up to an owner, answered here, or silence. No state, no I/O.

use crate::abuse::Lane;
use crate::challenge::{by_401, fit, Challenger};
use crate::digest::Credentials;
use crate::emergency::Unproven;
use crate::ids::{read_tag, shard_of, NotAToken};
use crate::nonce::{self, Nonce};
use crate::policy::{Policy, Trunk};
use crate::question::Question;
use smallvec::SmallVec;
use std::net::SocketAddr;

/// What we say that we do.
const OPTIONS_HEADERS: &[u8] = b"Accept: application/sdp\r\n\
Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, REFER, NOTIFY, SUBSCRIBE, MESSAGE, REGISTER, PUBLISH\r\n\
Supported: path, outbound, 100rel, timer, replaces\r\n";

/// Seconds that a draining edge asks others to wait, at least; at most twice as many.
const DRAIN_SECONDS: u64 = 30;

/// What becomes of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// To the owner of the shard.
    Up {
        /// 0..1023.
        shard: u16,
    },
    /// The answer stands in `out`: send it back to where the message came from.
    Answer {
        /// Its status, for the counters.
        status: u16,
    },
    /// Nothing.
    Silence(Why),
}

/// Why nothing is said; a counter each.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Why {
    /// The source is on the deny list.
    Denied,
    /// A response whose branch is not ours.
    ForeignBranch,
    /// The ACK to a 401, 407 or other answer of an edge.
    Acked,
    /// An ACK whose token is forged, or that belongs to nothing of ours.
    ForeignAck,
    /// Any answer would be longer than the question.
    TooLong,
    /// It lacks what an answer or a route needs: Via, From, To, Call-ID, CSeq.
    Broken,
}

/// Where a message came from.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Its address.
    pub address: SocketAddr,
    /// 1 UDP, 2 TCP, 3 TLS, 4 WS, 5 WSS.
    pub transport: u8,
    /// The names in the peer's verified certificate; empty without one.
    pub tls_names: &'a [&'a [u8]],
}

impl Source<'_> {
    /// The trunk that this source is.
    pub fn trunk<'p>(&self, policy: &'p Policy) -> Option<&'p Trunk> {
        policy.trunk_at(self.address.ip()).or_else(|| self.tls_names.iter().find_map(|name| policy.trunk_named(name)))
    }

    /// Bytes that an answer to a stranger may have: over UDP, where sources are forged, those of the question. A stream's peer has
    /// shown by its handshake that it is there.
    pub(crate) fn most(&self, question: &Question<'_>) -> usize {
        if self.transport == 1 {
            question.length
        } else {
            usize::MAX
        }
    }
}

/// The gate of one edge, or the part of it that an owner uses.
#[derive(Clone, Copy, Debug)]
pub struct Gate<'a> {
    /// Keys and policy.
    pub by: Challenger<'a>,
    /// OPTIONS to us and REGISTER get 503; calls are the owner's to refuse, which knows emergency numbers.
    pub draining: bool,
}

impl Gate<'_> {
    /// Decides. `out` is cleared, and holds the answer where there is one.
    pub fn decide(&self, question: &Question<'_>, source: &Source<'_>, now_us: u64, out: &mut Vec<u8>) -> Verdict {
        out.clear();
        let trunk = source.trunk(self.by.policy);
        if trunk.is_none() && self.by.policy.denies(source.address.ip()) {
            return Verdict::Silence(Why::Denied);
        }
        if question.method.is_empty() {
            let call = self.by.keys.read_branch(question.branch).and_then(|(call, _)| shard_of(call));
            return call.map_or(Verdict::Silence(Why::ForeignBranch), |shard| Verdict::Up { shard });
        }
        if question.vias.is_empty() || [question.from, question.to, question.call_id, question.cseq].iter().any(|value| value.is_empty()) {
            return Verdict::Silence(Why::Broken);
        }
        let begins = question.to_tag.is_empty() && !matches!(question.method, b"ACK" | b"CANCEL");
        // RFC 3261 8.2.2.1
        if begins && !question.scheme_served() {
            return self.refuse(question, source, "416 Unsupported URI Scheme", b"", out);
        }
        match question.method {
            b"ACK" => self.ack(question),
            b"REGISTER" if self.draining => self.later(question, source, out),
            b"REGISTER" => self.begins(question, source, trunk.is_some(), now_us, out),
            _ if !question.to_tag.is_empty() => self.within(question, source, out),
            b"CANCEL" => Verdict::Up { shard: self.by.keys.shard(question.call_id) }, // RFC 3261 22.1: never challenged
            b"OPTIONS" if question.tokens()[0].is_empty() => self.options(question, source, out),
            _ => self.begins(question, source, trunk.is_some(), now_us, out),
        }
    }

    /// The lane that a message takes its token from (`Abuse::admit`). A To tag or a Via alone opens no larger lane: token and branch
    /// must be ours. Emergency calls go in the larger one.
    pub fn lane(&self, question: &Question<'_>) -> Lane {
        let kept = match question.method {
            b"" => self.by.keys.read_branch(question.branch).is_some(),
            b"ACK" | b"CANCEL" => true,
            b"INVITE" if self.by.policy.emergency(question.realm(self.by.policy)).holds(question) => true,
            _ => !question.to_tag.is_empty() && self.token(question).is_ok(),
        };
        if kept {
            Lane::Kept
        } else {
            Lane::Fresh
        }
    }

    /// The shard of a request without a route token, or with a good one (boundary.md, 1).
    pub fn shard_for(&self, question: &Question<'_>) -> u16 {
        let by_aor = || question.aor(question.to, self.by.policy).map(|aor| self.by.keys.shard(&aor));
        match (question.method, self.token(question)) {
            (b"REGISTER", _) => by_aor().unwrap_or_else(|| self.by.keys.shard(question.call_id)),
            (_, Ok(shard)) if !question.to_tag.is_empty() => shard,
            _ => self.by.keys.shard(question.call_id),
        }
    }

    /// A refusal of the edge's own (400, 503 ...), within the same limit of length. `headers` are complete lines, the first to be
    /// left out. An ACK gets none.
    pub fn refuse(&self, question: &Question<'_>, source: &Source<'_>, status: &str, headers: &[u8], out: &mut Vec<u8>) -> Verdict {
        if question.method == b"ACK" || question.method.is_empty() || question.vias.is_empty() {
            return Verdict::Silence(Why::Broken);
        }
        let tag = self.by.tag(question);
        match fit(out, question, source.address, source.most(question), &tag, status, &[(headers, false), (b"", false), (b"", true)]) {
            true => Verdict::Answer { status: status.get(..3).and_then(|text| text.parse().ok()).unwrap_or(500) },
            false => Verdict::Silence(Why::TooLong),
        }
    }

    fn ack(&self, question: &Question<'_>) -> Verdict {
        if self.by.gave(question) {
            return Verdict::Silence(Why::Acked);
        }
        if let Ok(shard) = self.token(question) {
            return Verdict::Up { shard };
        }
        // The ACK to a final answer other than 2xx has the INVITE's Request-URI, so no token; but our tag, which names the call.
        let shard = self.by.keys.shard(question.call_id);
        let ours = read_tag(question.to_tag).and_then(|(call, _)| shard_of(call)) == Some(shard);
        if ours {
            Verdict::Up { shard }
        } else {
            Verdict::Silence(Why::ForeignAck)
        }
    }

    fn within(&self, question: &Question<'_>, source: &Source<'_>, out: &mut Vec<u8>) -> Verdict {
        match self.token(question) {
            Ok(shard) => Verdict::Up { shard },
            // The CANCEL of an INVITE that was answered 1xx by us: some phones copy our tag into it.
            Err(NotAToken::Foreign) if question.method == b"CANCEL" && read_tag(question.to_tag).is_some() => {
                Verdict::Up { shard: self.by.keys.shard(question.call_id) }
            }
            Err(NotAToken::Forged) => self.refuse(question, source, "403 Forbidden", b"", out),
            Err(NotAToken::Foreign) => self.refuse(question, source, "481 Call/Transaction Does Not Exist", b"", out),
        }
    }

    fn options(&self, question: &Question<'_>, source: &Source<'_>, out: &mut Vec<u8>) -> Verdict {
        match self.draining {
            true => self.later(question, source, out),
            false => self.refuse(question, source, "200 OK", OPTIONS_HEADERS, out),
        }
    }

    /// A 503 with Retry-After, spread by a keyed hash: those who are sent away together must not come back together.
    pub fn later(&self, question: &Question<'_>, source: &Source<'_>, out: &mut Vec<u8>) -> Verdict {
        let seconds = DRAIN_SECONDS + self.by.keys.hash(&[b"later", question.branch, question.call_id]) % DRAIN_SECONDS;
        self.refuse(question, source, "503 Service Unavailable", &retry_after(seconds), out)
    }

    fn begins(&self, question: &Question<'_>, source: &Source<'_>, trunk: bool, now_us: u64, out: &mut Vec<u8>) -> Verdict {
        let stale = match trunk {
            true => return Verdict::Up { shard: self.shard_for(question) },
            false => match self.by.nonce_of(question, now_us) {
                Some((_, Nonce::Fresh { .. })) => return Verdict::Up { shard: self.shard_for(question) },
                Some((_, Nonce::Stale)) => true,
                _ => false,
            },
        };
        // Its number alone lets it pass: the owner asks whether its user is registered where it comes from.
        let emergency = self.by.policy.emergency(question.realm(self.by.policy));
        if emergency.unproven != Unproven::Never && emergency.holds(question) {
            return Verdict::Up { shard: self.shard_for(question) };
        }
        // RFC 3261 16.3, 3. What we serve ourselves goes no further, and who is known hears it from the owner, which keeps the call's story.
        if question.max_forwards == Some(0) && !by_401(question.method) {
            return self.refuse(question, source, "483 Too Many Hops", b"", out);
        }
        match self.by.write(out, question, source.address, stale, source.most(question), now_us) {
            true => Verdict::Answer {
                status: match out.get(8..11) {
                    Some(b"401") => 401,
                    Some(b"403") => 403,
                    _ => 407,
                },
            },
            false => Verdict::Silence(Why::TooLong),
        }
    }

    /// The shard in the route token: the Request-URI's user, or its parameter `tandem`.
    fn token(&self, question: &Question<'_>) -> Result<u16, NotAToken> {
        let [user, parameter] = question.tokens();
        let read = |text| self.by.keys.read_token(text, question.call_id).map(|(shard, _)| shard);
        match read(user) {
            Err(NotAToken::Foreign) => read(parameter),
            other => other,
        }
    }
}

/// The header line, without asking for memory.
pub fn retry_after(seconds: u64) -> SmallVec<[u8; 32]> {
    let mut text: SmallVec<[u8; 32]> = SmallVec::from_slice(b"Retry-After: ");
    text.extend_from_slice(itoa::Buffer::new().format(seconds).as_bytes());
    text.extend_from_slice(b"\r\n");
    text
}

impl Challenger<'_> {
    /// The credential of one of our realms with the best nonce, if there is any.
    pub fn nonce_of<'q>(&self, question: &Question<'q>, now_us: u64) -> Option<(Credentials<'q>, Nonce)> {
        let policy = self.policy;
        let realm = question.realm(policy);
        let ours = question.credentials.iter().filter_map(|value| Credentials::parse(value).ok());
        let ours = ours.filter(|credentials| *credentials.realm == *realm.as_bytes() && (policy.userhash || !credentials.userhash));
        let read = |credentials: Credentials<'q>| {
            let nonce = nonce::read(&credentials.nonce, self.nonce_keys, realm.as_bytes(), policy.nonce_seconds, now_us);
            (credentials, nonce)
        };
        ours.map(read).min_by_key(|(_, nonce)| match nonce {
            Nonce::Fresh { .. } => 0,
            Nonce::Stale => 1,
            Nonce::Foreign => 2,
        })
    }
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
