//! The edge's side of its links: which owner gets which frame, what is kept until it is taken, what old owners may say. It holds no socket.

mod fence;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;

pub use fence::Fence;

use crate::frame::{push_sip_up, SipDown, SipUp};
use std::collections::BTreeMap;

/// What an edge keeps at most for all its links together, in bytes; beyond it the edge stops reading its sockets.
pub const KEPT_BYTES: usize = 64 * 1024 * 1024;
/// What the place of one frame costs besides its bytes.
const PLACE_BYTES: usize = 64;

/// The number of a link, in the order of the edge's list of owners.
pub type Link = usize;
/// Who an owner is: its node's number, and the incarnation that changes at each start of it.
pub type Name = (u16, u64);

/// Frames that nobody has taken yet, and the links that they go to.
///
/// The first number is given by the edge and must be above all numbers of its earlier incarnations (microseconds since
/// 1970 at its start do), so that a late TAKEN can never name a frame of a later life.
#[derive(Debug)]
pub struct Keeper {
    next: u64,
    kept: BTreeMap<u64, Kept>,
    bytes: usize,
    owners: Vec<Owner>,
    fence: Fence,
    claims_refused: u64,
}

#[derive(Debug)]
struct Kept {
    shard: u16,
    /// The link that it was last handed to, while that link stands and its owner holds the shard.
    with: Option<Link>,
    frame: Box<[u8]>,
}

/// The owner at the other end of a link.
#[derive(Debug, Default)]
struct Owner {
    name: Option<Name>,
    /// It has claimed shards.
    claimed: bool,
    /// SIP frames of this incarnation that have come, over all its connections.
    heard: u64,
}

/// What becomes of a SIP frame down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Passage {
    /// Send it.
    Pass,
    /// Its epoch is below the shard's: an owner that was replaced. Drop and count it.
    DropStale,
    /// This owner has not claimed the shard. Drop and count it.
    NotClaimed,
}

impl Keeper {
    /// An empty keeper for this many links, whose first frame gets the number `first`.
    pub fn new(first: u64, links: usize) -> Keeper {
        let owners = (0..links).map(|_| Owner::default()).collect();
        Keeper { next: first, kept: BTreeMap::new(), bytes: 0, owners, fence: Fence::default(), claims_refused: 0 }
    }

    /// Gives a message its number and keeps its frame (with its length word); the link to hand it to, if anybody holds its shard.
    /// `sip.seq` is ignored, `sip.epoch` is filled in.
    pub fn up(&mut self, sip: &SipUp<'_>) -> (Option<Link>, &[u8]) {
        let seq = self.next;
        self.next += 1;
        let mut frame = Vec::with_capacity(crate::frame::SIP_UP_HEAD + 4 + sip.message.len());
        push_sip_up(&mut frame, &SipUp { seq, epoch: self.fence.epoch(sip.shard), ..*sip });
        self.bytes += frame.len() + PLACE_BYTES;
        let with = self.fence.holder(sip.shard);
        let kept = self.kept.entry(seq).or_insert(Kept { shard: sip.shard, with, frame: frame.into_boxed_slice() });
        (with, &kept.frame)
    }

    /// Forgets frames that the owner at this link took. What another one has by now, or nobody has, stays: the heir must see it.
    pub fn taken(&mut self, link: Link, seqs: impl IntoIterator<Item = u64>) {
        for seq in seqs {
            if self.kept.get(&seq).is_none_or(|kept| kept.with != Some(link)) {
                continue;
            }
            if let Some(kept) = self.kept.remove(&seq) {
                self.bytes -= kept.frame.len() + PLACE_BYTES;
            }
        }
    }

    /// The owner said HELLO: another incarnation must claim before it may speak or hear. True when it is another one.
    pub fn hello(&mut self, link: Link, node: u16, incarnation: u64) -> bool {
        let name = Some((node, incarnation));
        if self.name(link) == name {
            return false;
        }
        self.lost(link);
        let twin = self.twin(link, (node, incarnation)).and_then(|twin| self.owners.get_mut(twin)).map(std::mem::take);
        if let Some(owner) = self.owners.get_mut(link) {
            *owner = twin.unwrap_or(Owner { name, ..Owner::default() });
        }
        true
    }

    /// Another link at which this owner has said HELLO. It closes that one when it hears of this: so must the edge, before `hello`.
    pub fn twin(&self, link: Link, name: Name) -> Option<Link> {
        (0..self.owners.len()).find(|other| *other != link && self.name(*other) == Some(name))
    }

    /// The owner claimed shards, or gave them up (epoch 0). `hand` then gives what waits for it.
    pub fn claim(&mut self, link: Link, epoch: u32, shards: impl IntoIterator<Item = (u16, u16)>) {
        let Some(owner) = self.owners.get_mut(link) else { return };
        let Some(name) = owner.name else { return };
        owner.claimed |= epoch > 0;
        for (first, count) in shards {
            self.claims_refused += self.fence.claim(link, name, epoch, first, count);
        }
        self.take_back();
    }

    /// The link is gone: what it had waits until somebody claims it, in order.
    pub fn lost(&mut self, link: Link) {
        self.fence.release(link);
        self.take_back();
    }

    /// All frames that wait for the holder of their shard at this link, in order: before anything new.
    pub fn hand(&mut self, link: Link, mut each: impl FnMut(&[u8])) {
        for kept in self.kept.values_mut() {
            if kept.with.is_none() && self.fence.holder(kept.shard) == Some(link) {
                kept.with = Some(link);
                each(&kept.frame);
            }
        }
    }

    /// May this message of the owner at this link go out?
    pub fn down(&mut self, link: Link, sip: &SipDown<'_>) -> Passage {
        if let Some(owner) = self.owners.get_mut(link) {
            owner.heard += 1;
        }
        self.fence.down(link, sip.shard, sip.epoch)
    }

    /// (incarnation, SIP frames of it that have come): what HEARD says.
    pub fn heard(&self, link: Link) -> (u64, u64) {
        self.owners.get(link).map_or((0, 0), |owner| (owner.name.map_or(0, |(_, incarnation)| incarnation), owner.heard))
    }

    /// Whether policy, keys and CLOSE of the owner at this link count: not when others have all that it claimed.
    pub fn speaks(&self, link: Link) -> bool {
        self.owners.get(link).is_some_and(|owner| !owner.claimed || owner.name.is_some_and(|name| self.fence.knows(name)))
    }

    /// Who is at this link, once it has said HELLO.
    pub fn name(&self, link: Link) -> Option<Name> {
        self.owners.get(link).and_then(|owner| owner.name)
    }

    /// Epochs and holders.
    pub fn fence(&self) -> &Fence {
        &self.fence
    }

    /// Shards claimed in vain: another owner has them in a higher epoch, or in the same one.
    pub fn claims_refused(&self) -> u64 {
        self.claims_refused
    }

    /// True when nothing more may be read from phones.
    pub fn full(&self) -> bool {
        self.bytes >= KEPT_BYTES
    }

    /// Bytes kept, places included.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Frames kept.
    pub fn frames(&self) -> usize {
        self.kept.len()
    }

    /// Frames kept that nobody has been given.
    pub fn waiting(&self) -> usize {
        self.kept.values().filter(|kept| kept.with.is_none()).count()
    }

    /// Frames whose link no longer holds their shard wait again.
    fn take_back(&mut self) {
        for kept in self.kept.values_mut() {
            kept.with = kept.with.filter(|link| self.fence.holder(kept.shard) == Some(*link));
        }
    }
}
