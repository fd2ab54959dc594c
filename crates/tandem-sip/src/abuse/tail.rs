//! The last messages that were refused: when, from whom, why, which method by which program. No address of record, no number, no body.

use crate::cidr::{key_source, source_key};
use serde::{Serialize, Serializer};
use smallvec::SmallVec;
use std::net::IpAddr;

/// Messages remembered.
pub const MESSAGES: usize = 512;
/// Bytes of a method that are kept.
pub const METHOD_BYTES: usize = 16;
/// Bytes of a User-Agent that are kept.
pub const AGENT_BYTES: usize = 64;
/// Kinds of messages noted in one second: a flood of many sources does not wash out what came before it.
pub const NOTES_PER_SECOND: u32 = 20;

/// Messages of one kind that came one after the other from one source.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Entry {
    /// When the last of them came, microseconds since 1970.
    pub at_us: u64,
    /// From whom; an IPv6 address stands for its /64.
    pub source: IpAddr,
    /// The counter's name.
    pub why: &'static str,
    /// `INVITE`; empty where none could be read.
    #[serde(serialize_with = "printable")]
    pub method: SmallVec<[u8; METHOD_BYTES]>,
    /// The beginning of User-Agent; empty if absent.
    #[serde(serialize_with = "printable")]
    pub agent: SmallVec<[u8; AGENT_BYTES]>,
    /// How many.
    pub count: u32,
}

/// A ring of them. Memory is taken once.
pub struct Tail {
    entries: Vec<Entry>,
    next: usize,
    second: u64,
    noted: u32,
}

impl Default for Tail {
    fn default() -> Tail {
        Tail { entries: Vec::with_capacity(MESSAGES), next: 0, second: 0, noted: 0 }
    }
}

impl Tail {
    /// Notes a refused message.
    pub fn note(&mut self, source: IpAddr, why: &'static str, method: &[u8], agent: &[u8], now_us: u64) {
        let source = key_source(source_key(source));
        let method = method.get(..METHOD_BYTES).unwrap_or(method);
        let agent = agent.get(..AGENT_BYTES).unwrap_or(agent);
        let second = now_us / 1_000_000;
        if second != self.second {
            (self.second, self.noted) = (second, 0);
        }
        let newest = self.entries.len().min(NOTES_PER_SECOND as usize);
        for back in 1..=newest {
            let at = (self.next + MESSAGES - back) % MESSAGES;
            let same =
                |entry: &&mut Entry| entry.source == source && entry.why == why && entry.method[..] == *method && entry.agent[..] == *agent;
            if let Some(entry) = self.entries.get_mut(at).filter(same) {
                (entry.at_us, entry.count) = (now_us, entry.count.saturating_add(1));
                return;
            }
        }
        if self.noted >= NOTES_PER_SECOND {
            return;
        }
        self.noted += 1;
        let entry = Entry { at_us: now_us, source, why, method: method.into(), agent: agent.into(), count: 1 };
        match self.entries.get_mut(self.next) {
            Some(old) => *old = entry,
            None => self.entries.push(entry),
        }
        self.next = (self.next + 1) % MESSAGES;
    }

    /// The newest `most`, newest first; of one source where one is named.
    pub fn newest(&self, most: usize, of: Option<IpAddr>) -> Vec<Entry> {
        let of = of.map(|source| key_source(source_key(source)));
        let (old, new) = self.entries.split_at(self.next.min(self.entries.len()));
        let in_order = old.iter().rev().chain(new.iter().rev());
        in_order.filter(|entry| of.is_none_or(|source| entry.source == source)).take(most).cloned().collect()
    }
}

fn printable<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
    let shown: String = bytes.iter().map(|&c| if (0x20..0x7f).contains(&c) { c as char } else { '?' }).collect();
    to.serialize_str(&shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        [203, 0, 113, last].into()
    }

    #[test]
    fn repetitions_are_one_entry_and_the_newest_come_first() {
        let mut tail = Tail::default();
        for at in 0..5 {
            tail.note(ip(1), "challenge", b"REGISTER", b"pplsip", at);
            tail.note(ip(2), "challenge", b"INVITE", b"", at);
        }
        let all = tail.newest(9, None);
        assert_eq!(vec![(ip(2), 5), (ip(1), 5)], all.iter().map(|entry| (entry.source, entry.count)).collect::<Vec<_>>());
        assert_eq!(1, tail.newest(9, Some(ip(1))).len());
        assert_eq!(4, all[0].at_us);
    }

    #[test]
    fn a_flood_of_many_sources_leaves_what_came_before() {
        let mut tail = Tail::default();
        tail.note(ip(1), "malformed", b"INVITE", b"old", 0);
        for n in 0..1_000_000u32 {
            tail.note(IpAddr::V4((0x0b00_0000 + n).into()), "rate", b"INVITE", b"x", 1_000_000 + u64::from(n));
        }
        assert!(tail.newest(MESSAGES, None).iter().any(|entry| entry.source == ip(1)));
    }

    #[test]
    fn the_ring_keeps_its_size_and_order() {
        let mut tail = Tail::default();
        for n in 0..2_000u32 {
            tail.note(IpAddr::V4((0x0b00_0000 + n).into()), "rate", b"INVITE", b"x", u64::from(n) * 1_000_000);
        }
        let all = tail.newest(usize::MAX, None);
        assert_eq!(MESSAGES, all.len());
        assert!(all.windows(2).all(|pair| pair[0].at_us > pair[1].at_us));
        assert_eq!(1_999_000_000, all[0].at_us);
    }

    #[test]
    fn what_a_stranger_wrote_is_shown_without_control_characters_and_cut() {
        let mut tail = Tail::default();
        tail.note(ip(1), "rate", b"INVITE", &[b"\x1b[2J\xff".as_slice(), &[b'a'; 200]].concat(), 0);
        let json = serde_json::to_string(&tail.newest(1, None)).unwrap();
        assert!(json.contains(r#""agent":"?[2J?aaa"#) && !json.contains(&"a".repeat(AGENT_BYTES)), "{json}");
    }
}
