//! What a message is to be sent to, before any name is looked up: host, port, transport, and whether it must be TLS.

use super::question::clean;
use std::fmt;
use std::net::IpAddr;
use tandem_sip::frame::Transport;
use tandem_sip::uri::Uri;
use tandem_sip::via::Via;

/// Where somebody wants to send (RFC 3263 4: TARGET, and what the URI says beside it).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Wish {
    /// A clean host name, or an IP address without brackets.
    pub host: Box<str>,
    /// The explicit port.
    pub port: Option<u16>,
    /// The transport that the URI (or the Via of a request that is answered) asks for.
    pub transport: Option<Transport>,
    /// The URI is sips: TLS on every way.
    pub sips: bool,
}

/// What cannot be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadWish {
    /// Neither sip nor sips, or no URI at all.
    #[error("no sip or sips URI")]
    Uri,
    /// No host name: letters, digits, hyphens, labels of at most 63 bytes, 253 in all; others in their xn-- form.
    #[error("no host name (other letters than ASCII: write the xn-- form)")]
    Host,
    /// A transport that SIP does not have, or that we do not.
    #[error("transport must be udp, tcp, tls, ws or wss (sips: a reliable one)")]
    Transport,
}

impl Wish {
    /// A host, with what is known beside it. An IPv6 address may have brackets; port 0 is none.
    ///
    /// # Errors
    /// [`BadWish::Host`]
    pub fn new(host: &str, port: u16, transport: Option<Transport>, sips: bool) -> Result<Wish, BadWish> {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let host = match bare.parse::<IpAddr>() {
            Ok(address) => address.to_string().into(),
            Err(_) => clean(host).ok_or(BadWish::Host)?,
        };
        let transport = if sips { transport.map(secured) } else { transport };
        Ok(Wish { host, port: (port != 0).then_some(port), transport, sips })
    }

    /// Where a request with this Request-URI (or topmost Route) goes: RFC 3263 4.
    ///
    /// ```
    /// let wish = tandem_dns::model::Wish::of_uri(b"sips:alice@Example.com;maddr=edge.example.com").unwrap();
    /// assert_eq!(("edge.example.com", true), (&*wish.host, wish.sips));
    /// ```
    ///
    /// # Errors
    /// What it is not.
    pub fn of_uri(uri: &[u8]) -> Result<Wish, BadWish> {
        let uri = Uri::parse(uri).map_err(|_| BadWish::Uri)?;
        if !uri.is_sip() {
            return Err(BadWish::Uri);
        }
        let sips = uri.is_sips();
        let transport = match uri.param(b"transport") {
            None => None,
            Some(name) => Some(named(name).ok_or(BadWish::Transport)?),
        };
        if sips && transport == Some(Transport::Udp) {
            return Err(BadWish::Transport);
        }
        let host = uri.param(b"maddr").unwrap_or(uri.host);
        Wish::new(text(host)?, uri.port.unwrap_or(0), transport, sips)
    }

    /// Where a response goes whose connection is gone: RFC 3263 5. There is no NAPTR: the Via names the transport.
    ///
    /// # Errors
    /// What it is not.
    pub fn of_via(via: &Via<'_>) -> Result<Wish, BadWish> {
        let transport = named(via.transport).ok_or(BadWish::Transport)?;
        Wish::new(text(via.host)?, via.port.unwrap_or(0), Some(transport), false)
    }

    /// The host as an address, when it is one.
    pub fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// RFC 3263 4.1: without any other sign UDP, and TLS for sips.
    pub fn usual(&self) -> Transport {
        self.transport.unwrap_or(if self.sips { Transport::Tls } else { Transport::Udp })
    }
}

impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.to_string() };
        write!(f, "{}:{host}", if self.sips { "sips" } else { "sip" })?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        self.transport.map_or(Ok(()), |transport| write!(f, ";transport={}", transport.via().to_ascii_lowercase()))
    }
}

/// The port that a transport has where none is said (RFC 3261 18.1.1, RFC 7118 5).
pub(super) fn usual_port(transport: Transport) -> u16 {
    match transport {
        Transport::Udp | Transport::Tcp => 5060,
        Transport::Tls => 5061,
        Transport::Ws => 80,
        Transport::Wss => 443,
    }
}

/// The owner name of a transport's SRV records; RFC 7118 defines none for WebSockets.
pub(super) fn srv_name(transport: Transport, host: &str) -> Option<Box<str>> {
    let service = match transport {
        Transport::Udp => "_sip._udp",
        Transport::Tcp => "_sip._tcp",
        Transport::Tls => "_sips._tcp",
        Transport::Ws | Transport::Wss => return None,
    };
    Some(format!("{service}.{host}").into())
}

fn secured(transport: Transport) -> Transport {
    match transport {
        Transport::Ws | Transport::Wss => Transport::Wss,
        _ => Transport::Tls,
    }
}

fn named(name: &[u8]) -> Option<Transport> {
    (1..=5).filter_map(Transport::read).find(|transport| transport.via().as_bytes().eq_ignore_ascii_case(name))
}

fn text(bytes: &[u8]) -> Result<&str, BadWish> {
    std::str::from_utf8(bytes).map_err(|_| BadWish::Host)
}
