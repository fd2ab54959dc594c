//! One stream connection: its bytes in, its bytes out, TLS between them when there is any. It decides nothing.

use crate::cutter::Cutter;
use crate::records::Records;
use crate::tls;
use rustls::Connection as Session;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::Instant;
use tandem_sip::frame::{Transport, Why};
use tandem_sip::framing::Framer;
use tandem_sip::limits::Limits;
use tandem_sip::ws;
use tandem_sys::epoll::Interest;

/// Bytes read from one connection in one go.
pub const READ_BYTES: usize = 64 * 1024;
/// Bytes decrypted in one go: what most messages have.
const PLAIN_BYTES: usize = 4096;
/// Bytes that may wait for a slow reader before its connection is closed.
pub const WRITE_QUEUE_BYTES: usize = 256 * 1024;
/// Messages that may wait for a slow reader.
pub const WRITE_QUEUE_MESSAGES: usize = 4096;

/// Why a connection ends; the name is that of its counter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// The peer closed it or its network failed.
    Peer,
    /// Nothing was heard for `idle_seconds`.
    Idle,
    /// No whole message within FIRST_MESSAGE_SECONDS, or a message that does not end.
    Slow,
    /// More than WRITE_QUEUE_BYTES waited.
    WriteQueue,
    /// Bytes that are no SIP, after which no message can be found (RFC 3261 18.3).
    Framing,
    /// The TLS handshake or a record was wrong.
    Tls,
    /// Nobody listens there.
    Refused,
    /// Connecting took too long.
    Timeout,
    /// No route.
    Route,
    /// The owner asked for it.
    Owner,
    /// Its source was banned.
    Banned,
    /// A request that opens no WebSocket.
    Upgrade,
    /// WebSocket frames that break RFC 6455.
    WebSocket,
    /// No PROXY header, a wrong one, or none in time.
    ProxyHeader,
    /// Its phone pinged, and no longer does (RFC 5626 4.4).
    Silent,
}

impl End {
    /// Its name in counters and log lines.
    pub fn name(self) -> &'static str {
        match self {
            End::Peer => "peer",
            End::Idle => "idle",
            End::Slow => "slow",
            End::WriteQueue => "write_queue",
            End::Framing => "framing",
            End::Tls => "tls",
            End::Refused => "refused",
            End::Timeout => "timeout",
            End::Route => "route",
            End::Owner => "owner",
            End::Banned => "banned",
            End::Upgrade => "upgrade",
            End::WebSocket => "websocket",
            End::ProxyHeader => "proxy_header",
            End::Silent => "silent",
        }
    }

    /// What the owner is told of messages that did not go out.
    pub fn why(self) -> Why {
        match self {
            End::Refused => Why::Refused,
            End::Timeout => Why::Timeout,
            End::Route => Why::Route,
            End::Tls => Why::Tls,
            _ => Why::Flow,
        }
    }
}

/// How far a connection is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// Our connect is under way.
    Connecting,
    /// The header of the balancer before the peer is awaited.
    Prefaced,
    /// The TLS handshake is under way.
    Handshaking,
    /// Messages flow.
    Open,
}

/// One connection.
pub struct Connection {
    /// Its number on the link.
    pub flow: u64,
    /// Anything but UDP.
    pub transport: Transport,
    /// The peer.
    pub remote: SocketAddr,
    /// The address of ours that it came to or left from.
    pub local: u8,
    /// How far it is.
    pub stage: Stage,
    /// We opened it.
    pub outgoing: bool,
    /// Monotonic microseconds of its begin.
    pub opened_at: u64,
    /// Monotonic microseconds at which bytes last came.
    pub heard_at: u64,
    /// Since when a message is incomplete, monotonic microseconds.
    pub partial_since: Option<u64>,
    /// Until when answers may still leave, monotonic microseconds: what came last was no SIP, and nothing more is read.
    pub last_words_until: Option<u64>,
    /// A whole message came.
    pub spoke: bool,
    /// A message of it was let through to an owner.
    pub proven: bool,
    /// Its phone pings (RFC 5626 4.4.1).
    pub pings: bool,
    /// A phone is registered over it: what is done to keep it.
    pub kept: Option<crate::watching::Kept>,
    /// Names of the peer's verified certificate.
    pub names: Vec<String>,
    /// Whether the names of the peer's certificate were verified.
    pub verified: bool,
    /// What was wrong in TLS.
    pub trouble: Option<String>,
    /// What epoll has been told.
    pub interest: Interest,
    /// Cuts what came into messages.
    pub cutter: Cutter,
    /// The balancer's header, as far as it came.
    pub preface: Option<Vec<u8>>,
    /// Work of the handshake, in microseconds.
    pub handshake_us: u32,
    /// The same of the last bytes.
    pub worked_us: u32,
    /// Where its peer wants to be called on it.
    pub alias: Option<SocketAddr>,
    /// Messages go out in WebSocket frames.
    pub framed: bool,
    records: Records,
    stream: TcpStream,
    session: Option<Box<Session>>,
    output: Vec<u8>,
    written: usize,
    held: usize,
    pending: VecDeque<(u64, u64)>,
    queued_total: u64,
    written_total: u64,
}

impl Connection {
    /// Wraps a socket that was accepted, or whose connect is under way when `outgoing`.
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        flow: u64,
        fd: OwnedFd,
        transport: Transport,
        remote: SocketAddr,
        local: u8,
        outgoing: bool,
        session: Option<Session>,
        limits: Limits,
        now: u64,
    ) -> Self {
        let mut session = session.map(Box::new);
        // Our own limit counts what waits; rustls' would cut a write short.
        session.iter_mut().for_each(|session| session.set_buffer_limit(None));
        let stage = match (outgoing, &session) {
            (true, _) => Stage::Connecting,
            (false, Some(_)) => Stage::Handshaking,
            (false, None) => Stage::Open,
        };
        Connection {
            flow,
            transport,
            remote,
            local,
            stage,
            outgoing,
            opened_at: now,
            heard_at: now,
            partial_since: None,
            last_words_until: None,
            spoke: false,
            proven: outgoing,
            pings: false,
            kept: None,
            names: Vec::new(),
            verified: true,
            trouble: None,
            interest: Interest::default(),
            cutter: Cutter::Sip(Framer::new(limits)),
            preface: None,
            alias: None,
            framed: false,
            handshake_us: 0,
            worked_us: 0,
            records: Records::default(),
            stream: fd.into(),
            session,
            output: Vec::new(),
            written: 0,
            held: 0,
            pending: VecDeque::new(),
            queued_total: 0,
            written_total: 0,
        }
    }

    /// Its descriptor.
    pub fn fd(&self) -> RawFd {
        self.stream.as_raw_fd()
    }

    /// The connect has succeeded, or the balancer's header came.
    pub fn begin(&mut self) {
        self.stage = if self.session.is_some() { Stage::Handshaking } else { Stage::Open };
    }

    /// Whether nothing that came waits for its rest.
    pub fn is_whole(&self) -> bool {
        self.records.whole() && self.cutter.is_whole()
    }

    /// Reads once; how many bytes came into `scratch`, which has READ_BYTES.
    pub fn read_raw(&mut self, scratch: &mut [u8], now: u64) -> Result<usize, End> {
        let count = match self.stream.read(scratch) {
            Ok(0) => return Err(End::Peer),
            Ok(count) => count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return Ok(0),
            Err(_) => return Err(End::Peer),
        };
        self.heard_at = now;
        Ok(count)
    }

    /// Takes bytes as they came.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), End> {
        let Some(session) = &mut self.session else {
            self.cutter.push(bytes);
            return Ok(());
        };
        self.records.pass(bytes);
        let begun = (self.stage == Stage::Handshaking).then(Instant::now);
        let result = decrypt(session, bytes, &mut self.cutter);
        self.worked_us = begun.map_or(0, |begun| begun.elapsed().as_micros() as u32);
        self.handshake_us = self.handshake_us.saturating_add(self.worked_us);
        if self.stage == Stage::Handshaking && !session.is_handshaking() {
            self.stage = Stage::Open;
            self.held = 0;
            let leaf = session.peer_certificates().and_then(|chain| chain.first()).filter(|_| self.verified);
            self.names = leaf.map(tls::names).unwrap_or_default();
        }
        self.encrypted();
        match result {
            Ok(false) => Ok(()),
            Ok(true) => Err(End::Peer),
            Err(error) => {
                self.trouble = Some(error.to_string());
                // The alert tells the peer why; nothing else will.
                let _ = self.flush();
                Err(End::Tls)
            }
        }
    }

    /// Queues a message. A `cookie` of 0: nobody asks what became of it.
    pub fn queue(&mut self, bytes: &[u8], cookie: u64) -> Result<(), End> {
        if !self.framed {
            return self.queue_raw(bytes, cookie);
        }
        let mut framed = Vec::with_capacity(bytes.len() + 10);
        ws::push_message(&mut framed, bytes);
        self.queue_raw(&framed, cookie)
    }

    /// Queues bytes that are no message.
    pub fn queue_raw(&mut self, bytes: &[u8], cookie: u64) -> Result<(), End> {
        if self.waiting() + bytes.len() > WRITE_QUEUE_BYTES || self.pending.len() >= WRITE_QUEUE_MESSAGES {
            return Err(End::WriteQueue);
        }
        let before = self.output.len();
        match &mut self.session {
            None => self.output.extend_from_slice(bytes),
            Some(session) => {
                session.writer().write_all(bytes).map_err(|_| End::Tls)?;
                if self.stage != Stage::Open {
                    self.held += bytes.len();
                }
                self.encrypted();
            }
        }
        if self.session.is_none() {
            self.queued_total += (self.output.len() - before) as u64;
        }
        if cookie != 0 {
            // Before the handshake's end the place is unknown: later than anything that is queued now.
            let place = if self.stage == Stage::Open { self.queued_total } else { u64::MAX };
            self.pending.push_back((place, cookie));
        }
        Ok(())
    }

    /// Writes what waits, as far as the peer reads.
    pub fn flush(&mut self) -> Result<(), End> {
        if self.stage == Stage::Connecting {
            return Ok(());
        }
        self.encrypted();
        while let Some(rest) = self.output.get(self.written..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(0) => return Err(End::Peer),
                Ok(count) => {
                    self.written += count;
                    self.written_total += count as u64;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(End::Peer),
            }
        }
        if self.written == self.output.len() {
            // Tens of thousands of idle phones: an idle connection holds no buffer.
            self.output = Vec::new();
            self.written = 0;
        }
        let (done, open) = (self.written_total, self.stage == Stage::Open);
        while let Some(&(place, _)) = self.pending.front() {
            if place <= done || (open && place == u64::MAX && self.output.is_empty()) {
                self.pending.pop_front();
            } else {
                break;
            }
        }
        Ok(())
    }

    /// Bytes that wait to be written.
    pub fn waiting(&self) -> usize {
        self.output.len() - self.written + self.held
    }

    /// Whether epoll must tell when it can be written.
    pub fn wants_write(&self) -> bool {
        self.stage == Stage::Connecting || self.output.len() > self.written
    }

    /// Cookies of messages that did not go out.
    pub fn unsent(&self) -> impl Iterator<Item = u64> + '_ {
        self.pending.iter().map(|(_, cookie)| *cookie)
    }

    /// Says goodbye in TLS, without waiting.
    pub fn close(&mut self) {
        if let Some(session) = &mut self.session {
            session.send_close_notify();
            let _ = self.flush();
        }
    }

    fn encrypted(&mut self) {
        let Some(session) = &mut self.session else { return };
        let before = self.output.len();
        while session.wants_write() {
            if session.write_tls(&mut self.output).is_err() {
                break;
            }
        }
        self.queued_total += (self.output.len() - before) as u64;
    }
}

// True: the peer has said goodbye.
fn decrypt(session: &mut Session, mut bytes: &[u8], cutter: &mut Cutter) -> Result<bool, io::Error> {
    let mut room = [0; PLAIN_BYTES];
    while !bytes.is_empty() {
        if session.read_tls(&mut bytes)? == 0 {
            return Ok(true);
        }
        let mut left = session.process_new_packets().map_err(io::Error::other)?.plaintext_bytes_to_read();
        while left > 0 {
            let count = session.reader().read(&mut room)?;
            cutter.push(room.get(..count).unwrap_or_default());
            left = left.saturating_sub(count.max(1));
        }
    }
    Ok(false)
}
