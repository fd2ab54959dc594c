//! L16: samples as they are, 16 bits in network order, one or two channels (RFC 3551 4.5.11).

/// Rates that the engine can resample, Hz.
const RATES: [u32; 6] = super::super::RATES;

/// Rate and channels of an L16 stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Form {
    rate: u32,
    channels: u8,
}

impl Form {
    /// A form with one or two channels at one of the engine's rates; `None`: any other.
    pub fn new(rate: u32, channels: u8) -> Option<Form> {
        (RATES.contains(&rate) && (1..=2).contains(&channels)).then_some(Form { rate, channels })
    }

    /// Sample rate and RTP clock, Hz.
    pub fn rate(self) -> u32 {
        self.rate
    }

    /// Units of the RTP clock that a payload lasts.
    pub fn units(self, payload: &[u8]) -> Option<u32> {
        u32::try_from(payload.len() / 2 / usize::from(self.channels)).ok()
    }

    /// Appends the samples of a payload, two channels as their mean. Bytes that are no whole sample are left out.
    pub fn decode(self, payload: &[u8], out: &mut Vec<i16>) {
        if self.channels == 1 {
            out.extend(payload.as_chunks::<2>().0.iter().map(|&bytes| i16::from_be_bytes(bytes)));
        } else {
            out.extend(payload.as_chunks::<4>().0.iter().map(|&[l0, l1, r0, r1]| {
                let both = i32::from(i16::from_be_bytes([l0, l1])) + i32::from(i16::from_be_bytes([r0, r1]));
                (both / 2) as i16
            }));
        }
    }

    /// Appends the payload of samples, in both channels the same.
    pub fn encode(self, samples: &[i16], out: &mut Vec<u8>) {
        if self.channels == 1 {
            out.extend(samples.iter().flat_map(|sample| sample.to_be_bytes()));
        } else {
            out.extend(samples.iter().flat_map(|sample| {
                let [high, low] = sample.to_be_bytes();
                [high, low, high, low]
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_channels_are_heard_as_one() {
        let stereo = Form::new(16_000, 2).unwrap();
        let mut samples = Vec::new();
        stereo.decode(&[0x01, 0x00, 0x03, 0x00, 0x80, 0x00, 0x80, 0x00, 0xff], &mut samples);
        assert_eq!(vec![0x200, i16::MIN], samples);
        let mut bytes = Vec::new();
        stereo.encode(&samples, &mut bytes);
        assert_eq!(vec![2, 0, 2, 0, 0x80, 0, 0x80, 0], bytes);
        assert_eq!(Some(2), stereo.units(&bytes));
    }

    #[test]
    fn forms_that_nobody_can_resample_are_refused() {
        assert_eq!([None; 3], [Form::new(11_025, 1), Form::new(8_000, 0), Form::new(8_000, 3)]);
    }
}
