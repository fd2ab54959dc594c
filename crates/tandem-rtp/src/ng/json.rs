//! JSON: an object read into a value, and written. Fractions are refused, `null` is left out, `true` and `false` are words.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::value::Value;
use super::{BadMessage, DEPTH, ENTRIES};

/// Reads one value that fills `bytes`.
pub fn read(bytes: &[u8]) -> Result<Value, BadMessage> {
    let left = Cell::new(ENTRIES);
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = Seed { depth: 0, left: &left }.deserialize(&mut json).and_then(|value| json.end().map(|()| value));
    value.map_err(|error| BadMessage::Json(error.to_string())).map(|value| value.unwrap_or_else(Value::dict))
}

/// Appends a value to `out`; bytes that are no UTF-8 become U+FFFD.
pub fn write(value: &Value, out: &mut Vec<u8>) {
    // A `Vec` takes every byte and a `Value` has only string keys: nothing here can fail.
    let _ = serde_json::to_writer(out, &Written(value));
}

struct Seed<'a> {
    depth: usize,
    left: &'a Cell<usize>,
}

impl Seed<'_> {
    fn inner(&self) -> Self {
        Seed { depth: self.depth + 1, left: self.left }
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Value>, D::Error> {
        let left = self.left.get().checked_sub(1).ok_or_else(|| D::Error::custom(BadMessage::Entries))?;
        self.left.set(left);
        if self.depth == DEPTH {
            return Err(D::Error::custom(BadMessage::Depth));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object, a list, a string or an integer")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Option<Value>, E> {
        Ok(Some(Value::text(text)))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Option<Value>, E> {
        Ok(Some(Value::Integer(number)))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Option<Value>, E> {
        i64::try_from(number).map(|number| Some(Value::Integer(number))).map_err(|_| E::custom(BadMessage::Integer))
    }

    fn visit_bool<E: Error>(self, word: bool) -> Result<Option<Value>, E> {
        Ok(Some(Value::text(if word { "true" } else { "false" })))
    }

    fn visit_unit<E: Error>(self) -> Result<Option<Value>, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Option<Value>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(self.inner())? {
            items.extend(item);
        }
        Ok(Some(Value::List(items)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<Value>, A::Error> {
        let mut entries: Vec<(Vec<u8>, Value)> = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value_seed(self.inner())?;
            if entries.iter().any(|(other, _)| other == key.as_bytes()) {
                return Err(A::Error::custom(BadMessage::Twice(key)));
            }
            entries.extend(value.map(|value| (key.into_bytes(), value)));
        }
        Ok(Some(Value::Dict(entries)))
    }
}

struct Written<'a>(&'a Value);

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Text(bytes) => serializer.serialize_str(&String::from_utf8_lossy(bytes)),
            Value::Integer(number) => serializer.serialize_i64(*number),
            Value::Hundredths(number) => serializer.serialize_f64(*number as f64 / 100.0),
            Value::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                items.iter().try_for_each(|item| list.serialize_element(&Written(item)))?;
                list.end()
            }
            Value::Dict(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                entries.iter().try_for_each(|(key, value)| map.serialize_entry(&String::from_utf8_lossy(key), &Written(value)))?;
                map.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_read_and_written() {
        let bytes = br#"{"command":"offer","flags":["trust address"],"limit":-3,"codec":{"strip":["PCMA"]}}"#;
        let value = read(bytes).unwrap();
        let mut out = Vec::new();
        write(&value, &mut out);
        assert_eq!(String::from_utf8_lossy(bytes), String::from_utf8_lossy(&out));
    }

    #[test]
    fn null_is_left_out_and_truth_is_a_word() {
        let value = read(br#"{"a": null, "b": [null, 1], "c": true}"#).unwrap();
        let expected = Value::dict().with("b", Value::List(vec![Value::Integer(1)])).with("c", Value::text("true"));
        assert_eq!(expected, value);
    }

    #[test]
    fn what_is_too_much_is_refused() {
        let deep = ["[".repeat(DEPTH + 1), "]".repeat(DEPTH + 1)].concat();
        let many = format!("[{}1]", "1,".repeat(ENTRIES));
        for (text, part) in [
            (&deep[..], "nested"),
            (&many, "values"),
            (r#"{"a": 1, "a": 2}"#, "twice"),
            (r#"{"a": 1.5}"#, "floating point"),
            ("18446744073709551615", "integer"),
            (r#"{"a": 1} x"#, "trailing"),
            ("{", "EOF"),
        ] {
            let reason = read(text.as_bytes()).unwrap_err().to_string();
            assert!(reason.contains(part), "{reason}");
        }
    }
}
