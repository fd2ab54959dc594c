//! The users' table: address of record to HA1s. It proves credentials; it never holds a password and challenges nobody.

use crate::digest::{Credentials, Ha1};
use std::collections::HashMap;

/// Bytes of an address of record `user@domain`.
pub const AOR_BYTES: usize = 512;

/// Users by address of record, `user@domain`, the domain in lower case.
#[derive(Default)]
pub struct Users {
    table: HashMap<Box<[u8]>, Ha1>,
}

impl Users {
    /// Adds or replaces a user. False: the address is longer than `AOR_BYTES`.
    pub fn set_user(&mut self, aor: &[u8], ha1: Ha1) -> bool {
        let fits = aor.len() <= AOR_BYTES;
        if fits {
            self.table.insert(aor.into(), ha1);
        }
        fits
    }

    /// Removes a user; true if there was one.
    pub fn drop_user(&mut self, aor: &[u8]) -> bool {
        self.table.remove(aor).is_some()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Algorithm;

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
}
