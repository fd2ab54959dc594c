//! What is known of one member's health: by probes, by how its calls did, by its own 503. It counts and judges; who asks and whom to
//! ask is elsewhere.

use super::change::Became;
use super::settings::HealthSettings;
use super::Outcome;

/// The longest time on the grey list.
pub const GREY_MOST_US: u64 = 300_000_000;
/// The longest Retry-After of a 503 that is believed.
pub const RETRY_AFTER_MOST_US: u64 = 3_600_000_000;
/// A trial whose outcome nobody tells is over by then (64*T1).
pub const TRIAL_US: u64 = 32_000_000;
/// So many late answers in a row weigh as much as one that never came.
pub const LATES: u16 = 3;
/// Who was well for less than this many times its last span on the grey list gets a longer one: a flapping server backs off.
pub const GREY_MEMORY: u64 = 4;

const GREY_DOUBLINGS: u8 = 12;

/// How a member stands for one request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    /// As any other.
    Good,
    /// It may be tried by one request at a time.
    Trial,
    /// Only because so many are down that nobody is treated so; its own calls failed, so it is tried last.
    Suspect,
    /// Not now.
    Out,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Health {
    /// Probes say that it is down.
    pub(super) down: bool,
    probe_run: u8, // probes in a row against the verdict
    fails: u8,     // calls in a row without an answer
    lates: u16,
    grey: Option<Grey>,
    greys: u8,
    grey_ended_us: u64,
    grey_span_us: u64,
}

#[derive(Clone, Copy, Debug)]
struct Grey {
    until_us: u64,
    busy: bool, // its own 503: no fault of probes or paths, so panic does not lift it
    trial_until_us: u64,
}

impl Health {
    /// `forgive_probes`, `forgive_calls`: the pool is in panic, or no probe of this edge is answered at all.
    pub(super) fn standing(&self, forgive_probes: bool, forgive_calls: bool, now_us: u64) -> Standing {
        let last = if forgive_calls { Standing::Suspect } else { Standing::Out };
        match self.grey {
            Some(grey) if now_us < grey.until_us || now_us < grey.trial_until_us => {
                return if grey.busy { Standing::Out } else { last };
            }
            Some(_) if !self.down => return Standing::Trial,
            _ => {}
        }
        match (self.down, forgive_probes) {
            (false, _) => Standing::Good,
            (true, false) => Standing::Out,
            (true, true) if self.fails > 0 => last,
            (true, true) => Standing::Good,
        }
    }

    /// Whether it counts as down for the panic threshold: by probes or by its calls, until one of them did well.
    pub(super) fn counts_as_down(&self) -> bool {
        self.down || self.grey.is_some_and(|grey| !grey.busy)
    }

    /// The one trial is under way.
    pub(super) fn try_now(&mut self, now_us: u64) {
        if let Some(grey) = self.grey.as_mut().filter(|grey| grey.until_us <= now_us) {
            grey.trial_until_us = now_us + TRIAL_US;
        }
    }

    /// Microseconds that it stays grey (0: a trial may end it), and whether by its own 503; `None`: it is not grey.
    pub(super) fn grey(&self, now_us: u64) -> Option<(u64, bool)> {
        self.grey.map(|grey| (grey.until_us.saturating_sub(now_us), grey.busy))
    }

    /// Takes the outcome of a request; what it became by that, and why.
    pub(super) fn heard(&mut self, outcome: Outcome, settings: &HealthSettings, now_us: u64) -> Option<(Became, String)> {
        match outcome {
            Outcome::Reply { status: 503, retry_after_seconds, .. } => self.busy(retry_after_seconds, settings, now_us),
            Outcome::Reply { status, .. } => {
                (self.fails, self.lates) = (0, 0);
                if status > 100 {
                    self.well(status, now_us)
                } else {
                    None
                }
            }
            Outcome::Late => {
                self.lates = self.lates.saturating_add(1);
                let most = LATES.saturating_mul(settings.passive_down_after.into());
                (most > 0 && self.lates >= most).then(|| self.fail(settings, now_us, "answers are late"))?
            }
            Outcome::NoAnswer | Outcome::Transport => {
                self.fails = self.fails.saturating_add(1);
                let why = if outcome == Outcome::NoAnswer { "no answer" } else { "cannot be reached" };
                let enough = settings.passive_down_after > 0 && self.fails >= settings.passive_down_after;
                (enough || self.on_trial()).then(|| self.fail(settings, now_us, why))?
            }
        }
    }

    /// Takes the outcome of a probe.
    pub(super) fn probed(&mut self, good: bool, what: &str, settings: &HealthSettings, now_us: u64) -> Option<(Became, String)> {
        if good != self.down {
            self.probe_run = 0;
            return None;
        }
        self.probe_run = self.probe_run.saturating_add(1);
        if good && self.probe_run >= settings.up_after {
            self.set_down(false, now_us);
            return Some((Became::Up, format!("probe: {what}")));
        }
        if !good && self.probe_run >= settings.down_after {
            self.set_down(true, now_us);
            return Some((Became::Down, format!("{} probes: {what}", settings.down_after)));
        }
        None
    }

    /// Whether probes have begun to contradict the verdict: the next one must not wait.
    pub(super) fn in_doubt(&self) -> bool {
        self.probe_run > 0
    }

    /// The verdict of probes. Who comes up is believed in all: it was started anew.
    pub(super) fn set_down(&mut self, down: bool, now_us: u64) {
        (self.down, self.probe_run) = (down, 0);
        if !down {
            (self.fails, self.lates) = (0, 0);
            self.end_grey(now_us);
        }
    }

    /// Grey by a sibling's word, unless it is grey for longer already.
    pub(super) fn set_grey(&mut self, for_us: u64, busy: bool, now_us: u64) {
        let until_us = now_us.saturating_add(for_us.min(RETRY_AFTER_MOST_US));
        if self.grey.is_none_or(|grey| grey.until_us < until_us) {
            self.grey = Some(Grey { until_us, busy, trial_until_us: 0 });
            self.grey_span_us = for_us;
        }
    }

    /// The end of grey by a sibling's word.
    pub(super) fn set_well(&mut self, now_us: u64) {
        (self.fails, self.lates) = (0, 0);
        self.end_grey(now_us);
    }

    fn on_trial(&self) -> bool {
        self.grey.is_some_and(|grey| grey.trial_until_us > 0)
    }

    fn well(&mut self, status: u16, now_us: u64) -> Option<(Became, String)> {
        // What it says to calls from before its 503 is no end of that.
        let ends = self.grey.is_some_and(|grey| !grey.busy || grey.until_us <= now_us);
        ends.then(|| {
            self.end_grey(now_us);
            (Became::Well, format!("answered {status}"))
        })
    }

    fn busy(&mut self, retry_after_seconds: Option<u32>, settings: &HealthSettings, now_us: u64) -> Option<(Became, String)> {
        (self.fails, self.lates) = (0, 0);
        let grey_already = self.grey.is_some_and(|grey| now_us < grey.until_us);
        let for_us = match retry_after_seconds {
            Some(seconds) => (u64::from(seconds) * 1_000_000).clamp(1, RETRY_AFTER_MOST_US),
            None if grey_already => return None,
            None => self.next_span(settings, now_us),
        };
        let until_us = now_us + for_us;
        if grey_already && self.grey.is_some_and(|grey| until_us <= grey.until_us) {
            return None;
        }
        self.grey = Some(Grey { until_us, busy: true, trial_until_us: 0 });
        self.grey_span_us = for_us;
        (!grey_already).then(|| (Became::Busy { for_us }, "503".into()))
    }

    fn fail(&mut self, settings: &HealthSettings, now_us: u64, why: &str) -> Option<(Became, String)> {
        // Those that were under way when it became grey say nothing new; a trial does.
        if self.grey.is_some() && !self.on_trial() {
            return None;
        }
        let for_us = self.next_span(settings, now_us);
        self.grey = Some(Grey { until_us: now_us + for_us, busy: false, trial_until_us: 0 });
        (self.grey_span_us, self.lates) = (for_us, 0);
        Some((Became::Grey { for_us }, why.into()))
    }

    fn next_span(&mut self, settings: &HealthSettings, now_us: u64) -> u64 {
        let well_us = now_us.saturating_sub(self.grey_ended_us);
        if self.grey.is_none() && well_us >= self.grey_span_us.saturating_mul(GREY_MEMORY) {
            self.greys = 0;
        }
        let span = (settings.grey_us << self.greys.min(GREY_DOUBLINGS)).min(GREY_MOST_US.max(settings.grey_us));
        self.greys = self.greys.saturating_add(1);
        span
    }

    fn end_grey(&mut self, now_us: u64) {
        if self.grey.take().is_some() {
            self.grey_ended_us = now_us;
        }
    }
}
