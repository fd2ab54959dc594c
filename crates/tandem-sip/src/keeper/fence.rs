//! Who owns each shard, and in which epoch: the highest that an edge has seen. It knows no frame.

use super::{Link, Name, Passage};
use crate::ids::SHARDS;

/// The highest epoch per shard, and the owner that claimed it.
#[derive(Debug)]
pub struct Fence(Vec<Shard>);

#[derive(Clone, Copy, Debug, Default)]
struct Shard {
    epoch: u32,
    /// Who claimed it last; it may claim it again in the same epoch, nobody else may.
    owner: Option<Name>,
    /// Where that owner is, while its link stands and it has not given the shard up.
    link: Option<Link>,
}

impl Default for Fence {
    fn default() -> Fence {
        Fence(vec![Shard::default(); usize::from(SHARDS)])
    }
}

impl Fence {
    /// The epoch of one shard; 0: nobody ever claimed it.
    pub fn epoch(&self, shard: u16) -> u32 {
        self.shard(shard).epoch
    }

    /// The link of the owner of a shard.
    pub fn holder(&self, shard: u16) -> Option<Link> {
        self.shard(shard).link
    }

    /// The highest epoch of all, for HELLO.
    pub fn highest(&self) -> u32 {
        self.0.iter().map(|shard| shard.epoch).max().unwrap_or(0)
    }

    /// Shards that somebody holds.
    pub fn held(&self) -> usize {
        self.0.iter().filter(|shard| shard.link.is_some()).count()
    }

    /// Whether any shard was claimed last by this owner.
    pub(super) fn knows(&self, name: Name) -> bool {
        self.0.iter().any(|shard| shard.owner == Some(name))
    }

    /// Gives `count` shards from `first` to an owner, or (epoch 0) takes them from it; how many were refused.
    pub(super) fn claim(&mut self, link: Link, name: Name, epoch: u32, first: u16, count: u16) -> u64 {
        let mut refused = 0;
        for shard in self.0.iter_mut().skip(usize::from(first)).take(usize::from(count)) {
            if epoch == 0 {
                shard.link = shard.link.filter(|holder| *holder != link);
            } else if epoch > shard.epoch || (epoch == shard.epoch && shard.owner.is_none_or(|owner| owner == name)) {
                *shard = Shard { epoch, owner: Some(name), link: Some(link) };
            } else {
                refused += 1;
            }
        }
        refused
    }

    /// A link is gone: nobody holds its shards, and their owner may claim them again.
    pub(super) fn release(&mut self, link: Link) {
        self.0.iter_mut().filter(|shard| shard.link == Some(link)).for_each(|shard| shard.link = None);
    }

    /// Passes the newest epoch of a shard from its holder, and remembers it.
    pub(super) fn down(&mut self, link: Link, shard: u16, epoch: u32) -> Passage {
        match self.0.get_mut(usize::from(shard)) {
            Some(known) if epoch < known.epoch => Passage::DropStale,
            Some(known) if known.link == Some(link) => {
                known.epoch = epoch;
                Passage::Pass
            }
            _ => Passage::NotClaimed,
        }
    }

    fn shard(&self, shard: u16) -> Shard {
        self.0.get(usize::from(shard)).copied().unwrap_or_default()
    }
}
