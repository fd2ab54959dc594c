//! A thread that carries packets: its sockets, its part of the endpoints, one turn after another. It decides about no call.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Instant;

use tandem_rtp::audio::clean;
use tandem_rtp::plan::{EndpointId, Streams};
use tandem_rtp::relay::{Component, Event, Key, Live, Out, Packet, Relay, Share, Silence, PACKET_BYTES};
use tandem_rtp::studio::Reeled;
use tandem_sys::epoll::{Epoll, Interest, Ready};

use crate::hands::{Running, Threads};
use crate::orders::{GivenUp, Mailbox, Order, Report};
use crate::ports::Pair;
use crate::shortcut::Shortcut;
use crate::spool::TapeName;
use crate::tap::{Tap, Tapped};

/// epoll's name of the mailbox; sockets follow, two names for each place.
const ORDERS: u64 = 0;
const SOCKETS: u64 = 2;
/// Time between two looks at checks, handshakes, what has changed and a share of what runs, in microseconds.
const POLL_US: u64 = 50_000;
/// Shares of the endpoints: each is looked at once a second.
const SHARES: usize = 20;
/// Longest wait for anything, in milliseconds.
const WAIT_MS: i32 = 50;

/// One thread's world.
pub struct Worker {
    epoll: Epoll,
    orders: Mailbox<Order>,
    reports: Mailbox<Report>,
    relay: Relay,
    sockets: Sockets,
    shortcut: Shortcut,
    started: Instant,
    began: u64,
    poll_at: u64,
    share: Share,
    /// Of the shares that were looked at in this round.
    streams: Streams,
    tos: u8,
    silence: Silence,
    running: Arc<Running>,
}

/// An endpoint's sockets.
struct Open {
    key: Key,
    pair: Pair,
    /// Everything that passes them is copied.
    tapped: Option<Box<Tapped>>,
}

/// Sockets by the token of their endpoint's slot.
#[derive(Default)]
struct Sockets {
    open: Vec<Option<Open>>,
    free: Vec<u64>,
    /// What has happened since the last turn.
    events: Vec<(EndpointId, Event)>,
    /// What was recorded since then.
    reeled: Vec<(TapeName, Reeled)>,
}

impl Out for Sockets {
    fn send(&mut self, token: u64, component: Component, to: SocketAddr, bytes: &[u8]) {
        let Some(Some(Open { pair, tapped, .. })) = self.open.get(token as usize) else { return };
        let socket = if component == Component::Rtp { &pair.rtp } else { &pair.rtcp };
        // A full buffer or an unreachable peer loses one packet, as the network would.
        let sent = socket.send_to(bytes, to);
        if let (Some(tapped), Ok(_)) = (tapped, sent) {
            tapped.left(component, to, bytes);
        }
    }

    fn event(&mut self, id: EndpointId, event: Event) {
        self.events.push((id, event));
    }

    fn reeled(&mut self, room: bool, name: &str, reeled: Reeled) {
        self.reeled.push(((room, name.to_owned()), reeled));
    }
}

impl Worker {
    /// A thread's world without endpoints.
    pub fn open(orders: Mailbox<Order>, reports: Mailbox<Report>, threads: &Threads, running: Arc<Running>) -> io::Result<Worker> {
        let epoll = Epoll::new()?;
        epoll.add(orders.as_raw_fd(), ORDERS, Interest { read: true, write: false })?;
        Ok(Worker {
            epoll,
            orders,
            reports,
            // A kernel without randomness has not finished to start; nothing can be secret then.
            relay: Relay::new(threads.identity.clone(), threads.wall, |bytes| getrandom::fill(bytes).expect("the kernel has randomness")),
            sockets: Sockets::default(),
            shortcut: Shortcut::default(),
            started: Instant::now(),
            began: threads.wall,
            poll_at: 0,
            share: Share { first: 0, of: SHARES },
            streams: Streams::default(),
            tos: threads.tos,
            silence: threads.silence,
            running,
        })
    }

    /// Carries packets until it is told to stop.
    pub fn run(mut self) -> io::Result<()> {
        tandem_sys::thread::prompt();
        let (mut ready, mut packet) = (Vec::new(), Packet::new());
        loop {
            self.epoll.wait(self.patience(), &mut ready)?;
            let now = self.now();
            for event in ready.drain(..) {
                if event.token != ORDERS {
                    self.carry(now, event, &mut packet);
                } else if self.obey(now) {
                    return Ok(());
                }
            }
            if now >= self.poll_at {
                self.poll_at = if now - self.poll_at < POLL_US { self.poll_at + POLL_US } else { now + POLL_US };
                self.relay.poll(now, &mut self.sockets);
                self.sweep(now);
            }
            for key in self.relay.rerouted() {
                self.shortcut.changed(now, &mut self.relay, key);
            }
            let refused = self.relay.uncleaned();
            if refused > 0 {
                self.reports.put(Report::Unsounded(format!(
                    "denoise, cancel-echo: all {} places of a thread are taken (noise takes 1, echo 4): {refused} legs left as they are",
                    clean::PLACES
                )));
            }
            self.relay.sounds(self.now(), &mut self.sockets);
            for (id, event) in self.sockets.events.drain(..) {
                self.reports.put(Report::Happened(id, event));
            }
            for (name, reeled) in self.sockets.reeled.drain(..) {
                self.reports.put(Report::Reeled(name, reeled));
            }
        }
    }

    /// How long there is nothing to do but packets, in milliseconds.
    fn patience(&self) -> i32 {
        let at = self.relay.sounds_at().map_or(self.poll_at, |at| at.min(self.poll_at));
        (at.saturating_sub(self.now()).div_ceil(1_000)).min(WAIT_MS as u64) as i32
    }

    fn now(&self) -> u64 {
        self.began + self.started.elapsed().as_micros() as u64
    }

    fn carry(&mut self, now: u64, event: Ready, packet: &mut Packet) {
        let place = event.token - SOCKETS;
        let (token, component) = (place / 2, if place.is_multiple_of(2) { Component::Rtp } else { Component::Rtcp });
        let Some(Some(Open { key, pair, tapped })) = self.sockets.open.get(token as usize) else { return };
        let (key, socket) = (*key, if component == Component::Rtp { &pair.rtp } else { &pair.rtcp });
        // One datagram for each sign: a socket that has more is ready again.
        let Ok((len, from)) = socket.recv_from(packet.room()) else { return };
        if len < PACKET_BYTES {
            packet.filled(len);
            if let Some(tapped) = tapped {
                tapped.came(component, from, packet.bytes());
            }
            let before = self.relay.peer(key);
            self.relay.receive(now, key, component, from, packet, &mut self.sockets);
            if self.relay.peer(key) != before {
                self.shortcut.changed(now, &mut self.relay, key);
            }
        }
    }

    /// True: stop.
    fn obey(&mut self, now: u64) -> bool {
        for order in self.orders.take() {
            match order {
                Order::Put(plan, pair, live) => {
                    let token = pair.map(|pair| self.adopt(pair));
                    if let Some(desk) = live.as_ref().and_then(|live| live.desk.clone()) {
                        self.relay.expect(plan.id, desk);
                    }
                    let key = self.relay.put(now, *plan, token.unwrap_or_default());
                    let place = token.and_then(|token| self.sockets.open.get_mut(token as usize));
                    if let Some(Some(place)) = place {
                        place.key = key;
                    }
                    if let Some(live) = live {
                        self.relay.inherit(now, *live);
                    }
                    self.shortcut.changed(now, &mut self.relay, key);
                }
                Order::Drop(id) => self.release(now, id),
                Order::Tap(id, tap) => self.tap(now, id, tap),
                Order::Ask(ids, answer) => {
                    for key in ids.iter().filter_map(|id| self.relay.key(*id)).collect::<Vec<_>>() {
                        self.shortcut.count(now, &mut self.relay, key);
                    }
                    let known = ids.into_iter().filter_map(|id| self.relay.live(now, id)).collect();
                    let _ = answer.send(known); // whoever asked may have given up
                }
                Order::GiveUp(id, answer) => {
                    let _ = answer.send(self.give_up(now, id)); // whoever asked may have given up
                }
                Order::Kernel(kernel) => self.shortcut.by(kernel),
                Order::Stop => return true,
                sound => self.sound(now, sound),
            }
        }
        false
    }

    /// Orders about sound.
    fn sound(&mut self, now: u64, order: Order) {
        let (relay, out) = (&mut self.relay, &mut self.sockets);
        let done = match order {
            Order::Play(id, job, items) => relay.play(now, id, *job, items, out),
            Order::PlayIn(room, job, items) => relay.play_in(&room, *job, items),
            Order::Gather(id, name, Some(wish)) => relay.gather(now, id, name, wish),
            Order::GatherOn(id, name, gather) => relay.gather_on(now, id, (name, *gather)),
            Order::Record(room, name, reel) => relay.record(now, room, &name, &reel),
            Order::StopPlay(id) => {
                relay.stop_playing(now, id, out);
                Ok(())
            }
            Order::StopPlayIn(room) => {
                relay.stop_playing_in(&room);
                Ok(())
            }
            Order::Gather(id, ..) => {
                relay.stop_gathering(now, id);
                Ok(())
            }
            Order::Press(id, digit, milliseconds) => {
                relay.press(now, id, digit, milliseconds);
                Ok(())
            }
            Order::PauseRecord(room, name, paused) => {
                relay.pause_recording(room, &name, paused);
                Ok(())
            }
            Order::EndRecord(room, name) => {
                relay.end_recording(now, room, &name, out);
                Ok(())
            }
            Order::Put(..) | Order::Drop(_) | Order::Tap(..) | Order::Ask(..) | Order::GiveUp(..) | Order::Kernel(_) | Order::Stop => {
                Ok(())
            }
        };
        if let Err(why) = done {
            self.reports.put(Report::Unsounded(why.to_string()));
        }
    }

    /// What the kernel forwards nobody sees: a tapped stream comes back from there.
    fn tap(&mut self, now: u64, id: EndpointId, tap: Option<Tap>) {
        let Some(key) = self.relay.key(id) else { return };
        let Some((token, local)) = self.relay.slot(key).map(|slot| (slot.token, slot.plan.local)) else { return };
        let Some(Some(open)) = self.sockets.open.get_mut(token as usize) else { return };
        self.relay.set_tapped(key, tap.is_some());
        open.tapped = tap.map(|tap| Box::new(tap.at(local)));
        self.shortcut.changed(now, &mut self.relay, key);
    }

    fn give_up(&mut self, now: u64, id: EndpointId) -> Option<GivenUp> {
        let key = self.relay.key(id)?;
        self.shortcut.ended(now, &mut self.relay, key);
        let live = self.relay.live(now, id)?;
        let slot = self.relay.drop(now, id)?;
        let Open { pair, .. } = self.sockets.open.get_mut(slot.token as usize)?.take()?;
        for socket in [&pair.rtp, &pair.rtcp] {
            let _ = self.epoll.remove(socket.as_raw_fd());
        }
        self.sockets.free.push(slot.token);
        Some(GivenUp { pair, live })
    }

    fn adopt(&mut self, pair: Pair) -> u64 {
        let token = self.sockets.free.pop().unwrap_or(self.sockets.open.len() as u64);
        for (socket, half) in [(&pair.rtp, 0), (&pair.rtcp, 1)] {
            let _ = tandem_sys::socket::type_of_service(socket.as_raw_fd(), self.tos);
            let _ = self.epoll.add(socket.as_raw_fd(), SOCKETS + 2 * token + half, Interest { read: true, write: false });
        }
        let opened = Some(Open { key: Key::MAX, pair, tapped: None });
        match self.sockets.open.get_mut(token as usize) {
            Some(place) => *place = opened,
            None => self.sockets.open.push(opened),
        }
        token
    }

    fn release(&mut self, now: u64, id: EndpointId) {
        if let Some(key) = self.relay.key(id) {
            self.shortcut.ended(now, &mut self.relay, key);
        }
        let Some(slot) = self.relay.drop(now, id) else { return };
        if let Some(place) = self.sockets.open.get_mut(slot.token as usize) {
            *place = None;
            self.sockets.free.push(slot.token);
        }
    }

    /// Looks at the next share: packets wait meanwhile.
    fn sweep(&mut self, now: u64) {
        let share = self.share;
        self.shortcut.look(now, &mut self.relay, share);
        self.relay.report(now, share, &mut self.sockets);
        let changed: Vec<Live> = self.relay.changed(now, share);
        if !changed.is_empty() {
            self.reports.put(Report::Changed(changed));
        }
        for id in self.relay.silent(now, self.silence, share) {
            self.reports.put(Report::Silent(id));
        }
        self.streams += self.relay.streams(now, share);
        self.share.first = (share.first + 1) % SHARES;
        if self.share.first == 0 {
            self.running.count(std::mem::take(&mut self.streams));
        }
    }
}
