//! Where a phone says that it is, and where it is seen: whether a NAT stands between, and what may be dialled. It sends nothing.

use super::contact::{address, uri_parts, uri_port};
use super::row::{Binding, Flow};
use crate::question::parameter;
use std::net::{IpAddr, SocketAddr};

/// SIP's port, and that of SIP over TLS (RFC 3261 19.1.2).
const PORTS: [u16; 2] = [5060, 5061];
const UDP: u8 = 1;
const TCP: u8 = 2;
const TLS: u8 = 3;

/// Whether what the phone is seen as is not what its Contact says: a NAT rewrote it, or the Contact names no address.
pub fn behind_nat(uri: &[u8], flow: &Flow) -> bool {
    let Some((_, said)) = place(uri) else { return true };
    let seen = flow.remote;
    said.ip() != seen.ip().to_canonical() || (flow.transport == UDP && said.port() != seen.port())
}

/// The flow of a phone that sends from one port and listens on another, and so did not ask for `rport`: the address is its own,
/// the port is its Contact's (RFC 3261 10.2.1).
pub fn listening(uri: &[u8], flow: &Flow) -> Flow {
    match place(uri) {
        Some((UDP, said)) if flow.transport == UDP && said.ip() == flow.remote.ip().to_canonical() => Flow { remote: said, ..*flow },
        _ => *flow,
    }
}

/// What to connect to when the connection of a binding is gone: the first hop of its Path, else its Contact (RFC 3261 18.1.1, RFC 5923
/// 6). `None`: nothing that could be reached, or that would be less private than what the phone chose.
pub fn dial(binding: &Binding<'_>) -> Option<Flow> {
    let flow = binding.flow;
    let hop = binding.path.split(|&c| c == b',').next().and_then(address).map(|(uri, _)| uri).filter(|uri| !uri.is_empty());
    if hop.is_none() && binding.reg_id != 0 {
        return None; // RFC 5626 5.3: only over the flow that it made
    }
    let (transport, said) = place(hop.unwrap_or(binding.uri))?;
    let source = flow.remote.ip().to_canonical();
    let near = said.ip() == source || (reachable(said.ip()) && !reachable(source));
    let same = transport == flow.transport || (flow.transport == TCP && transport == UDP);
    (near && same && said.port() != 0).then_some(Flow { connection: 0, transport, remote: said, ..flow })
}

/// Transport and address of a SIP URI whose host is an address.
fn place(uri: &[u8]) -> Option<(u8, SocketAddr)> {
    let (_, host, parameters) = uri_parts(uri)?;
    let ip: IpAddr = std::str::from_utf8(host).ok()?.parse().ok()?;
    let secure = uri.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"sips:"));
    let transport = match parameter(parameters, b"transport").unwrap_or_default().to_ascii_lowercase().as_slice() {
        b"tcp" if secure => TLS,
        b"tcp" => TCP,
        b"tls" => TLS,
        b"ws" | b"wss" => return None, // RFC 7118 5: nobody connects to a browser
        _ if secure => TLS,
        _ => UDP,
    };
    let [port, tls_port] = PORTS;
    let usual = if transport == TLS { tls_port } else { port };
    Some((transport, SocketAddr::new(ip.to_canonical(), uri_port(uri).unwrap_or(usual))))
}

/// An address that is reached from elsewhere: not private (RFC 1918, 4193, 6598), loopback or link-local.
fn reachable(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            !(ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified() || (a == 100 && b & 0xc0 == 64))
        }
        IpAddr::V6(ip) => {
            let first = ip.segments()[0];
            !(ip.is_loopback() || ip.is_unspecified() || first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(transport: u8, remote: &str) -> Flow {
        Flow { edge: 1, connection: u64::from(transport != UDP), transport, local: 0, remote: remote.parse().unwrap() }
    }

    fn binding<'a>(uri: &'a str, flow: Flow, path: &'a str) -> Binding<'a> {
        Binding {
            uri: uri.as_bytes(),
            q: None,
            expires_at: 1,
            call: 1,
            cseq: 1,
            first_cseq: 1,
            unreachable: false,
            flow,
            reg_id: 0,
            instance: b"",
            path: path.as_bytes(),
        }
    }

    #[test]
    fn a_nat_is_seen_by_address_and_over_udp_by_port() {
        for (uri, transport, seen, behind) in [
            ("sip:a@192.0.2.1", 1, "192.0.2.1:5060", false),
            ("sip:a@[2001:db8::1]:5070;ob", 1, "[2001:db8::1]:5070", false),
            ("sip:a@192.0.2.1", 1, "[::ffff:192.0.2.1]:5060", false),
            ("sip:a@192.0.2.1", 1, "192.0.2.1:40001", true),
            ("sip:a@10.0.0.5", 1, "192.0.2.1:5060", true),
            ("sip:a@phone.local", 1, "192.0.2.1:5060", true),
            ("sip:a@192.0.2.1;transport=tcp", 2, "192.0.2.1:40001", false),
            ("sip:a@10.0.0.5;transport=tcp", 2, "192.0.2.1:40001", true),
            ("sip:a@x.invalid;transport=ws", 5, "192.0.2.1:40001", true),
        ] {
            assert_eq!(behind, behind_nat(uri.as_bytes(), &flow(transport, seen)), "{uri} seen as {seen}");
        }
    }

    #[test]
    fn what_can_be_dialled_is_the_contacts_address_where_no_nat_is() {
        let dialled = |uri: &str, transport: u8, seen: &str, path: &str| {
            dial(&binding(uri, flow(transport, seen), path)).map(|flow| (flow.transport, flow.remote.to_string()))
        };
        let there = |transport: u8, text: &str| Some((transport, text.to_owned()));
        assert_eq!(there(2, "10.0.0.5:5070"), dialled("sip:a@10.0.0.5:5070;transport=tcp", 2, "10.0.0.5:41000", ""));
        assert_eq!(there(3, "192.0.2.1:5061"), dialled("sips:a@192.0.2.1", 3, "192.0.2.1:41000", ""));
        assert_eq!(there(1, "192.0.2.1:5060"), dialled("sip:a@192.0.2.1", 2, "192.0.2.1:41000", ""), "no transport: UDP");
        assert_eq!(there(2, "192.0.2.1:5060"), dialled("sip:a@192.0.2.1;transport=tcp", 2, "10.0.0.9:41000", ""), "a public Contact");
        assert_eq!(None, dialled("sip:a@10.0.0.5;transport=tcp", 2, "192.0.2.1:41000", ""), "behind a NAT");
        assert_eq!(None, dialled("sip:a@198.51.100.7;transport=tcp", 2, "192.0.2.1:41000", ""), "somebody else's address");
        assert_eq!(None, dialled("sip:a@192.0.2.1;transport=tcp", 3, "192.0.2.1:41000", ""), "TLS is not left for TCP");
        assert_eq!(None, dialled("sip:a@x.invalid;transport=ws", 4, "192.0.2.1:41000", ""));
        assert_eq!(None, dialled("sip:a@phone.local;transport=tcp", 2, "192.0.2.1:41000", ""));
        let path = "<sip:tok@192.0.2.8:5080;transport=tcp;lr;ob>, <sip:far.example;lr>";
        assert_eq!(there(2, "192.0.2.8:5080"), dialled("sip:a@10.0.0.5", 2, "192.0.2.8:41000", path), "the proxy of its Path");
    }

    #[test]
    fn an_outbound_phone_is_never_dialled() {
        let outbound = Binding { reg_id: 1, ..binding("sip:a@192.0.2.1;transport=tcp", flow(2, "192.0.2.1:41000"), "") };
        assert_eq!(None, dial(&outbound));
    }

    #[test]
    fn a_phone_that_sends_from_another_port_is_asked_where_it_listens() {
        let seen = flow(UDP, "192.0.2.1:40001");
        assert_eq!("192.0.2.1:5070", listening(b"sip:a@192.0.2.1:5070", &seen).remote.to_string());
        assert_eq!(seen, listening(b"sip:a@10.0.0.5:5070", &seen), "another address: a NAT");
        assert_eq!(seen, listening(b"sip:a@192.0.2.1;transport=tcp", &seen));
    }
}
