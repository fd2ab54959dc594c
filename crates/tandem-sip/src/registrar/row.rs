//! The bytes of one address of record with its bindings: in memory and in the store. Format only, no rules.
//!
//! Row: version (2), AoR (u16 length), bindings until the end. Binding: fixed fields in little endian, then URI, instance and path,
//! each with a u16 length. Version 1, which is read too, has neither `first_cseq` nor flags.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The format's version: the row's first byte.
pub const VERSION: u8 = 2;
/// The oldest version that is read.
pub const OLDEST: u8 = 1;
/// Flag of a binding: its phone does not answer our OPTIONS.
const UNREACHABLE: u8 = 1;

/// Where a phone is: the connection or datagram address that its REGISTER came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Flow {
    /// The edge that holds it.
    pub edge: u16,
    /// Its connection number there; 0 for datagrams, and for a stream to which one has to connect.
    pub connection: u64,
    /// 1 UDP, 2 TCP, 3 TLS, 4 WS, 5 WSS.
    pub transport: u8,
    /// Index into the edge's listening addresses.
    pub local: u8,
    /// The address that we saw: behind NAT not the one in the Contact.
    pub remote: SocketAddr,
}

/// One binding, read from its row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Binding<'a> {
    /// The Contact URI: the Request-URI of what is sent there.
    pub uri: &'a [u8],
    /// Preference in thousandths; `None` where the phone gave none.
    pub q: Option<u16>,
    /// Seconds since 1970.
    pub expires_at: u32,
    /// A hash of the REGISTER's Call-ID: only equality is asked for.
    pub call: u64,
    /// The REGISTER's CSeq.
    pub cseq: u32,
    /// The CSeq of the first REGISTER with this Call-ID since the binding began: temporary GRUUs of earlier ones are void.
    pub first_cseq: u32,
    /// The phone has left our OPTIONS unanswered since its last REGISTER.
    pub unreachable: bool,
    /// Where the phone is.
    pub flow: Flow,
    /// RFC 5626 `reg-id`; 0: not an outbound binding.
    pub reg_id: u32,
    /// RFC 5626 `+sip.instance` without quotes; empty if absent.
    pub instance: &'a [u8],
    /// RFC 3327 Path values, comma separated: the Route of what is sent there; empty if absent.
    pub path: &'a [u8],
}

const NO_Q: u16 = u16::MAX;

/// Starts a row in `out`, which is cleared.
pub fn begin(out: &mut Vec<u8>, aor: &[u8]) {
    out.clear();
    out.push(VERSION);
    text(out, aor);
}

/// Appends a binding.
pub fn push(out: &mut Vec<u8>, binding: &Binding<'_>) {
    let flow = &binding.flow;
    out.extend_from_slice(&binding.expires_at.to_le_bytes());
    out.extend_from_slice(&binding.call.to_le_bytes());
    out.extend_from_slice(&binding.cseq.to_le_bytes());
    out.extend_from_slice(&binding.first_cseq.to_le_bytes());
    out.push(if binding.unreachable { UNREACHABLE } else { 0 });
    out.extend_from_slice(&binding.q.unwrap_or(NO_Q).to_le_bytes());
    out.extend_from_slice(&binding.reg_id.to_le_bytes());
    out.extend_from_slice(&flow.edge.to_le_bytes());
    out.extend_from_slice(&flow.connection.to_le_bytes());
    out.extend_from_slice(&[flow.transport, flow.local]);
    out.extend_from_slice(&flow.remote.port().to_le_bytes());
    match flow.remote.ip() {
        IpAddr::V4(v4) => {
            out.push(4);
            out.extend_from_slice(&v4.octets());
        }
        IpAddr::V6(v6) => {
            out.push(16);
            out.extend_from_slice(&v6.octets());
        }
    }
    for part in [binding.uri, binding.instance, binding.path] {
        text(out, part);
    }
}

fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    let bytes = bytes.get(..usize::from(u16::MAX)).unwrap_or(bytes);
    out.extend_from_slice(&(bytes.len() as u16).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// Splits a row into its AoR and its bindings; `None` for another version or a torn row.
pub fn open(row: &[u8]) -> Option<(&[u8], Bindings<'_>)> {
    let mut bindings = Bindings { rest: row, version: 0 };
    let [version] = bindings.fixed()?;
    bindings.version = version;
    let aor = bindings.text()?;
    (OLDEST..=VERSION).contains(&version).then_some((aor, bindings))
}

/// The AoR of a row that we wrote; empty for anything else.
pub fn aor(row: &[u8]) -> &[u8] {
    open(row).map_or(b"", |(aor, _)| aor)
}

/// Whether the row can be read to its end.
pub fn is_whole(row: &[u8]) -> bool {
    open(row).is_some_and(|(_, mut bindings)| {
        bindings.by_ref().for_each(drop);
        bindings.rest.is_empty()
    })
}

/// Reads the bindings of a row; stops where it is torn.
#[derive(Clone, Debug)]
pub struct Bindings<'a> {
    rest: &'a [u8],
    version: u8,
}

impl<'a> Iterator for Bindings<'a> {
    type Item = Binding<'a>;

    fn next(&mut self) -> Option<Binding<'a>> {
        let mut reader = self.clone();
        let binding = reader.binding()?;
        *self = reader;
        Some(binding)
    }
}

impl<'a> Bindings<'a> {
    fn binding(&mut self) -> Option<Binding<'a>> {
        let expires_at = u32::from_le_bytes(self.fixed()?);
        let call = u64::from_le_bytes(self.fixed()?);
        let cseq = u32::from_le_bytes(self.fixed()?);
        let (first_cseq, [flags]) = if self.version > 1 { (u32::from_le_bytes(self.fixed()?), self.fixed()?) } else { (cseq, [0]) };
        let q = u16::from_le_bytes(self.fixed()?);
        let reg_id = u32::from_le_bytes(self.fixed()?);
        let flow = self.flow()?;
        Some(Binding {
            uri: self.text()?,
            q: (q != NO_Q).then_some(q),
            expires_at,
            call,
            cseq,
            first_cseq,
            unreachable: flags & UNREACHABLE != 0,
            flow,
            reg_id,
            instance: self.text()?,
            path: self.text()?,
        })
    }

    fn flow(&mut self) -> Option<Flow> {
        let edge = u16::from_le_bytes(self.fixed()?);
        let connection = u64::from_le_bytes(self.fixed()?);
        let [transport, local] = self.fixed()?;
        let port = u16::from_le_bytes(self.fixed()?);
        let ip = match self.fixed()? {
            [4u8] => IpAddr::from(Ipv4Addr::from(self.fixed::<4>()?)),
            [16] => IpAddr::from(Ipv6Addr::from(self.fixed::<16>()?)),
            _ => return None,
        };
        Some(Flow { edge, connection, transport, local, remote: SocketAddr::new(ip, port) })
    }

    fn fixed<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (value, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*value)
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let length = u16::from_le_bytes(self.fixed()?);
        let (text, rest) = self.rest.split_at_checked(usize::from(length))?;
        self.rest = rest;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding() -> Binding<'static> {
        let flow = Flow { edge: 3, connection: 77, transport: 3, local: 1, remote: "192.0.2.1:5061".parse().unwrap() };
        Binding {
            uri: b"sip:a@b",
            q: Some(500),
            expires_at: 1_795_000_000,
            call: 9,
            cseq: 4,
            first_cseq: 2,
            unreachable: true,
            flow,
            reg_id: 1,
            instance: b"<urn:uuid:1>",
            path: b"<sip:p;lr>",
        }
    }

    #[test]
    fn a_row_reads_back_as_it_was_written() {
        let v6 = Flow { remote: "[2001:db8::1]:5060".parse().unwrap(), ..binding().flow };
        let other = Binding { q: None, reg_id: 0, instance: b"", path: b"", flow: v6, ..binding() };
        let mut row = Vec::new();
        begin(&mut row, b"alice@demo.example");
        push(&mut row, &binding());
        push(&mut row, &other);
        let (aor, bindings) = open(&row).unwrap();
        assert_eq!(b"alice@demo.example", aor);
        assert_eq!(vec![binding(), other], bindings.collect::<Vec<_>>());
        assert!(is_whole(&row));
    }

    #[test]
    fn a_torn_or_strange_row_is_not_whole() {
        let mut row = Vec::new();
        begin(&mut row, b"alice@demo.example");
        let head = row.len();
        push(&mut row, &binding());
        for end in 0..row.len() {
            assert_eq!(end == head, is_whole(&row[..end]), "{end}");
        }
        row[0] = VERSION + 1;
        assert!(!is_whole(&row));
    }

    #[test]
    fn a_row_of_the_version_before_is_read() {
        let mut row = Vec::new();
        begin(&mut row, b"a@b");
        let head = row.len();
        push(&mut row, &binding());
        row[0] = OLDEST;
        row.drain(head + 16..head + 21); // behind expiry, Call-ID and CSeq
        assert!(is_whole(&row));
        let old = open(&row).unwrap().1.next().unwrap();
        assert_eq!(Binding { first_cseq: 4, unreachable: false, ..binding() }, old);
    }
}
