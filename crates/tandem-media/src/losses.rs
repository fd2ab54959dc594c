//! Endpoints whose peer is lost, and when their call nodes are told so. It tells nobody itself.

use std::collections::HashMap;

use tandem_rtp::plan::EndpointId;
use tandem_rtp::relay::Event;

/// A peer that hangs up closes DTLS too: so long its BYE has to come first, in microseconds.
const GRACE_US: u64 = 2_000_000;
/// Time between two tellings, in microseconds: the node that heard the first one may have died.
const AGAIN_US: u64 = 10_000_000;

/// What is to be told, by endpoint.
#[derive(Debug, Default)]
pub struct Losses(HashMap<EndpointId, (&'static str, u64)>);

impl Losses {
    /// Takes what has happened at `now`, microseconds.
    pub fn happened(&mut self, now: u64, id: EndpointId, event: &Event) {
        let what = match event {
            Event::Keyed => return self.forget(id),
            Event::Told(_) => return,
            Event::Gone => "gone",
            Event::Unreached => "unreached",
            Event::Unkeyed(_) => "unkeyed",
        };
        self.0.entry(id).or_insert((what, now + GRACE_US)).0 = what;
    }

    /// The endpoint has ended, or its descriptions have changed.
    pub fn forget(&mut self, id: EndpointId) {
        self.0.remove(&id);
    }

    /// What is to be told at `now`, each by its name in an event.
    pub fn due(&mut self, now: u64) -> Vec<(EndpointId, &'static str)> {
        let due = self.0.iter_mut().filter(|(_, (_, at))| *at <= now);
        due.map(|(id, (what, at))| {
            *at = now + AGAIN_US;
            (*id, *what)
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: EndpointId = EndpointId(7);

    #[test]
    fn a_loss_is_told_after_its_grace_and_again_until_the_endpoint_ends() {
        let mut losses = Losses::default();
        losses.happened(0, PEER, &Event::Gone);
        assert!(losses.due(GRACE_US - 1).is_empty(), "a BYE may be on its way");
        assert_eq!(vec![(PEER, "gone")], losses.due(GRACE_US));
        assert!(losses.due(GRACE_US + 1).is_empty());
        assert_eq!(vec![(PEER, "gone")], losses.due(GRACE_US + AGAIN_US));
        losses.forget(PEER);
        assert!(losses.due(u64::MAX).is_empty());
    }

    #[test]
    fn keys_that_came_after_all_are_no_loss() {
        let mut losses = Losses::default();
        losses.happened(0, PEER, &Event::Unkeyed("not finished in time".into()));
        losses.happened(1, PEER, &Event::Keyed);
        assert!(losses.due(u64::MAX).is_empty());
    }
}
