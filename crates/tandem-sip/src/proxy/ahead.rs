//! What lies ahead of a request: its Request-URI and Route once ours are taken off, and the token that stood there (RFC 3261 16.4).
//! It chooses no hop.

use super::own::Own;
use super::token::{self, NotAToken, Token};
use crate::address::Address;
use crate::ids::Keys;
use crate::message::Message;
use crate::name::Name;
use crate::uri::Uri;
use smallvec::SmallVec;

/// Route values of one request.
pub const ROUTE_VALUES: usize = 32;

/// What lies ahead.
#[derive(Clone, Debug)]
pub(super) struct Ahead<'b> {
    /// The Request-URI to go by.
    pub(super) uri: &'b [u8],
    /// It is not the one that came: a strict router had put us there.
    pub(super) replaced: bool,
    /// Route values that are left, as written.
    pub(super) routes: SmallVec<[&'b [u8]; 4]>,
    /// Some were taken off.
    pub(super) popped: bool,
    /// The first token that verified.
    pub(super) token: Option<Token>,
    /// One of ours did not verify.
    pub(super) forged: bool,
}

/// Why a request cannot go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct BadRoute;

impl<'b> Ahead<'b> {
    pub(super) fn of(message: &Message<'b>, own: &Own, keys: &Keys) -> Result<Ahead<'b>, BadRoute> {
        let mut ahead = Ahead { uri: message.uri(), replaced: false, routes: SmallVec::new(), popped: false, token: None, forged: false };
        for value in message.values(Name::Route) {
            if ahead.routes.len() >= ROUTE_VALUES {
                return Err(BadRoute);
            }
            ahead.routes.push(value);
        }
        let call_id = message.call_id();
        if message.to_tag().is_some() {
            ahead.strict(keys, call_id);
        }
        if !ahead.routes.is_empty() {
            ahead.pop(own, keys, call_id)?;
        }
        Ok(ahead)
    }

    /// The last hop was a strict router: our own URI is the Request-URI, and what was it is the last Route value.
    fn strict(&mut self, keys: &Keys, call_id: &[u8]) {
        let Some(user) = user_of(self.uri) else { return };
        match token::read(keys, user, call_id) {
            Ok(token) => self.token = Some(token),
            Err(NotAToken::Forged) => self.forged = true,
            Err(NotAToken::Foreign) => return,
        }
        if let Some(uri) = self.routes.last().and_then(|value| Address::parse(value).ok()).map(|address| address.uri) {
            self.routes.pop();
            (self.uri, self.replaced, self.popped) = (uri, true, true);
        }
    }

    fn pop(&mut self, own: &Own, keys: &Keys, call_id: &[u8]) -> Result<(), BadRoute> {
        let mut ours = 0;
        let mut first: &[u8] = b"";
        for value in &self.routes {
            let uri = Address::parse(value).map_err(|_| BadRoute)?.uri;
            let uri = Uri::parse(uri).map_err(|_| BadRoute)?;
            let user = uri.user.unwrap_or_default();
            // The second of two Record-Routes has the token of the first (RFC 5658).
            let twin = ours > 0 && !first.is_empty() && user == first;
            let at_home = twin || own.is_ours(&uri);
            match token::read(keys, user, call_id) {
                // The topmost led here, whatever its host is called.
                Ok(token) if at_home || ours == 0 => self.token = self.token.or(Some(token)),
                Err(NotAToken::Forged) if at_home => self.forged = true,
                Err(NotAToken::Foreign) if at_home => {}
                _ => break,
            }
            if first.is_empty() {
                first = user;
            }
            ours += 1;
        }
        self.popped |= ours > 0;
        self.routes.drain(..ours);
        Ok(())
    }

    /// The URI of the next Route value, else the Request-URI: where the request goes next. With it, whether it is a strict router.
    pub(super) fn next(&self) -> (&'b [u8], bool) {
        match self.routes.first().and_then(|value| Address::parse(value).ok()) {
            Some(address) => (address.uri, !Uri::parse(address.uri).is_ok_and(|uri| uri.param(b"lr").is_some())),
            None => (self.uri, false),
        }
    }
}

fn user_of(uri: &[u8]) -> Option<&[u8]> {
    let (user, _) = uri.split_at_checked(memchr::memchr(b'@', uri)?)?;
    user.get(memchr::memchr(b':', user)? + 1..)
}
