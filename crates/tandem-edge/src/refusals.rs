//! Names of requests refused for overload, so that their repetitions are refused too. A fixed table: a flood makes it forget, not grow.

/// Requests remembered; two with one place push each other out.
pub const REFUSALS_KNOWN: usize = 65_536;
/// How long a refusal holds: 64*T1 (RFC 3261 17.1.1.2), in seconds.
pub const REFUSAL_SECONDS: u64 = 32;

/// The table.
pub struct Refusals {
    places: Vec<(u64, u64)>,
}

impl Default for Refusals {
    fn default() -> Self {
        Refusals { places: vec![(0, 0); REFUSALS_KNOWN] }
    }
}

impl Refusals {
    /// Whether the request of this keyed hash was refused.
    pub fn has(&self, name: u64, at: u64) -> bool {
        self.places.get(place(name)).is_some_and(|&(known, since)| known == name && at.saturating_sub(since) < REFUSAL_SECONDS * 1_000_000)
    }

    /// Remembers it, from its first refusal.
    pub fn add(&mut self, name: u64, at: u64) {
        if !self.has(name, at) {
            if let Some(entry) = self.places.get_mut(place(name)) {
                *entry = (name, at);
            }
        }
    }
}

fn place(name: u64) -> usize {
    (name % REFUSALS_KNOWN as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_holds_for_32_seconds() {
        let mut refusals = Refusals::default();
        assert!(!refusals.has(7, 5));
        refusals.add(7, 5);
        assert!(refusals.has(7, 32_000_000) && !refusals.has(7, 32_000_005));
        refusals.add(7 + REFUSALS_KNOWN as u64, 6);
        assert!(!refusals.has(7, 6));
    }
}
