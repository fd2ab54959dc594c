//! The other edges of this host: what belongs to one of them is handed over there as one datagram, and one of all holds the prober's lock.
//! It decides about no message.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use tandem_sip::proxy::{Handover, News};

/// Edges of one host have numbers from 1 to this.
pub const EDGES: u16 = 1_023;
/// Largest thing handed over, in bytes: a message of 65,535 and its head.
const HANDOVER_BYTES: usize = 66_000;
/// Bytes that may wait for one sibling that does not read; what is more is lost, as a datagram may be.
pub const LATE_BYTES: usize = 4 << 20;
/// Between two tries to send what waits, in microseconds.
pub const LATE_US: u64 = 1_000;

/// This edge among the others.
pub struct Siblings {
    folder: PathBuf,
    edge: u16,
    socket: UnixDatagram,
    others: Vec<(u16, PathBuf)>,
    lock: Option<File>,
    /// What waits for siblings: the kernel queues few datagrams for one socket (net.unix.max_dgram_qlen, 10 in containers).
    late: BTreeMap<u16, Late>,
    written: Vec<u8>,
    room: Vec<u8>,
}

#[derive(Default)]
struct Late {
    all: VecDeque<Vec<u8>>,
    bytes: usize,
}

impl Siblings {
    /// Takes this edge's place in the folder; that of a dead one is replaced.
    pub fn open(folder: &Path, edge: u16) -> io::Result<Siblings> {
        fs::create_dir_all(folder)?;
        let path = place(folder, edge);
        if let Err(error) = fs::remove_file(&path) {
            if error.kind() != ErrorKind::NotFound {
                return Err(error);
            }
        }
        let socket = UnixDatagram::bind(&path)?;
        socket.set_nonblocking(true)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        let mut siblings = Siblings {
            folder: folder.into(),
            edge,
            socket,
            others: Vec::new(),
            lock: None,
            late: BTreeMap::new(),
            written: Vec::new(),
            room: vec![0; HANDOVER_BYTES],
        };
        siblings.look();
        Ok(siblings)
    }

    /// Its descriptor.
    pub fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// Whether there are any.
    pub fn is_empty(&self) -> bool {
        self.others.is_empty()
    }

    /// Looks who is there.
    pub fn look(&mut self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        let number = |entry: fs::DirEntry| {
            let name = entry.file_name().into_string().ok()?;
            let edge: u16 = name.strip_prefix("sibling-")?.strip_suffix(".sock")?.parse().ok()?;
            (edge != self.edge && (1..=EDGES).contains(&edge)).then(|| (edge, entry.path()))
        };
        self.others = entries.flatten().filter_map(number).collect();
    }

    /// Hands something over. False: that edge is not there.
    pub fn hand(&mut self, edge: u16, what: &Handover<'_>) -> bool {
        self.written.clear();
        what.push(&mut self.written);
        self.send(edge, &place(&self.folder, edge))
    }

    /// Whether something waits for a sibling: `again` is due within [`LATE_US`].
    pub fn waits(&self) -> bool {
        !self.late.is_empty()
    }

    /// Sends what waits, as far as siblings have read.
    pub fn again(&mut self) {
        let Siblings { late, socket, folder, .. } = self;
        late.retain(|edge, late| {
            let path = place(folder, *edge);
            while let Some(next) = late.all.front() {
                match socket.send_to(next, &path) {
                    Ok(_) => late.bytes -= late.all.pop_front().map_or(0, |sent| sent.len()),
                    Err(error) => return error.kind() == ErrorKind::WouldBlock,
                }
            }
            false
        });
    }

    /// Tells all; gives those that are gone.
    pub fn tell(&mut self, news: News) -> Vec<u16> {
        self.written.clear();
        Handover::News(news).push(&mut self.written);
        let others = std::mem::take(&mut self.others);
        let (here, gone): (Vec<_>, Vec<_>) = others.into_iter().partition(|(edge, path)| self.send(*edge, path));
        self.others = here;
        gone.into_iter().map(|(edge, _)| edge).collect()
    }

    /// The next thing handed over to us. It is of this host: who may write here may read our keys.
    pub fn next(&mut self) -> Option<Handover<'_>> {
        let count = self.socket.recv(&mut self.room).ok()?;
        Some(Handover::read(self.room.get(..count)?).unwrap_or(Handover::Ended(0)))
    }

    /// Whether this edge holds the prober's lock now; it is taken when it is free. The kernel frees it when its holder dies.
    pub fn probes(&mut self) -> bool {
        if self.lock.is_none() {
            let path = self.folder.join("prober.lock");
            let file = File::options().read(true).write(true).create(true).truncate(false).open(path).ok();
            self.lock = file.filter(|file| file.try_lock().is_ok());
        }
        self.lock.is_some()
    }

    fn send(&mut self, edge: u16, path: &Path) -> bool {
        // Nothing overtakes what waits.
        if !self.late.contains_key(&edge) {
            match self.socket.send_to(&self.written, path) {
                Ok(_) => return true,
                Err(error) if error.kind() != ErrorKind::WouldBlock => return false,
                Err(_) => {}
            }
        }
        let late = self.late.entry(edge).or_default();
        if late.bytes + self.written.len() <= LATE_BYTES {
            late.bytes += self.written.len();
            late.all.push_back(self.written.clone());
        }
        true
    }
}

impl Drop for Siblings {
    fn drop(&mut self) {
        let _ = fs::remove_file(place(&self.folder, self.edge));
    }
}

fn place(folder: &Path, edge: u16) -> PathBuf {
    folder.join(format!("sibling-{edge}.sock"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sibling_that_reads_late_gets_all_of_it_in_order_and_a_dead_one_nothing() {
        let folder = std::env::temp_dir().join(format!("tandem-siblings-{}", std::process::id()));
        let mut one = Siblings::open(&folder, 1).unwrap();
        let mut two = Siblings::open(&folder, 2).unwrap();
        assert!((0..1_000).all(|call| one.hand(2, &Handover::Ended(call))));
        assert!(one.waits(), "more than the kernel queues");
        let mut calls = Vec::new();
        while calls.len() < 1_000 {
            one.again();
            while let Some(Handover::Ended(call)) = two.next() {
                calls.push(call);
            }
        }
        assert_eq!((0..1_000).collect::<Vec<u64>>(), calls);
        assert!(!one.waits());
        assert!((0..1_000).all(|call| one.hand(2, &Handover::Ended(call))));
        drop(two);
        one.again();
        assert!(!one.waits() && !one.hand(2, &Handover::Ended(1)));
        drop(one);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
