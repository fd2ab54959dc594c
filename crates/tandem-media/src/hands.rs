//! The threads that carry packets, from outside: which has which endpoint, and what is asked of them. It decides nothing.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{mpsc, Arc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tandem_rtp::dtls::Identity;
use tandem_rtp::plan::{Endpoint, EndpointId, Streams};
use tandem_rtp::relay::{Live, Silence};

use crate::config::RelayError;
use crate::orders::{Mailbox, Order, Report};
use crate::ports::Pair;
use crate::shortcut::Shared;
use crate::spool::TapeName;
use crate::worker::Worker;

/// Longest wait for what threads know, in milliseconds; one that does not answer has nothing to say.
pub const ASK_MS: u64 = 200;

/// What all threads are told at their start.
#[derive(Clone)]
pub struct Threads {
    /// The time, microseconds since 1970, from which their clocks go on steadily.
    pub wall: u64,
    /// DSCP and ECN byte of media.
    pub tos: u8,
    /// How long peers may be silent.
    pub silence: Silence,
    /// The certificate.
    pub identity: Identity,
}

/// All threads.
pub struct Hands {
    hands: Vec<Hand>,
    /// Which thread has an endpoint.
    places: HashMap<EndpointId, usize>,
    /// Endpoints of one call are of one thread: packets cross no threads.
    calls: HashMap<String, (usize, usize)>,
}

struct Hand {
    orders: Mailbox<Order>,
    thread: JoinHandle<()>,
    endpoints: usize,
    running: Arc<Running>,
}

/// How many streams of a thread run by which way, as it counted last.
#[derive(Debug, Default)]
pub struct Running {
    kernel: AtomicU64,
    userspace: AtomicU64,
    packets: AtomicU64,
    lost: AtomicU64,
}

impl Running {
    /// The thread has counted.
    pub fn count(&self, streams: Streams) {
        self.kernel.store(streams.kernel, Ordering::Relaxed);
        self.userspace.store(streams.userspace, Ordering::Relaxed);
        self.packets.store(streams.packets, Ordering::Relaxed);
        self.lost.store(streams.lost, Ordering::Relaxed);
    }

    fn counted(&self) -> Streams {
        let of = |number: &AtomicU64| number.load(Ordering::Relaxed);
        Streams { kernel: of(&self.kernel), userspace: of(&self.userspace), packets: of(&self.packets), lost: of(&self.lost) }
    }
}

impl Hands {
    /// Starts `count` threads.
    pub fn start(count: usize, reports: &Mailbox<Report>, threads: &Threads) -> Result<Hands, RelayError> {
        let failed = |why| RelayError::Socket { what: "thread".into(), why };
        let mut hands = Vec::new();
        for number in 0..count {
            let orders = Mailbox::open().map_err(failed)?;
            let running = Arc::<Running>::default();
            let worker = Worker::open(orders.clone(), reports.clone(), threads, running.clone()).map_err(failed)?;
            let named = std::thread::Builder::new().name(format!("media-{number}"));
            // A thread that cannot wait any more leaves its calls silent; their time-outs are then this process's to see.
            let thread = named
                .spawn(move || {
                    let _ = worker.run();
                })
                .map_err(failed)?;
            hands.push(Hand { orders, thread, endpoints: 0, running });
        }
        Ok(Hands { hands, places: HashMap::new(), calls: HashMap::new() })
    }

    /// Gives a plan to the thread that has the call, or to the one with the least to do. `pair`: of a new endpoint.
    pub fn put(&mut self, plan: Endpoint, pair: Option<Pair>, live: Option<Live>) {
        let id = plan.id;
        let call = match self.places.get(&id) {
            Some(_) => self.calls.get(&plan.call).map_or(0, |(place, _)| *place),
            None => self.place(&plan.call),
        };
        let wanted = plan.room.as_ref().map_or(call, |place| self.room(&place.room));
        let (pair, live) = match self.places.insert(id, wanted) {
            Some(place) if place != wanted && pair.is_none() => self.take_back(place, wanted, id),
            _ => (pair, live),
        };
        self.tell(wanted, Order::Put(Box::new(plan), pair, live.map(Box::new)));
    }

    /// An endpoint leaves a thread for another one: members of a room are all with one.
    fn take_back(&mut self, from: usize, to: usize, id: EndpointId) -> (Option<Pair>, Option<Live>) {
        let (answer, answers) = mpsc::channel();
        self.tell(from, Order::GiveUp(id, answer));
        for (place, more) in [(from, false), (to, true)] {
            if let Some(hand) = self.hands.get_mut(place) {
                hand.endpoints = if more { hand.endpoints + 1 } else { hand.endpoints.saturating_sub(1) };
            }
        }
        let given = answers.recv_timeout(Duration::from_millis(ASK_MS)).ok().flatten();
        given.map_or((None, None), |given| (Some(given.pair), Some(given.live)))
    }

    /// Plain streams may pass there from now on.
    pub fn pass(&self, kernel: &Shared) {
        for hand in &self.hands {
            hand.orders.put(Order::Kernel(kernel.clone()));
        }
    }

    /// Tells something to the thread that has an endpoint.
    pub fn of(&self, id: EndpointId, order: Order) {
        if let Some(place) = self.places.get(&id) {
            self.tell(*place, order);
        }
    }

    /// The same for a room.
    pub fn of_room(&self, room: &str, order: Order) {
        self.tell(self.room(room), order);
    }

    /// The same for whoever has what is recorded.
    pub fn of_tape(&self, (room, name): &TapeName, order: impl FnOnce(bool, String) -> Order) {
        let place = if *room { self.room(name) } else { self.calls.get(name).map_or(0, |(place, _)| *place) };
        self.tell(place, order(*room, name.clone()));
    }

    /// The way to the thread that has an endpoint.
    pub fn mailbox(&self, id: EndpointId) -> Option<Mailbox<Order>> {
        self.places.get(&id).and_then(|place| self.hands.get(*place)).map(|hand| hand.orders.clone())
    }

    /// The way to the thread that has a room.
    pub fn room_mailbox(&self, room: &str) -> Option<Mailbox<Order>> {
        self.hands.get(self.room(room)).map(|hand| hand.orders.clone())
    }

    fn tell(&self, place: usize, order: Order) {
        if let Some(hand) = self.hands.get(place) {
            hand.orders.put(order);
        }
    }

    fn room(&self, name: &str) -> usize {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        (hasher.finish() % self.hands.len().max(1) as u64) as usize
    }

    /// An endpoint has ended.
    pub fn drop(&mut self, id: EndpointId, call: &str) {
        let Some(place) = self.places.remove(&id) else { return };
        if let Some(hand) = self.hands.get_mut(place) {
            hand.endpoints = hand.endpoints.saturating_sub(1);
            hand.orders.put(Order::Drop(id));
        }
        if let Some((_, endpoints)) = self.calls.get_mut(call) {
            *endpoints -= 1;
            if *endpoints == 0 {
                self.calls.remove(call);
            }
        }
    }

    /// What the threads know of these endpoints.
    pub fn ask(&self, ids: &[EndpointId]) -> Vec<Live> {
        let (answer, answers) = mpsc::channel();
        let mut asked = 0;
        for (place, hand) in self.hands.iter().enumerate() {
            let ours: Vec<_> = ids.iter().copied().filter(|id| self.places.get(id) == Some(&place)).collect();
            if !ours.is_empty() && hand.orders.put(Order::Ask(ours, answer.clone())) {
                asked += 1;
            }
        }
        let until = Instant::now() + Duration::from_millis(ASK_MS);
        let mut known = Vec::new();
        for _ in 0..asked {
            let Ok(some) = answers.recv_timeout(until.saturating_duration_since(Instant::now())) else { break };
            known.extend(some);
        }
        known
    }

    /// Streams that run, by the way in which they are forwarded; each thread counts once a second.
    pub fn streams(&self) -> Streams {
        let mut streams = Streams::default();
        self.hands.iter().for_each(|hand| streams += hand.running.counted());
        streams
    }

    /// Endpoints in all.
    pub fn endpoints(&self) -> usize {
        self.places.len()
    }

    /// Ends the threads.
    pub fn stop(&mut self) {
        for hand in &self.hands {
            hand.orders.put(Order::Stop);
        }
        for hand in self.hands.drain(..) {
            let _ = hand.thread.join(); // one that panicked has ended too
        }
    }

    fn place(&mut self, call: &str) -> usize {
        let least = self.hands.iter().enumerate().min_by_key(|(_, hand)| hand.endpoints).map_or(0, |(place, _)| place);
        let (place, endpoints) = self.calls.entry(call.to_owned()).or_insert((least, 0));
        *endpoints += 1;
        let place = *place;
        if let Some(hand) = self.hands.get_mut(place) {
            hand.endpoints += 1;
        }
        place
    }
}
