//! What becomes of one message: handed up, answered here, or met with silence. It sends nothing.

use crate::keys::EdgeKeys;
use std::net::SocketAddr;
use tandem_sip::abuse::Abuse;
use tandem_sip::frame::Transport;
use tandem_sip::policy::Policy;

/// Where a message came from.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Connection number, 0 for datagrams.
    pub flow: u64,
    /// How it came.
    pub transport: Transport,
    /// The address of ours that was asked.
    pub local: u8,
    /// The peer.
    pub remote: SocketAddr,
    /// Names of its verified certificate.
    pub names: &'a [String],
}

/// What to do with a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Hand it to the owner of this shard.
    Up(u16),
    /// Answer with the bytes in `answer`.
    Answer(&'static str),
    /// Do nothing.
    Silence(&'static str),
}

/// Policy, keys and memory by which an edge judges.
pub struct Judge {
    /// In force now.
    pub policy: Policy,
    /// In force now.
    pub keys: EdgeKeys,
    /// Sources seen.
    pub abuse: Abuse,
}

impl Judge {
    /// Judges one whole message.
    pub fn message(&mut self, _source: &Source<'_>, bytes: &[u8], _at: u64, _answer: &mut Vec<u8>) -> Verdict {
        match header(bytes, b"\ncall-id:").or_else(|| header(bytes, b"\ni:")) {
            Some(call_id) => Verdict::Up(self.keys.keys.shard(call_id)),
            None => Verdict::Silence("malformed"),
        }
    }
}

/// What stands at the begin of a stream's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cut {
    /// Not enough yet.
    More,
    /// A keep-alive of this many bytes that is answered (RFC 5626 4.4.1).
    Ping(usize),
    /// Bytes that mean nothing (RFC 3261 7.5).
    Skip(usize),
    /// A message of this many bytes.
    Message(usize),
    /// Nothing after this can be understood.
    Broken,
}

/// Finds the first message of a stream (RFC 3261 18.3).
pub fn cut(bytes: &[u8], limit: usize) -> Cut {
    if bytes.starts_with(b"\r\n\r\n") {
        return Cut::Ping(4);
    }
    if bytes.starts_with(b"\r\n") {
        return if bytes.len() < 4 { Cut::More } else { Cut::Skip(2) };
    }
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return if bytes.len() > limit { Cut::Broken } else { Cut::More };
    };
    let head = &bytes[..end + 2];
    let length = header(head, b"\ncontent-length:").or_else(|| header(head, b"\nl:"));
    let Some(length) = length.and_then(|text| std::str::from_utf8(text).ok()?.parse::<usize>().ok()) else { return Cut::Broken };
    let total = end + 4 + length;
    match total {
        _ if total > limit => Cut::Broken,
        _ if total > bytes.len() => Cut::More,
        _ => Cut::Message(total),
    }
}

fn header<'a>(bytes: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let at = bytes.windows(name.len()).position(|part| part.eq_ignore_ascii_case(name))?;
    let rest = bytes.get(at + name.len()..)?;
    let end = rest.iter().position(|&c| c == b'\r' || c == b'\n')?;
    Some(rest.get(..end)?.trim_ascii())
}
