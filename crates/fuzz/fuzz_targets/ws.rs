//! A WebSocket stream is cut alike wherever it is split, and holds no more than a message and a frame; an upgrade's bytes never panic.
#![no_main]

use tandem_sip::ws::{upgrade, WsFrame, WsFramer};

const MESSAGE_BYTES: usize = 300;

fn frames(stream: &[u8], step: usize) -> Vec<(u8, Vec<u8>)> {
    let (mut framer, mut list) = (WsFramer::new(MESSAGE_BYTES), Vec::new());
    for part in stream.chunks(step.max(1)) {
        framer.push(part);
        loop {
            list.push(match framer.next() {
                WsFrame::NeedMore => break,
                WsFrame::Message(message) => {
                    assert!(message.len() <= MESSAGE_BYTES);
                    (0, message.to_vec())
                }
                WsFrame::Ping(payload) => (1, payload.to_vec()),
                WsFrame::Pong => (2, Vec::new()),
                WsFrame::Close(code) => (3, code.to_be_bytes().to_vec()),
                WsFrame::Broken(error) => (4, error.code().to_be_bytes().to_vec()),
            });
            if list.last().is_some_and(|(kind, _)| *kind > 2) {
                assert!(framer.is_idle());
                return list;
            }
        }
    }
    list
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let origins = ["https://phone.example".to_string()];
    if let upgrade::Upgrade::Accepted { used, .. } = upgrade::read(bytes, &origins) {
        assert!(used <= bytes.len());
    }
    if let [step, stream @ ..] = bytes {
        assert_eq!(frames(stream, stream.len()), frames(stream, *step as usize));
    }
});
