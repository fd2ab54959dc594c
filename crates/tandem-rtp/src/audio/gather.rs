//! Digits gathered from a caller: until enough are there, one of them ends it, or time does. Prompts and keys are told to it; it plays and
//! hears nothing. It is a value: an heir goes on with it.

use super::dtmf::Digit;

/// Digits that are gathered at most.
pub const DIGITS: usize = 64;

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Wish {
    /// Digits after which it is over; at most [`DIGITS`].
    pub digits: usize,
    /// Keys that end it and are no digits of it.
    pub terminators: Vec<Digit>,
    /// Time until the first digit, from the prompt's end on, milliseconds.
    pub first_ms: u32,
    /// Time from each digit to the next, milliseconds.
    pub inter_ms: u32,
    /// A key ends the prompt; without it, keys during the prompt count for nothing.
    pub barge_in: bool,
}

impl Default for Wish {
    fn default() -> Wish {
        Wish { digits: DIGITS, terminators: Digit::of('#').into_iter().collect(), first_ms: 5_000, inter_ms: 3_000, barge_in: true }
    }
}

/// Why it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// All digits are there.
    Full,
    /// This key was pressed.
    Terminator(Digit),
    /// No digit came in time.
    NoDigit,
    /// No further digit came in time.
    Pause,
}

/// What it wants to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Stop the prompt.
    StopPrompt,
    /// It is over, with these digits.
    Over(Why, Vec<Digit>),
}

/// Digits being gathered.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Gather {
    wish: Wish,
    digits: Vec<Digit>,
    /// The prompt is being played.
    prompt: bool,
    /// When time is over, microseconds; `None` while the prompt is played.
    until: Option<u64>,
    over: bool,
}

impl Gather {
    /// Begins, with or without a prompt, at `now`.
    ///
    /// ```
    /// use tandem_rtp::audio::{dtmf::Digit, gather::{Gather, Told, Why, Wish}};
    /// let mut gather = Gather::new(Wish { digits: 1, ..Wish::default() }, true, 0);
    /// let five = Digit::of('5').unwrap();
    /// assert_eq!(vec![Told::StopPrompt, Told::Over(Why::Full, vec![five])], gather.key(1_000, five));
    /// ```
    pub fn new(wish: Wish, prompt: bool, now: u64) -> Gather {
        let wish = Wish { digits: wish.digits.clamp(1, DIGITS), ..wish };
        let until = (!prompt).then(|| now + u64::from(wish.first_ms) * 1_000);
        Gather { wish, digits: Vec::new(), prompt, until, over: false }
    }

    /// Digits so far.
    pub fn digits(&self) -> &[Digit] {
        &self.digits
    }

    /// When `tick` has something to tell, microseconds.
    pub fn wakes(&self) -> Option<u64> {
        self.until.filter(|_| !self.over)
    }

    /// The prompt has been played to its end at `now`.
    pub fn prompt_ended(&mut self, now: u64) {
        if std::mem::take(&mut self.prompt) {
            self.wait(now, self.wish.first_ms);
        }
    }

    /// A key went down at `now`.
    pub fn key(&mut self, now: u64, digit: Digit) -> Vec<Told> {
        if self.over || (self.prompt && !self.wish.barge_in) {
            return Vec::new();
        }
        let mut told = Vec::new();
        if std::mem::take(&mut self.prompt) {
            told.push(Told::StopPrompt);
        }
        if self.wish.terminators.contains(&digit) {
            told.push(self.end(Why::Terminator(digit)));
            return told;
        }
        self.digits.push(digit);
        if self.digits.len() >= self.wish.digits {
            told.push(self.end(Why::Full));
        } else {
            self.wait(now, self.wish.inter_ms);
        }
        told
    }

    /// Time has come to `now`.
    pub fn tick(&mut self, now: u64) -> Option<Told> {
        if self.over || self.until.is_none_or(|until| now < until) {
            return None;
        }
        Some(self.end(if self.digits.is_empty() { Why::NoDigit } else { Why::Pause }))
    }

    fn wait(&mut self, now: u64, milliseconds: u32) {
        self.until = Some(now + u64::from(milliseconds) * 1_000);
    }

    fn end(&mut self, why: Why) -> Told {
        self.over = true;
        Told::Over(why, std::mem::take(&mut self.digits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digit(key: char) -> Digit {
        Digit::of(key).unwrap()
    }

    fn digits(keys: &str) -> Vec<Digit> {
        keys.chars().map(digit).collect()
    }

    fn wish() -> Wish {
        Wish { digits: 3, ..Wish::default() }
    }

    #[test]
    fn it_is_over_when_all_digits_are_there() {
        let mut gather = Gather::new(wish(), false, 0);
        assert_eq!((vec![], vec![]), (gather.key(1, digit('1')), gather.key(2, digit('2'))));
        assert_eq!(vec![Told::Over(Why::Full, digits("123"))], gather.key(3, digit('3')));
        assert_eq!((vec![], None, None), (gather.key(4, digit('4')), gather.tick(u64::MAX), gather.wakes()));
    }

    #[test]
    fn a_terminator_ends_it_and_is_no_digit_of_it() {
        let mut gather = Gather::new(wish(), false, 0);
        gather.key(1, digit('1'));
        assert_eq!(vec![Told::Over(Why::Terminator(digit('#')), digits("1"))], gather.key(2, digit('#')));
        let mut gather = Gather::new(Wish { terminators: vec![], ..wish() }, false, 0);
        gather.key(1, digit('#'));
        assert_eq!(digits("#"), gather.digits());
    }

    #[test]
    fn time_runs_from_the_prompts_end_and_from_each_digit() {
        let mut gather = Gather::new(wish(), true, 0);
        assert_eq!((None, None), (gather.wakes(), gather.tick(100_000_000)));
        gather.prompt_ended(100_000_000);
        assert_eq!((Some(105_000_000), None), (gather.wakes(), gather.tick(104_999_999)));
        assert_eq!(Some(Told::Over(Why::NoDigit, vec![])), gather.tick(105_000_000));

        let mut gather = Gather::new(wish(), false, 0);
        gather.key(4_000_000, digit('7'));
        assert_eq!((Some(7_000_000), None), (gather.wakes(), gather.tick(6_999_999)));
        assert_eq!(Some(Told::Over(Why::Pause, digits("7"))), gather.tick(7_000_000));
    }

    #[test]
    fn a_key_ends_the_prompt_only_where_it_may() {
        let mut gather = Gather::new(wish(), true, 0);
        assert_eq!(vec![Told::StopPrompt], gather.key(1, digit('1')));
        assert_eq!(Vec::<Told>::new(), gather.key(2, digit('2')));
        let mut gather = Gather::new(Wish { barge_in: false, ..wish() }, true, 0);
        assert!(gather.key(1, digit('1')).is_empty() && gather.digits().is_empty());
        gather.prompt_ended(2);
        gather.key(3, digit('2'));
        assert_eq!(digits("2"), gather.digits());
    }

    #[test]
    fn an_heir_goes_on_with_the_same_digits_and_times() {
        let mut gather = Gather::new(wish(), false, 0);
        gather.key(1, digit('*'));
        let json = serde_json::to_string(&gather).unwrap();
        let mut heir: Gather = serde_json::from_str(&json).unwrap();
        assert_eq!(gather, heir);
        assert_eq!(Some(Told::Over(Why::Pause, digits("*"))), heir.tick(3_000_001));
    }

    #[test]
    fn wishes_are_brought_inside_their_limits() {
        let mut gather = Gather::new(Wish { digits: 0, ..wish() }, false, 0);
        assert_eq!(vec![Told::Over(Why::Full, digits("1"))], gather.key(1, digit('1')));
        let mut gather = Gather::new(Wish { digits: 1_000, terminators: vec![], ..wish() }, false, 0);
        let told: Vec<Told> = (0..100).flat_map(|n| gather.key(n, digit('0'))).collect();
        assert!(matches!(&told[..], [Told::Over(Why::Full, digits)] if digits.len() == DIGITS));
    }
}
