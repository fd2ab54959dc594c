//! G.711: one sample is one byte, by A-law or mu-law (ITU-T G.711). No packets, no concealment: samples and bytes only.

/// Sample rate and RTP clock, Hz.
pub const RATE: u32 = 8_000;
/// Inverts the even bits of an A-law byte (G.711 table 1a, note 2).
const A_MASK: u8 = 0x55;
/// Added to a mu-law magnitude of 14 bits, so that every segment begins at a power of two.
const U_BIAS: u16 = 33;
/// Largest biased magnitude of mu-law.
const U_CLIP: u16 = 0x1fff;

/// Values of all 256 A-law bytes.
static A_VALUES: [i16; 256] = a_values();
/// Values of all 256 mu-law bytes.
static U_VALUES: [i16; 256] = u_values();

/// Which of the two laws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Law {
    /// PCMA, payload type 8.
    A,
    /// PCMU, payload type 0.
    Mu,
}

impl Law {
    /// The byte of silence, as a digital zero is encoded.
    pub fn silence(self) -> u8 {
        self.byte(0)
    }

    /// The byte of a sample.
    ///
    /// ```
    /// use tandem_rtp::audio::codec::g711::Law;
    /// assert_eq!((0xd5, 0xff), (Law::A.byte(0), Law::Mu.byte(0)));
    /// ```
    #[inline]
    pub fn byte(self, sample: i16) -> u8 {
        match self {
            Law::A => a_byte(sample),
            Law::Mu => u_byte(sample),
        }
    }

    /// The sample of a byte.
    #[inline]
    pub fn sample(self, byte: u8) -> i16 {
        let values = match self {
            Law::A => &A_VALUES,
            Law::Mu => &U_VALUES,
        };
        values.get(usize::from(byte)).copied().unwrap_or_default()
    }

    /// Appends the samples of `bytes`.
    pub fn decode(self, bytes: &[u8], out: &mut Vec<i16>) {
        let values = match self {
            Law::A => &A_VALUES,
            Law::Mu => &U_VALUES,
        };
        out.extend(bytes.iter().map(|&byte| values.get(usize::from(byte)).copied().unwrap_or_default()));
    }

    /// Appends the bytes of `samples`.
    pub fn encode(self, samples: &[i16], out: &mut Vec<u8>) {
        match self {
            Law::A => out.extend(samples.iter().map(|&sample| a_byte(sample))),
            Law::Mu => out.extend(samples.iter().map(|&sample| u_byte(sample))),
        }
    }
}

/// G.711 table 1: sign, three bits of segment, four of mantissa. Negative values are taken in one's complement.
#[inline]
fn a_byte(sample: i16) -> u8 {
    let sign = if sample < 0 { 0 } else { 0x80 };
    let magnitude = ((sample ^ (sample >> 15)) as u16) >> 4;
    // Segment 1 is as fine as segment 0, so both are linear.
    let segment = (12u32.saturating_sub((magnitude | 1).leading_zeros())) as u16;
    let code = if segment == 0 { magnitude } else { (segment << 4) + ((magnitude >> (segment - 1)) & 15) };
    (sign | code as u8) ^ A_MASK
}

/// G.711 table 2.
#[inline]
fn u_byte(sample: i16) -> u8 {
    let sign = if sample < 0 { 0 } else { 0x80 };
    let biased = ((((sample ^ (sample >> 15)) as u16) >> 2) + U_BIAS).min(U_CLIP);
    // The bias makes bit 5 the lowest leading one; 13 bits in all.
    let segment = (10 - biased.leading_zeros()) as u16;
    let mantissa = (biased >> (segment + 1)) & 15;
    sign | (!((segment << 4) | mantissa) & 0x7f) as u8
}

const fn a_values() -> [i16; 256] {
    let mut values = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let code = byte as u8 ^ A_MASK;
        let (segment, mantissa) = ((code >> 4) & 7, (code & 15) as i16);
        let magnitude = if segment == 0 { mantissa * 16 + 8 } else { (mantissa * 16 + 8 + 256) << (segment - 1) };
        values[byte] = if code & 0x80 == 0 { -magnitude } else { magnitude };
        byte += 1;
    }
    values
}

const fn u_values() -> [i16; 256] {
    let mut values = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let code = !(byte as u8);
        let (segment, mantissa) = ((code >> 4) & 7, (code & 15) as i32);
        let magnitude = ((((mantissa << 1) + U_BIAS as i32) << segment) - U_BIAS as i32) * 4;
        values[byte] = if code & 0x80 == 0 { magnitude as i16 } else { -magnitude as i16 };
        byte += 1;
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_both_laws_are_those_of_the_recommendation() {
        assert_eq!([-32256, 32256, -8, 8], [0x2a, 0xaa, 0x55, 0xd5].map(|byte| Law::A.sample(byte)));
        assert_eq!([-32124, 32124, 0, 0], [0x00, 0x80, 0x7f, 0xff].map(|byte| Law::Mu.sample(byte)));
        assert_eq!([0xaa, 0x2a, 0xd5, 0x55], [i16::MAX, i16::MIN, 0, -1].map(|sample| Law::A.byte(sample)));
        assert_eq!([0x80, 0x00, 0xff, 0x7f], [i16::MAX, i16::MIN, 0, -1].map(|sample| Law::Mu.byte(sample)));
    }

    #[test]
    fn a_byte_survives_its_way_through_a_sample() {
        for byte in 0..=255u8 {
            assert_eq!(byte, Law::A.byte(Law::A.sample(byte)));
            // Mu-law has two zeros; the negative one comes back as the positive one.
            assert_eq!(if byte == 0x7f { 0xff } else { byte }, Law::Mu.byte(Law::Mu.sample(byte)));
        }
    }

    #[test]
    fn every_sample_becomes_a_value_next_to_it() {
        for law in [Law::A, Law::Mu] {
            let mut last = i32::MIN;
            for sample in i16::MIN..=i16::MAX {
                let value = i32::from(law.sample(law.byte(sample)));
                assert!(value >= last, "{law:?} {sample}");
                last = value;
                // Half a step: a 32nd of the value, and never less than half of the finest step.
                assert!((value - i32::from(sample)).abs() <= i32::from(sample).abs() / 32 + 8, "{law:?} {sample}: {value}");
            }
        }
    }

    /// Of the 65,536 bytes that both laws make, as the reference software of G.191 makes them.
    #[test]
    fn all_samples_have_the_bytes_of_the_reference() {
        let sum = |law: Law| {
            (i16::MIN..=i16::MAX).fold(0xcbf2_9ce4_8422_2325u64, |sum, s| (sum ^ u64::from(law.byte(s))).wrapping_mul(0x100_0000_01b3))
        };
        assert_eq!((0xf030_666e_b780_cf25, 0x04ec_1f08_3fd7_8c2d), (sum(Law::A), sum(Law::Mu)));
    }
}
