//! Requests that begin something, and the verdicts of an operator's functions about them: asked, waited for, obeyed.

use super::ahead::Ahead;
use super::hop::Source;
use super::output::Output;
use super::policy::{edited, field, Given, Judged, Question, Rule, Waiting, WAITING, WAIT_MS};
use super::refuse::{said, status_line};
use super::request::Request;
use super::routes::Asked;
use super::{Proxy, Verdict, World, LIMITS};
use crate::index::Index;
use crate::message::Message;
use crate::uri::Uri;
use std::sync::Arc;

impl Proxy {
    /// Somebody gives verdicts by these rules now. What was kept is void.
    pub fn set_rules(&mut self, rules: Vec<Rule>) {
        self.policy.set_rules(rules);
    }

    /// Nobody gives verdicts any more: all who wait go by the default.
    pub fn policy_away(&mut self, now: u64, out: &mut Output) {
        self.policy.up = false;
        for one in self.policy.asking.all() {
            self.release(one, None, now, out);
        }
    }

    /// A verdict came; `Err`: the function gave none. `Ok(None)`: as the routes say.
    pub fn verdict(&mut self, question: u64, given: Result<Option<Given>, ()>, now: u64, out: &mut Output) {
        let Some((rule, key, waiting)) = self.policy.asking.answered(question) else { return };
        let judged = match given {
            Ok(given) => {
                let given = given.map(Arc::new);
                self.policy.keep(rule, key, given.clone(), now);
                Some(given.map_or(Judged::AsRouted, Judged::Given))
            }
            Err(()) => {
                self.counters.policy_failed += 1;
                None
            }
        };
        for one in waiting {
            self.release(one, judged.clone(), now, out);
        }
    }

    /// The next request that begins something goes as the routes say, whatever verdicts there are; false takes that back.
    pub fn as_routed(&mut self, on: bool) {
        self.policy.forced = on.then_some(Judged::AsRouted);
    }

    /// Requests that wait, and verdicts that are kept.
    pub fn policy_sizes(&self) -> (usize, usize) {
        (self.policy.asking.len(), self.policy.verdicts())
    }

    /// Who has waited long enough goes by the default.
    pub(super) fn tire(&mut self, now: u64, out: &mut Output) {
        if self.policy.asking.wake_at().is_some_and(|at| at <= now) {
            for one in self.policy.asking.due(now) {
                self.counters.policy_late += 1;
                self.release(one, None, now, out);
            }
        }
    }

    /// Decides about a request that waited, and about its CANCEL after it.
    fn release(&mut self, one: Waiting, judged: Option<Judged>, now: u64, out: &mut Output) {
        let judged = judged.unwrap_or_else(|| self.policy.fallback());
        self.again(&one.source, one.bytes, Some(judged), now, out);
        if let Some((source, bytes)) = one.cancel {
            self.again(&source, bytes, None, now, out);
        }
    }

    fn again(&mut self, source: &Source, bytes: Vec<u8>, forced: Option<Judged>, now: u64, out: &mut Output) {
        let mut index = Index::default();
        let Ok(message) = Message::parse(&bytes, &LIMITS, &mut index) else { return };
        let member = self.pools.member_at(source.remote, source.transport);
        let world = World { now, alive: &|_| true, alone: true };
        self.policy.forced = forced;
        let verdict = self.handle(&message, source, member, &world, out);
        self.policy.forced = None;
        if verdict == Verdict::Pass {
            out.passed.push((*source, bytes));
        }
    }

    /// What is known about a request that begins something.
    pub(super) fn judged(&mut self, request: &Request<'_>, asked: &Asked<'_>, now: u64, out: &mut Output) -> Judged {
        if let Some(forced) = self.policy.forced.take() {
            return forced;
        }
        let Some(config) = &self.policy.config else { return Judged::AsRouted };
        let (milliseconds, room) = (config.milliseconds.min(WAIT_MS), config.waiting.min(WAITING));
        let Some((rule, by)) = self.policy.rule(request.method) else {
            // Whoever gives verdicts has not come yet: what it would say about this is not known.
            return if self.policy.unheard() { self.policy.fallback() } else { Judged::AsRouted };
        };
        let message = request.message;
        let listen = self.own.get(request.source.local).map_or(String::new(), |own| own.bound.to_string());
        let Some(values) = field::values(by, message, request.source, asked.uri, &listen) else {
            self.counters.policy_too_long += 1;
            return self.policy.fallback();
        };
        let key = field::key(rule, &values);
        if let Some(kept) = self.policy.kept(&key, now) {
            self.counters.policy_kept += 1;
            return kept.map_or(Judged::AsRouted, Judged::Given);
        }
        // An ACK or a CANCEL whose INVITE is not here: nobody waits for them.
        let waits = message.method_bytes() == request.method && self.policy.up;
        if !waits || self.policy.asking.len() >= room {
            self.counters.policy_unasked += 1;
            return self.policy.fallback();
        }
        let until = now + milliseconds * 1_000;
        let waiting = (request.identity, request.source, message.bytes());
        if let Some(id) = self.policy.asking.wait(rule, key, waiting, now, until) {
            self.counters.policy_asked += 1;
            out.questions.push(Question { id, rule: rule as u16, values });
        }
        Judged::Waits
    }

    /// Does what a verdict says.
    pub(super) fn obey(&mut self, request: &Request<'_>, given: &Given, world: &World<'_>, out: &mut Output) -> Verdict {
        match given {
            Given::Refuse { status, reason, retry_after } => {
                let line = if reason.is_empty() { status_line(*status) } else { format!("{status} {reason}") };
                let header = if *retry_after > 0 { format!("Retry-After: {retry_after}\r\n") } else { String::new() };
                self.counters.refused += 1;
                said(self.refuse(request.message, request.source, &line, header.as_bytes(), out), "refused")
            }
            Given::To { pool, add, remove, cost, uri } => {
                // It stands between spaces.
                let clean = uri.bytes().all(|byte| byte.is_ascii_graphic()) && (uri.is_empty() || Uri::parse(uri.as_bytes()).is_ok());
                let Some(pool) = self.pools.pool(pool).filter(|_| clean) else {
                    self.counters.policy_failed += 1;
                    let why = if clean { "500 No Such Pool" } else { "500 Bad Request-URI Of Verdict" };
                    return said(self.refuse(request.message, request.source, why, b"", out), "policy");
                };
                let cost = Some(&**cost).filter(|cost| !cost.is_empty());
                let need = self.pools.need(pool, request.message.method_bytes(), cost);
                if add.is_empty() && remove.is_empty() && uri.is_empty() {
                    return self.pooled(request, pool, need, world, out);
                }
                let bytes = edited(request.message, uri, add, remove);
                let mut index = Index::default();
                let Ok(message) = Message::parse(&bytes, &LIMITS, &mut index) else {
                    return self.bad(request.message, request.source, "400 Bad Request", out);
                };
                let Ok(ahead) = Ahead::of(&message, &self.own, &self.keys) else {
                    return self.bad(request.message, request.source, "400 Bad Route", out);
                };
                let request = Request { message: &message, ahead, ..*request };
                self.pooled(&request, pool, need, world, out)
            }
        }
    }
}
