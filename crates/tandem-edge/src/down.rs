//! From owners to peers: messages that go out, connections that open and end for them. What may pass stands in `owners`.

use crate::connection::{Connection, End, Stage};
use crate::edge::{Edge, Socket, FLOWS};
use crate::hep::Travelled;
use std::net::SocketAddr;
use tandem_sip::frame::{self, SipDown, Transport, Why};
use tandem_sys::epoll::Interest;
use tandem_sys::socket;

impl Edge {
    pub(crate) fn send(&mut self, sip: &SipDown<'_>) {
        self.counters.down += 1;
        let remote: SocketAddr = sip.remote.into();
        if is_challenge(sip.message) {
            self.after_failure(remote, sip.message);
        }
        match sip.transport {
            Transport::Udp => {
                self.acquaint(remote, sip.message);
                self.send_datagram(sip.local, remote, sip.message, sip.cookie);
            }
            _ if sip.flow != 0 => self.queue(sip.flow, sip.message, sip.cookie),
            Transport::Tcp | Transport::Tls => match self.connections.to(sip.transport, remote) {
                Some(flow) => self.queue(flow, sip.message, sip.cookie),
                None => self.call_out(sip.transport, sip.local, remote, sip.message, sip.cookie),
            },
            Transport::Ws | Transport::Wss => self.failed(sip.cookie, Why::Route),
        }
    }

    pub(crate) fn send_datagram(&mut self, local: u8, remote: SocketAddr, message: &[u8], cookie: u64) {
        let Some(leaving) = self.locals.leaving(local, Transport::Udp, remote) else { return self.failed(cookie, Why::Route) };
        let from = Some(leaving.bound.ip()).filter(|ip| !ip.is_unspecified());
        let Some(Socket::Udp(udp)) = self.sockets.get_mut(leaving.socket) else { return };
        if udp.queue(message, remote, from, cookie) {
            self.counters.sent_udp += 1;
            if let Some(copies) = &mut self.copies {
                copies.note(Travelled { datagram: true, from: leaving.bound, to: remote, at_us: self.at }, message);
            }
        } else {
            self.counters.dropped_udp += 1;
        }
    }

    /// Queues a message on a connection. One that does not read is closed.
    pub(crate) fn queue(&mut self, flow: u64, message: &[u8], cookie: u64) {
        let Some(connection) = self.connections.get(flow) else { return self.failed(cookie, Why::Flow) };
        let queued = connection.queue(message, cookie);
        if let (Some(copies), Some(local)) = (&mut self.copies, self.locals.get(connection.local)) {
            let travelled = Travelled { datagram: false, from: local.bound, to: connection.remote, at_us: self.at };
            copies.note(travelled, message);
        }
        self.queued(flow, queued, cookie);
    }

    pub(crate) fn queued(&mut self, flow: u64, queued: Result<(), End>, cookie: u64) {
        let Some(connection) = self.connections.get(flow) else { return };
        match queued {
            Ok(()) => {
                let transport = connection.transport;
                self.counters.sent(transport);
                self.dirty.push(flow);
            }
            Err(end) => {
                self.failed(cookie, Why::Flow);
                self.end(flow, end);
            }
        }
    }

    /// Opens a connection for a message.
    pub(crate) fn call_out(&mut self, transport: Transport, local: u8, remote: SocketAddr, message: &[u8], cookie: u64) {
        let policy = &self.judge.policy;
        if !self.connections.has_room(remote.ip(), &policy.limits, true) {
            self.counters.connections_refused += 1;
            return self.failed(cookie, Why::Route);
        }
        let session = match transport {
            Transport::Tls => match self.tls.connect(remote.ip(), self.trunks.names(remote.ip())) {
                Ok(session) => Some(session),
                Err(error) => {
                    self.log.say(self.at, "no outgoing TLS", &[("why", &error)]);
                    return self.failed(cookie, Why::Tls);
                }
            },
            _ => None,
        };
        let leaving = self.locals.get(local).filter(|at| at.bound.is_ipv4() == remote.is_ipv4());
        let source = leaving.map(|at| at.bound.ip()).filter(|ip| !ip.is_unspecified());
        match socket::connect(remote, source) {
            Ok(fd) => {
                let flow = self.connections.number();
                let limits = self.judge.limits();
                let mut connection = Connection::new(flow, fd, transport, remote, local, true, session, limits, self.now);
                connection.verified = self.tls.verifies();
                self.watch(connection);
                self.counters.connected += 1;
                self.queue(flow, message, cookie);
            }
            Err(error) => self.failed(cookie, end_of(&error).why()),
        }
    }

    pub(crate) fn connect_ready(&mut self, flow: u64) {
        let Some(connection) = self.connections.get(flow) else { return };
        if let Some(error) = socket::error(connection.fd()) {
            return self.end(flow, end_of(&error));
        }
        let _ = socket::tune_stream(connection.fd());
        connection.begin();
        self.dirty.push(flow);
    }

    pub(crate) fn flush_connection(&mut self, flow: u64) {
        let Some(connection) = self.connections.get(flow) else { return };
        if let Err(end) = connection.flush() {
            return self.end(flow, end);
        }
        let interest = Interest { write: connection.wants_write(), ..connection.interest };
        if interest != connection.interest {
            connection.interest = interest;
            let _ = self.epoll.modify(connection.fd(), FLOWS + flow, interest);
        }
    }

    /// Ends a connection and tells the owner.
    pub(crate) fn end(&mut self, flow: u64, end: End) {
        let Some(mut connection) = self.connections.remove(flow) else { return };
        connection.close();
        if let Some(trouble) = &connection.trouble {
            self.log.say(self.at, "TLS failed", &[("remote", &connection.remote), ("outgoing", &connection.outgoing), ("why", trouble)]);
        } else if connection.outgoing && connection.stage != Stage::Open {
            self.log.say(self.at, "connection not opened", &[("remote", &connection.remote), ("why", &end.name())]);
            self.not_reached(connection.transport, connection.remote);
        }
        *self.counters.closed.entry(end.name()).or_default() += 1;
        // A peer that hangs up in the handshake did not like our certificate, or has no TLS.
        let why = if connection.stage == Stage::Handshaking && end == End::Peer { Why::Tls } else { end.why() };
        for cookie in connection.unsent() {
            self.failed(cookie, why);
        }
        self.links.tell(|output| frame::push_closed(output, flow));
    }

    /// Tells the owner that a message did not go out.
    pub(crate) fn failed(&mut self, cookie: u64, why: Why) {
        self.counters.failed += 1;
        if cookie == 0 || self.front.as_mut().is_some_and(|front| front.failed(cookie, self.now)) {
            return self.pass();
        }
        // To all: whose it was may have moved meanwhile, and nobody else knows the cookie.
        self.links.tell(|output| frame::push_failed(output, cookie, why));
    }

    /// All counters of this process by name.
    pub(crate) fn counted(&self) -> serde_json::Map<String, serde_json::Value> {
        let mut map = self.counters.map();
        self.admission.counted().iter().for_each(|(name, count)| drop(map.insert((*name).into(), (*count).into())));
        let copies = self.copies.iter().flat_map(|copies| copies.counters());
        for (name, count) in self.firewall.iter().flat_map(|firewall| firewall.counters()).chain(copies) {
            map.insert(name.into(), count.into());
        }
        map
    }

    pub(crate) fn stats(&mut self) {
        if !self.links.up() {
            return;
        }
        let mut map = self.counted();
        map.insert("connections".into(), self.connections.len().into());
        map.insert("flows_watched".into(), self.watches.len().into());
        map.insert("kept_bytes".into(), self.keeper.bytes().into());
        map.insert("kept_frames".into(), self.keeper.frames().into());
        map.insert("kept_unclaimed".into(), self.keeper.waiting().into());
        map.insert("claims_refused".into(), self.keeper.claims_refused().into());
        map.insert("policy_version".into(), self.judge.policy.version.into());
        let json = serde_json::Value::Object(map).to_string();
        self.links.tell(|output| frame::push_stats(output, json.as_bytes()));
    }
}

fn end_of(error: &std::io::Error) -> End {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => End::Refused,
        std::io::ErrorKind::TimedOut => End::Timeout,
        _ => End::Route,
    }
}

// The edge itself answers those who have no nonce; the owner's challenge goes to those who have one and no right password.
fn is_challenge(message: &[u8]) -> bool {
    message.starts_with(b"SIP/2.0 401 ") || message.starts_with(b"SIP/2.0 407 ")
}
