//! The jitter buffer: packets of one stream come in as the network brings them and go out in order, when they are due. It keeps payloads,
//! and decodes none; time is an argument, in microseconds.

mod delay;

use std::collections::VecDeque;

pub use self::delay::Delay;

/// Packets that are kept at most; a further one drops the oldest.
pub const HELD_PACKETS: usize = 64;
/// Smallest and largest delay that the buffer adds of itself, microseconds.
pub const TARGET_US: (u64, u64) = (20_000, 500_000);
/// Bytes of a payload that are kept at most.
pub const PAYLOAD_BYTES: usize = 2_048;
/// Sequence numbers that a stream may skip, or go back, and still be the same (RFC 3550 A.1).
const MAX_DROPOUT: i64 = 3_000;
const MAX_MISORDER: i64 = 100;
/// A transit so far from the fastest one means that the timestamps have jumped.
const JUMP_US: i64 = 2_000_000;
/// A gap that is longer is waited out, not concealed.
const GAP_US: i64 = 200_000;
/// A stream that is silent for so long has ended.
const ENDED_US: u64 = 10_000_000;
/// Packets of the last source are not taken for a new one for so long.
const OLD_SOURCE_US: u64 = 1_000_000;
/// More delay than the target, from which on speech too is cut.
const HURRY_US: i64 = 100_000;
/// Spare payloads that are kept for use again.
const SPARE: usize = 4;

/// What a packet carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A payload of the codec.
    Audio,
    /// A payload of the codec after which nothing needs to follow for a while: Opus' DTX.
    Dtx,
    /// Comfort noise (RFC 3389).
    Noise,
    /// Nothing to play: only its sequence number counts. Telephone events.
    Other,
}

/// A packet as it arrived.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// Synchronisation source.
    pub ssrc: u32,
    /// Sequence number.
    pub sequence: u16,
    /// RTP timestamp.
    pub timestamp: u32,
    /// Payload type, given back when it is played.
    pub payload_type: u8,
    /// What it carries.
    pub kind: Kind,
    /// Units of the RTP clock that it lasts.
    pub units: u32,
    /// Without padding.
    pub payload: &'a [u8],
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It waits to be played.
    Held,
    /// It waits, and what waited before it was thrown away: a new source, or numbers that jumped.
    Restarted,
    /// Its time is over.
    Late,
    /// It was here before.
    Duplicate,
    /// Its numbers are those of no stream that is played, or it is too large.
    Stray,
}

/// How the played frame should be changed, so that the delay comes nearer to the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Not at all.
    Keep,
    /// Shortened, if it is silence.
    Shorten,
    /// Shortened, whatever it is.
    Hurry,
    /// Lengthened, if it is silence.
    Lengthen,
}

/// What is to be played next.
#[derive(Debug, PartialEq, Eq)]
pub enum Take<'a> {
    /// Nothing: there is no stream.
    Idle,
    /// A payload of the codec.
    Audio {
        /// Its payload type.
        payload_type: u8,
        /// To be decoded.
        payload: &'a [u8],
        /// A hint.
        pace: Pace,
    },
    /// A packet is missing.
    Lost {
        /// Units of the RTP clock to be concealed.
        units: u32,
        /// The packet after the missing one, if it is here: it may carry FEC.
        next: Option<&'a [u8]>,
    },
    /// New parameters of comfort noise, which is to be played.
    Noise {
        /// RFC 3389.
        payload: &'a [u8],
    },
    /// The sender is silent: comfort noise, or whatever the codec makes of DTX.
    Pause,
}

/// What a buffer has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Statistics {
    /// Packets that were put in, of whatever fate.
    pub packets: u64,
    /// Packets that came after their time.
    pub late: u64,
    /// Packets that came more than once.
    pub duplicates: u64,
    /// Packets that came after one with a higher number.
    pub reordered: u64,
    /// Packets that were missing when they were due.
    pub lost: u64,
    /// Packets thrown away because too many waited.
    pub overflows: u64,
    /// Packets of no stream.
    pub strays: u64,
    /// New sources, and jumps of numbers.
    pub restarts: u64,
    /// Delay that is aimed at, microseconds.
    pub target_us: u64,
    /// Delay of what was played last, over the fastest way, microseconds.
    pub delay_us: u64,
}

#[derive(Debug)]
struct Held {
    sequence: i64,
    timestamp: i64,
    units: u32,
    payload_type: u8,
    kind: Kind,
    payload: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    /// Begins with the first packet that is due.
    Paused,
    Playing,
}

/// The numbers of the stream that is played, without wrap.
#[derive(Debug, Clone, Copy)]
struct Stream {
    ssrc: u32,
    /// Highest sequence number, and the timestamp of the latest audio.
    highest: i64,
    timestamp: i64,
    /// Bit n: `highest` - n has arrived.
    seen: u64,
    /// When its last packet came.
    heard_at: u64,
}

/// One stream's buffer.
#[derive(Debug)]
pub struct Jitter {
    clock: u32,
    bounds: (u64, u64),
    delay: Delay,
    held: VecDeque<Held>,
    spare: Vec<Vec<u8>>,
    playing: Vec<u8>,
    state: State,
    stream: Option<Stream>,
    /// The source before this one, until when its packets are strays.
    old: Option<(u32, u64)>,
    /// A sequence number that would make a stray's stream the new one.
    stray: Option<u16>,
    /// Sequence number and timestamp that are due next.
    next: (i64, i64),
    /// Units of the last packet, and units made up while none was here.
    units: u32,
    owed: i64,
    statistics: Statistics,
}

impl Jitter {
    /// A buffer for a stream with an RTP clock of `clock` Hz. Its delay stays inside [`TARGET_US`].
    ///
    /// ```
    /// use tandem_rtp::audio::jitter::{Arrival, Jitter, Kind, Pace, Take};
    /// let mut jitter = Jitter::new(8_000);
    /// let packet = Arrival { ssrc: 1, sequence: 7, timestamp: 160, payload_type: 0, kind: Kind::Audio, units: 160, payload: &[0xff; 160] };
    /// jitter.put(1_000, packet);
    /// assert_eq!(Take::Idle, jitter.take(1_000));
    /// assert_eq!(Take::Audio { payload_type: 0, payload: &[0xff; 160], pace: Pace::Keep }, jitter.take(21_000));
    /// ```
    pub fn new(clock: u32) -> Jitter {
        Jitter {
            clock: clock.max(1),
            bounds: TARGET_US,
            delay: Delay::default(),
            held: VecDeque::new(),
            spare: Vec::new(),
            playing: Vec::new(),
            state: State::Idle,
            stream: None,
            old: None,
            stray: None,
            next: (0, 0),
            units: clock / 50,
            owed: 0,
            statistics: Statistics::default(),
        }
    }

    /// Keeps the delay between `least` and `most`, microseconds, inside [`TARGET_US`].
    pub fn bound(&mut self, least: u64, most: u64) {
        let most = most.clamp(TARGET_US.0, TARGET_US.1);
        self.bounds = (least.clamp(TARGET_US.0, most), most);
    }

    /// What it has seen so far.
    pub fn statistics(&self) -> Statistics {
        Statistics { target_us: self.target() as u64, ..self.statistics }
    }

    /// The source that is played.
    pub fn ssrc(&self) -> Option<u32> {
        self.stream.map(|stream| stream.ssrc)
    }

    /// Takes a packet in.
    pub fn put(&mut self, now: u64, arrival: Arrival<'_>) -> Put {
        self.statistics.packets += 1;
        if arrival.payload.len() > PAYLOAD_BYTES {
            return self.astray(None);
        }
        let Some(mut stream) = self.stream.filter(|stream| stream.ssrc == arrival.ssrc) else { return self.switch(now, arrival) };
        let ahead = i64::from(arrival.sequence.wrapping_sub(stream.highest as u16) as i16);
        if !(-MAX_MISORDER..=MAX_DROPOUT).contains(&ahead) {
            // RFC 3550 A.1: a second packet in sequence proves that the sender has begun anew.
            let begun = self.state == State::Idle || self.stray == Some(arrival.sequence);
            return if begun { self.restart(now, arrival) } else { self.astray(Some(arrival.sequence.wrapping_add(1))) };
        }
        let sequence = stream.highest + ahead;
        let step = i64::from(arrival.timestamp.wrapping_sub(stream.timestamp as u32) as i32);
        let timestamp = stream.timestamp + step;
        if arrival.kind != Kind::Other {
            let transit = now as i64 - self.us(timestamp);
            let jumped = self.delay.fastest().is_some_and(|fastest| transit.saturating_sub(fastest).abs() > JUMP_US);
            if jumped || (ahead == 1 && step < 0) {
                return self.restart(now, arrival);
            }
            if seen(&stream, ahead) {
                self.statistics.duplicates += 1;
                return Put::Duplicate;
            }
            self.delay.arrived(now, transit);
        } else if seen(&stream, ahead) {
            self.statistics.duplicates += 1;
            return Put::Duplicate;
        }
        if ahead > 0 {
            stream.seen = if ahead < 64 { stream.seen << ahead | 1 } else { 1 };
            stream.highest = sequence;
            if arrival.kind != Kind::Other {
                stream.timestamp = timestamp;
            }
        } else {
            self.statistics.reordered += 1;
            stream.seen |= 1 << (-ahead).min(63);
        }
        stream.heard_at = now;
        self.stream = Some(stream);
        self.stray = None;
        if self.state != State::Idle && sequence < self.next.0 {
            self.statistics.late += 1;
            return Put::Late;
        }
        self.hold(sequence, timestamp, arrival);
        Put::Held
    }

    fn astray(&mut self, next: Option<u16>) -> Put {
        self.stray = next.or(self.stray);
        self.statistics.strays += 1;
        Put::Stray
    }

    /// A packet of another source than the one that is played.
    fn switch(&mut self, now: u64, arrival: Arrival<'_>) -> Put {
        if self.old.is_some_and(|(ssrc, until)| ssrc == arrival.ssrc && now < until) {
            return self.astray(None);
        }
        self.old = self.stream.map(|stream| (stream.ssrc, now + OLD_SOURCE_US));
        self.restart(now, arrival)
    }

    /// Begins anew with this packet; the network's statistics stay.
    fn restart(&mut self, now: u64, arrival: Arrival<'_>) -> Put {
        let first = self.stream.is_none();
        while let Some(old) = self.held.pop_front() {
            self.recycle(old.payload);
        }
        let (sequence, timestamp) = (i64::from(arrival.sequence), i64::from(arrival.timestamp));
        self.stream = Some(Stream { ssrc: arrival.ssrc, highest: sequence, timestamp, seen: 1, heard_at: now });
        self.stray = None;
        self.delay.restart();
        if arrival.kind != Kind::Other {
            self.delay.arrived(now, now as i64 - self.us(timestamp));
        }
        if self.state == State::Playing {
            self.state = State::Paused;
        }
        self.next = (sequence, timestamp);
        self.owed = 0;
        self.hold(sequence, timestamp, arrival);
        if first {
            return Put::Held;
        }
        self.statistics.restarts += 1;
        Put::Restarted
    }

    fn hold(&mut self, sequence: i64, timestamp: i64, arrival: Arrival<'_>) {
        let mut payload = self.spare.pop().unwrap_or_default();
        payload.clear();
        payload.extend_from_slice(arrival.payload);
        let (units, payload_type, kind) = (arrival.units, arrival.payload_type, arrival.kind);
        let at = self.held.iter().rposition(|held| held.sequence < sequence).map_or(0, |at| at + 1);
        self.held.insert(at, Held { sequence, timestamp, units, payload_type, kind, payload });
        if self.held.len() > HELD_PACKETS {
            if let Some(oldest) = self.held.pop_front() {
                self.statistics.overflows += 1;
                self.recycle(oldest.payload);
            }
        }
    }

    fn recycle(&mut self, payload: Vec<u8>) {
        if self.spare.len() < SPARE {
            self.spare.push(payload);
        }
    }

    /// What is to be played next; asked for when nothing that was taken before is left.
    pub fn take(&mut self, now: u64) -> Take<'_> {
        let now = now as i64;
        loop {
            let Some(head) = self.held.front() else { return self.starve(now) };
            let (sequence, timestamp, kind) = (head.sequence, head.timestamp, head.kind);
            if self.state != State::Playing {
                // What only counts its number needs no time of its own.
                if kind != Kind::Other && self.delay_at(now, timestamp) < self.target() {
                    return if self.state == State::Idle { Take::Idle } else { Take::Pause };
                }
                if self.state == State::Paused {
                    self.statistics.lost += (sequence - self.next.0).max(0) as u64;
                }
                self.state = if kind == Kind::Other { self.state } else { State::Playing };
                self.owed = 0;
                self.next = (sequence, if kind == Kind::Other { self.next.1 } else { timestamp });
            }
            let gap = timestamp - self.next.1;
            if sequence < self.next.0 || kind == Kind::Other && sequence == self.next.0 {
                self.next.0 = self.next.0.max(sequence + 1);
                if kind == Kind::Other && self.state == State::Playing {
                    self.state = State::Paused;
                }
                self.drop_head();
            } else if sequence == self.next.0 && gap <= 0 {
                return self.play(now);
            } else if sequence == self.next.0 || self.us(gap) > GAP_US {
                // Silence in the sender, or a long loss: it goes on when it is due.
                self.state = State::Paused;
            } else if gap <= self.owed || kind == Kind::Other && gap <= 0 {
                self.statistics.lost += (sequence - self.next.0) as u64;
                self.next = (sequence, timestamp.max(self.next.1));
                self.owed = 0;
            } else {
                return self.miss(now, sequence, gap);
            }
        }
    }

    fn drop_head(&mut self) {
        if let Some(head) = self.held.pop_front() {
            self.recycle(head.payload);
        }
    }

    /// Nothing is here.
    fn starve(&mut self, now: i64) -> Take<'_> {
        let silent = self.stream.map_or(u64::MAX, |stream| (now as u64).saturating_sub(stream.heard_at));
        match self.state {
            State::Playing if self.us(self.owed) < GAP_US => {
                // It may only be late: the time made up now is time that the stream is delayed by, unless packets prove lost.
                self.owed += i64::from(self.units);
                Take::Lost { units: self.units, next: None }
            }
            State::Idle => Take::Idle,
            _ if silent > ENDED_US => {
                self.state = State::Idle;
                Take::Idle
            }
            _ => {
                self.state = State::Paused;
                Take::Pause
            }
        }
    }

    /// The packet that is due is missing, and a later one is here.
    fn miss(&mut self, now: i64, sequence: i64, gap: i64) -> Take<'_> {
        let units = (gap - self.owed).clamp(1, i64::from(self.units.max(1)));
        if self.delay_at(now, self.next.1) < self.target() {
            self.owed += units;
            return Take::Lost { units: units as u32, next: None };
        }
        self.statistics.lost += 1;
        self.next = (self.next.0 + 1, self.next.1 + units + self.owed);
        self.owed = 0;
        let head = self.held.front().filter(|head| self.next.0 == sequence && head.kind == Kind::Audio);
        Take::Lost { units: units as u32, next: head.map(|head| head.payload.as_slice()) }
    }

    fn play(&mut self, now: i64) -> Take<'_> {
        let delay = self.delay_at(now, self.next.1);
        let Some(head) = self.held.pop_front() else { return Take::Idle };
        self.next = (head.sequence + 1, head.timestamp.max(self.next.1 - i64::from(head.units)) + i64::from(head.units));
        self.owed = 0;
        let old = std::mem::replace(&mut self.playing, head.payload);
        self.recycle(old);
        self.statistics.delay_us = delay.max(0) as u64;
        match head.kind {
            Kind::Noise => {
                self.state = State::Paused;
                return Take::Noise { payload: &self.playing };
            }
            Kind::Dtx => self.state = State::Paused,
            _ => self.units = head.units.clamp(1, self.clock),
        }
        let pace = self.pace(delay);
        Take::Audio { payload_type: head.payload_type, payload: &self.playing, pace }
    }

    fn pace(&self, delay: i64) -> Pace {
        let (target, packet) = (self.target(), self.us(i64::from(self.units)));
        match delay - target {
            more if more > packet + HURRY_US => Pace::Hurry,
            more if more > packet + packet / 2 => Pace::Shorten,
            more if more < -packet / 2 => Pace::Lengthen,
            _ => Pace::Keep,
        }
    }

    /// Delay over the fastest way, if what has this timestamp is played `now`.
    fn delay_at(&self, now: i64, timestamp: i64) -> i64 {
        let transit = now - self.us(timestamp);
        transit.saturating_sub(self.delay.fastest().unwrap_or(transit))
    }

    fn target(&self) -> i64 {
        self.delay.target_us().clamp(self.bounds.0, self.bounds.1) as i64
    }

    fn us(&self, units: i64) -> i64 {
        units.saturating_mul(1_000_000) / i64::from(self.clock)
    }
}

fn seen(stream: &Stream, ahead: i64) -> bool {
    match ahead {
        1.. => false,
        -63..=0 => stream.seen >> -ahead & 1 == 1,
        // So far back it is late anyway, or a duplicate of what nobody remembers.
        _ => false,
    }
}

#[cfg(test)]
mod tests;
