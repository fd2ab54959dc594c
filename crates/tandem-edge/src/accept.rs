//! Connections that peers open: taken within limits, and watched. What they say is for `up`.

use crate::connection::Connection;
use crate::edge::{Edge, Socket, FLOWS, SOCKETS};
use crate::sys::epoll::Interest;
use crate::sys::socket;
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use tandem_sip::frame::Transport;

/// Connections accepted before others have their turn.
const ACCEPTS: usize = 64;

impl Edge {
    pub(crate) fn accept(&mut self, at: usize, fd: i32, transport: Transport) {
        for _ in 0..ACCEPTS {
            let (fd, remote) = match socket::accept(fd) {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM)) => {
                    // What waits would be told for ever: look again at the next tick.
                    self.counters.connections_refused += 1;
                    self.log.say(self.at, "connection not accepted", &[("why", &error)]);
                    return self.rest_listener(at, true);
                }
                // Of a peer that has gone already.
                Err(_) => continue,
            };
            let (policy, source) = (&self.judge.policy, remote.ip());
            let exempt = policy.exempts(source);
            let barred = policy.denies(source) || self.judge.abuse.banned(source, self.at);
            if barred || !self.connections.has_room(source, &policy.limits, exempt) {
                self.counters.connections_refused += 1;
                continue;
            }
            let session = if transport == Transport::Tls { self.tls.accept() } else { None };
            if transport == Transport::Tls && session.is_none() {
                continue;
            }
            let asked = socket::local_address(fd.as_raw_fd()).ok().map(|local| local.ip());
            let local = self.local_of(at, asked);
            let flow = self.connections.number();
            let _ = socket::tune_stream(fd.as_raw_fd());
            self.watch(Connection::new(flow, fd, transport, remote, local, false, session, self.judge.limits(), self.now));
            self.counters.accepted += 1;
        }
    }

    /// Stops or starts accepting on a listening socket.
    pub(crate) fn rest_listener(&mut self, at: usize, rests: bool) {
        if let Some(Socket::Stream(fd, _)) = self.sockets.get(at) {
            let _ = self.epoll.modify(fd.as_raw_fd(), SOCKETS + at as u64, Interest { read: !rests, write: false });
        }
        self.listeners_rest |= rests;
    }

    /// Adds a connection to the table and to epoll.
    pub(crate) fn watch(&mut self, mut connection: Connection) {
        connection.interest = Interest { read: true, write: connection.wants_write() };
        if self.epoll.add(connection.fd(), FLOWS + connection.flow, connection.interest).is_ok() {
            self.connections.add(connection);
        }
    }
}
