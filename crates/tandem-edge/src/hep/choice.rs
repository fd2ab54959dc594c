//! Which messages are copied: whole calls by a keyed hash of their Call-ID, and all of a call that fails. Pure: it reads messages and sends nothing.

use super::config::Hep;
use std::collections::VecDeque;
use std::net::SocketAddr;
use tandem_sip::hep::Packet;
use tandem_sip::ids::mac;
use tandem_sip::index::Index;
use tandem_sip::limits::Limits;
use tandem_sip::message::Message;

/// Bytes of packets held back, in case their call fails.
pub const HELD_BYTES: usize = 8 << 20;
/// How long one is held back, microseconds: a call that rings longer and then fails has lost its beginning.
pub const HELD_US: u64 = 200_000_000;
/// Calls known to have failed; two with one place push each other out.
pub const FAILED_KNOWN: usize = 16_384;

/// What is known of a message beside its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Travelled {
    /// It was a datagram.
    pub datagram: bool,
    /// Who sent it.
    pub from: SocketAddr,
    /// Who got it.
    pub to: SocketAddr,
    /// When, microseconds since 1970.
    pub at_us: u64,
}

/// The choice of one edge.
pub struct Choice {
    settings: Hep,
    secret: [u8; 16],
    index: Index,
    held: VecDeque<(u64, u64, Vec<u8>)>,
    held_bytes: usize,
    failed: Vec<(u64, u64)>,
    second: u64,
    sent: u32,
    /// Packets above `per_second`, and messages too long for one.
    pub dropped: u64,
}

impl Choice {
    /// An empty memory. Edges with the same `secret` choose the same calls.
    pub fn new(settings: Hep, secret: [u8; 16]) -> Choice {
        let failed = if settings.errors { vec![(0, 0); FAILED_KNOWN] } else { Vec::new() };
        Choice { settings, secret, index: Index::default(), held: VecDeque::new(), held_bytes: 0, failed, second: 0, sent: 0, dropped: 0 }
    }

    /// Gives every packet that is to be sent now to `send`, in the order in which the messages travelled.
    pub fn heard(&mut self, how: &Travelled, bytes: &[u8], send: &mut dyn FnMut(&[u8])) {
        let Ok(message) = Message::parse(bytes, &Limits::default(), &mut self.index) else { return };
        let (status, call_id) = (if message.is_request() { 0 } else { message.status() }, message.call_id());
        let method = message.cseq().1;
        if !self.settings.methods.is_empty() && !self.settings.methods.iter().any(|name| name.as_bytes() == method) {
            return;
        }
        let call = mac(&self.secret, &[b"hep", call_id]);
        let chosen = ((call >> 11) as f64 / (1u64 << 53) as f64) * 100.0 < self.settings.sample_percent;
        let fails = self.settings.errors && status >= 400 && !self.settings.errors_except.contains(&status);
        if !chosen && !self.settings.errors {
            return;
        }
        let Travelled { datagram, from, to, at_us } = *how;
        let (id, password) = (self.settings.id, self.settings.password.as_bytes());
        let mut packet = Vec::new();
        if !(Packet { datagram, from, to, at_us, id, password, call_id, message: bytes }).push(&mut packet) {
            self.dropped += 1;
            return;
        }
        if chosen {
            return self.pass(at_us, &packet, send);
        }
        let place = (call % FAILED_KNOWN as u64) as usize;
        if fails {
            if let Some(entry) = self.failed.get_mut(place) {
                *entry = (call, at_us);
            }
            self.release(call, at_us, send);
        }
        match self.failed.get(place) {
            Some(&(known, since)) if known == call && at_us.saturating_sub(since) < HELD_US => self.pass(at_us, &packet, send),
            _ => self.hold(call, at_us, packet),
        }
    }

    fn hold(&mut self, call: u64, at_us: u64, packet: Vec<u8>) {
        self.held_bytes += packet.len();
        self.held.push_back((call, at_us, packet));
        while self.held.front().is_some_and(|(_, since, _)| self.held_bytes > HELD_BYTES || at_us.saturating_sub(*since) > HELD_US) {
            self.held_bytes -= self.held.pop_front().map_or(0, |(_, _, packet)| packet.len());
        }
    }

    fn release(&mut self, call: u64, at_us: u64, send: &mut dyn FnMut(&[u8])) {
        if !self.held.iter().any(|(of, ..)| *of == call) {
            return;
        }
        let (theirs, others): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut self.held).into_iter().partition(|(of, ..)| *of == call);
        self.held = others;
        for (_, _, packet) in theirs {
            self.held_bytes -= packet.len();
            self.pass(at_us, &packet, send);
        }
    }

    fn pass(&mut self, at_us: u64, packet: &[u8], send: &mut dyn FnMut(&[u8])) {
        let second = at_us / 1_000_000;
        if second != self.second {
            (self.second, self.sent) = (second, 0);
        }
        if self.sent >= self.settings.per_second {
            self.dropped += 1;
            return;
        }
        self.sent += 1;
        send(packet);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_795_000_000_000_000;

    fn choice(more: &str) -> Choice {
        Choice::new(serde_json::from_str(&format!(r#"{{"to": "udp:h:1"{more}}}"#)).unwrap(), [7; 16])
    }

    fn text(first: &str, method: &str, call: u32) -> String {
        format!("{first}\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@b>;tag=2\r\nCall-ID: {call}\r\nCSeq: 1 {method}\r\n\r\n")
    }

    fn hears(choice: &mut Choice, text: &str, at_us: u64) -> Vec<String> {
        let address = "192.0.2.1:5060".parse().unwrap();
        let mut sent = Vec::new();
        let how = Travelled { datagram: true, from: address, to: address, at_us };
        choice.heard(&how, text.as_bytes(), &mut |packet| sent.push(String::from_utf8_lossy(packet).into_owned()));
        sent
    }

    #[test]
    fn a_sample_holds_whole_calls_and_about_so_many() {
        let mut choice = choice(r#", "sample_percent": 20, "errors": false"#);
        let mut chosen = 0;
        for call in 0..1_000 {
            let invite = hears(&mut choice, &text("INVITE sip:b@b SIP/2.0", "INVITE", call), NOW + u64::from(call)).len();
            let bye = hears(&mut choice, &text("BYE sip:b@b SIP/2.0", "BYE", call), NOW + u64::from(call)).len();
            assert_eq!(invite, bye);
            chosen += invite;
        }
        assert!((150..250).contains(&chosen), "{chosen}");
    }

    #[test]
    fn a_failed_calls_earlier_and_later_messages_follow_in_order() {
        let mut choice = choice(r#", "sample_percent": 0"#);
        for call in [1, 2] {
            assert!(hears(&mut choice, &text("INVITE sip:b@b SIP/2.0", "INVITE", call), NOW).is_empty());
            assert!(hears(&mut choice, &text("SIP/2.0 407 Proxy Authentication Required", "INVITE", call), NOW).is_empty());
            assert!(hears(&mut choice, &text("SIP/2.0 180 Ringing", "INVITE", call), NOW).is_empty());
        }
        let sent = hears(&mut choice, &text("SIP/2.0 503 Service Unavailable", "INVITE", 1), NOW + 1);
        let firsts: Vec<_> = ["INVITE", "407", "180", "503"].into_iter().zip(&sent).map(|(text, packet)| packet.contains(text)).collect();
        assert_eq!((vec![true; 4], 4), (firsts, sent.len()));
        assert!(sent.iter().all(|packet| packet.contains("Call-ID: 1\r\n")));
        assert_eq!(1, hears(&mut choice, &text("ACK sip:b@b SIP/2.0", "ACK", 1), NOW + 2).len());
        assert!(hears(&mut choice, &text("SIP/2.0 200 OK", "INVITE", 2), NOW + 3).is_empty());
    }

    #[test]
    fn what_is_held_back_is_bounded_in_bytes_and_time() {
        let mut choice = choice(r#", "sample_percent": 0"#);
        let long = text("INVITE sip:b@b SIP/2.0", "INVITE", 1).replace("\r\n\r\n", &format!("\r\nSubject: {}\r\n\r\n", "x".repeat(4_000)));
        for at in 0..3_000 {
            hears(&mut choice, &long, NOW + at);
        }
        assert!(choice.held_bytes <= HELD_BYTES && choice.held.len() < 2_100, "{}", choice.held.len());
        hears(&mut choice, &text("OPTIONS sip:b@b SIP/2.0", "OPTIONS", 2), NOW + HELD_US + 5_000);
        assert_eq!(1, choice.held.len());
        assert_eq!(choice.held_bytes, choice.held[0].2.len());
    }

    #[test]
    fn methods_and_a_rate_bound_what_is_sent() {
        let mut choice = choice(r#", "methods": ["INVITE"], "per_second": 3"#);
        assert!(hears(&mut choice, &text("OPTIONS sip:b@b SIP/2.0", "OPTIONS", 1), NOW).is_empty());
        assert!(hears(&mut choice, "no SIP", NOW).is_empty());
        let sent: usize = (0..10).map(|call| hears(&mut choice, &text("SIP/2.0 200 OK", "INVITE", call), NOW).len()).sum();
        assert_eq!((3, 7), (sent, choice.dropped));
        assert_eq!(1, hears(&mut choice, &text("SIP/2.0 200 OK", "INVITE", 1), NOW + 1_000_000).len());
    }
}
