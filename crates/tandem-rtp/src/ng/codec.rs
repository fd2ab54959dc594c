//! Codec rules of a command: which payload types are stripped, masked, offered, transcoded. Applied to a description elsewhere.

use crate::plan::Payload;

/// A codec as a rule names it: `name/clock/channels/bitrate/ptime/fmtp/options`, all but the name may be missing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Codec {
    /// Upper case.
    pub name: String,
    /// Hz.
    pub clock: Option<u32>,
    /// 1 or 2.
    pub channels: Option<u8>,
    /// Bits per second.
    pub bitrate: Option<u32>,
    /// Milliseconds.
    pub ptime: Option<u16>,
    /// For a=fmtp.
    pub fmtp: Option<String>,
    /// For the encoder.
    pub options: Option<String>,
}

impl Codec {
    /// Reads a codec. `None`: it has no name, or a part that must be a number is none.
    pub fn parse(text: &str) -> Option<Codec> {
        let mut parts = text.splitn(7, '/');
        let name = parts.next().map(str::trim).filter(|name| !name.is_empty())?.to_ascii_uppercase();
        let mut part = || parts.next().filter(|part| !part.is_empty());
        // Two dashes stand for the "=" that a flag cannot hold.
        let spelled = |text: &str| text.replace("--", "=");
        Some(Codec {
            name,
            clock: part().map(str::parse).transpose().ok()?,
            channels: part().map(str::parse).transpose().ok()?,
            bitrate: part().map(str::parse).transpose().ok()?,
            ptime: part().map(str::parse).transpose().ok()?,
            fmtp: part().map(spelled),
            options: part().map(spelled),
        })
    }

    /// Whether a payload type is this codec: by name in any case, and by clock and channels where they are told. A number names a payload type.
    pub fn is(&self, payload: &Payload) -> bool {
        let named = self.name == payload.name || self.name.parse() == Ok(payload.number);
        let channels = self.channels.or(self.clock.map(|_| 1)).is_none_or(|channels| channels == payload.channels.max(1));
        named && self.clock.is_none_or(|clock| clock == payload.clock) && channels
    }
}

/// The lists of rules, each in the order of the command.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CodecRules {
    /// Taken out of what is offered.
    pub strip: Vec<Codec>,
    /// Kept although `strip` or `mask` say all.
    pub except: Vec<Codec>,
    /// Like `except`, and first in this order.
    pub offer: Vec<Codec>,
    /// Offered although the peer does not have it.
    pub transcode: Vec<Codec>,
    /// Taken out of what is offered, and still accepted towards the offerer.
    pub mask: Vec<Codec>,
    /// Like `mask`; transcodes.
    pub consume: Vec<Codec>,
    /// Offered, and accepted towards the offerer even if refused.
    pub accept: Vec<Codec>,
    /// As if the offerer had not named it; still offered.
    pub ignore: Vec<Codec>,
    /// Options of codecs that are accepted implicitly.
    pub set: Vec<Codec>,
}

impl CodecRules {
    /// The list with that name in a command.
    pub fn list(&mut self, name: &str) -> Option<&mut Vec<Codec>> {
        match name {
            "strip" => Some(&mut self.strip),
            "except" => Some(&mut self.except),
            "offer" => Some(&mut self.offer),
            "transcode" => Some(&mut self.transcode),
            "mask" => Some(&mut self.mask),
            "consume" => Some(&mut self.consume),
            "accept" => Some(&mut self.accept),
            "ignore" => Some(&mut self.ignore),
            "set" => Some(&mut self.set),
            _ => None,
        }
    }
}

/// Whether a list has the word `all` or `full`.
pub fn says_all(list: &[Codec]) -> bool {
    list.iter().any(|codec| codec.name == "ALL" || codec.name == "FULL")
}

/// Whether a list names a payload type itself, not by `all`.
pub fn names(list: &[Codec], payload: &Payload) -> bool {
    list.iter().any(|codec| codec.is(payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(name: &str, clock: u32, channels: u8) -> Payload {
        Payload { number: 96, name: name.to_owned(), clock, channels, fmtp: String::new() }
    }

    #[test]
    fn a_codec_is_read_with_its_parts() {
        let codec = Codec::parse("opus/48000/2/32000/20/useinbandfec--1/complexity=5").unwrap();
        assert_eq!(
            ("OPUS", Some(48_000), Some(2), Some(32_000), Some(20)),
            (&codec.name[..], codec.clock, codec.channels, codec.bitrate, codec.ptime)
        );
        assert_eq!((Some("useinbandfec=1"), Some("complexity=5")), (codec.fmtp.as_deref(), codec.options.as_deref()));
        assert_eq!(Some("mode=30"), Codec::parse("iLBC/8000/1///mode--30").unwrap().fmtp.as_deref());
        assert_eq!(None, Codec::parse("opus/fast"));
        assert_eq!(None, Codec::parse(""));
    }

    #[test]
    fn a_codec_matches_what_it_tells() {
        let opus = |text: &str| Codec::parse(text).unwrap();
        assert!(opus("Opus").is(&payload("OPUS", 48_000, 2)) && opus("96").is(&payload("OPUS", 48_000, 2)));
        assert!(opus("opus/48000/2").is(&payload("OPUS", 48_000, 2)));
        assert!(!opus("opus/48000").is(&payload("OPUS", 48_000, 2)), "a clock without channels is mono");
        assert!(!opus("opus/16000/2").is(&payload("OPUS", 48_000, 2)) && !opus("PCMU").is(&payload("OPUS", 48_000, 2)));
    }
}
