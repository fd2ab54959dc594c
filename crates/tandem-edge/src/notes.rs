//! What people said when they asked for a ban, by its source. It is shown in reports and decides nothing.

use std::collections::VecDeque;
use std::net::IpAddr;

/// Bans whose words are kept; the oldest are forgotten.
pub const NOTES: usize = 1_024;
/// Longest words for one ban, in characters.
pub const NOTE_CHARS: usize = 120;

/// Words by source, an IPv6 source as its /64.
#[derive(Default)]
pub struct Notes(VecDeque<(IpAddr, Box<str>)>);

impl Notes {
    /// Keeps the words for a ban; empty ones only replace what stood there.
    pub fn keep(&mut self, source: IpAddr, note: &str) {
        self.0.retain(|(known, _)| *known != source);
        if note.is_empty() {
            return;
        }
        if self.0.len() >= NOTES {
            self.0.pop_front();
        }
        self.0.push_back((source, note.into()));
    }

    /// The words for a ban, empty without any.
    pub fn of(&self, source: IpAddr) -> &str {
        self.0.iter().find(|(known, _)| *known == source).map_or("", |(_, note)| note)
    }
}

#[cfg(test)]
mod tests {
    use super::{Notes, NOTES};
    use std::net::{IpAddr, Ipv4Addr};

    #[test]
    fn the_last_words_count_and_the_oldest_are_forgotten() {
        let at = |n: u32| IpAddr::from(Ipv4Addr::from(n));
        let mut notes = Notes::default();
        (0..=NOTES as u32).for_each(|n| notes.keep(at(n), "spam"));
        notes.keep(at(7), "fraud");
        notes.keep(at(8), "");
        assert_eq!(("", "fraud", "", "spam"), (notes.of(at(0)), notes.of(at(7)), notes.of(at(8)), notes.of(at(9))));
    }
}
