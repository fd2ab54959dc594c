//! The control socket: JSON lines over a Unix stream (docs/concepts/control.md). It carries questions and answers and knows none.

use serde::Deserialize;
use serde_json::{json, Map, Value};
use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

/// Connections at a time; one more is closed at once.
pub const CONNECTIONS: usize = 6;
/// Longest question, in bytes: a whole front with all its members.
pub const ASK_BYTES: usize = 4 << 20;
/// Longest answer, in bytes.
pub const ANSWER_BYTES: usize = 16 << 20;
/// Bytes read at once.
const READ_BYTES: usize = 64 << 10;

/// A question.
#[derive(Debug, Deserialize)]
pub struct Ask {
    /// Repeated in the answer.
    pub id: u64,
    /// What is asked.
    #[serde(rename = "do")]
    pub what: String,
    /// Its arguments.
    #[serde(default)]
    pub with: Map<String, Value>,
}

/// A refusal; `status` as in HTTP.
#[derive(Debug)]
pub struct Problem {
    /// What it means.
    pub status: u16,
    /// In short.
    pub title: &'static str,
    /// The value and its limit.
    pub detail: String,
    /// The argument at fault.
    pub field: String,
}

impl Problem {
    /// A wrong argument.
    pub fn bad(field: &str, detail: impl Into<String>) -> Problem {
        Problem { status: 400, title: "not acceptable", detail: detail.into(), field: field.into() }
    }
}

/// The listening socket and whoever asks.
pub struct Control {
    listening: UnixListener,
    asking: [Option<Asking>; CONNECTIONS],
}

struct Asking {
    stream: UnixStream,
    input: Vec<u8>,
    output: Vec<u8>,
    sent: usize,
}

impl Control {
    /// Listens at `path`, mode 0600; a socket that a dead process left there is replaced.
    pub fn open(path: &Path) -> io::Result<Control> {
        if let Err(error) = fs::remove_file(path) {
            if error.kind() != ErrorKind::NotFound {
                return Err(error);
            }
        }
        let listening = UnixListener::bind(path)?;
        listening.set_nonblocking(true)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        Ok(Control { listening, asking: Default::default() })
    }

    /// The listening descriptor.
    pub fn fd(&self) -> RawFd {
        self.listening.as_raw_fd()
    }

    /// Takes one connection: its place and descriptor. `None`: there is none, or no room for it.
    pub fn accept(&mut self) -> Option<(usize, RawFd)> {
        let (stream, _) = self.listening.accept().ok()?;
        stream.set_nonblocking(true).ok()?;
        let place = self.asking.iter().position(Option::is_none)?;
        let fd = stream.as_raw_fd();
        *self.asking.get_mut(place)? = Some(Asking { stream, input: Vec::new(), output: Vec::new(), sent: 0 });
        Some((place, fd))
    }

    /// Reads what came; false: the asker is gone, or wrote more than a question may have.
    pub fn read(&mut self, place: usize) -> bool {
        let Some(asking) = self.at(place) else { return false };
        let mut part = vec![0; READ_BYTES];
        loop {
            match asking.stream.read(&mut part) {
                Ok(0) => return false,
                Ok(count) => asking.input.extend_from_slice(part.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return asking.input.len() <= ASK_BYTES,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
            if asking.input.len() > ASK_BYTES {
                return false;
            }
        }
    }

    /// The next whole line, unless an answer still waits to be read.
    pub fn next(&mut self, place: usize) -> Option<Vec<u8>> {
        let asking = self.at(place).filter(|asking| asking.sent == asking.output.len())?;
        let end = memchr::memchr(b'\n', &asking.input)?;
        let rest = asking.input.split_off(end + 1);
        Some(std::mem::replace(&mut asking.input, rest))
    }

    /// Queues an answer.
    pub fn answer(&mut self, place: usize, id: u64, answer: Result<Value, Problem>) {
        let mut line = line(id, answer);
        if line.len() > ANSWER_BYTES {
            let detail = format!("more than {ANSWER_BYTES} bytes");
            line = self::line(id, Err(Problem { status: 413, title: "the answer is too large", detail, field: String::new() }));
        }
        if let Some(asking) = self.at(place) {
            (asking.output, asking.sent) = (line, 0);
        }
    }

    /// Writes what waits. `Some(true)`: all of it; `None`: the asker is gone.
    pub fn flush(&mut self, place: usize) -> Option<bool> {
        let asking = self.at(place)?;
        while let Some(rest) = asking.output.get(asking.sent..).filter(|rest| !rest.is_empty()) {
            match asking.stream.write(rest) {
                Ok(0) => return None,
                Ok(count) => asking.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Some(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
        (asking.output, asking.sent) = (Vec::new(), 0);
        Some(true)
    }

    /// Ends a connection.
    pub fn close(&mut self, place: usize) {
        if let Some(asking) = self.asking.get_mut(place) {
            *asking = None;
        }
    }

    /// The descriptor of a connection.
    pub fn fd_of(&self, place: usize) -> Option<RawFd> {
        self.asking.get(place)?.as_ref().map(|asking| asking.stream.as_raw_fd())
    }

    fn at(&mut self, place: usize) -> Option<&mut Asking> {
        self.asking.get_mut(place)?.as_mut()
    }
}

fn line(id: u64, answer: Result<Value, Problem>) -> Vec<u8> {
    let told = match answer {
        Ok(value) => json!({"id": id, "ok": value}),
        Err(Problem { status, title, detail, field }) => {
            json!({"id": id, "problem": {"status": status, "title": title, "detail": detail, "field": field}})
        }
    };
    let mut line = told.to_string().into_bytes();
    line.push(b'\n');
    line
}
