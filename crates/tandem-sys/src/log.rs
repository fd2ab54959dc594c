//! Lines on stderr: a fixed sentence and fields, so many a second of each sentence. It keeps no personal data and no file.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::io::Write as _;

/// Lines of one sentence per second.
pub const LINES_PER_SECOND: u32 = 5;

/// What a program has said in this second.
pub struct Log {
    program: &'static str,
    second: u64,
    said: BTreeMap<&'static str, u32>,
}

impl Log {
    /// The lines of `program`.
    pub fn of(program: &'static str) -> Log {
        Log { program, second: 0, said: BTreeMap::new() }
    }

    /// Says `sentence` with fields, unless it was said too often in this second. `at` is microseconds since 1970.
    pub fn say(&mut self, at: u64, sentence: &'static str, fields: &[(&str, &dyn Display)]) {
        if self.may(at, sentence) {
            write(self.program, at, sentence, fields);
        }
    }

    /// Counts one more of a sentence; false: it was said too often in this second.
    pub fn may(&mut self, at: u64, sentence: &'static str) -> bool {
        let second = at / 1_000_000;
        if second != self.second {
            self.second = second;
            for (sentence, count) in std::mem::take(&mut self.said) {
                if count > LINES_PER_SECOND {
                    write(self.program, at, sentence, &[("not_shown", &(count - LINES_PER_SECOND))]);
                }
            }
        }
        let count = self.said.entry(sentence).or_default();
        *count += 1;
        *count <= LINES_PER_SECOND
    }
}

fn write(program: &str, at: u64, sentence: &str, fields: &[(&str, &dyn Display)]) {
    let mut line = format!("{} {program} {sentence}", stamp(at));
    for (name, value) in fields {
        // Quotes only where a value would not read as one word.
        let value = value.to_string().replace(['\n', '\r', '"'], "'");
        let quote = if value.contains(' ') || value.is_empty() { "\"" } else { "" };
        let _ = write!(line, " {name}={quote}{value}{quote}");
    }
    line.push('\n');
    // A closed stderr must stop nobody.
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// `2026-11-21T07:54:47Z` of microseconds since 1970 (proleptic Gregorian calendar).
pub fn stamp(at: u64) -> String {
    let seconds = at / 1_000_000;
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Days since 0000-03-01, in eras of 400 years: leap days fall at the end of a year that begins in March.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use super::stamp;

    #[test]
    fn a_stamp_is_utc() {
        assert_eq!("1970-01-01T00:00:00Z", stamp(0));
        assert_eq!("2024-02-29T23:59:59Z", stamp(1_709_251_199_000_000));
        assert_eq!("2026-11-21T07:54:47Z", stamp(1_795_247_687_999_999));
    }
}
