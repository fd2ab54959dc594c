//! What gate, registrar and challenges need to know of a message: a few borrowed header values. It judges nothing.

use crate::message::Message;
use crate::name::Name;
use crate::policy::Policy;
use crate::registrar::contact::{address, uri_parts};
use smallvec::SmallVec;

/// An address of record `user@domain`, short ones on the stack.
pub type Aor = SmallVec<[u8; 64]>;

/// One message, as far as it matters here. All values are as they came, without folding removed from them.
#[derive(Clone, Debug, Default)]
pub struct Question<'a> {
    /// Bytes of the whole message: an answer before authentication is not longer.
    pub length: usize,
    /// Empty: it is a response.
    pub method: &'a [u8],
    /// Request-URI.
    pub uri: &'a [u8],
    /// Via header values, from the top; each may hold several.
    pub vias: SmallVec<[&'a [u8]; 4]>,
    /// `branch` of the topmost Via; empty if absent.
    pub branch: &'a [u8],
    /// From value.
    pub from: &'a [u8],
    /// To value.
    pub to: &'a [u8],
    /// To tag, empty if absent.
    pub to_tag: &'a [u8],
    /// Call-ID.
    pub call_id: &'a [u8],
    /// CSeq value, with the method.
    pub cseq: &'a [u8],
    /// Max-Forwards, if it is there and a number of 0..=255.
    pub max_forwards: Option<u8>,
    /// Authorization and Proxy-Authorization values.
    pub credentials: SmallVec<[&'a [u8]; 2]>,
}

impl<'a> Question<'a> {
    /// What a parsed message says.
    pub fn of(message: &Message<'a>) -> Question<'a> {
        let value = |name| message.first(name).unwrap_or_default();
        Question {
            length: message.bytes().len(),
            method: if message.is_request() { message.method_bytes() } else { b"" },
            uri: message.uri(),
            vias: message.all(Name::Via).collect(),
            branch: message.top_via().branch.unwrap_or_default(),
            from: value(Name::From),
            to: value(Name::To),
            to_tag: message.to_tag().unwrap_or_default(),
            call_id: message.call_id(),
            cseq: value(Name::CSeq),
            max_forwards: message.max_forwards().ok().flatten(),
            credentials: message.all(Name::Authorization).chain(message.all(Name::ProxyAuthorization)).collect(),
        }
    }

    /// The parameter `tag` of the To value, for who fills a `Question` by hand.
    pub fn tag_of(value: &'a [u8]) -> &'a [u8] {
        address(value).and_then(|(_, parameters)| parameter(parameters, b"tag")).unwrap_or_default()
    }

    /// The address of record in a From or To value, in our spelling; `None`: it is no SIP URI, or has no user.
    pub fn aor(&self, value: &[u8], policy: &Policy) -> Option<Aor> {
        let (uri, _) = address(value)?;
        aor_of(uri, policy)
    }

    /// The realm of this request: of the To's domain for REGISTER, of the From's for others; the default for strangers.
    pub fn realm<'p>(&self, policy: &'p Policy) -> &'p str {
        let value = if self.method == b"REGISTER" { self.to } else { self.from };
        let host = address(value).and_then(|(uri, _)| uri_parts(uri)).map(|(_, host, _)| host);
        host.and_then(|host| policy.domain(host)).unwrap_or(&policy.default_domain)
    }

    /// Whether the Request-URI's scheme is one that we serve: sip, sips, tel, and the service URNs of RFC 5031.
    pub fn scheme_served(&self) -> bool {
        let begins = |scheme: &[u8]| self.uri.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
        begins(b"sip:") || begins(b"sips:") || begins(b"tel:") || begins(b"urn:service:")
    }

    /// The user part of the Request-URI, and its parameter `tandem`.
    pub fn tokens(&self) -> [&'a [u8]; 2] {
        let Some((user, _, parameters)) = uri_parts(self.uri) else { return [b"", b""] };
        [user.unwrap_or_default(), parameter(parameters, b"tandem").unwrap_or_default()]
    }
}

/// The address of record that a SIP URI names: user unescaped, domain in our spelling (RFC 3261 10.3, 5).
pub fn aor_of(uri: &[u8], policy: &Policy) -> Option<Aor> {
    let (user, host, _) = uri_parts(uri)?;
    let user = user.filter(|user| !user.is_empty())?;
    let user = user.split(|&c| c == b':').next().unwrap_or(user); // a password in the URI names nobody
    let mut aor: Aor = crate::registrar::contact::unescaped(user).collect();
    aor.push(b'@');
    match policy.domain(host) {
        Some(domain) => aor.extend_from_slice(domain.as_bytes()),
        None => aor.extend(host.iter().map(u8::to_ascii_lowercase)),
    }
    (aor.len() <= crate::users::AOR_BYTES).then_some(aor)
}

/// The value of a `;name=value`, without quotes.
pub fn parameter<'a>(parameters: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    parameters.split(|&c| c == b';').find_map(|part| {
        let at = part.iter().position(|&c| c == b'=').unwrap_or(part.len());
        let (key, value) = part.split_at(at);
        key.trim_ascii().eq_ignore_ascii_case(name).then(|| value.get(1..).unwrap_or_default().trim_ascii())
    })
}

#[cfg(test)]
impl<'a> Question<'a> {
    /// Reads a message with long header names and no folding: for tests.
    pub fn of_text(text: &'a str) -> Question<'a> {
        let mut question = Question { length: text.len(), ..Question::default() };
        let mut lines = text.split("\r\n");
        let start = lines.next().unwrap_or_default();
        if let [method, uri, "SIP/2.0"] = start.split(' ').collect::<Vec<_>>()[..] {
            (question.method, question.uri) = (method.as_bytes(), uri.as_bytes());
        }
        for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
            let value = value.as_bytes();
            match name {
                "Via" => question.vias.push(value),
                "From" => question.from = value,
                "To" => (question.to, question.to_tag) = (value, Question::tag_of(value)),
                "Call-ID" => question.call_id = value,
                "CSeq" => question.cseq = value,
                "Max-Forwards" => question.max_forwards = std::str::from_utf8(value).ok().and_then(|hops| hops.parse().ok()),
                "Authorization" | "Proxy-Authorization" => question.credentials.push(value),
                _ => {}
            }
        }
        question.branch = question.vias.first().and_then(|via| parameter(via, b"branch")).unwrap_or_default();
        question
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_record_is_unescaped_and_in_our_spelling() {
        let policy = Policy::from_json(br#"{"default_domain": "demo.example", "domains": {"demo.example": "demo"}}"#).unwrap();
        for (uri, aor) in [
            ("sip:%61lice@DEMO.example:5060;transport=tcp", Some("alice@demo.example")),
            ("sips:alice:pw@192.0.2.1", Some("alice@demo.example")),
            ("sip:bob@[2001:db8::1]:5061", Some("bob@demo.example")),
            ("sip:bob@Other.example", Some("bob@other.example")),
            ("sip:demo.example", None),
            ("sip:@demo.example", None),
            ("tel:+4930", None),
        ] {
            assert_eq!(aor.map(str::as_bytes), aor_of(uri.as_bytes(), &policy).as_deref(), "{uri}");
        }
    }

    #[test]
    fn a_tag_is_the_headers_not_the_uris() {
        assert_eq!(b"t1", Question::tag_of(b"\"A;tag=no\" <sip:a@b;tag=no>;x=1;TAG=t1"));
        assert_eq!(b"t2", Question::tag_of(b"sip:a@b;tag=t2"));
        assert_eq!(b"", Question::tag_of(b"<sip:a@b;tag=no>"));
    }
}
