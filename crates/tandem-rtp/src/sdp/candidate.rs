//! ICE candidates as descriptions carry them (RFC 8839 5.1). Only what a lite agent and its peer need is read.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

/// Where a candidate comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CandidateKind {
    /// An address of the host.
    Host,
    /// Seen by a STUN server.
    ServerReflexive,
    /// Seen by a peer.
    PeerReflexive,
    /// On a TURN server.
    Relay,
}

/// A UDP candidate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// 1 to 32 characters.
    pub foundation: String,
    /// 1: RTP, 2: RTCP.
    pub component: u16,
    /// RFC 8445 5.1.2.
    pub priority: u32,
    /// Where it is reached.
    pub address: SocketAddr,
    /// Where it comes from.
    pub kind: CandidateKind,
}

impl Candidate {
    /// Priority of a host candidate of a single-homed agent (RFC 8445 5.1.2.2).
    pub fn host_priority(component: u16) -> u32 {
        (126 << 24) | (65_535 << 8) | 256u32.saturating_sub(u32::from(component))
    }

    /// Reads the value of a=candidate. `None` also for TCP and for names (mDNS): those cannot be reached by us.
    pub fn parse(value: &[u8]) -> Option<Candidate> {
        let mut words = std::str::from_utf8(value).ok()?.split_ascii_whitespace();
        let foundation = words.next().filter(|text| text.len() <= 32)?.to_owned();
        let component = words.next()?.parse().ok()?;
        words.next().filter(|transport| transport.eq_ignore_ascii_case("udp"))?;
        let priority = words.next()?.parse().ok()?;
        let address: IpAddr = words.next()?.parse().ok()?;
        let address = SocketAddr::new(address, words.next()?.parse().ok()?);
        words.next().filter(|word| *word == "typ")?;
        let kind = match words.next()? {
            "host" => CandidateKind::Host,
            "srflx" => CandidateKind::ServerReflexive,
            "prflx" => CandidateKind::PeerReflexive,
            "relay" => CandidateKind::Relay,
            _ => return None,
        };
        Some(Candidate { foundation, component, priority, address, kind })
    }

    /// The value of a=candidate.
    pub fn value(&self) -> String {
        let kind = match self.kind {
            CandidateKind::Host => "host",
            CandidateKind::ServerReflexive => "srflx",
            CandidateKind::PeerReflexive => "prflx",
            CandidateKind::Relay => "relay",
        };
        let Candidate { foundation, component, priority, address, .. } = self;
        format!("{foundation} {component} UDP {priority} {} {} typ {kind}", address.ip(), address.port())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_candidate_is_read_and_what_cannot_be_reached_is_not() {
        let read = |text: &str| Candidate::parse(text.as_bytes());
        let candidate =
            read("842163049 1 udp 1677729535 203.0.113.7 46154 typ srflx raddr 10.0.0.1 rport 46154 generation 0 network-cost 999")
                .unwrap();
        assert_eq!(CandidateKind::ServerReflexive, candidate.kind);
        assert_eq!("842163049 1 UDP 1677729535 203.0.113.7 46154 typ srflx", candidate.value());
        for text in [
            "1 1 tcp 1 192.0.2.1 9 typ host tcptype active",
            "1 1 udp 1 4e1a.local 9 typ host",
            "1 1 udp 1 192.0.2.1 70000 typ host",
            "1 1 udp 1 192.0.2.1 9 typ odd",
            "1 1 udp 1 192.0.2.1 9",
            "",
        ] {
            assert_eq!(None, read(text), "{text}");
        }
    }

    #[test]
    fn priorities_are_those_of_the_formula() {
        assert_eq!((2_130_706_431, 2_130_706_430), (Candidate::host_priority(1), Candidate::host_priority(2)));
    }
}
