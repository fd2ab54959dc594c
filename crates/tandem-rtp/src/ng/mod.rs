//! The ng protocol: messages in bencode and JSON, commands read from them, and answers. It carries no command out.
//!
//! A message is `cookie SP body`; its answer has the same cookie and the same form.
//!
//! ```
//! use tandem_rtp::ng::{self, Value};
//! let question = ng::read(b"5323_1 d7:command4:pinge").unwrap();
//! let pong = Value::dict().with("result", Value::text("pong"));
//! assert_eq!(b"5323_1 d6:result4:ponge"[..], ng::write(question.cookie, question.form, &pong));
//! ```

mod answer;
pub mod bencode;
mod codec;
mod command;
mod fields;
mod flags;
pub mod json;
mod keys;
mod options;
mod party;
pub mod repeats;
mod sound;
mod value;
mod words;

pub use answer::{failed, ok, Failure};
pub use codec::{names, says_all, Codec, CodecRules};
pub use command::{Command, Delete, Query, Record, Recording, Request, Signal, Subscribe, TAP_SECONDS, TAP_SECONDS_MOST};
pub use options::{DtlsMode, IceMode, MuxRules, Options, Osrtp, RecordingTarget, Replace, Sdes, Tos, Transport};
pub use party::{Block, Dtmf, Party, Play, What};
pub use sound::{GatherAsked, Join, RoleAsked, ROOM_HZ};
pub use value::{count, Value};
pub use words::{split, word};

/// Bytes of a message: what a UDP datagram can carry, and more.
pub const MESSAGE_BYTES: usize = 65_536;
/// Lists and dictionaries inside each other.
pub const DEPTH: usize = 16;
/// Values of a message, all levels together.
pub const ENTRIES: usize = 4_096;
/// Bytes of a cookie.
pub const COOKIE_BYTES: usize = 255;

/// How a message is written; its answer is written alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Bencode.
    Bencode,
    /// JSON.
    Json,
}

/// Why a message cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadMessage {
    /// More than [`MESSAGE_BYTES`].
    #[error("message is larger than {MESSAGE_BYTES} bytes")]
    Large,
    /// The body begins neither like bencode nor like JSON.
    #[error("body is neither a bencode nor a JSON dictionary")]
    Form,
    /// The body ends early.
    #[error("body ends inside a value")]
    Short,
    /// Bytes after the value.
    #[error("body goes on after its dictionary")]
    Trailing,
    /// More than [`DEPTH`].
    #[error("values are nested deeper than {DEPTH}")]
    Depth,
    /// More than [`ENTRIES`].
    #[error("more than {ENTRIES} values")]
    Entries,
    /// No integer, or beyond 64 bits.
    #[error("integer cannot be read")]
    Integer,
    /// No string where one must be.
    #[error("string cannot be read")]
    Text,
    /// A key stands twice in a dictionary.
    #[error("key {0} stands twice")]
    Twice(String),
    /// What the JSON reader says.
    #[error("JSON: {0}")]
    Json(String),
}

/// A message that came.
#[derive(Debug, PartialEq, Eq)]
pub struct Question<'a> {
    /// Goes into the answer.
    pub cookie: &'a [u8],
    /// How to answer.
    pub form: Form,
    /// The dictionary, or why there is none.
    pub body: Result<Value, BadMessage>,
}

/// Reads a message. `None`: it has no cookie, nobody can be answered.
pub fn read(message: &[u8]) -> Option<Question<'_>> {
    let space = message.iter().take(COOKIE_BYTES + 1).position(|&byte| byte == b' ').filter(|&at| at > 0)?;
    let (cookie, rest) = message.split_at_checked(space)?;
    let body = rest.trim_ascii_start();
    let (form, value) = match body.first() {
        Some(b'd') => (Form::Bencode, bencode::read as fn(&[u8]) -> _),
        Some(b'{') => (Form::Json, json::read as fn(&[u8]) -> _),
        _ => return Some(Question { cookie, form: Form::Bencode, body: Err(BadMessage::Form) }),
    };
    let body = if message.len() > MESSAGE_BYTES { Err(BadMessage::Large) } else { value(body) };
    Some(Question { cookie, form, body })
}

/// Writes a message.
pub fn write(cookie: &[u8], form: Form, value: &Value) -> Vec<u8> {
    let mut out = [cookie, b" "].concat();
    match form {
        Form::Bencode => bencode::write(value, &mut out),
        Form::Json => json::write(value, &mut out),
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_has_the_form_of_the_question() {
        let pong = Value::dict().with("result", Value::text("pong"));
        for (question, answer) in
            [(&b"1 d7:command4:pinge"[..], &b"1 d6:result4:ponge"[..]), (b"a_2 {\"command\": \"ping\"}", b"a_2 {\"result\":\"pong\"}")]
        {
            let question = read(question).unwrap();
            assert_eq!(Some("ping"), question.body.unwrap().get("command").and_then(Value::as_str));
            assert_eq!(answer, write(question.cookie, question.form, &pong));
        }
    }

    #[test]
    fn a_broken_body_can_still_be_answered_and_a_missing_cookie_cannot() {
        assert_eq!(Err(BadMessage::Form), read(b"1 hello").unwrap().body);
        assert_eq!(Err(BadMessage::Text), read(b"1 d").unwrap().body.map_err(|_| BadMessage::Text));
        let large = [&b"1 d1:a65536:"[..], &[b'x'; 65_536], b"e"].concat();
        assert_eq!(Err(BadMessage::Large), read(&large).unwrap().body);
        assert!(read(b"").is_none() && read(b" de").is_none() && read(b"de").is_none());
        assert!(read(&[&[b'c'; COOKIE_BYTES + 1][..], b" de"].concat()).is_none());
    }
}
