//! The rules of one REGISTER (RFC 3261 10.3, 5626, 3327): old bindings and a wish in, new bindings and a status out. It stores nothing.

use super::contact::{same_uri, Contact, Contacts};
use super::reach;
use super::row::{Binding, Flow};
use super::{Config, Dirty, CONTACTS_PER_AOR};
use smallvec::SmallVec;

/// What a REGISTER asks for. The caller has authenticated it: `aor` is the To's address and the user may speak for it.
#[derive(Clone, Debug)]
pub struct Wish<'a> {
    /// Address of record `user@domain`, in our own spelling.
    pub aor: &'a [u8],
    /// Call-ID.
    pub call_id: &'a [u8],
    /// CSeq number.
    pub cseq: u32,
    /// The Expires header, if any.
    pub expires: Option<u32>,
    /// The Contacts.
    pub contacts: Contacts<'a>,
    /// Path values, comma separated; empty if absent.
    pub path: &'a [u8],
    /// Whether Supported names `outbound`; without it `reg-id` does not count (RFC 5626 6).
    pub outbound: bool,
    /// Whether Supported names `gruu` (RFC 5627 5.2).
    pub gruu: bool,
    /// Whether the phone's own Via asks for `rport`: what it sends from is where it listens (RFC 3581).
    pub rport: bool,
}

/// The bindings of one AoR.
pub type List<'a> = SmallVec<[Binding<'a>; 4]>;

/// Applies a wish to the bindings still alive. `Err` is a refusal's status, and nothing has changed.
pub fn apply<'l, 'w: 'l>(list: &mut List<'l>, wish: &Wish<'w>, call: u64, flow: &Flow, config: &Config, now_s: u32) -> Result<Dirty, u16> {
    let contacts = match &wish.contacts {
        Contacts::All => return remove_all(list, wish, call),
        Contacts::Some(contacts) => contacts,
    };
    if contacts.len() > CONTACTS_PER_AOR {
        return Err(400);
    }
    // All or nothing (RFC 3261 10.3, 7): look at every Contact before the first one changes anything.
    let mut seconds = SmallVec::<[u32; CONTACTS_PER_AOR]>::new();
    for contact in contacts {
        let wanted = contact.expires.or(wish.expires).unwrap_or(config.default_seconds);
        if wanted > 0 && wanted < config.min_seconds {
            return Err(423);
        }
        seconds.push(wanted.min(config.max_seconds));
        for old in list.iter().filter(|old| old.call == call && is_same(old, contact, wish)) {
            match wish.cseq.cmp(&old.cseq) {
                std::cmp::Ordering::Less => return Err(500),
                // The same REGISTER again (redelivered by an edge): it has been done.
                std::cmp::Ordering::Equal => return Ok(Dirty::None),
                std::cmp::Ordering::Greater => {}
            }
        }
    }
    let mut dirty = Dirty::None;
    for (contact, seconds) in contacts.iter().zip(seconds) {
        let begun = list.iter().find(|old| old.call == call && is_same(old, contact, wish)).map_or(wish.cseq, |old| old.first_cseq);
        let new = (seconds > 0).then(|| binding(contact, wish, (call, begun), flow, now_s.saturating_add(seconds)));
        dirty = dirty.max(put(list, new, |old| is_same(old, contact, wish)));
    }
    make_room(list, call, wish.cseq);
    Ok(dirty)
}

/// `Contact: *` is for removing (RFC 3261 10.2.2): Expires must be 0.
fn remove_all(list: &mut List<'_>, wish: &Wish<'_>, call: u64) -> Result<Dirty, u16> {
    if wish.expires != Some(0) {
        return Err(400);
    }
    if list.iter().any(|old| old.call == call && wish.cseq < old.cseq) {
        return Err(500);
    }
    let repeated = |old: &Binding<'_>| old.call == call && wish.cseq == old.cseq;
    let before = list.len();
    list.retain(|old| repeated(old));
    Ok(if list.len() == before { Dirty::None } else { Dirty::Now })
}

/// Whether a binding is the one that a Contact speaks of: by instance and reg-id where both have them, else by URI.
fn is_same(old: &Binding<'_>, contact: &Contact<'_>, wish: &Wish<'_>) -> bool {
    match reg_id(contact, wish) {
        Some(id) if old.reg_id != 0 => old.reg_id == id && old.instance == contact.instance,
        _ => same_uri(old.uri, contact.uri),
    }
}

/// The reg-id, where it counts.
fn reg_id(contact: &Contact<'_>, wish: &Wish<'_>) -> Option<u32> {
    contact.reg_id.filter(|_| wish.outbound && !contact.instance.is_empty())
}

fn binding<'a>(contact: &Contact<'a>, wish: &Wish<'a>, (call, begun): (u64, u32), flow: &Flow, expires_at: u32) -> Binding<'a> {
    let reg_id = reg_id(contact, wish).unwrap_or(0);
    // Outbound phones and those behind a proxy are asked where they were heard, whatever their Contact says.
    let by_contact = reg_id == 0 && wish.path.is_empty() && !wish.rport;
    Binding {
        uri: contact.uri,
        q: contact.q,
        expires_at,
        call,
        cseq: wish.cseq,
        first_cseq: begun,
        unreachable: false,
        flow: if by_contact { reach::listening(contact.uri, flow) } else { *flow },
        reg_id,
        instance: contact.instance,
        path: wish.path,
    }
}

/// Puts `new` (or nothing) in the place of all that are the same.
fn put<'a>(list: &mut List<'a>, new: Option<Binding<'a>>, same: impl Fn(&Binding<'_>) -> bool) -> Dirty {
    let at = list.iter().position(&same);
    let old = at.and_then(|at| list.get(at).copied());
    let before = list.len();
    list.retain(|old| !same(old));
    let removed = before - list.len();
    let Some(new) = new else { return if removed > 0 { Dirty::Now } else { Dirty::None } };
    list.insert(at.unwrap_or(list.len()).min(list.len()), new);
    match old {
        // Only the clock moved: a lost write is made good by the edge, which repeats what was not taken.
        Some(old) if removed == 1 && old == (Binding { expires_at: old.expires_at, cseq: old.cseq, ..new }) => Dirty::Lazy,
        _ => Dirty::Now,
    }
}

/// Over the limit, the bindings that end first go, but none of this request: phones that change their port leave dead ones behind.
fn make_room(list: &mut List<'_>, call: u64, cseq: u32) {
    while list.len() > CONTACTS_PER_AOR {
        let others = list.iter().enumerate().filter(|(_, old)| (old.call, old.cseq) != (call, cseq));
        let Some((at, _)) = others.min_by_key(|(_, old)| old.expires_at) else { return };
        list.remove(at);
    }
}
