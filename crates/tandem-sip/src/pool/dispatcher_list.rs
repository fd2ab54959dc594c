//! Kamailio's `dispatcher.list`, read as it is: a set is a pool, a destination a member. It opens no file and looks no name up.

use super::config::{named_transport, CostConfig, Wanted};
use super::member::MEMBERS;
use super::settings::NAME_CHARS;
use crate::frame::Transport;
use crate::uri::Uri;
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;

/// Bytes of a whole list.
pub const LIST_BYTES: usize = 4 << 20;
/// Bytes of one line.
pub const LINE_BYTES: usize = 8_192;

const INACTIVE: u32 = 1;
const DISABLED: u32 = 4;
const PROBING: u32 = 8;
const NO_PING: u32 = 32;
const KNOWN_FLAGS: u32 = 63; // 2: on the way to become inactive; 16: the host is looked up when it is needed

/// Attributes that Kamailio knows and that mean nothing here.
const UNUSED: [&str; 8] = ["socket", "sockname", "ping_socket", "ping_from", "obproxy", "latency", "ocmin", "ocmax"];

/// Why a list cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}, column {column} ({field}): {why}")]
pub struct BadList {
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
    /// `set`, `destination`, `flags`, `priority` or `attributes`, also `attributes.NAME`.
    pub field: String,
    /// What is wrong, and the limit.
    pub why: String,
}

/// What a list says.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct DispatcherList {
    /// A pool for each set, in the order of their numbers, in the form of [`super::PoolConfig`] as far as the list goes.
    pub pools: Vec<ListPool>,
    /// What was read and has no effect, each with its line.
    pub warnings: Vec<String>,
}

/// One set.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct ListPool {
    /// The set's number.
    pub name: String,
    /// A call of each, where a destination has a `maxload`.
    pub costs: Vec<CostConfig>,
    /// Its destinations.
    pub members: Vec<ListMember>,
}

/// One destination, in the form of [`super::MemberConfig`]; but the host of its address may be a name.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ListMember {
    /// Its `duid`, else its address.
    pub name: String,
    /// `address:port`, `name:port`, or a name alone, whose port DNS says.
    pub address: String,
    /// `udp`, `tcp`, `tls`, `ws`, `wss`.
    pub transport: String,
    /// The name in the destination's URI, over TLS.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tls_name: String,
    /// `weight`, else `rweight`.
    pub weight: u32,
    /// 0 for the highest priority of the set, 1 for the next: ours counts up.
    pub priority: u16,
    /// `maxload` as `call`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub capacity: BTreeMap<String, u32>,
    /// `off` by flag 4, or 1 without 8.
    pub state: Wanted,
}

impl DispatcherList {
    /// `{"pools": [...], "warnings": [...]}`.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Reads a list: `set destination [flags [priority [attributes]]]` a line, `#` begins a comment.
///
/// ```
/// let list = tandem_sip::pool::dispatcher_list::read("1 sip:10.0.0.11:5060 0 10 weight=50;duid=fs1\n").unwrap();
/// assert_eq!("fs1", list.pools[0].members[0].name);
/// ```
pub fn read(text: &str) -> Result<DispatcherList, BadList> {
    let mut reader = Reader::default();
    if text.len() > LIST_BYTES {
        let why = format!("{} bytes, at most {LIST_BYTES}", text.len());
        return Err(BadList { line: 1, column: 1, field: "list".into(), why });
    }
    for (at, line) in text.lines().enumerate() {
        reader.line = at + 1;
        reader.read(line)?;
    }
    Ok(reader.finish())
}

#[derive(Default)]
struct Reader {
    line: usize,
    sets: BTreeMap<u32, Vec<(i32, ListMember)>>,
    names: HashSet<(u32, String)>,
    warnings: Vec<String>,
}

/// A word of a line and its column.
#[derive(Clone, Copy)]
struct Word<'a> {
    text: &'a str,
    column: usize,
}

impl Reader {
    fn read(&mut self, line: &str) -> Result<(), BadList> {
        if line.len() > LINE_BYTES {
            return Err(self.bad(1, "line", format!("{} bytes, at most {LINE_BYTES}", line.len())));
        }
        let mut words = words(line).into_iter();
        let Some(set) = words.next() else { return Ok(()) };
        let id = self.number(set, "set")?;
        let Some(destination) = words.next() else {
            return Err(self.bad(line.len() + 1, "destination", "it is missing: write a SIP URI behind the set's number"));
        };
        let mut member = self.destination(destination)?;
        let flags = words.next().map_or(Ok(0), |word| self.flags(word))?;
        let priority = words.next().map_or(Ok(0), |word| self.priority(word))?;
        member.state = self.state(flags);
        if let Some(attributes) = words.next() {
            self.attributes(attributes, &mut member)?;
        }
        if let Some(more) = words.next() {
            self.warn(format!("{:?} behind the attributes is ignored", more.text));
        }
        self.name_once(id, &mut member);
        if self.sets.values().map(Vec::len).sum::<usize>() >= MEMBERS {
            return Err(self.bad(1, "destination", format!("more than the {MEMBERS} members that an edge has")));
        }
        self.sets.entry(id).or_default().push((priority, member));
        Ok(())
    }

    fn finish(self) -> DispatcherList {
        let pools = self.sets.into_iter().map(|(id, destinations)| {
            let mut priorities: Vec<i32> = destinations.iter().map(|&(priority, _)| priority).collect();
            priorities.sort_unstable_by(|a, b| b.cmp(a));
            priorities.dedup();
            let rank = |priority| priorities.iter().position(|&known| known == priority).unwrap_or(0) as u16;
            let members: Vec<ListMember> =
                destinations.into_iter().map(|(priority, member)| ListMember { priority: rank(priority), ..member }).collect();
            let limited = members.iter().any(|member| !member.capacity.is_empty());
            let call = || CostConfig { name: String::new(), methods: vec!["INVITE".into()], take: BTreeMap::from([("call".into(), 1)]) };
            ListPool { name: id.to_string(), costs: if limited { vec![call()] } else { Vec::new() }, members }
        });
        DispatcherList { pools: pools.collect(), warnings: self.warnings }
    }

    fn destination(&mut self, word: Word<'_>) -> Result<ListMember, BadList> {
        let bad = |reader: &Reader, why: String| reader.bad(word.column, "destination", why);
        let lower = word.text.to_ascii_lowercase();
        let whole = if lower.starts_with("sip:") || lower.starts_with("sips:") { word.text.into() } else { format!("sip:{}", word.text) };
        let uri = Uri::parse(whole.as_bytes()).map_err(|error| bad(self, format!("{:?}: {error}", word.text)))?;
        if uri.user.is_some() {
            self.warn(format!("the user in {:?} is ignored", word.text));
        }
        let transport = match uri.param(b"transport").map(|name| String::from_utf8_lossy(name).into_owned()) {
            None if uri.is_sips() => Transport::Tls,
            None => Transport::Udp,
            Some(name) => match named_transport(&name) {
                Some(Transport::Tcp) if uri.is_sips() => Transport::Tls, // RFC 3261 26.2.2
                Some(transport) => transport,
                None => return Err(bad(self, format!("transport {name:?}; udp, tcp, tls, ws and wss are known"))),
            },
        };
        let host = String::from_utf8_lossy(uri.bare_host()).into_owned();
        let ip: Option<IpAddr> = host.parse().ok();
        let port = uri.port.or(ip.map(|_| default_port(transport)));
        if port == Some(0) || host.is_empty() {
            return Err(bad(self, format!("{:?} has no host, or port 0", word.text)));
        }
        let shown = String::from_utf8_lossy(uri.host);
        let address = port.map_or_else(|| shown.to_string(), |port| format!("{shown}:{port}"));
        let secure = matches!(transport, Transport::Tls | Transport::Wss);
        let transport = transport.via().to_ascii_lowercase();
        Ok(ListMember {
            name: if transport == "udp" { address.clone() } else { format!("{address};{transport}") },
            address,
            transport,
            tls_name: if secure && ip.is_none() { host } else { String::new() },
            weight: 100,
            priority: 0,
            capacity: BTreeMap::new(),
            state: Wanted::On,
        })
    }

    fn flags(&mut self, word: Word<'_>) -> Result<u32, BadList> {
        let hex = word.text.strip_prefix("0x").or(word.text.strip_prefix("0X")).map(|digits| u32::from_str_radix(digits, 16));
        let flags = match hex {
            Some(flags) => flags.map_err(|_| self.bad(word.column, "flags", format!("{:?} is no number", word.text)))?,
            None => self.number(word, "flags")?,
        };
        if flags & !KNOWN_FLAGS != 0 {
            self.warn(format!("flags {} are not known, ignored", flags & !KNOWN_FLAGS));
        }
        if flags & NO_PING != 0 {
            self.warn("flag 32 (no ping) is ignored: all members of a pool are probed, or none".into());
        }
        Ok(flags)
    }

    fn state(&mut self, flags: u32) -> Wanted {
        if flags & DISABLED != 0 || flags & (INACTIVE | PROBING) == INACTIVE {
            return Wanted::Off;
        }
        if flags & INACTIVE != 0 {
            self.warn("flags 9 (inactive, probing): it counts as up until its probes fail".into());
        }
        Wanted::On
    }

    fn priority(&self, word: Word<'_>) -> Result<i32, BadList> {
        word.text.parse().map_err(|_| self.bad(word.column, "priority", format!("{:?} is no number within 32 bits", word.text)))
    }

    fn attributes(&mut self, word: Word<'_>, member: &mut ListMember) -> Result<(), BadList> {
        let mut column = word.column;
        let (mut weight, mut rweight) = (None, None);
        for text in word.text.split(';') {
            let (name, value) = text.split_once('=').unwrap_or((text, ""));
            let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
            let at = Word { text: value, column: column + name.len() + 1 };
            match name.to_ascii_lowercase().as_str() {
                "" => {}
                "duid" => member.name = self.duid(at)?,
                "weight" => weight = self.share(name, at),
                "rweight" => rweight = self.share(name, at),
                "maxload" => match self.number(at, "attributes.maxload")? {
                    0 => {}
                    most => drop(member.capacity.insert("call".into(), most)),
                },
                "ocrate" | "cc" => self.warn(format!("attribute {name:?} (overload control) is ignored: a 503 with Retry-After does it")),
                known if UNUSED.contains(&known) => self.warn(format!("attribute {name:?} is ignored")),
                _ => self.warn(format!("attribute {name:?} is not known, ignored")),
            }
            column += text.chars().count() + 1;
        }
        member.weight = weight.or(rweight).unwrap_or(member.weight);
        Ok(())
    }

    /// 1 to 100; anything else means there that nothing is sent by weight.
    fn share(&mut self, name: &str, word: Word<'_>) -> Option<u32> {
        let share = word.text.parse().ok().filter(|share| (1..=100).contains(share));
        if share.is_none() {
            self.warn(format!("{name} {:?} is not within 1..=100: the destination is tried after the others only", word.text));
        }
        share.or(Some(0))
    }

    fn duid(&self, word: Word<'_>) -> Result<String, BadList> {
        let name = super::settings::name("duid", word.text);
        name.map_err(|error| self.bad(word.column, "attributes.duid", error.why))?;
        Ok(word.text.into())
    }

    /// Two destinations of a set may be written alike; members need different names.
    fn name_once(&mut self, set: u32, member: &mut ListMember) {
        let fits = |text: &str, room: usize| -> String { text.chars().take(NAME_CHARS - room).collect() };
        let whole = fits(&member.name, 0);
        let others = (2..).map(|n| format!("{}#{n}", fits(&whole, 5)));
        let name = std::iter::once(whole.clone()).chain(others).find(|name| !self.names.contains(&(set, name.clone())));
        let name = name.unwrap_or_default();
        if name != whole {
            self.warn(format!("{whole:?} stands twice in set {set}; this one is called {name:?}"));
        }
        self.names.insert((set, name.clone()));
        member.name = name;
    }

    fn number(&self, word: Word<'_>, field: &str) -> Result<u32, BadList> {
        let digits = !word.text.is_empty() && word.text.bytes().all(|c| c.is_ascii_digit());
        let number = word.text.parse().ok().filter(|_| digits);
        number
            .filter(|&n| n <= 10_000_000)
            .ok_or_else(|| self.bad(word.column, field, format!("{:?} is no number within 0..=10000000", word.text)))
    }

    fn warn(&mut self, text: String) {
        self.warnings.push(format!("line {}: {text}", self.line));
    }

    fn bad(&self, column: usize, field: &str, why: impl Into<String>) -> BadList {
        BadList { line: self.line, column, field: field.into(), why: why.into() }
    }
}

/// The words of a line; a `#` begins a comment but within attributes, the fifth word.
fn words(line: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\r']);
        let column = line[..line.len() - rest.len()].chars().count() + 1;
        if rest.is_empty() || rest.starts_with('#') {
            return words;
        }
        let end = rest.find(|c| matches!(c, ' ' | '\t' | '\r') || (c == '#' && words.len() < 4)).unwrap_or(rest.len());
        words.push(Word { text: &rest[..end], column });
        rest = &rest[end..];
    }
}

fn default_port(transport: Transport) -> u16 {
    match transport {
        Transport::Udp | Transport::Tcp => 5060,
        Transport::Tls => 5061,
        Transport::Ws => 80,
        Transport::Wss => 443,
    }
}
