//! Which keys protect a section: SDES, DTLS, none, or those of the ends. It protects nothing itself.

use super::medium::Medium;
use super::work::Work;
use crate::ng::{DtlsMode, Failure, Options, Sdes};
use crate::plan::Guard;
use crate::sdp::{Crypto, Setup};
use crate::srtp::Suite;

/// Decides what the receiver of an offer is offered. `from` is the offerer's side.
pub(super) fn offer(to: &mut Medium, from: &Medium, options: &Options, work: &mut Work) {
    let theirs = from.theirs.clone().unwrap_or_default();
    let keys_come = theirs.has_crypto || theirs.fingerprint.is_some();
    to.ours.opaque = options.transparent && keys_come && to.protocol == from.protocol;
    // A plain profile with keys is an optional offer (RFC 8643); it goes on as one.
    let optional = !to.protocol.is_secure() && to.protocol.is_rtp() && (options.osrtp.offer || keys_come && !from.protocol.is_secure());
    let wanted = (to.protocol.is_secure() || optional) && !to.ours.opaque;
    to.ours.dtls = wanted && options.dtls != Some(DtlsMode::Off) && (!optional || theirs.fingerprint.is_some());
    let sdes = wanted && !options.sdes.off && !(to.protocol.is_tls() && to.ours.dtls);
    to.ours.setup = to.ours.dtls.then_some(Setup::ActPass);
    to.ours.crypto = if sdes { lines(to, &theirs.crypto, &options.sdes, work) } else { Vec::new() };
}

/// Our crypto lines of an offer: the suite in use first, which phones take again that cannot change their keys in a call; then those of
/// the other side, then the rest of ours. Keys that the peer knows stay.
fn lines(to: &Medium, theirs: &[Crypto], sdes: &Sdes, work: &mut Work) -> Vec<Crypto> {
    let mut suites: Vec<Suite> = theirs.iter().map(|crypto| crypto.master.suite).collect();
    if theirs.is_empty() || !sdes.no_new {
        suites.extend(Crypto::suites());
    }
    let listed = |list: &[String], suite: Suite| list.iter().position(|name| Crypto::suite(name) == Some(suite));
    let mut chosen: Vec<Suite> = Vec::new();
    for suite in suites {
        let allowed = if sdes.only.is_empty() { listed(&sdes.no, suite).is_none() } else { listed(&sdes.only, suite).is_some() };
        if allowed && !chosen.contains(&suite) {
            chosen.push(suite);
        }
    }
    let used = match guard(to) {
        Guard::Sdes { receive: Some(_), send } => Some(send.suite),
        _ => None,
    };
    chosen.sort_by_key(|&suite| (listed(&sdes.order, suite).unwrap_or(usize::MAX), Some(suite) != used));
    let known: Vec<Crypto> = to.ours.crypto.iter().filter(|crypto| chosen.contains(&crypto.master.suite)).cloned().collect();
    let mut tags = (1..).filter(|tag| known.iter().all(|crypto| crypto.tag != *tag));
    let known = |suite: Suite| known.iter().find(|crypto| crypto.master.suite == suite).cloned();
    let mut line = |suite| known(suite).unwrap_or_else(|| Crypto { tag: tags.next().unwrap_or(u32::MAX), master: work.master(suite) });
    chosen.into_iter().map(&mut line).collect()
}

/// The peer has answered our offer.
pub(super) fn answered(from: &mut Medium) {
    from.ours.active = from.ours.dtls && from.theirs.as_ref().and_then(|theirs| theirs.setup) == Some(Setup::Passive);
}

/// Decides what an offerer is answered. `secure`: the other side has keys too, or will have: an optional offer is then taken.
///
/// # Errors
/// The offer needs keys and has none that we serve.
pub(super) fn accept(to: &mut Medium, dtls: Option<DtlsMode>, options: &Options, secure: bool, work: &mut Work) -> Result<(), Failure> {
    if to.ours.opaque {
        return Ok(());
    }
    let Some(theirs) = to.theirs.clone() else { return Ok(()) };
    let role = (to.ours.dtls && to.ours.told).then_some(if to.ours.active { Setup::Active } else { Setup::Passive });
    to.ours.dtls = false;
    to.ours.setup = None;
    if !to.protocol.is_rtp() || !to.protocol.is_secure() && !secure {
        to.ours.crypto.clear();
        return Ok(());
    }
    let prefers_sdes = options.sdes.prefer && !theirs.crypto.is_empty();
    if theirs.fingerprint.is_some() && dtls != Some(DtlsMode::Off) && !prefers_sdes {
        to.ours.dtls = true;
        to.ours.setup = Some(match theirs.setup.unwrap_or(Setup::ActPass) {
            Setup::Active | Setup::HoldConn => Setup::Passive,
            Setup::Passive => Setup::Active,
            // RFC 8842 5.5: an association keeps its roles.
            Setup::ActPass => role.unwrap_or(if dtls == Some(DtlsMode::Passive) { Setup::Passive } else { Setup::Active }),
        });
        to.ours.crypto.clear();
        return Ok(());
    }
    let listed = |crypto: &&Crypto| options.sdes.offerer_preferred.iter().any(|name| Crypto::suite(name) == Some(crypto.master.suite));
    let known = |crypto: &&Crypto| to.ours.crypto.iter().any(|ours| ours.master.suite == crypto.master.suite && ours.tag == crypto.tag);
    let kept = theirs.crypto.iter().find(known).filter(|_| !to.ours.offer);
    match kept.or_else(|| theirs.crypto.iter().find(listed)).or(theirs.crypto.first()) {
        Some(crypto) => {
            let key = to.ours.crypto.iter().find(|ours| ours.master.suite == crypto.master.suite).map(|ours| ours.master.clone());
            let master = key.unwrap_or_else(|| work.master(crypto.master.suite));
            to.ours.crypto = vec![Crypto { tag: crypto.tag, master }];
            Ok(())
        }
        None if to.protocol.is_secure() => Err(Failure::State("sdp: secure media is offered with no key that is served")),
        None => Ok(()),
    }
}

/// What protects the packets of a section now.
pub(super) fn guard(medium: &Medium) -> Guard {
    let (ours, theirs) = (&medium.ours, medium.theirs.as_ref());
    if ours.opaque {
        return Guard::Opaque;
    }
    if let Some(fingerprint) = theirs.and_then(|theirs| theirs.fingerprint.as_ref()).filter(|_| ours.dtls) {
        return Guard::Dtls { active: ours.active, fingerprint: Some((fingerprint.hash.clone(), fingerprint.bytes.clone())) };
    }
    let pair = theirs.and_then(|theirs| {
        let same = |one: &&Crypto, other: &Crypto| one.tag == other.tag && one.master.suite == other.master.suite;
        theirs
            .crypto
            .iter()
            .find_map(|their| ours.crypto.iter().find(|our| same(our, their)).map(|our| (their.master.clone(), our.master.clone())))
    });
    match (pair, ours.crypto.first()) {
        (Some((receive, send)), _) => Guard::Sdes { receive: Some(receive), send },
        // An answer without keys to an optional offer is plain (RFC 8643 4.2).
        (None, _) if theirs.is_some() && !medium.protocol.is_secure() => Guard::Plain,
        (None, _) if ours.dtls => Guard::Dtls { active: false, fingerprint: None },
        (None, Some(first)) => Guard::Sdes { receive: None, send: first.master.clone() },
        (None, None) => Guard::Plain,
    }
}

/// Whether the peer's answer has keys that fit our offer.
pub(super) fn agreed(medium: &Medium) -> bool {
    match guard(medium) {
        Guard::Sdes { receive, .. } => receive.is_some(),
        Guard::Dtls { fingerprint, .. } => fingerprint.is_some(),
        Guard::Opaque => true,
        _ => false,
    }
}
