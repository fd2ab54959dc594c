//! Orders about sound, brought to the threads that carry them out: files are opened and recordings get theirs. It decides about no call.

use tandem_rtp::ng::{Recording, RecordingTarget};
use tandem_rtp::plan::EndpointId;
use tandem_rtp::session::{Order, Outside};
use tandem_rtp::studio::Job;

use crate::config::Recordings;
use crate::hands::Hands;
use crate::orders;
use crate::outside::House;
use crate::sounds::Sounds;
use crate::spool::{Spool, TapeName};
use crate::tapes::{Tape, Tapes};

/// Speech that is being made at one time, at most.
pub const SPEAKING: usize = 16;

/// What orders about sound need.
pub struct Booth {
    /// Where sound comes from.
    pub sounds: Sounds,
    /// Who writes recordings.
    pub spool: Spool,
    /// Those that run.
    pub tapes: Tapes,
    /// Where they go; `None`: nothing can be recorded.
    pub recordings: Option<Recordings>,
    speaking: std::sync::Arc<()>,
}

/// What became of an order.
#[derive(Debug, Default)]
pub struct Done {
    /// A recording to be kept anew, or to be forgotten when it runs no more.
    pub tape: Option<TapeName>,
    /// How long it will sound, milliseconds.
    pub duration_ms: Option<u64>,
}

impl Booth {
    /// Nothing runs.
    pub fn new(sounds: Sounds, spool: Spool, recordings: Option<Recordings>) -> Booth {
        Booth { sounds, spool, tapes: Tapes::new(), recordings, speaking: std::sync::Arc::default() }
    }

    /// Carries one out. The error is a reason for whoever asked.
    pub fn carry_out(&mut self, now: u64, order: Order, house: &mut House) -> Result<Done, String> {
        let hands = &mut house.hands;
        match order {
            Order::Play { to, room, job } => return self.play(&to, room.as_deref(), job, hands),
            Order::StopPlay { room: Some(room), .. } => hands.of_room(&room, orders::Order::StopPlayIn(room.clone())),
            Order::StopPlay { to, .. } => to.into_iter().for_each(|id| hands.of(id, orders::Order::StopPlay(id))),
            Order::Gather { from, name, wish } => {
                from.into_iter().for_each(|id| hands.of(id, orders::Order::Gather(id, name.clone(), wish.clone())));
            }
            Order::Dtmf { from, digit, duration_ms, .. } => {
                from.into_iter().for_each(|id| hands.of(id, orders::Order::Press(id, digit, u32::from(duration_ms))));
            }
            Order::Record { call, room, recording, target, metadata } => {
                return self.record(now, (room, call), recording, &target, metadata, house);
            }
            Order::Forward { on: true, .. } => return Err("forwarding: no place to forward to is configured".into()),
            _ => {}
        }
        Ok(Done::default())
    }

    /// Plays what a predecessor played.
    pub fn play(&mut self, to: &[EndpointId], room: Option<&str>, job: Job, hands: &mut Hands) -> Result<Done, String> {
        if Sounds::is_slow(&job.pieces) {
            return self.speak(to, room, job, hands);
        }
        let items = self.sounds.items(&job.pieces)?;
        let length = |item: &tandem_rtp::audio::play::Item| match item {
            tandem_rtp::audio::play::Item::File(sound) => sound.milliseconds(),
            tandem_rtp::audio::play::Item::Silence(ms) => *ms,
            tandem_rtp::audio::play::Item::Tone(..) => 0,
        };
        let duration_ms = Some(items.iter().map(length).sum()).filter(|ms| *ms > 0);
        for id in to {
            hands.of(*id, orders::Order::Play(*id, Box::new(job.clone()), items.clone()));
        }
        if let Some(room) = room {
            hands.of_room(room, orders::Order::PlayIn(room.to_owned(), Box::new(job), items));
        }
        Ok(Done { duration_ms, ..Done::default() })
    }

    /// Speech is made beside, and played when it is there; one that fails is over at once.
    fn speak(&mut self, to: &[EndpointId], room: Option<&str>, job: Job, hands: &Hands) -> Result<Done, String> {
        if std::sync::Arc::strong_count(&self.speaking) > SPEAKING {
            return Err(format!("speech: {SPEAKING} texts are being spoken"));
        }
        let boxes: Vec<_> = to.iter().filter_map(|id| Some((*id, hands.mailbox(*id)?))).collect();
        let in_room = room.map(|room| (room.to_owned(), hands.room_mailbox(room)));
        let (mut sounds, speaking) = (self.sounds.clone(), self.speaking.clone());
        let thread = std::thread::Builder::new().name("speech".into()).spawn(move || {
            let items = sounds.items(&job.pieces).unwrap_or_default(); // nothing sounds, and its end is told
            for (id, mailbox) in boxes {
                mailbox.put(orders::Order::Play(id, Box::new(job.clone()), items.clone()));
            }
            if let Some((room, Some(mailbox))) = in_room {
                mailbox.put(orders::Order::PlayIn(room, Box::new(job), items));
            }
            drop(speaking);
        });
        thread.map(|_| Done::default()).map_err(|why| format!("speech: {why}"))
    }

    fn record(
        &mut self,
        now: u64,
        name: TapeName,
        recording: Recording,
        target: &RecordingTarget,
        metadata: Option<String>,
        house: &mut House,
    ) -> Result<Done, String> {
        let hands = &house.hands;
        match (recording, self.tapes.get_mut(&name)) {
            (Recording::Off, None) | (Recording::Paused, None) => return Ok(Done::default()),
            (Recording::Off, Some(_)) => hands.of_tape(&name, orders::Order::EndRecord),
            (Recording::Paused, Some(tape)) | (Recording::On, Some(tape)) => {
                tape.paused = recording == Recording::Paused;
                let paused = tape.paused;
                hands.of_tape(&name, |room, name| orders::Order::PauseRecord(room, name, paused));
            }
            (Recording::On, None) => {
                let recordings = self.recordings.as_ref().ok_or("recording: no directory for recordings is configured")?;
                let tape = Tape::new(recordings, name.clone(), now, target, metadata);
                self.record_on(tape, house);
            }
        }
        Ok(Done { tape: Some(name), duration_ms: None })
    }

    /// A recording goes on that a predecessor began.
    pub fn record_on(&mut self, tape: Tape, house: &mut House) {
        let (name, reel) = (tape.name.clone(), tape.reel(serial(house)));
        self.spool.begin(name.clone(), tape.spooled.clone());
        self.tapes.insert(name.clone(), tape);
        house.hands.of_tape(&name, |room, name| orders::Order::Record(room, name, Box::new(reel)));
    }
}

/// Any number, for the stream of a recording.
fn serial(house: &mut House) -> u32 {
    let mut bytes = [0; 4];
    house.random(&mut bytes);
    u32::from_be_bytes(bytes)
}
