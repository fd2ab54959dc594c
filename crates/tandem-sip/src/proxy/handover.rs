//! What edges of one host hand each other, as bytes: messages that belong to another, calls that ended, verdicts. It holds no socket.

use super::hop::{Hop, Source};
use crate::frame::{Address, Transport};
use crate::pool::{Change, Usage};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Bytes before a message.
const HEAD: usize = 1 + 1 + 1 + 2 + 18 + 8;

/// One thing handed over.
#[derive(Clone, PartialEq, Debug)]
pub enum Handover<'a> {
    /// A message as it came, for who has its transaction or connection.
    Came(Source, &'a [u8]),
    /// A message to send on a connection.
    Send(Hop, &'a [u8]),
    /// A call ended that the other counts.
    Ended(u64),
    /// News for all.
    News(News),
}

/// What all edges of a host should know.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum News {
    /// A member became otherwise.
    Change(Change),
    /// What an edge has in hand.
    Usage(u16, Usage),
    /// A source is banned for so many seconds.
    Ban(IpAddr, u32),
}

const CAME: u8 = 1;
const SEND: u8 = 2;
const ENDED: u8 = 3;
const NEWS: u8 = 4;

impl Handover<'_> {
    /// Appends it.
    pub fn push(&self, out: &mut Vec<u8>) {
        match self {
            Handover::Came(from, message) => {
                head(out, CAME, from.transport, from.local, from.edge, from.remote.into(), from.flow);
                out.extend_from_slice(message);
            }
            Handover::Send(to, message) => {
                head(out, SEND, to.transport, to.local, 0, to.remote.into(), to.flow);
                out.extend_from_slice(message);
            }
            Handover::Ended(call) => {
                out.push(ENDED);
                out.extend_from_slice(&call.to_le_bytes());
            }
            Handover::News(news) => {
                out.push(NEWS);
                // Numbers, names and texts: this cannot fail.
                out.extend_from_slice(&serde_json::to_vec(news).unwrap_or_default());
            }
        }
    }

    /// Reads one.
    pub fn read(bytes: &[u8]) -> Option<Handover<'_>> {
        let (&kind, rest) = bytes.split_first()?;
        match kind {
            ENDED => Some(Handover::Ended(u64::from_le_bytes(rest.try_into().ok()?))),
            NEWS => serde_json::from_slice(rest).ok().map(Handover::News),
            CAME | SEND => {
                let (head, message) = bytes.split_at_checked(HEAD)?;
                let transport = Transport::read(*head.get(1)?)?;
                let local = *head.get(2)?;
                let edge = u16::from_le_bytes(head.get(3..5)?.try_into().ok()?);
                let ip = head.get(5..21)?.try_into().ok()?;
                let port = u16::from_le_bytes(head.get(21..23)?.try_into().ok()?);
                let remote = Address { ip, port }.into();
                let flow = u64::from_le_bytes(head.get(23..31)?.try_into().ok()?);
                Some(match kind {
                    CAME => Handover::Came(Source { transport, local, remote, flow, edge }, message),
                    _ => Handover::Send(Hop { transport, local, remote, flow, edge: 0, only: false }, message),
                })
            }
            _ => None,
        }
    }
}

fn head(out: &mut Vec<u8>, kind: u8, transport: Transport, local: u8, edge: u16, remote: Address, flow: u64) {
    out.extend_from_slice(&[kind, transport as u8, local]);
    out.extend_from_slice(&edge.to_le_bytes());
    out.extend_from_slice(&remote.ip);
    out.extend_from_slice(&remote.port.to_le_bytes());
    out.extend_from_slice(&flow.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::Became;

    #[test]
    fn what_is_handed_over_reads_back_and_what_is_cut_does_not() {
        let source = Source { transport: Transport::Tls, local: 3, remote: "[2001:db8::1]:9".parse().unwrap(), flow: 1 << 50, edge: 1_023 };
        let hop = Hop { transport: Transport::Udp, local: 0, remote: "192.0.2.1:5060".parse().unwrap(), flow: 0, edge: 0, only: false };
        let change = Change { pool: "farm".into(), member: "m".into(), became: Became::Grey { for_us: 7 }, why: "no answer".into() };
        for one in [
            Handover::Came(source, b"hi"),
            Handover::Send(hop, b""),
            Handover::Ended(u64::MAX),
            Handover::News(News::Change(change)),
            Handover::News(News::Ban("2001:db8::".parse().unwrap(), 300)),
        ] {
            let mut bytes = Vec::new();
            one.push(&mut bytes);
            assert_eq!(Some(&one), Handover::read(&bytes).as_ref());
            assert_eq!(None, Handover::read(&bytes[..bytes.len().min(8)]));
        }
        assert_eq!(None, Handover::read(b""));
    }
}
