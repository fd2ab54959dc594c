//! Emergency calls of one tenant: which numbers they have, and who may place one without a proof. It routes nothing and trusts nobody.

use crate::question::Question;
use crate::registrar::contact::{address, unescaped, uri_parts};
use serde::Deserialize;
use smallvec::SmallVec;

/// Emergency numbers of one tenant.
pub const NUMBERS: usize = 64;
/// Digits of an emergency number.
pub const NUMBER_CHARS: usize = 32;

/// Who may place an emergency call whose INVITE proves no user.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unproven {
    /// Nobody: it is challenged like any other.
    Never,
    /// Whoever sends it from where the user that it names is registered.
    #[default]
    Registered,
    /// Everybody, strangers too, for emergency numbers alone.
    Anybody,
}

/// The rules of one tenant.
#[derive(Clone, Debug)]
pub struct Emergency {
    /// As they are dialled, without `+`.
    pub numbers: Vec<Box<[u8]>>,
    /// Who needs no proof.
    pub unproven: Unproven,
}

impl Default for Emergency {
    /// 112, 911 and `sos`, for who is registered.
    fn default() -> Emergency {
        let numbers = [&b"112"[..], b"911", b"sos"].into_iter().map(Box::from).collect();
        Emergency { numbers, unproven: Unproven::default() }
    }
}

impl Emergency {
    /// Whether a request begins an emergency call: an INVITE to a service URN (RFC 5031) or to one of the numbers.
    pub fn holds(&self, question: &Question<'_>) -> bool {
        question.method == b"INVITE" && question.to_tag.is_empty() && (is_urn(question.uri) || self.has(question.uri))
    }

    /// Whether the address in a To is one of the numbers, or a service URN.
    pub fn named(&self, to: &[u8]) -> bool {
        address(to).is_some_and(|(uri, _)| is_urn(uri) || self.has(uri))
    }

    fn has(&self, uri: &[u8]) -> bool {
        let user = match uri.get(..4) {
            Some(scheme) if scheme.eq_ignore_ascii_case(b"tel:") => uri.get(4..).unwrap_or_default(),
            _ => uri_parts(uri).and_then(|(user, ..)| user).unwrap_or_default(),
        };
        let number = user.split(|&c| matches!(c, b';' | b':')).next().unwrap_or_default();
        if number.len() > 3 * NUMBER_CHARS {
            return false;
        }
        let digits: SmallVec<[u8; NUMBER_CHARS]> = unescaped(number).filter(|c| !b"+-.()".contains(c)).collect(); // RFC 3966 5.1.1
        self.numbers.iter().any(|known| known.eq_ignore_ascii_case(&digits))
    }
}

/// Whether a URI names an emergency service (RFC 5031 4.2).
pub fn is_urn(uri: &[u8]) -> bool {
    uri.get(..15).is_some_and(|start| start.eq_ignore_ascii_case(b"urn:service:sos"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(method: &str, uri: &str) -> bool {
        let text = format!("{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nTo: <{uri}>\r\n\r\n");
        let question = Question::of_text(&text);
        Emergency::default().holds(&question)
    }

    #[test]
    fn a_number_is_known_however_it_is_written() {
        for uri in [
            "urn:service:sos",
            "URN:service:SOS.police",
            "sip:112@demo.example",
            "sips:%31%31%32@demo.example;user=phone",
            "sip:112;phone-context=+49@demo.example",
            "tel:911",
            "tel:9-1-1;phone-context=+1",
            "sip:+112@demo.example",
            "sip:SOS@demo.example",
        ] {
            assert!(holds("INVITE", uri), "{uri}");
        }
    }

    #[test]
    fn no_other_number_or_method_is_an_emergency() {
        for uri in ["sip:1120@demo.example", "sip:0112@demo.example", "sip:demo.example", "tel:", "urn:service:sounds", "sip:@112"] {
            assert!(!holds("INVITE", uri), "{uri}");
        }
        assert!(!holds("INVITE", &format!("sip:{}@demo.example", "1".repeat(4000))));
        assert!(!holds("REGISTER", "sip:112@demo.example"));
        assert!(!holds("MESSAGE", "urn:service:sos"));
    }
}
