//! How well the streams of one endpoint do, each way, and the reports that its peer would miss. It forwards nothing.

use crate::plan::{Endpoint, Payload};
use crate::quality::{Codec, Inbound, Outbound, Passed, Reporter};
use crate::rtcp::{self, Blocks, Packet};
use crate::rtp::Header;

/// Streams of one endpoint that are watched, each way; the one unused for longest makes room.
pub const STREAMS: usize = 4;
/// The clock of a payload type that no description names, Hz.
pub(super) const CLOCK_HZ: u32 = 8_000;

/// Streams from the peer, and to it.
pub(super) struct Watch {
    pub heard: Vec<Inbound>,
    pub sent: Vec<Outbound>,
    reporter: Option<Reporter>,
}

impl Watch {
    /// `random` names our own reports where there is no stream to name them after.
    pub fn new(now: u64, ssrc: u32, name: u64, random: u32) -> Watch {
        Watch { heard: Vec::new(), sent: Vec::new(), reporter: Reporter::new(ssrc, format!("{name:x}"), now, random).ok() }
    }

    /// An RTP packet came from the peer.
    #[inline]
    pub fn heard(&mut self, now: u64, bytes: &[u8], plan: &Endpoint) {
        let Ok(header) = Header::read(bytes) else { return };
        if let Some(stream) = self.heard.iter_mut().find(|stream| stream.ssrc == header.ssrc) {
            stream.packet(now, &header, bytes.len());
            return;
        }
        let (clock, codec) = sort(&header, plan);
        let mut stream = Inbound::new(header.ssrc, clock, codec);
        stream.packet(now, &header, bytes.len());
        admit(&mut self.heard, stream, |stream| stream.last_us);
    }

    /// An RTP packet goes to the peer, before it is protected. `from`: the plan of whoever sent it.
    #[inline]
    pub fn sent(&mut self, now: u64, bytes: &[u8], plan: &Endpoint) {
        let Ok(header) = Header::read(bytes) else { return };
        if let Some(stream) = self.sent.iter_mut().find(|stream| stream.ssrc == header.ssrc) {
            stream.packet(now, &header, bytes.len());
            return;
        }
        let (clock, codec) = sort(&header, plan);
        let mut stream = Outbound::new(header.ssrc, clock, codec);
        stream.packet(now, &header, bytes.len());
        admit(&mut self.sent, stream, |stream| stream.last_us);
    }

    /// RTP packets of the peer passed elsewhere.
    pub fn passed_in(&mut self, now: u64, passed: &Passed, payloads: &[Payload]) {
        if let Some(stream) = self.heard.iter_mut().find(|stream| stream.ssrc == passed.ssrc) {
            return stream.passed(now, passed);
        }
        let (clock, codec) = first(payloads);
        let mut stream = Inbound::new(passed.ssrc, clock, codec);
        stream.passed(now, passed);
        admit(&mut self.heard, stream, |stream| stream.last_us);
    }

    /// RTP packets passed to the peer elsewhere. `payloads`: of whoever sent them.
    pub fn passed_out(&mut self, passed: &Passed, payloads: &[Payload]) {
        if let Some(stream) = self.sent.iter_mut().find(|stream| stream.ssrc == passed.ssrc) {
            return stream.passed(passed);
        }
        let (clock, codec) = first(payloads);
        let mut stream = Outbound::new(passed.ssrc, clock, codec);
        stream.passed(passed);
        admit(&mut self.sent, stream, |stream| stream.last_us);
    }

    /// RTCP came from the peer.
    pub fn told(&mut self, now: u64, bytes: &[u8]) {
        for packet in rtcp::read(bytes).map_while(Result::ok) {
            match packet {
                Packet::SenderReport(report) => {
                    if let Some(stream) = self.heard.iter_mut().find(|stream| stream.ssrc == report.ssrc) {
                        stream.sender_report(now, report.info.ntp);
                    }
                    self.blocks(now, &report.blocks);
                }
                Packet::ReceiverReport(report) => self.blocks(now, &report.blocks),
                _ => {}
            }
        }
    }

    /// RTCP goes to the peer; its answer tells the round trip.
    pub fn tell(&mut self, now: u64, bytes: &[u8], random: u32) {
        let mut reports = false;
        for packet in rtcp::read(bytes).map_while(Result::ok) {
            match packet {
                Packet::SenderReport(report) => {
                    reports = true;
                    if let Some(stream) = self.sent.iter_mut().find(|stream| stream.ssrc == report.ssrc) {
                        stream.trip.passed(now, report.info.ntp);
                    }
                }
                Packet::ReceiverReport(_) => reports = true,
                _ => {}
            }
        }
        if let Some(reporter) = self.reporter.as_mut().filter(|_| reports) {
            reporter.passed(now, random);
        }
    }

    /// A report of our own is due: it is written behind what is in `out`.
    pub fn report(&mut self, now: u64, random: u32, out: &mut Vec<u8>) -> bool {
        let Some(reporter) = self.reporter.as_mut().filter(|reporter| reporter.due_us() <= now) else { return false };
        // Our clock counts from 1970 and never goes back: it is the wall's too.
        reporter.report(now, now, random, self.sent.last_mut(), &mut self.heard, out)
    }

    fn blocks(&mut self, now: u64, blocks: &Blocks<'_>) {
        for block in blocks.iter() {
            if let Some(stream) = self.sent.iter_mut().find(|stream| stream.ssrc == block.ssrc) {
                stream.reported(now, &block);
            }
        }
    }
}

/// Clock and codec of a packet, by the description of whoever sends it.
fn sort(header: &Header, plan: &Endpoint) -> (u32, Codec) {
    let payload = plan.payloads.iter().find(|payload| payload.number == header.payload_type);
    let fixed = match header.payload_type {
        9 => "G722", // RFC 3551 6; its clock is 8,000 too
        18 => "G729",
        _ => "PCMU",
    };
    let name = payload.map_or(fixed, |payload| &payload.name);
    (payload.map_or(CLOCK_HZ, |payload| payload.clock.max(1)), Codec::of(name, true))
}

/// Clock and codec of a stream of which no packet was seen.
fn first(payloads: &[Payload]) -> (u32, Codec) {
    payloads.first().map_or((CLOCK_HZ, Codec::of("PCMU", true)), |payload| (payload.clock.max(1), Codec::of(&payload.name, true)))
}

fn admit<T>(streams: &mut Vec<T>, stream: T, last: impl Fn(&T) -> u64) {
    if streams.len() >= STREAMS {
        let oldest = streams.iter().enumerate().min_by_key(|(_, stream)| last(stream)).map(|(at, _)| at);
        oldest.into_iter().for_each(|at| drop(streams.swap_remove(at)));
    }
    streams.reserve_exact(1); // there is usually one, and a vector that grows takes room for four
    streams.push(stream);
}
