//! Does what Python commands: completes its messages and hands them to transactions. It decides nothing about calls.

use super::compose::{complete, push_via, ContactOf};
use super::detour::DATAGRAM_BYTES;
use super::edge::Edge;
use super::glance::{tag, Glance};
use super::inbound::back;
use super::msgpack::{BadCommands, Reader};
use super::Owner;
use crate::frame::{Address, Transport, Why, MAX_FRAME, SIP_DOWN_HEAD};
use crate::ids::{shard_of, CALL_ID};
use crate::txn::{Asked, CallId, Flow, Responding, NO_CALL};
use std::net::{IpAddr, SocketAddr};

/// A flow as Python wrote it: the host may be no address.
struct Towards {
    flow: Flow,
    is_address: bool,
}

impl Owner {
    /// Runs one batch of commands.
    ///
    /// # Errors
    /// The batch is not what src/tandem/boundary.py writes; what came before the error has been done.
    pub fn run(&mut self, commands: &[u8], now: u64) -> Result<(), BadCommands> {
        self.tell(now);
        if self.comes_early(commands) {
            return Ok(());
        }
        let mut r = Reader(commands);
        for _ in 0..r.array()? {
            let whole = r.0;
            if self.early.waits() && self.waits_for_its_edge(whole)? {
                r.skip()?;
                continue;
            }
            let fields = r.array()?;
            let number = r.int()?;
            self.out.counters.commands += 1;
            let read = match number {
                1 => self.run_respond(&mut r, now)?,
                2 => self.run_ask(&mut r, now)?,
                3 => self.run_ack(&mut r, now)?,
                4 => {
                    self.servers.stop(r.int()?, now);
                    1
                }
                5 => self.run_taken(&mut r)?,
                6 => self.run_receive(&mut r, now)?,
                7 => {
                    let call = call(&r.text()?)?;
                    let key = self.client_key(&call, r.small("n")?);
                    self.clients.forget(key);
                    2
                }
                8 => {
                    let edge = r.small("edge")?;
                    let connection = r.int()?;
                    self.close(edge, connection);
                    2
                }
                other => return Err(BadCommands::Command(other)),
            };
            for _ in (read + 1)..fields {
                r.skip()?;
            }
        }
        Ok(())
    }

    fn run_respond(&mut self, r: &mut Reader<'_>, now: u64) -> Result<usize, BadCommands> {
        let (shard, txn, method, status) = (r.small("shard")?, r.int()?, r.text()?, r.small::<u16>("status")?);
        let (towards, vias, contact, call_id, message) = (towards(r)?, r.text()?, r.text()?, r.text()?, r.bytes()?);
        let (reliable, call, age, acked) = (r.boolean()?, call(&r.text()?)?, r.int()?, r.boolean()?);
        let invite = *method == *b"INVITE";
        let flow = match self.reach(&towards, message) {
            Ok(flow) => back(flow, &vias),
            Err(why) => {
                self.out.failed(&call, txn, true, why);
                return Ok(13);
            }
        };
        let mut bytes = Vec::new();
        if !self.complete(&mut bytes, message, &vias, shard, &contact, &call_id, &flow) {
            return Ok(13);
        }
        let ack = if invite && (200..300).contains(&status) { self.ack_expected(message) } else { 0 };
        let responding = Responding { status, invite, flow, shard, call, message: &bytes, reliable, age, acked, ack, silent: false };
        self.servers.respond(txn, &responding, now, &mut self.out);
        if self.is_cut(&flow) {
            if let Some(call) = self.servers.fail(txn) {
                self.out.failed(&call, txn, true, "flow");
            }
        }
        Ok(13)
    }

    fn run_ask(&mut self, r: &mut Reader<'_>, now: u64) -> Result<usize, BadCommands> {
        let (shard, call, n, method) = (r.small("shard")?, call(&r.text()?)?, r.small("n")?, r.text()?);
        let (towards, contact, call_id, message) = (towards(r)?, r.text()?, r.text()?, r.bytes()?);
        let (quiet, age, proceeding, branch_of) = (r.boolean()?, r.int()?, r.boolean()?, r.small::<u32>("branch_of")?);
        let flow = match self.reach(&towards, message) {
            Ok(flow) => flow,
            Err(why) => {
                self.out.failed(&call, u64::from(n), false, why);
                return Ok(12);
            }
        };
        let is_cancel = *method == *b"CANCEL";
        let branch = if is_cancel { branch_of } else { n };
        let mut bytes = Vec::new();
        let signed = self.client_key(&call, branch);
        let via = self.via(&flow, &call, branch, signed, age);
        if !self.complete(&mut bytes, message, &via, shard, &contact, &call_id, &flow) {
            return Ok(12);
        }
        let (stream, may_change) = match self.clients.towards(self.client_key(&call, branch)) {
            // RFC 3261 9.1: a CANCEL goes where its INVITE went
            Some((Transport::Tcp, _, may_change)) if is_cancel && flow.transport == Transport::Udp => (self.over_tcp(&flow), may_change),
            _ if bytes.len() > DATAGRAM_BYTES && !is_cancel => (self.detour(&flow, towards.flow.edge), true),
            _ => (None, false),
        };
        let (mut flow, mut told, mut fallback) = (flow, &bytes, None);
        let mut streamed = Vec::new();
        if let Some(stream) = stream {
            let via = self.via(&stream, &call, branch, signed, age);
            if self.complete(&mut streamed, message, &via, shard, &contact, &call_id, &stream) {
                (told, fallback) = (&streamed, may_change.then_some((flow, &bytes[..])));
                flow = stream;
            }
        }
        let key = self.client_key(&call, n);
        let (cancel, cancel_of) = if is_cancel { (self.cancel_key(&call, branch), self.client_key(&call, branch)) } else { (0, 0) };
        let invite = *method == *b"INVITE";
        let asked = Asked { call, n, invite, cancel, cancel_of, flow, shard, message: told, quiet, age, proceeding, fallback };
        self.clients.ask(key, &asked, now, &mut self.out);
        if self.is_cut(&flow) {
            if let Some((call, n)) = self.unsent(key, Why::Flow, now) {
                self.out.failed(&call, u64::from(n), false, "flow");
            }
        }
        Ok(12)
    }

    fn run_ack(&mut self, r: &mut Reader<'_>, now: u64) -> Result<usize, BadCommands> {
        let (shard, call, n, branch) = (r.small("shard")?, call(&r.text()?)?, r.small("n")?, r.small("branch")?);
        let (to_tag, towards, message) = (r.text()?, towards(r)?, r.bytes()?);
        let (age, send) = (r.int()?, r.boolean()?);
        let Ok(flow) = self.reach(&towards, message) else {
            self.out.counters.bad_commands += 1; // nobody answers an ACK: the repeated 2xx tells that it is missing
            return Ok(9);
        };
        let mut bytes = Vec::new();
        let via = self.via(&flow, &call, branch, 0, age);
        if !self.complete(&mut bytes, message, &via, shard, b"", b"", &flow) {
            return Ok(9);
        }
        let (key, to_tag) = (self.client_key(&call, n), self.config.keys.hash(&[b"tag", &to_tag]));
        self.clients.acknowledge(key, call, n, shard, to_tag, flow, &bytes, age, send, now, &mut self.out);
        Ok(9)
    }

    fn run_taken(&mut self, r: &mut Reader<'_>) -> Result<usize, BadCommands> {
        let edge = r.small("edge")?;
        for _ in 0..r.array()? {
            let seq = r.int()?;
            if let Some(key) = self.in_hand.remove(&(edge, seq)).filter(|key| *key != 0) {
                self.clients.taken(key, &mut self.out);
            }
            self.out.taken(edge, seq);
        }
        Ok(2)
    }

    fn run_receive(&mut self, r: &mut Reader<'_>, now: u64) -> Result<usize, BadCommands> {
        let (shard, txn, method, call) = (r.small("shard")?, r.int()?, r.text()?, call(&r.text()?)?);
        let nowhere = Flow { edge: 0, connection: 0, transport: Transport::Udp, local: 0, remote: Address::default() };
        self.servers.take_up(txn, *method == *b"INVITE", call, shard, &nowhere, now);
        Ok(4)
    }

    /// The flow to use, or why there is none.
    fn reach(&self, towards: &Towards, message: &[u8]) -> Result<Flow, &'static str> {
        let mut flow = towards.flow;
        if !towards.is_address {
            return Err("route");
        }
        if message.len() + SIP_DOWN_HEAD + 4096 > MAX_FRAME {
            return Err("size");
        }
        if self.out.advertised(&flow).is_none() && (flow.transport == Transport::Udp || flow.connection == 0) {
            // No edge is named (a trunk is called), or it died: whoever has a socket of this transport says it
            let other =
                self.out.edges.iter().find(|(_, edge)| edge.up && edge.locals.iter().any(|local| local.transport == flow.transport));
            flow.edge = other.map(|(number, _)| *number).unwrap_or(flow.edge);
        }
        flow.local = self.out.advertised(&flow).ok_or("route")?.0;
        Ok(self.out.leaving(&flow))
    }

    /// A stream whose edge has no link and was waited for long enough: nothing will ever be said on it again.
    fn is_cut(&self, flow: &Flow) -> bool {
        flow.transport.is_reliable() && !self.out.edges.get(&flow.edge).is_some_and(Edge::reachable)
    }

    /// The Via of a request first sent `age` ago; `transaction` is the one whose branch it has, if that may be in hand.
    fn via(&self, flow: &Flow, call: &CallId, branch: u32, transaction: u64, age: u64) -> Vec<u8> {
        let mut via = Vec::with_capacity(128);
        let advertised = self.out.advertised(flow).map(|(_, text)| text).unwrap_or_default();
        push_via(&mut via, flow.transport, advertised, &self.keys_of(transaction, age), call, branch);
        via
    }

    #[allow(clippy::too_many_arguments)]
    fn complete(
        &mut self,
        out: &mut Vec<u8>,
        message: &[u8],
        vias: &[u8],
        shard: u16,
        contact: &[u8],
        call_id: &[u8],
        flow: &Flow,
    ) -> bool {
        let advertised = self.out.advertised(flow).map(|(_, text)| text).unwrap_or_default();
        let contact = ContactOf { text: contact, shard, call_id, advertised, transport: flow.transport };
        let wanted = (!contact.text.is_empty()).then_some((&contact, &self.config.keys));
        let good = complete(out, message, vias, wanted);
        if !good {
            self.out.counters.bad_commands += 1;
        }
        good
    }

    fn ack_expected(&self, message: &[u8]) -> u64 {
        let key = Glance::of(message).and_then(|message| Some((tag(message.value(b"to")?), message.cseq()?.0)));
        key.map_or(0, |(to_tag, cseq)| self.ack_key(to_tag, cseq))
    }
}

fn towards(r: &mut Reader<'_>) -> Result<Towards, BadCommands> {
    let fields = r.array()?;
    let (edge, connection) = (r.small("flow.edge")?, r.int()?);
    let transport = Transport::read(r.small("flow.transport")?).ok_or(BadCommands::Field("flow.transport"))?;
    let (local, host, port) = (r.small("flow.local")?, r.text()?, r.small("flow.port")?);
    for _ in 6..fields {
        r.skip()?;
    }
    let ip = address(&host);
    let remote = ip.map(|ip| SocketAddr::new(ip, port).into()).unwrap_or_default();
    Ok(Towards { flow: Flow { edge, connection, transport, local, remote }, is_address: ip.is_some() })
}

fn address(host: &[u8]) -> Option<IpAddr> {
    let host = host.strip_prefix(b"[").and_then(|host| host.strip_suffix(b"]")).unwrap_or(host);
    std::str::from_utf8(host).ok()?.parse().ok()
}

pub(super) fn call(text: &[u8]) -> Result<CallId, BadCommands> {
    match text.len() {
        0 => Ok(NO_CALL),
        CALL_ID if shard_of(text).is_some() => text.try_into().map_err(|_| BadCommands::Field("call")),
        _ => Err(BadCommands::Field("call")),
    }
}
