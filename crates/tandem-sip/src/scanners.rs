//! The User-Agents of tools that only look for open doors. It bans nobody.

/// Names that one policy may have.
pub const SCANNERS: usize = 256;
/// Bytes of one name, at least and at most: a shorter one would match by chance.
pub const NAME_BYTES: (usize, usize) = (4, 64);

/// What is looked for where the policy names nothing.
const KNOWN: [&str; 14] = [
    "friendly-scanner",
    "friendly-request",
    "sipvicious",
    "sipcli",
    "sip-scan",
    "sipscan",
    "sundayddr",
    "pplsip",
    "iwar",
    "siparmyknife",
    "vaxsipuseragent",
    "vaxipuseragent",
    "gulp",
    "smap",
];

/// Names to look for, in lower case.
#[derive(Clone, Debug)]
pub struct Scanners {
    names: Vec<Box<[u8]>>,
}

impl Default for Scanners {
    fn default() -> Scanners {
        Scanners { names: KNOWN.iter().map(|name| name.as_bytes().into()).collect() }
    }
}

impl Scanners {
    /// Looks for these names instead; the error says which one cannot be, and why.
    ///
    /// ```
    /// use tandem_sip::scanners::Scanners;
    /// let scanners = Scanners::of(&["EvilScan".into()]).unwrap();
    /// assert!(scanners.has(b"evilscan/2.0") && !scanners.has(b"friendly-scanner"));
    /// assert!(Scanners::of(&["sip".into()]).is_err());
    /// ```
    pub fn of(names: &[String]) -> Result<Scanners, (usize, String)> {
        if names.len() > SCANNERS {
            return Err((SCANNERS, format!("at most {SCANNERS}")));
        }
        let (least, most) = NAME_BYTES;
        match names.iter().position(|name| !(least..=most).contains(&name.len())) {
            Some(at) => Err((at, format!("not {least} to {most} bytes"))),
            None => Ok(Scanners { names: names.iter().map(|name| name.to_ascii_lowercase().into_bytes().into()).collect() }),
        }
    }

    /// Whether a User-Agent holds one of the names, in any case.
    pub fn has(&self, user_agent: &[u8]) -> bool {
        self.names.iter().any(|name| user_agent.windows(name.len()).any(|part| part.eq_ignore_ascii_case(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_is_known_by_its_name_and_a_phone_is_not() {
        let scanners = Scanners::default();
        for agent in ["friendly-scanner", "FRIENDLY-Request", "sipcli/v1.8", "sundayddr", "x VaxSIPUserAgent/3.1"] {
            assert!(scanners.has(agent.as_bytes()), "{agent}");
        }
        for agent in ["", "Yealink SIP-T46U 108.86", "baresip v1.0", "Linphone/5", "Grandstream GXP2170", "sipp", "Asterisk PBX", "sip"] {
            assert!(!scanners.has(agent.as_bytes()), "{agent}");
        }
    }
}
