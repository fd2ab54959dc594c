//! Real name servers for tests, on loopback: dnsmasq, and a toy that does what dnsmasq cannot (silence, delay, truncation, SERVFAIL).
#![allow(dead_code)] // each test binary uses a part

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tandem_dns::model::{Outcome, Wish};
use tandem_dns::{Event, Resolver, Settings};

/// A port that is free for datagrams and for streams.
pub fn free_port() -> u16 {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = udp.local_addr().unwrap().port();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

pub struct Dnsmasq {
    child: Child,
    pub address: SocketAddr,
}

impl Dnsmasq {
    /// With these records (dnsmasq's options without dashes); what it does not know does not exist. `None`: it is not installed.
    pub fn start(options: &[&str]) -> Option<Dnsmasq> {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let child = Command::new("dnsmasq")
            .env("PATH", format!("{}:/usr/sbin:/usr/local/sbin", std::env::var("PATH").unwrap_or_default()))
            .args(["--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--bind-interfaces", "--pid-file="])
            .args(["--listen-address=127.0.0.1", "--local=/#/", "--local-ttl=30", "--user="])
            .arg(format!("--port={}", address.port()))
            .args(options.iter().map(|option| format!("--{option}")))
            .stderr(Stdio::null())
            .spawn();
        let Ok(child) = child else {
            eprintln!("skipped: dnsmasq is not installed");
            return None;
        };
        let started = Instant::now();
        while std::net::TcpStream::connect(address).is_err() {
            assert!(started.elapsed() < Duration::from_secs(5), "dnsmasq does not start");
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(Dnsmasq { child, address })
    }
}

impl Drop for Dnsmasq {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the toy says.
pub enum Say {
    Records(Vec<(u32, RData)>),
    Code(ResponseCode),
    Truncated,
    Silence,
    Late(Duration, Vec<(u32, RData)>),
}

pub struct Toy {
    pub address: SocketAddr,
    pub asked: Arc<AtomicUsize>,
    pub asked_tcp: Arc<AtomicUsize>,
    pub away: Arc<AtomicBool>,
}

impl Toy {
    /// `say` is asked with name, type, and whether it came by TCP. Its threads end with the test's process.
    pub fn start(say: impl Fn(&str, RecordType, bool) -> Say + Send + Sync + 'static) -> Toy {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let (udp, tcp) = (UdpSocket::bind(address).unwrap(), TcpListener::bind(address).unwrap());
        let (asked, asked_tcp, away) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let say = Arc::new(say);
        let toy = Toy { address, asked: asked.clone(), asked_tcp: asked_tcp.clone(), away: away.clone() };
        let (say_udp, away_udp) = (say.clone(), away.clone());
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok((length, from)) = udp.recv_from(&mut bytes) {
                if away_udp.load(Ordering::SeqCst) {
                    continue;
                }
                asked.fetch_add(1, Ordering::SeqCst);
                let (question, say, socket) = (bytes[..length].to_vec(), say_udp.clone(), udp.try_clone().unwrap());
                std::thread::spawn(move || {
                    if let Some(answer) = answer(&question, &*say, false) {
                        let _ = socket.send_to(&answer, from);
                    }
                });
            }
        });
        std::thread::spawn(move || {
            for stream in tcp.incoming() {
                let Ok(mut stream) = stream else { return };
                let (say, away, asked_tcp) = (say.clone(), away.clone(), asked_tcp.clone());
                std::thread::spawn(move || {
                    let mut length = [0; 2];
                    while !away.load(Ordering::SeqCst) && stream.read_exact(&mut length).is_ok() {
                        let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
                        if stream.read_exact(&mut question).is_err() {
                            return;
                        }
                        asked_tcp.fetch_add(1, Ordering::SeqCst);
                        if let Some(answer) = answer(&question, &*say, true) {
                            let _ = stream.write_all(&u16::try_from(answer.len()).unwrap().to_be_bytes());
                            let _ = stream.write_all(&answer);
                        }
                    }
                });
            }
        });
        toy
    }

    pub fn questions(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn answer(bytes: &[u8], say: &dyn Fn(&str, RecordType, bool) -> Say, tcp: bool) -> Option<Vec<u8>> {
    let question = Message::from_vec(bytes).ok()?;
    let query = question.queries.first()?.clone();
    let mut message = Message::response(question.metadata.id, question.metadata.op_code);
    message.add_query(query.clone());
    let name = query.name().to_ascii().trim_end_matches('.').to_ascii_lowercase();
    let said = say(&name, query.query_type(), tcp);
    let mut add = |records: Vec<(u32, RData)>| {
        let mut owner: Name = query.name().clone();
        for (ttl, data) in records {
            let next = if let RData::CNAME(to) = &data { to.0.clone() } else { owner.clone() };
            message.add_answers([Record::from_rdata(std::mem::replace(&mut owner, next), ttl, data)]);
        }
    };
    match said {
        Say::Records(records) => add(records),
        Say::Late(delay, records) => {
            std::thread::sleep(delay);
            add(records);
        }
        Say::Code(code) => message.metadata.response_code = code,
        Say::Truncated => message.metadata.truncation = true,
        Say::Silence => return None,
    }
    message.to_vec().ok()
}

pub fn a(address: &str) -> RData {
    RData::A(address.parse::<std::net::Ipv4Addr>().unwrap().into())
}

pub fn settings(servers: &[SocketAddr]) -> Settings {
    Settings {
        servers: servers.iter().map(ToString::to_string).collect(),
        resolv_conf: "/nonexistent".into(),
        hosts: "".into(),
        server_ms: 300,
        question_ms: 1_500,
        ttl_floor_seconds: 0,
        failed_seconds: 1,
        families: vec!["ipv6".into(), "ipv4".into()],
        ..Settings::default()
    }
}

pub fn resolver(servers: &[SocketAddr]) -> Resolver {
    Resolver::new(settings(servers)).unwrap()
}

pub fn wish(uri: &str) -> Wish {
    Wish::of_uri(uri.as_bytes()).unwrap()
}

/// As one who waits would hear it.
pub fn ask(resolver: &Resolver, uri: &str) -> Outcome {
    assert!(resolver.ask(wish(uri), 7));
    let started = Instant::now();
    loop {
        for event in resolver.drain() {
            if let Event::Answered { token: 7, outcome } = event {
                return outcome;
            }
        }
        assert!(started.elapsed() < Duration::from_secs(10), "no answer");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Targets in order, as `UDP 192.0.2.1:5060`, or the failure's word.
pub fn targets(resolver: &Resolver, uri: &str) -> Vec<String> {
    match ask(resolver, uri) {
        Ok(found) => resolver.order(&found, 1).iter().map(|one| format!("{} {}", one.transport.via(), one.address)).collect(),
        Err(why) => vec![why.word().into()],
    }
}
