//! The fields of a request that a verdict may depend on, and their values as a key. It decides nothing.

use crate::address::Address;
use crate::message::Message;
use crate::name::Name;
use crate::proxy::Source;
use crate::uri::Uri;
use serde::Deserialize;

/// Rules of one policy.
pub const RULES: usize = 32;
/// Fields of one rule.
pub const FIELDS: usize = 8;
/// Bytes of the values of one request; about one that has more nobody is asked.
pub const KEY_BYTES: usize = 2_048;

/// One field.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Field {
    /// The method.
    Method,
    /// The sender's IP address.
    Source,
    /// How it came.
    Transport,
    /// The address that was asked.
    Listen,
    /// Of the Request-URI.
    UriUser,
    /// Of the Request-URI.
    UriHost,
    /// Of From.
    FromUser,
    /// Of From.
    FromHost,
    /// Of To.
    ToUser,
    /// Of To.
    ToHost,
    /// The Call-ID.
    CallId,
    /// The first User-Agent.
    UserAgent,
    /// The first header of this name.
    Header(String),
}

/// A kind of request, and what its verdict depends on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    /// The method.
    pub method: String,
    /// In the order of the values.
    pub by: Vec<Field>,
    /// How long a verdict is kept, microseconds; 0: not at all.
    pub keep_us: u64,
}

#[derive(Deserialize)]
struct RuleText {
    method: String,
    by: Vec<String>,
    seconds: f64,
}

impl Rule {
    /// Reads `[{"method": "INVITE", "by": ["source"], "seconds": 60.0}]`; the error says what is wrong.
    pub fn read_all(json: &[u8]) -> Result<Vec<Rule>, String> {
        let texts: Vec<RuleText> = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        if texts.len() > RULES {
            return Err(format!("{} rules, at most {RULES}", texts.len()));
        }
        texts.into_iter().map(Rule::of).collect()
    }

    fn of(text: RuleText) -> Result<Rule, String> {
        if text.by.len() > FIELDS {
            return Err(format!("{}: {} fields, at most {FIELDS}", text.method, text.by.len()));
        }
        let by: Option<Vec<Field>> = text.by.iter().map(|name| Field::of(name)).collect();
        let by = by.ok_or_else(|| format!("{}: a field of {:?} is not known", text.method, text.by))?;
        let seconds = if text.seconds.is_finite() { text.seconds.clamp(0.0, 86_400.0) } else { 0.0 };
        Ok(Rule { method: text.method, by, keep_us: (seconds * 1e6) as u64 })
    }
}

impl Field {
    fn of(name: &str) -> Option<Field> {
        Some(match name {
            "method" => Field::Method,
            "source" => Field::Source,
            "transport" => Field::Transport,
            "listen" => Field::Listen,
            "uri_user" => Field::UriUser,
            "uri_host" => Field::UriHost,
            "from_user" => Field::FromUser,
            "from_host" => Field::FromHost,
            "to_user" => Field::ToUser,
            "to_host" => Field::ToHost,
            "call_id" => Field::CallId,
            "user_agent" => Field::UserAgent,
            other => Field::Header(other.strip_prefix("header:")?.into()),
        })
    }
}

/// The values of a rule's fields; `None`: they are too long to be asked about.
pub(crate) fn values(rule: &Rule, message: &Message<'_>, source: &Source, uri: &Uri<'_>, listen: &str) -> Option<Vec<String>> {
    let mut room = KEY_BYTES;
    let mut all = Vec::with_capacity(rule.by.len());
    for field in &rule.by {
        let value = value(field, message, source, uri, listen);
        room = room.checked_sub(value.len())?;
        all.push(value);
    }
    Some(all)
}

/// What a verdict is kept by: no value can pass for two.
pub(crate) fn key(rule: usize, values: &[String]) -> Box<[u8]> {
    let mut key = vec![rule as u8];
    for value in values {
        key.extend_from_slice(&(value.len() as u32).to_le_bytes());
        key.extend_from_slice(value.as_bytes());
    }
    key.into()
}

fn value(field: &Field, message: &Message<'_>, source: &Source, uri: &Uri<'_>, listen: &str) -> String {
    // One byte is one character, as everywhere between Rust and Python.
    let text = |bytes: &[u8]| bytes.iter().map(|&byte| char::from(byte)).collect::<String>();
    let header = |name: Name| message.first(name).unwrap_or_default();
    match field {
        Field::Method => text(message.method_bytes()),
        Field::Source => source.remote.ip().to_canonical().to_string(),
        Field::Transport => source.transport.via().to_ascii_lowercase(),
        Field::Listen => listen.into(),
        Field::UriUser => text(user(uri)),
        Field::UriHost => text(uri.bare_host()),
        Field::FromUser => within(header(Name::From), |uri| text(user(uri))),
        Field::FromHost => within(header(Name::From), |uri| text(uri.bare_host())),
        Field::ToUser => within(header(Name::To), |uri| text(user(uri))),
        Field::ToHost => within(header(Name::To), |uri| text(uri.bare_host())),
        Field::CallId => text(message.call_id()),
        Field::UserAgent => text(header(Name::UserAgent)),
        Field::Header(name) => {
            let known = Name::parse(name.as_bytes());
            let same = |header: &crate::message::Header<'_>| match known {
                Name::Other => header.raw_name.eq_ignore_ascii_case(name.as_bytes()),
                known => header.name == known,
            };
            message.headers().find(same).map(|header| text(header.value)).unwrap_or_default()
        }
    }
}

/// The user of a SIP URI, the number of a tel URI.
fn user<'a>(uri: &Uri<'a>) -> &'a [u8] {
    if uri.is_sip() {
        uri.user.unwrap_or_default()
    } else {
        uri.opaque
    }
}

fn within(header: &[u8], of: impl Fn(&Uri<'_>) -> String) -> String {
    let address = Address::parse(header).ok();
    address.and_then(|address| Uri::parse(address.uri).ok().map(|uri| of(&uri))).unwrap_or_default()
}
