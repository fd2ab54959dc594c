//! The thread that is asked: commands come in, the call table decides, threads and journal are told. It carries no packet.

use std::collections::HashMap;
use std::io;
use std::os::fd::AsRawFd;
use std::thread::JoinHandle;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tandem_rtp::dtls::Identity;
use tandem_rtp::ng::{self, repeats::Repeats, Codec, Value};
use tandem_rtp::plan::{Endpoint, EndpointId};
use tandem_rtp::relay::{Event, Live, Silence};
use tandem_rtp::sdp::Fingerprint;
use tandem_rtp::session::{Calls, Order, Settings};
use tandem_rtp::studio::{DeskState, Told};
use tandem_sys::epoll::{Epoll, Interest, Ready};
use tandem_sys::log::Log;
use tandem_sys::signal::{Asked, Signals};

use crate::booth::Booth;
use crate::config::{Config, KernelPath, RelayError};
use crate::gates::{Asker, Gates};
use crate::hands::{Hands, Threads};
use crate::listeners::Listeners;
use crate::losses::Losses;
use crate::orders::{self, Mailbox, Report};
use crate::outside::House;
use crate::ports::PortPool;
use crate::shortcut::Shared;
use crate::sounds::Sounds;
use crate::spool::{Spool, TapeName};
use crate::state::{Left, State};
use crate::tapes::Tape;
use crate::taps::Taps;
use crate::{happened, identity, measured};

const SIGNAL: u64 = 0;
const REPORTS: u64 = 1;
const GATES: u64 = 16;
/// Time between two looks at pulse and calls that have ended, in microseconds.
const TICK_US: u64 = 1_000_000;
/// What can be made of anything else that is in this list.
const TRANSCODES: [&str; 6] = ["PCMU/8000", "PCMA/8000", "G722/8000", "opus/48000/2", "L16/16000", "telephone-event/8000"];
/// Longest wait for anything, in milliseconds.
const WAIT_MS: i32 = 500;

/// The relay's first thread.
pub struct Control {
    config: Config,
    epoll: Epoll,
    signals: Signals,
    gates: Gates,
    reports: Mailbox<Report>,
    calls: Calls,
    repeats: Repeats,
    house: House,
    state: Option<State>,
    /// Endpoints that are alive.
    endpoints: HashMap<EndpointId, Known>,
    listeners: Listeners,
    losses: Losses,
    log: Log,
    kernel: Option<Shared>,
    booth: Booth,
    spool: JoinHandle<()>,
    taps: Taps,
    clock: Clock,
    tick_at: u64,
}

/// Whose an endpoint is.
struct Known {
    call: String,
    leg: String,
    room: Option<String>,
}

impl Known {
    fn of(plan: &Endpoint) -> Known {
        Known { call: plan.call.clone(), leg: plan.leg.clone(), room: room_of(plan).map(str::to_owned) }
    }
}

fn room_of(plan: &Endpoint) -> Option<&str> {
    plan.room.as_ref().map(|place| &place.room[..])
}

/// What became of the orders of one command.
#[derive(Default)]
struct Carried {
    /// What was measured of endpoints that ended.
    ended: Vec<Value>,
    /// Why one was not carried out.
    failed: Option<String>,
    duration_ms: Option<u64>,
    /// What became of a tap.
    tap: Option<Value>,
}

/// Microseconds since 1970 that never go back.
#[derive(Debug, Clone, Copy)]
struct Clock {
    began: u64,
    started: Instant,
}

impl Clock {
    fn new() -> Clock {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock { began: since.as_micros() as u64, started: Instant::now() }
    }

    fn now(&self) -> u64 {
        self.began + self.started.elapsed().as_micros() as u64
    }
}

impl Control {
    /// Opens everything, and goes on with the calls of a predecessor.
    pub fn open(config: Config) -> Result<Control, RelayError> {
        let failed = |what: &'static str| move |why| RelayError::Socket { what: what.into(), why };
        let clock = Clock::new();
        let _ = tandem_sys::socket::raise_descriptor_limit();
        let epoll = Epoll::new().map_err(failed("epoll"))?;
        let signals = Signals::open().map_err(failed("signals"))?;
        let reports = Mailbox::open().map_err(failed("eventfd"))?;
        let read = Interest { read: true, write: false };
        epoll.add(signals.as_raw_fd(), SIGNAL, read).map_err(failed("epoll"))?;
        epoll.add(reports.as_raw_fd(), REPORTS, read).map_err(failed("epoll"))?;
        let state = config.state.as_deref().map(|directory| State::open(directory, clock.now())).transpose()?;
        let identity = identity::of(state.as_ref(), clock.now())?;
        let second = |seconds: u32| u64::from(seconds) * 1_000_000;
        let silence = Silence { sending: second(config.timeout), held: second(config.silent_timeout) };
        let log = Log::of("tandem-relay");
        let threads = Threads { wall: clock.now(), tos: config.tos, silence, identity: identity.clone() };
        let (spool, writing) = Spool::start(reports.clone()).map_err(failed("thread"))?;
        let sounds = Sounds::new(config.sounds.clone(), config.speech.clone());
        let mut control = Control {
            booth: Booth::new(sounds, spool, config.recordings.clone()),
            spool: writing,
            taps: Taps::open(config.taps.clone()).map_err(failed("taps"))?,
            gates: Gates::open(&config.ng, &epoll, GATES)?,
            calls: Calls::new(settings(&config)),
            repeats: Repeats::default(),
            house: House {
                ports: PortPool::new(config.interfaces.clone(), config.ports, clock.began as u16),
                hands: Hands::start(config.workers(), &reports, &threads)?,
                bound: HashMap::new(),
                fingerprint: Fingerprint { hash: "sha-256".into(), bytes: identity.certificate().fingerprint().to_vec() },
                orders: Vec::new(),
            },
            state,
            endpoints: HashMap::new(),
            listeners: Listeners::default(),
            losses: Losses::default(),
            log,
            kernel: None,
            tick_at: 0,
            config,
            epoll,
            signals,
            reports,
            clock,
        };
        control.go_on();
        later(&control.config, identity, control.reports.clone()).map_err(failed("thread"))?;
        Ok(control)
    }

    /// Serves until SIGTERM.
    pub fn run(mut self) -> Result<(), RelayError> {
        let failed = |why| RelayError::Socket { what: "epoll".into(), why };
        let (calls, threads) = (self.calls.len(), self.config.workers());
        self.log.say(self.clock.now(), "serving", &[("threads", &threads), ("calls", &calls)]);
        let mut ready = Vec::new();
        loop {
            self.epoll.wait(WAIT_MS, &mut ready).map_err(failed)?;
            for event in ready.drain(..) {
                match event.token {
                    SIGNAL if self.signals.take() == Some(Asked::Stop) => return self.stop(),
                    SIGNAL => {}
                    REPORTS => self.reported()?,
                    _ => self.gate(event),
                }
            }
            let now = self.clock.now();
            if now >= self.tick_at {
                self.tick_at = now + TICK_US;
                self.tick(now);
            }
            if self.calls.wants().is_some_and(|at| at <= now) {
                let ended = self.calls.expire(now, &mut self.house);
                drop(self.carry_out()); // nobody asked: what was measured, or failed, is told by nobody
                ended.iter().for_each(|call| self.keep(call));
            }
        }
    }

    fn gate(&mut self, event: Ready) {
        if event.write {
            self.gates.written(&self.epoll, event.token);
        }
        let mut asked = Vec::new();
        if event.read {
            self.gates.read(&self.epoll, event.token, &mut |asker, message| asked.push((asker, message.to_vec())));
        }
        for (asker, message) in asked {
            self.answer(&asker, &message);
        }
    }

    /// Carries one command out; what it changed is in the journal before its answer goes.
    fn answer(&mut self, asker: &Asker, message: &[u8]) {
        let (now, client) = (self.clock.now(), format!("{asker:?}"));
        let Some(question) = ng::read(message) else { return };
        if let Some(answer) = self.repeats.answer(now, client.as_bytes(), question.cookie).map(<[u8]>::to_vec) {
            self.gates.answer(&self.epoll, asker, &answer);
            return;
        }
        let events = question.body.as_ref().is_ok_and(|body| body.get("events").is_some());
        self.listeners.asked(asker, events, now);
        let (mut value, changed) = match &question.body {
            Ok(body) => {
                let answer = self.calls.message(body, now, &mut self.house);
                (answer.value, answer.changed)
            }
            Err(bad) => (ng::failed(bad), None),
        };
        let Carried { ended, failed, duration_ms, tap } = self.carry_out();
        if let Some(why) = failed.filter(|_| value.get("error-reason").is_none()) {
            value = Value::dict().with("result", Value::text("error")).with("error-reason", Value::text(why));
        }
        if !ended.is_empty() && value.get("error-reason").is_none() {
            value.put("quality", Value::List(ended));
        }
        if let Some(ms) = duration_ms {
            value.put("duration", Value::Integer(i64::try_from(ms).unwrap_or(i64::MAX)));
        }
        if let Some(tap) = tap {
            value.put("tap", tap);
        }
        if let Some(call) = changed {
            self.keep(&call);
        }
        if let Some(reason) = value.get("error-reason").and_then(Value::as_str) {
            self.log.say(now, "command refused", &[("why", &reason)]);
        } else if let Some(warning) = value.get("warning").and_then(Value::as_str) {
            self.log.say(now, "command has unknown parts", &[("which", &warning)]);
        }
        let answer = ng::write(question.cookie, question.form, &value);
        self.gates.answer(&self.epoll, asker, &answer);
        self.repeats.keep(now, client.as_bytes(), question.cookie, answer);
    }

    /// Does what the call table ordered.
    fn carry_out(&mut self) -> Carried {
        let mut carried = Carried::default();
        let orders = std::mem::take(&mut self.house.orders);
        let gone: Vec<EndpointId> = orders.iter().filter_map(|order| if let Order::Drop(id) = order { Some(*id) } else { None }).collect();
        let known = if gone.is_empty() { Vec::new() } else { self.house.hands.ask(&gone) };
        let tag = |live: &Live| self.endpoints.get(&live.id).map(|known| known.leg.as_str());
        carried.ended = known.iter().flat_map(|live| measured::quality(tag(live).unwrap_or_default(), live)).collect();
        for order in orders {
            match order {
                Order::Put(plan) => {
                    self.losses.forget(plan.id);
                    let pair = self.house.bound.remove(&plan.local);
                    let was = self.endpoints.insert(plan.id, Known::of(&plan)).and_then(|known| known.room);
                    self.moved(&plan.call, &plan.leg, was.as_deref(), room_of(&plan));
                    let (id, tap) = (plan.id, self.taps.of(&plan.call));
                    self.house.hands.put(*plan, pair, None);
                    if tap.is_some() {
                        self.house.hands.of(id, orders::Order::Tap(id, tap));
                    }
                }
                Order::Tap { call, seconds } => match self.tap(&call, seconds) {
                    Ok(told) => carried.tap = Some(told),
                    Err(why) => carried.failed = Some(why),
                },
                Order::Drop(id) => {
                    self.losses.forget(id);
                    let Some(known) = self.endpoints.remove(&id) else { continue };
                    self.house.hands.drop(id, &known.call);
                    self.moved(&known.call, &known.leg, known.room.as_deref(), None);
                }
                sound => match self.booth.carry_out(self.clock.now(), sound, &mut self.house) {
                    Ok(done) => {
                        carried.duration_ms = done.duration_ms.or(carried.duration_ms);
                        done.tape.iter().for_each(|name| self.keep_tape(name));
                    }
                    Err(why) => carried.failed = Some(why),
                },
            }
        }
        if !gone.is_empty() {
            self.forget(&gone);
        }
        carried
    }

    /// Begins or ends the tap of a call.
    fn tap(&mut self, call: &str, seconds: Option<u32>) -> Result<Value, String> {
        let now = self.clock.now();
        let changed = match seconds {
            Some(seconds) => self.taps.begin(now, call, seconds).map(|()| true)?,
            None => self.taps.end(now, call),
        };
        if changed {
            self.log.say(now, if seconds.is_some() { "tap begins" } else { "tap ends" }, &[("call", &call)]);
            self.attach(call);
        }
        self.taps.told(call).ok_or_else(|| format!("call-id: '{call}' is not tapped"))
    }

    /// Tells the threads that have a call whether it is tapped.
    fn attach(&self, call: &str) {
        for id in self.endpoints_of(call) {
            self.house.hands.of(id, orders::Order::Tap(id, self.taps.of(call)));
        }
    }

    /// Those of a call that are alive.
    fn endpoints_of(&self, call: &str) -> Vec<EndpointId> {
        let media = self.calls.get(call).into_iter().flat_map(|call| &call.legs).flat_map(|leg| &leg.media);
        media.filter_map(|medium| medium.endpoint).filter(|id| self.endpoints.contains_key(id)).collect()
    }

    /// Tells that a leg has gone from one room to another.
    fn moved(&mut self, call: &str, leg: &str, was: Option<&str>, is: Option<&str>) {
        if was == is {
            return;
        }
        was.into_iter().for_each(|room| self.tell(&happened::moved(call, leg, room, false)));
        is.into_iter().for_each(|room| self.tell(&happened::moved(call, leg, room, true)));
    }

    /// Tells whoever listens.
    fn tell(&mut self, event: &Value) {
        let mut told = Vec::new();
        ng::json::write(event, &mut told);
        self.listeners.tell(self.clock.now(), |asker| self.gates.answer(&self.epoll, asker, &told));
    }

    /// Writes a recording as it is now, or that it is no more.
    fn keep_tape(&mut self, name: &TapeName) {
        self.kept(|control, state| state.tape(name, control.booth.tapes.get(name)));
    }

    /// Writes a call as it is now, or that it is no more.
    fn keep(&mut self, call: &str) {
        self.kept(|control, state| state.call(call, control.calls.row(call).as_deref()));
    }

    fn forget(&mut self, ids: &[EndpointId]) {
        self.kept(|_, state| state.ended(ids));
    }

    /// Writes to the journal, if there is one; says what it could not write.
    fn kept(&mut self, write: impl FnOnce(&Control, &State) -> Result<(), RelayError>) {
        let done = self.state.as_ref().map_or(Ok(()), |state| write(self, state));
        if let Err(error) = done {
            self.log.say(self.clock.now(), "state not kept", &[("why", &error)]);
        }
    }

    fn reported(&mut self) -> Result<(), RelayError> {
        for report in self.reports.take() {
            match report {
                Report::Changed(mut live) => {
                    live.retain(|one| self.endpoints.contains_key(&one.id)); // else it ended meanwhile
                    self.kept(|_, state| state.live(&live));
                }
                Report::Happened(id, Event::Told(told)) => self.told(id, &told),
                Report::Reeled(name, reeled) => {
                    let last = reeled.state.is_none();
                    if !self.booth.spool.reeled(name.clone(), reeled) {
                        self.log.say(self.clock.now(), "recording has a hole", &[("why", &"the disk is too slow"), ("name", &name.1)]);
                    }
                    if let Some(tape) = last.then(|| self.booth.tapes.remove(&name)).flatten() {
                        self.booth.spool.end(name.clone(), tape.place.clone(), tape.about(self.clock.now()));
                        self.keep_tape(&name);
                    }
                }
                Report::Spooled(name, state, rate) => {
                    if let Some(tape) = self.booth.tapes.get_mut(&name) {
                        tape.state = Some((state, rate));
                        self.keep_tape(&name);
                    }
                }
                Report::Unsounded(why) => self.log.say(self.clock.now(), "sound not made", &[("why", &why)]),
                Report::Unwritten(why) => self.log.say(self.clock.now(), "recording not written", &[("why", &why)]),
                Report::Happened(id, event) => {
                    let call = self.endpoints.get(&id).map_or("", |known| &known.call);
                    let now = self.clock.now();
                    self.log.say(now, "endpoint", &[("call", &call), ("what", &format!("{event:?}"))]);
                    self.losses.happened(now, id, &event);
                }
                Report::Silent(id) => self.silent(id),
                Report::Kernel(Ok(kernel)) => {
                    self.log.say(self.clock.now(), "kernel path on", &[("interfaces", &kernel.interfaces().join(" "))]);
                    self.house.hands.pass(&kernel);
                    self.kernel = Some(kernel);
                }
                Report::Kernel(Err(why)) if self.config.kernel == KernelPath::On => return Err(RelayError::Kernel(why)),
                Report::Kernel(Err(why)) => self.log.say(self.clock.now(), "kernel path off", &[("why", &why)]),
            }
        }
        Ok(())
    }

    fn told(&mut self, id: EndpointId, told: &Told) {
        let Some(Known { call, leg, room }) = self.endpoints.get(&id) else { return };
        let event = happened::told(call, leg, room.as_deref(), told);
        self.tell(&event);
    }

    /// A call whose every peer is silent has no media any more: its node is told (one way is a phone that mutes).
    fn silent(&mut self, id: EndpointId) {
        let Some(Known { call, leg, .. }) = self.endpoints.get(&id) else { return };
        let ids = self.endpoints_of(call);
        let (now, limit) = (self.clock.now(), u64::from(self.config.timeout) * 1_000_000);
        let heard = |live: &Live| live.counts.iter().any(|counts| now.saturating_sub(counts.last_at) < limit);
        if self.house.hands.ask(&ids).iter().any(heard) {
            return;
        }
        self.log.say(now, "media is gone", &[("call", call)]);
        let event = happened::event("timeout", call, leg);
        self.tell(&event);
    }

    /// Tells the nodes of calls whose peers are lost.
    fn tell_losses(&mut self, now: u64) {
        for (id, what) in self.losses.due(now) {
            let Some(Known { call, leg, .. }) = self.endpoints.get(&id) else {
                self.losses.forget(id);
                continue;
            };
            let event = happened::event(what, call, leg);
            self.tell(&event);
        }
    }

    fn tick(&mut self, now: u64) {
        self.tell_losses(now);
        for call in self.taps.tick(now, |call| self.calls.get(call).is_some()) {
            self.log.say(now, "tap ends", &[("call", &call)]);
            self.attach(&call);
        }
        if let Some(state) = &self.state {
            state.advance(now);
        }
        if let Some(kernel) = &self.kernel {
            kernel.tend();
        }
        if let Some(pulse) = &self.config.pulse {
            // A pulse that cannot be written looks like a relay that hangs, and it is replaced: no worse than one without state.
            let _ = tandem_sys::pulse::beat(pulse);
        }
    }

    /// Takes over what a predecessor left: ports first, then plans with what was known.
    fn go_on(&mut self) {
        let Left { calls, mut live, tapes } = self.state.as_ref().map(State::left).unwrap_or_default();
        for (id, row) in calls {
            if let Err(why) = self.calls.restore(&row, &mut self.house) {
                self.log.say(self.clock.now(), "call not taken over", &[("call", &id), ("why", &why)]);
            }
        }
        let handed_on: Vec<Live> = live.values().cloned().map(Live::handed_on).collect();
        self.kept(|_, state| state.live(&handed_on));
        let mut jobs = Vec::new();
        for order in std::mem::take(&mut self.house.orders) {
            let Order::Put(plan) = order else { continue };
            match self.house.ports.again(plan.local) {
                Ok(pair) => {
                    self.endpoints.insert(plan.id, Known::of(&plan));
                    let known = live.remove(&plan.id);
                    let room = room_of(&plan).map(str::to_owned);
                    jobs.extend(known.as_ref().and_then(|live| live.desk.clone()).map(|desk| (plan.id, room, desk)));
                    self.house.hands.put(*plan, Some(pair), known);
                }
                // Never a reason to forget the call: the next offer or answer finds other ports.
                Err(why) => self.log.say(self.clock.now(), "port is not free", &[("port", &plan.local.rtp), ("why", &why)]),
            }
        }
        let orphans: Vec<_> = live.into_keys().collect();
        self.forget(&orphans);
        self.sound_on(jobs, tapes);
    }

    /// Goes on with what a predecessor played, gathered and recorded.
    fn sound_on(&mut self, jobs: Vec<(EndpointId, Option<String>, DeskState)>, tapes: Vec<Tape>) {
        for (id, room, desk) in jobs {
            let hands = &mut self.house.hands;
            let to = if room.is_none() { &[id][..] } else { &[] };
            let played = desk.job.map_or(Ok(()), |job| self.booth.play(to, room.as_deref(), job, hands).map(drop));
            if let Err(why) = played {
                self.log.say(self.clock.now(), "not played on", &[("why", &why)]);
            }
            if let Some((name, gather)) = desk.gather {
                hands.of(id, orders::Order::GatherOn(id, name, Box::new(gather)));
            }
        }
        tapes.into_iter().for_each(|tape| self.booth.record_on(tape, &mut self.house));
    }

    fn stop(mut self) -> Result<(), RelayError> {
        self.log.say(self.clock.now(), "stopped", &[("calls", &self.calls.len())]);
        let ids: Vec<_> = self.endpoints.keys().copied().collect();
        let known = self.house.hands.ask(&ids);
        if let Some(state) = &self.state {
            state.live(&known)?;
        }
        self.house.hands.stop();
        self.reported()?;
        self.booth.spool.stop();
        let _ = self.spool.join(); // one that panicked has ended too
        Ok(())
    }
}

/// What takes a while and no packet has to wait for: a restarted relay's calls go on meanwhile.
fn later(config: &Config, identity: Identity, reports: Mailbox<Report>) -> io::Result<()> {
    let addresses: Vec<_> = config.interfaces.iter().map(|interface| interface.address).collect();
    let pairs = u32::from(config.ports.max - config.ports.min).div_ceil(2) * addresses.len() as u32;
    let wanted = config.kernel != KernelPath::Off;
    let named = std::thread::Builder::new().name("later".into());
    named.spawn(move || {
        identity.prepare();
        if wanted {
            reports.put(Report::Kernel(Shared::open(&addresses, pairs)));
        }
    })?;
    Ok(())
}

fn settings(config: &Config) -> Settings {
    let mut interfaces: Vec<String> = Vec::new();
    for interface in &config.interfaces {
        if !interfaces.contains(&interface.name) {
            interfaces.push(interface.name.clone());
        }
    }
    let transcodes = TRANSCODES.into_iter().filter_map(Codec::parse).collect();
    Settings { interfaces, tos: config.tos, delete_delay_seconds: config.delete_delay, transcodes, ..Settings::default() }
}
