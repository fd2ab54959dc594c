//! Transport protocols of a media line, and what each implies.

use serde::{Deserialize, Serialize};

/// The transport of a media section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Protocol {
    /// RTP/AVP (RFC 3551).
    RtpAvp,
    /// RTP/AVPF (RFC 4585).
    RtpAvpf,
    /// RTP/SAVP (RFC 3711): keys from a=crypto, or DTLS by phones that do not write UDP/TLS.
    RtpSavp,
    /// RTP/SAVPF (RFC 5124).
    RtpSavpf,
    /// UDP/TLS/RTP/SAVP (RFC 5764).
    TlsSavp,
    /// UDP/TLS/RTP/SAVPF (RFC 5764).
    TlsSavpf,
    /// udptl: T.38 (RFC 7345 5).
    Udptl,
    /// Anything else, as it is spelled.
    Other(String),
}

impl Protocol {
    /// Reads a protocol; upper and lower case are alike for those that are known.
    pub fn parse(text: &str) -> Protocol {
        let known = [
            Protocol::RtpAvp,
            Protocol::RtpAvpf,
            Protocol::RtpSavp,
            Protocol::RtpSavpf,
            Protocol::TlsSavp,
            Protocol::TlsSavpf,
            Protocol::Udptl,
        ];
        known.into_iter().find(|protocol| protocol.as_str().eq_ignore_ascii_case(text)).unwrap_or_else(|| Protocol::Other(text.to_owned()))
    }

    /// As a media line has it.
    pub fn as_str(&self) -> &str {
        match self {
            Protocol::RtpAvp => "RTP/AVP",
            Protocol::RtpAvpf => "RTP/AVPF",
            Protocol::RtpSavp => "RTP/SAVP",
            Protocol::RtpSavpf => "RTP/SAVPF",
            Protocol::TlsSavp => "UDP/TLS/RTP/SAVP",
            Protocol::TlsSavpf => "UDP/TLS/RTP/SAVPF",
            Protocol::Udptl => "udptl",
            Protocol::Other(text) => text,
        }
    }

    /// RTP of any profile.
    pub fn is_rtp(&self) -> bool {
        !matches!(self, Protocol::Udptl | Protocol::Other(_))
    }

    /// SRTP.
    pub fn is_secure(&self) -> bool {
        matches!(self, Protocol::RtpSavp | Protocol::RtpSavpf) || self.is_tls()
    }

    /// Keys by DTLS only.
    pub fn is_tls(&self) -> bool {
        matches!(self, Protocol::TlsSavp | Protocol::TlsSavpf)
    }

    /// Feedback messages (RFC 4585).
    pub fn has_feedback(&self) -> bool {
        matches!(self, Protocol::RtpAvpf | Protocol::RtpSavpf | Protocol::TlsSavpf)
    }

    /// Datagrams without RTP, which a relay can pass as bytes: no DTLS or TCP, whose association or connection it cannot pass on.
    pub fn is_raw_datagrams(&self) -> bool {
        match self {
            Protocol::Udptl => true,
            Protocol::Other(text) => {
                let text = text.to_ascii_lowercase();
                (text == "udp" || text.starts_with("udp/")) && !text.contains("tls")
            }
            _ => false,
        }
    }
}

impl From<String> for Protocol {
    fn from(text: String) -> Protocol {
        Protocol::parse(&text)
    }
}

impl From<Protocol> for String {
    fn from(protocol: Protocol) -> String {
        protocol.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protocol_says_what_it_implies() {
        for (text, rtp, secure, feedback, raw) in [
            ("RTP/AVP", true, false, false, false),
            ("UDP/TLS/RTP/SAVPF", true, true, true, false),
            ("RTP/SAVP", true, true, false, false),
            ("udptl", false, false, false, true),
            ("UDP/BFCP", false, false, false, true),
            ("UDP/DTLS/SCTP", false, false, false, false),
            ("UDP/TLS/UDPTL", false, false, false, false),
            ("TCP/MSRP", false, false, false, false),
        ] {
            let protocol = Protocol::parse(text);
            assert_eq!(
                (rtp, secure, feedback, raw),
                (protocol.is_rtp(), protocol.is_secure(), protocol.has_feedback(), protocol.is_raw_datagrams()),
                "{text}"
            );
            assert_eq!(text, protocol.as_str());
        }
        assert_eq!(Protocol::Udptl, Protocol::parse("UDPTL"));
    }
}
