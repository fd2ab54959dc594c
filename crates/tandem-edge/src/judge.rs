//! What becomes of one message: handed up, answered here, or met with silence. It sends nothing.

use crate::keys::EdgeKeys;
use crate::refusals::Refusals;
use smallvec::SmallVec;
use std::net::{IpAddr, SocketAddr};
use tandem_sip::abuse::tail::Tail;
use tandem_sip::abuse::{Abuse, Admit, Lane, Report};
use tandem_sip::challenge::Challenger;
use tandem_sip::frame::Transport;
use tandem_sip::gate::{self, retry_after, Gate, Why};
use tandem_sip::index::Index;
use tandem_sip::limits::Limits;
use tandem_sip::message::Message;
use tandem_sip::name::Name;
use tandem_sip::policy::Policy;
use tandem_sip::proxy;
use tandem_sip::question::Question;
use tandem_sip::refusal::Refusal;

/// Where a message came from.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Connection number, 0 for datagrams.
    pub flow: u64,
    /// How it came.
    pub transport: Transport,
    /// The address of ours that was asked.
    pub local: u8,
    /// The peer.
    pub remote: SocketAddr,
    /// Names of its verified certificate.
    pub names: &'a [String],
}

/// What to do with a message. The reasons are those of the counters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Hand its first `length` bytes to the owner of this shard.
    Up {
        /// 0..1023.
        shard: u16,
        /// Without what a datagram has beyond Content-Length (RFC 3261 18.3).
        length: usize,
    },
    /// Answer with the bytes written.
    Answer(&'static str),
    /// Do nothing.
    Silence(&'static str),
    /// It is only line ends.
    Ping,
    /// The front has done with it what is to be done.
    Front(tandem_sip::proxy::Verdict),
}

/// Asks the front about a message that may pass; `None`: there is none, or it has no route for it.
pub type Fronted<'a> = &'a mut dyn FnMut(&Message<'_>) -> Option<tandem_sip::proxy::Verdict>;

/// A credential that proved nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failure {
    /// Its source is banned now.
    pub banned: bool,
    /// It is for the ban log.
    pub told: bool,
}

/// Policy, keys and memory by which an edge judges.
pub struct Judge {
    /// In force now.
    pub policy: Policy,
    /// In force now.
    pub keys: EdgeKeys,
    /// Sources seen.
    pub abuse: Abuse,
    /// A front is behind it, whose dialogs have tokens that are not ours to read.
    pub fronts: bool,
    /// The last messages that were refused.
    tail: Tail,
    /// Requests refused for overload, whose repetitions are refused too.
    refused: Refusals,
    index: Index,
    /// Registrations are asked to come later: the loop lags, or an owner is far behind.
    pub busy: bool,
}

impl Judge {
    /// Judges by `policy` and `keys`, with an empty memory.
    pub fn new(policy: Policy, keys: EdgeKeys) -> Judge {
        let abuse = Abuse::new(keys.keys.hash);
        Judge {
            policy,
            keys,
            abuse,
            fronts: false,
            busy: false,
            tail: Tail::default(),
            refused: Refusals::default(),
            index: Index::default(),
        }
    }

    /// Judges by another policy from now on; who is spared stays spared.
    pub fn take_policy(&mut self, policy: Policy) {
        let mut old = std::mem::replace(&mut self.policy, policy);
        self.policy.spare_as(&mut old);
    }

    /// Whether nothing of this source is to be read now. One exempt address is heard though its /64 is banned.
    pub fn banned(&self, source: IpAddr, at: u64) -> bool {
        self.abuse.banned(source, at) && !self.policy.spares(source)
    }

    /// The worst sources, of all or of one, with what they sent.
    pub fn report(&self, most: usize, of: Option<IpAddr>, at: u64) -> Report {
        let mut report = self.abuse.report(most, of, at);
        report.tail = self.tail.newest(most, of);
        report
    }

    /// Bounds of one message.
    pub fn limits(&self) -> Limits {
        let message_bytes = self.policy.limits.message_bytes as usize;
        Limits { message_bytes, body_bytes: message_bytes, ..Limits::default() }
    }

    /// Judges one whole message at wall time `at`; `answer` is cleared and holds the answer where there is one.
    /// `spared`: it came from a member of one of our pools, which has no limits.
    pub fn message(
        &mut self,
        source: &Source<'_>,
        bytes: &[u8],
        at: u64,
        spared: bool,
        fronted: Fronted<'_>,
        answer: &mut Vec<u8>,
    ) -> Verdict {
        let verdict = self.decide(source, bytes, at, spared, fronted, answer);
        if let Verdict::Answer(why) | Verdict::Silence(why) = verdict {
            let (method, agent) = glance(bytes);
            self.tail.note(source.remote.ip(), why, method, agent, at);
        }
        verdict
    }

    fn decide(&mut self, source: &Source<'_>, bytes: &[u8], at: u64, spared: bool, fronted: Fronted<'_>, answer: &mut Vec<u8>) -> Verdict {
        answer.clear();
        let limits = self.limits();
        let Judge { policy, keys, abuse, refused, index, fronts, busy, .. } = self;
        let message = match Message::parse(bytes, &limits, index) {
            Ok(message) => message,
            Err(Refusal::Empty) => return Verdict::Ping,
            Err(refusal) => return self.salvage(source, bytes, refusal, at, answer),
        };
        let ip = source.remote.ip();
        let question = Question::of(&message);
        let names: SmallVec<[&[u8]; 4]> = source.names.iter().map(String::as_bytes).collect();
        let from = gate::Source { address: source.remote, transport: source.transport as u8, tls_names: &names };
        let gate = Gate { by: Challenger { keys: &keys.keys, nonce_keys: &keys.nonce, policy }, draining: policy.draining };
        let trusted = spared || from.trunk(policy).is_some();
        if !trusted && message.first(Name::UserAgent).is_some_and(|agent| abuse.scanner(policy, ip, agent, at)) {
            return Verdict::Silence("scanner");
        }
        // A front has tokens and branches of its own.
        let lane = if *fronts && proxy::belongs(&keys.keys, &message) { Lane::Kept } else { gate.lane(&question) };
        let name = if lane == Lane::Fresh { keys.keys.hash(&[question.branch, question.call_id, question.cseq]) } else { 0 };
        // A refusal is stable: an INVITE that was refused and let in when it is repeated would be a ghost call.
        let admit = match lane == Lane::Fresh && refused.has(name, at) {
            true => Admit::Refuse { retry_after: tandem_sip::abuse::RETRY_SECONDS },
            false if trusted => Admit::Yes,
            false => abuse.admit(policy, ip, lane, at),
        };
        match admit {
            Admit::Yes => {}
            Admit::Drop => return Verdict::Silence("rate"),
            Admit::Refuse { retry_after: seconds } => {
                refused.add(name, at);
                let header = retry_after(seconds.into());
                let verdict = gate.refuse(&question, &from, "503 Service Unavailable", &header, answer);
                return if matches!(verdict, gate::Verdict::Answer { .. }) { Verdict::Answer("rate") } else { Verdict::Silence("rate") };
            }
        }
        let denied = !trusted && policy.denies(ip);
        if let Some(refusal) = message.check().err().filter(|_| !denied && message.begins()) {
            if !trusted && abuse.malformed(policy, ip, at) {
                return Verdict::Silence("malformed");
            }
            return refuse(&gate, &question, &from, refusal, answer);
        }
        if *busy && !denied && question.method == b"REGISTER" {
            let verdict = gate.later(&question, &from, answer);
            return if matches!(verdict, gate::Verdict::Answer { .. }) { Verdict::Answer("busy") } else { Verdict::Silence("busy") };
        }
        if !denied {
            if let Some(verdict) = fronted(&message) {
                return Verdict::Front(verdict);
            }
        }
        match gate.decide(&question, &from, at, answer) {
            gate::Verdict::Up { shard } => Verdict::Up { shard, length: message.bytes().len() },
            gate::Verdict::Answer { status } => Verdict::Answer(reason(status, message.begins())),
            gate::Verdict::Silence(why) => Verdict::Silence(silence(why)),
        }
    }

    /// Judges what is no message: counted, and answered where there is somebody to answer (never an ACK or a response).
    pub fn malformed(&mut self, source: &Source<'_>, bytes: &[u8], refusal: Refusal, at: u64, answer: &mut Vec<u8>) -> Verdict {
        let verdict = self.salvage(source, bytes, refusal, at, answer);
        let (method, agent) = glance(bytes);
        self.tail.note(source.remote.ip(), "malformed", method, agent, at);
        verdict
    }

    fn salvage(&mut self, source: &Source<'_>, bytes: &[u8], refusal: Refusal, at: u64, answer: &mut Vec<u8>) -> Verdict {
        answer.clear();
        let limits = self.limits();
        let names: SmallVec<[&[u8]; 4]> = source.names.iter().map(String::as_bytes).collect();
        let from = gate::Source { address: source.remote, transport: source.transport as u8, tls_names: &names };
        if from.trunk(&self.policy).is_none() && self.abuse.malformed(&self.policy, source.remote.ip(), at) {
            return Verdict::Silence("malformed");
        }
        let Some(message) = Message::salvage(bytes, &limits, &mut self.index) else { return Verdict::Silence("malformed") };
        let by = Challenger { keys: &self.keys.keys, nonce_keys: &self.keys.nonce, policy: &self.policy };
        let question = Question { length: bytes.len(), ..Question::of(&message) };
        refuse(&Gate { by, draining: false }, &question, &from, refusal, answer)
    }

    /// Notes a 401 or 407 of the owner: a stranger who has our nonce named a user that does not exist, or guessed a password.
    pub fn guessed(&mut self, remote: SocketAddr, response: &[u8], at: u64) -> Option<Failure> {
        let limits = self.limits();
        // A password that was right with a nonce that is too old is no guess.
        if memchr::memmem::find(response, b"stale=true").is_some() {
            return None;
        }
        let message = Message::parse(response, &limits, &mut self.index).ok()?;
        let mut question = Question::of(&message);
        question.method = message.method_bytes();
        let value = if question.method == b"REGISTER" { question.to } else { question.from };
        let name = question.aor(value, &self.policy)?;
        let banned = self.abuse.guessed(&self.policy, remote.ip(), &name, at);
        // Its first INVITE went up without credentials: that is no failure.
        let for_help = question.method == b"INVITE" && self.policy.emergency(question.realm(&self.policy)).named(question.to);
        Some(Failure { banned, told: !for_help && !self.policy.spares(remote.ip()) })
    }
}

fn refuse(gate: &Gate<'_>, question: &Question<'_>, from: &gate::Source<'_>, refusal: Refusal, answer: &mut Vec<u8>) -> Verdict {
    let line = refusal.line();
    match gate.refuse(question, from, std::str::from_utf8(&line).unwrap_or("400 Bad Request"), b"", answer) {
        gate::Verdict::Answer { .. } => Verdict::Answer("malformed"),
        _ => Verdict::Silence("malformed"),
    }
}

/// Bytes looked at for a User-Agent: those of a scanner's small request.
const GLANCE_BYTES: usize = 2_048;

/// Method and User-Agent of a message that need not be one. A flood is noted so too: no second parse.
fn glance(bytes: &[u8]) -> (&[u8], &[u8]) {
    let head = bytes.get(..GLANCE_BYTES).unwrap_or(bytes);
    let word = head.iter().take(32).take_while(|c| c.is_ascii_uppercase()).count();
    let method = if head.get(word) == Some(&b' ') { head.get(..word).unwrap_or_default() } else { b"" };
    let line = b"\r\nuser-agent:";
    let starts =
        memchr::memchr_iter(b'\r', head).find(|&at| head.get(at..at + line.len()).is_some_and(|text| text.eq_ignore_ascii_case(line)));
    let value = starts.and_then(|at| head.get(at + line.len()..)).unwrap_or_default();
    let end = memchr::memchr2(b'\r', b'\n', value).unwrap_or(value.len());
    (method, value.get(..end).unwrap_or_default().trim_ascii())
}

fn reason(status: u16, begins: bool) -> &'static str {
    match status {
        200 => "options",
        401 | 407 => "challenge",
        403 if begins => "challenge", // a longer one would not have fitted
        403 => "forged",
        481 => "no_dialog",
        _ => "other",
    }
}

fn silence(why: Why) -> &'static str {
    match why {
        Why::Denied => "denied",
        Why::ForeignBranch => "foreign_branch",
        Why::Acked => "acked",
        Why::ForeignAck => "foreign_ack",
        Why::TooLong => "too_long",
        Why::Broken => "broken",
    }
}
