//! The owner's check of who sends a request (boundary.md, 5). It answers as the edge does, alike for known and unknown users.

use crate::challenge::Challenger;
use crate::digest::Credentials;
use crate::gate::Source;
use crate::nonce::Nonce;
use crate::nonces::Nonces;
use crate::question::{Aor, Question};
use crate::users::Users;

/// Who sends a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Check {
    /// A user of ours, proven: `user@domain`. Its trust is `user:` and this.
    User(Aor),
    /// A trunk, by its address or certificate: its id. Its trust is `trunk:` and this.
    Trunk(Box<str>),
    /// Not proven: the 401 or 407 (a 403 where those are longer than the question) stands in `out`. Send it without a transaction; the edge absorbs its ACK.
    Challenge {
        /// A user name was named and its proof was wrong, or it does not exist: tell `Abuse::guessed`. Not so for a stale nonce.
        guessed: bool,
    },
    /// Not proven, and any answer would be longer than the question (UDP).
    Silence,
}

/// Checks a request that begins something (no To tag). `out` is cleared.
#[allow(clippy::too_many_arguments)]
pub fn check(
    by: &Challenger<'_>,
    users: &Users,
    nonces: &mut Nonces,
    question: &Question<'_>,
    source: &Source<'_>,
    now_us: u64,
    out: &mut Vec<u8>,
) -> Check {
    out.clear();
    if let Some(trunk) = source.trunk(by.policy) {
        return Check::Trunk(trunk.id.clone());
    }
    let (mut stale, mut guessed) = (false, false);
    match by.nonce_of(question, now_us) {
        Some((credentials, Nonce::Fresh { sum, .. })) => {
            let aor = named(users, &credentials);
            let offered = by.policy.algorithms.contains(&credentials.algorithm);
            if users.verify(&aor, &credentials, question.method) & offered {
                if nonces.count(sum, credentials.nc, by.policy.nonce_seconds, now_us) {
                    return Check::User(aor);
                }
                stale = true; // the password is right, the count was used: RFC 7616 3.4
            } else {
                guessed = true;
            }
        }
        Some((_, Nonce::Stale)) => stale = true,
        _ => {}
    }
    match by.write(out, question, source.address, stale, source.most(question), now_us) {
        true => Check::Challenge { guessed },
        false => Check::Silence,
    }
}

/// Whom a credential names. A hidden name that nobody has stays as it is, and is then proved in vain as any other.
fn named(users: &Users, credentials: &Credentials<'_>) -> Aor {
    if let Some(aor) = credentials.userhash.then(|| users.found(&credentials.username)).flatten() {
        return Aor::from_slice(aor);
    }
    let mut aor: Aor = Aor::from_slice(&credentials.username);
    aor.push(b'@');
    aor.extend_from_slice(&credentials.realm);
    aor
}

#[cfg(test)]
#[path = "auth_tests.rs"]
mod tests;
