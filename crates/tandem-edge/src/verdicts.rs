//! The socket to whoever gives verdicts about requests (`tandem.edge.policy`): questions out, verdicts in. What they mean is the proxy's.

use crate::edge::{Edge, VERDICTS};
use serde::Deserialize;
use serde_json::{json, value::RawValue};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use tandem_sip::proxy::{Given, Question, Rule};
use tandem_sys::epoll::{Interest, Ready};
use tandem_sys::socket;

/// Longest line that is read, in bytes.
pub const LINE_BYTES: usize = 256 << 10;
/// Questions that may wait to be written, in bytes; beyond it nobody is asked.
pub const OUT_BYTES: usize = 4 << 20;
/// Between two tries to connect, in microseconds.
const RETRY_US: u64 = 200_000;
/// Bytes read at once.
const READ_BYTES: usize = 64 << 10;

/// A connection, or the wait for one.
pub(crate) struct Verdicts {
    path: PathBuf,
    stream: Option<UnixStream>,
    input: Vec<u8>,
    output: Vec<u8>,
    sent: usize,
    writes: bool,
    retry_at: u64,
}

/// A line.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow, default)]
    rules: Option<&'a RawValue>,
    #[serde(default)]
    id: u64,
    #[serde(default)]
    verdict: Option<Given>,
    #[serde(default)]
    failed: bool,
}

impl Verdicts {
    pub(crate) fn new(path: &str) -> Verdicts {
        Verdicts { path: path.into(), stream: None, input: Vec::new(), output: Vec::new(), sent: 0, writes: false, retry_at: 0 }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// When to try again; `None` while there is a connection.
    pub(crate) fn retry_at(&self) -> Option<u64> {
        self.stream.is_none().then_some(self.retry_at)
    }

    fn fd(&self) -> Option<RawFd> {
        self.stream.as_ref().map(AsRawFd::as_raw_fd)
    }

    fn connect(&mut self, now: u64) -> Option<RawFd> {
        if self.stream.is_some() || now < self.retry_at {
            return None;
        }
        self.retry_at = now + RETRY_US;
        let stream = UnixStream::from(socket::connect_unix(&self.path).ok()?);
        (self.input, self.output, self.sent, self.writes) = (Vec::new(), Vec::new(), 0, false);
        let fd = stream.as_raw_fd();
        self.stream = Some(stream);
        Some(fd)
    }

    /// Queues a question; false: nobody is there, or too much waits.
    fn ask(&mut self, question: &Question) -> bool {
        if self.stream.is_none() || self.output.len() - self.sent > OUT_BYTES {
            return false;
        }
        let line = json!({"id": question.id, "rule": question.rule, "values": question.values});
        self.output.extend_from_slice(line.to_string().as_bytes());
        self.output.push(b'\n');
        true
    }

    /// Writes what waits; false: nobody is there any more.
    fn flush(&mut self) -> bool {
        let Some(stream) = &mut self.stream else { return true };
        while let Some(rest) = self.output.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match stream.write(rest) {
                Ok(0) => return false,
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        self.output.clear();
        self.sent = 0;
        true
    }

    /// Reads once; false: nobody is there any more.
    fn fill(&mut self) -> bool {
        let Some(stream) = &mut self.stream else { return true };
        let mut room = vec![0; READ_BYTES];
        match stream.read(&mut room) {
            Ok(0) => false,
            Ok(count) => {
                self.input.extend_from_slice(room.get(..count).unwrap_or_default());
                memchr::memchr(b'\n', &self.input).is_some() || self.input.len() <= LINE_BYTES
            }
            Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        }
    }

    fn next(&mut self) -> Option<Vec<u8>> {
        let end = memchr::memchr(b'\n', &self.input)?;
        let rest = self.input.split_off(end + 1);
        Some(std::mem::replace(&mut self.input, rest))
    }
}

impl Edge {
    /// Follows the front's configuration: another socket, or none.
    pub(crate) fn verdicts_configured(&mut self) {
        let wanted = self.front.as_ref().and_then(|front| front.config().policy.as_ref()).map(|policy| policy.socket.clone());
        let same = self.verdicts.as_ref().map(|verdicts| verdicts.path()) == wanted.as_deref().map(Path::new);
        if !same {
            self.lose_verdicts("configuration");
            self.verdicts = wanted.filter(|path| !path.is_empty()).map(|path| Verdicts::new(&path));
        }
    }

    pub(crate) fn connect_verdicts(&mut self) {
        let now = self.now;
        let Some(fd) = self.verdicts.as_mut().and_then(|verdicts| verdicts.connect(now)) else { return };
        if self.epoll.add(fd, VERDICTS, Interest { read: true, write: false }).is_err() {
            self.lose_verdicts("epoll");
        }
    }

    pub(crate) fn verdicts_ready(&mut self, event: Ready) {
        let Some(verdicts) = &mut self.verdicts else { return };
        let open = !event.read || verdicts.fill();
        while let Some(line) = self.verdicts.as_mut().and_then(Verdicts::next) {
            self.verdict_line(&line);
        }
        self.pass();
        if !open {
            self.lose_verdicts("closed");
        }
        self.flush_verdicts();
    }

    fn verdict_line(&mut self, line: &[u8]) {
        let (now, at) = (self.now, self.at);
        let Some(front) = &mut self.front else { return };
        match serde_json::from_slice::<Line<'_>>(line) {
            Ok(Line { rules: Some(rules), .. }) => match Rule::read_all(rules.get().as_bytes()) {
                Ok(rules) => {
                    self.log.say(at, "policy in force", &[("functions", &rules.len())]);
                    front.set_rules(rules);
                }
                Err(why) => self.log.say(at, "policy refused", &[("why", &why)]),
            },
            Ok(Line { id, verdict, failed, .. }) => front.verdict(id, if failed { Err(()) } else { Ok(verdict) }, now),
            Err(error) => self.log.say(at, "verdict not readable", &[("why", &error)]),
        }
    }

    /// Asks what stands in the front's output.
    pub(crate) fn ask_verdicts(&mut self, questions: &[Question]) {
        for question in questions {
            let asked = self.verdicts.as_mut().is_some_and(|verdicts| verdicts.ask(question));
            if let Some(front) = self.front.as_mut().filter(|_| !asked) {
                front.verdict(question.id, Err(()), self.now);
            }
        }
    }

    pub(crate) fn flush_verdicts(&mut self) {
        let Some(verdicts) = &mut self.verdicts else { return };
        if !verdicts.flush() {
            return self.lose_verdicts("closed");
        }
        let writes = verdicts.sent < verdicts.output.len();
        if writes != verdicts.writes {
            verdicts.writes = writes;
            if let Some(fd) = verdicts.fd() {
                let _ = self.epoll.modify(fd, VERDICTS, Interest { read: true, write: writes });
            }
        }
    }

    fn lose_verdicts(&mut self, why: &'static str) {
        let Some(verdicts) = self.verdicts.as_mut().filter(|verdicts| verdicts.stream.is_some()) else { return };
        verdicts.stream = None;
        verdicts.retry_at = self.now + RETRY_US;
        self.log.say(self.at, "policy is away", &[("why", &why)]);
        if let Some(front) = &mut self.front {
            front.policy_away(self.now);
        }
        self.pass();
    }
}
