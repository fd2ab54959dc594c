//! What a command has at hand while it works on a draft of a call: settings, the outside, numbers. It is gone when the command is done.

use super::call::Leg;
use super::outside::Outside;
use super::settings::Settings;
use crate::ng::Failure;
use crate::plan::{Credentials, EndpointId};
use crate::sdp::{Crypto, Family};
use crate::srtp::{Master, Suite};

pub(super) struct Work<'a> {
    pub settings: &'a Settings,
    pub outside: &'a mut dyn Outside,
    /// The next endpoint's number.
    pub next: &'a mut u64,
    /// Microseconds since 1970.
    pub now: u64,
    pub warnings: &'a mut Vec<String>,
}

/// Warnings of one command at most.
const WARNINGS: usize = 16;

impl Work<'_> {
    pub fn warn(&mut self, warning: String) {
        if self.warnings.len() < WARNINGS && !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// Letters for user names, passwords and ids: four bits each would do, six are taken (RFC 8839 5.4: at least 24 and 128 bits).
    pub fn letters<const N: usize>(&mut self) -> String {
        const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut bytes = [0; N];
        self.outside.random(&mut bytes);
        bytes.iter().filter_map(|byte| LETTERS.get(usize::from(byte & 63))).map(|letter| char::from(*letter)).collect()
    }

    pub fn credentials(&mut self) -> Credentials {
        Credentials { ufrag: self.letters::<8>(), pwd: self.letters::<24>() }
    }

    pub fn master(&mut self, suite: Suite) -> Master {
        let mut key_salt = vec![0; Crypto::bytes(suite)];
        self.outside.random(&mut key_salt);
        Master { suite, key_salt }
    }

    /// Gives every open section of a leg that is not carried by another one a port, and takes it from the others.
    pub fn ports(&mut self, leg: &mut Leg) -> Result<(), Failure> {
        let (interface, family) = (leg.interface.clone(), leg.family);
        for medium in &mut leg.media {
            if !medium.open || medium.carrier.is_some() {
                (medium.local, medium.endpoint) = (None, None);
            } else if medium.local.is_none() {
                let local = self
                    .outside
                    .take(&interface, family)
                    .ok_or(Failure::Ports { interface: interface.clone(), family: family.as_str() })?;
                medium.local = Some(local);
                medium.endpoint = Some(EndpointId(*self.next));
                *self.next += 1;
            }
        }
        Ok(())
    }

    /// Sets a leg's interface and family. Another one than before moves all its ports.
    pub fn place(&mut self, leg: &mut Leg, interface: Option<&str>, family: Option<Family>) -> Result<(), Failure> {
        let first = self.settings.interfaces.first().cloned().unwrap_or_default();
        let interface = match interface {
            Some(name) if self.settings.interfaces.iter().any(|other| other == name) => name.to_owned(),
            // Names that only say which family is meant: what older clients still send.
            Some("internal" | "external" | "round-robin-calls") => first,
            Some(name) => return Err(Failure::Bad { field: "direction".to_owned(), value: name.to_owned(), why: "is no interface" }),
            None if leg.interface.is_empty() => first,
            None => leg.interface.clone(),
        };
        let family = family.unwrap_or(leg.family);
        if interface != leg.interface || family != leg.family {
            leg.media.iter_mut().for_each(|medium| (medium.local, medium.endpoint) = (None, None));
        }
        (leg.interface, leg.family) = (interface, family);
        Ok(())
    }
}
