//! The tap of a call: its packets, copied by the threads that carry them, on their way to a file. It never waits for the disk.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{sync_channel, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tandem_rtp::plan::Local;
use tandem_rtp::relay::Component;

use crate::pcap;

/// Packets that may wait to be written; what comes beyond them is lost for the file.
pub const WAITING_PACKETS: usize = 4_096;
/// Bytes of one second that are written; what comes beyond them is lost for the file.
pub const BYTES_PER_SECOND: u64 = 4 << 20;
/// Bytes of one file; with them the tap ends.
pub const BYTES: u64 = 64 << 20;
/// How long the writer waits for a packet before it looks whether the tap has ended, in milliseconds.
const LOOK_MS: u64 = 100;

/// A datagram as it was on the wire.
struct Seen {
    at: u64,
    from: SocketAddr,
    to: SocketAddr,
    bytes: Box<[u8]>,
}

/// What has become of a tap so far.
#[derive(Debug, Default)]
pub struct Count {
    closed: AtomicBool,
    written: AtomicBool,
    /// Packets on their way to the file.
    pub packets: AtomicU64,
    /// Their bytes there.
    pub bytes: AtomicU64,
    /// Packets that are not in the file.
    pub lost: AtomicU64,
    second: AtomicU64,
    bytes_of_second: AtomicU64,
    why: Mutex<Option<String>>,
}

impl Count {
    /// Nothing more is copied; the first reason stays.
    pub fn close(&self, why: Option<&str>) {
        self.closed.store(true, Ordering::Relaxed);
        if let Some(why) = why {
            self.why.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| why.to_owned());
        }
    }

    /// Whether nothing more is copied.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Whether the file is whole, or given up.
    pub fn is_written(&self) -> bool {
        self.written.load(Ordering::Acquire)
    }

    /// Why it ended before somebody ended it.
    pub fn why(&self) -> Option<String> {
        self.why.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether so many bytes fit at this time.
    fn fits(&self, at: u64, bytes: u64) -> bool {
        let second = at / 1_000_000;
        if self.second.swap(second, Ordering::Relaxed) != second {
            self.bytes_of_second.store(0, Ordering::Relaxed);
        }
        if self.bytes_of_second.fetch_add(bytes, Ordering::Relaxed) + bytes > BYTES_PER_SECOND {
            return false;
        }
        let fits = self.bytes.load(Ordering::Relaxed) + bytes <= BYTES;
        if !fits {
            self.close(Some("the file has its largest size, 64 MiB"));
        }
        fits
    }
}

/// The way of packets to the file.
#[derive(Clone)]
pub struct Tap {
    way: SyncSender<Seen>,
    count: Arc<Count>,
}

impl Tap {
    /// Begins a file, which must not be there; it has its name once it is whole.
    pub fn begin(path: &Path) -> io::Result<(Tap, Arc<Count>)> {
        let part = path.with_extension("part");
        let mut file = BufWriter::new(private(&part)?);
        file.write_all(&pcap::header())?;
        let (way, seen) = sync_channel(WAITING_PACKETS);
        let count = Arc::new(Count::default());
        let (told, path) = (count.clone(), path.to_owned());
        std::thread::Builder::new().name("tap".into()).spawn(move || {
            let done = written(file, &seen, &told).and_then(|()| std::fs::rename(&part, &path));
            if let Err(why) = done {
                let _ = std::fs::remove_file(&part); // what a full disk has of it helps nobody
                told.close(Some(&format!("{}: {why}", path.display())));
            }
            told.written.store(true, Ordering::Release);
        })?;
        Ok((Tap { way, count: count.clone() }, count))
    }

    /// For an endpoint with these ports.
    pub fn at(self, local: Local) -> Tapped {
        // Bound to all addresses, it knows only the one that peers are told.
        let address = if local.address.is_unspecified() { local.advertised } else { local.address };
        Tapped { tap: self, ports: [SocketAddr::new(address, local.rtp), SocketAddr::new(address, local.rtcp)] }
    }

    fn saw(&self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        if self.count.is_closed() {
            return;
        }
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as u64;
        let length = (bytes.len() + pcap::HEADERS) as u64;
        if self.count.fits(at, length) && self.way.try_send(Seen { at, from, to, bytes: bytes.into() }).is_ok() {
            self.count.packets.fetch_add(1, Ordering::Relaxed);
            self.count.bytes.fetch_add(length, Ordering::Relaxed);
        } else {
            self.count.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The tap of one endpoint's two ports.
pub struct Tapped {
    tap: Tap,
    ports: [SocketAddr; 2],
}

impl Tapped {
    /// A packet came.
    pub fn came(&self, component: Component, from: SocketAddr, bytes: &[u8]) {
        self.tap.saw(from, self.port(component), bytes);
    }

    /// A packet left.
    pub fn left(&self, component: Component, to: SocketAddr, bytes: &[u8]) {
        self.tap.saw(self.port(component), to, bytes);
    }

    fn port(&self, component: Component) -> SocketAddr {
        let [rtp, rtcp] = self.ports;
        if component == Component::Rtp {
            rtp
        } else {
            rtcp
        }
    }
}

/// A file that only its owner reads: it holds what people say.
fn private(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn written(mut file: impl Write, seen: &Receiver<Seen>, count: &Count) -> io::Result<()> {
    let mut record = Vec::new();
    loop {
        match seen.recv_timeout(Duration::from_millis(LOOK_MS)) {
            Ok(Seen { at, from, to, bytes }) => {
                record.clear();
                pcap::record(at, from, to, &bytes, &mut record);
                file.write_all(&record)?;
            }
            Err(RecvTimeoutError::Timeout) if !count.is_closed() => {}
            Err(_) => return file.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local() -> Local {
        Local { address: "127.0.0.1".parse().unwrap(), advertised: "127.0.0.1".parse().unwrap(), rtp: 4_000, rtcp: 4_001 }
    }

    fn until_written(count: &Count) {
        for _ in 0..500 {
            if count.is_written() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the writer does not end");
    }

    #[test]
    fn a_file_has_its_name_when_it_is_whole_and_only_its_owner_reads_it() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.pcap");
        let (tap, count) = Tap::begin(&path).unwrap();
        let tapped = tap.at(local());
        tapped.came(Component::Rtp, "127.0.0.1:9".parse().unwrap(), b"in");
        tapped.left(Component::Rtcp, "127.0.0.1:9".parse().unwrap(), b"out");
        assert!(!path.exists());
        count.close(None);
        tapped.came(Component::Rtp, "127.0.0.1:9".parse().unwrap(), b"late");
        until_written(&count);
        assert_eq!(24 + 2 * (16 + 20 + 8) + 2 + 3, std::fs::read(&path).unwrap().len());
        assert_eq!(0o600, std::fs::metadata(&path).unwrap().permissions().mode() & 0o777);
        assert_eq!((2, 0, None), (count.packets.load(Ordering::Relaxed), count.lost.load(Ordering::Relaxed), count.why()));
    }

    #[test]
    fn more_than_a_second_holds_is_lost_and_a_full_file_ends_the_tap() {
        let count = Count::default();
        assert!(count.fits(1_000_000, BYTES_PER_SECOND));
        assert!(!count.fits(1_999_999, 1));
        assert!(count.fits(2_000_000, 1));
        assert!(!count.is_closed());
        count.bytes.store(BYTES, Ordering::Relaxed);
        assert!(!count.fits(3_000_000, 1));
        assert!(count.is_closed());
        assert!(count.why().unwrap().contains("64 MiB"));
    }

    #[test]
    fn a_disk_that_takes_nothing_ends_the_tap_with_its_reason() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (way, seen) = sync_channel(1);
        let count = Count::default();
        way.send(Seen { at: 0, from: "127.0.0.1:1".parse().unwrap(), to: "127.0.0.1:2".parse().unwrap(), bytes: Box::default() }).unwrap();
        assert_eq!(io::ErrorKind::StorageFull, written(Full, &seen, &count).unwrap_err().kind());
    }

    #[test]
    fn packets_that_the_writer_does_not_take_in_time_are_counted_and_never_waited_for() {
        let (way, _seen) = sync_channel(1);
        let tap = Tap { way, count: Arc::default() };
        let from = "127.0.0.1:1".parse().unwrap();
        (0..3).for_each(|_| tap.saw(from, from, b"x"));
        assert_eq!((1, 2), (tap.count.packets.load(Ordering::Relaxed), tap.count.lost.load(Ordering::Relaxed)));
    }
}
