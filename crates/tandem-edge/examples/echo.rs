//! Measures the CPU of one UDP message edge -> link -> edge -> UDP with an owner that echoes. It proves nothing about calls.
//!
//! `cargo run --release -p tandem-edge --example echo -- MESSAGES WINDOW`

use std::io::{Read, Write};
use std::net::UdpSocket;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};
use tandem_edge::{Config, Edge};
use tandem_sip::frame::{self, SipDown, Up};

const HEX: &str = "000102030405060708090a0b0c0d0e0f";

fn main() {
    let number = |at: usize, or: usize| std::env::args().nth(at).and_then(|text| text.parse().ok()).unwrap_or(or);
    let (messages, window) = (number(1, 300_000), number(2, 64));
    let place = std::env::temp_dir().join(format!("tandem-echo-{}", std::process::id()));
    std::fs::create_dir_all(&place).unwrap();
    let at = |name: &str| place.join(name).display().to_string();
    let key = format!(r#"[{{"id":"a","secret":"{HEX}"}}]"#);
    std::fs::write(at("keys.json"), format!(r#"{{"hash":"{HEX}","signing":{key},"nonce":{key}}}"#)).unwrap();
    let policy = r#"{"default_domain": "d.example", "domains": {"d.example": "d"},
        "trunks": [{"id": "t", "tenant": "d", "cidrs": ["127.0.0.0/8"], "tls_names": []}]}"#;
    std::fs::write(at("edge-policy.json"), policy).unwrap();
    let json = format!(
        r#"{{"edge": 1, "link": "{}", "keys": "{}", "listen": [{{"transport": "udp", "bound": "127.0.0.1:0"}}]}}"#,
        at("owner.sock"),
        at("keys.json")
    );
    let listener = UnixListener::bind(at("owner.sock")).unwrap();
    let edge = Edge::open(Config::read(json.as_bytes()).unwrap()).unwrap();
    let (to, stopper) = (edge.locals()[0], edge.stopper());
    let edge = std::thread::spawn(move || {
        let before = cpu_nanoseconds();
        edge.run(None).unwrap();
        cpu_nanoseconds() - before
    });
    std::thread::spawn(move || echo(listener));
    let begin = Instant::now();
    let lost = load(to, messages, window);
    let seconds = begin.elapsed().as_secs_f64();
    stopper.stop();
    let cpu = edge.join().unwrap();
    println!(
        "messages={messages} window={window} lost={lost} per_second={:.0} edge_cpu_us_per_message={:.2}",
        messages as f64 / seconds,
        cpu as f64 / 1e3 / messages as f64
    );
    let _ = std::fs::remove_dir_all(&place);
}

fn cpu_nanoseconds() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

fn echo(listener: UnixListener) {
    let (mut link, _) = listener.accept().unwrap();
    let (mut bytes, mut filled, mut out) = (vec![0; 1 << 20], 0, Vec::new());
    frame::push_down_hello(&mut out, 1, 1);
    frame::push_claim(&mut out, 1, &[(0, 1024)]);
    loop {
        link.write_all(&out).unwrap();
        out.clear();
        let count = link.read(&mut bytes[filled..]).unwrap_or(0);
        if count == 0 {
            return;
        }
        filled += count;
        let (mut used, mut taken) = (0, Vec::new());
        while let Some((body, size)) = frame::next(&bytes[used..filled]).unwrap() {
            if let Up::Sip(sip) = frame::read_up(body).unwrap() {
                taken.push(sip.seq);
                let (shard, flow, transport, local, remote, message) =
                    (sip.shard, sip.flow, sip.transport, sip.local, sip.remote, sip.message);
                frame::push_sip_down(&mut out, &SipDown { shard, epoch: 1, cookie: 0, flow, transport, local, remote, message });
            }
            used += size;
        }
        frame::push_taken(&mut out, &taken);
        bytes.copy_within(used..filled, 0);
        filled -= used;
    }
}

// Keeps `window` messages under way.
fn load(to: std::net::SocketAddr, messages: usize, window: usize) -> usize {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut room = [0; 2000];
    let (mut sent, mut lost, mut open) = (0, 0, 0);
    while sent < messages || open > 0 {
        while open < window && sent < messages {
            let text = format!(
                "INVITE sip:bob@d.example SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5999;branch=z9hG4bK{sent:010};rport\r\n\
                 Max-Forwards: 70\r\nFrom: \"Alice\" <sip:alice@d.example>;tag=f{sent}\r\nTo: <sip:bob@d.example>\r\n\
                 Call-ID: {sent}@127.0.0.1\r\nCSeq: 1 INVITE\r\nContact: <sip:alice@127.0.0.1:5999>\r\n\
                 User-Agent: Phone 1.2.3.4\r\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, REFER\r\n\
                 Supported: replaces, timer, 100rel\r\nContent-Length: 0\r\n\r\n"
            );
            socket.send_to(text.as_bytes(), to).unwrap();
            sent += 1;
            open += 1;
        }
        match socket.recv(&mut room) {
            Ok(_) => open -= 1,
            Err(_) => {
                lost += open;
                open = 0;
            }
        }
    }
    lost
}
