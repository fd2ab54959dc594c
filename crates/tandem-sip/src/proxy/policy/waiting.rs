//! Questions that are open, and the requests that wait for their answers. One question for all that would ask the same. It sends none.

use crate::proxy::Source;
use std::collections::{HashMap, VecDeque};

/// How long an answer that came too late for its requests is still of use, in microseconds.
pub const LATE_US: u64 = 10_000_000;

/// What is to be asked: the values stand in the order of the rule's fields.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question {
    /// Its number.
    pub id: u64,
    /// The rule.
    pub rule: u16,
    /// Values.
    pub values: Vec<String>,
}

/// A request that waits.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) identity: u64,
    pub(crate) source: Source,
    pub(crate) bytes: Vec<u8>,
    /// Its CANCEL, if that came meanwhile.
    pub(crate) cancel: Option<(Source, Vec<u8>)>,
    until: u64,
}

#[derive(Debug)]
struct Open {
    rule: usize,
    key: Box<[u8]>,
    waiting: VecDeque<Waiting>,
}

/// All of them.
#[derive(Default)]
pub(crate) struct Asking {
    open: HashMap<u64, Open>,
    by_key: HashMap<Box<[u8]>, u64>,
    by_identity: HashMap<u64, u64>,
    /// When somebody has waited long enough; one time for all, so a queue.
    due: VecDeque<(u64, u64)>,
    /// When an open question is of no use any more.
    late: VecDeque<(u64, u64)>,
    last: u64,
}

impl Asking {
    /// Requests that wait.
    pub(crate) fn len(&self) -> usize {
        self.by_identity.len()
    }

    /// Whether this request waits already.
    pub(crate) fn waits(&self, identity: u64) -> bool {
        self.by_identity.contains_key(&identity)
    }

    /// A CANCEL waits behind its INVITE; one that came before stays.
    pub(crate) fn cancel(&mut self, identity: u64, source: &Source, bytes: &[u8]) {
        let open = self.by_identity.get(&identity).and_then(|id| self.open.get_mut(id));
        if let Some(one) = open.and_then(|open| open.waiting.iter_mut().find(|one| one.identity == identity)) {
            one.cancel.get_or_insert_with(|| (*source, bytes.to_vec()));
        }
    }

    /// A request waits until `until`; the question's number, if it is to be asked now.
    pub(crate) fn wait(&mut self, rule: usize, key: Box<[u8]>, request: (u64, &Source, &[u8]), now: u64, until: u64) -> Option<u64> {
        let (identity, source, bytes) = request;
        let known = self.by_key.get(&key).copied();
        let id = known.unwrap_or(self.last + 1);
        if known.is_none() {
            self.last = id;
            self.by_key.insert(key.clone(), id);
            self.open.insert(id, Open { rule, key, waiting: VecDeque::new() });
            self.late.push_back((now + LATE_US, id));
        }
        let waiting = Waiting { identity, source: *source, bytes: bytes.to_vec(), cancel: None, until };
        self.open.get_mut(&id)?.waiting.push_back(waiting);
        self.by_identity.insert(identity, id);
        self.due.push_back((until, id));
        known.is_none().then_some(id)
    }

    /// The answer came: rule and key of the question, and who waited for it.
    pub(crate) fn answered(&mut self, id: u64) -> Option<(usize, Box<[u8]>, VecDeque<Waiting>)> {
        let Open { rule, key, waiting } = self.open.remove(&id)?;
        self.by_key.remove(&key);
        for one in &waiting {
            self.by_identity.remove(&one.identity);
        }
        Some((rule, key, waiting))
    }

    /// Those who have waited long enough. Their question stays open: its answer is of use to others.
    pub(crate) fn due(&mut self, now: u64) -> Vec<Waiting> {
        let mut ready = Vec::new();
        while let Some(id) = first(&mut self.due, now) {
            let Some(open) = self.open.get_mut(&id) else { continue };
            while let Some(one) = open.waiting.front().is_some_and(|one| one.until <= now).then(|| open.waiting.pop_front()).flatten() {
                self.by_identity.remove(&one.identity);
                ready.push(one);
            }
        }
        while let Some(id) = first(&mut self.late, now) {
            // Nobody waits for it: `due` is shorter than this.
            if let Some(open) = self.open.remove(&id) {
                self.by_key.remove(&open.key);
            }
        }
        ready
    }

    /// When `due` has somebody.
    pub(crate) fn wake_at(&self) -> Option<u64> {
        self.due.front().map(|(at, _)| *at)
    }

    /// Nobody will answer: all who wait.
    pub(crate) fn all(&mut self) -> Vec<Waiting> {
        let open = std::mem::take(&mut self.open);
        let last = self.last; // no late answer may be taken for another question's
        *self = Asking { last, ..Asking::default() };
        open.into_values().flat_map(|open| open.waiting).collect()
    }
}

/// Takes the first entry if its time has come.
fn first(queue: &mut VecDeque<(u64, u64)>, now: u64) -> Option<u64> {
    let (_, id) = *queue.front().filter(|(at, _)| *at <= now)?;
    queue.pop_front();
    Some(id)
}
