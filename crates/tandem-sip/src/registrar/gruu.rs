//! Globally routable URIs of one phone of an address of record (RFC 5627): made, read, and checked against its bindings. No state.
//!
//! A public GRUU is the address of record with `gr=` and the instance. A temporary one is `tgruu-` + key id + 46 characters: what it
//! names (a hash of the address of record, of the instance, of the REGISTER's Call-ID, and its CSeq) under a keystream that is keyed
//! by a MAC of just that, so that two of them have nothing in common for whoever has not the key.

use super::contact::{unescaped, uri_parts};
use super::row::Binding;
use crate::base32;
use crate::ids::{mac, Key, Keys};
use crate::question::parameter;

/// What the user part of a temporary GRUU begins with.
pub const TEMPORARY: &[u8] = b"tgruu-";
/// Its characters behind that: key id, MAC, three numbers.
const CHARACTERS: usize = 1 + 13 + 13 + 13 + 7;

/// What a temporary GRUU names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Named {
    /// Keyed hash of the address of record, as the table has it.
    pub aor: u64,
    /// Hash of the instance, and of the REGISTER's Call-ID.
    pub phone: u64,
    /// The REGISTER's CSeq.
    pub cseq: u32,
}

impl Named {
    pub fn of(aor: u64, binding: &Binding<'_>) -> Named {
        Named { aor, phone: phone(binding), cseq: binding.cseq }
    }

    /// Whether it names this binding of the address of record that it names: the same Call-ID, and not from before the binding's
    /// begin (RFC 5627 5.1, 5.3).
    pub fn fits(&self, binding: &Binding<'_>) -> bool {
        self.phone == phone(binding) && (binding.first_cseq..=binding.cseq).contains(&self.cseq)
    }

    /// Appends the user part.
    pub fn push(&self, out: &mut Vec<u8>, keys: &Keys) {
        let Some(key) = keys.signing.first() else { return };
        let sum = self.sum(key);
        out.extend_from_slice(TEMPORARY);
        out.push(key.id);
        base32::push(out, sum, 13);
        base32::push(out, self.aor ^ stream(key, sum, 0), 13);
        base32::push(out, self.phone ^ stream(key, sum, 1), 13);
        base32::push(out, u64::from(self.cseq ^ stream(key, sum, 2) as u32), 7);
    }

    /// Reads a user part; `None` for one that we never made.
    pub fn read(user: &[u8], keys: &Keys) -> Option<Named> {
        let text = user.strip_prefix(TEMPORARY).filter(|text| text.len() == CHARACTERS)?;
        let (&id, text) = text.split_first()?;
        let key = keys.signing.iter().find(|key| key.id == id)?;
        let number = |from: usize, to: usize| base32::read(text.get(from..to)?);
        let sum = number(0, 13)?;
        let named = Named {
            aor: number(13, 26)? ^ stream(key, sum, 0),
            phone: number(26, 39)? ^ stream(key, sum, 1),
            cseq: number(39, 46)? as u32 ^ stream(key, sum, 2) as u32,
        };
        (named.sum(key) == sum).then_some(named)
    }

    fn sum(&self, key: &Key) -> u64 {
        mac(&key.secret, &[b"gruu", &self.aor.to_le_bytes(), &self.phone.to_le_bytes(), &self.cseq.to_le_bytes()])
    }
}

/// SipHash as a keyed counter stream: nobody without the key tells it from chance, and no two GRUUs share a `sum`.
fn stream(key: &Key, sum: u64, place: u8) -> u64 {
    mac(&key.secret, &[b"gruu stream", &sum.to_le_bytes(), &[place]])
}

fn phone(binding: &Binding<'_>) -> u64 {
    mac(&[0; 16], &[b"instance", binding.instance]) << 32 | (binding.call & u64::from(u32::MAX))
}

/// What a URI with `gr` asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gr<'a> {
    /// It has none.
    No,
    /// This instance of the URI's address of record, escaped as it came, without angle brackets.
    Public(&'a [u8]),
    /// The phone that the user part names.
    Temporary(&'a [u8]),
}

/// What kind of GRUU a URI is, by its form.
pub fn form(uri: &[u8]) -> Gr<'_> {
    let Some((user, _, parameters)) = uri_parts(uri) else { return Gr::No };
    match parameter(parameters, b"gr") {
        None => Gr::No,
        Some(b"") => Gr::Temporary(user.unwrap_or_default()),
        Some(instance) => Gr::Public(instance),
    }
}

/// Whether an instance is the one that a public GRUU names.
pub fn is_instance(instance: &[u8], gr: &[u8]) -> bool {
    unescaped(gr).eq(bare(instance).iter().copied())
}

/// An instance without its angle brackets.
pub fn bare(instance: &[u8]) -> &[u8] {
    instance.strip_prefix(b"<").and_then(|inside| inside.strip_suffix(b">")).unwrap_or(instance)
}

/// Appends ` ;pub-gruu="..";temp-gruu=".."` of a binding (RFC 5627 5.2). `aor` is the address of record, `hash` the table's of it.
pub(super) fn push(out: &mut Vec<u8>, aor: &[u8], hash: u64, binding: &Binding<'_>, keys: &Keys) {
    let Some(at) = aor.iter().position(|&c| c == b'@') else { return };
    let (user, domain) = aor.split_at(at);
    out.extend_from_slice(b";pub-gruu=\"sip:");
    escaped(out, user, USER);
    out.extend_from_slice(domain);
    out.extend_from_slice(b";gr=");
    escaped(out, bare(binding.instance), PARAMETER);
    out.extend_from_slice(b"\";temp-gruu=\"sip:");
    Named::of(hash, binding).push(out, keys);
    out.extend_from_slice(domain);
    out.extend_from_slice(b";gr\"");
}

/// What stands unescaped beside letters and digits (RFC 3261 25.1).
const USER: &[u8] = b"-_.!~*'()&=+$,;?/";
const PARAMETER: &[u8] = b"-_.!~*'()[]/:&+$";

fn escaped(out: &mut Vec<u8>, text: &[u8], plain: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for &c in text {
        if c.is_ascii_alphanumeric() || plain.contains(&c) {
            out.push(c);
        } else {
            out.extend_from_slice(&[b'%', HEX[usize::from(c >> 4)], HEX[usize::from(c & 15)]]);
        }
    }
}

#[cfg(test)]
#[path = "gruu_tests.rs"]
mod tests;
