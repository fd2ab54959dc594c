//! A peer for other implementations: one UDP socket on loopback with an ICE-lite agent and a DTLS handshake behind it. Not a relay.
//!
//! `cargo run --example ice_dtls -- passive` prints what a description needs, one fact a line, then what happens. On standard input it
//! takes `remote UFRAG PWD`, `expect HASH HEX`, `aim ADDRESS`, `candidate ADDRESS`, `die` (an heir goes on), `close` and `quit`.

use std::io::{self, BufRead, Read};
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{channel, Receiver};
use std::time::{Duration, Instant};

use tandem_rtp::dtls::{self, Certificate, Fingerprint, Handshake, Identity, Setup};
use tandem_rtp::ice::{self, Agent, Component, Destination};
use tandem_rtp::plan::{Credentials, Ice, IcePeer};
use tandem_rtp::sdp::{Candidate, CandidateKind};
use tandem_rtp::{srtp, stun};

const MUX: bool = true;
/// The socket is waited for so long, so that a line or a timer waits no longer.
const TURN: Duration = Duration::from_millis(5);

struct Peer {
    socket: UdpSocket,
    began: Instant,
    ice: Ice,
    peer: IcePeer,
    agent: Agent,
    identity: Identity,
    setup: Setup,
    expected: Option<Fingerprint>,
    handshake: Option<Handshake>,
    aim: Option<SocketAddr>,
}

fn main() -> io::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let said = |word: &str| words.iter().any(|said| said == word);
    let mut peer = Peer::new(Setup { active: said("active"), ice: !said("plain") }, said("controlling"))?;
    let lines = lines();
    let (mut datagram, mut out) = ([0; 2_048], Vec::new());
    loop {
        while let Ok(line) = lines.try_recv() {
            if line == "quit" {
                return Ok(());
            }
            peer.told(&line);
        }
        if let Ok((length, from)) = peer.socket.recv_from(&mut datagram) {
            peer.receive(from, datagram.get(..length).unwrap_or_default(), &mut out)?;
        }
        peer.turn(&mut out)?;
    }
}

impl Peer {
    fn new(setup: Setup, controlling: bool) -> io::Result<Peer> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_read_timeout(Some(TURN))?;
        let certificate = Certificate::fresh(random()?, 1_780_000_000).map_err(io::Error::other)?;
        let local = Credentials { ufrag: hex(&random::<4>()?), pwd: hex(&random::<12>()?) };
        println!("address {}", socket.local_addr()?);
        println!("ufrag {}\npwd {}\nfingerprint {}", local.ufrag, local.pwd, hex(&certificate.fingerprint()));
        let ice = Ice { local, remote: None };
        let peer = IcePeer { lite: controlling, controlling, candidates: Vec::new() };
        let began = Instant::now();
        let identity = Identity::new(certificate, began);
        let agent = Agent::new(&ice, Some(&peer), MUX, random()?);
        Ok(Peer { socket, began, ice, peer, agent, identity, setup, expected: None, handshake: None, aim: None })
    }

    fn now(&self) -> u64 {
        self.began.elapsed().as_micros() as u64
    }

    fn told(&mut self, line: &str) {
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["remote", ufrag, pwd] => self.ice.remote = Some(Credentials { ufrag: ufrag.into(), pwd: pwd.into() }),
            ["candidate", address] => {
                let Ok(address) = address.parse() else { return println!("no address: {address}") };
                let candidate = Candidate { foundation: "1".into(), component: 1, priority: 1, address, kind: CandidateKind::Host };
                self.peer.candidates.push(candidate);
            }
            ["expect", hash, digits] => {
                self.expected = Fingerprint::new(hash, &bytes(digits)).ok();
                let expected = self.expected.clone();
                self.handshake.iter_mut().zip(expected).for_each(|(handshake, expected)| handshake.expect(expected));
            }
            ["aim", address] => self.aim = address.parse().ok(),
            ["close"] => self.handshake.iter_mut().for_each(|handshake| handshake.close(self.began.elapsed().as_micros() as u64)),
            ["die"] => self.die(),
            _ => println!("not understood: {line}"),
        }
        self.agent.update(&self.ice, Some(&self.peer), MUX);
    }

    /// All that is kept is what an heir gets.
    fn die(&mut self) {
        let now = self.now();
        self.agent = Agent::heir(now, &self.agent.state(now), random().unwrap_or([1; 32]));
        if let Some(handshake) = self.handshake.take() {
            self.handshake = Some(Handshake::heir(now, &self.identity, self.setup, self.expected.clone(), handshake.state()));
        }
        println!("died");
    }

    fn receive(&mut self, from: SocketAddr, bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let now = self.now();
        if stun::is_stun(bytes) {
            let handled = self.agent.handle(now, Component::Rtp, from, bytes, out);
            if handled.reply {
                self.socket.send_to(out, from)?;
            }
            handled.event.into_iter().for_each(|event| println!("{event:?}"));
        } else if dtls::is_dtls(bytes) {
            self.handshake().handle(now, from, bytes);
        } else {
            println!("media {} from {from}", bytes.len());
        }
        Ok(())
    }

    fn handshake(&mut self) -> &mut Handshake {
        let now = self.now();
        self.handshake.get_or_insert_with(|| Handshake::new(now, &self.identity, self.setup, self.expected.clone()))
    }

    fn turn(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        while let Some(output) = self.agent.poll(self.now(), out) {
            match output {
                ice::Output::Send { to, .. } => _ = self.socket.send_to(out, to)?,
                ice::Output::Event(event) => println!("{event:?}"),
            }
        }
        if let Destination::Selected(to) = self.agent.destination(Component::Rtp) {
            self.aim = Some(to);
        }
        let Some(aim) = self.aim.filter(|_| self.handshake.is_some() || self.setup.active) else { return self.tell(out) };
        self.handshake().aim(aim);
        self.tell(out)
    }

    fn tell(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let now = self.now();
        let Some(handshake) = &mut self.handshake else { return Ok(()) };
        while let Some(output) = handshake.poll(now, out) {
            match output {
                dtls::Output::Send(to) => _ = to.map(|to| self.socket.send_to(out, to)).transpose()?,
                dtls::Output::Event(dtls::Event::Established(keys)) => {
                    let version = if handshake.is_dtls13() { "1.3" } else { "1.2" };
                    println!("established {version} {:?} {} {}", keys.send.suite, master(&keys.receive), master(&keys.send));
                }
                dtls::Output::Event(event) => println!("{event:?}"),
            }
        }
        Ok(())
    }
}

fn master(master: &srtp::Master) -> String {
    hex(&master.key_salt)
}

fn lines() -> Receiver<String> {
    let (send, receive) = channel();
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else { break };
            if send.send(line).is_err() {
                return;
            }
        }
        _ = send.send("quit".into());
    });
    receive
}

fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(digits: &str) -> Vec<u8> {
    let digits: Vec<u32> = digits.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | *digit as u8)).collect()
}
