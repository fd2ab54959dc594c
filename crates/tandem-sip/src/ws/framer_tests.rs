//! RFC 6455's rules for what clients send, each with the frames that keep or break it.

use super::*;
use crate::ws::push_frame;

const MASK: Option<[u8; 4]> = Some([0x37, 0xfa, 0x21, 0x3d]);

fn frames(bytes: &[u8], step: usize) -> Vec<String> {
    let mut framer = WsFramer::new(200);
    let mut list = Vec::new();
    for part in bytes.chunks(step) {
        framer.push(part);
        loop {
            list.push(match framer.next() {
                WsFrame::NeedMore => break,
                WsFrame::Message(message) => String::from_utf8_lossy(message).into_owned(),
                WsFrame::Ping(payload) => format!("ping {}", String::from_utf8_lossy(payload)),
                WsFrame::Pong => "pong".into(),
                WsFrame::Close(code) => format!("close {code}"),
                WsFrame::Broken(error) => format!("broken {}", error.code()),
            });
            if list.last().is_some_and(|last| last.starts_with("close") || last.starts_with("broken")) {
                assert!(framer.is_idle());
                return list;
            }
        }
    }
    list
}

fn made(list: &[(bool, Opcode, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    list.iter().for_each(|(fin, opcode, payload)| push_frame(&mut out, *fin, *opcode, payload, MASK));
    out
}

#[test]
fn a_stream_is_cut_alike_wherever_it_is_split_and_control_frames_may_stand_within_a_message() {
    let long = "x".repeat(150);
    let bytes = made(&[
        (true, Opcode::Text, "héllo".as_bytes()),
        (false, Opcode::Text, "h\u{e9}".as_bytes().split_at(2).0),
        (true, Opcode::Ping, b"are you there"),
        (false, Opcode::Continuation, b""),
        (true, Opcode::Continuation, "h\u{e9}y".as_bytes().split_at(2).1),
        (true, Opcode::Pong, b""),
        (true, Opcode::Binary, long.as_bytes()),
        (true, Opcode::Text, b""),
        (true, Opcode::Close, b"\x03\xe8bye"),
    ]);
    let expected = vec!["héllo", "ping are you there", "héy", "pong", &long, "", "close 1000"];
    for step in 1..=bytes.len() {
        assert_eq!(expected, frames(&bytes, step), "step {step}");
    }
}

#[test]
fn rfc_6455_gives_these_bytes_for_a_masked_hello() {
    let bytes = made(&[(true, Opcode::Text, b"Hello")]);
    assert_eq!(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"[..], bytes);
}

#[test]
fn what_breaks_the_rules_ends_the_stream_with_its_code() {
    let big = "x".repeat(201);
    let mut fragments = made(&[(false, Opcode::Text, b"")]);
    (0..FRAGMENTS).for_each(|_| push_frame(&mut fragments, false, Opcode::Continuation, b"", MASK));
    let mut bare = Vec::new();
    push_frame(&mut bare, true, Opcode::Text, b"x", None);
    for (bytes, code) in [
        (bare, 1002),
        (made(&[(true, Opcode::Continuation, b"x")]), 1002),
        (made(&[(false, Opcode::Text, b"x"), (true, Opcode::Text, b"x")]), 1002),
        (made(&[(false, Opcode::Ping, b"")]), 1002),
        (made(&[(true, Opcode::Ping, &[b'x'; 126])]), 1002),
        (made(&[(true, Opcode::Close, b"\x03")]), 1002),
        (made(&[(true, Opcode::Close, b"\x03\xed")]), 1002),
        (made(&[(true, Opcode::Close, b"\x03\xe8\xff")]), 1007),
        (made(&[(true, Opcode::Text, b"\xff\xfe")]), 1007),
        (made(&[(false, Opcode::Text, b"\xc3"), (true, Opcode::Continuation, b"x")]), 1007),
        (made(&[(true, Opcode::Text, big.as_bytes())]), 1009),
        (made(&[(false, Opcode::Text, &big.as_bytes()[..150]), (true, Opcode::Continuation, &big.as_bytes()[..51])]), 1009),
        (fragments, 1008),
        (b"\xc1\x80aaaa".to_vec(), 1002),
        (b"\x83\x80aaaa".to_vec(), 1002),
        (b"\x81\xfe\x00\x05aaaa".to_vec(), 1002),
        (b"\x81\xff\x00\x00\x00\x00\x00\x00\x00\x05aaaa".to_vec(), 1002),
        (b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff".to_vec(), 1009),
    ] {
        for step in [1, 7, 10_000] {
            assert_eq!(Some(&format!("broken {code}")), frames(&bytes, step).last(), "{bytes:?}");
        }
    }
}

#[test]
fn a_length_is_refused_before_anything_is_stored_for_it() {
    let mut framer = WsFramer::new(65_535);
    framer.push(b"\x82\xff\x00\x00\x00\x01\x00\x00\x00\x00");
    assert_eq!(WsFrame::Broken(WsError::TooLarge), framer.next());
    framer.push(&[0; 4096]);
    assert!(framer.is_idle() && framer.buf.capacity() == 0);
}
