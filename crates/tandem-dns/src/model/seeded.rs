//! Draws that follow from a number: the same call draws the same, on every machine. It is no source of secrets.

/// SplitMix64.
#[derive(Clone, Debug)]
pub struct Seeded(pub u64);

impl Seeded {
    /// The next draw, evenly among 0..=`most`.
    pub fn upto(&mut self, most: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        // the upper half times the range: no remainder, so no bias worth the name
        (((mixed >> 32) * (u64::from(most) + 1)) >> 32) as u32
    }
}
