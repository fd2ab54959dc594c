//! ENUM: a telephone number becomes SIP URIs by NAPTR (RFC 6116). It asks nobody, and says not who may use it.

use super::question::{clean, Answer, Data, Failure, Kind, Question};
use super::{apply, Naptr};

/// The service that we follow (RFC 6118: `E2U+sip`).
pub const ENUM_SERVICE: &str = "sip";
/// Most names that one number leads through (RFC 6116 5.2.1: non-terminal records).
pub const ENUM_HOPS: u8 = 5;
/// Most digits (E.164 6.1).
const DIGITS: usize = 15;
/// Most URIs of one number.
const URIS: usize = 8;

/// What a number led to, the preferred one first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnumFound {
    /// SIP and SIPS URIs.
    pub uris: Vec<String>,
    /// How long they count.
    pub ttl_seconds: u32,
}

/// A look-up under way.
#[derive(Debug)]
pub struct Enum {
    number: Box<str>,
    question: Question,
    hops: u8,
    ttl_seconds: u32,
    outcome: Option<Result<EnumFound, Failure>>,
    steps: Vec<String>,
}

impl Enum {
    /// For `+` and up to 15 digits, below a suffix; `None` when one of them is none.
    ///
    /// ```
    /// let search = tandem_dns::model::Enum::new("+4930123", "e164.arpa").unwrap();
    /// assert_eq!("3.2.1.0.3.9.4.e164.arpa", &*search.question().name);
    /// ```
    pub fn new(number: &str, suffix: &str) -> Option<Enum> {
        let digits = number.strip_prefix('+')?;
        if digits.is_empty() || digits.len() > DIGITS || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let mut name: String = digits.chars().rev().flat_map(|digit| [digit, '.']).collect();
        name.push_str(suffix);
        let question = Question::new(Kind::Naptr, clean(&name)?);
        Some(Enum { number: number.into(), question, hops: 0, ttl_seconds: u32::MAX, outcome: None, steps: Vec::new() })
    }

    /// What is to be asked while there is no outcome.
    pub fn question(&self) -> &Question {
        &self.question
    }

    /// URIs, or why there are none.
    pub fn outcome(&self) -> Option<&Result<EnumFound, Failure>> {
        self.outcome.as_ref()
    }

    /// What was done and why.
    pub fn steps(&self) -> &[String] {
        &self.steps
    }

    /// The question is answered.
    pub fn answered(&mut self, answer: &Answer) {
        let records = match answer {
            Ok(records) => records,
            Err((why, seconds)) => {
                self.steps.push(format!("{}: {why} ({seconds} s)", self.question));
                self.outcome = Some(Err(*why));
                return;
            }
        };
        self.ttl_seconds = self.ttl_seconds.min(records.ttl_seconds);
        self.steps.push(format!("{}: {} records (TTL {} s)", self.question, records.data.len(), records.ttl_seconds));
        let mut found: Vec<&Naptr> = records.data.iter().filter_map(naptr).collect();
        found.sort_by_key(|record| (record.order, record.preference));
        let mut uris = Vec::new();
        let mut order = None;
        for record in found {
            if order.is_some_and(|order| order != record.order) || uris.len() >= URIS {
                break; // RFC 3403 4.1: once a match is found, other orders must not be considered
            }
            if record.flags.is_empty() && uris.is_empty() {
                if let Some(next) = clean(&record.replacement).filter(|_| self.hops + 1 < ENUM_HOPS) {
                    self.hops += 1;
                    self.steps.push(format!("on to {next}"));
                    self.question = Question::new(Kind::Naptr, next);
                    return;
                }
                self.steps.push(format!("{}: passed over, it leads on once too often", record.service));
                continue;
            }
            match self.uri(record) {
                Ok(uri) => {
                    self.steps.push(format!("{} {} {}: {uri}", record.order, record.preference, record.service));
                    order = Some(record.order);
                    uris.push(uri);
                }
                Err(why) => self.steps.push(format!("{} {} {}: passed over, {why}", record.order, record.preference, record.service)),
            }
        }
        self.outcome = Some(if uris.is_empty() { Err(Failure::NoRecords) } else { Ok(EnumFound { uris, ttl_seconds: self.ttl_seconds }) });
    }

    fn uri(&self, record: &Naptr) -> Result<String, String> {
        if !record.flags.eq_ignore_ascii_case("u") {
            return Err("its flag is not u".into());
        }
        if !is_sip(&record.service) {
            return Err("not E2U+sip".into());
        }
        let made = apply(&record.regexp, &self.number).map_err(|why| why.to_string())?.ok_or("its pattern does not match")?;
        let uri = tandem_sip::uri::Uri::parse(made.as_bytes()).map_err(|why| format!("{made:?} is no URI: {}", why.0))?;
        if !uri.is_sip() || !made.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("what it makes is no SIP URI".into());
        }
        Ok(made)
    }
}

fn naptr(data: &Data) -> Option<&Naptr> {
    match data {
        Data::Naptr(naptr) => Some(naptr),
        _ => None,
    }
}

/// `E2U+sip`, among other services or with a subtype; and RFC 2916's `sip+E2U`.
fn is_sip(service: &str) -> bool {
    let named = |part: &str| part.split(':').next().is_some_and(|kind| kind.eq_ignore_ascii_case(ENUM_SERVICE));
    let mut parts = service.split('+');
    match parts.next() {
        Some(first) if first.eq_ignore_ascii_case("E2U") => parts.any(named),
        Some(first) if named(first) => parts.next().is_some_and(|last| last.eq_ignore_ascii_case("E2U")),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::question::Records;
    use super::*;

    fn record(order: u16, preference: u16, flags: &str, service: &str, regexp: &str, replacement: &str) -> Data {
        let text = |text: &str| -> Box<str> { text.into() };
        Data::Naptr(Naptr {
            order,
            preference,
            flags: text(flags),
            service: text(service),
            regexp: text(regexp),
            replacement: text(replacement),
        })
    }

    fn answer(data: Vec<Data>) -> Answer {
        Ok(Records { data, ttl_seconds: 60, stale: false })
    }

    #[test]
    fn the_best_order_gives_its_uris_by_preference() {
        let mut search = Enum::new("+441632960083", "e164.arpa").unwrap();
        assert_eq!("3.8.0.0.6.9.2.3.6.1.4.4.e164.arpa", &*search.question().name);
        search.answered(&answer(vec![
            record(100, 20, "u", "E2U+pstn:sip", "!^.*$!sip:pstn@example.com!", ""),
            record(100, 10, "u", "e2u+SIP", r"!^\+44(.*)$!sip:0\1@example.com!", ""),
            record(100, 30, "U", "E2U+email+sip:voice", "!^.*$!sips:info@example.com!", ""),
            record(50, 10, "u", "E2U+mailto", "!^.*$!mailto:info@example.com!", ""),
            record(101, 1, "u", "E2U+sip", "!^.*$!sip:later@example.com!", ""),
        ]));
        let found = search.outcome().unwrap().as_ref().unwrap();
        assert_eq!(
            (vec!["sip:01632960083@example.com".to_owned(), "sips:info@example.com".to_owned()], 60),
            (found.uris.clone(), found.ttl_seconds)
        );
    }

    #[test]
    fn a_record_that_leads_on_is_followed_five_names_deep() {
        let mut search = Enum::new("+1", "enum.test").unwrap();
        for name in ["a.test", "b.test", "c.test", "d.test"] {
            search.answered(&answer(vec![record(1, 1, "", "", "", name)]));
            assert_eq!((name, None), (&*search.question().name, search.outcome()));
        }
        search.answered(&answer(vec![record(1, 1, "", "", "", "e.test")]));
        assert_eq!(Some(&Err(Failure::NoRecords)), search.outcome());
    }

    #[test]
    fn what_makes_no_sip_uri_is_passed_over() {
        for (service, regexp) in [
            ("E2U+sip", "!^.*$!http://x.example/!"),
            ("E2U+sip", "!^.*$!sip:a b@x!"),
            ("E2U+sip", "!^\\+2!sip:a@x!"),
            ("E2U+tel", "!^.*$!sip:a@x!"),
            ("E2U+sip", "bad"),
        ] {
            let mut search = Enum::new("+1", "e164.arpa").unwrap();
            search.answered(&answer(vec![record(1, 1, "u", service, regexp, "")]));
            assert_eq!(Some(&Err(Failure::NoRecords)), search.outcome(), "{service} {regexp}");
        }
    }

    #[test]
    fn what_is_no_number_is_not_asked() {
        for bad in ["", "+", "4930", "+49a", "+1234567890123456"] {
            assert!(Enum::new(bad, "e164.arpa").is_none(), "{bad}");
        }
        assert!(Enum::new("+1", "not a name").is_none());
    }
}
