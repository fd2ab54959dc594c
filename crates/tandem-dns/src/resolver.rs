//! The resolver: a thread that asks, a cache that remembers, an eventfd that says when something is there. It sends no SIP.
//!
//! Nobody waits for it: `peek` answers from the cache, `ask` answers later by `drain`, `watch` keeps names known. The thread starts with
//! the first question, so that who never asks pays nothing.

use crate::model::{Answer, Cache, Enum, EnumFound, Failure, Found, How, Ill, Outcome, Question, Search, Seeded, Target, Wish};
use crate::settings::{BadSettings, Settings};
use crate::upstream::{Local, Upstream};
use crate::watch::Watch;
use rustix::event::{eventfd, EventfdFlags};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{mpsc, Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tandem_sip::frame::Transport;
use tokio::sync::mpsc::{channel, Receiver, Sender};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Most questions that wait for their answer; beyond it they fail at once.
pub const ASKED: usize = 1_024;
/// Most searches under way.
const SEARCHES: usize = 64;
/// How often watched names and files are looked at.
const TICK: Duration = Duration::from_millis(250);
/// How often the files are looked at, in ticks.
const FILES_TICKS: u32 = 8;

/// What [`Resolver::drain`] tells.
#[derive(Debug)]
pub enum Event {
    /// An answer to `ask`.
    Answered {
        /// As given to `ask`.
        token: u64,
        /// Where to send, or why not.
        outcome: Outcome,
    },
    /// An answer to `ask_enum`.
    Enum {
        /// As given to `ask_enum`.
        token: u64,
        /// URIs, or why there are none.
        outcome: Result<EnumFound, Failure>,
    },
    /// A watched name leads elsewhere than before.
    Changed {
        /// Which one.
        wish: Wish,
    },
}

enum Job {
    Ask(Wish, u64),
    Enum(Box<Enum>, u64),
    Explain(Wish, mpsc::Sender<(Vec<String>, Outcome)>),
    ExplainEnum(Box<Enum>, mpsc::Sender<(Vec<String>, Result<EnumFound, Failure>)>),
    Wake,
}

struct Shared {
    settings: Settings,
    how: How,
    began: Instant,
    cache: Mutex<Cache>,
    ill: Mutex<Ill>,
    watch: Mutex<Watch>,
    local: Mutex<Arc<Local>>,
    events: Mutex<VecDeque<Event>>,
    event: OwnedFd,
    waiting: AtomicUsize,
    questions: AtomicU64,
    failures: AtomicU64,
    stale: AtomicU64,
}

/// The resolver; whoever drops it ends its thread.
pub struct Resolver {
    shared: Arc<Shared>,
    jobs: Mutex<Option<Sender<Job>>>,
}

impl Resolver {
    /// Asks nobody yet, and has no thread yet.
    ///
    /// # Errors
    /// A setting that cannot be used; an eventfd that cannot be had counts as the setting `fd`.
    pub fn new(settings: Settings) -> Result<Resolver, BadSettings> {
        settings.check()?;
        let how = settings.how()?;
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|why| BadSettings { field: "fd", why: std::io::Error::from(why).to_string() })?;
        let shared = Shared {
            how,
            began: Instant::now(),
            cache: Mutex::new(Cache::new(settings.times())),
            ill: Mutex::default(),
            watch: Mutex::new(Watch::new(settings.failed_seconds)),
            local: Mutex::default(),
            events: Mutex::default(),
            event,
            waiting: AtomicUsize::new(0),
            questions: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            stale: AtomicU64::new(0),
            settings,
        };
        Ok(Resolver { shared: Arc::new(shared), jobs: Mutex::new(None) })
    }

    /// Readable while there is something to drain.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.shared.event.as_fd()
    }

    /// What is known now without asking; `None` when something must be asked first.
    pub fn peek(&self, wish: &Wish) -> Option<Outcome> {
        if let Some(known) = lock(&self.shared.watch).known(wish) {
            return Some(known.clone());
        }
        self.shared.cached(wish)
    }

    /// Asks; the answer comes by [`Resolver::drain`]. False: too many wait already, or there can be no thread.
    pub fn ask(&self, wish: Wish, token: u64) -> bool {
        self.counted(Job::Ask(wish, token))
    }

    /// Asks what a number leads to; the answer comes by [`Resolver::drain`].
    pub fn ask_enum(&self, search: Enum, token: u64) -> bool {
        self.counted(Job::Enum(Box::new(search), token))
    }

    /// Keeps exactly these names known: `peek` answers for them at once, and a change is an event.
    pub fn watch(&self, wishes: impl IntoIterator<Item = Wish>) {
        let some = {
            let mut watch = lock(&self.shared.watch);
            watch.want(wishes);
            !watch.is_empty()
        };
        if some {
            self.send(Job::Wake);
        }
    }

    /// What has come since; never more than was asked and watched.
    pub fn drain(&self) -> Vec<Event> {
        let _ = rustix::io::read(&self.shared.event, &mut [0; 8]); // empty already: nobody was quicker than we
        lock(&self.shared.events).drain(..).collect()
    }

    /// The order in which the message with this number tries its targets: the same number draws the same.
    pub fn order(&self, found: &Found, seed: u64) -> Vec<Target> {
        found.order(Seeded(seed), &lock(&self.shared.ill), self.shared.now_us())
    }

    /// A target failed: it is tried last for a while.
    pub fn failed(&self, transport: Transport, address: SocketAddr) {
        let now = self.shared.now_us();
        let until = now + u64::from(self.shared.settings.ill_seconds) * 1_000_000;
        lock(&self.shared.ill).failed(transport, address, until, now);
    }

    /// A target has answered.
    pub fn well(&self, transport: Transport, address: SocketAddr) {
        lock(&self.shared.ill).well(transport, address);
    }

    /// Resolves with every step in words, for a person who waits. It blocks; the cache of this resolver counts.
    pub fn explain(&self, wish: Wish) -> (Vec<String>, Outcome) {
        let (told, heard) = mpsc::channel();
        if !self.send(Job::Explain(wish, told)) {
            return (Vec::new(), Err(Failure::Busy));
        }
        heard.recv().unwrap_or((Vec::new(), Err(Failure::Busy)))
    }

    /// As [`Resolver::explain`], for a number.
    pub fn explain_enum(&self, search: Enum) -> (Vec<String>, Result<EnumFound, Failure>) {
        let (told, heard) = mpsc::channel();
        if !self.send(Job::ExplainEnum(Box::new(search), told)) {
            return (Vec::new(), Err(Failure::Busy));
        }
        heard.recv().unwrap_or((Vec::new(), Err(Failure::Busy)))
    }

    /// Counted since the start: questions to servers, those that failed, answers that were stale.
    pub fn counters(&self) -> [(&'static str, u64); 3] {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [("dns_questions", of(&self.shared.questions)), ("dns_failures", of(&self.shared.failures)), ("dns_stale", of(&self.shared.stale))]
    }

    fn counted(&self, job: Job) -> bool {
        if self.shared.waiting.fetch_add(1, Ordering::Relaxed) >= ASKED || !self.send(job) {
            self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
            return false;
        }
        true
    }

    fn send(&self, job: Job) -> bool {
        let mut jobs = lock(&self.jobs);
        if jobs.is_none() {
            let (sender, receiver) = channel(2 * ASKED);
            let shared = self.shared.clone();
            let started = std::thread::Builder::new().name("dns".into()).spawn(move || run(&shared, receiver));
            if started.is_err() {
                return false;
            }
            *jobs = Some(sender);
        }
        jobs.as_ref().is_some_and(|jobs| jobs.try_send(job).is_ok())
    }
}

impl Shared {
    fn now_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn cached(&self, wish: &Wish) -> Option<Outcome> {
        let local = lock(&self.local).clone();
        let cache = lock(&self.cache);
        let now = self.now_us();
        let mut last = None;
        for name in local.names(&wish.host) {
            let mut search = Search::new(Wish { host: name, ..wish.clone() }, self.how.clone(), false);
            while search.outcome().is_none() {
                for question in search.questions() {
                    let answer = local.answer(&question).or_else(|| cache.get(&question, now))?;
                    search.answered(question, answer);
                }
            }
            last = search.outcome().cloned();
            if !matches!(last, Some(Err(Failure::NoName | Failure::NoRecords))) {
                break;
            }
        }
        last.map(|outcome| named(outcome, wish))
    }

    fn tell(&self, event: Event) {
        let mut events = lock(&self.events);
        let quiet = events.is_empty();
        events.push_back(event);
        drop(events);
        if quiet {
            let _ = rustix::io::write(&self.event, &1_u64.to_ne_bytes()); // full: it is readable already
        }
    }
}

/// A certificate names what was wished for, whatever suffix it was found with.
fn named(outcome: Outcome, wish: &Wish) -> Outcome {
    outcome.map(|found| if *found.name == *wish.host { found } else { Arc::new(Found { name: (&*wish.host).into(), ..(*found).clone() }) })
}

fn run(shared: &Arc<Shared>, jobs: Receiver<Job>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return;
    };
    runtime.block_on(turn(shared, jobs));
}

/// Jobs as they come, watched names as they fall due, until nobody is left who asks.
async fn turn(shared: &Arc<Shared>, mut jobs: Receiver<Job>) {
    let upstream = Arc::new(Mutex::new(Upstream::new(shared.settings.clone())));
    *lock(&shared.local) = lock(&upstream).local.clone();
    let room = Arc::new(Semaphore::new(SEARCHES));
    let mut under_way = JoinSet::new();
    let mut tick = tokio::time::interval(TICK);
    let mut ticks = 0_u32;
    loop {
        let job = tokio::select! {
            job = jobs.recv() => match job {
                Some(job) => Some(job),
                None => return,
            },
            _ = tick.tick() => None,
        };
        if job.is_none() {
            while under_way.try_join_next().is_some() {}
            ticks = ticks.wrapping_add(1);
            if ticks.is_multiple_of(FILES_TICKS) && lock(&upstream).refresh() {
                *lock(&shared.local) = lock(&upstream).local.clone();
                lock(&shared.cache).clear();
            }
        }
        if let Some(job) = job {
            let work = Work { shared: shared.clone(), upstream: upstream.clone() };
            let room = room.clone();
            under_way.spawn(async move { work.job(job, room).await });
        }
        let due = lock(&shared.watch).due(shared.now_us(), room.available_permits());
        for wish in due {
            let work = Work { shared: shared.clone(), upstream: upstream.clone() };
            let room = room.clone();
            under_way.spawn(async move { work.watched(wish, room).await });
        }
    }
}

/// What one task needs.
struct Work {
    shared: Arc<Shared>,
    upstream: Arc<Mutex<Upstream>>,
}

impl Work {
    async fn job(&self, job: Job, room: Arc<Semaphore>) {
        match job {
            Job::Ask(wish, token) => {
                let outcome = self.resolve(&wish, &mut None, room).await;
                self.told(Event::Answered { token, outcome });
            }
            Job::Enum(mut search, token) => {
                let outcome = self.enumerate(&mut search, room).await;
                self.told(Event::Enum { token, outcome });
            }
            Job::Explain(wish, told) => {
                let mut steps = Some(Vec::new());
                let outcome = self.resolve(&wish, &mut steps, room).await;
                let _ = told.send((steps.unwrap_or_default(), outcome)); // who asked has gone
            }
            Job::ExplainEnum(mut search, told) => {
                let outcome = self.enumerate(&mut search, room).await;
                let _ = told.send((search.steps().to_vec(), outcome));
            }
            Job::Wake => {}
        }
    }

    fn told(&self, event: Event) {
        self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
        self.shared.tell(event);
    }

    async fn watched(&self, wish: Wish, room: Arc<Semaphore>) {
        let outcome = self.resolve(&wish, &mut None, room).await;
        if lock(&self.shared.watch).answered(&wish, &outcome, self.shared.now_us()) {
            self.shared.tell(Event::Changed { wish });
        }
    }

    /// The time limit begins with the wait for room.
    async fn resolve(&self, wish: &Wish, steps: &mut Option<Vec<String>>, room: Arc<Semaphore>) -> Outcome {
        let asked = async {
            let _room = room.acquire().await;
            self.names(wish, steps).await
        };
        timeout(self.shared.settings.lookup_time(), asked).await.unwrap_or(Err(Failure::TimedOut))
    }

    /// The name with each suffix, until one is there.
    async fn names(&self, wish: &Wish, steps: &mut Option<Vec<String>>) -> Outcome {
        let names = lock(&self.shared.local).names(&wish.host);
        let mut last = Err(Failure::NoName);
        for name in names {
            let mut search = Search::new(Wish { host: name, ..wish.clone() }, self.shared.how.clone(), steps.is_some());
            while search.outcome().is_none() {
                self.answers(&mut search).await;
            }
            if let Some(steps) = steps {
                steps.append(&mut search.steps());
            }
            last = search.outcome().cloned().unwrap_or(last);
            if !matches!(last, Err(Failure::NoName | Failure::NoRecords)) {
                break;
            }
        }
        named(last, wish)
    }

    /// All that can be asked at once is asked at once.
    async fn answers(&self, search: &mut Search) {
        let asked: Vec<_> = search.questions().into_iter().map(|question| (question.clone(), self.answer(question))).collect();
        for (question, answer) in asked {
            let answer = answer.await;
            search.answered(question, answer);
        }
    }

    async fn enumerate(&self, search: &mut Enum, room: Arc<Semaphore>) -> Result<EnumFound, Failure> {
        let asked = async {
            let _room = room.acquire().await;
            while search.outcome().is_none() {
                let answer = self.answer(search.question().clone()).await;
                search.answered(&answer);
            }
        };
        let in_time = timeout(self.shared.settings.lookup_time(), asked).await.is_ok();
        let outcome = search.outcome().filter(|_| in_time);
        outcome.cloned().unwrap_or(Err(Failure::TimedOut))
    }

    /// From the files, the cache, or a server. The task runs at once, whether it is awaited yet or not.
    fn answer(&self, question: Question) -> impl std::future::Future<Output = Answer> {
        let shared = self.shared.clone();
        let known = lock(&shared.local).answer(&question).or_else(|| lock(&shared.cache).get(&question, shared.now_us()));
        let asked = known.is_none().then(|| tokio::spawn(lock(&self.upstream).ask(question.clone())));
        async move {
            let Some(asked) = asked else {
                return known.unwrap_or(Err((Failure::Busy, 1)));
            };
            shared.questions.fetch_add(1, Ordering::Relaxed);
            let answer = asked.await.unwrap_or(Err((Failure::ServerFailed, 1)));
            let answer_failed = answer.as_ref().is_err_and(|(why, _)| why.is_temporary());
            shared.failures.fetch_add(u64::from(answer_failed), Ordering::Relaxed);
            let answer = lock(&shared.cache).put(question, answer, shared.now_us());
            let stale = answer.as_ref().is_ok_and(|records| records.stale);
            shared.stale.fetch_add(u64::from(stale), Ordering::Relaxed);
            answer
        }
    }
}

/// A thread that panicked left nothing half done: every change is one statement.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
