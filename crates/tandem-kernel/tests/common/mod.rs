//! Three network namespaces: phone A, the relay, phone B, joined by two pairs of interfaces. Gone with the value.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::thread::{move_into_link_name_space, LinkNameSpaceType};

/// How long a packet may take here.
pub const PATIENCE: Duration = Duration::from_millis(500);

/// The relay's interfaces.
pub const INTERFACES: [&str; 2] = ["to_a", "to_b"];

pub struct World {
    name: String,
}

impl World {
    /// `None`: it cannot be made here, and why has been said. `sums`: interfaces finish check sums, as real ones do.
    pub fn new(sums: bool) -> Option<World> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let world = World { name: format!("tk{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)) };
        let [a, relay, b] = ["a", "r", "b"].map(|which| world.space(which));
        let mut lines = vec![format!("netns add {a}"), format!("netns add {relay}"), format!("netns add {b}")];
        for (space, pair, net) in [(&a, INTERFACES[0], 1), (&b, INTERFACES[1], 2)] {
            lines.push(format!("-n {relay} link add {pair} type veth peer name phone netns {space}"));
            lines.push(format!("-n {relay} addr add 10.233.{net}.1/24 dev {pair}"));
            lines.push(format!("-n {relay} addr add fd33:{net}::1/64 dev {pair} nodad"));
            lines.push(format!("-n {space} addr add 10.233.{net}.2/24 dev phone"));
            lines.push(format!("-n {space} addr add fd33:{net}::2/64 dev phone nodad"));
            lines.push(format!("-n {relay} link set {pair} up"));
            lines.push(format!("-n {space} link set phone up"));
            lines.push(format!("-n {space} link set lo up"));
        }
        lines.push(format!("-n {relay} link set lo up"));
        if let Some(line) = lines.iter().find(|line| !ip(line)) {
            eprintln!("skipped: needs root, network namespaces and iproute2 (failed: ip {line})");
            return None;
        }
        if !sums {
            let all = [(&a, "phone"), (&b, "phone"), (&relay, INTERFACES[0]), (&relay, INTERFACES[1])];
            assert!(all.iter().all(|(space, interface)| without_sums(space, interface)), "needs python3");
        }
        Some(world)
    }

    /// The name of one of the namespaces: a, r or b.
    pub fn space(&self, which: &str) -> String {
        format!("{}-{which}", self.name)
    }

    /// Does something on a thread that is in one of the namespaces.
    pub fn within<T: Send>(&self, which: &str, run: impl FnOnce() -> T + Send) -> T {
        let path = format!("/run/netns/{}", self.space(which));
        std::thread::scope(|scope| {
            let thread = scope.spawn(move || {
                let space = File::open(path).unwrap();
                move_into_link_name_space(std::os::fd::AsFd::as_fd(&space), Some(LinkNameSpaceType::Network)).unwrap();
                run()
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// A socket in one of the namespaces.
    pub fn socket(&self, which: &str, at: &str) -> Socket {
        let socket = self.within(which, || UdpSocket::bind(at).unwrap());
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Socket(socket)
    }

    /// Shows packets of an interface of the relay's namespace until it is killed.
    #[allow(dead_code, reason = "not every test looks")]
    pub fn watcher(&self, interface: &str) -> Option<Child> {
        let space = self.space("r");
        let words = ["netns", "exec", &space, "tcpdump", "-n", "-l", "--immediate-mode", "-i", interface, "udp"];
        let mut child = Command::new("ip").args(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("listening") {
            line.clear();
            if said.read_line(&mut line).unwrap() == 0 {
                eprintln!("skipped: needs tcpdump");
                child.wait().unwrap();
                return None;
            }
        }
        child.stderr = Some(said.into_inner());
        Some(child)
    }

    /// What `ip` or `tc` says in the relay's namespace.
    pub fn said(&self, words: &str) -> String {
        let mut words = words.split(' ');
        let output = Command::new(words.next().unwrap()).args(["-n", &self.space("r")]).args(words).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for which in ["a", "r", "b"] {
            ip(&format!("netns del {}", self.space(which)));
        }
    }
}

/// A UDP socket of the test.
pub struct Socket(UdpSocket);

impl Socket {
    #[allow(dead_code, reason = "not every test asks")]
    pub fn at(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// After so many routers its packets are dropped.
    #[allow(dead_code, reason = "not every test asks")]
    pub fn lives(&self, hops: u32) {
        self.0.set_ttl(hops).unwrap();
    }

    pub fn sends(&self, to: SocketAddr, bytes: &[u8]) {
        self.0.send_to(bytes, to).unwrap();
    }

    /// The next datagram and where it came from.
    #[track_caller]
    pub fn gets(&self) -> (Vec<u8>, SocketAddr) {
        let mut room = [0; 65_536];
        let (length, from) = self.0.recv_from(&mut room).expect("a datagram");
        (room[..length].to_vec(), from)
    }

    /// Whether a datagram comes within the patience.
    pub fn hears(&self) -> bool {
        self.0.recv_from(&mut [0; 65_536]).is_ok()
    }
}

/// A packet with 160 bytes of payload.
pub fn rtp(sequence: u16, timestamp: u32, ssrc: u32) -> Vec<u8> {
    [&[0x80, 0][..], &sequence.to_be_bytes(), &timestamp.to_be_bytes(), &ssrc.to_be_bytes(), &[0xd5; 160]].concat()
}

pub fn ip(words: &str) -> bool {
    Command::new("ip").args(words.split(' ')).output().is_ok_and(|output| output.status.success())
}

/// ETHTOOL_STXCSUM and ETHTOOL_SRXCSUM off: check sums are made and checked in software, as on a wire.
fn without_sums(space: &str, interface: &str) -> bool {
    let program = "import socket, fcntl, struct, array, sys\n\
         for command in (0x17, 0x15):\n\
         \x20   value = array.array('B', struct.pack('II', command, 0))\n\
         \x20   request = struct.pack('16sP', sys.argv[1].encode(), value.buffer_info()[0])\n\
         \x20   fcntl.ioctl(socket.socket(), 0x8946, request + bytes(16))\n";
    let words = ["netns", "exec", space, "python3", "-c", program, interface];
    Command::new("ip").args(words).output().is_ok_and(|output| output.status.success())
}
