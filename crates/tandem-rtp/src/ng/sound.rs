//! What is asked of the audio engine: what is played, which digits are gathered, who is in which room. Nothing is carried out here.

use super::answer::Failure;
use super::fields::Fields;
use super::party::Party;
use super::value::Value;
use crate::audio::dtmf::Digit;
use crate::audio::gather::{Wish, DIGITS};
use crate::audio::play::ITEMS;
use crate::audio::RATES;
use crate::studio::Piece;

/// Hz at which a room mixes when nothing is told.
pub const ROOM_HZ: u32 = 16_000;
/// Characters of a room's name at most.
pub const ROOM_CHARACTERS: usize = 128;
/// Longest time that a caller can be waited for, milliseconds: an hour.
const WAIT_MS: u32 = 3_600_000;

/// Whom a member of a room is there for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum RoleAsked {
    /// For all; comes and goes with a tone.
    #[default]
    Member,
    /// For all, without a tone.
    Barge,
    /// Only hears.
    Listener,
    /// Is heard by one only: by its tag in that room.
    Whisper(String),
}

/// join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// Call.
    pub call: String,
    /// Whose legs.
    pub party: Party,
    /// The room.
    pub room: String,
    /// Hz; the first member's counts.
    pub rate: u32,
    /// For whom.
    pub role: RoleAsked,
    /// It is not heard.
    pub muted: bool,
    /// It hears nothing.
    pub deaf: bool,
}

/// gather.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatherAsked {
    /// Call.
    pub call: String,
    /// Whose keys.
    pub party: Party,
    /// Which, and how long.
    pub wish: Wish,
}

/// What the keys of a command told of sound.
#[derive(Debug, Default)]
pub(super) struct SoundFields {
    pub pieces: Vec<Piece>,
    pub room: Option<String>,
    pub rate: Option<u32>,
    pub role: RoleAsked,
    pub muted: bool,
    pub deaf: bool,
    pub wish: Wish,
}

impl SoundFields {
    /// Reads one key. False: it is unknown.
    pub fn read(&mut self, name: &str, value: &Value) -> Result<bool, Failure> {
        match name {
            "list" => {
                for item in value.items() {
                    self.pieces.push(piece(name, item)?);
                }
                if self.pieces.len() > ITEMS {
                    return Err(Failure::Full { what: "pieces of a list", most: ITEMS });
                }
            }
            "tone" => self.pieces.push(tone(name, value)?),
            "speech" => self.pieces.push(Piece::Speech(text(name, value)?)),
            "room" => {
                let room = text(name, value)?;
                if room.is_empty() || room.chars().count() > ROOM_CHARACTERS {
                    return Err(Failure::bad(name, value, "is not a name of 1 to 128 characters"));
                }
                self.room = Some(room);
            }
            "rate" => {
                let rate = value.as_integer().and_then(|rate| u32::try_from(rate).ok()).filter(|rate| RATES.contains(rate));
                self.rate = Some(rate.ok_or_else(|| Failure::bad(name, value, "is no rate that is mixed: 8000 to 48000 Hz"))?);
            }
            "role" => {
                self.role = match &super::word(&text(name, value)?)[..] {
                    "member" => RoleAsked::Member,
                    "barge" => RoleAsked::Barge,
                    "listen" | "listener" => RoleAsked::Listener,
                    _ => return Err(Failure::bad(name, value, "is none of member, barge, listener; whisper-to names who is whispered to")),
                }
            }
            "whisper-to" => self.role = RoleAsked::Whisper(text(name, value)?),
            "muted" => self.muted = truth(name, value)?,
            "deaf" => self.deaf = truth(name, value)?,
            "digits" => {
                let digits =
                    value.as_integer().and_then(|digits| usize::try_from(digits).ok()).filter(|digits| (1..=DIGITS).contains(digits));
                self.wish.digits = digits.ok_or_else(|| Failure::bad(name, value, "is not 1 to 64 digits"))?;
            }
            "terminators" => {
                let keys: Option<Vec<Digit>> = text(name, value)?.chars().map(Digit::of).collect();
                self.wish.terminators = keys.ok_or_else(|| Failure::bad(name, value, "has a character that is no DTMF digit"))?;
            }
            "first-digit-ms" => self.wish.first_ms = wait(name, value)?,
            "inter-digit-ms" => self.wish.inter_ms = wait(name, value)?,
            "barge-in" => self.wish.barge_in = truth(name, value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Join {
    pub(super) fn of(call: String, fields: Fields) -> Result<Join, Failure> {
        let sound = fields.sound;
        Ok(Join {
            call,
            party: fields.party,
            room: sound.room.ok_or(Failure::Missing("room"))?,
            rate: sound.rate.unwrap_or(ROOM_HZ),
            role: sound.role,
            muted: sound.muted,
            deaf: sound.deaf,
        })
    }
}

/// An item of a list: `tone:busy`, `say:words`, `silence:500`, or a file.
fn piece(field: &str, value: &Value) -> Result<Piece, Failure> {
    let item = text(field, value)?;
    Ok(match item.split_once(':') {
        Some(("tone", name)) => tone(field, &Value::text(name))?,
        Some(("say", words)) => Piece::Speech(words.to_owned()),
        Some(("silence", ms)) => Piece::Silence(ms.parse().map_err(|_| Failure::bad(field, value, "is no silence in milliseconds"))?),
        _ => Piece::File(item),
    })
}

fn tone(field: &str, value: &Value) -> Result<Piece, Failure> {
    let name = text(field, value)?;
    match crate::audio::play::tones::named(&name) {
        Some(_) => Ok(Piece::Tone(name)),
        None => Err(Failure::bad(
            field,
            value,
            "is no tone; there are dial, ringback, busy, congestion, waiting, sit, record, beep, some with .us or .uk",
        )),
    }
}

fn text(field: &str, value: &Value) -> Result<String, Failure> {
    value.as_str().map(str::to_owned).ok_or_else(|| Failure::bad(field, value, "is no text"))
}

fn truth(field: &str, value: &Value) -> Result<bool, Failure> {
    super::words::truth(value).ok_or_else(|| Failure::bad(field, value, "is neither yes nor no"))
}

fn wait(field: &str, value: &Value) -> Result<u32, Failure> {
    let ms = value.as_integer().and_then(|ms| u32::try_from(ms).ok()).filter(|ms| (1..=WAIT_MS).contains(ms));
    ms.ok_or_else(|| Failure::bad(field, value, "is not 1 to 3600000 milliseconds"))
}
