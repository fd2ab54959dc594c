//! Names that somebody uses all the time: their targets as known last, asked for again when their time is over. It asks nobody itself.

use crate::model::{Failure, Found, Outcome, Wish};
use std::collections::HashMap;
use std::sync::Arc;

/// Most names that are watched.
pub(crate) const WATCHED: usize = 10_000;
const SECOND: u64 = 1_000_000;

#[derive(Debug)]
struct Watched {
    /// `None` until the first answer.
    known: Option<Outcome>,
    due_us: u64,
    asking: bool,
}

/// By wish.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    wishes: HashMap<Wish, Watched>,
    again_seconds: u32,
}

impl Watch {
    pub(crate) fn new(again_seconds: u32) -> Watch {
        Watch { again_seconds, ..Watch::default() }
    }

    /// Exactly these, with what is known of them.
    pub(crate) fn want(&mut self, wishes: impl IntoIterator<Item = Wish>) {
        let mut before = std::mem::take(&mut self.wishes);
        for wish in wishes.into_iter().take(WATCHED) {
            let kept = before.remove(&wish).unwrap_or(Watched { known: None, due_us: 0, asking: false });
            self.wishes.insert(wish, kept);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.wishes.is_empty()
    }

    /// What is known of one.
    pub(crate) fn known(&self, wish: &Wish) -> Option<&Outcome> {
        self.wishes.get(wish)?.known.as_ref()
    }

    /// At most so many that are to be asked now; they count as asked.
    pub(crate) fn due(&mut self, now_us: u64, most: usize) -> Vec<Wish> {
        let due = self.wishes.iter_mut().filter(|(_, watched)| !watched.asking && watched.due_us <= now_us).take(most);
        due.map(|(wish, watched)| {
            watched.asking = true;
            wish.clone()
        })
        .collect()
    }

    /// True when its targets are others than before, or it has some for the first time, or none any more.
    pub(crate) fn answered(&mut self, wish: &Wish, outcome: &Outcome, now_us: u64) -> bool {
        let Some(watched) = self.wishes.get_mut(wish) else {
            return false;
        };
        let seconds = outcome.as_ref().map_or(self.again_seconds, |found| found.ttl_seconds.max(1));
        watched.asking = false;
        watched.due_us = now_us + u64::from(seconds) * SECOND;
        let changed = watched.known.as_ref().is_none_or(|known| !same(known, outcome));
        watched.known = Some(outcome.clone());
        changed
    }
}

/// Whether nothing changed but times and the order within the answers, which servers turn.
fn same(one: &Outcome, other: &Outcome) -> bool {
    let plain = |found: &Arc<Found>| {
        let mut choices = found.choices.clone();
        choices.iter_mut().for_each(|choice| choice.addresses.sort());
        choices.sort_by(|a, b| (a.rank, a.transport as u8, &a.host, a.port).cmp(&(b.rank, b.transport as u8, &b.host, b.port)));
        choices
    };
    match (one, other) {
        (Ok(one), Ok(other)) => plain(one) == plain(other),
        (Err(one), Err(other)) => one == other || known_as_none(*one) == known_as_none(*other),
        _ => false,
    }
}

fn known_as_none(why: Failure) -> bool {
    !why.is_temporary()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Choice;
    use tandem_sip::frame::Transport;

    fn found(addresses: &[&str]) -> Outcome {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        let choice = Choice { rank: 0, weight: 0, transport: Transport::Udp, host: "a".into(), port: 5060, addresses };
        Ok(Arc::new(Found { choices: vec![choice], name: "a".into(), ttl_seconds: 60, stale: false }))
    }

    #[test]
    fn a_turned_order_is_no_change_and_a_lost_name_is_one() {
        let wish = Wish::new("a.example", 0, None, false).unwrap();
        let mut watch = Watch::new(10);
        watch.want([wish.clone()]);
        assert_eq!(vec![wish.clone()], watch.due(0, 9));
        assert!(watch.due(0, 9).is_empty(), "it is being asked");
        assert!(watch.answered(&wish, &found(&["192.0.2.1", "192.0.2.2"]), 0));
        assert!(watch.due(59 * SECOND, 9).is_empty());
        assert_eq!(1, watch.due(60 * SECOND, 9).len());
        assert!(!watch.answered(&wish, &found(&["192.0.2.2", "192.0.2.1"]), 0));
        assert!(watch.answered(&wish, &found(&["192.0.2.1"]), 0));
        assert!(watch.answered(&wish, &Err(Failure::TimedOut), 0));
        assert!(!watch.answered(&wish, &Err(Failure::Refused), 0));
        watch.want([]);
        assert!(!watch.answered(&wish, &found(&["192.0.2.1"]), 0) && watch.known(&wish).is_none());
    }
}
