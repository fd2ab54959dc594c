//! Where a message came from and where one goes: transport, our address, the peer, a connection. It opens and finds nothing.

use crate::frame::Transport;
use std::net::SocketAddr;

/// Where a message came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Source {
    /// How it came.
    pub transport: Transport,
    /// The address of ours that was asked: an index into [`super::Own`].
    pub local: u8,
    /// The peer.
    pub remote: SocketAddr,
    /// The connection, 0 for datagrams.
    pub flow: u64,
    /// The edge that took it and holds the connection; 0: this one.
    pub edge: u16,
}

/// Where a message goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hop {
    /// How it goes.
    pub transport: Transport,
    /// The address of ours that it leaves from.
    pub local: u8,
    /// The peer.
    pub remote: SocketAddr,
    /// The connection; 0: a datagram, or any connection to `remote`.
    pub flow: u64,
    /// The edge that holds the connection; 0: this one.
    pub edge: u16,
    /// Only that connection will do: no new one leads to the same peer.
    pub only: bool,
}

impl Source {
    /// Back the way that a message came.
    pub fn back(&self) -> Hop {
        Hop { transport: self.transport, local: self.local, remote: self.remote, flow: self.flow, edge: self.edge, only: false }
    }
}

impl Hop {
    /// Any way to `remote`.
    pub fn to(transport: Transport, local: u8, remote: SocketAddr) -> Hop {
        Hop { transport, local, remote, flow: 0, edge: 0, only: false }
    }
}
