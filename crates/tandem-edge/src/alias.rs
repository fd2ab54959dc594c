//! Connections that their peers want to be called on (RFC 5923): `alias` in the Via of a peer that is trusted. It opens none.

use crate::edge::Edge;
use crate::judge::Source;
use std::net::SocketAddr;
use tandem_sip::frame::Transport;
use tandem_sip::via::Via;

/// Bytes of a request in which its first Via stands.
const HEAD_BYTES: usize = 2048;

impl Edge {
    /// A request was let through: where its peer is trusted and its Via asks for it, requests to the Via's port of the same host go back
    /// on this connection. `member`: it came from a server of a pool.
    pub(crate) fn alias(&mut self, source: &Source<'_>, member: bool, message: &[u8]) {
        if source.flow == 0 || !matches!(source.transport, Transport::Tcp | Transport::Tls) {
            return;
        }
        let Some(port) = asked(message, source.transport) else { return };
        let trusted = match source.transport {
            // RFC 5923 9.1: over TLS the peer's certificate says who it is.
            Transport::Tls => !source.names.is_empty(),
            _ => member || self.judge.policy.trunk_at(source.remote.ip()).is_some(),
        };
        if trusted {
            self.connections.alias(source.flow, SocketAddr::new(source.remote.ip(), port));
        }
    }
}

/// The port of the first Via of a request that has `alias`.
fn asked(message: &[u8], transport: Transport) -> Option<u16> {
    let head = message.get(..HEAD_BYTES).unwrap_or(message);
    if head.starts_with(b"SIP/2.0 ") || memchr::memmem::find(head, b"alias").is_none() {
        return None;
    }
    let mut lines = head.split(|&c| c == b'\n').skip(1);
    let value = lines.find_map(|line| {
        let (name, value) = line.split_at_checked(line.iter().position(|&c| c == b':')?)?;
        let name = name.trim_ascii();
        (name.eq_ignore_ascii_case(b"via") || name.eq_ignore_ascii_case(b"v")).then(|| value.get(1..).unwrap_or_default().trim_ascii())
    })?;
    let via = Via::first(value)?;
    via.params.get(b"alias")?;
    via.port.or(Some(if transport == Transport::Tls { 5061 } else { 5060 })).filter(|port| *port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_request_whose_first_via_has_alias_asks() {
        let with = |via: &str| asked(format!("INVITE sip:a SIP/2.0\r\nMax-Forwards: 70\r\n{via}\r\n\r\n").as_bytes(), Transport::Tls);
        assert_eq!(Some(5061), with("Via: SIP/2.0/TLS carrier.example;branch=z9hG4bK1;alias"));
        assert_eq!(Some(5070), with("v : SIP/2.0/TLS carrier.example:5070;alias;branch=z9hG4bK1, SIP/2.0/TLS b"));
        assert_eq!(None, with("Via: SIP/2.0/TLS a;branch=z9hG4bKalias\r\nVia: SIP/2.0/TLS b;alias"));
        assert_eq!(None, asked(b"SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS a;alias\r\n\r\n", Transport::Tls));
    }
}
