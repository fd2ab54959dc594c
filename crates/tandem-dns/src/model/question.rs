//! What is asked of a name server, and what it may answer. It asks nobody.

use super::Naptr;
use std::fmt;
use std::net::IpAddr;

/// Longest name, in bytes (RFC 1035 3.1, without the last dot).
pub const NAME_BYTES: usize = 253;
/// Longest label, in bytes.
const LABEL_BYTES: usize = 63;

/// The type of record that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// RFC 3403.
    Naptr,
    /// RFC 2782.
    Srv,
    /// An IPv4 address.
    A,
    /// An IPv6 address.
    Aaaa,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Naptr => "NAPTR",
            Kind::Srv => "SRV",
            Kind::A => "A",
            Kind::Aaaa => "AAAA",
        })
    }
}

/// One question; the name is lower case, without the last dot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// The type.
    pub kind: Kind,
    /// The name.
    pub name: Box<str>,
}

impl Question {
    /// A question for a name that [`clean`] has let pass.
    pub fn new(kind: Kind, name: impl Into<Box<str>>) -> Question {
        Question { kind, name: name.into() }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

/// A host that offers a service (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Srv {
    /// Lower ones first.
    pub priority: u16,
    /// The share among those of one priority.
    pub weight: u16,
    /// The port there.
    pub port: u16,
    /// The host; empty: the service is decidedly not there.
    pub target: Box<str>,
}

/// The content of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// Of NAPTR.
    Naptr(Naptr),
    /// Of SRV.
    Srv(Srv),
    /// Of A and AAAA.
    Address(IpAddr),
}

/// Records of one name and type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Records {
    /// At least one.
    pub data: Vec<Data>,
    /// How long they count from now on.
    pub ttl_seconds: u32,
    /// They are older than they may be: the servers are away.
    pub stale: bool,
}

/// Why there are no records. The first three are facts, which a cache may keep; the others may be over in a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Failure {
    /// The name does not exist (NXDOMAIN).
    #[error("the name does not exist")]
    NoName,
    /// The name has no record of this type.
    #[error("no such record")]
    NoRecords,
    /// An SRV record says that the service is not offered.
    #[error("the service is not offered there")]
    NotOffered,
    /// What is offered goes by transports that cannot be used here.
    #[error("no transport in common")]
    NoTransport,
    /// No server answered in time.
    #[error("no name server answered in time")]
    TimedOut,
    /// A server refused to answer.
    #[error("the name server refused")]
    Refused,
    /// A server failed (SERVFAIL and the like), or its answer cannot be read.
    #[error("the name server failed")]
    ServerFailed,
    /// There is no server to ask, or none can be reached.
    #[error("no name server can be reached")]
    NoServers,
    /// Too many questions wait already.
    #[error("too many questions wait")]
    Busy,
}

impl Failure {
    /// Whether it may be over in a moment.
    pub fn is_temporary(self) -> bool {
        !matches!(self, Failure::NoName | Failure::NoRecords | Failure::NotOffered | Failure::NoTransport)
    }

    /// One word, for counters, logs and programs.
    pub fn word(self) -> &'static str {
        match self {
            Failure::NoName => "no-name",
            Failure::NoRecords => "no-records",
            Failure::NotOffered => "not-offered",
            Failure::NoTransport => "no-transport",
            Failure::TimedOut => "timed-out",
            Failure::Refused => "refused",
            Failure::ServerFailed => "server-failed",
            Failure::NoServers => "no-servers",
            Failure::Busy => "busy",
        }
    }
}

/// Records, or why there are none and for how many seconds that counts.
pub type Answer = Result<Records, (Failure, u32)>;

/// A host name as it is asked for: lower case, without a last dot; `None` when it cannot be one.
///
/// ```
/// assert_eq!(Some("sip.example.com"), tandem_dns::model::clean("SIP.example.com.").as_deref());
/// assert_eq!(None, tandem_dns::model::clean("a..b"));
/// ```
pub fn clean(name: &str) -> Option<Box<str>> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let good = |label: &str| {
        (1..=LABEL_BYTES).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    (name.len() <= NAME_BYTES && name.split('.').all(good)).then(|| name.to_ascii_lowercase().into())
}
