//! The other edges of this host: what belongs to one of them is handed over there as one datagram, and one of all holds the prober's lock.
//! It decides about no message.

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

/// This edge among the others.
pub struct Siblings {
    folder: PathBuf,
    edge: u16,
    socket: UnixDatagram,
    others: Vec<(u16, PathBuf)>,
    lock: Option<File>,
    written: Vec<u8>,
    room: Vec<u8>,
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

    /// Hands something over. False: that edge is not there, or does not read.
    pub fn hand(&mut self, edge: u16, what: &Handover<'_>) -> bool {
        self.written.clear();
        what.push(&mut self.written);
        self.send(&place(&self.folder, edge))
    }

    /// Tells all; gives those that are gone.
    pub fn tell(&mut self, news: News) -> Vec<u16> {
        self.written.clear();
        Handover::News(news).push(&mut self.written);
        let others = std::mem::take(&mut self.others);
        let (here, gone): (Vec<_>, Vec<_>) = others.into_iter().partition(|(_, path)| self.send(path));
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

    fn send(&self, path: &Path) -> bool {
        match self.socket.send_to(&self.written, path) {
            Ok(_) => true,
            // It is there and slow: this one is lost, as a datagram may be.
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        }
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
