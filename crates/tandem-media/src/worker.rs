//! A thread that carries packets: its sockets, its part of the endpoints, one turn after another. It decides about no call.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::time::Instant;

use tandem_rtp::plan::EndpointId;
use tandem_rtp::relay::{Component, Event, Key, Live, Out, Packet, Relay, Silence, PACKET_BYTES};
use tandem_sys::epoll::{Epoll, Interest, Ready};

use crate::hands::Threads;
use crate::orders::{Mailbox, Order, Report};
use crate::ports::Pair;

/// epoll's name of the mailbox; sockets follow, two names for each place.
const ORDERS: u64 = 0;
const SOCKETS: u64 = 2;
/// Time between two looks at what has changed, in microseconds.
const SWEEP_US: u64 = 1_000_000;
/// Time between two looks at checks and handshakes, in microseconds.
const POLL_US: u64 = 50_000;
/// Longest wait for anything, in milliseconds.
const WAIT_MS: i32 = 50;

/// One thread's world.
pub struct Worker {
    epoll: Epoll,
    orders: Mailbox<Order>,
    reports: Mailbox<Report>,
    relay: Relay,
    sockets: Sockets,
    started: Instant,
    began: u64,
    poll_at: u64,
    sweep_at: u64,
    tos: u8,
    silence: Silence,
}

/// Sockets by the token of their endpoint's slot.
#[derive(Default)]
struct Sockets {
    open: Vec<Option<(Key, Pair)>>,
    free: Vec<u64>,
    /// What has happened since the last turn.
    events: Vec<(EndpointId, Event)>,
}

impl Out for Sockets {
    fn send(&mut self, token: u64, component: Component, to: SocketAddr, bytes: &[u8]) {
        let Some(Some((_, pair))) = self.open.get(token as usize) else { return };
        let socket = if component == Component::Rtp { &pair.rtp } else { &pair.rtcp };
        // A full buffer or an unreachable peer loses one packet, as the network would.
        let _ = socket.send_to(bytes, to);
    }

    fn event(&mut self, id: EndpointId, event: Event) {
        self.events.push((id, event));
    }
}

impl Worker {
    /// A thread's world without endpoints.
    pub fn open(orders: Mailbox<Order>, reports: Mailbox<Report>, threads: &Threads) -> io::Result<Worker> {
        let epoll = Epoll::new()?;
        epoll.add(orders.as_raw_fd(), ORDERS, Interest { read: true, write: false })?;
        Ok(Worker {
            epoll,
            orders,
            reports,
            // A kernel without randomness has not finished to start; nothing can be secret then.
            relay: Relay::new(threads.identity.clone(), threads.wall, |bytes| getrandom::fill(bytes).expect("the kernel has randomness")),
            sockets: Sockets::default(),
            started: Instant::now(),
            began: threads.wall,
            poll_at: 0,
            sweep_at: 0,
            tos: threads.tos,
            silence: threads.silence,
        })
    }

    /// Carries packets until it is told to stop.
    pub fn run(mut self) -> io::Result<()> {
        tandem_sys::thread::prompt();
        let (mut ready, mut packet) = (Vec::new(), Packet::new());
        loop {
            self.epoll.wait(WAIT_MS, &mut ready)?;
            let now = self.now();
            for event in ready.drain(..) {
                if event.token != ORDERS {
                    self.carry(now, event, &mut packet);
                } else if self.obey(now) {
                    return Ok(());
                }
            }
            if now >= self.poll_at {
                self.poll_at = now + POLL_US;
                self.relay.poll(now, &mut self.sockets);
            }
            if now >= self.sweep_at {
                self.sweep_at = now + SWEEP_US;
                self.sweep(now);
            }
            for (id, event) in self.sockets.events.drain(..) {
                self.reports.put(Report::Happened(id, event));
            }
        }
    }

    fn now(&self) -> u64 {
        self.began + self.started.elapsed().as_micros() as u64
    }

    fn carry(&mut self, now: u64, event: Ready, packet: &mut Packet) {
        let place = event.token - SOCKETS;
        let (token, component) = (place / 2, if place.is_multiple_of(2) { Component::Rtp } else { Component::Rtcp });
        let Some(Some((key, pair))) = self.sockets.open.get(token as usize) else { return };
        let (key, socket) = (*key, if component == Component::Rtp { &pair.rtp } else { &pair.rtcp });
        // One datagram for each sign: a socket that has more is ready again.
        let Ok((len, from)) = socket.recv_from(packet.room()) else { return };
        if len < PACKET_BYTES {
            packet.filled(len);
            self.relay.receive(now, key, component, from, packet, &mut self.sockets);
        }
    }

    /// True: stop.
    fn obey(&mut self, now: u64) -> bool {
        for order in self.orders.take() {
            match order {
                Order::Put(plan, pair, live) => {
                    let token = pair.map(|pair| self.adopt(pair));
                    let key = self.relay.put(now, *plan, token.unwrap_or_default());
                    let place = token.and_then(|token| self.sockets.open.get_mut(token as usize));
                    if let Some(Some((place, _))) = place {
                        *place = key;
                    }
                    if let Some(live) = live {
                        self.relay.inherit(now, *live);
                    }
                }
                Order::Drop(id) => self.release(id),
                Order::Ask(ids, answer) => {
                    let known = ids.into_iter().filter_map(|id| self.relay.live(now, id)).collect();
                    let _ = answer.send(known); // whoever asked may have given up
                }
                Order::Stop => return true,
            }
        }
        false
    }

    fn adopt(&mut self, pair: Pair) -> u64 {
        let token = self.sockets.free.pop().unwrap_or(self.sockets.open.len() as u64);
        for (socket, half) in [(&pair.rtp, 0), (&pair.rtcp, 1)] {
            let _ = tandem_sys::socket::type_of_service(socket.as_raw_fd(), self.tos);
            let _ = self.epoll.add(socket.as_raw_fd(), SOCKETS + 2 * token + half, Interest { read: true, write: false });
        }
        let opened = Some((Key::MAX, pair));
        match self.sockets.open.get_mut(token as usize) {
            Some(place) => *place = opened,
            None => self.sockets.open.push(opened),
        }
        token
    }

    fn release(&mut self, id: EndpointId) {
        let Some(slot) = self.relay.drop(id) else { return };
        if let Some(place) = self.sockets.open.get_mut(slot.token as usize) {
            *place = None;
            self.sockets.free.push(slot.token);
        }
    }

    fn sweep(&mut self, now: u64) {
        self.relay.report(now, &mut self.sockets);
        let changed: Vec<Live> = self.relay.changed(now);
        if !changed.is_empty() {
            self.reports.put(Report::Changed(changed));
        }
        for id in self.relay.silent(now, self.silence) {
            self.reports.put(Report::Silent(id));
        }
    }
}
