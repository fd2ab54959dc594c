//! Header names that Tandem knows, in long and compact form. A name that it does not know is `Other`, and its bytes are kept elsewhere.

macro_rules! names {
    ($($variant:ident = $text:literal),+ $(,)?) => {
        /// A header's name (RFC 3261 20 and its extensions). `Other` stands for every name that is not listed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs)]
        #[repr(u8)]
        pub enum Name { $($variant),+, Other }

        const ALL: &[Name] = &[$(Name::$variant),+];
        const LONG: &[&str] = &[$($text),+];
    };
}

names! {
    Via = "via", From = "from", To = "to", CallId = "call-id", CSeq = "cseq", Contact = "contact", MaxForwards = "max-forwards",
    Route = "route", RecordRoute = "record-route", ContentLength = "content-length", ContentType = "content-type",
    ContentDisposition = "content-disposition", ContentEncoding = "content-encoding", Expires = "expires",
    MinExpires = "min-expires", Authorization = "authorization", ProxyAuthorization = "proxy-authorization",
    WwwAuthenticate = "www-authenticate", ProxyAuthenticate = "proxy-authenticate", AuthenticationInfo = "authentication-info",
    Supported = "supported", Require = "require", ProxyRequire = "proxy-require", Unsupported = "unsupported", Allow = "allow",
    SessionExpires = "session-expires", MinSe = "min-se", RSeq = "rseq", RAck = "rack", Replaces = "replaces",
    ReferTo = "refer-to", ReferredBy = "referred-by", ReferSub = "refer-sub", Event = "event", AllowEvents = "allow-events",
    SubscriptionState = "subscription-state", PAssertedIdentity = "p-asserted-identity",
    PPreferredIdentity = "p-preferred-identity", Privacy = "privacy", Diversion = "diversion", HistoryInfo = "history-info",
    Identity = "identity", RetryAfter = "retry-after", Reason = "reason", Join = "join", TargetDialog = "target-dialog",
    Path = "path", ServiceRoute = "service-route", UserAgent = "user-agent", Server = "server", Date = "date",
    Subject = "subject", Accept = "accept", Timestamp = "timestamp", Warning = "warning", SipETag = "sip-etag",
    SipIfMatch = "sip-if-match", RequestDisposition = "request-disposition", AcceptContact = "accept-contact",
    RejectContact = "reject-contact",
}

impl Name {
    /// How many names there are, `Other` among them.
    pub const COUNT: usize = ALL.len() + 1;

    /// The name behind the bytes before a header's colon; case does not count.
    ///
    /// ```
    /// use tandem_sip::name::Name;
    /// assert_eq!(Name::CallId, Name::parse(b"i"));
    /// assert_eq!(Name::RecordRoute, Name::parse(b"record-ROUTE"));
    /// assert_eq!(Name::Other, Name::parse(b"X-Mood"));
    /// ```
    #[inline(always)] // measured: a call costs as much as the look-up
    pub fn parse(bytes: &[u8]) -> Name {
        let (Some(&first), Some(&last)) = (bytes.first(), bytes.last()) else { return Name::Other };
        if bytes.len() == 1 {
            return compact(first);
        }
        let entry = &TABLE[slot_of(first, last, bytes.len()) as usize];
        if entry.len as usize != bytes.len() {
            return Name::Other;
        }
        let (head, tail) = ends(bytes);
        // 0x20 laid over the letters of the known name: `-` must be itself.
        let same = (head | entry.head_case == entry.head) & (tail | entry.tail_case == entry.tail);
        if same && (bytes.len() <= 16 || bytes.eq_ignore_ascii_case(entry.name.long().as_bytes())) {
            entry.name
        } else {
            Name::Other
        }
    }

    /// The long name in lower case; empty for `Other`.
    #[inline]
    pub fn long(self) -> &'static str {
        LONG.get(self as usize).copied().unwrap_or("")
    }
}

/// RFC 3261 7.3.3 and the registry of compact forms (RFC 3515, 3841, 3892, 4028, 6665, 8224).
#[inline]
fn compact(letter: u8) -> Name {
    match letter.to_ascii_lowercase() {
        b'a' => Name::AcceptContact,
        b'b' => Name::ReferredBy,
        b'c' => Name::ContentType,
        b'd' => Name::RequestDisposition,
        b'e' => Name::ContentEncoding,
        b'f' => Name::From,
        b'i' => Name::CallId,
        b'j' => Name::RejectContact,
        b'k' => Name::Supported,
        b'l' => Name::ContentLength,
        b'm' => Name::Contact,
        b'o' => Name::Event,
        b'r' => Name::ReferTo,
        b's' => Name::Subject,
        b't' => Name::To,
        b'u' => Name::AllowEvents,
        b'v' => Name::Via,
        b'x' => Name::SessionExpires,
        b'y' => Name::Identity,
        _ => Name::Other,
    }
}

/// The first and the last eight bytes (of short names: four, two), which may overlap: all of a name of up to 16.
#[inline]
fn ends(bytes: &[u8]) -> (u64, u64) {
    if let (Some(head), Some(tail)) = (bytes.first_chunk(), bytes.last_chunk()) {
        return (u64::from_le_bytes(*head), u64::from_le_bytes(*tail));
    }
    if let (Some(head), Some(tail)) = (bytes.first_chunk(), bytes.last_chunk()) {
        return (u32::from_le_bytes(*head).into(), u32::from_le_bytes(*tail).into());
    }
    match (bytes.first_chunk(), bytes.last_chunk()) {
        (Some(head), Some(tail)) => (u16::from_le_bytes(*head).into(), u16::from_le_bytes(*tail).into()),
        _ => (0, 0),
    }
}

/// A slot of its own for each known name: the table below does not compile if two names share one.
#[inline]
const fn slot_of(first: u8, last: u8, len: usize) -> u8 {
    let last = (last | 0x20).wrapping_mul(18);
    (first | 0x20).wrapping_add(last).wrapping_add((len as u8).wrapping_mul(20))
}

#[derive(Clone, Copy)]
struct Entry {
    head: u64,
    tail: u64,
    head_case: u64,
    tail_case: u64,
    len: u8,
    name: Name,
}

static TABLE: [Entry; 256] = table();

const fn table() -> [Entry; 256] {
    let mut table = [Entry { head: 0, tail: 0, head_case: 0, tail_case: 0, len: 0, name: Name::Other }; 256];
    let mut i = 0;
    while i < LONG.len() {
        let text = LONG[i].as_bytes();
        let slot = slot_of(text[0], text[text.len() - 1], text.len()) as usize;
        assert!(table[slot].len == 0, "two names share a slot: change the factors of slot_of");
        let width = if text.len() >= 8 {
            8
        } else if text.len() >= 4 {
            4
        } else {
            2
        };
        let (head, tail) = (word(text, 0, width), word(text, text.len() - width, width));
        table[slot] = Entry { head, tail, head_case: letters(head), tail_case: letters(tail), len: text.len() as u8, name: ALL[i] };
        i += 1;
    }
    table
}

const fn word(text: &[u8], from: usize, width: usize) -> u64 {
    let mut word = 0;
    let mut i = 0;
    while i < width {
        word |= (text[from + i] as u64) << (8 * i);
        i += 1;
    }
    word
}

/// 0x20 wherever `word` has a letter: bit 0x40 tells letters from `-`.
const fn letters(word: u64) -> u64 {
    (word >> 1) & 0x2020_2020_2020_2020
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_long_name_is_found_in_any_case() {
        for (&name, long) in ALL.iter().zip(LONG) {
            assert_eq!(name, Name::parse(long.as_bytes()));
            assert_eq!(name, Name::parse(long.to_ascii_uppercase().as_bytes()));
            assert_eq!(*long, name.long());
        }
    }

    #[test]
    fn a_strange_name_is_other() {
        for bytes in [&b""[..], b"z", b"vib", b"C%6Fntact", b"to\0", b"t\x4f\x0d", b"call\rid", b"Max\rForwards", b"\xff", &[b'a'; 300]] {
            assert_eq!(Name::Other, Name::parse(bytes));
        }
    }
}
