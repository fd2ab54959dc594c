//! DTMF: digits as telephone events of RTP (RFC 4733) and as tones in the sound, read and made. What digits mean is not known here.

pub mod detect;
pub mod event;
pub mod receive;
pub mod send;
pub mod tone;

/// Low and high frequencies, Hz (ITU-T Q.23).
pub const LOW_HERTZ: [u32; 4] = [697, 770, 852, 941];
/// The four columns.
pub const HIGH_HERTZ: [u32; 4] = [1_209, 1_336, 1_477, 1_633];
/// The keys in the order of their event codes (RFC 4733 3.2).
const KEYS: &[u8; 16] = b"0123456789*#ABCD";
/// The keys by row and column.
const PAD: [&[u8; 4]; 4] = [b"123A", b"456B", b"789C", b"*0#D"];

/// One of the sixteen keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "char", into = "char")]
pub struct Digit(u8);

impl Digit {
    /// The digit of an event code; `None`: the event is no key.
    pub fn of_event(code: u8) -> Option<Digit> {
        (usize::from(code) < KEYS.len()).then_some(Digit(code))
    }

    /// The digit of a character, in either case.
    ///
    /// ```
    /// use tandem_rtp::audio::dtmf::Digit;
    /// assert_eq!(Some(11), Digit::of('#').map(Digit::event));
    /// assert_eq!(None, Digit::of('x'));
    /// ```
    pub fn of(key: char) -> Option<Digit> {
        let key = key.to_ascii_uppercase();
        KEYS.iter().position(|&known| char::from(known) == key).map(|code| Digit(code as u8))
    }

    /// Its event code, 0 to 15.
    pub fn event(self) -> u8 {
        self.0
    }

    /// Its character.
    pub fn key(self) -> char {
        KEYS.get(usize::from(self.0)).map_or('?', |&key| char::from(key))
    }

    /// Its low and high frequency, Hz.
    pub fn hertz(self) -> (u32, u32) {
        let key = KEYS.get(usize::from(self.0)).copied().unwrap_or(b'0');
        for (row, low) in PAD.iter().zip(LOW_HERTZ) {
            if let Some((_, high)) = row.iter().zip(HIGH_HERTZ).find(|(&known, _)| known == key) {
                return (low, high);
            }
        }
        (LOW_HERTZ[3], HIGH_HERTZ[1])
    }

    /// The key at a row and a column of the pad.
    fn at(row: usize, column: usize) -> Option<Digit> {
        let key = PAD.get(row)?.get(column)?;
        Digit::of(char::from(*key))
    }
}

impl TryFrom<char> for Digit {
    type Error = &'static str;

    fn try_from(key: char) -> Result<Digit, &'static str> {
        Digit::of(key).ok_or("no DTMF key")
    }
}

impl From<Digit> for char {
    fn from(digit: Digit) -> char {
        digit.key()
    }
}

/// A key goes down or up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Press {
    /// Told once, as soon as it is known.
    Down(Digit),
    /// Told once for each `Down`.
    Up {
        /// The key.
        digit: Digit,
        /// For how long it was down, milliseconds.
        milliseconds: u32,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pad_of_q23_and_the_codes_of_rfc_4733_agree() {
        for (code, key) in "0123456789*#ABCD".chars().enumerate() {
            let digit = Digit::of(key).unwrap();
            assert_eq!((code as u8, key, Some(digit)), (digit.event(), digit.key(), Digit::of_event(code as u8)));
            let (low, high) = digit.hertz();
            let (row, column) = (LOW_HERTZ.iter().position(|&l| l == low).unwrap(), HIGH_HERTZ.iter().position(|&h| h == high).unwrap());
            assert_eq!(Some(digit), Digit::at(row, column));
        }
        assert_eq!((697, 1_209), Digit::of('1').unwrap().hertz());
        assert_eq!((941, 1_633), Digit::of('d').unwrap().hertz());
        assert_eq!(None, Digit::of_event(16));
    }
}
