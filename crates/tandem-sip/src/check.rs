//! What a request may still have wrong after `Message::parse`: the headers that the core and the calls read. It refuses nothing that passes through.

use crate::address::addresses;
use crate::message::Message;
use crate::name::Name;
use crate::refusal::Refusal;
use crate::uri::Uri;
use crate::via;

impl Message<'_> {
    /// Whether the request begins something: it has no To tag, and is no ACK. Edge and owner check these (`check`).
    pub fn begins(&self) -> bool {
        self.is_request() && self.to_tag().is_none_or(<[u8]>::is_empty) && self.method_bytes() != b"ACK"
    }

    /// Checks the Request-URI, every Via, Contact, Record-Route and Route, and Max-Forwards. For requests that begin something; a
    /// response and a request inside a dialog need none of it. A Request-URI of another scheme is well formed: whoever routes says 416.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self) -> Result<(), Refusal> {
        self.check_uri()?;
        self.max_forwards()?;
        let bad = |name: Name| move |why| Refusal::Value { field: name.long(), why };
        for value in self.all(Name::Via) {
            let mut rest = value;
            while !rest.is_empty() {
                (_, rest) = via::Spans::read(rest).map_err(bad(Name::Via))?;
                rest = rest.get(1..).unwrap_or_default();
            }
        }
        for name in [Name::Contact, Name::RecordRoute, Name::Route] {
            for value in self.all(name).filter(|value| name != Name::Contact || *value != b"*") {
                addresses(value).try_for_each(|address| address.map(|_| ())).map_err(bad(name))?;
            }
        }
        Ok(())
    }

    fn check_uri(&self) -> Result<(), Refusal> {
        if !self.is_request() {
            return Ok(());
        }
        let bad = |why| Refusal::Value { field: "request-uri", why };
        let uri = Uri::parse(self.uri()).map_err(|refusal| bad(refusal.0))?;
        // RFC 3261 19.1.1, table 1: no headers in a Request-URI.
        if uri.headers.is_empty() {
            Ok(())
        } else {
            Err(bad("with headers"))
        }
    }
}
