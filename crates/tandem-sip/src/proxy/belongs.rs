//! Whether a message belongs to what is under way here, by what only an edge of ours can have written into it. It routes nothing.

use super::token::{self, Kind};
use super::{branch, edit, identity};
use crate::address::Address;
use crate::ids::Keys;
use crate::message::Message;
use crate::name::Name;
use crate::uri::Uri;

/// True for a response to what we forwarded, and for a request in a dialog whose route set has our token: a To tag alone, which anybody
/// can write, is not enough.
pub fn belongs(keys: &Keys, message: &Message<'_>) -> bool {
    if !message.is_request() {
        return answers_ours(keys, message).unwrap_or(false);
    }
    if message.to_tag().is_none() {
        return false;
    }
    let top = message.values(Name::Route).next().and_then(|value| Address::parse(value).ok()).map(|address| address.uri);
    // A strict router puts our own URI into the request line.
    [top, Some(message.uri())].into_iter().flatten().any(|uri| leads_here(keys, uri, message.call_id()))
}

fn answers_ours(keys: &Keys, message: &Message<'_>) -> Option<bool> {
    let ours = message.top_via().branch.and_then(branch::read)?;
    let next = edit::next_via(message)?;
    let towards = identity::answered_towards(&next)?;
    Some(ours.verifies(keys, identity::identity(keys, &next, towards, message)))
}

fn leads_here(keys: &Keys, uri: &[u8], call_id: &[u8]) -> bool {
    let user = Uri::parse(uri).ok().and_then(|uri| uri.user).unwrap_or_default();
    token::read(keys, user, call_id).is_ok_and(|token| token.kind == Kind::Dialog)
}
