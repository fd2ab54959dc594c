//! `tandem._core.Resolver`: names become addresses beside the event loop. Nothing here waits but `explain`, which is for people.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::os::fd::AsRawFd;
use tandem_dns::model::{Enum, Outcome, Target, Wish};
use tandem_dns::{Event, Settings};
use tandem_sip::frame::Transport;

/// Transport, address, port, name of the host that has the address.
type Place = (u8, String, u16, String);
/// Token, URIs, a failure's word.
type Numbered = (u64, Vec<String>, &'static str);

/// A resolver with a thread of its own, which starts with the first question.
#[pyclass(frozen)]
pub struct Resolver(tandem_dns::Resolver);

#[pymethods]
impl Resolver {
    #[new]
    fn new(config: &[u8]) -> PyResult<Resolver> {
        let settings = Settings::read(config).map_err(|error| PyValueError::new_err(error.to_string()))?;
        tandem_dns::Resolver::new(settings).map(Resolver).map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// Readable while there is something to drain.
    #[getter]
    fn fd(&self) -> i32 {
        self.0.fd().as_raw_fd()
    }

    /// Keeps exactly these known: (host, port or 0, transport or 0). What is no host name is left out.
    fn watch(&self, peers: Vec<(String, u16, u8)>) {
        self.0.watch(peers.iter().filter_map(|(host, port, transport)| wish(host, *port, *transport).ok()));
    }

    /// What has come: whether a watched name leads elsewhere now, and answers to `ask_enum`.
    fn drain(&self) -> (bool, Vec<Numbered>) {
        let (mut changed, mut numbered) = (false, Vec::new());
        for event in self.0.drain() {
            match event {
                Event::Changed { .. } => changed = true,
                Event::Enum { token, outcome: Ok(found) } => numbered.push((token, found.uris, "")),
                Event::Enum { token, outcome: Err(why) } => numbered.push((token, Vec::new(), why.word())),
                Event::Answered { .. } => {}
            }
        }
        (changed, numbered)
    }

    /// The order in which the message with this number tries its targets, and why there are none. It asks nobody.
    fn targets(&self, host: &str, port: u16, transport: u8, seed: u64) -> (Vec<Place>, &'static str) {
        match wish(host, port, transport).map(|wish| self.0.peek(&wish)) {
            Ok(Some(Ok(found))) => (self.0.order(&found, seed).iter().map(place).collect(), ""),
            Ok(Some(Err(why))) => (Vec::new(), why.word()),
            Ok(None) => (Vec::new(), "not-yet"),
            Err(_) => (Vec::new(), "bad-name"),
        }
    }

    /// Every address that a peer has now, without order.
    fn addresses(&self, host: &str, port: u16, transport: u8) -> Vec<String> {
        let Ok(Some(Ok(found))) = wish(host, port, transport).map(|wish| self.0.peek(&wish)) else {
            return Vec::new();
        };
        let mut addresses: Vec<_> = found.addresses().collect();
        addresses.sort();
        addresses.dedup();
        addresses.iter().map(ToString::to_string).collect()
    }

    /// A target failed: it is tried last for a while.
    fn failed(&self, transport: u8, host: &str, port: u16) {
        if let Some((transport, address)) = target(transport, host, port) {
            self.0.failed(transport, address);
        }
    }

    /// A target has answered.
    fn well(&self, transport: u8, host: &str, port: u16) {
        if let Some((transport, address)) = target(transport, host, port) {
            self.0.well(transport, address);
        }
    }

    /// Asks what a number leads to below a suffix; false when it cannot be asked.
    fn ask_enum(&self, number: &str, suffix: &str, token: u64) -> bool {
        Enum::new(number, suffix).is_some_and(|search| self.0.ask_enum(search, token))
    }

    /// Resolves a URI with every step in words, and waits for it: (steps, targets, life in seconds, a failure's words).
    fn explain(&self, py: Python<'_>, uri: &str, seed: u64) -> PyResult<(Vec<String>, Vec<Place>, u32, String)> {
        let wish = Wish::of_uri(uri.as_bytes()).map_err(|error| PyValueError::new_err(error.to_string()))?;
        let (steps, outcome): (Vec<String>, Outcome) = py.detach(|| self.0.explain(wish));
        Ok(match outcome {
            Ok(found) => (steps, self.0.order(&found, seed).iter().map(place).collect(), found.ttl_seconds, String::new()),
            Err(why) => (steps, Vec::new(), 0, why.to_string()),
        })
    }

    /// As `explain`, for a number: (steps, URIs, a failure's words).
    fn explain_enum(&self, py: Python<'_>, number: &str, suffix: &str) -> PyResult<(Vec<String>, Vec<String>, String)> {
        let search = Enum::new(number, suffix)
            .ok_or_else(|| PyValueError::new_err("a number is + and up to 15 digits, a suffix a domain name like e164.arpa"))?;
        let (steps, outcome) = py.detach(|| self.0.explain_enum(search));
        Ok(match outcome {
            Ok(found) => (steps, found.uris, String::new()),
            Err(why) => (steps, Vec::new(), why.to_string()),
        })
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        self.0.counters().to_vec()
    }
}

fn wish(host: &str, port: u16, transport: u8) -> Result<Wish, tandem_dns::model::BadWish> {
    Wish::new(host, port, Transport::read(transport), false)
}

fn place(target: &Target) -> Place {
    (target.transport as u8, target.address.ip().to_string(), target.address.port(), target.host.to_string())
}

fn target(transport: u8, host: &str, port: u16) -> Option<(Transport, std::net::SocketAddr)> {
    Some((Transport::read(transport)?, std::net::SocketAddr::new(host.parse().ok()?, port)))
}
