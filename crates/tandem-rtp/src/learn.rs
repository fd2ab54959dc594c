//! Where a peer behind NAT really is, and from where its packets are taken: one value for each port. With ICE it is not asked.

use std::net::SocketAddr;

use crate::plan::Learning;

/// Time from the first packet in which an address is learned, microseconds (rtpengine's, for delayed and heuristic).
pub const LEARN_US: u64 = 3_000_000;
/// Packets in a row from another port of the same address before the peer is believed to have moved there: a NAT that bound it anew.
pub const REBIND_PACKETS: u32 = 5;
/// Silence of the old port before that, microseconds.
pub const REBIND_SILENT_US: u64 = 300_000;

/// What is done with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// It is taken; else dropped.
    pub accept: bool,
    /// From now on the peer is sent to there.
    pub moved: Option<SocketAddr>,
}

/// What it has learned of one port's peer.
///
/// ```
/// use tandem_rtp::{learn::Learner, plan::Learning};
/// let (described, real) = ("10.0.0.5:4000".parse().unwrap(), "203.0.113.7:61000".parse().unwrap());
/// let mut learner = Learner::new(Learning::Delayed, false, Some(described));
/// assert_eq!(Some(described), learner.send_to());
/// assert_eq!(Some(real), learner.saw(0, real).moved);
/// assert_eq!(Some(real), learner.send_to());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Learner {
    learning: Learning,
    strict: bool,
    described: Option<SocketAddr>,
    learned: Option<SocketAddr>,
    /// When the first packet came, microseconds.
    began: Option<u64>,
    /// When the peer was heard from where it is sent to, microseconds.
    heard: u64,
    rival: Option<(SocketAddr, u32)>,
}

impl Learner {
    /// `described`: where the peer said that it is. `strict`: packets from elsewhere are dropped.
    pub fn new(learning: Learning, strict: bool, described: Option<SocketAddr>) -> Learner {
        Learner { learning, strict, described, learned: None, began: None, heard: 0, rival: None }
    }

    /// Goes on with what another process had learned: that is settled.
    pub fn heir(now: u64, learning: Learning, strict: bool, described: Option<SocketAddr>, learned: Option<SocketAddr>) -> Learner {
        let began = learned.map(|_| now.saturating_sub(LEARN_US));
        Learner { learned, began, heard: now, ..Learner::new(learning, strict, described) }
    }

    /// What an heir must know.
    pub fn learned(&self) -> Option<SocketAddr> {
        self.learned
    }

    /// Where the peer is sent to; `None`: nothing is known.
    pub fn send_to(&self) -> Option<SocketAddr> {
        self.learned.or(self.described)
    }

    /// Where the peer is, once that is learned no more; until then, and before its first packet, `None`.
    pub fn settled(&self, now: u64) -> Option<SocketAddr> {
        let began = self.began?;
        let over = match self.learning {
            Learning::Off | Learning::Immediate => true,
            Learning::Delayed | Learning::Heuristic => now >= began.saturating_add(LEARN_US),
        };
        self.send_to().filter(|_| over && (self.learning == Learning::Off || self.learned.is_some()))
    }

    /// Packets of the settled peer passed elsewhere; the last one at `at`, microseconds.
    pub fn passed(&mut self, at: u64) {
        if at > self.heard {
            (self.heard, self.rival) = (at, None);
        }
    }

    /// A new plan. Learning begins anew only where the peer says that it is elsewhere.
    pub fn describe(&mut self, learning: Learning, strict: bool, described: Option<SocketAddr>) {
        if described != self.described || learning != self.learning {
            *self = Learner::new(learning, strict, described);
        }
        self.strict = strict;
    }

    /// A packet came at `now`, microseconds.
    pub fn saw(&mut self, now: u64, from: SocketAddr) -> Decision {
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        let began = *self.began.get_or_insert(now);
        if self.learned.or(self.described.filter(|_| self.learning == Learning::Off)) == Some(from) {
            (self.heard, self.rival) = (now, None);
            return Decision { accept: true, moved: None };
        }
        let moves = match (self.learning, self.learned) {
            (Learning::Off, _) => false,
            (_, None) => true,
            (Learning::Delayed, Some(_)) if now < began.saturating_add(LEARN_US) => true,
            (Learning::Heuristic, Some(learned)) if now < began.saturating_add(LEARN_US) => self.distance(from) <= self.distance(learned),
            (_, Some(learned)) => self.is_rebound(now, from, learned),
        };
        if !moves {
            return Decision { accept: !self.strict, moved: None };
        }
        let moved = (self.send_to() != Some(from)).then_some(from);
        (self.learned, self.heard, self.rival) = (Some(from), now, None);
        Decision { accept: true, moved }
    }

    /// How far an address is from the description.
    fn distance(&self, from: SocketAddr) -> u8 {
        match self.described {
            Some(described) if described == from => 0,
            Some(described) if described.ip() == from.ip() => 1,
            Some(described) if described.port() == from.port() => 2,
            _ => 3,
        }
    }

    /// Whether the peer speaks from another port now. Its address must be the same: nobody elsewhere can take the stream.
    fn is_rebound(&mut self, now: u64, from: SocketAddr, learned: SocketAddr) -> bool {
        if from.ip() != learned.ip() {
            return false;
        }
        let packets = self.rival.filter(|rival| rival.0 == from).map_or(1, |rival| rival.1.saturating_add(1));
        self.rival = Some((from, packets));
        packets >= REBIND_PACKETS && now >= self.heard.saturating_add(REBIND_SILENT_US)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000;
    const PACKET: u64 = 20_000;
    const ALL: [Learning; 4] = [Learning::Off, Learning::Immediate, Learning::Delayed, Learning::Heuristic];

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn learner(learning: Learning, strict: bool) -> Learner {
        Learner::new(learning, strict, Some(at("10.0.0.5:4000")))
    }

    /// Packets from one place, 20 ms apart; where the last left the learner.
    fn stream(learner: &mut Learner, from: u64, until: u64, source: &str) -> Vec<Decision> {
        (from..until).step_by(PACKET as usize).map(|now| learner.saw(now, at(source))).collect()
    }

    #[test]
    fn a_phone_behind_a_symmetric_nat_is_found_by_its_first_packet() {
        for learning in ALL {
            let mut learner = learner(learning, true);
            let decision = learner.saw(SECOND, at("203.0.113.7:61000"));
            let found = learning != Learning::Off;
            assert_eq!(Decision { accept: found, moved: found.then_some(at("203.0.113.7:61000")) }, decision, "{learning:?}");
            let place = if found { "203.0.113.7:61000" } else { "10.0.0.5:4000" };
            assert_eq!(Some(at(place)), learner.send_to());
        }
    }

    #[test]
    fn a_peer_that_is_where_it_said_is_not_moved() {
        for learning in ALL {
            let decision = learner(learning, true).saw(0, at("[::ffff:10.0.0.5]:4000"));
            assert_eq!(Decision { accept: true, moved: None }, decision, "{learning:?}");
        }
    }

    #[test]
    fn a_peer_that_said_nothing_is_sent_to_where_it_speaks_from() {
        let mut learner = Learner::new(Learning::Delayed, false, None);
        assert_eq!(None, learner.send_to());
        assert_eq!(Some(at("203.0.113.7:61000")), learner.saw(0, at("203.0.113.7:61000")).moved);
    }

    #[test]
    fn which_of_several_addresses_counts_is_what_the_flag_says() {
        let seen = ["203.0.113.7:61000", "10.0.0.5:9", "203.0.113.7:4000", "203.0.113.9:1"];
        for (learning, place) in [
            (Learning::Off, "10.0.0.5:4000"),
            (Learning::Immediate, "203.0.113.7:61000"),
            (Learning::Delayed, "203.0.113.9:1"),
            (Learning::Heuristic, "10.0.0.5:9"),
        ] {
            let mut learner = learner(learning, false);
            seen.iter().enumerate().for_each(|(packet, from)| _ = learner.saw(packet as u64 * PACKET, at(from)));
            assert_eq!(Some(at(place)), learner.send_to(), "{learning:?}");
        }
    }

    #[test]
    fn after_three_seconds_another_address_changes_nothing() {
        for strict in [true, false] {
            for learning in ALL {
                let mut learner = learner(learning, strict);
                let home = if learning == Learning::Off { "10.0.0.5:4000" } else { "203.0.113.7:61000" };
                stream(&mut learner, 0, 4 * SECOND, home);
                // The phone is silent for long, and somebody sprays.
                let stolen = stream(&mut learner, 4 * SECOND, 60 * SECOND, "198.51.100.66:4000");
                assert!(stolen.iter().all(|decision| *decision == Decision { accept: !strict, moved: None }), "{learning:?}");
                assert_eq!(Some(at(home)), learner.send_to());
                assert!(learner.saw(61 * SECOND, at(home)).accept);
            }
        }
    }

    #[test]
    fn a_nat_that_binds_anew_is_followed_when_the_old_port_is_silent() {
        for learning in [Learning::Immediate, Learning::Delayed, Learning::Heuristic] {
            let mut learner = learner(learning, true);
            stream(&mut learner, 0, 10 * SECOND, "203.0.113.7:61000");
            let after = stream(&mut learner, 10 * SECOND, 11 * SECOND, "203.0.113.7:61001");
            let dropped = after.iter().position(|decision| decision.accept).unwrap();
            assert_eq!(14, dropped, "300 ms after the last packet, {learning:?}");
            assert_eq!(Some(at("203.0.113.7:61001")), after[dropped].moved);
            assert!(after[dropped + 1..].iter().all(|decision| decision.accept && decision.moved.is_none()));
        }
    }

    #[test]
    fn a_neighbour_behind_the_same_nat_takes_nothing_while_the_phone_speaks() {
        let mut learner = learner(Learning::Delayed, true);
        stream(&mut learner, 0, 4 * SECOND, "203.0.113.7:61000");
        for packet in 0..5_000 {
            let now = 4 * SECOND + packet * PACKET;
            assert!(learner.saw(now, at("203.0.113.7:61000")).accept);
            for _ in 0..10 {
                assert_eq!(Decision { accept: false, moved: None }, learner.saw(now + 1, at("203.0.113.7:7")));
            }
        }
    }

    #[test]
    fn a_re_invite_that_moves_the_peer_begins_anew_and_one_that_does_not_changes_nothing() {
        let mut learner = learner(Learning::Delayed, true);
        stream(&mut learner, 0, 10 * SECOND, "203.0.113.7:61000");
        learner.describe(Learning::Delayed, true, Some(at("10.0.0.5:4000")));
        assert_eq!(Some(at("203.0.113.7:61000")), learner.send_to());

        learner.describe(Learning::Delayed, true, Some(at("192.0.2.9:7000")));
        assert_eq!(Some(at("192.0.2.9:7000")), learner.send_to());
        assert_eq!(Some(at("192.0.2.9:7002")), learner.saw(11 * SECOND, at("192.0.2.9:7002")).moved);
        stream(&mut learner, 11 * SECOND, 15 * SECOND, "192.0.2.9:7002");
        assert_eq!(Decision { accept: false, moved: None }, learner.saw(15 * SECOND, at("203.0.113.7:61000")), "the old place");
    }

    #[test]
    fn an_heir_goes_on_with_what_was_learned() {
        let learned = Some(at("203.0.113.7:61000"));
        let mut heir = Learner::heir(5 * SECOND, Learning::Delayed, true, Some(at("10.0.0.5:4000")), learned);
        assert_eq!((learned, learned), (heir.send_to(), heir.learned()));
        assert_eq!(Decision { accept: false, moved: None }, heir.saw(5 * SECOND, at("198.51.100.66:1")));
        assert!(heir.saw(5 * SECOND, at("203.0.113.7:61000")).accept);
        let mut unlearned = Learner::heir(5 * SECOND, Learning::Delayed, true, Some(at("10.0.0.5:4000")), None);
        assert_eq!(Some(at("203.0.113.7:1")), unlearned.saw(5 * SECOND, at("203.0.113.7:1")).moved);
    }

    proptest! {
        #[test]
        fn an_established_stream_is_never_stolen_from_another_address(
            packets in prop::collection::vec((0_u64..2 * SECOND, 1_u8..=255, any::<u16>()), 0..300), strict in any::<bool>(),
            learning in prop::sample::select(ALL.to_vec()),
        ) {
            let mut learner = learner(learning, strict);
            stream(&mut learner, 0, 4 * SECOND, "10.0.0.5:4000");
            let mut now = 4 * SECOND;
            for (later, host, port) in packets {
                now += later;
                let from = SocketAddr::from(([198, 51, 100, host], port));
                prop_assert_eq!(Decision { accept: !strict, moved: None }, learner.saw(now, from));
            }
            prop_assert_eq!(Some(at("10.0.0.5:4000")), learner.send_to());
        }
    }
}
