//! How flows to phones are kept open: the policy's part of it, what a WATCH frame asks of an edge, and who is due. It sends nothing.

mod ring;
mod watches;

pub use watches::{Due, Watches, FLOWS_MOST, PINGS_PER_TURN, RINGS, TURN_US};

use crate::frame::{Address, Transport};
use serde::Deserialize;

/// Shortest time between two pings of one flow, seconds.
pub const PING_SECONDS_LEAST: u32 = 1;
/// Longest, seconds.
pub const PING_SECONDS_MOST: u32 = 3600;
/// Most OPTIONS in a row that may stay without an answer.
pub const MISSES_MOST: u32 = 10;

/// Which phones are asked by OPTIONS.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Asked {
    /// None.
    #[default]
    Off,
    /// Those over UDP behind a NAT; others are let be.
    Nat,
    /// All.
    All,
}

/// The policy's `keepalive`; every field has its default.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(default)]
pub struct Keepalive {
    /// Seconds between two pings of a phone over UDP behind a NAT; 0: none. Most NATs forget after 30 (RFC 4787 4.3 asks for 120).
    pub udp_seconds: u32,
    /// Seconds of silence after which the kernel asks whether the other end of a phone's connection is there; 0: as the system does.
    pub stream_seconds: u32,
    /// How often a phone with outbound keeps its flow alive (RFC 5626 4.4); 0: it is not told.
    pub flow_timer_seconds: u32,
    /// Which phones are asked by OPTIONS instead of pinged.
    pub options: Asked,
    /// Seconds between two OPTIONS.
    pub options_seconds: u32,
    /// OPTIONS in a row without an answer after which a phone counts as unreachable.
    pub options_misses: u32,
}

impl Default for Keepalive {
    fn default() -> Keepalive {
        let options = Asked::Off;
        Keepalive { udp_seconds: 25, stream_seconds: 90, flow_timer_seconds: 120, options, options_seconds: 60, options_misses: 3 }
    }
}

impl Keepalive {
    /// What is wrong with it, as (field, why).
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let times = [
            ("udp_seconds", self.udp_seconds, true),
            ("stream_seconds", self.stream_seconds, true),
            ("flow_timer_seconds", self.flow_timer_seconds, true),
            ("options_seconds", self.options_seconds, false),
        ];
        for (field, seconds, may_be_off) in times {
            let fits = (PING_SECONDS_LEAST..=PING_SECONDS_MOST).contains(&seconds) || (may_be_off && seconds == 0);
            if !fits {
                return Err((field, format!("{seconds} is not within {PING_SECONDS_LEAST} to {PING_SECONDS_MOST}")));
            }
        }
        if !(1..=MISSES_MOST).contains(&self.options_misses) {
            return Err(("options_misses", format!("{} is not within 1 to {MISSES_MOST}", self.options_misses)));
        }
        Ok(())
    }
}

/// What an edge does for a flow.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Kind {
    /// A connection of a phone: not closed for being silent, and the kernel asks whether its other end is there.
    Keep = 0,
    /// Line ends, which every phone ignores, so that a NAT does not forget.
    Crlf = 1,
    /// OPTIONS; it is told when the phone no longer answers, and when it does again.
    Options = 2,
    /// A connection over which the phone itself pings (RFC 5626 4.4): the flow has failed when it no longer does.
    Silence = 3,
}

impl Kind {
    /// From its number on the link.
    pub fn read(number: u8) -> Option<Kind> {
        Some(match number {
            0 => Kind::Keep,
            1 => Kind::Crlf,
            2 => Kind::Options,
            3 => Kind::Silence,
            _ => return None,
        })
    }
}

/// A flow of one binding: an entry of FORGET.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Watched {
    /// Connection, 0 for datagrams.
    pub flow: u64,
    /// How it travels.
    pub transport: Transport,
    /// Address of ours.
    pub local: u8,
    /// The phone, as it is seen.
    pub remote: Address,
    /// Names the binding's address of record: lines of one phone share a flow.
    pub cookie: u64,
}

/// One flow to watch: an entry of WATCH.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Watch {
    /// Which.
    pub flow: Watched,
    /// What to do.
    pub kind: Kind,
    /// How often, seconds.
    pub seconds: u16,
    /// When the binding ends if nothing more is said, seconds since 1970.
    pub until: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_counts_are_within_their_limits() {
        assert_eq!(Ok(()), Keepalive::default().check());
        assert_eq!(Ok(()), Keepalive { udp_seconds: 0, flow_timer_seconds: 0, ..Keepalive::default() }.check());
        for (bad, field) in [
            (Keepalive { udp_seconds: 3601, ..Keepalive::default() }, "udp_seconds"),
            (Keepalive { options_seconds: 0, ..Keepalive::default() }, "options_seconds"),
            (Keepalive { options_misses: 11, ..Keepalive::default() }, "options_misses"),
        ] {
            assert_eq!(field, bad.check().unwrap_err().0);
        }
    }
}
