//! G.722 at 64 kbit/s: two bands of ADPCM for 16 kHz speech (ITU-T G.722 clauses 3 to 6; names as in its blocks). Its RTP clock is 8,000 Hz
//! (RFC 3551 4.5.2), which is not seen here.

/// Sample rate, Hz.
pub const RATE: u32 = 16_000;

/// Decision levels of the 60-level quantizer, without the last (table 8).
const Q6: [i32; 29] = [
    35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023, 1121, 1219, 1339, 1458, 1612, 1765, 1980,
    2195, 2557, 2919,
];
/// Log scale factor steps of the lower band by its four upper bits.
const WL: [i32; 16] = [-60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60];
/// Log scale factor steps of the higher band by its two bits.
const WH: [i32; 4] = [798, -214, 798, -214];
/// Powers of two by 32 steps.
const ILB: [i32; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834, 2896, 2960, 3025, 3091, 3158, 3228,
    3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];
/// Output of the 2-bit inverse quantizer.
const QM2: [i32; 4] = [-7408, -1616, 7408, 1616];
/// Output of the 4-bit inverse quantizer.
const QM4: [i32; 16] = [0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0];
/// Output of the 6-bit inverse quantizer.
const QM6: [i32; 64] = [
    -136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360, -8576, -7856, -7192, -6576,
    -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688, -1360, -1040, -728, 24808, 21904, 19008, 16704, 14984,
    13512, 12280, 11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456, 4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040,
    728, 432, 136, -432, -136,
];
/// Half of the quadrature mirror filter; the other half is its mirror (table 11).
const QMF: [i32; 12] = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];
/// Ends of a band's signal.
const BAND: (i32, i32) = (-16_384, 16_383);
/// Largest log scale factors.
const NB_LOW: i32 = 18_432;
const NB_HIGH: i32 = 22_528;

fn saturate(value: i32) -> i32 {
    value.clamp(-32_768, 32_767)
}

/// Predictor and scale factor of one band: the same in encoder and decoder.
#[derive(Debug, Clone, Copy)]
struct Band {
    /// Prediction, and its part from the zeros.
    s: i32,
    sz: i32,
    /// Log scale factor and the scale factor.
    nb: i32,
    det: i32,
    a: [i32; 2],
    r: [i32; 2],
    p: [i32; 2],
    b: [i32; 6],
    d: [i32; 6],
}

impl Band {
    fn new(det: i32) -> Band {
        Band { s: 0, sz: 0, nb: 0, det, a: [0; 2], r: [0; 2], p: [0; 2], b: [0; 6], d: [0; 6] }
    }

    /// LOGSCL and SCALEL, or LOGSCH and SCALEH.
    #[inline]
    fn scale(&mut self, step: i32, limit: i32, shift: i32) {
        self.nb = (((self.nb * 127) >> 7) + step).clamp(0, limit);
        let mantissa = ILB[((self.nb >> 6) & 31) as usize];
        let down = shift - (self.nb >> 11);
        self.det = if down < 0 { mantissa << -down } else { mantissa >> down } << 2;
    }

    /// RECONS to PREDIC, after the quantized difference `d`.
    #[inline]
    fn adapt(&mut self, d: i32) {
        let r = saturate(self.s + d);
        let p = saturate(self.sz + d);
        // UPPOL2, UPPOL1
        let same = |one: i32, other: i32| (one ^ other) >= 0;
        let a1 = saturate(self.a[0] << 2);
        let wd = if same(p, self.p[0]) { (-a1).min(32_767) } else { a1 };
        let wd = (wd >> 7) + if same(p, self.p[1]) { 128 } else { -128 } + ((self.a[1] * 32_512) >> 15);
        let a2 = wd.clamp(-12_288, 12_288);
        let wd = if same(p, self.p[0]) { 192 } else { -192 };
        let limit = 15_360 - a2;
        let a1 = saturate(wd + ((self.a[0] * 32_640) >> 15)).clamp(-limit, limit);
        // UPZERO, DELAYA
        let step = if d == 0 { 0 } else { 128 };
        for (b, &old) in self.b.iter_mut().zip(&self.d) {
            *b = saturate(((*b * 32_640) >> 15) + if same(d, old) { step } else { -step });
        }
        self.d = [d, self.d[0], self.d[1], self.d[2], self.d[3], self.d[4]];
        self.p = [p, self.p[0]];
        self.r = [r, self.r[0]];
        self.a = [a1, a2];
        // FILTEP, FILTEZ, PREDIC
        let poles = self.a.iter().zip(&self.r).map(|(&a, &r)| (a * saturate(r + r)) >> 15).sum();
        let zeros = self.b.iter().zip(&self.d).map(|(&b, &d)| (b * saturate(d + d)) >> 15).sum();
        self.sz = saturate(zeros);
        self.s = saturate(saturate(poles) + self.sz);
    }

    /// Block 3 and 4 of the lower band, by the six bits that were sent.
    #[inline]
    fn low(&mut self, code: usize) {
        let upper = (code >> 2) & 15;
        let d = (self.det * QM4[upper]) >> 15;
        self.scale(WL[upper], NB_LOW, 8);
        self.adapt(d);
    }

    /// The same of the higher band, by its two bits.
    #[inline]
    fn high(&mut self, code: usize) -> i32 {
        let d = (self.det * QM2[code & 3]) >> 15;
        self.scale(WH[code & 3], NB_HIGH, 10);
        self.adapt(d);
        d
    }
}

/// Samples of the two halves of the mirror filter, the newest last.
#[derive(Debug, Clone, Copy)]
struct Delay {
    even: [i32; 12],
    odd: [i32; 12],
}

impl Delay {
    const NEW: Delay = Delay { even: [0; 12], odd: [0; 12] };

    /// Takes two samples in; gives the sums of both halves of the mirror filter.
    #[inline]
    fn filter(&mut self, first: i32, second: i32) -> (i32, i32) {
        self.even.copy_within(1.., 0);
        self.odd.copy_within(1.., 0);
        self.even[11] = first;
        self.odd[11] = second;
        let even = self.even.iter().zip(&QMF).map(|(&x, &c)| x * c).sum();
        let odd = self.odd.iter().zip(QMF.iter().rev()).map(|(&x, &c)| x * c).sum();
        (even, odd)
    }
}

/// Encodes one stream.
#[derive(Debug, Clone)]
pub struct Encoder {
    delay: Delay,
    low: Band,
    high: Band,
}

impl Default for Encoder {
    fn default() -> Encoder {
        Encoder { delay: Delay::NEW, low: Band::new(32), high: Band::new(8) }
    }
}

impl Encoder {
    /// Appends a byte for each two samples; a last odd sample is left out.
    pub fn encode(&mut self, samples: &[i16], out: &mut Vec<u8>) {
        out.extend(samples.as_chunks::<2>().0.iter().map(|&[first, second]| self.byte(i32::from(first), i32::from(second))));
    }

    #[inline]
    fn byte(&mut self, first: i32, second: i32) -> u8 {
        let (even, odd) = self.delay.filter(first, second);
        let xl = ((even + odd) >> 14).clamp(BAND.0, BAND.1);
        let xh = ((odd - even) >> 14).clamp(BAND.0, BAND.1);
        let e = saturate(xl - self.low.s);
        let magnitude = if e < 0 { !e } else { e };
        let level = Q6.iter().position(|&q| magnitude < (q * self.low.det) >> 12).unwrap_or(Q6.len());
        let low = match (e < 0, level) {
            (true, 0) => 63,
            (true, 1) => 62,
            (true, level) => 33 - level,
            (false, level) => 61 - level,
        };
        self.low.low(low);
        let e = saturate(xh - self.high.s);
        let outer = (if e < 0 { !e } else { e }) >= (564 * self.high.det) >> 12;
        let high = match (e < 0, outer) {
            (true, false) => 1,
            (true, true) => 0,
            (false, false) => 3,
            (false, true) => 2,
        };
        self.high.high(high);
        (high << 6 | low) as u8
    }
}

/// Decodes one stream.
#[derive(Debug, Clone)]
pub struct Decoder {
    delay: Delay,
    low: Band,
    high: Band,
}

impl Default for Decoder {
    fn default() -> Decoder {
        Decoder { delay: Delay::NEW, low: Band::new(32), high: Band::new(8) }
    }
}

impl Decoder {
    /// Appends two samples for each byte. Every byte is good.
    pub fn decode(&mut self, bytes: &[u8], out: &mut Vec<i16>) {
        out.reserve(2 * bytes.len());
        for &byte in bytes {
            out.extend(self.samples(usize::from(byte)));
        }
    }

    #[inline]
    fn samples(&mut self, code: usize) -> [i16; 2] {
        let low = (self.low.s + ((self.low.det * QM6[code & 63]) >> 15)).clamp(BAND.0, BAND.1);
        self.low.low(code & 63);
        let s = self.high.s;
        let high = (s + self.high.high(code >> 6)).clamp(BAND.0, BAND.1);
        let (even, odd) = self.delay.filter(low + high, low - high);
        [odd, even].map(|sum| saturate(sum >> 11) as i16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noise whose loudness changes, then tones and full scale: every branch of both bands is taken.
    fn signal() -> Vec<i16> {
        let mut seed = 1u32;
        (0..64_000)
            .map(|n: i32| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let noise = (seed >> 16) as i16;
                match n / 8_000 {
                    0 | 3 => noise >> 8,
                    1 | 6 => noise >> 3,
                    2 => noise,
                    4 => {
                        if n % 40 < 20 {
                            20_000
                        } else {
                            -20_000
                        }
                    }
                    5 => 0,
                    _ => {
                        if n / 100 % 2 == 0 {
                            i16::MAX
                        } else {
                            i16::MIN
                        }
                    }
                }
            })
            .collect()
    }

    fn sum(bytes: impl IntoIterator<Item = u8>) -> u64 {
        bytes.into_iter().fold(0xcbf2_9ce4_8422_2325u64, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
    }

    #[test]
    fn bytes_and_samples_are_those_of_the_reference() {
        let (mut bytes, mut samples) = (Vec::new(), Vec::new());
        Encoder::default().encode(&signal(), &mut bytes);
        Decoder::default().decode(&bytes, &mut samples);
        // Of what the reference software of G.191 makes of the same signal.
        assert_eq!((0xe2ef_23b7_c7e9_3c54, 0x7e03_d015_dcae_681b), (sum(bytes), sum(samples.iter().flat_map(|s| s.to_le_bytes()))));
    }

    #[test]
    fn speech_band_tones_come_through_both_bands() {
        for hertz in [300.0, 1_000.0, 3_000.0, 5_000.0, 6_500.0] {
            let tone: Vec<i16> =
                (0..16_000).map(|n| (8_000.0 * (f64::from(n) * hertz * std::f64::consts::TAU / 16_000.0).sin()) as i16).collect();
            let (mut bytes, mut heard) = (Vec::new(), Vec::new());
            Encoder::default().encode(&tone, &mut bytes);
            Decoder::default().decode(&bytes, &mut heard);
            assert_eq!((8_000, 16_000), (bytes.len(), heard.len()));
            let power = |samples: &[i16]| samples.iter().map(|&s| f64::from(s) * f64::from(s)).sum::<f64>();
            let decibel = 10.0 * (power(&heard[1_000..]) / power(&tone[1_000..])).log10();
            assert!(decibel.abs() < 1.0, "{hertz} Hz: {decibel} dB");
        }
    }
}
