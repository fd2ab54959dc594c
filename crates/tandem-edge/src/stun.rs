//! Binding requests on the SIP port: who is answered, and how often. What they look like is the pure part's.

use crate::acquainted::welcomes;
use crate::edge::Edge;
use crate::judge::Source;
use std::net::SocketAddr;
use tandem_sip::abuse::{Admit, Lane};
use tandem_sip::stun;

impl Edge {
    /// Answers those who are registered, and others only where the answer is no longer than the question: who forges a source gains
    /// nothing. All have the limits of any message.
    pub(crate) fn stun(&mut self, source: &Source<'_>, bytes: &[u8]) {
        self.counters.pings += 1;
        let peer = self.peer(source.remote);
        let known = self.acquainted.knows(peer);
        let lane = if known { Lane::Kept } else { Lane::Fresh };
        let (policy, ip) = (&self.judge.policy, source.remote.ip());
        if policy.denies(ip) || self.judge.abuse.admit(policy, ip, lane, self.at) != Admit::Yes {
            return;
        }
        let mut answer = std::mem::take(&mut self.answer);
        if stun::answer(bytes, source.remote, &mut answer) && (known || answer.len() <= bytes.len()) {
            if known {
                self.acquainted.meet(peer, self.now);
            }
            self.counters.bindings += 1;
            self.send_datagram(source.local, source.remote, &answer, 0);
        }
        self.answer = answer;
    }

    /// A message goes to a UDP peer: one that tells it that it is registered makes it known.
    pub(crate) fn acquaint(&mut self, remote: SocketAddr, message: &[u8]) {
        if welcomes(message) {
            let peer = self.peer(remote);
            self.acquainted.meet(peer, self.now);
        }
    }

    fn peer(&self, remote: SocketAddr) -> u64 {
        self.judge.keys.keys.hash(&[b"udp peer", remote.to_string().as_bytes()])
    }
}
