//! The link under strain: an owner that takes nothing, one that speaks nonsense, one that comes and goes.

mod common;

use common::{phone, request, trunk_policy, Got, Owner, Place, Running};
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

/// Above what the keeper holds and what kernels buffer on the way.
const MESSAGES: usize = 1400;

#[test]
fn an_owner_that_takes_nothing_stops_the_reading_and_one_that_takes_starts_it() {
    let place = Place::new();
    let owner = Owner::listen(&place);
    let edge = Running::start(&place, &trunk_policy(""), &["tcp", "udp"], "");
    let mut link = owner.accept(1);
    let mut alice = TcpStream::connect(edge.locals[0]).unwrap();
    let text = String::from_utf8(request("INVITE", "TCP", "large")).unwrap();
    let mut message = text.replace("Content-Length: 0", "Content-Length: 60000").into_bytes();
    message.resize(message.len() + 60_000, b'x');
    let writer = std::thread::spawn(move || {
        for _ in 0..MESSAGES {
            alice.write_all(&message).unwrap();
        }
        alice
    });
    let mut seqs = Vec::new();
    let kept = loop {
        match link.frame() {
            Got::Sip { seq, .. } => seqs.push(seq),
            Got::Stats(stats) if stats["paused"].as_u64() == Some(1) => break stats["kept_bytes"].as_u64().unwrap(),
            _ => {}
        }
    };
    assert!((64 << 20..66 << 20).contains(&kept), "{kept}");
    assert!(seqs.len() < MESSAGES && !writer.is_finished());
    phone().send_to(&request("INVITE", "UDP", "waits"), edge.locals[1]).unwrap();
    link.take(&seqs);
    let mut count = seqs.len();
    while count < MESSAGES + 1 {
        if let Got::Sip { seq, .. } = link.next() {
            link.take(&[seq]);
            count += 1;
        }
    }
    assert_eq!(0, link.counter("taken", MESSAGES as u64 + 1)["kept_bytes"].as_u64().unwrap());
    drop(writer.join().unwrap());
}

#[test]
fn nonsense_on_the_link_ends_it_and_nothing_is_lost() {
    let place = Place::new();
    let owner = Owner::listen(&place);
    let edge = Running::start(&place, &trunk_policy(""), &["udp"], "");
    let alice = phone();
    for bytes in [&[0xff; 64][..], &[5, 0, 0, 0, 99, 0, 0, 0, 0], &[3, 0, 0, 0, 65, 1, 2], &[0, 0, 0, 0]] {
        let mut link = owner.accept(1);
        link.next();
        link.write(bytes);
    }
    alice.send_to(&request("INVITE", "UDP", "one"), edge.locals[0]).unwrap();
    let mut link = owner.accept(1);
    link.next();
    assert!(matches!(link.next(), Got::Sip { .. }));
}

#[test]
fn an_owner_that_comes_and_goes_gets_every_message_at_least_once_and_in_order() {
    let place = Place::new();
    let mut owner = Owner::listen(&place);
    let edge = Running::start(&place, &trunk_policy(""), &["udp"], "");
    let alice = phone();
    let mut taken = Vec::new();
    for round in 0..20_u64 {
        owner.incarnation = round + 1;
        let mut link = owner.accept(round as u32 + 1);
        link.next();
        for number in 0..3 {
            alice.send_to(&request("INVITE", "UDP", &format!("call-{:03}", round * 3 + number)), edge.locals[0]).unwrap();
        }
        // Of each round, two are taken before the owner dies.
        for _ in 0..2 {
            let Got::Sip { seq, message, .. } = link.next() else { panic!("no message") };
            let text = String::from_utf8(message).unwrap();
            taken.push(text.split("Call-ID: ").nth(1).unwrap()[..8].to_owned());
            link.take(&[seq]);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let expected: Vec<String> = (0..40).map(|number| format!("call-{number:03}")).collect();
    assert_eq!(expected, taken);
}
