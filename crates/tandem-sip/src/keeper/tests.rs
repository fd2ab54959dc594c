//! What a keeper promises, one by one.

use super::*;
use crate::frame::{next, read_up, Address, Transport, Up};

const ALL: [(u16, u16); 1] = [(0, 1024)];

fn message(shard: u16, text: &[u8]) -> SipUp<'_> {
    SipUp {
        seq: 0,
        shard,
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

fn read(frame: &[u8]) -> (u64, Vec<u8>) {
    match read_up(next(frame).unwrap().unwrap().0).unwrap() {
        Up::Sip(sip) => (sip.seq, sip.message.to_vec()),
        other => panic!("{other:?}"),
    }
}

fn handed(keeper: &mut Keeper, link: Link) -> Vec<(u64, Vec<u8>)> {
    let mut texts = Vec::new();
    keeper.hand(link, |frame| texts.push(read(frame)));
    texts
}

fn owned(first: u64) -> Keeper {
    let mut keeper = Keeper::new(first, 1);
    keeper.hello(0, 1, 1);
    keeper.claim(0, 1, ALL);
    keeper
}

#[test]
fn what_nobody_took_goes_again_in_order() {
    let mut keeper = owned(100);
    for text in [b"a", b"b", b"c", b"d"] {
        assert_eq!(Some(0), keeper.up(&message(7, text)).0);
    }
    keeper.taken(0, [101, 100, 999, 5]);
    keeper.lost(0);
    assert_eq!(None, keeper.up(&message(7, b"e")).0);
    assert_eq!(Vec::<(u64, Vec<u8>)>::new(), handed(&mut keeper, 0));
    keeper.claim(0, 1, ALL);
    assert_eq!(vec![(102, b"c".to_vec()), (103, b"d".to_vec()), (104, b"e".to_vec())], handed(&mut keeper, 0));
    assert_eq!(Vec::<(u64, Vec<u8>)>::new(), handed(&mut keeper, 0));
    keeper.taken(0, [102, 103, 104]);
    assert_eq!((0, 0), (keeper.bytes(), keeper.frames()));
}

#[test]
fn an_old_owner_that_wakes_up_is_mute_and_takes_nothing() {
    let mut keeper = Keeper::new(1, 2);
    keeper.hello(0, 1, 1);
    assert_eq!(Passage::NotClaimed, keeper.down(0, &down(3)));
    keeper.claim(0, 3, ALL);
    assert_eq!(Passage::Pass, keeper.down(0, &down(3)));
    keeper.up(&message(7, b"bye"));
    keeper.hello(1, 2, 1);
    assert_eq!(Passage::DropStale, {
        keeper.claim(1, 4, [(7, 1)]);
        keeper.down(0, &down(3))
    });
    keeper.taken(0, [1]);
    assert_eq!(vec![(1, b"bye".to_vec())], handed(&mut keeper, 1));
    keeper.claim(0, 3, ALL);
    assert_eq!((1, 4, Some(1)), (keeper.claims_refused(), keeper.fence().epoch(7), keeper.fence().holder(7)));
    assert!(keeper.speaks(0) && keeper.speaks(1));
    keeper.claim(1, 4, ALL);
    assert!(!keeper.speaks(0));
}

#[test]
fn two_owners_of_the_same_epoch_are_not_both_heard() {
    let mut keeper = Keeper::new(1, 2);
    keeper.hello(0, 1, 1);
    keeper.claim(0, 5, ALL);
    keeper.lost(0);
    keeper.hello(1, 2, 9);
    keeper.claim(1, 5, ALL);
    assert_eq!((1024, Passage::NotClaimed), (keeper.claims_refused(), keeper.down(1, &down(5))));
    keeper.claim(0, 5, ALL);
    assert_eq!(Passage::Pass, keeper.down(0, &down(5)));
}

#[test]
fn shards_that_are_given_up_wait_for_another_owner() {
    let mut keeper = Keeper::new(1, 2);
    for link in 0..2 {
        keeper.hello(link, link as u16 + 1, 1);
    }
    keeper.claim(0, 3, ALL);
    keeper.up(&message(7, b"a"));
    keeper.up(&message(8, b"b"));
    keeper.claim(0, 0, [(7, 1)]);
    assert_eq!(None, keeper.up(&message(7, b"c")).0);
    assert_eq!(Passage::NotClaimed, keeper.down(0, &down(3)));
    assert_eq!((2, 3), (keeper.waiting(), keeper.frames()));
    keeper.claim(1, 4, [(7, 1)]);
    assert_eq!(vec![(1, b"a".to_vec()), (3, b"c".to_vec())], handed(&mut keeper, 1));
}

#[test]
fn another_incarnation_claims_before_it_speaks() {
    let mut keeper = Keeper::new(1, 1);
    assert!(keeper.hello(0, 1, 1));
    keeper.claim(0, 1, ALL);
    assert!(!keeper.hello(0, 1, 1));
    assert_eq!(Passage::Pass, keeper.down(0, &down(1)));
    keeper.lost(0);
    assert!(keeper.hello(0, 1, 2));
    assert_eq!(Passage::NotClaimed, keeper.down(0, &down(2)));
}

#[test]
fn what_was_heard_of_an_owner_is_counted_over_all_its_links() {
    let mut keeper = Keeper::new(1, 2);
    keeper.hello(0, 1, 77);
    keeper.claim(0, 1, ALL);
    keeper.down(0, &down(1));
    keeper.down(0, &down(0));
    assert_eq!((77, 2), keeper.heard(0));
    keeper.lost(0);
    assert_eq!(Some(0), keeper.twin(1, (1, 77)));
    keeper.hello(1, 1, 77);
    assert_eq!(((77, 2), (0, 0)), (keeper.heard(1), keeper.heard(0)));
    keeper.claim(1, 1, ALL);
    assert_eq!(Passage::Pass, keeper.down(1, &down(1)));
    keeper.hello(1, 1, 78);
    assert_eq!((78, 0), keeper.heard(1));
}

#[test]
fn a_full_keeper_says_so_until_frames_are_taken() {
    let mut keeper = owned(1);
    let large = vec![b'x'; 64 * 1024];
    while !keeper.full() {
        keeper.up(&message(7, &large));
    }
    assert!(keeper.bytes() < KEPT_BYTES + 66 * 1024);
    keeper.taken(0, [1]);
    assert!(!keeper.full());
}
