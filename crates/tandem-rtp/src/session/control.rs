//! Commands about a call that is there: recording, blocking, playing, DTMF. Descriptions are not touched.

use super::call::{Call, Leg, Role};
use super::outside::{Order, Outside};
use super::work::Work;
use super::{publish, Calls};
use crate::audio::dtmf::Digit;
use crate::audio::play::Position;
use crate::ng::{ok, Block, Command, Dtmf, Failure, Options, Party, Play, Record, Recording, RecordingTarget, Signal, Value};
use crate::plan::EndpointId;
use crate::studio::Job;

type Done = Result<(Value, Option<String>), Failure>;

impl Calls {
    pub(super) fn control(
        &mut self,
        command: &Command,
        id: Option<&str>,
        now: u64,
        outside: &mut dyn Outside,
        warnings: &mut Vec<String>,
    ) -> Done {
        match command {
            Command::Record(record) => self.recording(record, outside),
            Command::Block(block) => self.block(block, now, outside),
            Command::Forward { call, party, on } => {
                let from = self.endpoints(call, party)?;
                outside.order(Order::Forward { from, on: *on });
                Ok((ok(&[]), Some(call.clone())))
            }
            Command::Tap { call, seconds } => {
                if seconds.is_some() && !self.calls.contains_key(call) {
                    return Err(unknown(call));
                }
                outside.order(Order::Tap { call: call.clone(), seconds: *seconds });
                Ok((ok(&[]), None))
            }
            Command::Play(play) => self.play(play, id, now, outside),
            Command::StopPlay { room: Some(room), .. } => {
                outside.order(Order::StopPlay { to: Vec::new(), room: Some(room.clone()) });
                Ok((ok(&[]), None))
            }
            Command::StopPlay { call, party, .. } => {
                let to = self.endpoints(call, party)?;
                outside.order(Order::StopPlay { to, room: None });
                Ok((ok(&[]), Some(call.clone())))
            }
            Command::Gather(asked) => {
                let from = self.outside_rooms(&asked.call, &asked.party)?;
                if self.first_time(&asked.call, id) {
                    outside.order(Order::Gather { from, name: id.map(str::to_owned), wish: Some(asked.wish.clone()) });
                }
                Ok((ok(&[]), Some(asked.call.clone())))
            }
            Command::StopGather { call, party } => {
                outside.order(Order::Gather { from: self.endpoints(call, party)?, name: None, wish: None });
                Ok((ok(&[]), Some(call.clone())))
            }
            Command::Join(join) => self.join(join, now, outside),
            Command::Leave { call, party } => self.leave(call, party, now, outside),
            Command::Roster(room) => Ok((self.roster(room), None)),
            Command::Dtmf(dtmf) => self.dtmf(dtmf, id, outside),
            Command::Publish(signal) => self.publish(signal, now, outside, warnings),
            Command::SubscribeRequest(subscribe) => {
                let done =
                    self.change(&subscribe.call, false, now, outside, warnings, |call, work| publish::request(call, subscribe, work))?;
                let (sdp, tags, tag) = done;
                let mut value = ok(&[]).with("sdp", Value::Text(sdp)).with("to-tag", tag.into());
                if let [only] = &tags[..] {
                    value.put("from-tag", only.clone().into());
                }
                value.put("from-tags", Value::List(tags.into_iter().map(Value::from).collect()));
                Ok((value, Some(subscribe.call.clone())))
            }
            Command::SubscribeAnswer(signal) => {
                self.change(&signal.call, false, now, outside, warnings, |call, work| publish::answer(call, signal, work))?;
                Ok((ok(&[]), Some(signal.call.clone())))
            }
            Command::Unsubscribe { call: id, to_tag } => {
                self.change(id, false, now, outside, warnings, |call, _| publish::unsubscribe(call, to_tag))?;
                Ok((ok(&[]), Some(id.clone())))
            }
            Command::Ping
            | Command::Offer(_)
            | Command::Answer(_)
            | Command::Delete(_)
            | Command::Query(_)
            | Command::List(_)
            | Command::Statistics => Err(Failure::State("the command is carried out elsewhere")),
        }
    }

    /// A publisher that names no call and no tag is given both.
    fn publish(&mut self, signal: &Signal, now: u64, outside: &mut dyn Outside, warnings: &mut Vec<String>) -> Done {
        let mut signal = signal.clone();
        let mut value = ok(&[]);
        for (key, name) in [("call-id", &mut signal.call), ("from-tag", &mut signal.from_tag)] {
            if name.is_empty() {
                let mut work = Work { settings: &self.settings, outside, next: &mut self.next_endpoint, now, warnings };
                *name = work.letters::<{ publish::NAME_CHARACTERS }>().replace('/', "-");
                value.put(key, name.clone().into());
            }
        }
        let sdp = self.change(&signal.call, true, now, outside, warnings, |call, work| publish::publish(call, &signal, work))?;
        if let Some(on) = signal.options.record {
            self.record(&signal.call, on, &signal.options, outside);
        }
        Ok((value.with("sdp", Value::Text(sdp)), Some(signal.call)))
    }

    /// Recording by a flag of an offer or answer.
    pub(super) fn record(&mut self, id: &str, on: bool, options: &Options, outside: &mut dyn Outside) {
        let recording = if on { Recording::On } else { Recording::Off };
        if self.calls.get(id).is_some_and(|call| call.recording != recording) {
            let record = Record {
                call: id.to_owned(),
                room: None,
                recording,
                target: options.recording.clone(),
                metadata: options.metadata.clone(),
            };
            // The call is there: nothing can fail.
            let _ = self.recording(&record, outside);
        }
    }

    fn recording(&mut self, record: &Record, outside: &mut dyn Outside) -> Done {
        let Record { recording, target, metadata, room, .. } = record.clone();
        if let Some(room) = room {
            outside.order(Order::Record { call: room, room: true, recording, target, metadata });
            return Ok((ok(&[]), None));
        }
        let call = self.calls.get_mut(&record.call).ok_or_else(|| unknown(&record.call))?;
        call.metadata = metadata.or(call.metadata.take());
        // What is not on cannot be paused, and what is off stays off.
        let stays = call.recording == recording || call.recording == Recording::Off && recording == Recording::Paused;
        if !stays || target != RecordingTarget::default() && recording == Recording::On {
            call.recording = recording;
            outside.order(Order::Record { call: call.id.clone(), room: false, recording, target, metadata: call.metadata.clone() });
        }
        Ok((ok(&[]), Some(record.call.clone())))
    }

    fn block(&mut self, block: &Block, now: u64, outside: &mut dyn Outside) -> Done {
        self.change(&block.call, false, now, outside, &mut Vec::new(), |call, _| {
            let party = &block.party;
            let chosen =
                if party.label.is_some() || party.address.is_some() || party.directional { Some(places(call, party)?) } else { None };
            match chosen {
                Some(places) => {
                    for at in places {
                        let Some(leg) = call.legs.get_mut(at) else { continue };
                        leg.held_back.set(block.what, block.on);
                        leg.label = block.set_label.clone().or(leg.label.take());
                    }
                }
                None => {
                    call.held_back.set(block.what, block.on);
                    if !block.on && party.all {
                        call.legs.iter_mut().for_each(|leg| leg.held_back.set(block.what, false));
                    }
                }
            }
            Ok(())
        })?;
        Ok((ok(&[]), Some(block.call.clone())))
    }

    fn play(&mut self, play: &Play, id: Option<&str>, now: u64, outside: &mut dyn Outside) -> Done {
        let job = Job {
            name: id.map(str::to_owned),
            pieces: play.pieces.clone(),
            times: Some(u64::from(play.times)).filter(|times| *times > 0),
            until: Some(u64::from(play.duration_ms)).filter(|ms| *ms > 0).map(|ms| now + ms * 1_000),
            alone: play.block_egress,
            position: Position { milliseconds: u64::from(play.start_ms), ..Position::default() },
        };
        if let Some(room) = &play.room {
            outside.order(Order::Play { to: Vec::new(), room: Some(room.clone()), job });
            return Ok((ok(&[]), None));
        }
        let to = self.outside_rooms(&play.call, &play.party)?;
        if self.first_time(&play.call, id) {
            outside.order(Order::Play { to, room: None, job });
        }
        Ok((ok(&[]), Some(play.call.clone())))
    }

    fn dtmf(&mut self, dtmf: &Dtmf, id: Option<&str>, outside: &mut dyn Outside) -> Done {
        let from = self.endpoints(&dtmf.call, &dtmf.party)?;
        if self.first_time(&dtmf.call, id) {
            let Dtmf { event, duration_ms, volume, pause_ms, .. } = *dtmf;
            let digit = Digit::of_event(event).ok_or(Failure::State("code: no key has this event"))?;
            outside.order(Order::Dtmf { from, digit, duration_ms, volume, pause_ms });
        }
        Ok((ok(&[]), Some(dtmf.call.clone())))
    }

    pub(super) fn first_time(&mut self, call: &str, id: Option<&str>) -> bool {
        id.is_none_or(|id| self.calls.get_mut(call).is_some_and(|call| call.first_time(id)))
    }

    /// The same, of legs that are in no room: what a member hears, the room says.
    fn outside_rooms(&self, call: &str, party: &Party) -> Result<Vec<EndpointId>, Failure> {
        let known = self.calls.get(call).ok_or_else(|| unknown(call))?;
        let inside = places(known, party)?.into_iter().filter_map(|at| known.legs.get(at)).any(|leg| leg.room.is_some());
        if inside {
            return Err(Failure::State("the party is in a room: name the room, or let it leave first"));
        }
        self.endpoints(call, party)
    }

    /// The endpoints of audio of the legs that are named.
    fn endpoints(&self, call: &str, party: &Party) -> Result<Vec<EndpointId>, Failure> {
        let call = self.calls.get(call).ok_or_else(|| unknown(call))?;
        let legs = places(call, party)?.into_iter().filter_map(|at| call.legs.get(at));
        Ok(legs.flat_map(|leg| leg.media.iter().filter(|medium| medium.kind == "audio").filter_map(|medium| medium.endpoint)).collect())
    }
}

/// The places of the legs that a command names.
pub(super) fn places(call: &Call, party: &Party) -> Result<Vec<usize>, Failure> {
    let fits: Box<dyn Fn(&Leg) -> bool> = if party.all {
        Box::new(|leg| leg.role == Role::Dialog)
    } else if let Some(label) = &party.label {
        Box::new(move |leg| leg.label.as_ref() == Some(label))
    } else if let Some(address) = party.address {
        Box::new(move |leg| {
            leg.media.iter().any(|medium| medium.theirs.as_ref().and_then(|theirs| theirs.rtp).is_some_and(|rtp| rtp.ip() == address))
        })
    } else if !party.from_tags.is_empty() {
        Box::new(|leg| party.from_tags.iter().any(|tag| leg.has_tag(tag)))
    } else if let Some(tag) = &party.from_tag {
        Box::new(move |leg| leg.has_tag(tag))
    } else {
        return Err(Failure::Missing("from-tag"));
    };
    let places: Vec<usize> = call.legs.iter().enumerate().filter(|(_, leg)| fits(leg)).map(|(at, _)| at).collect();
    match (places.is_empty(), &party.label, &party.from_tag) {
        (false, ..) => Ok(places),
        (true, Some(label), _) => Err(Failure::Party { field: "label", value: label.chars().take(64).collect() }),
        (true, None, Some(tag)) if party.address.is_none() => {
            Err(Failure::Party { field: "from-tag", value: tag.chars().take(64).collect() })
        }
        _ => Err(Failure::Party { field: "address", value: party.address.map(|address| address.to_string()).unwrap_or_default() }),
    }
}

pub(super) fn unknown(call: &str) -> Failure {
    Failure::Call(call.chars().take(64).collect())
}
