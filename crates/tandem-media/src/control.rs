//! The thread that is asked: commands come in, the call table decides, threads and journal are told. It carries no packet.

use std::collections::HashMap;
use std::os::fd::AsRawFd;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tandem_rtp::ng::{self, repeats::Repeats, Value};
use tandem_rtp::plan::EndpointId;
use tandem_rtp::relay::{Live, Silence};
use tandem_rtp::sdp::Fingerprint;
use tandem_rtp::session::{Calls, Order, Settings};
use tandem_sys::epoll::{Epoll, Interest, Ready};
use tandem_sys::log::Log;
use tandem_sys::signal::{Asked, Signals};

use crate::config::{Config, RelayError};
use crate::gates::{Asker, Gates};
use crate::hands::{Hands, Threads};
use crate::orders::{Mailbox, Report};
use crate::outside::House;
use crate::ports::PortPool;
use crate::state::{Left, State};
use crate::{identity, measured};

const SIGNAL: u64 = 0;
const REPORTS: u64 = 1;
const GATES: u64 = 16;
/// Call nodes that are told what happens, at most.
const NODES: usize = 16;
/// Time between two looks at pulse and calls that have ended, in microseconds.
const TICK_US: u64 = 1_000_000;
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
    /// Call nodes of this machine that have asked: they are told what happens.
    nodes: Vec<Asker>,
    log: Log,
    clock: Clock,
    tick_at: u64,
}

/// Whose an endpoint is.
struct Known {
    call: String,
    leg: String,
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
        let threads = Threads { wall: clock.now(), tos: config.tos, silence, identity: identity.clone() };
        let mut control = Control {
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
            nodes: Vec::new(),
            log: Log::of("tandem-relay"),
            tick_at: 0,
            config,
            epoll,
            signals,
            reports,
            clock,
        };
        control.go_on();
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
                    REPORTS => self.reported(),
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
                drop(self.carry_out()); // nobody asked: what was measured is told by nobody
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
        if matches!(asker, Asker::Unix(..)) && self.nodes.len() < NODES && !self.nodes.contains(asker) {
            self.nodes.push(asker.clone());
        }
        let (mut value, changed) = match &question.body {
            Ok(body) => {
                let answer = self.calls.message(body, now, &mut self.house);
                (answer.value, answer.changed)
            }
            Err(bad) => (ng::failed(bad), None),
        };
        let ended = self.carry_out();
        if !ended.is_empty() && value.get("error-reason").is_none() {
            value.put("quality", Value::List(ended));
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

    /// Does what the call table ordered; what was measured of the endpoints that end with it.
    fn carry_out(&mut self) -> Vec<Value> {
        let orders = std::mem::take(&mut self.house.orders);
        let gone: Vec<EndpointId> = orders.iter().filter_map(|order| if let Order::Drop(id) = order { Some(*id) } else { None }).collect();
        let known = if gone.is_empty() { Vec::new() } else { self.house.hands.ask(&gone) };
        let tag = |live: &Live| self.endpoints.get(&live.id).map(|known| known.leg.as_str());
        let ended = known.iter().flat_map(|live| measured::quality(tag(live).unwrap_or_default(), live)).collect();
        for order in orders {
            match order {
                Order::Put(plan) => {
                    let pair = self.house.bound.remove(&plan.local);
                    self.endpoints.insert(plan.id, Known { call: plan.call.clone(), leg: plan.leg.clone() });
                    self.house.hands.put(*plan, pair, None);
                }
                Order::Drop(id) => {
                    let Some(known) = self.endpoints.remove(&id) else { continue };
                    self.house.hands.drop(id, &known.call);
                }
                other => self.log.say(self.clock.now(), "order not known", &[("order", &format!("{other:?}"))]),
            }
        }
        if !gone.is_empty() {
            self.forget(&gone);
        }
        ended
    }

    /// Writes a call as it is now, or that it is no more.
    fn keep(&mut self, call: &str) {
        let Some(state) = &self.state else { return };
        if let Err(error) = state.call(call, self.calls.row(call).as_deref()) {
            self.log.say(self.clock.now(), "state not kept", &[("why", &error)]);
        }
    }

    fn forget(&mut self, ids: &[EndpointId]) {
        let Some(state) = &self.state else { return };
        if let Err(error) = state.ended(ids) {
            self.log.say(self.clock.now(), "state not kept", &[("why", &error)]);
        }
    }

    fn reported(&mut self) {
        for report in self.reports.take() {
            match report {
                Report::Changed(mut live) => {
                    live.retain(|one| self.endpoints.contains_key(&one.id)); // else it ended meanwhile
                    let kept = self.state.as_ref().map_or(Ok(()), |state| state.live(&live));
                    if let Err(error) = kept {
                        self.log.say(self.clock.now(), "state not kept", &[("why", &error)]);
                    }
                }
                Report::Happened(id, event) => {
                    let call = self.endpoints.get(&id).map_or("", |known| &known.call);
                    self.log.say(self.clock.now(), "endpoint", &[("call", &call), ("what", &format!("{event:?}"))]);
                }
                Report::Silent(id) => self.silent(id),
            }
        }
    }

    /// A call whose every peer is silent has no media any more: its node is told (one way is a phone that mutes).
    fn silent(&mut self, id: EndpointId) {
        let Some(Known { call, leg }) = self.endpoints.get(&id) else { return };
        let ids: Vec<_> = self.endpoints.iter().filter(|(_, known)| known.call == *call).map(|(id, _)| *id).collect();
        let (now, limit) = (self.clock.now(), u64::from(self.config.timeout) * 1_000_000);
        let heard = |live: &Live| live.counts.iter().any(|counts| now.saturating_sub(counts.last_at) < limit);
        if self.house.hands.ask(&ids).iter().any(heard) {
            return;
        }
        self.log.say(now, "media is gone", &[("call", call)]);
        let event = Value::dict().with("event", Value::text("timeout")).with("call", Value::text(call)).with("leg", Value::text(leg));
        let mut told = Vec::new();
        ng::json::write(&event, &mut told);
        self.nodes.retain(|node| self.gates.answer(&self.epoll, node, &told));
    }

    fn tick(&mut self, now: u64) {
        if let Some(state) = &self.state {
            state.advance(now);
        }
        if let Some(pulse) = &self.config.pulse {
            // A pulse that cannot be written looks like a relay that hangs, and it is replaced: no worse than one without state.
            let _ = tandem_sys::pulse::beat(pulse);
        }
    }

    /// Takes over what a predecessor left: ports first, then plans with what was known.
    fn go_on(&mut self) {
        let Left { calls, mut live } = self.state.as_ref().map(State::left).unwrap_or_default();
        for (id, row) in calls {
            if let Err(why) = self.calls.restore(&row, &mut self.house) {
                self.log.say(self.clock.now(), "call not taken over", &[("call", &id), ("why", &why)]);
            }
        }
        let handed_on: Vec<Live> = live.values().cloned().map(Live::handed_on).collect();
        if let Some(state) = &self.state {
            if let Err(error) = state.live(&handed_on) {
                self.log.say(self.clock.now(), "state not kept", &[("why", &error)]);
            }
        }
        for order in std::mem::take(&mut self.house.orders) {
            let Order::Put(plan) = order else { continue };
            match self.house.ports.again(plan.local) {
                Ok(pair) => {
                    self.endpoints.insert(plan.id, Known { call: plan.call.clone(), leg: plan.leg.clone() });
                    let known = live.remove(&plan.id);
                    self.house.hands.put(*plan, Some(pair), known);
                }
                // Never a reason to forget the call: the next offer or answer finds other ports.
                Err(why) => self.log.say(self.clock.now(), "port is not free", &[("port", &plan.local.rtp), ("why", &why)]),
            }
        }
        let orphans: Vec<_> = live.into_keys().collect();
        self.forget(&orphans);
    }

    fn stop(mut self) -> Result<(), RelayError> {
        self.log.say(self.clock.now(), "stopped", &[("calls", &self.calls.len())]);
        let ids: Vec<_> = self.endpoints.keys().copied().collect();
        let known = self.house.hands.ask(&ids);
        if let Some(state) = &self.state {
            state.live(&known)?;
        }
        self.house.hands.stop();
        Ok(())
    }
}

fn settings(config: &Config) -> Settings {
    let mut interfaces: Vec<String> = Vec::new();
    for interface in &config.interfaces {
        if !interfaces.contains(&interface.name) {
            interfaces.push(interface.name.clone());
        }
    }
    Settings { interfaces, tos: config.tos, delete_delay_seconds: config.delete_delay, ..Settings::default() }
}
