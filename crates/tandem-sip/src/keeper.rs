//! The edge's side of a link: frames kept until they are taken, and the fence against old owners. It holds no socket.

use crate::frame::{push_sip_up, SipDown, SipUp};
use crate::ids::SHARDS;
use std::collections::VecDeque;

/// What an edge keeps at most for one link, in bytes; beyond it the edge stops reading its sockets.
pub const KEPT_BYTES: usize = 64 * 1024 * 1024;
/// What the place of one frame costs besides its bytes.
const SLOT_BYTES: usize = 32;

/// Frames of one link that nobody has taken yet, in order of their numbers.
///
/// The first number is given by the edge and must be above all numbers of its earlier incarnations (microseconds since
/// 1970 at its start do), so that a late TAKEN can never name a frame of a later life.
#[derive(Debug)]
pub struct Keeper {
    first: u64,
    ring: VecDeque<Option<Box<[u8]>>>,
    bytes: usize,
    owner: Option<(u16, u64)>,
    claimed: bool,
    /// Drops what old owners say; an edge with several links shares one by swapping it.
    pub fence: Fence,
}

/// What becomes of a SIP frame down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Passage {
    /// Send it.
    Pass,
    /// Its epoch is below the shard's: an owner that was replaced. Drop and count it.
    DropStale,
    /// This owner has claimed nothing yet. Drop and count it.
    NotClaimed,
}

impl Keeper {
    /// An empty keeper whose first frame gets the number `first`.
    pub fn new(first: u64) -> Keeper {
        Keeper { first, ring: VecDeque::new(), bytes: 0, owner: None, claimed: false, fence: Fence::default() }
    }

    /// Gives a message its number and keeps its frame; `sip.seq` is ignored, `sip.epoch` is filled in. The frame with its length word.
    pub fn up(&mut self, sip: &SipUp<'_>) -> &[u8] {
        let seq = self.first + self.ring.len() as u64;
        let mut frame = Vec::with_capacity(crate::frame::SIP_UP_HEAD + 4 + sip.message.len());
        push_sip_up(&mut frame, &SipUp { seq, epoch: self.fence.epoch(sip.shard), ..*sip });
        self.bytes += frame.len() + SLOT_BYTES;
        self.ring.push_back(Some(frame.into_boxed_slice()));
        self.ring.back().and_then(Option::as_deref).unwrap_or_default()
    }

    /// Forgets frames; numbers that are not kept are ignored.
    pub fn taken(&mut self, seqs: impl IntoIterator<Item = u64>) {
        for seq in seqs {
            let place = seq.checked_sub(self.first).and_then(|at| self.ring.get_mut(usize::try_from(at).ok()?));
            if let Some(frame) = place.and_then(Option::take) {
                self.bytes -= frame.len();
            }
        }
        while let Some(None) = self.ring.front() {
            self.ring.pop_front();
            self.first += 1;
            self.bytes -= SLOT_BYTES;
        }
    }

    /// The owner said HELLO: another incarnation must claim before it may speak. True when it is another one.
    pub fn owner(&mut self, node: u16, incarnation: u64) -> bool {
        let other = self.owner != Some((node, incarnation));
        if other {
            self.owner = Some((node, incarnation));
            self.claimed = false;
        }
        other
    }

    /// The owner claimed shards.
    pub fn claim(&mut self, epoch: u32, shards: impl IntoIterator<Item = (u16, u16)>) {
        self.claimed = true;
        for (first, count) in shards {
            self.fence.raise(epoch, first, count);
        }
    }

    /// All that is kept, in order: goes again when the link comes back, before anything new.
    pub fn reconnect(&self) -> impl Iterator<Item = &[u8]> {
        self.ring.iter().flatten().map(|frame| &frame[..])
    }

    /// May this message of the owner go out?
    pub fn down(&mut self, sip: &SipDown<'_>) -> Passage {
        if !self.claimed {
            return Passage::NotClaimed;
        }
        self.fence.down(sip.shard, sip.epoch)
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
        self.ring.iter().flatten().count()
    }
}

/// The highest epoch per shard that an edge has seen.
#[derive(Debug)]
pub struct Fence {
    epochs: Vec<u32>,
}

impl Default for Fence {
    fn default() -> Fence {
        Fence { epochs: vec![0; usize::from(SHARDS)] }
    }
}

impl Fence {
    /// Raises `count` shards from `first` to `epoch`; never lowers one.
    pub fn raise(&mut self, epoch: u32, first: u16, count: u16) {
        for known in self.epochs.iter_mut().skip(usize::from(first)).take(usize::from(count)) {
            *known = epoch.max(*known);
        }
    }

    /// The epoch of one shard.
    pub fn epoch(&self, shard: u16) -> u32 {
        self.epochs.get(usize::from(shard)).copied().unwrap_or(0)
    }

    /// The highest of all, for HELLO.
    pub fn highest(&self) -> u32 {
        self.epochs.iter().copied().max().unwrap_or(0)
    }

    /// Passes the newest epoch of a shard, and remembers it.
    pub fn down(&mut self, shard: u16, epoch: u32) -> Passage {
        match self.epochs.get_mut(usize::from(shard)) {
            Some(known) if epoch >= *known => {
                *known = epoch;
                Passage::Pass
            }
            _ => Passage::DropStale,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{next, read_up, Address, Transport, Up};

    fn message(text: &[u8]) -> SipUp<'_> {
        SipUp {
            seq: 0,
            shard: 7,
            epoch: 0,
            flow: 0,
            transport: Transport::Udp,
            local: 0,
            remote: Address::default(),
            received_at: 1,
            message: text,
        }
    }

    fn down(epoch: u32) -> SipDown<'static> {
        SipDown { shard: 7, epoch, cookie: 0, flow: 0, transport: Transport::Udp, local: 0, remote: Address::default(), message: b"" }
    }

    fn texts(keeper: &Keeper) -> Vec<(u64, Vec<u8>)> {
        let read = |frame| match read_up(next(frame).unwrap().unwrap().0).unwrap() {
            Up::Sip(sip) => (sip.seq, sip.message.to_vec()),
            other => panic!("{other:?}"),
        };
        keeper.reconnect().map(read).collect()
    }

    #[test]
    fn what_nobody_took_goes_again_in_order() {
        let mut keeper = Keeper::new(100);
        for text in [b"a", b"b", b"c", b"d"] {
            keeper.up(&message(text));
        }
        keeper.taken([101, 100, 999, 5]);
        assert_eq!(vec![(102, b"c".to_vec()), (103, b"d".to_vec())], texts(&keeper));
        keeper.up(&message(b"e"));
        keeper.taken([103]);
        assert_eq!(vec![(102, b"c".to_vec()), (104, b"e".to_vec())], texts(&keeper));
        keeper.taken([102, 104]);
        assert_eq!((0, 0), (keeper.bytes(), keeper.frames()));
    }

    #[test]
    fn an_old_owner_that_wakes_up_is_mute() {
        let mut keeper = Keeper::new(1);
        keeper.owner(1, 1);
        assert_eq!(Passage::NotClaimed, keeper.down(&down(3)));
        keeper.claim(3, [(0, 1024)]);
        assert_eq!(Passage::Pass, keeper.down(&down(3)));
        keeper.claim(4, [(7, 1)]);
        assert_eq!(Passage::DropStale, keeper.down(&down(3)));
        assert_eq!((4, 4), (keeper.fence.highest(), keeper.fence.epoch(7)));
    }

    #[test]
    fn another_incarnation_claims_before_it_speaks() {
        let mut keeper = Keeper::new(1);
        assert!(keeper.owner(1, 1));
        keeper.claim(1, [(0, 1024)]);
        assert!(!keeper.owner(1, 1));
        assert_eq!(Passage::Pass, keeper.down(&down(1)));
        assert!(keeper.owner(1, 2));
        assert_eq!(Passage::NotClaimed, keeper.down(&down(2)));
    }

    #[test]
    fn a_full_keeper_says_so_until_frames_are_taken() {
        let mut keeper = Keeper::new(1);
        let large = vec![b'x'; 64 * 1024];
        while !keeper.full() {
            keeper.up(&message(&large));
        }
        assert!(keeper.bytes() < KEPT_BYTES + 66 * 1024);
        keeper.taken([1]);
        assert!(!keeper.full());
    }
}
