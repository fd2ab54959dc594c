//! The keeper against a naive model: no frame is lost, none is given to two owners of the same epoch, the order of a shard is kept.

use super::*;
use crate::frame::{next, read_up, Address, Transport, Up};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const LINKS: usize = 3;
const SHARDS: u16 = 4;

#[derive(Clone, Debug)]
enum Step {
    Up { shard: u16 },
    Hello { link: Link, owner: u64 },
    Claim { link: Link, epoch: u32, first: u16, count: u16 },
    Taken { link: Link, back: u64 },
    Lost { link: Link },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let link = 0..LINKS;
    let step = prop_oneof![
        6 => (0..SHARDS).prop_map(|shard| Step::Up { shard }),
        2 => (link.clone(), 0u64..4).prop_map(|(link, owner)| Step::Hello { link, owner }),
        4 => (link.clone(), 0u32..6, 0..SHARDS, 1u16..4).prop_map(|(link, epoch, first, count)| Step::Claim { link, epoch, first, count }),
        5 => (link.clone(), 0u64..12).prop_map(|(link, back)| Step::Taken { link, back }),
        1 => link.prop_map(|link| Step::Lost { link }),
    ];
    prop::collection::vec(step, 1..120)
}

/// What anybody would write who has no need to be quick: one list of frames, one map of claims, all looked at each time.
#[derive(Default)]
struct Model {
    frames: Vec<(u64, u16)>,
    owner_at: [Option<u64>; LINKS],
    claims: BTreeMap<u16, (u32, u64)>,
    holder: BTreeMap<u16, Link>,
    /// What each connection has been given, in order.
    given: [Vec<(u64, u16)>; LINKS],
    /// Who has been given a frame in which epoch.
    by_epoch: BTreeMap<(u64, u32), BTreeSet<u64>>,
}

impl Model {
    fn expected(&mut self, link: Link) -> Vec<u64> {
        let holder = &self.holder;
        let due: Vec<(u64, u16)> = self
            .frames
            .iter()
            .copied()
            .filter(|(seq, shard)| holder.get(shard) == Some(&link) && !self.given[link].contains(&(*seq, *shard)))
            .collect();
        due.iter().for_each(|frame| self.give(link, *frame));
        due.into_iter().map(|(seq, _)| seq).collect()
    }

    fn give(&mut self, link: Link, (seq, shard): (u64, u16)) {
        let last = self.given[link].iter().filter(|(_, of)| *of == shard).map(|(seq, _)| *seq).max().unwrap_or(0);
        assert!(last < seq, "shard {shard}: {seq} after {last}");
        self.given[link].push((seq, shard));
        let (epoch, owner) = self.claims[&shard];
        let given = self.by_epoch.entry((seq, epoch)).or_default();
        given.insert(owner);
        assert_eq!(1, given.len(), "{seq} was given to two owners of epoch {epoch}");
    }

    fn take_back(&mut self) {
        for link in 0..LINKS {
            let holder = &self.holder;
            self.given[link].retain(|(_, shard)| holder.get(shard) == Some(&link));
        }
    }
}

fn seq_of(frame: &[u8]) -> u64 {
    match read_up(next(frame).unwrap().unwrap().0).unwrap() {
        Up::Sip(sip) => sip.seq,
        other => panic!("{other:?}"),
    }
}

proptest! {
    #[test]
    fn no_frame_is_lost_doubled_or_out_of_order(steps in steps()) {
        let mut keeper = Keeper::new(1, LINKS);
        let mut model = Model::default();
        let mut next_seq = 1;
        for step in steps {
            match step {
                Step::Up { shard } => {
                    let sip = SipUp { seq: 0, shard, epoch: 0, flow: 0, transport: Transport::Udp, local: 0, remote: Address::default(), received_at: 0, message: b"x" };
                    let (link, frame) = keeper.up(&sip);
                    prop_assert_eq!(next_seq, seq_of(frame));
                    prop_assert_eq!(model.holder.get(&shard).copied(), link);
                    model.frames.push((next_seq, shard));
                    if let Some(link) = link {
                        model.give(link, (next_seq, shard));
                    }
                    next_seq += 1;
                }
                Step::Hello { link, owner } => {
                    if let Some(twin) = keeper.twin(link, (1, owner)) {
                        keeper.lost(twin);
                        model.holder.retain(|_, holder| *holder != twin);
                        model.owner_at[twin] = None;
                    }
                    keeper.lost(link); // a HELLO begins a connection
                    model.holder.retain(|_, holder| *holder != link);
                    model.take_back();
                    keeper.hello(link, 1, owner);
                    model.owner_at[link] = Some(owner);
                }
                Step::Claim { link, epoch, first, count } => {
                    keeper.claim(link, epoch, [(first, count)]);
                    if let Some(owner) = model.owner_at[link] {
                        for shard in first..first + count {
                            match model.claims.get(&shard).copied() {
                                _ if epoch == 0 => {
                                    if model.holder.get(&shard) == Some(&link) {
                                        model.holder.remove(&shard);
                                    }
                                }
                                Some((known, of)) if epoch < known || (epoch == known && of != owner) => {}
                                _ => {
                                    model.claims.insert(shard, (epoch, owner));
                                    model.holder.insert(shard, link);
                                }
                            }
                        }
                        model.take_back();
                    }
                }
                Step::Taken { link, back } => {
                    let seq = next_seq.saturating_sub(back);
                    keeper.taken(link, [seq]);
                    let has = model.given[link].iter().any(|(given, shard)| *given == seq && model.holder.get(shard) == Some(&link));
                    if has {
                        model.frames.retain(|(kept, _)| *kept != seq);
                    }
                }
                Step::Lost { link } => {
                    keeper.lost(link);
                    model.holder.retain(|_, holder| *holder != link);
                    model.take_back();
                }
            }
            for link in 0..LINKS {
                let mut handed = Vec::new();
                keeper.hand(link, |frame| handed.push(seq_of(frame)));
                prop_assert_eq!(model.expected(link), handed);
            }
            prop_assert_eq!(model.frames.len(), keeper.frames());
        }
        // Nothing is lost: an owner of everything gets all that nobody took, in order.
        keeper.lost(0);
        keeper.hello(0, 9, 9);
        keeper.claim(0, 99, [(0, 1024)]);
        let mut rest = Vec::new();
        keeper.hand(0, |frame| rest.push(seq_of(frame)));
        prop_assert_eq!(model.frames.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), rest);
    }
}
