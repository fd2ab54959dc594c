//! Members and next hops by name: an edge, a real name server (dnsmasq), servers that a test plays. All on loopback.

mod common;

use common::{Place, PATIENCE};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tandem_edge::{Config, Edge};

struct Dnsmasq(Child);

impl Dnsmasq {
    fn start(port: u16, records: &[String]) -> Option<Dnsmasq> {
        let child = Command::new("dnsmasq")
            .env("PATH", format!("{}:/usr/sbin:/usr/local/sbin", std::env::var("PATH").unwrap_or_default()))
            .args(["--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--bind-interfaces", "--pid-file="])
            .args(["--listen-address=127.0.0.1", "--local=/#/", "--local-ttl=1", "--neg-ttl=1", "--user="])
            .arg(format!("--port={port}"))
            .args(records.iter().map(|record| format!("--{record}")))
            .stderr(Stdio::null())
            .spawn();
        let Ok(child) = child else {
            eprintln!("skipped: dnsmasq is not installed");
            return None;
        };
        let running = Dnsmasq(child);
        until("dnsmasq answers", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Some(running)
    }
}

impl Drop for Dnsmasq {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Running {
    at: SocketAddr,
    control: std::path::PathBuf,
    stopper: tandem_sys::signal::Stopper,
}

impl Running {
    fn start(place: &Place, dns: u16, front: &str) -> Running {
        std::fs::write(place.path("policy.json"), "{}").unwrap();
        let at = |name: &str| place.path(name).display().to_string();
        let json = format!(
            r#"{{"edge": 3, "keys": "{}", "policy": "{}", "ban_log": "{}", "control": "{}", "listen": [{{"transport": "udp", "bound": "127.0.0.1:0"}},
                {{"transport": "tcp", "bound": "127.0.0.1:0"}}], "front": {front}, "dns": {{"servers": ["127.0.0.1:{dns}"], "hosts": "",
                "resolv_conf": "/nonexistent", "ttl_floor_seconds": 0, "server_ms": 200, "question_ms": 600, "lookup_ms": 1500, "failed_seconds": 1, "negative_seconds": 1}}}}"#,
            at("keys.json"),
            at("policy.json"),
            at("bans.log"),
            at("control.sock"),
        );
        let edge = Edge::open(Config::read(json.as_bytes()).unwrap()).unwrap();
        let (at, stopper) = (edge.locals()[0], edge.stopper());
        std::thread::spawn(move || edge.run(None).unwrap());
        Running { at, control: place.path("control.sock"), stopper }
    }

    /// Name, address, state and why of each member.
    fn members(&self) -> Vec<[String; 4]> {
        let mut stream = UnixStream::connect(&self.control).unwrap();
        stream.write_all(b"{\"id\": 1, \"do\": \"view\"}\n").unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        let view: serde_json::Value = serde_json::from_str(&line).unwrap();
        let members = view["ok"]["front"]["pools"][0]["members"].as_array().unwrap().clone();
        let text = |member: &serde_json::Value, name: &str| member[name].as_str().unwrap().to_owned();
        members.iter().map(|member| ["name", "address", "state", "why"].map(|name| text(member, name))).collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stopper.stop();
    }
}

fn until(what: &str, mut fact: impl FnMut() -> bool) {
    let started = Instant::now();
    while !fact() {
        assert!(started.elapsed() < PATIENCE, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A port free for datagrams and streams.
fn free_port() -> u16 {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = udp.local_addr().unwrap().port();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn socket() -> (UdpSocket, u16) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

fn heard(socket: &UdpSocket) -> String {
    let mut room = [0; 4_096];
    let (count, _) = socket.recv_from(&mut room).expect("a datagram in time");
    String::from_utf8(room[..count].to_vec()).unwrap()
}

fn request(method: &str, uri: &str, from: u16, call: &str) -> String {
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{from};branch=z9hG4bK{call}{method};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:alice@x.example>;tag=a\r\nTo: <sip:bob@x.example>\r\nCall-ID: {call}\r\nCSeq: 1 {method}\r\n\
         Contact: <sip:alice@127.0.0.1:{from}>\r\nContent-Length: 0\r\n\r\n"
    )
}

/// A 503 to an INVITE of `request`.
fn busy(invite: &str, call: &str) -> String {
    let vias: String = invite.lines().filter(|line| line.starts_with("Via: ")).map(|line| format!("{line}\r\n")).collect();
    format!(
        "SIP/2.0 503 Busy\r\n{vias}From: <sip:alice@x.example>;tag=a\r\nTo: <sip:bob@x.example>;tag=b\r\nCall-ID: {call}\r\n\
         CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
    )
}

const QUIET: &str = r#""health": {"interval_ms": 0}"#;

fn farm(member: &str) -> String {
    format!(r#"{{"pools": [{{"name": "farm", {QUIET}, "members": [{member}]}}], "routes": [{{"methods": ["OPTIONS"], "pool": "farm"}}]}}"#)
}

#[test]
fn a_member_by_name_becomes_the_servers_that_it_leads_to_and_moves_with_them() {
    let (dns, (one, first), (two, second)) = (free_port(), socket(), socket());
    let records = |ports: &[u16]| {
        let srv = ports.iter().enumerate().map(|(n, port)| format!("srv-host=_sip._udp.farm.example,fs{n}.farm.example,{port},{n},0"));
        srv.chain((0..ports.len()).map(|n| format!("host-record=fs{n}.farm.example,127.0.0.1"))).collect::<Vec<_>>()
    };
    let Some(server) = Dnsmasq::start(dns, &records(&[first, second])) else { return };
    let (place, (alice, me)) = (Place::new(), socket());
    let edge = Running::start(&place, dns, &farm(r#"{"name": "fs", "host": "farm.example"}"#));
    until("both are members", || edge.members().len() == 2);
    assert_eq!(
        [format!("fs@127.0.0.1:{first}"), format!("fs@127.0.0.1:{second}")],
        [edge.members()[0][0].clone(), edge.members()[1][0].clone()]
    );
    alice.send_to(request("OPTIONS", "sip:service@x.example", me, "c1").as_bytes(), edge.at).unwrap();
    assert!(heard(&one).starts_with("OPTIONS sip:service@x.example SIP/2.0\r\n"), "the lower SRV priority is first");
    drop(server);
    let _server = Dnsmasq::start(dns, &records(&[second])).unwrap();
    until("the first one is gone", || edge.members().len() == 1);
    alice.send_to(request("OPTIONS", "sip:service@x.example", me, "c2").as_bytes(), edge.at).unwrap();
    assert!(heard(&two).starts_with("OPTIONS "));
}

#[test]
fn a_call_goes_by_srv_priority_and_on_to_the_next_target_after_silence_or_503() {
    let (dns, (one, first), (two, second), (three, third)) = (free_port(), socket(), socket(), socket());
    let srv = [first, second, third].map(|port| format!("srv-host=_sip._udp.farm.example,fs.farm.example,{port},{port},0"));
    let mut all = [(first, &one), (second, &two), (third, &three)];
    all.sort_by_key(|(port, _)| *port); // the port is the priority too
    let records: Vec<String> = srv.into_iter().chain(["host-record=fs.farm.example,127.0.0.1".into()]).collect();
    let Some(_server) = Dnsmasq::start(dns, &records) else { return };
    let (place, (alice, me)) = (Place::new(), socket());
    let front = format!(
        r#"{{"pools": [{{"name": "farm", "answer_ms": 150, {QUIET}, "members": [{{"name": "fs", "host": "farm.example"}}]}}], "routes": [{{"pool": "farm"}}]}}"#
    );
    let edge = Running::start(&place, dns, &front);
    until("all are members", || edge.members().len() == 3);
    alice.send_to(request("INVITE", "sip:bob@x.example", me, "c1").as_bytes(), edge.at).unwrap();
    let silent = heard(all[0].1);
    assert!(silent.starts_with("INVITE sip:bob@x.example SIP/2.0\r\n"), "{silent}");
    let second_try = heard(all[1].1);
    all[1].1.send_to(busy(&second_try, "c1").as_bytes(), edge.at).unwrap();
    assert!(heard(all[2].1).contains("Call-ID: c1\r\n"), "the last priority is the third try");
}

#[test]
fn a_member_whose_name_leads_nowhere_is_down_and_says_dns() {
    let dns = free_port();
    let Some(server) = Dnsmasq::start(dns, &[]) else { return };
    let (place, (alice, me), (member, port)) = (Place::new(), socket(), socket());
    let edge = Running::start(&place, dns, &farm(&format!(r#"{{"name": "fs", "host": "fs1.example:{port}"}}"#)));
    let down = ["fs", "", "down", "dns"].map(String::from);
    assert_eq!(vec![down], edge.members());
    alice.send_to(request("OPTIONS", "sip:service@x.example", me, "c1").as_bytes(), edge.at).unwrap();
    assert!(heard(&alice).starts_with("SIP/2.0 503 "));
    drop(server);
    let _server = Dnsmasq::start(dns, &["host-record=fs1.example,127.0.0.1".into()]).unwrap();
    until("it is up", || edge.members()[0][2] == "up");
    alice.send_to(request("OPTIONS", "sip:service@x.example", me, "c2").as_bytes(), edge.at).unwrap();
    assert!(heard(&member).starts_with("OPTIONS "));
}

#[test]
fn an_edge_that_starts_without_name_servers_has_the_members_of_its_last_life() {
    let (dns, (member, port)) = (free_port(), socket());
    let Some(server) = Dnsmasq::start(dns, &["host-record=fs1.example,127.0.0.1".into()]) else { return };
    let (place, (alice, me)) = (Place::new(), socket());
    let front = farm(&format!(r#"{{"name": "fs", "host": "fs1.example:{port}"}}"#));
    let first = Running::start(&place, dns, &front);
    until("it is found", || first.members()[0][2] == "up");
    until("it is kept", || place.path("edge-names.json").exists());
    drop((first, server));
    let second = Running::start(&place, dns, &front);
    alice.send_to(request("OPTIONS", "sip:service@x.example", me, "c1").as_bytes(), second.at).unwrap();
    assert!(heard(&member).starts_with("OPTIONS "), "at once");
    std::thread::sleep(Duration::from_millis(2_500));
    assert_eq!("up", second.members()[0][2], "and it stays while nobody says otherwise");
}

#[test]
fn a_bad_host_is_refused_with_its_field() {
    let place = Place::new();
    for (member, told) in [
        (r#"{"name": "fs", "host": "a b"}"#, "pools[0].members[0].host"),
        (r#"{"name": "fs", "host": "x.example", "address": "192.0.2.1:5060"}"#, "an `address` or a `host`, not both"),
        (r#"{"name": "fs"}"#, "pools[0].members[0].address"),
    ] {
        let keys = place.path("keys.json").display().to_string();
        let json = format!(
            r#"{{"edge": 3, "keys": "{keys}", "listen": [{{"transport": "udp", "bound": "127.0.0.1:0"}}], "front": {}}}"#,
            farm(member)
        );
        let error = Edge::open(Config::read(json.as_bytes()).unwrap()).err().unwrap().to_string();
        assert!(error.contains(told), "{error}");
    }
}

/// A server of the farm that calls out by name.
fn calls_out(dns: u16) -> (Place, Running, UdpSocket, u16) {
    let (place, (server, me)) = (Place::new(), socket());
    let edge = Running::start(&place, dns, &farm(&format!(r#"{{"name": "fs", "address": "127.0.0.1:{me}"}}"#)));
    (place, edge, server, me)
}

#[test]
fn what_a_server_sends_to_a_name_waits_for_it_and_follows_it() {
    let (dns, (carrier, port)) = (free_port(), socket());
    let records =
        [format!("srv-host=_sip._udp.carrier.example,sip.carrier.example,{port},0,0"), "host-record=sip.carrier.example,127.0.0.1".into()];
    let Some(_server) = Dnsmasq::start(dns, &records) else { return };
    let (_place, edge, server, me) = calls_out(dns);
    for call in ["c1", "c2"] {
        server.send_to(request("INVITE", "sip:+4930123@carrier.example", me, call).as_bytes(), edge.at).unwrap();
        let invite = heard(&carrier);
        assert!(invite.starts_with("INVITE sip:+4930123@carrier.example SIP/2.0\r\n") && invite.contains(&format!("Call-ID: {call}\r\n")));
        assert!(heard(&server).starts_with("SIP/2.0 100 "));
    }
}

#[test]
fn a_target_that_said_503_is_tried_last_by_the_next_call() {
    let (dns, (one, first), (two, second)) = (free_port(), socket(), socket());
    let srv =
        [(first, 1), (second, 2)].map(|(port, rank)| format!("srv-host=_sip._udp.carrier.example,sip.carrier.example,{port},{rank},0"));
    let records: Vec<String> = srv.into_iter().chain(["host-record=sip.carrier.example,127.0.0.1".into()]).collect();
    let Some(_server) = Dnsmasq::start(dns, &records) else { return };
    let (_place, edge, server, me) = calls_out(dns);
    server.send_to(request("INVITE", "sip:+4930123@carrier.example", me, "c1").as_bytes(), edge.at).unwrap();
    let invite = heard(&one);
    one.send_to(busy(&invite, "c1").as_bytes(), edge.at).unwrap();
    assert!(heard(&one).starts_with("ACK "));
    server.send_to(request("INVITE", "sip:+4930123@carrier.example", me, "c2").as_bytes(), edge.at).unwrap();
    assert!(heard(&two).contains("Call-ID: c2\r\n"));
}

#[test]
fn a_name_that_is_not_there_is_404_and_one_that_nobody_can_say_503() {
    let dns = free_port();
    let Some(name_server) = Dnsmasq::start(dns, &[]) else { return };
    let (_place, edge, server, me) = calls_out(dns);
    server.send_to(request("INVITE", "sip:a@nowhere.example", me, "c1").as_bytes(), edge.at).unwrap();
    assert!(heard(&server).starts_with("SIP/2.0 404 "));
    drop(name_server);
    server.send_to(request("INVITE", "sip:a@other.example", me, "c2").as_bytes(), edge.at).unwrap();
    let refused = heard(&server);
    assert!(refused.starts_with("SIP/2.0 503 ") && refused.contains("Retry-After: "), "{refused}");
}

#[test]
fn a_stranger_makes_the_edge_ask_nobody() {
    let dns = UdpSocket::bind("127.0.0.1:0").unwrap();
    dns.set_read_timeout(Some(Duration::from_millis(400))).unwrap();
    let (_place, edge, _server, _) = calls_out(dns.local_addr().unwrap().port());
    let (stranger, me) = socket();
    for method in ["INVITE", "MESSAGE", "BYE"] {
        let text = request(method, "sip:a@victim.example", me, "c1");
        stranger.send_to(text.as_bytes(), edge.at).unwrap();
        stranger.send_to(text.replace("bob@x.example>", "bob@x.example>;tag=b").as_bytes(), edge.at).unwrap();
    }
    assert!(dns.recv_from(&mut [0; 512]).is_err(), "a question went out");
}
