//! What an ng message is made of: dictionaries, lists, byte strings and integers. It knows neither bencode nor JSON.

/// A value of the ng protocol. Keys and strings are bytes: a session description need not be UTF-8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A byte string.
    Text(Vec<u8>),
    /// An integer.
    Integer(i64),
    /// A number of hundredths, only in answers: a number in JSON, a string in bencode, which has no fractions.
    Hundredths(i64),
    /// A list.
    List(Vec<Value>),
    /// A dictionary in the order of its writer; no key stands twice in one that was read.
    Dict(Vec<(Vec<u8>, Value)>),
}

impl Value {
    /// An empty dictionary.
    pub fn dict() -> Value {
        Value::Dict(Vec::new())
    }

    /// A string.
    pub fn text(text: impl AsRef<[u8]>) -> Value {
        Value::Text(text.as_ref().to_vec())
    }

    /// The entries of a dictionary; none for anything else.
    pub fn entries(&self) -> &[(Vec<u8>, Value)] {
        match self {
            Value::Dict(entries) => entries,
            _ => &[],
        }
    }

    /// What stands under `key` in a dictionary.
    ///
    /// ```
    /// use tandem_rtp::ng::Value;
    /// let ping = Value::dict().with("command", Value::text("ping"));
    /// assert_eq!(Some("ping"), ping.get("command").and_then(Value::as_str));
    /// ```
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entries().iter().find(|(name, _)| name == key.as_bytes()).map(|(_, value)| value)
    }

    /// Puts `value` under `key` into a dictionary, in place of what stood there. Anything else stays as it is.
    pub fn put(&mut self, key: impl AsRef<[u8]>, value: Value) {
        let Value::Dict(entries) = self else { return };
        match entries.iter_mut().find(|(name, _)| name == key.as_ref()) {
            Some((_, old)) => *old = value,
            None => entries.push((key.as_ref().to_vec(), value)),
        }
    }

    /// The same dictionary with one entry more.
    pub fn with(mut self, key: impl AsRef<[u8]>, value: Value) -> Value {
        self.put(key, value);
        self
    }

    /// The bytes of a string.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Value::Text(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// A string that is UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        self.as_bytes().and_then(|bytes| std::str::from_utf8(bytes).ok())
    }

    /// An integer, also one that is written as a string of decimals.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Value::Integer(number) => Some(*number),
            Value::Text(_) => self.as_str()?.trim().parse().ok(),
            _ => None,
        }
    }

    /// The items of a list; a single string or integer is a list of one.
    pub fn items(&self) -> &[Value] {
        match self {
            Value::List(items) => items,
            Value::Dict(_) => &[],
            single => std::slice::from_ref(single),
        }
    }

    /// As a reason or a warning shows it: a string as it is, cut after 64 characters, the rest by kind.
    pub fn shown(&self) -> String {
        match self {
            Value::Text(bytes) => String::from_utf8_lossy(bytes).chars().take(SHOWN_CHARACTERS).collect(),
            Value::Integer(number) => number.to_string(),
            Value::Hundredths(number) => hundredths(*number),
            Value::List(items) => items.iter().map(Value::shown).collect::<Vec<_>>().join(",").chars().take(SHOWN_CHARACTERS).collect(),
            Value::Dict(_) => "a dictionary".to_owned(),
        }
    }
}

/// Characters of a value in a reason or a warning.
const SHOWN_CHARACTERS: usize = 64;

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Integer(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::text(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text.into_bytes())
    }
}

impl From<Vec<Value>> for Value {
    fn from(items: Vec<Value>) -> Value {
        Value::List(items)
    }
}

/// A count as an integer; beyond `i64` it stays at the most.
pub fn count(number: u64) -> Value {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

/// A number of hundredths, in decimals.
pub(super) fn hundredths(number: i64) -> String {
    let (sign, size) = (if number < 0 { "-" } else { "" }, number.unsigned_abs());
    format!("{sign}{}.{:02}", size / 100, size % 100)
}
