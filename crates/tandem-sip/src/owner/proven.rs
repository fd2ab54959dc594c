//! The REGISTERs answered last, by fingerprint: a repeat of one proves itself, though its nonce count is used up. It keeps no message.

/// How many are remembered; a newer one takes an older one's place.
pub const PROVEN_KNOWN: usize = 8_192;

/// Server handle and keyed hash of the whole message, direct-mapped.
#[derive(Debug)]
pub struct Proven(Vec<(u64, u64)>);

impl Default for Proven {
    fn default() -> Proven {
        Proven(vec![(0, 0); PROVEN_KNOWN])
    }
}

impl Proven {
    /// Remembers a REGISTER that was proven and answered 200.
    pub fn remember(&mut self, handle: u64, fingerprint: u64) {
        if let Some(place) = self.0.get_mut(handle as usize % PROVEN_KNOWN) {
            *place = (handle, fingerprint);
        }
    }

    /// Whether this very message was. `fingerprint` is only asked for when the handle is known.
    pub fn knows(&self, handle: u64, fingerprint: impl FnOnce() -> u64) -> bool {
        handle != 0 && self.0.get(handle as usize % PROVEN_KNOWN).is_some_and(|known| known.0 == handle && known.1 == fingerprint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_message_in_the_same_transaction_is_known() {
        let mut proven = Proven::default();
        proven.remember(7, 70);
        assert!(proven.knows(7, || 70));
        assert!(!proven.knows(7, || 71));
        assert!(!proven.knows(7 + PROVEN_KNOWN as u64, || 70));
        assert!(!Proven::default().knows(0, || 0));
    }
}
