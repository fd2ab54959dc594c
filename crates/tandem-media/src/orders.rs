//! What the control thread tells a thread that carries packets, and a mailbox that wakes it. Nothing is carried out here.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};

use tandem_rtp::plan::{Endpoint, EndpointId};
use tandem_rtp::relay::{Event, Live};
use tandem_sys::signal::Stopper;

use crate::ports::Pair;

/// Most things that wait in one mailbox; beyond it the sender waits.
pub const WAITING: usize = 65_536;

/// Something to do about endpoints.
pub enum Order {
    /// A new or changed plan; new ones come with their sockets, and what an earlier process knew.
    Put(Box<Endpoint>, Option<Pair>, Option<Box<Live>>),
    /// An endpoint has ended.
    Drop(EndpointId),
    /// What do you know of these? Those that are not here are left out of the answer.
    Ask(Vec<EndpointId>, Sender<Vec<Live>>),
    /// End.
    Stop,
}

/// Something that a worker tells without being asked.
#[derive(Debug)]
pub enum Report {
    /// What an heir must know of endpoints that have changed.
    Changed(Vec<Live>),
    /// Something has happened to an endpoint.
    Happened(EndpointId, Event),
    /// The peer of an endpoint that should send was silent for too long.
    Silent(EndpointId),
}

/// A bounded queue that another thread can wait for with epoll.
pub struct Mailbox<T> {
    waiting: Arc<Mutex<Vec<T>>>,
    bell: Stopper,
}

impl<T> Clone for Mailbox<T> {
    fn clone(&self) -> Self {
        Mailbox { waiting: self.waiting.clone(), bell: self.bell.clone() }
    }
}

impl<T> Mailbox<T> {
    /// An empty one.
    pub fn open() -> io::Result<Mailbox<T>> {
        Ok(Mailbox { waiting: Arc::default(), bell: Stopper::open()? })
    }

    /// Adds something; false, and it is gone, when too much waits.
    pub fn put(&self, what: T) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= WAITING {
            return false;
        }
        waiting.push(what);
        if waiting.len() == 1 {
            self.bell.stop();
        }
        true
    }

    /// Takes all that waits, in order.
    pub fn take(&self) -> Vec<T> {
        self.bell.quiet();
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<T> AsRawFd for Mailbox<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.bell.as_raw_fd()
    }
}
