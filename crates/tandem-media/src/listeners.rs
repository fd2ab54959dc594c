//! Who is told what happens: call nodes on the Unix socket, and whoever says `events` in a command. It sends nothing.

use crate::gates::Asker;

/// Listeners at a time; one more is told nothing.
pub const LISTENERS: usize = 16;
/// Then one of another machine that has not said `events` again is told nothing more, in microseconds: its address says nothing when it is gone.
pub const SILENT_US: u64 = 60_000_000;

/// Those who are told.
#[derive(Debug, Default)]
pub struct Listeners {
    /// Each with the time at which it last said so.
    known: Vec<(Asker, u64)>,
}

impl Listeners {
    /// Notes that somebody has asked something; `events`: and wants to be told what happens.
    ///
    /// ```
    /// use tandem_media::{gates::Asker, listeners::Listeners};
    /// let mut listeners = Listeners::default();
    /// listeners.asked(&Asker::Udp(16, "192.0.2.7:2223".parse().unwrap()), true, 0);
    /// let mut told = 0;
    /// listeners.tell(1_000_000, |_| { told += 1; true });
    /// assert_eq!(1, told);
    /// ```
    pub fn asked(&mut self, asker: &Asker, events: bool, now: u64) {
        if !events && !matches!(asker, Asker::Unix(..)) {
            return;
        }
        self.forget_silent(now);
        if let Some((_, at)) = self.known.iter_mut().find(|(known, _)| known == asker) {
            *at = now;
        } else if self.known.len() < LISTENERS {
            self.known.push((asker.clone(), now));
        }
    }

    /// Gives each to `send`, which says whether it is still there.
    pub fn tell(&mut self, now: u64, mut send: impl FnMut(&Asker) -> bool) {
        self.forget_silent(now);
        self.known.retain(|(asker, _)| send(asker));
    }

    fn forget_silent(&mut self, now: u64) {
        self.known.retain(|(asker, at)| matches!(asker, Asker::Unix(..)) || now.saturating_sub(*at) < SILENT_US);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn udp(port: u16) -> Asker {
        Asker::Udp(16, ([192, 0, 2, 7], port).into())
    }

    fn told(listeners: &mut Listeners, now: u64) -> Vec<Asker> {
        let mut told = Vec::new();
        listeners.tell(now, |asker| {
            told.push(asker.clone());
            true
        });
        told
    }

    #[test]
    fn over_udp_only_who_asks_for_events_is_told_and_only_while_it_asks() {
        let mut listeners = Listeners::default();
        listeners.asked(&udp(1), false, 0);
        listeners.asked(&udp(2), true, 0);
        listeners.asked(&udp(3), true, 0);
        listeners.asked(&udp(2), false, SILENT_US / 2);
        listeners.asked(&udp(3), true, SILENT_US / 2);
        assert_eq!(vec![udp(2), udp(3)], told(&mut listeners, SILENT_US - 1));
        assert_eq!(vec![udp(3)], told(&mut listeners, SILENT_US));
    }

    #[test]
    fn a_node_on_the_unix_socket_is_told_until_it_is_gone() {
        let mut listeners = Listeners::default();
        let node = Asker::Unix(17, "/run/node.sock".into());
        listeners.asked(&node, false, 0);
        assert_eq!(vec![node.clone()], told(&mut listeners, 100 * SILENT_US));
        listeners.tell(100 * SILENT_US, |_| false);
        assert!(told(&mut listeners, 100 * SILENT_US).is_empty());
    }

    #[test]
    fn one_too_many_takes_the_place_of_who_is_silent_or_none() {
        let mut listeners = Listeners::default();
        (0..20).for_each(|port| listeners.asked(&udp(port), true, 0));
        assert_eq!(LISTENERS, told(&mut listeners, 1).len());
        listeners.asked(&udp(99), true, SILENT_US);
        assert_eq!(vec![udp(99)], told(&mut listeners, SILENT_US));
    }
}
