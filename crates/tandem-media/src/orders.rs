//! What the control thread tells a thread that carries packets, and a mailbox that wakes it. Nothing is carried out here.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};

use tandem_rtp::audio::dtmf::Digit;
use tandem_rtp::audio::gather::{Gather, Wish};
use tandem_rtp::audio::play::Item;
use tandem_rtp::audio::record::State;
use tandem_rtp::plan::{Endpoint, EndpointId};
use tandem_rtp::relay::{Event, Live};
use tandem_rtp::studio::{Job, Reel, Reeled};
use tandem_sys::signal::Stopper;

use crate::ports::Pair;
use crate::shortcut::Shared;
use crate::spool::TapeName;
use crate::tap::Tap;

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
    /// Plays to the peer of an endpoint.
    Play(EndpointId, Box<Job>, Vec<Item>),
    /// Plays no more to it.
    StopPlay(EndpointId),
    /// Plays to all in a room.
    PlayIn(String, Box<Job>, Vec<Item>),
    /// Plays no more there.
    StopPlayIn(String),
    /// Gathers digits from the peer of an endpoint under a name, or no more.
    Gather(EndpointId, Option<String>, Option<Wish>),
    /// Goes on gathering.
    GatherOn(EndpointId, Option<String>, Box<Gather>),
    /// The peer of an endpoint seems to press a key, for so many milliseconds.
    Press(EndpointId, Digit, u32),
    /// Records a room, or a call.
    Record(bool, String, Box<Reel>),
    /// Pauses that, or goes on.
    PauseRecord(bool, String, bool),
    /// Ends it.
    EndRecord(bool, String),
    /// Copies every packet of an endpoint from now on, or no more.
    Tap(EndpointId, Option<Tap>),
    /// Gives an endpoint up, for another thread.
    GiveUp(EndpointId, Sender<Option<GivenUp>>),
    /// The kernel takes plain streams from now on.
    Kernel(Shared),
    /// End.
    Stop,
}

/// An endpoint between two threads.
pub struct GivenUp {
    /// Its sockets.
    pub pair: Pair,
    /// What is known of it.
    pub live: Live,
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
    /// Something was recorded.
    Reeled(TapeName, Reeled),
    /// A recording is written up to here; Hz of its file.
    Spooled(TapeName, State, u32),
    /// A recording could not be written; why.
    Unwritten(String),
    /// An order about sound could not be carried out; why.
    Unsounded(String),
    /// The kernel takes plain streams; else why not.
    Kernel(Result<Shared, String>),
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
