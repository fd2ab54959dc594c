//! What a front has to do with its siblings: who probes, what is in use, messages handed over. It holds no socket of its own.

use super::Front;
use crate::connections::Connections;
use crate::edge::Edge;
use std::net::IpAddr;
use std::panic::{catch_unwind, AssertUnwindSafe};
use tandem_sip::index::Index;
use tandem_sip::limits::Limits;
use tandem_sip::message::Message;
use tandem_sip::pool::{Change, Usage};
use tandem_sip::proxy::{Handover, Hop, News, Source, Verdict, World};
use tandem_sys::epoll::Interest;

/// Between two looks at what is in use, while others must know it, in microseconds.
const USAGE_US: u64 = 200_000;
/// Things taken from siblings before others have their turn.
const TAKEN: usize = 64;

impl Front {
    /// Looks for siblings and for the prober's lock: each second.
    pub(crate) fn tend(&mut self, now: u64) {
        let probes = match &mut self.siblings {
            None => true,
            Some(siblings) => {
                siblings.look();
                siblings.probes()
            }
        };
        self.prober = probes;
        self.proxy.set_prober(probes, now);
    }

    /// Tells siblings what is in use, where that changed.
    pub(super) fn tell_usage(&mut self, now: u64) {
        if now < self.usage_at || self.siblings.as_ref().is_none_or(super::siblings::Siblings::is_empty) {
            return;
        }
        self.usage_at = now + USAGE_US;
        let usage = self.proxy.pools.usage();
        if usage != self.told {
            self.told.clone_from(&usage);
            self.tell(News::Usage(self.edge, usage));
        }
    }

    pub(super) fn tell_verdicts(&mut self, changes: &[Change]) {
        for change in changes.iter().filter(|change| change.is_verdict()) {
            self.tell(News::Change(change.clone()));
        }
    }

    /// Tells siblings whom to hear no more.
    pub(crate) fn tell_ban(&mut self, source: IpAddr, seconds: u32) {
        self.tell(News::Ban(source, seconds));
    }

    fn tell(&mut self, news: News) {
        let gone = self.siblings.as_mut().map(|siblings| siblings.tell(news)).unwrap_or_default();
        gone.into_iter().for_each(|edge| self.proxy.pools.told_usage(edge, Usage::default()));
    }

    /// Tells the edges that count them of calls that ended here.
    pub(super) fn tell_ended(&mut self, ended: &[(u16, u64)]) {
        let Some(siblings) = &mut self.siblings else { return };
        for (edge, call) in ended {
            siblings.hand(*edge, &Handover::Ended(*call));
        }
    }

    fn came(&mut self, source: &Source, bytes: &[u8], connections: &Connections, now: u64) {
        let mut index = Index::default();
        let Ok(message) = Message::parse(bytes, &Limits::default(), &mut index) else { return };
        let alive = |flow| connections.has(flow);
        let member = self.proxy.pools.member_at(source.remote, source.transport);
        // Alone: what comes from a sibling goes to no third one.
        let world = World { now, alive: &alive, alone: true };
        if self.proxy.handle(&message, source, member, &world, &mut self.output) == Verdict::Pass {
            self.proxy.nobody(&message, source, &mut self.output);
        }
    }
}

/// What a sibling handed over, owned.
enum Taken {
    Came(Source, Vec<u8>),
    Send(Hop, Vec<u8>),
    Ended(u64),
    News(News),
}

impl Edge {
    pub(crate) fn watch_siblings(&mut self) {
        let fd = self.front.as_ref().and_then(|front| front.siblings.as_ref()).map(super::siblings::Siblings::fd);
        if let Some(fd) = fd {
            let _ = self.epoll.add(fd, crate::edge::SIBLINGS, Interest { read: true, write: false });
        }
    }

    pub(crate) fn siblings_ready(&mut self) {
        for _ in 0..TAKEN {
            let Some(siblings) = self.front.as_mut().and_then(|front| front.siblings.as_mut()) else { return };
            let taken = match siblings.next() {
                None => return,
                Some(Handover::Came(source, bytes)) => Taken::Came(source, bytes.to_vec()),
                Some(Handover::Send(hop, bytes)) => Taken::Send(hop, bytes.to_vec()),
                Some(Handover::Ended(call)) => Taken::Ended(call),
                Some(Handover::News(news)) => Taken::News(news),
            };
            if catch_unwind(AssertUnwindSafe(|| self.take(taken))).is_err() {
                self.counters.panics += 1;
            }
        }
    }

    fn take(&mut self, taken: Taken) {
        let Edge { front, connections, now, .. } = self;
        let Some(front) = front else { return };
        match taken {
            Taken::Came(source, bytes) => {
                front.came(&source, &bytes, connections, *now);
                self.pass();
            }
            Taken::Send(hop, bytes) if connections.has(hop.flow) => self.queue(hop.flow, &bytes, 0),
            Taken::Send(..) => self.counters.failed += 1,
            Taken::Ended(call) => front.proxy.pools.ended(call),
            Taken::News(News::Usage(edge, usage)) => front.proxy.pools.told_usage(edge, usage),
            Taken::News(News::Ban(source, seconds)) => self.ban_told(source, seconds),
            Taken::News(News::Change(change)) => {
                let changes = front.proxy.pools.told(&change, *now);
                self.say_changes(&changes);
            }
        }
    }
}
