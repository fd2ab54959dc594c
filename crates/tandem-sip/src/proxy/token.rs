//! The user part of our Record-Route and Path: what an edge must know of later requests, under a MAC. It keeps nothing and has no expiry.

use crate::base32;
use crate::frame::{Address, Transport};
use crate::ids::{mac, Key, Keys};
use std::net::SocketAddr;

/// Longest token, in characters: IPv6 over a stream with an edge and a member.
pub const TOKEN_CHARS: usize = 80;
/// Not a letter of the alphabet: no other token of ours begins with it.
const MARKER: u8 = b'u';
/// Characters of the MAC.
const MAC: usize = 13;
const PAYLOAD: usize = 48;

const PATH: u8 = 1;
const FIRM: u8 = 2;
const PEER: u8 = 4;
const MEMBER: u8 = 8;
const EDGE: u8 = 16;
const V6: u8 = 32;
const CALLEE: u8 = 64;

/// What a token is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Record-Route: it holds for one Call-ID.
    Dialog,
    /// Path: it holds wherever the registrar puts it (RFC 3327, RFC 5626).
    Path,
}

/// What a token says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Token {
    /// What it is for.
    pub kind: Kind,
    /// The party outside, if its flow matters.
    pub peer: Option<Peer>,
    /// That party is the callee.
    pub callee: bool,
    /// Requests to that party go to its flow, whatever its Contact says: it is behind a NAT, or on a stream.
    pub firm: bool,
    /// The member that the call is on: [`member_mark`].
    pub member: Option<u16>,
    /// Names the From tag of the request that began the dialog: [`tag_mark`].
    pub tag: u16,
    /// The edge that counts the call and holds the connection; 0: any.
    pub edge: u16,
}

/// Where the party outside was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer {
    /// How it came.
    pub transport: Transport,
    /// [`super::OwnAddress`]' mark.
    pub local: u16,
    /// Its address; of streams too, for whoever opens a new one.
    pub remote: SocketAddr,
    /// Its connection, 0 for datagrams.
    pub flow: u64,
}

/// Why a text is not a token of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotAToken {
    /// It never was one.
    Foreign,
    /// It has the form of one, and its MAC is wrong here.
    Forged,
}

/// Sixteen bits of a tag: enough to tell the two parties of a dialog apart.
pub fn tag_mark(keys: &Keys, tag: &[u8]) -> u16 {
    keys.hash(&[b"tag", tag]) as u16
}

/// Sixteen bits of a member's address: numbers change with the configuration, this does not.
pub fn member_mark(keys: &Keys, transport: Transport, address: SocketAddr) -> u16 {
    let address = Address::from(address);
    keys.hash(&[b"member", &[transport as u8], &address.ip, &address.port.to_le_bytes()]) as u16
}

/// Appends a token.
pub fn push(out: &mut Vec<u8>, keys: &Keys, token: &Token, call_id: &[u8]) {
    let Some(key) = keys.signing.first() else { return };
    let mut payload = Payload::default();
    token.write(&mut payload);
    out.extend_from_slice(&[MARKER, key.id]);
    push_bytes(out, payload.bytes());
    base32::push(out, sum(key, payload.bytes(), bound_to(token.kind, call_id)), MAC as u32);
}

/// Reads a token.
pub fn read(keys: &Keys, text: &[u8], call_id: &[u8]) -> Result<Token, NotAToken> {
    let [MARKER, id, rest @ ..] = text else { return Err(NotAToken::Foreign) };
    let at = rest.len().checked_sub(MAC).filter(|_| text.len() <= TOKEN_CHARS).ok_or(NotAToken::Foreign)?;
    let (payload, given) = rest.split_at(at);
    let mut bytes = Payload::default();
    read_bytes(payload, &mut bytes).ok_or(NotAToken::Foreign)?;
    let (token, given) = Token::read(bytes.bytes()).zip(base32::read(given)).ok_or(NotAToken::Foreign)?;
    let good = |key: &Key| key.id == *id && sum(key, bytes.bytes(), bound_to(token.kind, call_id)) == given;
    match keys.signing.iter().any(good) {
        true => Ok(token),
        false => Err(NotAToken::Forged),
    }
}

fn bound_to(kind: Kind, call_id: &[u8]) -> &[u8] {
    match kind {
        Kind::Dialog => call_id,
        Kind::Path => b"",
    }
}

fn sum(key: &Key, payload: &[u8], call_id: &[u8]) -> u64 {
    mac(&key.secret, &[b"flow", payload, call_id])
}

impl Token {
    fn write(&self, to: &mut Payload) {
        let flag = |yes: bool, bit: u8| if yes { bit } else { 0 };
        let address = self.peer.map(|peer| Address::from(peer.remote));
        let v6 = address.is_some_and(|address| !address.ip().is_ipv4());
        let flags = flag(self.kind == Kind::Path, PATH)
            | flag(self.firm, FIRM)
            | flag(self.peer.is_some(), PEER)
            | flag(self.member.is_some(), MEMBER)
            | flag(self.edge != 0, EDGE)
            | flag(v6, V6)
            | flag(self.callee, CALLEE);
        to.push(&[flags]);
        to.push(&self.tag.to_le_bytes());
        if let Some(member) = self.member {
            to.push(&member.to_le_bytes());
        }
        if self.edge != 0 {
            to.push(&self.edge.to_le_bytes());
        }
        if let (Some(peer), Some(address)) = (self.peer, address) {
            to.push(&[peer.transport as u8]);
            to.push(&peer.local.to_le_bytes());
            to.push(address.ip.get(if v6 { 0 } else { 12 }..).unwrap_or_default());
            to.push(&address.port.to_le_bytes());
            if peer.transport.is_reliable() {
                to.push(&peer.flow.to_le_bytes());
            }
        }
    }

    fn read(bytes: &[u8]) -> Option<Token> {
        let mut from = bytes;
        let [flags] = *take::<1>(&mut from)?;
        let has = |bit: u8| flags & bit != 0;
        let tag = u16::from_le_bytes(*take(&mut from)?);
        let member = if has(MEMBER) { Some(u16::from_le_bytes(*take(&mut from)?)) } else { None };
        let edge = if has(EDGE) { u16::from_le_bytes(*take(&mut from)?) } else { 0 };
        let peer = if has(PEER) { Some(Peer::read(&mut from, has(V6))?) } else { None };
        let kind = if has(PATH) { Kind::Path } else { Kind::Dialog };
        from.is_empty().then_some(Token { kind, peer, callee: has(CALLEE), firm: has(FIRM), member, tag, edge })
    }
}

impl Peer {
    fn read(from: &mut &[u8], v6: bool) -> Option<Peer> {
        let [transport] = *take::<1>(from)?;
        let transport = Transport::read(transport)?;
        let local = u16::from_le_bytes(*take(from)?);
        let ip = if v6 { std::net::Ipv6Addr::from(*take::<16>(from)?).into() } else { std::net::Ipv4Addr::from(*take::<4>(from)?).into() };
        let remote = SocketAddr::new(ip, u16::from_le_bytes(*take(from)?));
        let flow = if transport.is_reliable() { u64::from_le_bytes(*take(from)?) } else { 0 };
        Some(Peer { transport, local, remote, flow })
    }
}

fn take<'a, const N: usize>(from: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (first, rest) = from.split_first_chunk()?;
    *from = rest;
    Some(first)
}

/// The bytes of a token before they are text.
struct Payload {
    room: [u8; PAYLOAD],
    length: usize,
}

impl Default for Payload {
    fn default() -> Payload {
        Payload { room: [0; PAYLOAD], length: 0 }
    }
}

impl Payload {
    fn push(&mut self, bytes: &[u8]) -> Option<()> {
        self.room.get_mut(self.length..self.length + bytes.len())?.copy_from_slice(bytes);
        self.length += bytes.len();
        Some(())
    }

    fn bytes(&self) -> &[u8] {
        self.room.get(..self.length).unwrap_or_default()
    }
}

/// Five bits a character, most significant first; the last one is filled with zeroes.
fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    for chunk in bytes.chunks(5) {
        let mut word = [0; 8];
        if let Some(room) = word.get_mut(3..3 + chunk.len()) {
            room.copy_from_slice(chunk);
        }
        let chars = (chunk.len() * 8).div_ceil(5) as u32;
        base32::push(out, u64::from_be_bytes(word) >> (40 - 5 * chars), chars);
    }
}

fn read_bytes(text: &[u8], to: &mut Payload) -> Option<()> {
    for chunk in text.chunks(8) {
        let word = (base32::read(chunk)? << (40 - 5 * chunk.len())).to_be_bytes();
        let count = chunk.len() * 5 / 8;
        // One text for one payload: no loose bits, no half characters.
        if word.get(3 + count..)?.iter().any(|&byte| byte != 0) || (count * 8).div_ceil(5) != chunk.len() {
            return None;
        }
        to.push(word.get(3..3 + count)?)?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        Keys { hash: [1; 16], signing: vec![Key { id: b'b', secret: [2; 16] }, Key { id: b'a', secret: [3; 16] }] }
    }

    fn token(remote: &str, transport: Transport, edge: u16) -> Token {
        let peer =
            Some(Peer { transport, local: 77, remote: remote.parse().unwrap(), flow: if transport.is_reliable() { 1 << 52 } else { 0 } });
        Token { kind: Kind::Dialog, peer, callee: false, firm: true, member: Some(65_535), tag: 12_345, edge }
    }

    #[test]
    fn a_token_reads_back_for_its_own_call_only() {
        let longest = token("[2001:db8::1]:65535", Transport::Wss, 1_023);
        for token in [token("192.0.2.1:5060", Transport::Udp, 0), token("192.0.2.1:5060", Transport::Tls, 3), longest] {
            let mut text = Vec::new();
            push(&mut text, &keys(), &token, b"one@host");
            assert!(text.len() <= TOKEN_CHARS, "{}", text.len());
            assert_eq!(Ok(token), read(&keys(), &text, b"one@host"));
            assert_eq!(Err(NotAToken::Forged), read(&keys(), &text, b"two@host"));
            let last = text.len() - 1;
            text[last] = if text[last] == b'0' { b'1' } else { b'0' };
            assert_eq!(Err(NotAToken::Forged), read(&keys(), &text, b"one@host"));
        }
    }

    #[test]
    fn a_datagram_token_of_ipv4_has_at_most_60_characters() {
        let mut text = Vec::new();
        push(&mut text, &keys(), &token("192.0.2.1:5060", Transport::Udp, 1_023), b"x");
        assert!(text.len() <= 60, "{}", text.len());
        text.clear();
        push(&mut text, &keys(), &token("192.0.2.1:5060", Transport::Tls, 1_023), b"x");
        assert!(text.len() <= 60, "{}", text.len());
    }

    #[test]
    fn a_path_holds_in_any_call_and_is_no_dialog() {
        let token = Token { kind: Kind::Path, member: None, ..token("192.0.2.1:5060", Transport::Tcp, 3) };
        let mut text = Vec::new();
        push(&mut text, &keys(), &token, b"register");
        assert_eq!(Ok(token), read(&keys(), &text, b"another"));
        assert_eq!(Err(NotAToken::Foreign), read(&keys(), b"alice", b"x"));
        assert_eq!(Err(NotAToken::Foreign), read(&keys(), b"urgent.matter", b"x"));
    }
}
