//! What protects the packets of one endpoint, both ways. Where the keys come from is the plan's, or the handshake's.

use serde::{Deserialize, Serialize};

use super::Component;
use crate::plan::Guard;
use crate::srtp::{Master, Receiver, Sender, State};

/// Both directions; either may have no key yet.
#[derive(Default)]
pub(super) struct Lock {
    receive: Option<(Master, Receiver)>,
    send: Option<(Master, Sender)>,
}

/// What an heir needs of both directions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockState {
    /// From the peer.
    pub receive: Option<State>,
    /// To the peer.
    pub send: Option<State>,
}

impl Lock {
    /// Takes the keys of a plan. A direction whose key is the same goes on; others begin anew.
    pub(super) fn plan(&mut self, guard: &Guard) {
        match guard {
            Guard::Sdes { receive, send } => self.keys(receive.as_ref(), Some(send)),
            Guard::Dtls { .. } => {}
            Guard::Plain | Guard::Opaque => *self = Lock::default(),
        }
    }

    /// Takes keys; a key that cannot be used is none.
    pub(super) fn keys(&mut self, receive: Option<&Master>, send: Option<&Master>) {
        if self.receive.as_ref().map(|(master, _)| master) != receive {
            self.receive = receive.and_then(|master| Some((master.clone(), Receiver::new(master).ok()?)));
        }
        if self.send.as_ref().map(|(master, _)| master) != send {
            self.send = send.and_then(|master| Some((master.clone(), Sender::new(master).ok()?)));
        }
    }

    /// Goes on where a predecessor ended. Of a plan with other keys nothing is taken.
    pub(super) fn inherit(&mut self, state: &LockState, keys_are_theirs: bool) {
        if let Some(state) = state.receive.as_ref().filter(|state| keys_are_theirs || self.has_receive(&state.master)) {
            self.receive = Receiver::heir(state).ok().map(|heir| (state.master.clone(), heir));
        }
        if let Some(state) = state.send.as_ref().filter(|state| keys_are_theirs || self.has_send(&state.master)) {
            self.send = Sender::heir(state).ok().map(|heir| (state.master.clone(), heir));
        }
    }

    pub(super) fn state(&self) -> LockState {
        LockState {
            receive: self.receive.as_ref().map(|(_, receiver)| receiver.state()),
            send: self.send.as_ref().map(|(_, sender)| sender.state()),
        }
    }

    /// Opens a packet in place; its length afterwards. `None`: it is not the peer's, or there is no key.
    pub(super) fn open(&mut self, kind: Component, buffer: &mut [u8], len: usize) -> Option<usize> {
        let (_, receiver) = self.receive.as_mut()?;
        match kind {
            Component::Rtp => receiver.rtp(buffer, len).ok(),
            Component::Rtcp => receiver.rtcp(buffer, len).ok(),
        }
    }

    /// Protects a packet in place; its length afterwards. `None`: it was sent already, or there is no key.
    pub(super) fn close(&mut self, kind: Component, buffer: &mut [u8], len: usize) -> Option<usize> {
        let (_, sender) = self.send.as_mut()?;
        match kind {
            Component::Rtp => sender.rtp(buffer, len).ok(),
            Component::Rtcp => sender.rtcp(buffer, len).ok(),
        }
    }

    fn has_receive(&self, master: &Master) -> bool {
        self.receive.as_ref().is_some_and(|(ours, _)| ours == master)
    }

    fn has_send(&self, master: &Master) -> bool {
        self.send.as_ref().is_some_and(|(ours, _)| ours == master)
    }
}
