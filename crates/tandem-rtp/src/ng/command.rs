//! Commands, read from a dictionary with all that they need. They are carried out by `session`.

use super::answer::Failure;
use super::fields::Fields;
use super::options::{Options, RecordingTarget};
use super::party::{Block, Dtmf, Party, Play, What};
use super::sound::{GatherAsked, Join};
use super::value::Value;
use super::words::word;
use crate::studio::Piece;

/// Milliseconds and decibels of play DTMF when nothing is told.
const EVENT_MS: u32 = 250;
const EVENT_PAUSE_MS: u32 = 100;
const EVENT_VOLUME: u8 = 8;
/// Seconds that a tap lasts when nothing is told.
pub const TAP_SECONDS: u32 = 60;
/// Seconds that it lasts at most.
pub const TAP_SECONDS_MOST: u32 = 600;
/// Calls that `list` names when nothing is told.
const LIST: usize = 32;

/// A command with its warnings.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The caller's name for the effect (key `id`): a repeat gets the answer that the first one had. Ours: not in rtpengine.
    pub id: Option<String>,
    /// What is to be done.
    pub command: Command,
    /// Keys, flags and values that were not understood, or are not served.
    pub warnings: Vec<String>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// ping.
    Ping,
    /// offer.
    Offer(Box<Signal>),
    /// answer.
    Answer(Box<Signal>),
    /// delete.
    Delete(Delete),
    /// query.
    Query(Query),
    /// list, with the most that may be named.
    List(usize),
    /// statistics.
    Statistics,
    /// start, stop and pause recording.
    Record(Record),
    /// start and stop forwarding.
    Forward {
        /// Call.
        call: String,
        /// Whose media.
        party: Party,
        /// Start or stop.
        on: bool,
    },
    /// start tap and stop tap: copy every packet of a call into a file. Ours: not in rtpengine.
    Tap {
        /// Call.
        call: String,
        /// For so many seconds; `None`: no more.
        seconds: Option<u32>,
    },
    /// block, unblock, silence and unsilence.
    Block(Block),
    /// play media.
    Play(Play),
    /// stop media.
    StopPlay {
        /// Call.
        call: String,
        /// To all in this room, in place of a call's party.
        room: Option<String>,
        /// To whom it is played.
        party: Party,
    },
    /// play DTMF.
    Dtmf(Dtmf),
    /// gather. Ours: not in rtpengine, like those that follow.
    Gather(GatherAsked),
    /// stop gather.
    StopGather {
        /// Call.
        call: String,
        /// Whose keys.
        party: Party,
    },
    /// join.
    Join(Join),
    /// leave.
    Leave {
        /// Call.
        call: String,
        /// Whose legs.
        party: Party,
    },
    /// roster, of a room.
    Roster(String),
    /// publish.
    Publish(Box<Signal>),
    /// subscribe request.
    SubscribeRequest(Box<Subscribe>),
    /// subscribe answer.
    SubscribeAnswer(Box<Signal>),
    /// unsubscribe.
    Unsubscribe {
        /// Call.
        call: String,
        /// The subscription.
        to_tag: String,
    },
}

/// A session description on its way.
#[derive(Debug, Clone, PartialEq)]
pub struct Signal {
    /// SIP Call-ID, or any name.
    pub call: String,
    /// Tag of the offerer; "" for a publisher that is to be named by us.
    pub from_tag: String,
    /// Tag of the answerer, once known.
    pub to_tag: Option<String>,
    /// Branch of the Via.
    pub branch: Option<String>,
    /// The description.
    pub sdp: Vec<u8>,
    /// What is asked for.
    pub options: Options,
}

/// delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delete {
    /// Call.
    pub call: String,
    /// Only what this party and …
    pub from_tag: Option<String>,
    /// … that party have with each other.
    pub to_tag: Option<String>,
    /// Only this branch.
    pub branch: Option<String>,
    /// After so many seconds; `None`: as configured.
    pub delay_seconds: Option<u32>,
    /// A call that is not known is an error.
    pub fatal: bool,
    /// No statistics are wanted.
    pub fast: bool,
    /// `to_tag` counts.
    pub honour_to_tag: bool,
}

/// query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Call.
    pub call: String,
    /// Only this party and its peer.
    pub from_tag: Option<String>,
    /// Only this party.
    pub to_tag: Option<String>,
}

/// Whether a call is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum Recording {
    /// No.
    #[default]
    Off,
    /// Yes.
    On,
    /// Files stay open.
    Paused,
}

/// start, stop and pause recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Call.
    pub call: String,
    /// A room, in place of a call.
    pub room: Option<String>,
    /// What it shall be.
    pub recording: Recording,
    /// Where to.
    pub target: RecordingTarget,
    /// For the recording.
    pub metadata: Option<String>,
}

/// subscribe request.
#[derive(Debug, Clone, PartialEq)]
pub struct Subscribe {
    /// Call.
    pub call: String,
    /// To whom.
    pub party: Party,
    /// Tag of the subscription; `None`: we make one.
    pub to_tag: Option<String>,
    /// What is asked for.
    pub options: Options,
}

impl Request {
    /// Reads a command.
    ///
    /// # Errors
    /// A command that is unknown, lacks a key, or has a value that cannot be.
    ///
    /// ```
    /// use tandem_rtp::ng::{Command, Request, Value};
    /// let request = Request::read(&Value::dict().with("command", Value::text("ping")).with("colour", Value::text("red"))).unwrap();
    /// assert_eq!(Command::Ping, request.command);
    /// assert_eq!(["key 'colour' is unknown"], request.warnings[..]);
    /// ```
    pub fn read(message: &Value) -> Result<Request, Failure> {
        let verb = message.get("command").and_then(Value::as_str).map(word).ok_or(Failure::Missing("command"))?;
        let mut fields = Fields::read(message)?;
        let (id, warnings) = (fields.id.take(), std::mem::take(&mut fields.warnings));
        Ok(Request { id, warnings, command: Command::of(&verb, fields)? })
    }
}

impl Command {
    fn of(verb: &str, fields: Fields) -> Result<Command, Failure> {
        Ok(match verb {
            "ping" => Command::Ping,
            "statistics" => Command::Statistics,
            "list" => Command::List(fields.limit.unwrap_or(LIST)),
            "offer" => Command::Offer(Box::new(Signal::of(fields)?)),
            "answer" => Command::Answer(Box::new(Signal::answer(fields)?)),
            "publish" => Command::Publish(Box::new(Signal::published(fields)?)),
            "subscribe-answer" => Command::SubscribeAnswer(Box::new(Signal::subscription(fields)?)),
            _ => return Command::in_call(verb, fields),
        })
    }

    /// Commands about a call that is there.
    fn in_call(verb: &str, fields: Fields) -> Result<Command, Failure> {
        let call = fields.call.clone().ok_or(Failure::Missing("call-id"));
        Ok(match verb {
            "delete" => Command::Delete(Delete {
                call: call?,
                from_tag: fields.party.from_tag,
                to_tag: fields.party.to_tag,
                branch: fields.branch,
                delay_seconds: fields.delete_delay,
                fatal: fields.fatal,
                fast: fields.fast,
                honour_to_tag: fields.honour_to_tag,
            }),
            "query" => Command::Query(Query { call: call?, from_tag: fields.party.from_tag, to_tag: fields.party.to_tag }),
            "start-recording" | "stop-recording" | "pause-recording" => Command::Record(Record {
                call: of_room(call, &fields)?,
                room: fields.sound.room,
                recording: match verb {
                    "start-recording" => Recording::On,
                    "stop-recording" if !fields.pause => Recording::Off,
                    _ => Recording::Paused,
                },
                target: fields.options.recording,
                metadata: fields.options.metadata,
            }),
            "start-forwarding" | "stop-forwarding" => Command::Forward { call: call?, party: fields.party, on: verb == "start-forwarding" },
            "start-tap" => Command::Tap { call: call?, seconds: Some(fields.tap_seconds.unwrap_or(TAP_SECONDS)) },
            "stop-tap" => Command::Tap { call: call?, seconds: None },
            "play-media" => Command::Play(Play::of(of_room(call, &fields)?, fields)?),
            "stop-media" => Command::StopPlay { call: of_room(call, &fields)?, room: fields.sound.room, party: fields.party },
            "gather" => Command::Gather(GatherAsked { call: call?, party: fields.party, wish: fields.sound.wish }),
            "stop-gather" => Command::StopGather { call: call?, party: fields.party },
            "join" => Command::Join(Join::of(call?, fields)?),
            "leave" => Command::Leave { call: call?, party: fields.party },
            "roster" => Command::Roster(fields.sound.room.ok_or(Failure::Missing("room"))?),
            "play-dtmf" => Command::Dtmf(Dtmf::of(call?, fields)?),
            "subscribe-request" => {
                let to_tag = fields.party.to_tag.clone();
                Command::SubscribeRequest(Box::new(Subscribe { call: call?, party: fields.party, to_tag, options: fields.options }))
            }
            "unsubscribe" => Command::Unsubscribe { call: call?, to_tag: fields.party.to_tag.ok_or(Failure::Missing("to-tag"))? },
            _ => {
                let (what, on) = blocked(verb).ok_or_else(|| Failure::Command(Value::text(verb).shown()))?;
                Command::Block(Block { call: call?, set_label: fields.options.to_label, party: fields.party, what, on })
            }
        })
    }
}

/// The call of a command, which one about a room does not need.
fn of_room(call: Result<String, Failure>, fields: &Fields) -> Result<String, Failure> {
    call.or_else(|missing| if fields.sound.room.is_some() { Ok(String::new()) } else { Err(missing) })
}

fn blocked(verb: &str) -> Option<(What, bool)> {
    Some(match verb {
        "block-media" => (What::Media, true),
        "unblock-media" => (What::Media, false),
        "silence-media" => (What::Sound, true),
        "unsilence-media" => (What::Sound, false),
        "block-dtmf" => (What::Dtmf, true),
        "unblock-dtmf" => (What::Dtmf, false),
        _ => return None,
    })
}

impl Signal {
    fn of(fields: Fields) -> Result<Signal, Failure> {
        Ok(Signal {
            call: fields.call.ok_or(Failure::Missing("call-id"))?,
            from_tag: fields.party.from_tag.ok_or(Failure::Missing("from-tag"))?,
            to_tag: fields.party.to_tag,
            branch: fields.branch,
            sdp: fields.sdp.ok_or(Failure::Missing("sdp"))?,
            options: fields.options,
        })
    }

    fn answer(fields: Fields) -> Result<Signal, Failure> {
        let signal = Signal::of(fields)?;
        signal.to_tag.as_ref().ok_or(Failure::Missing("to-tag"))?;
        Ok(signal)
    }

    fn published(mut fields: Fields) -> Result<Signal, Failure> {
        fields.party.from_tag.get_or_insert_default();
        fields.call.get_or_insert_default();
        Signal::of(fields)
    }

    fn subscription(mut fields: Fields) -> Result<Signal, Failure> {
        fields.party.from_tag.get_or_insert_default();
        Signal::answer(fields)
    }
}

impl Play {
    fn of(call: String, fields: Fields) -> Result<Play, Failure> {
        let first = match (fields.file, fields.blob, fields.database) {
            (Some(file), ..) => Some(Piece::File(file)),
            (_, Some(blob), _) => Some(Piece::Blob(blob)),
            (.., Some(_)) => return Err(Failure::State("db-id: this relay has no database of sounds")),
            _ => None,
        };
        let pieces: Vec<Piece> = first.into_iter().chain(fields.sound.pieces).collect();
        if pieces.is_empty() {
            return Err(Failure::Missing("file"));
        }
        Ok(Play {
            call,
            party: fields.party,
            room: fields.sound.room,
            pieces,
            times: fields.times.unwrap_or(1),
            duration_ms: fields.play_ms.unwrap_or(0),
            start_ms: fields.start_ms.unwrap_or(0),
            block_egress: fields.block_egress,
        })
    }
}

impl Dtmf {
    fn of(call: String, fields: Fields) -> Result<Dtmf, Failure> {
        let milliseconds = |told: Option<u32>, usual: u32| told.unwrap_or(usual).clamp(100, 5_000) as u16;
        Ok(Dtmf {
            call,
            party: fields.party,
            event: fields.event.ok_or(Failure::Missing("code"))?,
            duration_ms: milliseconds(fields.event_ms, EVENT_MS),
            volume: fields.volume.unwrap_or(EVENT_VOLUME),
            pause_ms: milliseconds(fields.pause_ms, EVENT_PAUSE_MS),
        })
    }
}
