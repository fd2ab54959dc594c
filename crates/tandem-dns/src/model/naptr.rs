//! NAPTR records and which of them count for SIP (RFC 3263 4.1, RFC 3403 4.1). They are read elsewhere, and asked for too.

use super::wish::Wish;
use tandem_sip::frame::Transport;

/// What a NAPTR record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naptr {
    /// Lower ones first; only the lowest with something usable counts.
    pub order: u16,
    /// Lower ones first, within an order.
    pub preference: u16,
    /// `s`: the replacement has SRV records. `a`: addresses. `u`: the regular expression gives a URI.
    pub flags: Box<str>,
    /// `SIP+D2U` and the like.
    pub service: Box<str>,
    /// Empty where there is a replacement.
    pub regexp: Box<str>,
    /// The next name; empty where there is a regular expression.
    pub replacement: Box<str>,
}

/// A way to a server that NAPTR or the client's own knowledge opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// How to talk.
    pub transport: Transport,
    /// Where SRV records are (or addresses, when `addresses`).
    pub name: Box<str>,
    /// The record had the flag `a`.
    pub addresses: bool,
}

/// The transport of a service field; `None` when it is no SIP, or one that we have not (SCTP).
fn transport(service: &str) -> Option<(Transport, bool)> {
    let is = |name: &str| service.eq_ignore_ascii_case(name);
    Some(match () {
        () if is("SIP+D2U") => (Transport::Udp, false),
        () if is("SIP+D2T") => (Transport::Tcp, false),
        () if is("SIPS+D2T") => (Transport::Tls, true),
        () if is("SIP+D2W") => (Transport::Ws, false), // RFC 7118 9.2
        () if is("SIPS+D2W") => (Transport::Wss, true),
        () => return None,
    })
}

/// Those that count, in order; `said` hears why the others do not.
pub(super) fn usable(mut records: Vec<Naptr>, wish: &Wish, have: &[Transport], mut said: impl FnMut(&Naptr, &str)) -> Vec<Service> {
    records.sort_by_key(|record| (record.order, record.preference));
    let mut order = None;
    let mut found = Vec::new();
    for record in &records {
        let Some((by, sips)) = transport(&record.service) else {
            said(record, "not a SIP service that we know");
            continue;
        };
        let flag = record.flags.to_ascii_lowercase();
        if flag != "s" && flag != "a" {
            said(record, "its flag is neither s nor a");
        } else if record.replacement.is_empty() || !record.regexp.is_empty() {
            said(record, "it has no replacement");
        } else if wish.sips && !sips {
            said(record, "the URI is sips");
        } else if !have.contains(&by) {
            said(record, "a transport that cannot be used from here");
        } else if order.is_some_and(|order| order != record.order) {
            // RFC 3403 4.1: once a match is found, other orders must not be considered
            said(record, "a lower order has matched");
        } else {
            order = Some(record.order);
            found.push(Service { transport: by, name: record.replacement.clone(), addresses: flag == "a" });
        }
    }
    found
}
