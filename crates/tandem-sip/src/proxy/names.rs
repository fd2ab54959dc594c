//! Host names among next hops: whom the proxy asks where one leads, and what it keeps of a name that must be looked up first. It asks
//! no server.

use super::hop::Hop;
use super::Proxy;
use crate::frame::Transport;
use crate::ids::mac;
use crate::message::Message;
use std::cell::RefCell;
use std::net::SocketAddr;

/// Where a URI with a host name leads (RFC 3263).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Named {
    /// There.
    At(Transport, SocketAddr),
    /// It must be looked up first: the message is to be handed again then.
    Unknown,
    /// Nowhere now: servers do not answer.
    NotNow,
    /// Nowhere: there is no such name, or no such service there.
    Nowhere,
}

/// Who knows where names lead, without asking anybody.
pub trait Names: Send {
    /// Where this URI leads; the same seed chooses the same of several.
    fn find(&self, uri: &[u8], seed: u64) -> Named;
}

/// What was found out about the name in the message in hand.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Sought {
    /// There was no name.
    #[default]
    None,
    Unknown,
    NotNow,
}

/// Names, and the last one that was missing.
#[derive(Default)]
pub(super) struct Seeking {
    names: Option<Box<dyn Names>>,
    missing: RefCell<(Sought, Vec<u8>)>,
}

impl Proxy {
    /// Who knows where names lead; without, a next hop with a host name is refused with 404.
    pub fn set_names(&mut self, names: Box<dyn Names>) {
        self.seeking.names = Some(names);
    }

    /// The URI whose name is to be looked up, after [`super::Verdict::Look`].
    pub fn missing(&self) -> Vec<u8> {
        self.seeking.missing.borrow().1.clone()
    }

    /// The hop to a URI with a host name. The call chooses among several targets, so that what belongs together goes together.
    pub(super) fn hop_by_name(&self, uri: &[u8], local: u8, message: &Message<'_>) -> Option<Hop> {
        let names = self.seeking.names.as_ref()?;
        let seed = mac(&self.keys.hash, &[b"names", message.call_id()]);
        let mut missing = self.seeking.missing.borrow_mut();
        missing.0 = match names.find(uri, seed) {
            Named::At(transport, remote) => {
                missing.0 = Sought::None;
                return Some(Hop::to(transport, self.own.leaving(local, transport, remote)?, remote));
            }
            Named::Unknown => {
                missing.1 = uri.to_vec();
                Sought::Unknown
            }
            Named::NotNow => Sought::NotNow,
            Named::Nowhere => Sought::None,
        };
        None
    }

    /// What was found out about a name in this message; it is forgotten with that.
    pub(super) fn sought(&self) -> Sought {
        std::mem::take(&mut self.seeking.missing.borrow_mut().0)
    }

    /// Whether a name must be looked up before anything else is tried.
    pub(super) fn seeks(&self) -> bool {
        self.seeking.missing.borrow().0 == Sought::Unknown
    }
}
