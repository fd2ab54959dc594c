//! Probes: sent when due, answered, repeated once, given up.

use super::*;

fn world() -> World1 {
    let health = r#", "health": {"interval_ms": 1000, "timeout_ms": 800, "down_after": 2}"#;
    let mut world = World1::new(1, health);
    world.proxy.set_prober(true, world.now);
    world
}

fn state(world: &World1) -> &'static str {
    world.proxy.pools.view(world.now).pools[0].members[0].state
}

#[test]
fn a_member_that_answers_nothing_goes_down_and_comes_back_with_an_answer() {
    let mut world = world();
    let first = world.waits(1_000).remove(0).1;
    assert!(
        first.text.starts_with(&format!("OPTIONS sip:{} SIP/2.0\r\nVia: SIP/2.0/UDP {EDGE};branch=z9hG4bKo", member(0))),
        "{}",
        first.text
    );
    assert!(world.says(&member(0), &answer(&first.text, "200 OK")).is_empty());
    assert_eq!("up", state(&world));
    let sent = world.waits(10_000);
    assert!(sent.windows(2).any(|two| two[0].1.text == two[1].1.text), "a lost datagram is no verdict");
    assert_eq!("down", state(&world));
    let forged = answer(&sent.last().unwrap().1.text, "200 OK").replace("z9hG4bKob", "z9hG4bKoa");
    world.says(&member(0), &forged);
    assert_eq!("down", state(&world));
    for _ in 0..2 {
        let probe = world.waits(1_100).pop().unwrap().1;
        world.says(&member(0), &answer(&probe.text, "200 OK"));
    }
    assert_eq!("up", state(&world));
}

#[test]
fn a_member_that_cannot_be_reached_goes_down() {
    let mut world = world();
    for _ in 0..2 {
        let probe = world.waits(2_000).remove(0).1;
        world.fails(probe.cookie);
    }
    assert_eq!("down", state(&world));
}
