//! Bencode: values read strictly, and written with sorted keys. It does not know what a value means.

use super::value::{hundredths, Value};
use super::{BadMessage, DEPTH, ENTRIES};

/// Reads one value that fills `bytes`; white space may follow it.
pub fn read(bytes: &[u8]) -> Result<Value, BadMessage> {
    let mut reader = Reader { rest: bytes, left: ENTRIES };
    let value = reader.value(0)?;
    match reader.rest.iter().all(u8::is_ascii_whitespace) {
        true => Ok(value),
        false => Err(BadMessage::Trailing),
    }
}

/// Appends a value to `out`.
pub fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Text(bytes) => text(bytes, out),
        Value::Integer(number) => out.extend_from_slice(format!("i{number}e").as_bytes()),
        Value::Hundredths(number) => text(hundredths(*number).as_bytes(), out),
        Value::List(items) => {
            out.push(b'l');
            items.iter().for_each(|item| write(item, out));
            out.push(b'e');
        }
        Value::Dict(entries) => {
            let mut sorted: Vec<_> = entries.iter().collect();
            sorted.sort_by(|a, b| a.0.cmp(&b.0));
            out.push(b'd');
            for (key, value) in sorted {
                text(key, out);
                write(value, out);
            }
            out.push(b'e');
        }
    }
}

fn text(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(bytes.len().to_string().as_bytes());
    out.push(b':');
    out.extend_from_slice(bytes);
}

struct Reader<'a> {
    rest: &'a [u8],
    /// Values that may still come.
    left: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Result<Value, BadMessage> {
        self.left = self.left.checked_sub(1).ok_or(BadMessage::Entries)?;
        if depth == DEPTH {
            return Err(BadMessage::Depth);
        }
        match self.rest {
            [b'i', rest @ ..] => {
                self.rest = rest;
                self.integer().map(Value::Integer)
            }
            [b'l', rest @ ..] => {
                self.rest = rest;
                let mut items = Vec::new();
                while !self.end()? {
                    items.push(self.value(depth + 1)?);
                }
                Ok(Value::List(items))
            }
            [b'd', rest @ ..] => {
                self.rest = rest;
                let mut entries: Vec<(Vec<u8>, Value)> = Vec::new();
                while !self.end()? {
                    let key = self.text()?;
                    if entries.iter().any(|(other, _)| other == key) {
                        return Err(BadMessage::Twice(String::from_utf8_lossy(key).into_owned()));
                    }
                    entries.push((key.to_vec(), self.value(depth + 1)?));
                }
                Ok(Value::Dict(entries))
            }
            _ => self.text().map(Value::text),
        }
    }

    /// Takes the end of a list or dictionary.
    fn end(&mut self) -> Result<bool, BadMessage> {
        match self.rest {
            [b'e', rest @ ..] => {
                self.rest = rest;
                Ok(true)
            }
            [] => Err(BadMessage::Short),
            _ => Ok(false),
        }
    }

    fn integer(&mut self) -> Result<i64, BadMessage> {
        let end = self.rest.iter().position(|&byte| byte == b'e').ok_or(BadMessage::Short)?;
        let (digits, rest) = self.rest.split_at_checked(end).ok_or(BadMessage::Short)?;
        self.rest = rest.get(1..).unwrap_or_default();
        decimal(digits).ok_or(BadMessage::Integer)
    }

    fn text(&mut self) -> Result<&'a [u8], BadMessage> {
        let colon = self.rest.iter().position(|&byte| byte == b':').ok_or(BadMessage::Text)?;
        let (digits, rest) = self.rest.split_at_checked(colon).ok_or(BadMessage::Text)?;
        let length = decimal(digits).and_then(|number| usize::try_from(number).ok()).ok_or(BadMessage::Text)?;
        let (text, rest) = rest.get(1..).and_then(|rest| rest.split_at_checked(length)).ok_or(BadMessage::Short)?;
        self.rest = rest;
        Ok(text)
    }
}

/// Decimals in their one form: no plus sign, no leading zero, no minus zero.
fn decimal(digits: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(digits).ok()?;
    let number: i64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dictionary_is_read_and_written() {
        let bytes = b"d7:command5:offer5:flagsl13:trust addresse5:limiti-3ee";
        let value = read(bytes).unwrap();
        assert_eq!(Some("offer"), value.get("command").and_then(Value::as_str));
        assert_eq!(Some(-3), value.get("limit").and_then(Value::as_integer));
        let mut out = Vec::new();
        write(&value, &mut out);
        assert_eq!(&bytes[..], out);
    }

    #[test]
    fn keys_are_written_sorted_and_read_in_any_order() {
        let value = read(b"d1:b1:x1:a1:ye").unwrap();
        let mut out = Vec::new();
        write(&value, &mut out);
        assert_eq!(&b"d1:a1:y1:b1:xe"[..], out);
    }

    #[test]
    fn what_is_no_bencode_is_refused_with_its_reason() {
        let deep = [b"l".repeat(DEPTH + 1), b"e".repeat(DEPTH + 1)].concat();
        let many = [b"l".to_vec(), b"i1e".repeat(ENTRIES), b"e".to_vec()].concat();
        for (bytes, reason) in [
            (&b"d1:a1:x1:a1:ye"[..], BadMessage::Twice("a".into())),
            (b"i1", BadMessage::Short),
            (b"i01e", BadMessage::Integer),
            (b"i-0e", BadMessage::Integer),
            (b"i+1e", BadMessage::Integer),
            (b"i9223372036854775808e", BadMessage::Integer),
            (b"3:ab", BadMessage::Short),
            (b"-1:a", BadMessage::Text),
            (b"18446744073709551617:a", BadMessage::Text),
            (b"d1:a", BadMessage::Text),
            (b"de de", BadMessage::Trailing),
            (b"", BadMessage::Text),
            (&deep, BadMessage::Depth),
            (&many, BadMessage::Entries),
        ] {
            assert_eq!(Err(reason), read(bytes), "{:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(40)]));
        }
        assert!(read(b"de\r\n").is_ok());
    }
}
