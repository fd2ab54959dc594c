//! The users' table: address of record to HA1s. It proves credentials; it never holds a password and challenges nobody.

use crate::digest::{Algorithm, Credentials, Ha1};
use std::collections::HashMap;
use std::sync::Arc;

/// Bytes of an address of record `user@domain`.
pub const AOR_BYTES: usize = 512;

/// Users by address of record, `user@domain`, the domain in lower case.
#[derive(Default)]
pub struct Users {
    table: HashMap<Arc<[u8]>, Ha1>,
    /// Names by their hashes (RFC 7616 3.4.4), about 200 bytes a user: only where hidden names are asked for.
    hidden: Option<HashMap<NameHash, Arc<[u8]>>>,
}

/// The first half of a name's hash: two users whose halves are equal do not happen by chance.
type NameHash = [u8; 16];

impl Users {
    /// Adds or replaces a user. False: the address is longer than `AOR_BYTES`.
    pub fn set_user(&mut self, aor: &[u8], ha1: Ha1) -> bool {
        let fits = aor.len() <= AOR_BYTES;
        if fits {
            let aor: Arc<[u8]> = aor.into();
            if let Some(hidden) = &mut self.hidden {
                hidden.extend(name_hashes(&aor).map(|hash| (hash, aor.clone())));
            }
            self.table.insert(aor, ha1);
        }
        fits
    }

    /// Removes a user; true if there was one.
    pub fn drop_user(&mut self, aor: &[u8]) -> bool {
        if let Some(hidden) = &mut self.hidden {
            name_hashes(aor).for_each(|hash| drop(hidden.remove(&hash)));
        }
        self.table.remove(aor).is_some()
    }

    /// Whether hidden names can be found from now on.
    pub fn hide_names(&mut self, hide: bool) {
        if hide == self.hidden.is_some() {
            return;
        }
        let all = || self.table.keys().flat_map(|aor| name_hashes(aor).map(|hash| (hash, aor.clone())));
        self.hidden = hide.then(|| all().collect());
    }

    /// The address of record of a hidden name, in hex as it came.
    pub fn found(&self, name: &[u8]) -> Option<&[u8]> {
        let mut hash: NameHash = [0; 16];
        for (to, pair) in hash.iter_mut().zip(name.chunks_exact(2)) {
            *to = pair.iter().try_fold(0u8, |sum, &c| Some((sum << 4) | (c as char).to_digit(16)? as u8))?;
        }
        let aor = self.hidden.as_ref()?.get(&hash)?;
        (name.len() >= 2 * hash.len()).then_some(aor)
    }

    /// Whether there is such a user. Not for answers to strangers.
    pub fn knows(&self, aor: &[u8]) -> bool {
        self.table.contains_key(aor)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Whether the credentials prove the user's password. For a user who does not exist, or has no HA1 for the algorithm, the same
    /// work is done with a false HA1, so that time tells nothing.
    pub fn verify(&self, aor: &[u8], credentials: &Credentials<'_>, method: &[u8]) -> bool {
        let known = self.table.get(aor).and_then(|ha1| ha1.get(credentials.algorithm));
        let nobody = [0x5a; 32];
        let ha1 = known.or(nobody.get(..credentials.algorithm.bytes())).unwrap_or_default();
        credentials.prove(ha1, method) & known.is_some()
    }
}

fn name_hashes(aor: &[u8]) -> impl Iterator<Item = NameHash> + '_ {
    let at = aor.iter().rposition(|&c| c == b'@').unwrap_or(aor.len());
    let (user, realm) = (aor.get(..at).unwrap_or_default(), aor.get(at + 1..).unwrap_or_default());
    Algorithm::ALL.into_iter().filter_map(move |algorithm| algorithm.userhash(user, realm).first_chunk().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(algorithm: Algorithm, password: &[u8]) -> String {
        let ha1 = Ha1::of(b"alice", b"demo.example", password);
        let sum = Credentials::respond(algorithm, ha1.get(algorithm).unwrap(), b"n", Some((1, b"c")), b"REGISTER", b"sip:demo.example");
        format!(
            r#"Digest username="alice",realm="demo.example",nonce="n",uri="sip:demo.example",algorithm={},qop=auth,nc=00000001,cnonce="c",response="{}""#,
            algorithm.name(),
            String::from_utf8(sum).unwrap()
        )
    }

    fn verify(users: &Users, aor: &[u8], header: &str) -> bool {
        users.verify(aor, &Credentials::parse(header.as_bytes()).unwrap(), b"REGISTER")
    }

    #[test]
    fn the_right_password_is_proved_by_each_algorithm() {
        let mut users = Users::default();
        users.set_user(b"alice@demo.example", Ha1::of(b"alice", b"demo.example", b"secret"));
        for algorithm in Algorithm::ALL {
            assert!(verify(&users, b"alice@demo.example", &header(algorithm, b"secret")));
            assert!(!verify(&users, b"alice@demo.example", &header(algorithm, b"guess")));
        }
    }

    #[test]
    fn an_unknown_or_dropped_user_proves_nothing() {
        let mut users = Users::default();
        assert!(!verify(&users, b"alice@demo.example", &header(Algorithm::Md5, b"secret")));
        users.set_user(b"alice@demo.example", Ha1::of(b"alice", b"demo.example", b"secret"));
        assert!(users.drop_user(b"alice@demo.example"));
        assert!(!verify(&users, b"alice@demo.example", &header(Algorithm::Md5, b"secret")));
    }

    #[test]
    fn the_false_ha1_of_nobody_opens_nothing() {
        let sum = Credentials::respond(Algorithm::Md5, &[0x5a; 16], b"n", None, b"REGISTER", b"u");
        let text = format!(r#"Digest username="x",realm="r",nonce="n",uri="u",response="{}""#, String::from_utf8(sum).unwrap());
        assert!(!verify(&Users::default(), b"x@r", &text));
    }

    #[test]
    fn a_user_with_only_md5_is_proved_by_md5_only() {
        let mut users = Users::default();
        let all = Ha1::of(b"alice", b"demo.example", b"secret");
        users.set_user(b"alice@demo.example", Ha1 { md5: all.md5, ..Ha1::default() });
        assert!(verify(&users, b"alice@demo.example", &header(Algorithm::Md5, b"secret")));
        assert!(!verify(&users, b"alice@demo.example", &header(Algorithm::Sha256, b"secret")));
    }

    #[test]
    fn a_hidden_name_is_found_by_its_hash_while_that_is_asked_for() {
        let mut users = Users::default();
        let hex = |algorithm: Algorithm| -> String {
            algorithm.userhash(b"alice", b"demo.example")[..algorithm.bytes()].iter().map(|c| format!("{c:02x}")).collect()
        };
        users.set_user(b"alice@demo.example", Ha1::of(b"alice", b"demo.example", b"secret"));
        assert_eq!(None, users.found(hex(Algorithm::Md5).as_bytes()));
        users.hide_names(true);
        users.set_user(b"bob@demo.example", Ha1::default());
        for algorithm in Algorithm::ALL {
            assert_eq!(Some(&b"alice@demo.example"[..]), users.found(hex(algorithm).to_uppercase().as_bytes()));
        }
        for name in ["", "00", "alice", &"0".repeat(64), &hex(Algorithm::Md5)[1..]] {
            assert_eq!(None, users.found(name.as_bytes()), "{name}");
        }
        users.drop_user(b"alice@demo.example");
        assert_eq!(None, users.found(hex(Algorithm::Md5).as_bytes()));
        users.hide_names(false);
        assert!(users.knows(b"bob@demo.example"));
    }
}
