//! Digest credentials and their proof (RFC 8760, 7616, 2617): parsing, HA1 and `response`. No challenges, no users, no replay.

use md5::Md5;
use sha2::{Digest, Sha256, Sha512_256};
use std::borrow::Cow;
use subtle::ConstantTimeEq;

/// Parameters of one credential that we read before we give up.
pub const PARAMETERS: usize = 24;
/// Bytes of one credential's header value.
pub const CREDENTIAL_BYTES: usize = 4096;

/// A digest algorithm of RFC 8760. The `-sess` forms are offered only where the policy names them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Algorithm {
    /// RFC 2617; for phones that know nothing better.
    Md5,
    /// RFC 7616.
    Sha256,
    /// RFC 7616: SHA-512 truncated to 256 bits with its own start values.
    Sha512_256,
    /// MD5 with a key of the session (RFC 7616 3.4.2).
    Md5Sess,
    /// SHA-256 with a key of the session.
    Sha256Sess,
    /// SHA-512-256 with a key of the session.
    Sha512_256Sess,
}

impl Algorithm {
    /// Those that an HA1 is kept for.
    pub const ALL: [Algorithm; 3] = [Algorithm::Md5, Algorithm::Sha256, Algorithm::Sha512_256];
    /// Every one that may be named on the wire.
    pub const NAMED: [Algorithm; 6] =
        [Algorithm::Md5, Algorithm::Sha256, Algorithm::Sha512_256, Algorithm::Md5Sess, Algorithm::Sha256Sess, Algorithm::Sha512_256Sess];

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha256 => "SHA-256",
            Algorithm::Sha512_256 => "SHA-512-256",
            Algorithm::Md5Sess => "MD5-sess",
            Algorithm::Sha256Sess => "SHA-256-sess",
            Algorithm::Sha512_256Sess => "SHA-512-256-sess",
        }
    }

    /// Reads the name, in any case.
    ///
    /// ```
    /// use tandem_sip::digest::Algorithm;
    /// assert_eq!(Some(Algorithm::Sha256), Algorithm::parse(b"sha-256"));
    /// assert_eq!(Some(Algorithm::Md5Sess), Algorithm::parse(b"MD5-sess"));
    /// assert_eq!(None, Algorithm::parse(b"SHA-1"));
    /// ```
    pub fn parse(text: &[u8]) -> Option<Algorithm> {
        Algorithm::NAMED.into_iter().find(|algorithm| algorithm.name().as_bytes().eq_ignore_ascii_case(text))
    }

    /// The one without a key of the session: whose HA1 it uses.
    pub fn base(self) -> Algorithm {
        match self {
            Algorithm::Md5 | Algorithm::Md5Sess => Algorithm::Md5,
            Algorithm::Sha256 | Algorithm::Sha256Sess => Algorithm::Sha256,
            Algorithm::Sha512_256 | Algorithm::Sha512_256Sess => Algorithm::Sha512_256,
        }
    }

    /// Bytes of a hash.
    pub fn bytes(self) -> usize {
        if self.base() == Algorithm::Md5 {
            16
        } else {
            32
        }
    }

    /// The hash of parts joined by `:`; the first `bytes()` bytes count.
    fn hash(self, parts: &[&[u8]]) -> [u8; 32] {
        match self.base() {
            Algorithm::Md5 => joined::<Md5>(parts),
            Algorithm::Sha256 => joined::<Sha256>(parts),
            _ => joined::<Sha512_256>(parts),
        }
    }

    /// What stands for a user's name where it is hidden (RFC 7616 3.4.4); the first `bytes()` bytes count.
    pub fn userhash(self, user: &[u8], realm: &[u8]) -> [u8; 32] {
        self.hash(&[user, realm])
    }
}

// Bytes hashed on this thread, by hash: work that a stranger could measure.
#[cfg(test)]
thread_local!(pub(crate) static HASHED: std::cell::RefCell<Vec<usize>> = const { std::cell::RefCell::new(Vec::new()) });

fn joined<D: Digest>(parts: &[&[u8]]) -> [u8; 32] {
    #[cfg(test)]
    HASHED.with_borrow_mut(|hashed| hashed.push(parts.iter().map(|part| part.len()).sum()));
    let mut hash = D::new();
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            hash.update(b":");
        }
        hash.update(part);
    }
    let mut sum = [0; 32];
    for (to, from) in sum.iter_mut().zip(hash.finalize()) {
        *to = from;
    }
    sum
}

/// What is kept of a password: H(user:realm:password) for each algorithm that is known.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Ha1 {
    /// MD5.
    pub md5: Option<[u8; 16]>,
    /// SHA-256.
    pub sha256: Option<[u8; 32]>,
    /// SHA-512-256.
    pub sha512_256: Option<[u8; 32]>,
}

impl std::fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ha1(secret)")
    }
}

impl Ha1 {
    /// All three from a password.
    pub fn of(user: &[u8], realm: &[u8], password: &[u8]) -> Ha1 {
        let parts = [user, realm, password];
        let md5 = Algorithm::Md5.hash(&parts);
        Ha1 {
            md5: md5.first_chunk().copied(),
            sha256: Some(Algorithm::Sha256.hash(&parts)),
            sha512_256: Some(Algorithm::Sha512_256.hash(&parts)),
        }
    }

    /// The bytes for one algorithm.
    pub fn get(&self, algorithm: Algorithm) -> Option<&[u8]> {
        match algorithm.base() {
            Algorithm::Md5 => self.md5.as_ref().map(|sum| &sum[..]),
            Algorithm::Sha256 => self.sha256.as_ref().map(|sum| &sum[..]),
            _ => self.sha512_256.as_ref().map(|sum| &sum[..]),
        }
    }
}

/// Why an Authorization or Proxy-Authorization value is of no use.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BadCredentials {
    /// Another scheme than Digest.
    #[error("the scheme is not Digest")]
    Scheme,
    /// Not `name=value` with commas, or too many of them, or too long.
    #[error("malformed parameters (at most {PARAMETERS}, {CREDENTIAL_BYTES} bytes)")]
    Syntax,
    /// A parameter that must be there is not.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A parameter stands twice: which one counts would be a guess.
    #[error("{0} stands twice")]
    Twice(&'static str),
    /// A parameter's value is none.
    #[error("{0} has a bad value")]
    Value(&'static str),
}

/// One Digest credential, quotes and escapes removed.
#[derive(Clone, Debug)]
pub struct Credentials<'a> {
    /// The user's name in the realm; its hash in hex with `userhash`.
    pub username: Cow<'a, [u8]>,
    /// The name is hidden (RFC 7616 3.4.4).
    pub userhash: bool,
    /// The realm that the challenge named.
    pub realm: Cow<'a, [u8]>,
    /// The challenge's nonce.
    pub nonce: Cow<'a, [u8]>,
    /// `digest-uri`: part of the hash. Not compared with the Request-URI, which a proxy in between may rewrite (RFC 3261 22.4, 6).
    pub uri: Cow<'a, [u8]>,
    /// The proof: `algorithm.bytes()` bytes count.
    response: [u8; 32],
    /// MD5 where none is named (RFC 2617 3.2.1).
    pub algorithm: Algorithm,
    /// With qop=auth: the nonce count; `None` is an old phone without qop (RFC 2069).
    pub nc: Option<u32>,
    nc_text: Cow<'a, [u8]>,
    cnonce: Cow<'a, [u8]>,
}

const NAMES: [&str; 10] = ["username", "realm", "nonce", "uri", "response", "algorithm", "qop", "nc", "cnonce", "userhash"];

impl<'a> Credentials<'a> {
    /// Reads the value of an Authorization or Proxy-Authorization header.
    pub fn parse(value: &'a [u8]) -> Result<Credentials<'a>, BadCredentials> {
        if value.len() > CREDENTIAL_BYTES {
            return Err(BadCredentials::Syntax);
        }
        let value = value.trim_ascii();
        match value.split_at_checked(6) {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case(b"digest") && rest.first().is_some_and(u8::is_ascii_whitespace) => {
                Credentials::from_parameters(rest)
            }
            _ => Err(BadCredentials::Scheme),
        }
    }

    fn from_parameters(text: &'a [u8]) -> Result<Credentials<'a>, BadCredentials> {
        let mut found: [Option<Cow<'a, [u8]>>; 10] = Default::default();
        let mut rest = text;
        for _ in 0..PARAMETERS {
            let Some((name, value, after)) = parameter(rest)? else {
                rest = b"";
                break;
            };
            rest = after;
            let Some(at) = NAMES.iter().position(|known| known.as_bytes().eq_ignore_ascii_case(name)) else { continue };
            if let Some(slot) = found.get_mut(at) {
                if slot.replace(value).is_some() {
                    return Err(BadCredentials::Twice(NAMES.get(at).copied().unwrap_or_default()));
                }
            }
        }
        if !rest.trim_ascii().is_empty() {
            return Err(BadCredentials::Syntax);
        }
        let [username, realm, nonce, uri, response, algorithm, qop, nc, cnonce, userhash] = found;
        let algorithm = match algorithm {
            Some(name) => Algorithm::parse(&name).ok_or(BadCredentials::Value("algorithm"))?,
            None => Algorithm::Md5,
        };
        let userhash = match userhash {
            None => false,
            Some(value) if value.eq_ignore_ascii_case(b"false") => false,
            Some(value) if value.eq_ignore_ascii_case(b"true") => true,
            Some(_) => return Err(BadCredentials::Value("userhash")),
        };
        let (nc, nc_text, cnonce) = match qop {
            None => (None, Cow::Borrowed(&b""[..]), Cow::Borrowed(&b""[..])),
            Some(qop) if qop.eq_ignore_ascii_case(b"auth") => {
                let text = nc.ok_or(BadCredentials::Missing("nc"))?;
                let count = read_nc(&text).ok_or(BadCredentials::Value("nc"))?;
                (Some(count), text, cnonce.ok_or(BadCredentials::Missing("cnonce"))?)
            }
            Some(_) => return Err(BadCredentials::Value("qop")), // auth-int: never offered, bodies change on the way
        };
        if algorithm != algorithm.base() && nc.is_none() {
            return Err(BadCredentials::Missing("qop")); // the session's key is made from cnonce
        }
        let response = response.ok_or(BadCredentials::Missing("response"))?;
        Ok(Credentials {
            username: username.ok_or(BadCredentials::Missing("username"))?,
            userhash,
            realm: realm.ok_or(BadCredentials::Missing("realm"))?,
            nonce: nonce.ok_or(BadCredentials::Missing("nonce"))?,
            uri: uri.ok_or(BadCredentials::Missing("uri"))?,
            response: read_hex(&response, algorithm.bytes()).ok_or(BadCredentials::Value("response"))?,
            algorithm,
            nc,
            nc_text,
            cnonce,
        })
    }

    /// Whether `response` proves knowledge of the HA1 (`algorithm.bytes()` bytes). Takes the same time for right and wrong.
    pub fn prove(&self, ha1: &[u8], method: &[u8]) -> bool {
        let n = self.algorithm.bytes();
        let mut text = [[0u8; 64]; 2];
        let [ha1_hex, ha2_hex] = &mut text;
        let session = session(self.algorithm, ha1, &self.nonce, &self.cnonce);
        let ha1_hex = hex(session.get(..n).unwrap_or_default(), ha1_hex);
        let ha2 = self.algorithm.hash(&[method, &self.uri]);
        let ha2_hex = hex(ha2.get(..n).unwrap_or_default(), ha2_hex);
        let good = if self.nc.is_some() {
            self.algorithm.hash(&[ha1_hex, &self.nonce, &self.nc_text, &self.cnonce, b"auth", ha2_hex])
        } else {
            self.algorithm.hash(&[ha1_hex, &self.nonce, ha2_hex])
        };
        let (Some(good), Some(given)) = (good.get(..n), self.response.get(..n)) else { return false };
        ha1.len() == n && bool::from(good.ct_eq(given))
    }

    /// Makes the `response` that a phone would send, in lower-case hex (for clients, trunks and tests).
    pub fn respond(algorithm: Algorithm, ha1: &[u8], nonce: &[u8], auth: Option<(u32, &[u8])>, method: &[u8], uri: &[u8]) -> Vec<u8> {
        let n = algorithm.bytes();
        let mut text = [[0u8; 64]; 2];
        let [ha1_hex, ha2_hex] = &mut text;
        let session = session(algorithm, ha1, nonce, auth.map_or(b"", |(_, cnonce)| cnonce));
        let ha1_hex = hex(session.get(..n).unwrap_or_default(), ha1_hex);
        let ha2 = algorithm.hash(&[method, uri]);
        let ha2_hex = hex(ha2.get(..n).unwrap_or_default(), ha2_hex);
        let sum = match auth {
            Some((nc, cnonce)) => algorithm.hash(&[ha1_hex, nonce, format!("{nc:08x}").as_bytes(), cnonce, b"auth", ha2_hex]),
            None => algorithm.hash(&[ha1_hex, nonce, ha2_hex]),
        };
        hex(sum.get(..n).unwrap_or_default(), &mut [0; 64]).to_vec()
    }
}

/// The key that a response is made with: the HA1, or for `-sess` that of the session (RFC 7616 3.4.2). It is made anew for each request from that
/// request's cnonce, as phones do: the first one's would have to be kept, and no edge but the first would know it.
fn session(algorithm: Algorithm, ha1: &[u8], nonce: &[u8], cnonce: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    if algorithm == algorithm.base() {
        key.iter_mut().zip(ha1).for_each(|(to, from)| *to = *from);
        return key;
    }
    algorithm.hash(&[hex(ha1, &mut [0; 64]), nonce, cnonce])
}

/// What a fuzzer calls: parses the bytes, and proves what parses.
pub fn fuzz_credentials(bytes: &[u8]) {
    if let Ok(credentials) = Credentials::parse(bytes) {
        credentials.prove(&[0; 16], b"REGISTER");
    }
}

type Parameter<'a> = (&'a [u8], Cow<'a, [u8]>, &'a [u8]);

/// The next `name = value`, and what follows it; `None` at the end.
fn parameter(text: &[u8]) -> Result<Option<Parameter<'_>>, BadCredentials> {
    let start = text.iter().position(|c| !c.is_ascii_whitespace() && *c != b',').unwrap_or(text.len());
    let text = text.get(start..).unwrap_or_default();
    if text.is_empty() {
        return Ok(None);
    }
    let equals = memchr::memchr(b'=', text).ok_or(BadCredentials::Syntax)?;
    let (name, rest) = text.split_at(equals);
    let rest = rest.get(1..).unwrap_or_default().trim_ascii_start();
    let (value, after) = match rest.first() {
        Some(b'"') => quoted(rest.get(1..).unwrap_or_default()).ok_or(BadCredentials::Syntax)?,
        _ => {
            let end = rest.iter().position(|&c| c == b',').unwrap_or(rest.len());
            let (value, after) = rest.split_at(end);
            (Cow::Borrowed(value.trim_ascii_end()), after)
        }
    };
    match after.trim_ascii_start().first() {
        None | Some(b',') => Ok(Some((name.trim_ascii_end(), value, after))),
        Some(_) => Err(BadCredentials::Syntax),
    }
}

/// The inside of a quoted string whose opening quote has been read, and what follows the closing one.
fn quoted(text: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    let end = memchr::memchr2(b'"', b'\\', text)?;
    let (plain, rest) = text.split_at(end);
    if let Some(after) = rest.strip_prefix(b"\"") {
        return Some((Cow::Borrowed(plain), after));
    }
    let mut value = plain.to_vec();
    let mut rest = rest;
    loop {
        let (&c, after) = rest.split_first()?;
        rest = after;
        match c {
            b'"' => return Some((Cow::Owned(value), rest)),
            b'\\' => {
                let (&escaped, after) = rest.split_first()?;
                value.push(escaped);
                rest = after;
            }
            c => value.push(c),
        }
    }
}

fn read_nc(text: &[u8]) -> Option<u32> {
    if text.is_empty() || text.len() > 8 {
        return None;
    }
    text.iter().try_fold(0u32, |sum, &c| Some((sum << 4) | (c as char).to_digit(16)?))
}

fn read_hex(text: &[u8], bytes: usize) -> Option<[u8; 32]> {
    if text.len() != bytes * 2 {
        return None;
    }
    let mut sum = [0; 32];
    for (to, pair) in sum.iter_mut().zip(text.chunks_exact(2)) {
        *to = pair.iter().try_fold(0u8, |sum, &c| Some((sum << 4) | (c as char).to_digit(16)? as u8))?;
    }
    Some(sum)
}

fn hex<'b>(bytes: &[u8], out: &'b mut [u8; 64]) -> &'b [u8] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (pair, byte) in out.chunks_exact_mut(2).zip(bytes) {
        if let [high, low] = pair {
            *high = DIGITS[usize::from(byte >> 4)];
            *low = DIGITS[usize::from(byte & 15)];
        }
    }
    out.get(..bytes.len() * 2).unwrap_or_default()
}

#[cfg(test)]
#[path = "digest_tests.rs"]
mod tests;
