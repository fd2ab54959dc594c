//! The threads that carry packets, from outside: which has which endpoint, and what is asked of them. It decides nothing.

use std::collections::HashMap;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tandem_rtp::dtls::Identity;
use tandem_rtp::plan::{Endpoint, EndpointId};
use tandem_rtp::relay::{Live, Silence};

use crate::config::RelayError;
use crate::orders::{Mailbox, Order, Report};
use crate::ports::Pair;
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
}

impl Hands {
    /// Starts `count` threads.
    pub fn start(count: usize, reports: &Mailbox<Report>, threads: &Threads) -> Result<Hands, RelayError> {
        let failed = |why| RelayError::Socket { what: "thread".into(), why };
        let mut hands = Vec::new();
        for number in 0..count {
            let orders = Mailbox::open().map_err(failed)?;
            let worker = Worker::open(orders.clone(), reports.clone(), threads).map_err(failed)?;
            let named = std::thread::Builder::new().name(format!("media-{number}"));
            // A thread that cannot wait any more leaves its calls silent; their time-outs are then this process's to see.
            let thread = named
                .spawn(move || {
                    let _ = worker.run();
                })
                .map_err(failed)?;
            hands.push(Hand { orders, thread, endpoints: 0 });
        }
        Ok(Hands { hands, places: HashMap::new(), calls: HashMap::new() })
    }

    /// Gives a plan to the thread that has the call, or to the one with the least to do. `pair`: of a new endpoint.
    pub fn put(&mut self, plan: Endpoint, pair: Option<Pair>, live: Option<Live>) {
        let id = plan.id;
        let place = match self.places.get(&id) {
            Some(place) => *place,
            None => self.place(id, &plan.call),
        };
        if let Some(hand) = self.hands.get(place) {
            hand.orders.put(Order::Put(Box::new(plan), pair, live.map(Box::new)));
        }
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

    /// Endpoints in all.
    pub fn endpoints(&self) -> usize {
        self.places.len()
    }

    /// Ends the threads.
    pub fn stop(self) {
        for hand in &self.hands {
            hand.orders.put(Order::Stop);
        }
        for hand in self.hands {
            let _ = hand.thread.join(); // one that panicked has ended too
        }
    }

    fn place(&mut self, id: EndpointId, call: &str) -> usize {
        let least = self.hands.iter().enumerate().min_by_key(|(_, hand)| hand.endpoints).map_or(0, |(place, _)| place);
        let (place, endpoints) = self.calls.entry(call.to_owned()).or_insert((least, 0));
        *endpoints += 1;
        let place = *place;
        self.places.insert(id, place);
        if let Some(hand) = self.hands.get_mut(place) {
            hand.endpoints += 1;
        }
        place
    }
}
