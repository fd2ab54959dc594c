//! Answers: ok with what was asked for, or the reason why not. It does not decide which.

use super::value::Value;
use crate::sdp::BadDescription;

/// Why a command cannot be carried out. Its text is the `error-reason` of the answer: it names the field and the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// A key that the command needs is not there.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A value that cannot be.
    #[error("{field}: '{value}' {why}")]
    Bad {
        /// The key or flag.
        field: String,
        /// What stood there.
        value: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The session description.
    #[error("sdp: {0}")]
    Description(#[from] BadDescription),
    /// No such command.
    #[error("command: '{0}' is unknown")]
    Command(String),
    /// No call with that call-id.
    #[error("call-id: '{0}' is not a known call")]
    Call(String),
    /// No leg of the call is the one that was named.
    #[error("{field}: '{value}' is no party of the call")]
    Party {
        /// The key that named it.
        field: &'static str,
        /// What it named.
        value: String,
    },
    /// No port is free.
    #[error("no port is free on interface '{interface}' for {family}")]
    Ports {
        /// The interface.
        interface: String,
        /// IP4 or IP6.
        family: &'static str,
    },
    /// A table is full.
    #[error("{what}: no more than {most}")]
    Full {
        /// The table.
        what: &'static str,
        /// Its limit.
        most: usize,
    },
    /// A command that does not fit what the call is now.
    #[error("{0}")]
    State(&'static str),
}

impl Failure {
    /// A value that cannot be.
    pub fn bad(field: impl Into<String>, value: &Value, why: &'static str) -> Failure {
        Failure::Bad { field: field.into(), value: value.shown(), why }
    }
}

/// Warnings of an answer at most, and characters of all of them.
const WARNINGS: usize = 16;
const WARNING_CHARACTERS: usize = 1_024;

/// A good answer, with its warnings.
pub fn ok(warnings: &[String]) -> Value {
    let answer = Value::dict().with("result", Value::text("ok"));
    match warnings.is_empty() {
        true => answer,
        false => answer.with(
            "warning",
            warnings
                .iter()
                .take(WARNINGS)
                .cloned()
                .collect::<Vec<_>>()
                .join("; ")
                .chars()
                .take(WARNING_CHARACTERS)
                .collect::<String>()
                .into(),
        ),
    }
}

/// A bad answer.
pub fn failed(reason: &impl std::fmt::Display) -> Value {
    Value::dict().with("result", Value::text("error")).with("error-reason", reason.to_string().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_tells_its_reason_or_its_warnings() {
        let failure = Failure::bad("ptime", &Value::text("long"), "is no number of milliseconds");
        assert_eq!(Some("ptime: 'long' is no number of milliseconds"), failed(&failure).get("error-reason").and_then(Value::as_str));
        assert_eq!(None, ok(&[]).get("warning"));
        assert_eq!(Some("a; b"), ok(&["a".into(), "b".into()]).get("warning").and_then(Value::as_str));
        assert!(ok(&vec!["x".repeat(500); 100]).get("warning").and_then(Value::as_str).unwrap().len() <= WARNING_CHARACTERS);
    }
}
