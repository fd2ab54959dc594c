//! The E-model (ITU-T G.107) with all of its defaults but codec, loss and delay: a rating R, and the mean opinion score that goes with it.

/// R of a narrowband call without delay and loss: all other parameters of G.107 at their defaults (G.107 table 3).
const BEST: f32 = 93.2;
/// From this one-way delay on, in milliseconds, talking to each other suffers (G.107 in the form of Cole and Rosenbluth, 2001).
const DELAY_MS: f32 = 177.3;

/// What a codec does to a rating (G.113): by itself, and when packets are lost.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Codec {
    /// Equipment impairment factor.
    pub ie: f32,
    /// Packet-loss robustness factor.
    pub bpl: f32,
}

impl Codec {
    /// G.711 whose receiver puts silence where a packet is lost (G.113 appendix I).
    pub const G711: Codec = Codec { ie: 0.0, bpl: 4.3 };
    /// G.711 whose receiver conceals losses (G.711 appendix I, G.113 appendix I).
    pub const G711_PLC: Codec = Codec { ie: 0.0, bpl: 25.1 };
    /// G.729 with annex A and B (G.113 appendix I).
    pub const G729: Codec = Codec { ie: 11.0, bpl: 19.0 };
    /// G.722 on the narrowband scale, where G.113 has no value: an estimate that is in use.
    pub const G722: Codec = Codec { ie: 4.0, bpl: 15.7 };
    /// Opus, for which there is no value in G.113: as good as G.711 that conceals losses.
    pub const OPUS: Codec = Codec { ie: 0.0, bpl: 25.0 };
    /// iLBC, an estimate: somewhat worse than G.729 without loss, much more robust with it.
    pub const ILBC: Codec = Codec { ie: 11.0, bpl: 32.0 };

    /// The codec of an encoding name as in a=rtpmap, in any case; one that is not known counts as G.711. `conceals`: the receiver fills
    /// gaps, which matters for G.711 only.
    pub fn of(name: &str, conceals: bool) -> Codec {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        match () {
            () if is("G722") => Codec::G722,
            () if is("OPUS") => Codec::OPUS,
            () if is("G729") => Codec::G729,
            () if is("ILBC") => Codec::ILBC,
            () if conceals => Codec::G711_PLC,
            () => Codec::G711,
        }
    }
}

/// R, 0 to 100. `loss_percent`: 0 to 100; `burst_ratio`: 1 for losses by chance; `delay_ms`: mouth to ear, one way, 0 for what a
/// listener hears who does not answer.
///
/// ```
/// use tandem_rtp::quality::{mos, rating, Codec};
/// assert_eq!(93.2, rating(Codec::G711_PLC, 0.0, 1.0, 0.0));
/// assert_eq!(4.4, (mos(93.2) * 10.0).round() / 10.0);
/// ```
pub fn rating(codec: Codec, loss_percent: f32, burst_ratio: f32, delay_ms: f32) -> f32 {
    let loss = loss_percent.clamp(0.0, 100.0);
    let delay_ms = delay_ms.max(0.0);
    // G.107 7.4: Ie,eff.
    let impairment = codec.ie + (95.0 - codec.ie) * loss / (loss / burst_ratio.max(1.0) + codec.bpl);
    let delay = 0.024 * delay_ms + 0.11 * (delay_ms - DELAY_MS).max(0.0);
    (BEST - impairment - delay).clamp(0.0, 100.0)
}

/// The mean opinion score of a rating, 1 to 4.5 (G.107 annex B).
pub fn mos(rating: f32) -> f32 {
    let r = rating.clamp(0.0, 100.0);
    (1.0 + 0.035 * r + 7e-6 * r * (r - 60.0) * (100.0 - r)).clamp(1.0, 4.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratings_are_those_of_the_formula() {
        for (codec, loss, burst, delay, expected) in [
            (Codec::G711_PLC, 0.0, 1.0, 100.0, 90.8),
            (Codec::G711_PLC, 1.0, 1.0, 0.0, 93.2 - 95.0 / 26.1),
            (Codec::G711, 5.0, 1.0, 0.0, 93.2 - 95.0 * 5.0 / 9.3),
            (Codec::G729, 3.0, 2.0, 0.0, 82.2 - 84.0 * 3.0 / 20.5),
            (Codec::G729, 0.0, 1.0, 277.3, 82.2 - 0.024 * 277.3 - 11.0),
            (Codec::G711, 100.0, 8.0, 900.0, 0.0),
            (Codec::OPUS, -3.0, 0.0, -5.0, 93.2),
        ] {
            let told = rating(codec, loss, burst, delay);
            assert!((expected - told).abs() < 0.01, "{codec:?} {loss} {burst} {delay}: {told}");
        }
    }

    #[test]
    fn scores_are_those_of_g_107_annex_b() {
        // G.107 table B.1: the lower limits of the categories of satisfaction.
        for (r, expected) in [(90.0, 4.34), (80.0, 4.03), (70.0, 3.60), (60.0, 3.10), (50.0, 2.58), (0.0, 1.0), (100.0, 4.5), (5.0, 1.0)] {
            assert!((expected - mos(r)).abs() < 0.01, "{r}: {}", mos(r));
        }
    }

    #[test]
    fn more_loss_is_never_better() {
        for codec in [Codec::G711, Codec::G711_PLC, Codec::G722, Codec::OPUS, Codec::G729, Codec::ILBC] {
            for burst in [1.0, 2.0, 8.0] {
                let scores: Vec<f32> = (0..=100).map(|loss| mos(rating(codec, loss as f32, burst, 0.0))).collect();
                assert!(scores.is_sorted_by(|a, b| a >= b), "{codec:?} {burst}");
            }
        }
        assert_eq!(Codec::OPUS, Codec::of("opus", false));
        assert_eq!([Codec::G711, Codec::G711_PLC], [Codec::of("PCMU", false), Codec::of("PCMA", true)]);
    }
}
