//! Bans in the kernel: a thread that fills nf_tables sets, so that what a banned source sends is dropped before it costs anything. It decides
//! about no ban, and the edge never waits for it.

mod rules;
mod socket;

use serde::Deserialize;
use socket::Netlink;
use std::collections::HashMap;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{sync_channel, Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tandem_sip::frame::Transport;

pub use rules::{BANNED_MOST, TABLE};

/// Orders that wait for the thread; one more is dropped and counted: the ban in the process holds anyway.
pub const ORDERS: usize = 4_096;
/// Orders of one transaction.
const BATCH: usize = 256;
/// How often the table is looked for: `nft flush ruleset` takes it away.
const LOOK: Duration = Duration::from_secs(5);
/// How long it is not tried again after the kernel refused, with `on`.
const PATIENCE: Duration = Duration::from_secs(30);
/// What the sockets are called by which edges of one network namespace know of each other.
const PRESENCE: &str = "tandem-nft/";
/// Edges of one network namespace.
const EDGES: u32 = 1_024;
/// Things to tell that wait for the edge.
const NEWS: usize = 64;

/// Whether bans go to the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Where we may (CAP_NET_ADMIN); tried once.
    Auto,
    /// Yes; tried for ever, and said each time.
    On,
    /// No.
    #[default]
    Off,
}

/// What the thread tells.
#[derive(Debug)]
pub enum News {
    /// Bans go to the kernel.
    Holds,
    /// They do not, and why.
    Failed(io::Error),
    /// The table was gone and stands again.
    Rebuilt,
    /// Bans that stood there: of an edge's earlier life, or of another edge.
    Found(Vec<(IpAddr, u32)>),
}

enum Order {
    Ban(IpAddr, u32),
    Unban(IpAddr),
}

/// The edge's end. Dropping it ends the thread; the last edge of the host takes the table away.
pub struct Firewall {
    orders: Option<SyncSender<Order>>,
    news: Receiver<News>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    holds: AtomicBool,
    bans: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

impl Firewall {
    /// Begins, for what is sent to these ports. Nothing waits: whether it holds is news.
    pub fn start(mode: Mode, listens: Vec<(Transport, u16)>) -> Option<Firewall> {
        if mode == Mode::Off {
            return None;
        }
        let (orders, taken) = sync_channel(ORDERS);
        let (tell, news) = sync_channel(NEWS);
        let shared = Arc::new(Shared::default());
        let mut keeper = Keeper { mode, listens, tell, shared: shared.clone(), banned: HashMap::new(), netlink: None, presence: None };
        let thread = std::thread::Builder::new().name("nft".into()).spawn(move || keeper.run(&taken)).ok();
        Some(Firewall { orders: Some(orders), news, shared, thread })
    }

    /// Drops what comes from a source, for so long.
    pub fn ban(&self, source: IpAddr, seconds: u32) {
        self.order(Order::Ban(source, seconds));
    }

    /// Hears it again.
    pub fn unban(&self, source: IpAddr) {
        self.order(Order::Unban(source));
    }

    /// What the thread has to tell.
    pub fn news(&self) -> Option<News> {
        self.news.try_recv().ok()
    }

    /// Counters by name.
    pub fn counters(&self) -> [(&'static str, u64); 4] {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        [
            ("nft_holds", self.shared.holds.load(Ordering::Relaxed).into()),
            ("nft_bans", of(&self.shared.bans)),
            ("nft_failed", of(&self.shared.failed)),
            ("nft_dropped", of(&self.shared.dropped)),
        ]
    }

    fn order(&self, order: Order) {
        if let Some(Err(TrySendError::Full(_))) = self.orders.as_ref().map(|orders| orders.try_send(order)) {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Firewall {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The thread's state.
struct Keeper {
    mode: Mode,
    listens: Vec<(Transport, u16)>,
    tell: SyncSender<News>,
    shared: Arc<Shared>,
    /// Who is banned by us until when, so that a table that was flushed is filled again.
    banned: HashMap<IpAddr, Instant>,
    netlink: Option<Netlink>,
    /// Our name among the edges of this host.
    presence: Option<UnixDatagram>,
}

impl Keeper {
    fn run(&mut self, orders: &Receiver<Order>) {
        let mut next_look = Instant::now();
        loop {
            if Instant::now() >= next_look {
                next_look = Instant::now() + if self.stands() { LOOK } else { PATIENCE };
                if self.netlink.is_none() && self.mode == Mode::Auto {
                    return; // `try_send` fails from now on, and costs nothing
                }
            }
            match orders.recv_timeout(next_look.saturating_duration_since(Instant::now())) {
                Ok(order) => {
                    let batch: Vec<Order> = std::iter::once(order).chain(orders.try_iter().take(BATCH - 1)).collect();
                    self.obey(&batch);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.leave(),
            }
        }
    }

    /// Looks for the table and makes it where it is not; whether it stands.
    fn stands(&mut self) -> bool {
        let seen = match &mut self.netlink {
            Some(netlink) => netlink.ask(rules::look(), false).map(|_| true),
            None => Ok(false),
        };
        if seen.as_ref().is_ok_and(|stands| *stands) {
            return true;
        }
        let first = self.netlink.is_none();
        match self.build() {
            Ok(found) => {
                self.shared.holds.store(true, Ordering::Relaxed);
                let _ = self.tell.try_send(if first { News::Holds } else { News::Rebuilt });
                if first && !found.is_empty() {
                    let _ = self.tell.try_send(News::Found(found));
                }
                true
            }
            Err(error) => {
                self.netlink = None;
                self.shared.holds.store(false, Ordering::Relaxed);
                let _ = self.tell.try_send(News::Failed(error));
                false
            }
        }
    }

    fn build(&mut self) -> io::Result<Vec<(IpAddr, u32)>> {
        if self.presence.is_none() {
            self.presence = Some(presence()?);
        }
        let mut netlink = Netlink::open()?;
        netlink.commit(&rules::house(&self.listens))?;
        let mut found = Vec::new();
        for question in rules::dump() {
            netlink.ask(question, true)?.iter().for_each(|answer| found.extend(rules::banned(answer)));
        }
        self.netlink = Some(netlink);
        let now = Instant::now();
        self.banned.retain(|_, until| *until > now);
        let again: Vec<_> = self.banned.iter().map(|(source, until)| Order::Ban(*source, seconds(*until - now))).collect();
        again.chunks(BATCH).for_each(|batch| self.obey(batch));
        Ok(found)
    }

    /// Bans go in one transaction, and one by one where that fails: a full set must not keep others out.
    fn obey(&mut self, batch: &[Order]) {
        let now = Instant::now();
        if self.banned.len() >= BANNED_MOST as usize {
            self.banned.retain(|_, until| *until > now);
        }
        let mut steps = Vec::new();
        for order in batch {
            match *order {
                Order::Ban(source, seconds) => {
                    // An element that is there keeps its old time.
                    if self.banned.contains_key(&source) {
                        self.remove(source);
                    }
                    if self.banned.len() < BANNED_MOST as usize {
                        self.banned.insert(source, now + Duration::from_secs(seconds.into()));
                    }
                    steps.push(rules::ban(source, seconds));
                }
                Order::Unban(source) => {
                    self.add(&steps);
                    steps.clear();
                    self.banned.remove(&source);
                    self.remove(source);
                }
            }
        }
        self.add(&steps);
    }

    fn add(&mut self, steps: &[rules::Step]) {
        let Some(netlink) = self.netlink.as_mut().filter(|_| !steps.is_empty()) else { return };
        let mut good = steps.len();
        if netlink.commit(steps).is_err() {
            good = steps.iter().filter(|step| netlink.commit(std::slice::from_ref(*step)).is_ok()).count();
        }
        self.shared.bans.fetch_add(good as u64, Ordering::Relaxed);
        self.shared.failed.fetch_add((steps.len() - good) as u64, Ordering::Relaxed);
    }

    fn remove(&mut self, source: IpAddr) {
        if let Some(netlink) = &mut self.netlink {
            let _ = netlink.commit(&[rules::unban(source)]); // it may have ended
        }
    }

    fn leave(&mut self) {
        let alone = self.presence.take().is_some() && !others_live();
        if let Some(netlink) = self.netlink.as_mut().filter(|_| alone) {
            let _ = netlink.commit(&[rules::tear_down()]);
        }
    }
}

/// An abstract socket is known in one network namespace, as tables are, and is gone with its process.
fn presence() -> io::Result<UnixDatagram> {
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for number in 0..EDGES {
        match SocketAddr::from_abstract_name(format!("{PRESENCE}{number}")).and_then(|name| UnixDatagram::bind_addr(&name)) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Where that cannot be read the table stays: its elements end by themselves.
fn others_live() -> bool {
    fs::read_to_string("/proc/thread-self/net/unix").is_ok_and(|text| text.contains(&format!("@{PRESENCE}"))) || {
        fs::metadata("/proc/thread-self/net/unix").is_err()
    }
}

fn seconds(left: Duration) -> u32 {
    u32::try_from(left.as_millis().div_ceil(1_000)).unwrap_or(u32::MAX).max(1)
}
