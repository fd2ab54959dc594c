//! Copies of messages for a Homer, by a thread of its own. The edge hands over bytes and never waits: what does not fit is counted.

mod choice;
mod config;

pub use choice::{Choice, Travelled};
pub use config::Hep;

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{sync_channel, Receiver, SyncSender};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Bytes of one batch; a fuller one is handed over before the turn's end.
pub const BATCH_BYTES: usize = 256 << 10;
/// Batches that wait for the thread.
pub const BATCHES: usize = 32;
/// How long Homer is left alone after it could not be reached.
const RETRY: Duration = Duration::from_secs(5);
/// How long a connection may take to be made, or to take a packet.
const PATIENCE: Duration = Duration::from_secs(2);

/// Messages of one turn or a part of it.
#[derive(Default)]
struct Batch {
    travelled: Vec<(Travelled, usize)>,
    bytes: Vec<u8>,
}

/// The edge's end. Dropping it ends the thread after what waits.
pub struct Copies {
    batch: Batch,
    ready: Option<SyncSender<Batch>>,
    spare: Receiver<Batch>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    sent: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
}

impl Copies {
    /// Begins; the error names the field.
    pub fn start(settings: Hep, secret: [u8; 16]) -> Result<Copies, String> {
        let (datagrams, host) = settings.checked()?;
        let to = To { datagrams, host: host.to_owned(), socket: None, retry_at: None };
        let (ready, batches) = sync_channel(BATCHES);
        let (back, spare) = sync_channel(BATCHES);
        let shared = Arc::new(Shared::default());
        let theirs = shared.clone();
        let choice = Choice::new(settings, secret);
        let run = move || send_all(&batches, &back, choice, to, &theirs);
        let thread = std::thread::Builder::new().name("hep".into()).spawn(run).map_err(|error| error.to_string())?;
        Ok(Copies { batch: Batch::default(), ready: Some(ready), spare, shared, thread: Some(thread) })
    }

    /// Takes a message: a copy of its bytes, no more.
    pub fn note(&mut self, travelled: Travelled, message: &[u8]) {
        self.batch.bytes.extend_from_slice(message);
        self.batch.travelled.push((travelled, message.len()));
        if self.batch.bytes.len() >= BATCH_BYTES {
            self.flush();
        }
    }

    /// Hands over what was taken.
    pub fn flush(&mut self) {
        if self.batch.travelled.is_empty() {
            return;
        }
        let batch = std::mem::replace(&mut self.batch, self.spare.try_recv().unwrap_or_default());
        let count = batch.travelled.len() as u64;
        if self.ready.as_ref().is_none_or(|ready| ready.try_send(batch).is_err()) {
            self.shared.dropped.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// Counters by name.
    pub fn counters(&self) -> [(&'static str, u64); 3] {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        [("hep_sent", of(&self.shared.sent)), ("hep_dropped", of(&self.shared.dropped)), ("hep_failed", of(&self.shared.failed))]
    }
}

impl Drop for Copies {
    fn drop(&mut self) {
        self.flush();
        self.ready = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn send_all(batches: &Receiver<Batch>, back: &SyncSender<Batch>, mut choice: Choice, mut to: To, shared: &Shared) {
    let mut dropped = 0;
    while let Ok(mut batch) = batches.recv() {
        let mut rest = &batch.bytes[..];
        for (travelled, length) in &batch.travelled {
            let (message, after) = rest.split_at_checked(*length).unwrap_or_default();
            rest = after;
            choice.heard(travelled, message, &mut |packet| {
                let count = if to.send(packet).is_ok() { &shared.sent } else { &shared.failed };
                count.fetch_add(1, Ordering::Relaxed);
            });
        }
        shared.dropped.fetch_add(choice.dropped - dropped, Ordering::Relaxed);
        dropped = choice.dropped;
        batch.bytes.clear();
        batch.travelled.clear();
        let _ = back.try_send(batch);
    }
}

/// Homer.
struct To {
    datagrams: bool,
    host: String,
    socket: Option<Way>,
    retry_at: Option<Instant>,
}

enum Way {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

impl To {
    fn send(&mut self, packet: &[u8]) -> io::Result<()> {
        if self.socket.is_none() {
            let now = Instant::now();
            if self.retry_at.is_some_and(|at| now < at) {
                return Err(io::ErrorKind::NotConnected.into());
            }
            self.retry_at = Some(now + RETRY);
            self.socket = Some(self.open()?);
        }
        let sent = match &mut self.socket {
            // An error here is that of an earlier datagram (nobody listens): the next one may be heard.
            Some(Way::Udp(socket)) => return socket.send(packet).map(drop),
            Some(Way::Tcp(stream)) => stream.write_all(packet),
            None => Err(io::ErrorKind::NotConnected.into()),
        };
        if sent.is_err() {
            self.socket = None; // a packet may be cut: the stream is of no use any more
        }
        sent
    }

    /// A name is looked up here: this thread may wait.
    fn open(&self) -> io::Result<Way> {
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for address in self.host.to_socket_addrs()? {
            match self.open_at(address) {
                Ok(way) => return Ok(way),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn open_at(&self, address: SocketAddr) -> io::Result<Way> {
        if self.datagrams {
            let socket = UdpSocket::bind(if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" })?;
            socket.connect(address)?;
            return Ok(Way::Udp(socket));
        }
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Way::Tcp(stream))
    }
}
