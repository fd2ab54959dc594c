//! As much of msgpack as crosses to Python: arrays, integers, text, bytes, maps. Text is latin-1 made UTF-8.

use thiserror::Error;

/// Why a batch of commands cannot be read: core and Python differ in version.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum BadCommands {
    /// It ends early.
    #[error("the commands end early")]
    Short,
    /// A value of another type than the field's.
    #[error("a command has {found:#04x} where {wanted} belongs")]
    Type {
        /// What the field is.
        wanted: &'static str,
        /// The byte found.
        found: u8,
    },
    /// No such command.
    #[error("unknown command {0}")]
    Command(u64),
    /// A number that the field cannot hold, or a name of another form.
    #[error("bad {0} in a command")]
    Field(&'static str),
}

/// Appends an array's head.
pub fn array(out: &mut Vec<u8>, count: usize) {
    match count {
        0..=15 => out.push(0x90 | count as u8),
        _ => {
            out.push(0xdc);
            out.extend_from_slice(&(count as u16).to_be_bytes());
        }
    }
}

/// Appends a map's head.
pub fn map(out: &mut Vec<u8>, count: usize) {
    match count {
        0..=15 => out.push(0x80 | count as u8),
        _ => {
            out.push(0xde);
            out.extend_from_slice(&(count as u16).to_be_bytes());
        }
    }
}

/// Appends a whole number.
pub fn int(out: &mut Vec<u8>, value: u64) {
    match value {
        0..=127 => out.push(value as u8),
        128..=0xffff => {
            out.push(0xcd);
            out.extend_from_slice(&(value as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            out.push(0xce);
            out.extend_from_slice(&(value as u32).to_be_bytes());
        }
        _ => {
            out.push(0xcf);
            out.extend_from_slice(&value.to_be_bytes());
        }
    }
}

/// Appends -1, which stands for "absent".
pub fn absent(out: &mut Vec<u8>) {
    out.push(0xff);
}

/// Appends true or false.
pub fn boolean(out: &mut Vec<u8>, value: bool) {
    out.push(if value { 0xc3 } else { 0xc2 });
}

/// Appends text; each byte from 0x80 on becomes the two bytes of its latin-1 character.
pub fn text(out: &mut Vec<u8>, value: &[u8]) {
    let wide = if value.is_ascii() { 0 } else { value.iter().filter(|byte| **byte >= 0x80).count() };
    text_head(out, value.len() + wide);
    push_latin1(out, value);
}

/// Appends text that is given in pieces.
pub fn text_of(out: &mut Vec<u8>, pieces: &[&[u8]]) {
    let length = pieces.iter().map(|piece| piece.len() + piece.iter().filter(|byte| **byte >= 0x80).count()).sum();
    text_head(out, length);
    pieces.iter().for_each(|piece| push_latin1(out, piece));
}

fn text_head(out: &mut Vec<u8>, length: usize) {
    match length {
        0..=31 => out.push(0xa0 | length as u8),
        32..=255 => out.extend_from_slice(&[0xd9, length as u8]),
        256..=0xffff => {
            out.push(0xda);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            out.push(0xdb);
            out.extend_from_slice(&(length as u32).to_be_bytes());
        }
    }
}

fn push_latin1(out: &mut Vec<u8>, value: &[u8]) {
    if value.is_ascii() {
        return out.extend_from_slice(value);
    }
    for &byte in value {
        match byte {
            0..=0x7f => out.push(byte),
            _ => out.extend_from_slice(&[0xc0 | (byte >> 6), 0x80 | (byte & 0x3f)]),
        }
    }
}

/// Appends bytes.
pub fn bytes(out: &mut Vec<u8>, value: &[u8]) {
    match value.len() {
        0..=255 => out.extend_from_slice(&[0xc4, value.len() as u8]),
        256..=0xffff => {
            out.push(0xc5);
            out.extend_from_slice(&(value.len() as u16).to_be_bytes());
        }
        _ => {
            out.push(0xc6);
            out.extend_from_slice(&(value.len() as u32).to_be_bytes());
        }
    }
    out.extend_from_slice(value);
}

/// Reads what Python wrote.
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], BadCommands> {
        let (head, rest) = self.0.split_at_checked(n).ok_or(BadCommands::Short)?;
        self.0 = rest;
        Ok(head)
    }

    fn number(&mut self, width: usize) -> Result<u64, BadCommands> {
        Ok(self.take(width)?.iter().fold(0, |value, byte| (value << 8) | u64::from(*byte)))
    }

    fn head(&mut self) -> Result<u8, BadCommands> {
        Ok(self.number(1)? as u8)
    }

    /// An array's length.
    pub fn array(&mut self) -> Result<usize, BadCommands> {
        Ok(match self.head()? {
            head @ 0x90..=0x9f => usize::from(head & 15),
            0xdc => self.number(2)? as usize,
            0xdd => self.number(4)? as usize,
            found => return Err(BadCommands::Type { wanted: "an array", found }),
        })
    }

    /// A whole number.
    pub fn int(&mut self) -> Result<u64, BadCommands> {
        match self.head()? {
            head @ 0..=0x7f => Ok(u64::from(head)),
            0xcc => self.number(1),
            0xcd => self.number(2),
            0xce => self.number(4),
            0xcf => self.number(8),
            0xd3 => self.number(8).and_then(|value| if value >> 63 == 0 { Ok(value) } else { Err(BadCommands::Field("negative number")) }),
            found => Err(BadCommands::Type { wanted: "a number", found }),
        }
    }

    /// A whole number of a smaller type.
    pub fn small<T: TryFrom<u64>>(&mut self, field: &'static str) -> Result<T, BadCommands> {
        T::try_from(self.int()?).map_err(|_| BadCommands::Field(field))
    }

    /// True or false.
    pub fn boolean(&mut self) -> Result<bool, BadCommands> {
        match self.head()? {
            0xc2 => Ok(false),
            0xc3 => Ok(true),
            found => Err(BadCommands::Type { wanted: "a boolean", found }),
        }
    }

    /// Text as its latin-1 bytes; borrowed when it is ASCII.
    pub fn text(&mut self) -> Result<std::borrow::Cow<'a, [u8]>, BadCommands> {
        let length = match self.head()? {
            head @ 0xa0..=0xbf => usize::from(head & 31),
            0xd9 => self.number(1)? as usize,
            0xda => self.number(2)? as usize,
            0xdb => self.number(4)? as usize,
            found => return Err(BadCommands::Type { wanted: "text", found }),
        };
        let raw = self.take(length)?;
        if raw.is_ascii() {
            return Ok(raw.into());
        }
        let text = std::str::from_utf8(raw).map_err(|_| BadCommands::Field("text"))?;
        let narrow: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
        narrow.map(Into::into).ok_or(BadCommands::Field("text"))
    }

    /// Bytes.
    pub fn bytes(&mut self) -> Result<&'a [u8], BadCommands> {
        let length = match self.head()? {
            0xc4 => self.number(1)? as usize,
            0xc5 => self.number(2)? as usize,
            0xc6 => self.number(4)? as usize,
            found => return Err(BadCommands::Type { wanted: "bytes", found }),
        };
        self.take(length)
    }

    /// Skips one value of any type, with all that an array holds: fields that a newer Python added.
    pub fn skip(&mut self) -> Result<(), BadCommands> {
        let mut left = 1usize;
        while left > 0 {
            left -= 1;
            let width = match *self.0.first().ok_or(BadCommands::Short)? {
                0..=0x7f | 0xc0 | 0xc2 | 0xc3 | 0xe0..=0xff => 1,
                0xcc | 0xd0 => 2,
                0xcd | 0xd1 => 3,
                0xca | 0xce | 0xd2 => 5,
                0xcb | 0xcf | 0xd3 => 9,
                0xc4..=0xc6 => {
                    self.bytes()?;
                    continue;
                }
                0xa0..=0xbf | 0xd9..=0xdb => {
                    self.text()?;
                    continue;
                }
                0x90..=0x9f | 0xdc | 0xdd => {
                    left = left.saturating_add(self.array()?); // each takes a byte at least: the end of the bytes ends this
                    continue;
                }
                found => return Err(BadCommands::Type { wanted: "a plain value", found }),
            };
            self.take(width)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_text_and_bytes_read_back_at_every_width() {
        let mut out = Vec::new();
        let numbers = [0, 127, 128, 255, 256, 65_535, 65_536, u64::from(u32::MAX), 1 << 40, u64::MAX];
        numbers.iter().for_each(|n| int(&mut out, *n));
        let texts = [0, 31, 32, 255, 256, 65_536].map(|n| vec![0xe9u8; n / 2]);
        texts.iter().for_each(|value| text(&mut out, value));
        texts.iter().for_each(|value| bytes(&mut out, value));
        let mut reader = Reader(&out);
        numbers.iter().for_each(|n| assert_eq!(Ok(*n), reader.int()));
        texts.iter().for_each(|value| assert_eq!(&value[..], &*reader.text().unwrap()));
        texts.iter().for_each(|value| assert_eq!(Ok(&value[..]), reader.bytes()));
        assert_eq!(Err(BadCommands::Short), reader.int());
    }

    #[test]
    fn a_skipped_array_takes_all_that_it_holds_with_it() {
        let mut out = Vec::new();
        array(&mut out, 2);
        array(&mut out, 20);
        (0..20).for_each(|n| int(&mut out, n * 100));
        text(&mut out, b"x");
        int(&mut out, 7);
        let mut reader = Reader(&out);
        reader.skip().unwrap();
        assert_eq!(Ok(7), reader.int());
        assert!(Reader(&[0xdd, 255, 255, 255, 255, 1]).skip().is_err());
    }
}
