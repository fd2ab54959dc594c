//! Connections that peers open: taken within limits, and watched. What they say is for `up`.

use crate::connection::{Connection, Stage};
use crate::cutter::Cutter;
use crate::edge::{Edge, Socket, FLOWS, SOCKETS};
use std::io::ErrorKind;
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use tandem_sip::frame::Transport;
use tandem_sys::epoll::Interest;
use tandem_sys::socket;

/// Connections accepted before others have their turn.
const ACCEPTS: usize = 64;

impl Edge {
    pub(crate) fn accept(&mut self, at: usize, fd: i32, transport: Transport) {
        let secure = matches!(transport, Transport::Tls | Transport::Wss);
        for _ in 0..ACCEPTS {
            if secure && !self.admission.admits() {
                // Who waits now, waits in the kernel.
                self.admission.pause();
                return self.rest_secure(true);
            }
            let (fd, remote) = match socket::accept(fd) {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if secure {
                        self.admission.refunds();
                    }
                    return;
                }
                Err(error) if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM)) => {
                    // What waits would be told for ever: look again at the next tick.
                    self.counters.connections_refused += 1;
                    self.log.say(self.at, "connection not accepted", &[("why", &error)]);
                    return self.rest_listener(at, true);
                }
                // Of a peer that has gone already.
                Err(_) => continue,
            };
            let balancers = self.config.listen.get(at).map(|listen| &listen.proxy_protocol).filter(|nets| !nets.is_empty());
            let (ip, prefaced) = (remote.ip(), balancers.is_some());
            let welcome = match balancers {
                Some(nets) => nets.contains(ip) && self.connections.has_room(ip, &self.judge.policy.limits, true),
                None => self.admits(ip),
            };
            if !welcome {
                self.counters.connections_refused += 1;
                continue;
            }
            let session = if secure { self.tls.accept() } else { None };
            if secure && session.is_none() {
                continue;
            }
            let asked = socket::local_address(fd.as_raw_fd()).ok().map(|local| local.ip());
            let local = if prefaced { self.local_asked(at, asked) } else { self.local_of(at, asked, ip) };
            let flow = self.connections.number();
            let limits = self.judge.limits();
            let _ = socket::tune_stream(fd.as_raw_fd());
            let mut connection = Connection::new(flow, fd, transport, remote, local, false, session, limits, self.now);
            if matches!(transport, Transport::Ws | Transport::Wss) {
                connection.cutter = Cutter::web_socket(self.origins.clone(), limits);
            }
            if prefaced {
                connection.stage = Stage::Prefaced;
            }
            self.watch(connection);
            self.counters.accepted += 1;
        }
    }

    /// Whether a source may connect: neither denied nor banned, and below its limit.
    pub(crate) fn admits(&self, source: IpAddr) -> bool {
        let policy = &self.judge.policy;
        let barred = policy.denies(source) || self.judge.banned(source, self.at);
        !barred && self.connections.has_room(source, &policy.limits, policy.exempts(source))
    }

    /// Watches the listeners of TLS again when handshakes may begin.
    pub(crate) fn resume_secure(&mut self) {
        if self.admission.resumes() {
            self.rest_secure(false);
        }
    }

    fn rest_secure(&mut self, rests: bool) {
        for (at, socket) in self.sockets.iter().enumerate() {
            if let Socket::Stream(fd, Transport::Tls | Transport::Wss) = socket {
                let _ = self.epoll.modify(fd.as_raw_fd(), SOCKETS + at as u64, Interest { read: !rests, write: false });
            }
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
