//! Streams of one thread that the kernel carries: put, followed when they change, taken back, counted. What is plain, the relay says.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tandem_kernel::{Counters, Flow, Kernel, Kind, Options};
use tandem_rtp::quality::Passed;
use tandem_rtp::relay::{Key, Plain, Relay, Share};

use crate::passing::{Passing, Stream};

/// Most streams that are put in one look: each costs up to 30 microseconds, and packets wait meanwhile.
pub const PUTS: usize = 50;
/// How long a stream that the kernel does not take is left alone, in microseconds.
pub const REFUSED_US: u64 = 60_000_000;

/// The kernel's part of all threads.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<Kernel>>);

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

impl Shared {
    /// Opens it for the interfaces that have these addresses, with room for so many streams. The error is a reason for a person.
    pub fn open(addresses: &[IpAddr], flows: u32) -> Result<Shared, String> {
        let interfaces = tandem_kernel::interfaces_having(addresses).map_err(|error| format!("no list of interfaces: {error}"))?;
        let kernel = Kernel::open_with(&interfaces, Options { flows, ..Options::default() });
        Ok(Shared(Arc::new(Mutex::new(kernel.map_err(|why| why.to_string())?))))
    }

    /// The interfaces where it is.
    pub fn interfaces(&self) -> Vec<String> {
        self.lock().interfaces().map(|(name, _)| name.to_owned()).collect()
    }

    /// To be called each second.
    pub fn tend(&self) {
        self.lock().tend();
    }

    fn lock(&self) -> MutexGuard<'_, Kernel> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The streams of one thread; all pass the sockets until there is a kernel that takes them.
#[derive(Default)]
pub struct Shortcut {
    kernel: Option<Shared>,
    streams: Passing,
    refused: HashMap<Key, (Plain, u64)>,
}

impl Shortcut {
    /// From now on this one takes them.
    pub fn by(&mut self, kernel: Shared) {
        self.kernel = Some(kernel);
    }

    /// Counts what has passed, and puts and takes back what has changed. To be called each second for each share.
    pub fn look(&mut self, now: u64, relay: &mut Relay, share: Share) {
        let Some(shared) = self.kernel.clone() else { return };
        let mut kernel = shared.lock();
        self.refused.retain(|_, (_, at)| now.saturating_sub(*at) < REFUSED_US);
        let mut puts = 0;
        for key in relay.keys(share) {
            if puts < PUTS || self.streams.contains(key) {
                puts += usize::from(self.settle(now, relay, &mut kernel, key));
            }
        }
    }

    /// An endpoint has another plan, or its peer another address: its stream and those to it follow at once.
    pub fn changed(&mut self, now: u64, relay: &mut Relay, key: Key) {
        let Some(shared) = self.kernel.clone().filter(|_| !self.streams.is_empty()) else { return };
        let mut kernel = shared.lock();
        for key in self.streams.about(key) {
            self.settle(now, relay, &mut kernel, key);
        }
    }

    /// An endpoint ends: its stream and those to it go back to the sockets, with what they counted.
    pub fn ended(&mut self, now: u64, relay: &mut Relay, key: Key) {
        self.refused.remove(&key);
        let Some(shared) = self.kernel.clone().filter(|_| !self.streams.is_empty()) else { return };
        let mut kernel = shared.lock();
        for key in self.streams.about(key) {
            self.take_back(now, relay, &mut kernel, key);
        }
    }

    /// Counts what has passed from and to an endpoint by now.
    pub fn count(&mut self, now: u64, relay: &mut Relay, key: Key) {
        let Some(shared) = self.kernel.clone().filter(|_| !self.streams.is_empty()) else { return };
        let kernel = shared.lock();
        for key in self.streams.about(key) {
            let Some(stream) = self.streams.get_mut(key) else { continue };
            if let Some(counters) = kernel.counters(stream.plain.local, stream.plain.remote) {
                counted(stream, now, relay, key, counters);
            }
        }
    }

    /// True: the kernel was given a stream.
    fn settle(&mut self, now: u64, relay: &mut Relay, kernel: &mut Kernel, key: Key) -> bool {
        let wanted = relay.plain(now, key);
        if let Some(stream) = self.streams.get_mut(key) {
            let (local, remote) = (stream.plain.local, stream.plain.remote);
            if let Some(counters) = kernel.counters(local, remote) {
                counted(stream, now, relay, key, counters);
            }
            match wanted {
                Some((plain, to)) if plain == stream.plain && kernel.forwards(local, remote) => {
                    self.streams.redirect(key, to);
                    return false;
                }
                Some((plain, to)) if (plain.local, plain.remote) == (local, remote) && kernel.put(flow(&plain)).is_ok() => {
                    stream.plain = plain;
                    self.streams.redirect(key, to);
                    return true;
                }
                _ => self.take_back(now, relay, kernel, key),
            }
        }
        let Some((plain, to)) = wanted else { return false };
        if self.refused.get(&key).is_some_and(|(refused, _)| *refused == plain) {
            return false;
        }
        if kernel.put(flow(&plain)).is_err() {
            self.refused.insert(key, (plain, now));
            return false;
        }
        self.refused.remove(&key);
        self.streams.put(key, Stream::new(plain, to));
        relay.set_passes(key, true);
        true
    }

    fn take_back(&mut self, now: u64, relay: &mut Relay, kernel: &mut Kernel, key: Key) {
        let Some(mut stream) = self.streams.remove(key) else { return };
        if let Some(counters) = kernel.remove(stream.plain.local, stream.plain.remote) {
            counted(&mut stream, now, relay, key, counters);
        }
        relay.set_passes(key, false);
    }
}

impl Drop for Shortcut {
    fn drop(&mut self) {
        let Some(shared) = self.kernel.clone() else { return };
        let mut kernel = shared.lock();
        for stream in self.streams.iter() {
            kernel.remove(stream.plain.local, stream.plain.remote);
        }
    }
}

/// Counts into the relay what has passed since the last time.
fn counted(stream: &mut Stream, now: u64, relay: &mut Relay, key: Key, counters: Counters) {
    let seen = std::mem::replace(&mut stream.seen, counters);
    let first = u32::from(seen.beginnings == 0);
    let passed = Passed {
        ssrc: counters.ssrc,
        packets: counters.packets.saturating_sub(seen.packets),
        bytes: counters.bytes.saturating_sub(seen.bytes),
        expected: counters.expected.saturating_sub(seen.expected),
        late: counters.late.saturating_sub(seen.late),
        duplicates: counters.twice.saturating_sub(seen.twice),
        restarts: counters.beginnings.saturating_sub(seen.beginnings).saturating_sub(first),
        sequence: counters.highest as u16,
        timestamp: counters.timestamp,
        jitter_ns: counters.jitter_ns,
        last_us: now.saturating_sub(counters.idle_us.unwrap_or_default()),
    };
    relay.passed(now, key, stream.to(), &passed);
}

fn flow(plain: &Plain) -> Flow {
    Flow {
        local: plain.local,
        remote: plain.remote,
        new_source: plain.new_source,
        new_destination: plain.new_destination,
        tos: plain.tos,
        kind: plain.clock_hz.map_or(Kind::Any, Kind::Rtp),
    }
}
