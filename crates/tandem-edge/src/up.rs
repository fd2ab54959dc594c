//! From peers to the owner: datagrams, connections, and the message that each of them gave. What may pass is the judge's.

use crate::connection::{End, Stage};
use crate::connections::LAST_WORDS_SECONDS;
use crate::cutter::{Cut, Cutter};
use crate::edge::{Edge, Socket, FLOWS, SOCKETS};
use crate::hep::Travelled;
use crate::judge::{Source, Verdict};
use std::os::fd::AsRawFd;
use std::panic::{catch_unwind, AssertUnwindSafe};
use tandem_sip::frame::{self, SipUp, Transport};
use tandem_sip::framing::Framer;
use tandem_sip::message::Message;
use tandem_sip::proxy;
use tandem_sip::refusal::Refusal;
use tandem_sip::reply;
use tandem_sys::datagram::BATCH;
use tandem_sys::epoll::Ready;
use tandem_sys::socket;

/// Batches read from one socket before others have their turn.
const BATCHES: usize = 4;

impl Edge {
    pub(crate) fn socket_ready(&mut self, at: usize, event: Ready) {
        match self.sockets.get(at) {
            Some(Socket::Udp(_)) if event.read => self.datagrams(at),
            Some(Socket::Stream(fd, transport)) => {
                let (fd, transport) = (fd.as_raw_fd(), *transport);
                self.accept(at, fd, transport);
            }
            _ => {}
        }
    }

    fn datagrams(&mut self, at: usize) {
        let Some(mut batch) = self.batch.take() else { return };
        for _ in 0..BATCHES {
            if self.full() {
                self.sleep(SOCKETS + at as u64);
                break;
            }
            let Some(Socket::Udp(udp)) = self.sockets.get(at) else { break };
            // Errors here are those of earlier datagrams (ICMP): the next read goes on.
            let count = batch.receive(udp.fd()).unwrap_or(0);
            for datagram in (0..count).filter_map(|index| batch.datagram(index)) {
                let local = self.local_of(at, datagram.asked, datagram.remote.ip());
                let source = Source { flow: 0, transport: Transport::Udp, local, remote: datagram.remote, names: &[] };
                self.guarded(&source, datagram.bytes, None);
            }
            if count < BATCH {
                break;
            }
        }
        self.batch = Some(batch);
    }

    pub(crate) fn connection_ready(&mut self, event: Ready) {
        let flow = event.token - FLOWS;
        let Some(connection) = self.connections.get(flow) else { return };
        if connection.stage == Stage::Connecting {
            return self.connect_ready(flow);
        }
        if connection.stage == Stage::Prefaced {
            return self.preface_ready(flow);
        }
        if event.write {
            self.flush_connection(flow);
        }
        if event.read {
            self.readable(flow);
        }
    }

    fn readable(&mut self, flow: u64) {
        let full = self.full();
        let Some(connection) = self.connections.get(flow) else { return };
        if connection.last_words_until.is_some() {
            return self.end(flow, End::Framing); // it has hung up: nothing else is told of it
        }
        if full && !connection.interest.read {
            // It sleeps and has hung up, which epoll would tell for ever.
            let _ = self.epoll.remove(connection.fd());
            return;
        }
        if full {
            return self.sleep(FLOWS + flow);
        }
        let scratch = &mut self.scratch;
        match connection.read_raw(scratch, self.now) {
            Ok(0) => {}
            Ok(count) => {
                let scratch = std::mem::take(scratch);
                self.came(flow, scratch.get(..count).unwrap_or_default());
                self.scratch = scratch;
            }
            Err(end) => self.end(flow, end),
        }
    }

    /// Takes what came on a connection.
    pub(crate) fn came(&mut self, flow: u64, bytes: &[u8]) {
        let Some(connection) = self.connections.get(flow) else { return };
        let was = connection.stage;
        let result = connection.take(bytes);
        let opened = was != connection.stage;
        self.admission.works(u64::from(std::mem::take(&mut connection.worked_us)));
        if opened && !connection.outgoing {
            self.admission.succeeded(u64::from(connection.handshake_us));
        }
        if opened && !connection.names.is_empty() {
            self.links.tell(|output| frame::push_peer(output, flow, &connection.names));
        }
        if connection.waiting() > 0 || opened {
            self.dirty.push(flow);
        } else if result.is_ok() {
            socket::acknowledge(connection.fd());
        }
        // A last message may have come with the end.
        let framed = self.messages(flow);
        let banned = self.connections.get(flow).map(|connection| connection.remote.ip()).filter(|ip| self.judge.banned(*ip, self.at));
        if result.is_ok() && framed == Err(End::Framing) && banned.is_none() && self.hears_last_words(flow) {
            return;
        }
        if let Some(end) = result.err().or(framed.err()).or(banned.map(|_| End::Banned)) {
            self.end(flow, end);
        }
    }

    // WebSocket's own answers.
    fn send_raw(&mut self, flow: u64, bytes: &[u8], framed: bool) {
        let Some(connection) = self.connections.get(flow) else { return };
        connection.framed = framed;
        let queued = connection.queue_raw(bytes, 0);
        self.queued(flow, queued, 0);
    }

    /// An owner has something of this connection: its answers may leave before the end. False: nobody waits for any.
    fn hears_last_words(&mut self, flow: u64) -> bool {
        let (now, limits) = (self.now, self.judge.limits());
        let Some(connection) = self.connections.get(flow).filter(|connection| connection.proven) else { return false };
        connection.last_words_until = Some(now + LAST_WORDS_SECONDS * 1_000_000);
        connection.cutter = Cutter::Sip(Framer::new(limits));
        self.set_read(FLOWS + flow, false);
        true
    }

    // Takes whole messages off what a connection has sent.
    fn messages(&mut self, flow: u64) -> Result<(), End> {
        let limits = self.judge.limits();
        let Some(connection) = self.connections.get(flow) else { return Ok(()) };
        let (transport, local, remote) = (connection.transport, connection.local, connection.remote);
        let names = std::mem::take(&mut connection.names);
        let mut cutter = std::mem::replace(&mut connection.cutter, Cutter::Sip(Framer::new(limits)));
        let source = Source { flow, transport, local, remote, names: &names };
        let (mut count, mut pinged, mut result) = (0, false, Ok(()));
        loop {
            match cutter.next() {
                Cut::NeedMore => break,
                Cut::Again => {}
                Cut::KeepAlive => {
                    self.counters.pings += 1;
                    pinged = true;
                    self.queue(flow, b"\r\n", 0);
                }
                Cut::Message(message) => {
                    count += 1;
                    self.guarded(&source, message, None);
                }
                Cut::Answer(bytes) => self.send_raw(flow, &bytes, cutter.frames()),
                Cut::Broken(refusal) => {
                    self.guarded(&source, cutter.pending(), Some(refusal));
                    self.flush_connection(flow);
                    result = Err(End::Framing);
                    break;
                }
                Cut::Ended(bytes, end) => {
                    self.send_raw(flow, &bytes, cutter.frames());
                    self.flush_connection(flow);
                    result = Err(end);
                    break;
                }
            }
        }
        let now = self.now;
        if let Some(connection) = self.connections.get(flow) {
            connection.cutter = cutter;
            let whole = connection.is_whole();
            connection.spoke |= count > 0;
            connection.pings |= pinged;
            connection.partial_since = match whole {
                true => None,
                false if count > 0 => Some(now),
                false => connection.partial_since.or(Some(now)),
            };
            // Tens of thousands of idle phones: an idle connection holds no buffer.
            if whole && count > 0 {
                connection.cutter.rest(limits);
            }
            connection.names = names;
        }
        result
    }

    // A panic costs one message. It is a bug: counted, and seen in the log.
    pub(crate) fn guarded(&mut self, source: &Source<'_>, bytes: &[u8], broken: Option<Refusal>) {
        if catch_unwind(AssertUnwindSafe(|| self.message(source, bytes, broken))).is_err() {
            self.counters.panics += 1;
            self.log.say(self.at, "a message made the edge panic", &[("bytes", &bytes.len())]);
        }
    }

    fn message(&mut self, source: &Source<'_>, bytes: &[u8], broken: Option<Refusal>) {
        let remote = source.remote.ip();
        let member = self.front.as_ref().and_then(|front| front.member(source));
        if member.is_none() && self.judge.banned(remote, self.at) {
            self.counters.banned += 1;
            return;
        }
        if source.transport == Transport::Udp && tandem_sip::stun::is_stun(bytes) {
            return self.stun(source, bytes);
        }
        if source.transport == Transport::Udp && is_ping(bytes) {
            self.counters.pings += 1;
            return;
        }
        self.counters.received(source.transport);
        if self.is_answer_to_us(source, bytes) {
            return;
        }
        if let (Some(copies), Some(local)) = (&mut self.copies, self.locals.get(source.local)) {
            let datagram = source.transport == Transport::Udp;
            copies.note(Travelled { datagram, from: source.remote, to: local.bound, at_us: self.at }, bytes);
        }
        let mut answer = std::mem::take(&mut self.answer);
        let verdict = match broken {
            None => {
                let Edge { judge, front, connections, links, now, .. } = self;
                let mut fronted = |message: &Message<'_>| {
                    let verdict = front.as_mut()?.handle(message, source, member, connections, links.len() > 0, *now);
                    (verdict != proxy::Verdict::Pass).then_some(verdict)
                };
                judge.message(source, bytes, self.at, member.is_some(), &mut fronted, &mut answer)
            }
            Some(refusal) => self.judge.malformed(source, bytes, refusal, self.at, &mut answer),
        };
        let reason = match verdict {
            Verdict::Up { shard, length } => {
                self.alias(source, false, bytes);
                self.hand_up(source, shard, bytes.get(..length).unwrap_or(bytes));
                "rate"
            }
            Verdict::Answer(reason) => {
                self.counters.answered += 1;
                self.answer_to(source, &answer);
                self.counters.refuse(reason);
                reason
            }
            Verdict::Silence(reason) => {
                self.counters.silent += 1;
                self.counters.refuse(reason);
                reason
            }
            Verdict::Front(proxy::Verdict::Look) => {
                let verdict = self.park(source, bytes, 0);
                self.fronted(verdict)
            }
            Verdict::Front(verdict) => {
                self.alias(source, member.is_some(), bytes);
                self.fronted(verdict)
            }
            Verdict::Ping => {
                self.counters.pings += 1;
                "rate"
            }
        };
        self.counters.malformed += u64::from(reason == "malformed");
        self.answer = answer;
        self.after_ban();
    }

    pub(crate) fn fronted(&mut self, verdict: proxy::Verdict) -> &'static str {
        self.pass();
        match verdict {
            proxy::Verdict::Answered(reason) => {
                self.counters.answered += 1;
                self.counters.refuse(reason);
                reason
            }
            proxy::Verdict::Silence(reason) => {
                self.counters.silent += 1;
                self.counters.refuse(reason);
                reason
            }
            proxy::Verdict::Done | proxy::Verdict::Pass | proxy::Verdict::Sibling(_) | proxy::Verdict::Look => "rate",
        }
    }

    fn hand_up(&mut self, source: &Source<'_>, shard: u16, message: &[u8]) {
        if self.links.len() == 0 {
            return self.counters.refuse("no_owner"); // nobody will ever take it: nothing is kept
        }
        let sip = SipUp {
            seq: 0,
            shard,
            epoch: 0,
            flow: source.flow,
            transport: source.transport,
            local: source.local,
            remote: source.remote.into(),
            received_at: self.at,
            message,
        };
        let (link, frame) = self.keeper.up(&sip);
        if let Some(output) = link.and_then(|link| self.links.output(link)) {
            output.extend_from_slice(frame);
        }
        self.counters.up += 1;
        if let Some(connection) = self.connections.get(source.flow) {
            connection.proven = true;
        }
    }

    fn answer_to(&mut self, source: &Source<'_>, answer: &[u8]) {
        if source.flow != 0 {
            return self.queue(source.flow, answer, 0);
        }
        self.send_datagram(source.local, reply::towards(answer, source.remote), answer, 0);
    }

    fn sleep(&mut self, token: u64) {
        if self.asleep.is_empty() {
            self.counters.paused += 1;
            self.log.say(self.at, "reading stopped", &[("kept_bytes", &self.keeper.bytes()), ("link_bytes", &self.links.waiting())]);
        }
        self.asleep.push(token);
        self.set_read(token, false);
    }

    pub(crate) fn read_again(&mut self, token: u64) {
        self.set_read(token, true);
    }

    fn set_read(&mut self, token: u64, read: bool) {
        let (fd, interest) = match token.checked_sub(FLOWS) {
            Some(flow) => match self.connections.get(flow) {
                Some(connection) => (connection.fd(), &mut connection.interest),
                None => return,
            },
            None => match self.sockets.get_mut((token - SOCKETS) as usize) {
                Some(Socket::Udp(udp)) => (udp.fd(), &mut udp.interest),
                _ => return,
            },
        };
        interest.read = read;
        if self.epoll.modify(fd, token, *interest).is_err() {
            let _ = self.epoll.add(fd, token, *interest);
        }
    }
}

// Keep-alives of phones over UDP that are no SIP: line ends, zeroes, nothing. They hold a NAT open, no more.
fn is_ping(bytes: &[u8]) -> bool {
    bytes.len() <= 4 && bytes.iter().all(|c| matches!(c, b'\r' | b'\n' | 0))
}
