//! Appends frames, each with its length word.

use super::{Address, Local, SipDown, SipUp, Why, MAX_FRAME, PROTOCOL};

/// Appends the edge's HELLO.
pub fn push_up_hello(out: &mut Vec<u8>, edge: u16, incarnation: u64, locals: &[Local<'_>], epoch: u32) {
    frame(out, 1, |out| {
        out.extend_from_slice(&PROTOCOL.to_le_bytes());
        out.extend_from_slice(&edge.to_le_bytes());
        out.extend_from_slice(&incarnation.to_le_bytes());
        out.push(locals.len().min(255) as u8);
        for local in locals.iter().take(255) {
            out.push(local.transport as u8);
            push_address(out, local.bound);
            out.extend_from_slice(&(local.advertised.len() as u16).to_le_bytes());
            out.extend_from_slice(local.advertised);
        }
        out.extend_from_slice(&epoch.to_le_bytes());
    });
}

/// Appends a SIP frame up.
pub fn push_sip_up(out: &mut Vec<u8>, sip: &SipUp<'_>) {
    frame(out, 2, |out| {
        out.extend_from_slice(&sip.seq.to_le_bytes());
        out.extend_from_slice(&sip.shard.to_le_bytes());
        out.extend_from_slice(&sip.epoch.to_le_bytes());
        out.extend_from_slice(&sip.flow.to_le_bytes());
        out.extend_from_slice(&[sip.transport as u8, sip.local]);
        push_address(out, sip.remote);
        out.extend_from_slice(&sip.received_at.to_le_bytes());
        out.extend_from_slice(sip.message);
    });
}

/// Appends FAILED.
pub fn push_failed(out: &mut Vec<u8>, cookie: u64, why: Why) {
    frame(out, 3, |out| {
        out.extend_from_slice(&cookie.to_le_bytes());
        out.push(why as u8);
    });
}

/// Appends CLOSED.
pub fn push_closed(out: &mut Vec<u8>, flow: u64) {
    frame(out, 4, |out| out.extend_from_slice(&flow.to_le_bytes()));
}

/// Appends STATS.
pub fn push_stats(out: &mut Vec<u8>, json: &[u8]) {
    frame(out, 5, |out| out.extend_from_slice(json));
}

/// Appends PEER. A name above 255 bytes (a host name has at most 253) is left out.
pub fn push_peer(out: &mut Vec<u8>, flow: u64, names: &[impl AsRef<[u8]>]) {
    frame(out, 6, |out| {
        out.extend_from_slice(&flow.to_le_bytes());
        for name in names.iter().map(AsRef::as_ref) {
            let Ok(length) = u8::try_from(name.len()) else { continue };
            out.push(length);
            out.extend_from_slice(name);
        }
    });
}

/// Appends HEARD.
pub fn push_heard(out: &mut Vec<u8>, incarnation: u64, count: u64) {
    frame(out, 7, |out| {
        out.extend_from_slice(&incarnation.to_le_bytes());
        out.extend_from_slice(&count.to_le_bytes());
    });
}

/// Appends the owner's HELLO.
pub fn push_down_hello(out: &mut Vec<u8>, node: u16, incarnation: u64) {
    frame(out, 64, |out| {
        out.extend_from_slice(&PROTOCOL.to_le_bytes());
        out.extend_from_slice(&node.to_le_bytes());
        out.extend_from_slice(&incarnation.to_le_bytes());
    });
}

/// Appends a SIP frame down.
pub fn push_sip_down(out: &mut Vec<u8>, sip: &SipDown<'_>) {
    frame(out, 65, |out| {
        out.extend_from_slice(&sip.shard.to_le_bytes());
        out.extend_from_slice(&sip.epoch.to_le_bytes());
        out.extend_from_slice(&sip.cookie.to_le_bytes());
        out.extend_from_slice(&sip.flow.to_le_bytes());
        out.extend_from_slice(&[sip.transport as u8, sip.local]);
        push_address(out, sip.remote);
        out.extend_from_slice(sip.message);
    });
}

/// Appends TAKEN, in as many frames as the limit asks for.
pub fn push_taken(out: &mut Vec<u8>, seqs: &[u64]) {
    for part in seqs.chunks((MAX_FRAME - 1) / 8) {
        frame(out, 66, |out| part.iter().for_each(|seq| out.extend_from_slice(&seq.to_le_bytes())));
    }
}

/// Appends CLAIM.
pub fn push_claim(out: &mut Vec<u8>, epoch: u32, shards: &[(u16, u16)]) {
    frame(out, 67, |out| {
        out.extend_from_slice(&epoch.to_le_bytes());
        for (first, count) in shards {
            out.extend_from_slice(&first.to_le_bytes());
            out.extend_from_slice(&count.to_le_bytes());
        }
    });
}

/// Appends POLICY.
pub fn push_policy(out: &mut Vec<u8>, json: &[u8]) {
    frame(out, 68, |out| out.extend_from_slice(json));
}

/// Appends CLOSE.
pub fn push_close(out: &mut Vec<u8>, flow: u64) {
    frame(out, 69, |out| out.extend_from_slice(&flow.to_le_bytes()));
}

/// Appends KEYS.
pub fn push_keys(out: &mut Vec<u8>, json: &[u8]) {
    frame(out, 70, |out| out.extend_from_slice(json));
}

/// Appends ALIVE.
pub fn push_alive(out: &mut Vec<u8>) {
    frame(out, 71, |_| {});
}

pub(super) fn frame(out: &mut Vec<u8>, kind: u8, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0, 0, 0, 0, kind]);
    body(out);
    let length = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

pub(super) fn push_address(out: &mut Vec<u8>, address: Address) {
    out.extend_from_slice(&address.ip);
    out.extend_from_slice(&address.port.to_le_bytes());
}
