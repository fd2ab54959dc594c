//! What the call table needs from its shell, and what it tells it to do. Nothing is done here.

use crate::audio::dtmf::Digit;
use crate::audio::gather::Wish;
use crate::ng::RecordingTarget;
use crate::plan::{Endpoint, EndpointId, Local, Streams};
use crate::sdp::{Family, Fingerprint};
use crate::studio::Job;

/// Ports, randomness, the certificate's hash, counters; and where orders go.
pub trait Outside {
    /// Takes a pair of ports on the interface of that name. `None`: there is none of that family, or all are taken.
    fn take(&mut self, interface: &str, family: Family) -> Option<Local>;
    /// Gives a pair back. An order to drop its endpoint, if it had one, came before.
    fn free(&mut self, local: Local);
    /// Fills `bytes` from a cryptographic source: keys and passwords are made of it.
    fn random(&mut self, bytes: &mut [u8]);
    /// The SHA-256 of our certificate.
    fn fingerprint(&self) -> Fingerprint;
    /// Something is to be done; in this order.
    fn order(&mut self, order: Order);
    /// What an endpoint has counted.
    fn counters(&self, _: EndpointId) -> Option<Counters> {
        None
    }
    /// By which way the streams that run are forwarded.
    fn streams(&self) -> Streams {
        Streams::default()
    }
}

/// Something to do.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Order {
    /// Carry out this plan from now on.
    Put(Box<Endpoint>),
    /// An endpoint has ended; its counters are of no use any more.
    Drop(EndpointId),
    /// Record a call or a room, pause, or stop.
    Record {
        /// The call, or the room.
        call: String,
        /// It is a room.
        room: bool,
        /// On, paused or off.
        recording: crate::ng::Recording,
        /// Where to.
        target: RecordingTarget,
        /// For the recording.
        metadata: Option<String>,
    },
    /// Copy decoded media of these endpoints to the configured place, or stop.
    Forward {
        /// Whose media.
        from: Vec<EndpointId>,
        /// Begin or end.
        on: bool,
    },
    /// Copy every packet of a call into a file, or no more.
    Tap {
        /// The call.
        call: String,
        /// For so many seconds; `None`: no more.
        seconds: Option<u32>,
    },
    /// Play to the peers of these endpoints.
    Play {
        /// To whom.
        to: Vec<EndpointId>,
        /// To all in this room.
        room: Option<String>,
        /// What.
        job: Job,
    },
    /// Play no more to the peers of these endpoints.
    StopPlay {
        /// To whom.
        to: Vec<EndpointId>,
        /// To all in this room.
        room: Option<String>,
    },
    /// Gather digits from the peers of these endpoints.
    Gather {
        /// From whom.
        from: Vec<EndpointId>,
        /// The name under which it is told.
        name: Option<String>,
        /// Which, and how long; `None`: no more.
        wish: Option<Wish>,
    },
    /// Put a telephone event into what the peers of these endpoints send.
    Dtmf {
        /// Who seems to press the key.
        from: Vec<EndpointId>,
        /// The key.
        digit: Digit,
        /// Milliseconds.
        duration_ms: u16,
        /// dB below 0 dBm0.
        volume: u8,
        /// Milliseconds before the next one.
        pause_ms: u16,
    },
}

/// What one component of an endpoint has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Packets from the peer.
    pub packets: u64,
    /// Their bytes, without UDP and IP.
    pub bytes: u64,
    /// Packets from the peer that were dropped.
    pub errors: u64,
    /// When the last one came, microseconds since 1970; 0: none did.
    pub last_at: u64,
    /// Where packets to the peer go, as learned.
    pub peer: Option<std::net::SocketAddr>,
    /// They pass in the kernel.
    pub kernel: bool,
}

/// What an endpoint has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// RTP, and RTCP when multiplexed.
    pub rtp: Traffic,
    /// RTCP.
    pub rtcp: Traffic,
    /// RTP packets that were expected and did not come.
    pub lost: u64,
    /// Interarrival jitter, microseconds.
    pub jitter_us: u32,
    /// Round trip, microseconds; 0: not known.
    pub rtt_us: u32,
    /// Mean opinion score of the call, hundredths; 0: not known.
    pub mos_hundredths: u16,
}
