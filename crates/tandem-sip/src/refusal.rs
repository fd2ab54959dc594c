//! What is wrong with a message and the status that it deserves. It answers nothing: `build` does.

use smallvec::SmallVec;
use thiserror::Error;

/// Why a message is refused. For a response or an ACK nothing is sent; they are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Nothing but line ends: a keep-alive (RFC 5626 3.5.1), not a message.
    #[error("message: empty")]
    Empty,
    /// The message has more bytes than `Limits::message_bytes`.
    #[error("message: more than {limit} bytes (message_bytes)")]
    MessageBytes {
        /// The limit in bytes.
        limit: usize,
    },
    /// The body has more bytes than `Limits::body_bytes`.
    #[error("body: more than {limit} bytes (body_bytes)")]
    BodyBytes {
        /// The limit in bytes.
        limit: usize,
    },
    /// The Request-URI has more bytes than `Limits::uri_bytes`.
    #[error("Request-URI: more than {limit} bytes (uri_bytes)")]
    UriBytes {
        /// The limit in bytes.
        limit: usize,
    },
    /// One header has more bytes than `Limits::header_bytes`.
    #[error("{field}: more than {limit} bytes (header_bytes)")]
    HeaderBytes {
        /// Long name in lower case, or "header".
        field: &'static str,
        /// The limit in bytes.
        limit: usize,
    },
    /// More header lines than `Limits::headers`.
    #[error("message: more than {limit} headers (headers)")]
    Headers {
        /// The limit in header lines.
        limit: usize,
    },
    /// More Via values than `Limits::vias`.
    #[error("via: more than {limit} values (vias)")]
    Vias {
        /// The limit in values.
        limit: usize,
    },
    /// The start line is neither a request's nor a response's (RFC 3261 7.1, 7.2).
    #[error("start line: {why}")]
    StartLine {
        /// What is wrong.
        why: &'static str,
    },
    /// Another version than SIP/2.0.
    #[error("start line: version is not SIP/2.0")]
    Version,
    /// The head has no end, a bare CR or LF, or a line that is no header.
    #[error("header line: {why}")]
    Line {
        /// What is wrong.
        why: &'static str,
    },
    /// A header that every message needs is absent (RFC 3261 8.1.1), or Content-Length on a stream (18.3).
    #[error("{field}: missing")]
    Missing {
        /// Long name in lower case.
        field: &'static str,
    },
    /// A header that may stand once stands twice.
    #[error("{field}: stands twice")]
    Twice {
        /// Long name in lower case.
        field: &'static str,
    },
    /// A header's value is not what its grammar says.
    #[error("{field}: {why}")]
    Value {
        /// Long name in lower case, or "request-uri".
        field: &'static str,
        /// What is wrong.
        why: &'static str,
    },
    /// Content-Length is larger than the rest of the datagram (RFC 3261 18.3).
    #[error("content-length: {length} bytes, the datagram has {have}")]
    Truncated {
        /// What Content-Length says.
        length: usize,
        /// What is there.
        have: usize,
    },
}

impl Refusal {
    /// The status of the answer (RFC 3261 21.4, 21.5).
    pub fn status(&self) -> u16 {
        match self {
            Refusal::MessageBytes { .. } | Refusal::BodyBytes { .. } => 513,
            Refusal::UriBytes { .. } => 414,
            Refusal::Version => 505,
            _ => 400,
        }
    }

    /// The reason phrase of the answer: names the field, holds nothing that the peer sent.
    pub fn reason(&self) -> &'static str {
        match self {
            Refusal::MessageBytes { .. } | Refusal::BodyBytes { .. } => "Message Too Large",
            Refusal::UriBytes { .. } => "Request-URI Too Long",
            Refusal::Version => "Version Not Supported",
            Refusal::Headers { .. } => "Too Many Headers",
            Refusal::Vias { .. } => "Too Many Via Values",
            Refusal::HeaderBytes { .. } => "Header Too Long",
            Refusal::StartLine { .. } => "Bad Start Line",
            Refusal::Missing { .. } => "Missing Header",
            Refusal::Twice { .. } => "Repeated Header",
            Refusal::Truncated { .. } => "Bad Content-Length",
            Refusal::Value { field, .. } => match *field {
                "cseq" => "Bad CSeq",
                "via" => "Bad Via",
                "from" => "Bad From",
                "to" => "Bad To",
                "call-id" => "Bad Call-ID",
                "contact" => "Bad Contact",
                "content-length" => "Bad Content-Length",
                "max-forwards" => "Bad Max-Forwards",
                "request-uri" => "Bad Request-URI",
                "date" => "Bad Date",
                _ => "Bad Header Value",
            },
            _ => "Bad Request",
        }
    }

    /// Status and reason as they stand in the answer's first line.
    pub fn line(&self) -> SmallVec<[u8; 64]> {
        let status = self.status();
        let digits = [status / 100, status / 10 % 10, status % 10].map(|digit| b'0' + digit as u8);
        digits.into_iter().chain([b' ']).chain(self.reason().bytes()).collect()
    }

    /// The field that is to blame: a header's long name in lower case, "request-uri", "start line", "body" or "message".
    pub fn field(&self) -> &'static str {
        match self {
            Refusal::HeaderBytes { field, .. } | Refusal::Missing { field } | Refusal::Twice { field } | Refusal::Value { field, .. } => {
                field
            }
            Refusal::UriBytes { .. } => "request-uri",
            Refusal::StartLine { .. } | Refusal::Version => "start line",
            Refusal::BodyBytes { .. } => "body",
            Refusal::Vias { .. } => "via",
            Refusal::Truncated { .. } => "content-length",
            Refusal::Empty | Refusal::MessageBytes { .. } | Refusal::Headers { .. } | Refusal::Line { .. } => "message",
        }
    }
}
