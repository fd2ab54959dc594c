//! What an edge has done, by name and cumulative. It measures no time.

use serde_json::{Map, Value};
use std::collections::BTreeMap;
use tandem_sip::frame::Transport;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counters of one incarnation; names are those of STATS.
        #[derive(Default, Debug)]
        pub struct Counters {
            $($(#[$doc])* pub $name: u64,)*
            /// Refusals by reason.
            pub refused: BTreeMap<&'static str, u64>,
            /// Ended connections by reason.
            pub closed: BTreeMap<&'static str, u64>,
        }

        impl Counters {
            /// All by name; refusals as `refused_<reason>`, ends as `closed_<reason>`.
            pub fn map(&self) -> Map<String, Value> {
                let mut map = Map::new();
                $(map.insert(stringify!($name).into(), self.$name.into());)*
                for (reason, count) in &self.refused {
                    map.insert(format!("refused_{reason}"), (*count).into());
                }
                for (reason, count) in &self.closed {
                    map.insert(format!("closed_{reason}"), (*count).into());
                }
                map
            }
        }
    };
}

counters! {
    /// Messages received over UDP.
    received_udp,
    /// Messages received over TCP.
    received_tcp,
    /// Messages received over TLS.
    received_tls,
    /// Messages received over WebSockets.
    received_ws,
    /// Messages received over WebSockets in TLS.
    received_wss,
    /// Messages sent over UDP.
    sent_udp,
    /// Messages queued on TCP connections.
    sent_tcp,
    /// Messages queued on TLS connections.
    sent_tls,
    /// Messages queued on WebSockets.
    sent_ws,
    /// Messages queued on WebSockets in TLS.
    sent_wss,
    /// Messages handed to an owner.
    up,
    /// Frames that owners took.
    taken,
    /// Messages from owners.
    down,
    /// Messages of owners that were replaced.
    down_stale,
    /// Messages of owners that have claimed nothing.
    down_unclaimed,
    /// Messages that could not be sent.
    failed,
    /// Messages answered here.
    answered,
    /// Messages that got no answer and went nowhere.
    silent,
    /// Messages of banned sources.
    banned,
    /// Sources that were banned.
    bans,
    /// Messages that are no SIP.
    malformed,
    /// Keep-alives: CRLF, STUN or empty datagrams.
    pings,
    /// Pings sent to phones.
    pinged,
    /// OPTIONS sent to phones, to see whether they answer.
    asked,
    /// Answers to those OPTIONS.
    ask_answered,
    /// STUN binding requests answered.
    bindings,
    /// Datagrams dropped for want of room in our queue.
    dropped_udp,
    /// Connections accepted.
    accepted,
    /// Connections that we opened.
    connected,
    /// Connections refused at a limit.
    connections_refused,
    /// Times that a link came up.
    links,
    /// Frames sent again to an owner.
    redelivered,
    /// Times that reading stopped because too much was kept.
    paused,
    /// Panics survived.
    panics,
}

impl Counters {
    /// Counts one received message.
    pub fn received(&mut self, transport: Transport) {
        match transport {
            Transport::Udp => self.received_udp += 1,
            Transport::Tcp => self.received_tcp += 1,
            Transport::Tls => self.received_tls += 1,
            Transport::Ws => self.received_ws += 1,
            Transport::Wss => self.received_wss += 1,
        }
    }

    /// Counts one message that was sent or queued.
    pub fn sent(&mut self, transport: Transport) {
        match transport {
            Transport::Udp => self.sent_udp += 1,
            Transport::Tcp => self.sent_tcp += 1,
            Transport::Tls => self.sent_tls += 1,
            Transport::Ws => self.sent_ws += 1,
            Transport::Wss => self.sent_wss += 1,
        }
    }

    /// Counts a refusal.
    pub fn refuse(&mut self, reason: &'static str) {
        *self.refused.entry(reason).or_default() += 1;
    }
}
