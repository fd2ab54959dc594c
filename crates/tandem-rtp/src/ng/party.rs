//! Whom a command is about, and what is played to them. Nobody is looked up here.

use std::net::IpAddr;

use crate::studio::Piece;

/// How a command names parties of a call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Party {
    /// By tag.
    pub from_tag: Option<String>,
    /// Several, by tag.
    pub from_tags: Vec<String>,
    /// By name.
    pub label: Option<String>,
    /// By the address of their description.
    pub address: Option<IpAddr>,
    /// The party that hears them, by tag.
    pub to_tag: Option<String>,
    /// The same by name.
    pub to_label: Option<String>,
    /// Everybody.
    pub all: bool,
    /// `from_tag` counts: clients put one into every command.
    pub directional: bool,
}

/// What is held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Media packets are not passed on.
    Media,
    /// Media packets are replaced by silence.
    Sound,
    /// Telephone events are not passed on.
    Dtmf,
}

/// block and unblock, silence and unsilence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Call.
    pub call: String,
    /// Whose.
    pub party: Party,
    /// What.
    pub what: What,
    /// Held back or passed on.
    pub on: bool,
    /// Name for the party.
    pub set_label: Option<String>,
}

/// play media.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Play {
    /// Call.
    pub call: String,
    /// To whom.
    pub party: Party,
    /// To all in this room, in place of a call's party.
    pub room: Option<String>,
    /// What, one after another.
    pub pieces: Vec<Piece>,
    /// How often; 0: for ever.
    pub times: u32,
    /// At most so long, milliseconds; 0: until its end.
    pub duration_ms: u32,
    /// From here on, milliseconds.
    pub start_ms: u32,
    /// Nothing else is heard meanwhile.
    pub block_egress: bool,
}

/// play DTMF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dtmf {
    /// Call.
    pub call: String,
    /// Who seems to press the key.
    pub party: Party,
    /// Event of RFC 4733: 0 to 15.
    pub event: u8,
    /// 100 to 5,000.
    pub duration_ms: u16,
    /// Volume below 0 dBm0, dB: 0 to 63.
    pub volume: u8,
    /// Pause before the next one, 100 to 5,000.
    pub pause_ms: u16,
}
