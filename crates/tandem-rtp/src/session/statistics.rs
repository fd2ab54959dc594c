//! Commands and calls counted, and the answer to statistics in the shape that rtpengine's has.

use super::Calls;
use crate::ng::{count, Command, Recording, Value, What};
use crate::plan::Streams;

/// Commands and calls since the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// When the first command came, microseconds since 1970; 0: none did.
    pub since: u64,
    /// Calls that began or were taken over.
    pub calls: u64,
    /// Calls that were deleted.
    pub deleted: u64,
    /// Commands that failed.
    pub errors: u64,
    /// Commands by [`NAMES`].
    pub commands: [u64; NAMES.len()],
}

/// Names of the counters of commands.
pub const NAMES: [&str; 27] = [
    "ping",
    "offer",
    "answer",
    "delete",
    "query",
    "list",
    "statistics",
    "startrec",
    "stoprec",
    "startfwd",
    "stopfwd",
    "blkdtmf",
    "unblkdtmf",
    "blkmedia",
    "unblkmedia",
    "playmedia",
    "stopmedia",
    "playdtmf",
    "publish",
    "subscribe",
    "gather",
    "stopgather",
    "join",
    "leave",
    "roster",
    "starttap",
    "stoptap",
];

impl Totals {
    pub(super) fn count(&mut self, command: &Command) {
        let name = match command {
            Command::Ping => "ping",
            Command::Offer(_) => "offer",
            Command::Answer(_) => "answer",
            Command::Delete(_) => "delete",
            Command::Query(_) => "query",
            Command::List(_) => "list",
            Command::Statistics => "statistics",
            Command::Record(record) if record.recording == Recording::On => "startrec",
            Command::Record(_) => "stoprec",
            Command::Forward { on: true, .. } => "startfwd",
            Command::Forward { on: false, .. } => "stopfwd",
            Command::Tap { seconds: Some(_), .. } => "starttap",
            Command::Tap { seconds: None, .. } => "stoptap",
            Command::Block(block) => match (block.what, block.on) {
                (What::Dtmf, true) => "blkdtmf",
                (What::Dtmf, false) => "unblkdtmf",
                (_, true) => "blkmedia",
                (_, false) => "unblkmedia",
            },
            Command::Play(_) => "playmedia",
            Command::StopPlay { .. } => "stopmedia",
            Command::Dtmf(_) => "playdtmf",
            Command::Gather(_) => "gather",
            Command::StopGather { .. } => "stopgather",
            Command::Join(_) => "join",
            Command::Leave { .. } => "leave",
            Command::Roster(_) => "roster",
            Command::Publish(_) => "publish",
            Command::SubscribeRequest(_) | Command::SubscribeAnswer(_) | Command::Unsubscribe { .. } => "subscribe",
        };
        if let Some((_, number)) = NAMES.iter().zip(&mut self.commands).find(|(other, _)| **other == name) {
            *number += 1;
        }
    }
}

impl Calls {
    pub(super) fn statistics(&self, now: u64, streams: Streams) -> Value {
        let totals = &self.totals;
        let uptime = now.saturating_sub(totals.since) / 1_000_000;
        let current = Value::dict()
            .with("sessionsown", count(self.calls.len() as u64))
            .with("sessionsforeign", count(0))
            .with("sessionstotal", count(self.calls.len() as u64));
        let total = Value::dict()
            .with("uptime", uptime.to_string().into())
            .with("managedsessions", count(totals.calls))
            .with("regularterminatedsessions", count(totals.deleted));
        let running = Value::dict()
            .with("kernel", count(streams.kernel))
            .with("userspace", count(streams.userspace))
            .with("packets", count(streams.packets))
            .with("lost", count(streams.lost));
        let commands = NAMES.iter().zip(totals.commands);
        let control = commands.fold(Value::dict(), |value, (name, number)| value.with(format!("total{name}count"), count(number)));
        Value::dict()
            .with("currentstatistics", current)
            .with("totalstatistics", total)
            .with("streams", running)
            .with("controlstatistics", control.with("totalerrorcount", count(totals.errors)))
    }
}
