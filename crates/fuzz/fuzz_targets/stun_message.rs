//! A STUN message of ICE is read without a panic; one that was written is read again; a changed one is never taken for the peer's.
#![no_main]

use tandem_rtp::stun::{Class, IceRole, Message, Writer, MESSAGE_BYTES};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = Message::read(bytes) else { return };
    assert!(bytes.len() <= MESSAGE_BYTES);
    assert!(!message.is_from(b"a password that nobody knows"));
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out, Class::Request, message.transaction);
    if let Some(priority) = message.priority {
        writer = writer.priority(priority);
    }
    if let Some(role) = message.role {
        writer = writer.role(role);
    }
    if message.use_candidate {
        writer = writer.use_candidate();
    }
    if let Some(mapped) = message.mapped {
        writer = writer.mapped(mapped);
    }
    writer.integrity(b"password").fingerprint();
    let again = Message::read(&out).unwrap();
    assert!(again.is_from(b"password") && again.fingerprint);
    let facts = |message: &Message<'_>| (message.transaction, message.priority, message.use_candidate, message.role);
    assert_eq!(facts(&message), facts(&again));
    assert!(message.mapped.is_none_or(|mapped| again.mapped.is_some_and(|again| again.ip() == mapped.ip().to_canonical())));
    assert!(!matches!(again.role, Some(IceRole::Controlled(_))) || !matches!(message.role, Some(IceRole::Controlling(_))));
});
