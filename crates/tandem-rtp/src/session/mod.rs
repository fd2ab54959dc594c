//! The call table: ng commands and descriptions in, answers and plans for endpoints out. It has no socket, clock or randomness.
//!
//! A command works on a draft of its call. When it fails, the call is as it was; when it succeeds, the endpoints that are new,
//! changed or gone are ordered. So a repeated command finds the ports and keys of the first one, and gives the same answer.
//!
//! What a description says of addresses, ports, keys, ICE and directions is always ours: a peer never sees the address of
//! another one, so `replace` decides only about o= and s=.

mod answer;
mod bundle;
mod call;
mod codecs;
mod control;
mod delete;
mod hear;
mod medium;
mod offer;
mod origin;
mod outside;
mod plans;
mod publish;
mod query;
mod render;
mod rooms;
mod security;
mod settings;
mod statistics;
mod work;

pub use call::{Call, HeldBack, Leg, Role, Told, EFFECTS, LEGS, TAGS, VERSION};
pub use hear::CANDIDATES;
pub use medium::{Medium, Ours, TheirIce, Theirs};
pub use outside::{Counters, Order, Outside, Traffic};
pub use settings::Settings;
pub use statistics::Totals;

use std::collections::BTreeMap;

use crate::ng::{failed, ok, Command, Failure, Request, Signal, Value};
use work::Work;

/// The answer to a command.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// What goes back.
    pub value: Value,
    /// The call whose row is to be kept anew, or to be forgotten when it is gone: before the answer goes out.
    pub changed: Option<String>,
}

/// Why a row is no call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadRow {
    /// It cannot be read.
    #[error("row cannot be read: {0}")]
    Unreadable(String),
    /// It was written by a newer program.
    #[error("row has version {0}, newer than {VERSION}")]
    Newer(u16),
}

/// All calls of a relay.
#[derive(Debug)]
pub struct Calls {
    settings: Settings,
    calls: BTreeMap<String, Call>,
    /// Calls that end, by when.
    ending: BTreeMap<(u64, String), ()>,
    next_endpoint: u64,
    totals: Totals,
}

impl Calls {
    /// An empty table.
    pub fn new(settings: Settings) -> Calls {
        let next_endpoint = settings.endpoints_from.max(1);
        Calls { settings, calls: BTreeMap::new(), ending: BTreeMap::new(), next_endpoint, totals: Totals::default() }
    }

    /// Reads a message's dictionary and carries the command out.
    pub fn message(&mut self, message: &Value, now: u64, outside: &mut dyn Outside) -> Answer {
        match Request::read(message) {
            Ok(request) => self.command(&request, now, outside),
            Err(failure) => {
                self.totals.errors += 1;
                Answer { value: failed(&failure), changed: None }
            }
        }
    }

    /// Carries a command out. `now`: microseconds since 1970.
    pub fn command(&mut self, request: &Request, now: u64, outside: &mut dyn Outside) -> Answer {
        if self.totals.since == 0 {
            self.totals.since = now;
        }
        self.totals.count(&request.command);
        let mut warnings = request.warnings.clone();
        let done = self.carry_out(request, now, outside, &mut warnings);
        let done = done.map(|(value, changed)| Answer { value: with_warnings(value, &warnings), changed });
        done.unwrap_or_else(|failure| {
            self.totals.errors += 1;
            Answer { value: failed(&failure), changed: None }
        })
    }

    fn carry_out(
        &mut self,
        request: &Request,
        now: u64,
        outside: &mut dyn Outside,
        warnings: &mut Vec<String>,
    ) -> Result<(Value, Option<String>), Failure> {
        let id = request.id.as_deref();
        match &request.command {
            Command::Ping => Ok((Value::dict().with("result", Value::text("pong")), None)),
            Command::Offer(signal) => self.signal(signal, true, now, outside, warnings),
            Command::Answer(signal) => self.signal(signal, false, now, outside, warnings),
            Command::Delete(delete) => self.delete(delete, now, outside, warnings),
            Command::Query(query) => self.query(query, outside).map(|value| (value, None)),
            Command::List(most) => {
                let names = self.calls.keys().take(*most).map(Value::text).collect();
                Ok((ok(&[]).with("calls", Value::List(names)), None))
            }
            Command::Statistics => Ok((ok(&[]).with("statistics", self.statistics(now, outside.streams())), None)),
            command => self.control(command, id, now, outside, warnings),
        }
    }

    fn signal(
        &mut self,
        signal: &Signal,
        is_offer: bool,
        now: u64,
        outside: &mut dyn Outside,
        warnings: &mut Vec<String>,
    ) -> Result<(Value, Option<String>), Failure> {
        let record = signal.options.record;
        let changed = self.change(&signal.call, is_offer, now, outside, warnings, |call, work| {
            if is_offer {
                return offer::offer(call, signal, work);
            }
            answer::answer(call, signal, work).map(Some)
        });
        let sdp = changed?;
        if let Some(on) = record {
            self.record(&signal.call, on, &signal.options, outside);
        }
        let value = ok(&[]);
        Ok((sdp.map_or(value.clone(), |sdp| value.with("sdp", Value::Text(sdp))), Some(signal.call.clone())))
    }

    /// Works on a draft of a call. `make`: an unknown call begins.
    fn change<T>(
        &mut self,
        id: &str,
        make: bool,
        now: u64,
        outside: &mut dyn Outside,
        warnings: &mut Vec<String>,
        step: impl FnOnce(&mut Call, &mut Work) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let before = self.calls.get(id);
        let mut draft = match before {
            Some(call) => call.clone(),
            None if !make => return Err(Failure::Call(id.chars().take(64).collect())),
            None if self.calls.len() >= self.settings.calls => return Err(Failure::Full { what: "calls", most: self.settings.calls }),
            None => Call::new(id, now),
        };
        draft.signalled = now;
        // Whoever still signals about a call wants it.
        draft.ends = None;
        let mut work = Work { settings: &self.settings, outside, next: &mut self.next_endpoint, now, warnings };
        let done = step(&mut draft, &mut work);
        match done {
            Ok(value) => {
                self.put(draft, outside);
                Ok(value)
            }
            Err(failure) => {
                let held = before.map(plans::ports).unwrap_or_default();
                plans::ports(&draft).into_iter().filter(|local| !held.contains(local)).for_each(|local| outside.free(local));
                Err(failure)
            }
        }
    }

    /// Replaces a call and orders what is different.
    fn put(&mut self, call: Call, outside: &mut dyn Outside) {
        let before = self.calls.get(&call.id);
        let old = before.map(|call| plans::plans(call, &self.settings)).unwrap_or_default();
        let held = before.map(plans::ports).unwrap_or_default();
        let ends = before.and_then(|call| call.ends);
        let new = plans::plans(&call, &self.settings);
        let kept = plans::ports(&call);
        old.keys().filter(|id| !new.contains_key(id)).for_each(|id| outside.order(Order::Drop(*id)));
        held.into_iter().filter(|local| !kept.contains(local)).for_each(|local| outside.free(local));
        for (id, plan) in new {
            if old.get(&id) != Some(&plan) {
                outside.order(Order::Put(Box::new(plan)));
            }
        }
        if let Some(at) = ends {
            self.ending.remove(&(at, call.id.clone()));
        }
        if let Some(at) = call.ends {
            self.ending.insert((at, call.id.clone()), ());
        }
        if before.is_none() {
            self.totals.calls += 1;
        }
        self.calls.insert(call.id.clone(), call);
    }

    /// Ends a call now.
    fn end(&mut self, id: &str, outside: &mut dyn Outside) {
        let Some(call) = self.calls.remove(id) else { return };
        self.totals.deleted += 1;
        if let Some(at) = call.ends {
            self.ending.remove(&(at, id.to_owned()));
        }
        if call.recording != crate::ng::Recording::Off {
            outside.order(Order::Record {
                call: call.id.clone(),
                room: false,
                recording: crate::ng::Recording::Off,
                target: Default::default(),
                metadata: None,
            });
        }
        plans::plans(&call, &self.settings).keys().for_each(|id| outside.order(Order::Drop(*id)));
        plans::ports(&call).into_iter().for_each(|local| outside.free(local));
    }

    /// When a call ends next, microseconds since 1970: [`Calls::expire`] is due then.
    pub fn wants(&self) -> Option<u64> {
        self.ending.keys().next().map(|(at, _)| *at)
    }

    /// Ends calls whose delay has passed, and tells which.
    pub fn expire(&mut self, now: u64, outside: &mut dyn Outside) -> Vec<String> {
        let due: Vec<String> = self.ending.keys().take_while(|(at, _)| *at <= now).map(|(_, id)| id.clone()).collect();
        due.iter().for_each(|id| self.end(id, outside));
        due
    }

    /// A call.
    pub fn get(&self, id: &str) -> Option<&Call> {
        self.calls.get(id)
    }

    /// Calls in the table.
    pub fn len(&self) -> usize {
        self.calls.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Commands and calls counted since the beginning.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// A call as bytes to be kept: two of version, then postcard's. They hold keys.
    pub fn row(&self, id: &str) -> Option<Vec<u8>> {
        postcard::to_extend(self.calls.get(id)?, VERSION.to_be_bytes().to_vec()).ok()
    }

    /// Takes a call over from its row. Its endpoints are ordered; their ports are the shell's to bind again.
    ///
    /// # Errors
    /// The row is none, or of a newer program.
    pub fn restore(&mut self, row: &[u8], outside: &mut dyn Outside) -> Result<(), BadRow> {
        let (version, body) = row.split_first_chunk::<2>().ok_or_else(|| BadRow::Unreadable("it has no version".into()))?;
        match u16::from_be_bytes(*version) {
            newer if newer > VERSION => return Err(BadRow::Newer(newer)),
            _ => {}
        }
        let call: Call = postcard::from_bytes(body).map_err(|error| BadRow::Unreadable(error.to_string()))?;
        let last = call.legs.iter().flat_map(|leg| &leg.media).filter_map(|medium| medium.endpoint).map(|id| id.0).max();
        self.next_endpoint = self.next_endpoint.max(last.map_or(0, |last| last.saturating_add(1)));
        self.put(call, outside);
        Ok(())
    }
}

fn with_warnings(value: Value, warnings: &[String]) -> Value {
    match ok(warnings).get("warning") {
        Some(warning) if value.get("warning").is_none() => value.with("warning", warning.clone()),
        _ => value,
    }
}
