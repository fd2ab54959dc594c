//! IPv6 as IPv4 over every transport: peers that come, peers that are called, several addresses of both families at once.

mod common;

use common::authority::{client, Authority};
use common::{request, trunk_policy, Got, Owner, Place, Running, PATIENCE};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use tandem_sip::frame::Transport;

const ANSWER: &[u8] = b"SIP/2.0 100 Trying\r\n\r\n";

/// Nothing to test on a host without IPv6.
fn has_ipv6() -> bool {
    let has = UdpSocket::bind("[::1]:0").is_ok();
    if !has {
        eprintln!("skipped: this host has no IPv6");
    }
    has
}

fn listen(addresses: &[&str]) -> String {
    let one = |text: &&str| {
        let (transport, bound) = text.split_once(' ').unwrap();
        format!(r#"{{"transport": "{transport}", "bound": "{bound}"}}"#)
    };
    addresses.iter().map(one).collect::<Vec<_>>().join(",")
}

#[test]
fn peers_of_both_families_are_heard_and_answered_over_every_transport() {
    if !has_ipv6() {
        return;
    }
    let place = Place::new();
    let owner = Owner::listen(&place);
    let authority = Authority::new();
    let addresses = ["udp [::1]:0", "udp 127.0.0.1:0", "tcp [::1]:0", "tcp 127.0.0.1:0", "tls [::1]:0", "ws [::1]:0"];
    let edge = Running::start_at(&place, &trunk_policy(""), &listen(&addresses), &authority.config(&place, ""));
    let mut link = owner.accept(1);
    let Got::Hello { locals, .. } = link.next() else { panic!("no HELLO") };
    assert_eq!(edge.locals.iter().map(ToString::to_string).collect::<Vec<_>>(), locals);
    for (number, at) in edge.locals[..2].iter().enumerate() {
        let phone = UdpSocket::bind(SocketAddr::new(at.ip(), 0)).unwrap();
        phone.set_read_timeout(Some(PATIENCE)).unwrap();
        phone.send_to(&request("INVITE", "UDP", &format!("u{number}")), at).unwrap();
        let Got::Sip { local, remote, .. } = link.next() else { panic!("no message") };
        assert_eq!((number as u8, phone.local_addr().unwrap()), (local, remote));
        link.send(1, 0, 0, Transport::Udp, remote, ANSWER);
        let mut room = [0; 99];
        assert_eq!((ANSWER.len(), *at), phone.recv_from(&mut room).unwrap());
    }
    let mut streams: Vec<Box<dyn ReadWrite>> = edge.locals[2..4].iter().map(|at| Box::new(tcp(*at)) as Box<dyn ReadWrite>).collect();
    streams.push(Box::new(client(&authority, None, edge.locals[4])));
    for (stream, number) in streams.iter_mut().zip(2u8..) {
        stream.write_all(&request("INVITE", "TCP", &format!("s{number}"))).unwrap();
        let Got::Sip { flow, transport, local, remote, .. } = link.next() else { panic!("no message") };
        assert_eq!((number, edge.locals[usize::from(number)].is_ipv6()), (local, remote.is_ipv6()));
        link.send(1, 0, flow, transport, remote, ANSWER);
        let mut room = [0; 99];
        assert_eq!(ANSWER.len(), stream.read(&mut room).unwrap());
    }
}

#[test]
fn a_peer_with_an_ipv6_address_is_called_from_one() {
    if !has_ipv6() {
        return;
    }
    let place = Place::new();
    let owner = Owner::listen(&place);
    let _edge = Running::start_at(&place, &trunk_policy(""), &listen(&["tcp 127.0.0.1:0", "tcp [::]:0", "udp [::]:0"]), "");
    let mut link = owner.accept(1);
    link.next();
    let carrier = TcpListener::bind("[::1]:0").unwrap();
    link.send(1, 0, 0, Transport::Tcp, carrier.local_addr().unwrap(), b"OPTIONS sip:a SIP/2.0\r\n\r\n");
    let (mut stream, from) = carrier.accept().unwrap();
    assert!(from.is_ipv6());
    let mut room = [0; 99];
    assert!(stream.read(&mut room).unwrap() > 0);
    let phone = UdpSocket::bind("[::1]:0").unwrap();
    phone.set_read_timeout(Some(PATIENCE)).unwrap();
    link.send(1, 0, 0, Transport::Udp, phone.local_addr().unwrap(), ANSWER);
    assert_eq!(ANSWER.len(), phone.recv(&mut room).unwrap());
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

fn tcp(at: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}
