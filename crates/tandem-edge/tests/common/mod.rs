//! A running edge on loopback and an owner that a test plays; no test stands here.

#![allow(dead_code, unreachable_pub, missing_docs)]

pub mod authority;

use std::io::{Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tandem_edge::{Config, Edge};
use tandem_sip::frame::{self, Down, SipDown, Transport, Up};

pub const PATIENCE: Duration = Duration::from_secs(5);
pub const HEX: &str = "000102030405060708090a0b0c0d0e0f";

/// A directory of one test, gone with it.
pub struct Place(pub PathBuf);

impl Place {
    pub fn new() -> Place {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("tandem-edge-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        let keys = format!(r#"{{"hash":"{HEX}","signing":[{{"id":"a","secret":"{HEX}"}}],"nonce":[{{"id":"a","secret":"{HEX}"}}]}}"#);
        std::fs::write(path.join("keys.json"), keys).unwrap();
        Place(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// All of 127.0.0.0/8 is a trunk, so that requests pass without digest.
pub fn trunk_policy(limits: &str) -> String {
    format!(
        r#"{{"version": 7, "default_domain": "demo.example", "domains": {{"demo.example": "demo"}},
            "trunks": [{{"id": "carrier", "tenant": "demo", "cidrs": ["127.0.0.0/8", "::1/128"], "tls_names": []}}],
            "limits": {{{limits}}}}}"#
    )
}

/// A policy in which nobody is trusted by address.
pub fn open_policy(limits: &str) -> String {
    format!(
        r#"{{"version": 8, "default_domain": "demo.example", "domains": {{"demo.example": "demo"}},
            "trunks": [{{"id": "carrier", "tenant": "demo", "cidrs": [], "tls_names": ["carrier.example"]}}],
            "limits": {{{limits}}}}}"#
    )
}

/// An edge in a thread.
pub struct Running {
    pub locals: Vec<SocketAddr>,
    stopper: tandem_sys::signal::Stopper,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// `more` is JSON fields after the usual ones, beginning with a comma; transports listen on 127.0.0.1, ports of the kernel.
    pub fn start(place: &Place, policy: &str, transports: &[&str], more: &str) -> Running {
        let listen: Vec<String> = transports.iter().map(|name| format!(r#"{{"transport": "{name}", "bound": "127.0.0.1:0"}}"#)).collect();
        Running::start_at(place, policy, &listen.join(","), more)
    }

    pub fn start_at(place: &Place, policy: &str, listen: &str, more: &str) -> Running {
        let link = format!(r#","link": "{}"{more}"#, place.path("owner.sock").display());
        Running::start_with(place, policy, listen, &link)
    }

    /// Without an owner, but for those that `more` names.
    pub fn start_with(place: &Place, policy: &str, listen: &str, more: &str) -> Running {
        std::fs::write(place.path("policy.json"), policy).unwrap();
        let at = |name: &str| place.path(name).display().to_string();
        let json = format!(
            r#"{{"edge": 3, "keys": "{}", "policy": "{}", "ban_log": "{}", "listen": [{listen}]{more}}}"#,
            at("keys.json"),
            at("policy.json"),
            at("bans.log"),
        );
        let edge = Edge::open(Config::read(json.as_bytes()).unwrap()).unwrap();
        let locals = edge.locals();
        let stopper = edge.stopper();
        let thread = std::thread::spawn(move || edge.run(None).unwrap());
        Running { locals, stopper, thread: Some(thread) }
    }

    /// Stops it, and says how long that took.
    pub fn stop(&mut self) -> Duration {
        let begin = Instant::now();
        self.stopper.stop();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
        begin.elapsed()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stopper.stop();
    }
}

/// An owner that the test plays, frame by frame.
pub struct Owner {
    listener: UnixListener,
    pub incarnation: u64,
}

/// A frame up, owned.
#[derive(Clone, Debug, PartialEq)]
pub enum Got {
    Hello { edge: u16, epoch: u32, locals: Vec<String> },
    Sip { seq: u64, shard: u16, flow: u64, transport: Transport, local: u8, remote: SocketAddr, message: Vec<u8> },
    Failed(u64, frame::Why),
    Closed(u64),
    Stats(serde_json::Value),
    Peer(u64, Vec<String>),
    Heard(u64, u64),
    Answers(u64, bool),
}

/// One connection of an edge.
pub struct Session {
    stream: Box<dyn Wire>,
    bytes: Vec<u8>,
}

/// Bytes both ways.
pub trait Wire: Read + Write + Send {}
impl<T: Read + Write + Send> Wire for T {}

impl Owner {
    pub fn listen(place: &Place) -> Owner {
        let path = place.path("owner.sock");
        let _ = std::fs::remove_file(&path);
        Owner { listener: UnixListener::bind(path).unwrap(), incarnation: 1 }
    }

    /// Takes the edge's connection, says HELLO and claims everything in `epoch`.
    pub fn accept(&self, epoch: u32) -> Session {
        let mut session = self.accept_mute();
        let mut out = Vec::new();
        frame::push_down_hello(&mut out, 1, self.incarnation);
        frame::push_claim(&mut out, epoch, &[(0, 1024)]);
        session.write(&out);
        session
    }

    pub fn accept_mute(&self) -> Session {
        let (stream, _) = self.listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Session::over(stream)
    }
}

impl Session {
    /// On a socket that has a read timeout.
    pub fn over(stream: impl Wire + 'static) -> Session {
        Session { stream: Box::new(stream), bytes: Vec::new() }
    }

    /// HELLO of this owner, and what it claims.
    pub fn claim(&mut self, node: u16, incarnation: u64, epoch: u32, shards: &[(u16, u16)]) {
        let mut out = Vec::new();
        frame::push_down_hello(&mut out, node, incarnation);
        frame::push_claim(&mut out, epoch, shards);
        self.write(&out);
    }

    pub fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// The next frame of any kind.
    pub fn frame(&mut self) -> Got {
        loop {
            if let Some((body, used)) = frame::next(&self.bytes).unwrap() {
                let got = own(frame::read_up(body).unwrap());
                self.bytes.drain(..used);
                return got;
            }
            let mut room = [0; 65_536];
            let count = self.stream.read(&mut room).expect("a frame in time");
            assert!(count > 0, "the edge closed the link");
            self.bytes.extend_from_slice(&room[..count]);
        }
    }

    /// The next frame that is neither STATS nor PEER nor HEARD.
    pub fn next(&mut self) -> Got {
        loop {
            match self.frame() {
                Got::Stats(_) | Got::Peer(..) | Got::Heard(..) => {}
                other => return other,
            }
        }
    }

    /// The next PEER, which comes before any message of its connection.
    pub fn peer(&mut self) -> (u64, Vec<String>) {
        loop {
            match self.frame() {
                Got::Peer(flow, names) => return (flow, names),
                Got::Sip { message, .. } => panic!("{} came before its PEER", String::from_utf8_lossy(&message)),
                _ => {}
            }
        }
    }

    /// Waits for counters in which `name` is at least `least`.
    pub fn counter(&mut self, name: &str, least: u64) -> serde_json::Value {
        self.counter_within(name, least, PATIENCE)
    }

    pub fn counter_within(&mut self, name: &str, least: u64, patience: Duration) -> serde_json::Value {
        let until = Instant::now() + patience;
        let mut last = serde_json::Value::Null;
        loop {
            assert!(Instant::now() < until, "{name} never reached {least}: {last}");
            if let Got::Stats(stats) = self.frame() {
                if stats[name].as_u64().unwrap_or(0) >= least {
                    return stats;
                }
                last = stats;
            }
        }
    }

    pub fn take(&mut self, seqs: &[u64]) {
        let mut out = Vec::new();
        frame::push_taken(&mut out, seqs);
        self.write(&out);
    }

    /// Sends a message down; fields in the order of the frame.
    pub fn send(&mut self, epoch: u32, cookie: u64, flow: u64, transport: Transport, remote: SocketAddr, message: &[u8]) {
        self.send_of(5, epoch, cookie, flow, transport, remote, message);
    }

    /// The same, of another shard.
    #[allow(clippy::too_many_arguments)]
    pub fn send_of(&mut self, shard: u16, epoch: u32, cookie: u64, flow: u64, transport: Transport, remote: SocketAddr, message: &[u8]) {
        let mut out = Vec::new();
        let sip = SipDown { shard, epoch, cookie, flow, transport, local: 0, remote: remote.into(), message };
        frame::push_sip_down(&mut out, &sip);
        assert!(matches!(frame::read_down(&out[4..]), Ok(Down::Sip(_))));
        self.write(&out);
    }
}

fn own(up: Up<'_>) -> Got {
    match up {
        Up::Hello(hello) => Got::Hello {
            edge: hello.edge,
            epoch: hello.epoch,
            locals: hello.locals().map(|local| String::from_utf8_lossy(local.advertised).into_owned()).collect(),
        },
        Up::Sip(sip) => Got::Sip {
            seq: sip.seq,
            shard: sip.shard,
            flow: sip.flow,
            transport: sip.transport,
            local: sip.local,
            remote: sip.remote.into(),
            message: sip.message.to_vec(),
        },
        Up::Failed { cookie, why } => Got::Failed(cookie, why),
        Up::Closed { flow } => Got::Closed(flow),
        Up::Peer { flow, names } => Got::Peer(flow, names.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect()),
        Up::Heard { incarnation, count } => Got::Heard(incarnation, count),
        Up::Answers { flow, answers } => Got::Answers(flow.cookie, answers),
        Up::Stats(json) => Got::Stats(serde_json::from_slice(json).unwrap()),
    }
}

pub fn phone() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// A request outside dialogs.
pub fn request(method: &str, transport: &str, call: &str) -> Vec<u8> {
    format!(
        "{method} sip:bob@demo.example SIP/2.0\r\nVia: SIP/2.0/{transport} 127.0.0.1:5999;branch=z9hG4bK{call};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:alice@demo.example>;tag=f{call}\r\nTo: <sip:bob@demo.example>\r\n\
         Call-ID: {call}\r\nCSeq: 1 {method}\r\nContact: <sip:alice@127.0.0.1:5999>\r\nContent-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

pub fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}
