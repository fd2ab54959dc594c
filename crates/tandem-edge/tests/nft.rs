//! Bans in the kernel, in a network namespace of the test's own: a banned source reaches the socket no more, and nobody else notices.

mod common;

use common::Place;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(10);

/// A namespace for the edge, joined to ours by a pair of interfaces; gone with the value.
struct Apart {
    name: String,
    ours: String,
    net: u32,
}

impl Apart {
    /// `None`: we may not, or the kernel or `nft` is not there.
    fn new() -> Option<Apart> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let net = (std::process::id() % 200) + COUNT.fetch_add(1, Ordering::Relaxed) * 8 % 50;
        let (name, ours) = (format!("tandem-nft-{net}-{}", std::process::id()), format!("tnft{net}"));
        let apart = Apart { name, ours, net };
        let Apart { name, ours, .. } = &apart;
        let made = run(&format!("ip netns add {name}"))
            && run(&format!("ip link add {ours} type veth peer name inside netns {name}"))
            && run(&format!("ip addr add 10.231.{net}.1/24 dev {ours}"))
            && run(&format!("ip addr add 10.231.{net}.3/24 dev {ours}"))
            && run(&format!("ip addr add fd31:{net}::1/64 dev {ours} nodad"))
            && run(&format!("ip link set {ours} up"))
            && run(&format!("ip netns exec {name} ip addr add 10.231.{net}.2/24 dev inside"))
            && run(&format!("ip netns exec {name} ip addr add fd31:{net}::2/64 dev inside nodad"))
            && run(&format!("ip netns exec {name} ip link set inside up"))
            && run(&format!("ip netns exec {name} ip link set lo up"))
            && run(&format!("ip netns exec {name} nft list tables"));
        if !made {
            eprintln!("skipped: needs root, network namespaces, nf_tables and nft");
        }
        made.then_some(apart)
    }

    fn inside(&self, words: &str) -> String {
        let output = Command::new("ip").args(["netns", "exec", &self.name]).args(words.split(' ')).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn table(&self) -> String {
        self.inside("nft list table inet tandem")
    }

    /// Starts an edge; `more` is put into its configuration.
    fn edge(&self, place: &Place, number: u16, more: &str) -> Serving {
        let (net, path) = (self.net, place.path(&format!("edge-{number}.json")));
        let control = place.path(&format!("control-{number}.sock"));
        let json = format!(
            r#"{{"edge": {number}, "keys": {:?}, "nft": "auto", "control": {control:?}, "limits": {{"ban_seconds": 60}}, "listen": [
                {{"transport": "udp", "bound": "10.231.{net}.2:{port}"}}, {{"transport": "tcp", "bound": "10.231.{net}.2:{port}"}},
                {{"transport": "udp", "bound": "[fd31:{net}::2]:{port}"}}]{more}}}"#,
            place.path("keys.json"),
            port = 5060 + number,
        );
        std::fs::write(&path, json).unwrap();
        let child = Command::new("ip")
            .args(["netns", "exec", &self.name])
            .arg(serve())
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::from(std::fs::File::create(place.path(&format!("log-{number}"))).unwrap()))
            .spawn()
            .unwrap();
        let at: SocketAddr = format!("10.231.{net}.2:{}", 5060 + number).parse().unwrap();
        let serving = Serving { child, at, control };
        serving.until("it serves", || serving.control.exists());
        serving
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        run(&format!("ip netns del {}", self.name));
        run(&format!("ip link del {}", self.ours));
    }
}

/// An edge that runs apart. `ip netns exec` becomes the edge itself.
struct Serving {
    child: Child,
    at: SocketAddr,
    control: PathBuf,
}

impl Serving {
    fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !holds() {
            assert!(begun.elapsed() < PATIENCE, "never: {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn ask(&self, what: &str, with: &str) -> serde_json::Value {
        use std::io::{BufRead, BufReader, Write};
        let mut stream = std::os::unix::net::UnixStream::connect(&self.control).unwrap();
        writeln!(stream, r#"{{"id": 1, "do": "{what}", "with": {{{with}}}}}"#).unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{what}: {error} in {line:?}"))
    }

    fn counter(&self, name: &str) -> u64 {
        self.ask("view", "")["ok"]["counters"][name].as_u64().unwrap_or(0)
    }

    fn received(&self) -> u64 {
        self.counter("received_udp") + self.counter("banned")
    }

    fn stop(mut self) {
        run(&format!("kill {}", self.child.id()));
        self.child.wait().unwrap();
    }

    fn kill(self) {}
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().join("examples/serve")
}

fn run(words: &str) -> bool {
    let mut words = words.split(' ');
    Command::new(words.next().unwrap())
        .args(words)
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn phone(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    socket
}

fn asks(phone: &UdpSocket, at: SocketAddr) -> bool {
    let text = format!(
        "OPTIONS sip:{at} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bK1;rport\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\n\
         CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nSubject: {}\r\nContent-Length: 0\r\n\r\n",
        phone.local_addr().unwrap(),
        "long ".repeat(80)
    );
    phone.send_to(text.as_bytes(), at).unwrap();
    phone.recv(&mut [0; 4000]).is_ok()
}

#[test]
fn a_banned_source_reaches_the_socket_no_more_until_its_time_is_over_or_it_is_unbanned() {
    let Some(apart) = Apart::new() else { return };
    let (place, net) = (Place::new(), apart.net);
    let edge = apart.edge(&place, 1, "");
    edge.until("bans go to the kernel", || edge.counter("nft_holds") == 1);
    let (mallory, alice) = (phone(&format!("10.231.{net}.1:0")), phone(&format!("10.231.{net}.3:0")));
    assert!(asks(&mallory, edge.at) && asks(&alice, edge.at));
    assert_eq!(3, edge.ask("ban", &format!(r#""source": "10.231.{net}.1", "seconds": 3"#))["ok"]["seconds"]);
    edge.until("the element stands", || edge.counter("nft_bans") == 1);
    let before = edge.received();
    (0..20).for_each(|_| drop(mallory.send_to(b"OPTIONS sip:x SIP/2.0\r\n\r\n", edge.at)));
    assert!(asks(&alice, edge.at), "others are heard");
    assert_eq!(before + 1, edge.received(), "nothing of the banned source came to the socket");
    let table = apart.table();
    assert!(table.contains(&format!("10.231.{net}.1 timeout 3s")) && table.contains("counter packets 2"), "{table}");
    edge.until("the time is over", || asks(&mallory, edge.at));
    edge.ask("ban", &format!(r#""source": "10.231.{net}.1""#));
    edge.until("the element stands again", || apart.table().contains("timeout 1m"));
    assert_eq!(true, edge.ask("unban", &format!(r#""source": "10.231.{net}.1""#))["ok"]["was_banned"]);
    edge.until("it is heard", || asks(&mallory, edge.at));
    edge.stop();
    assert_eq!("", apart.table(), "nothing of ours stays");
}

#[test]
fn a_ban_ends_the_connections_of_its_source_and_reaches_its_whole_64() {
    let Some(apart) = Apart::new() else { return };
    let (place, net) = (Place::new(), apart.net);
    let edge = apart.edge(&place, 1, "");
    edge.until("bans go to the kernel", || edge.counter("nft_holds") == 1);
    let phone4 = phone(&format!("10.231.{net}.1:0"));
    let mut stream = std::net::TcpStream::connect(edge.at).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    edge.until("it is accepted", || edge.counter("accepted") == 1);
    let bad = "INVITE sip:x@y SIP/2.0\r\nUser-Agent: friendly-scanner\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n\
        To: <sip:x@y>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n\r\n";
    phone4.send_to(bad.as_bytes(), edge.at).unwrap();
    let ended = std::io::Read::read(&mut stream, &mut [0; 9]);
    assert!(matches!(&ended, Ok(0)) || ended.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset));
    assert_eq!((1, 1), (edge.counter("closed_banned"), edge.counter("bans")));
    assert!(!apart.inside("ss -Htn").contains(&format!("10.231.{net}.1:")), "the kernel keeps nothing of it");
    edge.ask("ban", &format!(r#""source": "fd31:{net}::77""#));
    edge.until("the elements stand", || edge.counter("nft_bans") == 2);
    let six: SocketAddr = format!("[fd31:{net}::2]:5061").parse().unwrap();
    let before = edge.received();
    assert!(!asks(&phone(&format!("[fd31:{net}::1]:0")), six));
    assert_eq!(before, edge.received(), "the /64 is banned as one");
    edge.stop();
}

#[test]
fn two_edges_share_the_table_and_the_last_takes_it_away() {
    let Some(apart) = Apart::new() else { return };
    let place = Place::new();
    apart.inside("nft add table inet other");
    let (first, second) = (apart.edge(&place, 1, ""), apart.edge(&place, 2, ""));
    for edge in [&first, &second] {
        edge.until("bans go to the kernel", || edge.counter("nft_holds") == 1);
    }
    first.ask("ban", r#""source": "192.0.2.1""#);
    second.ask("ban", r#""source": "192.0.2.2""#);
    first.until("both stand", || apart.table().contains("192.0.2.1") && apart.table().contains("192.0.2.2"));
    let table = apart.table();
    assert!(table.contains("udp . 5061") && table.contains("tcp . 5062") && table.matches("drop").count() == 2, "{table}");
    first.stop();
    assert!(apart.table().contains("192.0.2.1"), "the other edge is there");
    // A killed edge leaves the table; its heir finds the bans and knows them.
    second.kill();
    assert!(apart.table().contains("192.0.2.2"));
    let heir = apart.edge(&place, 3, "");
    heir.until("the bans are known", || heir.ask("abuse", "")["ok"]["banned_all"] == 2);
    assert_eq!("told", heir.ask("abuse", "")["ok"]["banned"][0]["why"]);
    heir.stop();
    assert_eq!("", apart.table());
    assert!(apart.inside("nft list tables").contains("table inet other"), "other tables are not touched");
}

#[test]
fn a_table_that_was_flushed_stands_again_with_its_bans() {
    let Some(apart) = Apart::new() else { return };
    let place = Place::new();
    let edge = apart.edge(&place, 1, "");
    edge.until("bans go to the kernel", || edge.counter("nft_holds") == 1);
    edge.ask("ban", r#""source": "192.0.2.1""#);
    edge.until("it stands", || apart.table().contains("192.0.2.1"));
    apart.inside("nft flush ruleset");
    assert_eq!("", apart.table());
    edge.until("it stands again", || apart.table().contains("192.0.2.1"));
    edge.stop();
}

#[test]
fn who_is_exempt_is_never_banned_and_becoming_exempt_ends_a_ban() {
    let Some(apart) = Apart::new() else { return };
    let place = Place::new();
    let edge = apart.edge(&place, 1, r#", "allow": ["198.51.100.0/24"]"#);
    edge.until("bans go to the kernel", || edge.counter("nft_holds") == 1);
    let refused = edge.ask("ban", r#""source": "198.51.100.7""#);
    assert_eq!("source", refused["problem"]["field"], "{refused}");
    edge.ask("ban", r#""source": "192.0.2.1""#);
    edge.until("it stands", || apart.table().contains("192.0.2.1"));
    edge.ask("policy", r#""allow": ["192.0.2.0/24"]"#);
    edge.until("it is gone", || !apart.table().contains("192.0.2.1"));
    assert_eq!(0, edge.ask("abuse", "")["ok"]["banned_all"]);
    edge.stop();
}

#[test]
fn without_the_right_to_it_the_ban_holds_in_the_process() {
    let Some(apart) = Apart::new() else { return };
    let place = Place::new();
    let (net, path) = (apart.net, place.path("edge-9.json"));
    let control = place.path("control-9.sock");
    let json = format!(
        r#"{{"edge": 9, "keys": {:?}, "nft": "auto", "control": {control:?}, "listen": [{{"transport": "udp", "bound": "10.231.{net}.2:5069"}}]}}"#,
        place.path("keys.json")
    );
    std::fs::write(&path, json).unwrap();
    let log = place.path("log-9");
    let child = Command::new("ip")
        .args(["netns", "exec", &apart.name, "setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin"])
        .arg(serve())
        .arg(&path)
        .stderr(Stdio::from(std::fs::File::create(&log).unwrap()))
        .spawn()
        .unwrap();
    let edge = Serving { child, at: format!("10.231.{net}.2:5069").parse().unwrap(), control };
    edge.until("it serves", || edge.control.exists());
    let said = || std::fs::read_to_string(&log).unwrap();
    edge.until("it says so", || said().contains("bans do not go to the kernel"));
    assert!(said().contains("Operation not permitted"), "{}", said());
    let mallory = phone(&format!("10.231.{net}.1:0"));
    assert!(asks(&mallory, edge.at));
    edge.ask("ban", &format!(r#""source": "10.231.{net}.1""#));
    assert!(!asks(&mallory, edge.at));
    edge.stop();
}
