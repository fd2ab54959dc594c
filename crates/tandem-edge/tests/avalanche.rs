//! Many phones at once, slow ones, and an edge that is far behind: everybody is served in turn, and nobody holds what others need.

mod common;

use common::authority::{client, Authority};
use common::{open_policy, request, trunk_policy, Owner, Place, Running, PATIENCE};
use rustls::client::Resumption;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, StreamOwned};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

const PHONES: usize = 160;
const AT_ONCE: usize = 8;
/// Phones that lose their edge at once; the variable DISTRICT asks for more.
const DISTRICT: usize = 500;

fn ping(stream: &mut (impl Read + Write)) -> Duration {
    let begin = Instant::now();
    stream.write_all(b"\r\n\r\n").unwrap();
    stream.read_exact(&mut [0; 2]).unwrap();
    begin.elapsed()
}

fn tcp(at: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// How long somebody waits who is there already, until it is done: the median.
fn median_wait(at: SocketAddr, done: &AtomicBool) -> Duration {
    let mut stream = tcp(at);
    let mut waits = Vec::new();
    while !done.load(Ordering::Relaxed) {
        waits.push(ping(&mut stream));
        std::thread::sleep(Duration::from_millis(2));
    }
    waits.sort();
    waits[waits.len() / 2]
}

#[test]
fn a_crowd_that_connects_at_once_is_served_and_others_are_not_kept_waiting() {
    let place = Place::new();
    let authority = Authority::new();
    let limits = r#""connections_per_source": 1000"#;
    let edge = Running::start(&place, &open_policy(limits), &["tls", "tcp"], &authority.config(&place, ""));
    let done = AtomicBool::new(false);
    let (crowd, other) = (edge.locals[0], edge.locals[1]);
    std::thread::scope(|scope| {
        let waited = scope.spawn(|| median_wait(other, &done));
        let phones: Vec<_> = (0..AT_ONCE)
            .map(|_| {
                scope.spawn(|| {
                    let mut phones: Vec<_> = (0..PHONES / AT_ONCE).map(|_| client(&authority, None, crowd)).collect();
                    phones.iter_mut().for_each(|phone| _ = ping(phone));
                    phones.len()
                })
            })
            .collect();
        assert_eq!(PHONES, phones.into_iter().map(|phones| phones.join().unwrap()).sum::<usize>());
        done.store(true, Ordering::Relaxed);
        let median = waited.join().unwrap();
        assert!(median < Duration::from_millis(100), "others waited {median:?}");
    });
}

/// Has asked for a connection and said the first word of its handshake, all without waiting.
fn knocks(config: &Arc<ClientConfig>, at: SocketAddr) -> StreamOwned<ClientConnection, TcpStream> {
    let connection = ClientConnection::new(config.clone(), "edge.example".try_into().unwrap()).unwrap();
    let mut phone = StreamOwned::new(connection, tcp(at));
    phone.sock.set_read_timeout(Some(6 * PATIENCE)).unwrap();
    phone.conn.write_tls(&mut phone.sock).unwrap();
    phone
}

#[test]
fn a_district_that_comes_back_to_another_edge_is_let_in_at_the_rate_that_is_left_and_resumes_its_sessions() {
    tandem_sys::socket::raise_descriptor_limit().unwrap();
    let place = Place::new();
    let authority = Authority::new();
    let (limits, files) = (r#""connections_per_source": 20000"#, authority.config(&place, ""));
    let many = std::env::var("DISTRICT").map_or(DISTRICT, |text| text.parse().unwrap());
    let tls = r#"{"transport": "tls", "bound": "127.0.0.1:0"}"#;
    let mut first = Running::start_with(&place, &open_policy(limits), tls, &files);
    let phones: Vec<Arc<ClientConfig>> = (0..many)
        .map(|_| {
            let mut config = ClientConfig::builder().with_root_certificates(authority.roots()).with_no_client_auth();
            config.resumption = Resumption::in_memory_sessions(2);
            Arc::new(config)
        })
        .collect();
    let mut there = Vec::new();
    for phone in &phones {
        there.push(knocks(phone, first.locals[0]));
        ping(there.last_mut().unwrap());
    }
    assert!(there.iter().all(|phone| phone.conn.handshake_kind() == Some(HandshakeKind::Full)));
    let owner = Owner::listen(&place);
    let second = Running::start(&place, &open_policy(limits), &["tls", "tcp"], &files);
    let mut link = owner.accept(1);
    link.next();
    first.stop();
    drop(there);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let waited = scope.spawn(|| median_wait(second.locals[1], &done));
        let begin = Instant::now();
        let mut here: Vec<_> = phones.iter().map(|phone| knocks(phone, second.locals[0])).collect();
        std::thread::scope(|crowd| {
            for some in here.chunks_mut(many.div_ceil(AT_ONCE)) {
                crowd.spawn(|| some.iter_mut().for_each(|phone| _ = ping(phone)));
            }
        });
        done.store(true, Ordering::Relaxed);
        assert!(here.iter().all(|phone| phone.conn.handshake_kind() == Some(HandshakeKind::Resumed)));
        let (took, median) = (begin.elapsed(), waited.join().unwrap());
        println!("{many} phones were back after {took:?}, others waited {median:?}");
        assert!(median < Duration::from_millis(100), "others waited {median:?}");
    });
    link.counter("handshakes_paused", 1);
}

#[test]
fn registrations_come_later_while_an_owner_is_far_behind() {
    let place = Place::new();
    let owner = Owner::listen(&place);
    let edge = Running::start(&place, &trunk_policy(""), &["tcp"], "");
    let mut link = owner.accept(1);
    link.next();
    std::thread::spawn(move || while let common::Got::Sip { .. } = link.next() {});
    let mut carrier = tcp(edge.locals[0]);
    let body = "x".repeat(60_000);
    for n in 0..290 {
        let text = String::from_utf8(request("MESSAGE", "TCP", &format!("m{n}"))).unwrap();
        carrier
            .write_all(text.replace("Content-Length: 0\r\n\r\n", &format!("Content-Length: {}\r\n\r\n{body}", body.len())).as_bytes())
            .unwrap();
    }
    let until = Instant::now() + PATIENCE;
    let mut seconds = std::collections::BTreeSet::new();
    for n in 0.. {
        assert!(Instant::now() < until, "never told to come later: {seconds:?}");
        let mut phone = tcp(edge.locals[0]);
        phone.write_all(&request("REGISTER", "TCP", &format!("r{n}"))).unwrap();
        phone.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let mut room = [0; 4096];
        let count = phone.read(&mut room).unwrap_or(0);
        let text = String::from_utf8_lossy(&room[..count]).into_owned();
        if let Some((_, rest)) = text.split_once("Retry-After: ") {
            assert!(text.starts_with("SIP/2.0 503 "), "{text}");
            let after: u32 = rest.split("\r\n").next().unwrap().parse().unwrap();
            assert!((30..60).contains(&after), "{after}");
            seconds.insert(after);
        }
        if seconds.len() > 3 {
            return;
        }
    }
}

#[test]
fn who_dribbles_is_closed_however_it_dribbles() {
    let place = Place::new();
    let authority = Authority::new();
    let owner = Owner::listen(&place);
    let edge = Running::start(&place, &trunk_policy(""), &["tcp", "tls", "ws"], &authority.config(&place, ""));
    let mut link = owner.accept(1);
    link.next();
    let stop = Arc::new(AtomicBool::new(false));
    let dribble = |at: SocketAddr, bytes: Vec<u8>| {
        let stop = stop.clone();
        std::thread::spawn(move || {
            let mut stream = tcp(at);
            let begin = Instant::now();
            for byte in bytes.iter().cycle() {
                if stop.load(Ordering::Relaxed) || stream.write_all(&[*byte]).is_err() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            begin.elapsed()
        })
    };
    let hello = [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &[7; 400]].concat();
    let slow = [
        dribble(edge.locals[0], b"INVITE sip:bob@demo.example SIP/2.0\r\nX: ".iter().copied().chain([b'x'; 4000]).collect()),
        dribble(edge.locals[1], hello),
        dribble(edge.locals[2], b"GET / HTTP/1.1\r\nHost: a\r\nX: ".iter().copied().chain([b'x'; 4000]).collect()),
    ];
    let half_record = std::thread::spawn({
        let mut phone = client(&authority, None, edge.locals[1]);
        move || {
            ping(&mut phone);
            let begin = Instant::now();
            // The head of a record, and then a byte of it now and then.
            phone.sock.write_all(&[0x17, 3, 3, 0x40, 0]).unwrap();
            while phone.sock.write_all(&[0]).is_ok() && begin.elapsed() < Duration::from_secs(20) {
                std::thread::sleep(Duration::from_millis(50));
            }
            begin.elapsed()
        }
    });
    link.counter_within("closed_slow", 4, Duration::from_secs(16));
    stop.store(true, Ordering::Relaxed);
    for phone in slow {
        assert!(phone.join().unwrap() < Duration::from_secs(14));
    }
    assert!(half_record.join().unwrap() < Duration::from_secs(14));
}
