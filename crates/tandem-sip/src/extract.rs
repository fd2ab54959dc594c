//! A message's headers sorted for call logic, as `docs/concepts/boundary.md` 3 names them: slices only, nothing is copied or encoded.

use crate::message::Message;
use crate::name::Name;

/// Headers that call logic looks at; they go up by lower-case long name, each line's value as written.
pub const SPECIAL: [Name; 27] = [
    Name::Require,
    Name::Supported,
    Name::ProxyRequire,
    Name::SessionExpires,
    Name::MinSe,
    Name::RSeq,
    Name::RAck,
    Name::Replaces,
    Name::ReferTo,
    Name::ReferredBy,
    Name::Event,
    Name::SubscriptionState,
    Name::PAssertedIdentity,
    Name::PPreferredIdentity,
    Name::Privacy,
    Name::Diversion,
    Name::HistoryInfo,
    Name::Expires,
    Name::RetryAfter,
    Name::Reason,
    Name::Allow,
    Name::Join,
    Name::TargetDialog,
    Name::ContentDisposition,
    Name::ContentEncoding,
    Name::WwwAuthenticate, // call logic answers a trunk's challenge
    Name::ProxyAuthenticate,
];

/// Headers that belong to a hop, a dialog or a body: they never pass end to end as they came.
pub const OWNED: [Name; 17] = [
    Name::Via,
    Name::From,
    Name::To,
    Name::CallId,
    Name::CSeq,
    Name::Contact,
    Name::MaxForwards,
    Name::RecordRoute,
    Name::Route,
    Name::ContentLength,
    Name::ContentType,
    Name::Authorization,
    Name::ProxyAuthorization,
    Name::UserAgent,
    Name::Server,
    Name::Path,
    Name::ServiceRoute,
];

const REST: u8 = 0;

/// By name: nonzero where the header is special or owned.
static CLASS: [u8; Name::COUNT] = {
    let mut table = [REST; Name::COUNT];
    let mut i = 0;
    while i < SPECIAL.len() {
        assert!(table[SPECIAL[i] as usize] == REST);
        table[SPECIAL[i] as usize] = 1;
        i += 1;
    }
    i = 0;
    while i < OWNED.len() {
        assert!(table[OWNED[i] as usize] == REST);
        table[OWNED[i] as usize] = 2;
        i += 1;
    }
    table
};

/// Whether a header may pass end to end as it came.
#[inline]
pub fn is_rest(name: Name) -> bool {
    CLASS.get(name as usize) == Some(&REST)
}

/// A message seen by header class.
#[derive(Clone, Copy, Debug)]
pub struct Classified<'b> {
    message: Message<'b>,
}

/// Sorts a message's headers. It costs nothing until a part is asked for.
///
/// ```
/// # use tandem_sip::{extract::classify, index::Index, limits::Limits, message::Message};
/// # let mut index = Index::default();
/// let bytes = b"BYE sip:a SIP/2.0\r\nv: SIP/2.0/UDP c\r\nf: <sip:a>;tag=1\r\nt: <sip:c>\r\ni: x\r\nCSeq: 7 BYE\r\nX-Mood: a\r\n b\r\nk: 100rel\r\n\r\n";
/// let classified = classify(&Message::parse(bytes, &Limits::default(), &mut index).unwrap());
/// assert_eq!(vec![&b"X-Mood: a\r\n b\r\n"[..]], classified.rest().collect::<Vec<_>>());
/// assert_eq!(vec!["supported"], classified.special().map(|(name, _)| name).collect::<Vec<_>>());
/// ```
#[inline]
pub fn classify<'b>(message: &Message<'b>) -> Classified<'b> {
    Classified { message: *message }
}

impl<'b> Classified<'b> {
    /// The Via lines as they came; `build::push_vias` writes them with `received` and `rport`.
    pub fn vias(&self) -> impl Iterator<Item = &'b [u8]> + Clone + 'b {
        self.message.headers_named(Name::Via).map(|header| header.line)
    }

    /// The Record-Route lines as they came, complete, each ending in CRLF.
    pub fn record_routes(&self) -> impl Iterator<Item = &'b [u8]> + Clone + 'b {
        self.message.headers_named(Name::RecordRoute).map(|header| header.line)
    }

    /// The values of the Contact lines: put commas between them.
    pub fn contacts(&self) -> impl Iterator<Item = &'b [u8]> + Clone + 'b {
        self.message.all(Name::Contact)
    }

    /// Max-Forwards; -1 if it is absent or no number of 0..=255.
    pub fn max_forwards(&self) -> i32 {
        self.message.max_forwards().ok().flatten().map_or(-1, i32::from)
    }

    /// Content-Type, empty if absent.
    pub fn content_type(&self) -> &'b [u8] {
        self.message.first(Name::ContentType).unwrap_or_default()
    }

    /// The special headers that are there: lower-case long name, and the values of its lines as written. Each name once.
    pub fn special(&self) -> impl Iterator<Item = (&'static str, impl Iterator<Item = &'b [u8]> + Clone + 'b)> + Clone + 'b {
        let message = self.message;
        SPECIAL.iter().filter(move |name| message.index.first.get(**name).is_some()).map(move |name| (name.long(), message.all(*name)))
    }

    /// All other lines, complete and as they came, each ending in CRLF; neighbours come as one slice.
    pub fn rest(&self) -> impl Iterator<Item = &'b [u8]> + Clone + 'b {
        let Message { buf, index } = self.message;
        let mut lines = index.lines.as_slice();
        std::iter::from_fn(move || {
            let from = lines.iter().position(|line| is_rest(line.name))?;
            lines = lines.get(from..)?;
            let count = lines.iter().position(|line| !is_rest(line.name)).unwrap_or(lines.len());
            let (run, after) = lines.split_at_checked(count)?;
            lines = after;
            buf.get(run.first()?.start as usize..run.last()?.end as usize)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::Index;
    use crate::limits::Limits;

    #[test]
    fn every_line_is_in_one_class() {
        let bytes = b"INVITE sip:a SIP/2.0\r\nX-A: \xff\xfe\r\n  fold \r\nV: SIP/2.0/UDP a\r\nb :<sip:r>\r\nVia:SIP/2.0/UDP b,SIP/2.0/UDP c\r\nf:sip:a;tag=1\r\nt:sip:b\r\nSubject: x\r\n\
            i:1\r\ncseq:1 INVITE\r\nm:<sip:c>\r\nContact: <sip:d>\r\nRecord-Route: <sip:p;lr>\r\nMax-Forwards: 9\r\nSupported: a, b\r\nk: c\r\nProxy-Authorization: secret\r\nc: application/sdp\r\n\r\n";
        let mut index = Index::default();
        let classified = classify(&Message::parse(bytes, &Limits::default(), &mut index).unwrap());
        assert_eq!(b"X-A: \xff\xfe\r\n  fold \r\nSubject: x\r\n".to_vec(), classified.rest().collect::<Vec<_>>().concat());
        let special: Vec<_> = classified.special().map(|(name, values)| (name, values.collect::<Vec<_>>())).collect();
        assert_eq!(vec![("supported", vec![&b"a, b"[..], b"c"]), ("referred-by", vec![b"<sip:r>"])], special);
        assert_eq!(b"V: SIP/2.0/UDP a\r\nVia:SIP/2.0/UDP b,SIP/2.0/UDP c\r\n".to_vec(), classified.vias().collect::<Vec<_>>().concat());
        assert_eq!(vec![&b"<sip:c>"[..], b"<sip:d>"], classified.contacts().collect::<Vec<_>>());
        assert_eq!(1, classified.record_routes().count());
        assert_eq!((9, &b"application/sdp"[..]), (classified.max_forwards(), classified.content_type()));
    }
}
