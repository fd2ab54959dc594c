//! WAV (RIFF): PCM of 8, 16, 24 or 32 bits, 32-bit float, A-law and mu-law are read; 16 bits are written. Any number of channels is read as
//! one, their mean.

use std::ops::Range;
use std::sync::Arc;

use super::super::codec::g711::Law;
use super::FileError;

/// Bytes of the header that we write.
pub const HEADER_BYTES: usize = 44;
/// Rates that are read, Hz.
const RATES: std::ops::RangeInclusive<u32> = 4_000..=192_000;
/// Channels that are read at most.
const CHANNELS: u16 = 8;
/// A length that a writer leaves which does not know it yet, or has died: the data then go on to the file's end.
const OPEN_ENDED: [u32; 2] = [0, u32::MAX];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Unsigned8,
    Signed(usize),
    Float,
    Law(Law),
}

impl Encoding {
    fn bytes(self) -> usize {
        match self {
            Encoding::Unsigned8 | Encoding::Law(_) => 1,
            Encoding::Signed(bytes) => bytes,
            Encoding::Float => 4,
        }
    }

    fn sample(self, bytes: &[u8]) -> i32 {
        match (self, bytes) {
            (Encoding::Unsigned8, &[byte, ..]) => (i32::from(byte) - 128) << 8,
            (Encoding::Law(law), &[byte, ..]) => i32::from(law.sample(byte)),
            // The two upper bytes are the last ones.
            (Encoding::Signed(_), &[.., low, high]) => i32::from(i16::from_le_bytes([low, high])),
            (Encoding::Float, &[a, b, c, d]) => (f32::from_le_bytes([a, b, c, d]) * 32_768.0).clamp(-32_768.0, 32_767.0) as i32,
            _ => 0,
        }
    }
}

/// A WAV file.
#[derive(Debug, Clone)]
pub struct Wav {
    bytes: Arc<[u8]>,
    data: Range<usize>,
    encoding: Encoding,
    channels: usize,
    rate: u32,
}

impl Wav {
    /// Reads the head of a file.
    ///
    /// # Errors
    /// All of [`FileError`].
    ///
    /// ```
    /// use tandem_rtp::audio::file::wav;
    /// let mut bytes = wav::header(8_000, 1, 4).to_vec();
    /// bytes.extend([1, 0, 2, 0]);
    /// let wav = wav::Wav::open(bytes.into()).unwrap();
    /// let mut samples = Vec::new();
    /// wav.read(1, 10, &mut samples);
    /// assert_eq!((8_000, 2, vec![2]), (wav.rate(), wav.samples(), samples));
    /// ```
    pub fn open(bytes: Arc<[u8]>) -> Result<Wav, FileError> {
        if bytes.get(..4) != Some(b"RIFF") || bytes.get(8..12) != Some(b"WAVE") {
            return Err(FileError::Kind);
        }
        let (mut at, mut format) = (12, None);
        while let Some(head) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
            let [a, b, c, d, l0, l1, l2, l3] = *head;
            let length = u32::from_le_bytes([l0, l1, l2, l3]);
            let start = at + 8;
            let end = start.saturating_add(length as usize).min(bytes.len());
            match &[a, b, c, d] {
                b"fmt " => format = Some(bytes.get(start..end).unwrap_or_default()),
                b"data" => {
                    let format = format.ok_or(FileError::Damaged("no format before the data"))?;
                    let end = if OPEN_ENDED.contains(&length) { bytes.len() } else { end };
                    let (encoding, channels, rate) = read_format(format)?;
                    let whole = (end - start) / (encoding.bytes() * channels) * (encoding.bytes() * channels);
                    if whole == 0 {
                        return Err(FileError::Empty);
                    }
                    return Ok(Wav { data: start..start + whole, bytes: Arc::clone(&bytes), encoding, channels, rate });
                }
                _ => {}
            }
            at = start.saturating_add(length as usize).saturating_add(length as usize & 1);
        }
        Err(FileError::Damaged("no data"))
    }

    /// Sample rate, Hz.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// Samples of each channel.
    pub fn samples(&self) -> u64 {
        (self.data.len() / (self.encoding.bytes() * self.channels)) as u64
    }

    /// Appends up to `count` samples from sample `at` on.
    pub fn read(&self, at: u64, count: usize, out: &mut Vec<i16>) {
        let (width, step) = (self.encoding.bytes(), self.encoding.bytes() * self.channels);
        let data = self.bytes.get(self.data.clone()).unwrap_or_default();
        let from = usize::try_from(at).unwrap_or(usize::MAX).saturating_mul(step);
        let frames = data.get(from..).unwrap_or_default().chunks_exact(step).take(count);
        let channels = self.channels as i32;
        out.extend(frames.map(|frame| (frame.chunks_exact(width).map(|bytes| self.encoding.sample(bytes)).sum::<i32>() / channels) as i16));
    }
}

fn read_format(format: &[u8]) -> Result<(Encoding, usize, u32), FileError> {
    let short =
        |at: usize| format.get(at..at + 2).map(|b| u16::from_le_bytes([b[0], b[1]])).ok_or(FileError::Damaged("format is too short"));
    let (mut tag, channels, bits) = (short(0)?, short(2)?, short(14)?);
    let rate = u32::from(short(4)?) | u32::from(short(6)?) << 16;
    // WAVE_FORMAT_EXTENSIBLE: the tag is the begin of the sub-format.
    if tag == 0xfffe {
        tag = short(24)?;
    }
    let encoding = match (tag, bits) {
        (1, 8) => Encoding::Unsigned8,
        (1, 16 | 24 | 32) => Encoding::Signed(usize::from(bits / 8)),
        (3, 32) => Encoding::Float,
        (6, 8) => Encoding::Law(Law::A),
        (7, 8) => Encoding::Law(Law::Mu),
        _ => return Err(FileError::Unsupported("its encoding")),
    };
    if channels == 0 || channels > CHANNELS {
        return Err(FileError::Unsupported("its channels"));
    }
    if !RATES.contains(&rate) {
        return Err(FileError::Unsupported("its rate"));
    }
    Ok((encoding, usize::from(channels), rate))
}

/// The header of a file of 16-bit samples with `data` bytes of them.
pub fn header(rate: u32, channels: u16, data: u32) -> [u8; HEADER_BYTES] {
    let mut head = [0; HEADER_BYTES];
    let step = channels * 2;
    let fields: [&[u8]; 13] = [
        b"RIFF",
        &data.saturating_add(HEADER_BYTES as u32 - 8).to_le_bytes(),
        b"WAVE",
        b"fmt ",
        &16u32.to_le_bytes(),
        &1u16.to_le_bytes(),
        &channels.to_le_bytes(),
        &rate.to_le_bytes(),
        &(rate * u32::from(step)).to_le_bytes(),
        &step.to_le_bytes(),
        &16u16.to_le_bytes(),
        b"data",
        &data.to_le_bytes(),
    ];
    head.iter_mut().zip(fields.into_iter().flatten()).for_each(|(place, &byte)| *place = byte);
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of this format, with a chunk of odd length before its data.
    fn file(tag: u16, channels: u16, rate: u32, bits: u16, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0".to_vec();
        let step = channels * bits / 8;
        bytes.extend([tag.to_le_bytes(), channels.to_le_bytes()].concat());
        bytes.extend([rate.to_le_bytes(), (rate * u32::from(step)).to_le_bytes()].concat());
        bytes.extend([step.to_le_bytes(), bits.to_le_bytes()].concat());
        bytes.extend(b"LIST\x03\0\0\0abc\0data");
        bytes.extend((data.len() as u32).to_le_bytes());
        bytes.extend(data);
        bytes
    }

    fn read(bytes: Vec<u8>) -> Result<Vec<i16>, FileError> {
        let wav = Wav::open(bytes.into())?;
        let mut samples = Vec::new();
        wav.read(0, usize::MAX, &mut samples);
        assert_eq!(wav.samples(), samples.len() as u64);
        Ok(samples)
    }

    #[test]
    fn every_encoding_is_read() {
        assert_eq!(Ok(vec![-32_768, 0, 32_512]), read(file(1, 1, 8_000, 8, &[0, 128, 255])));
        assert_eq!(Ok(vec![0x0201]), read(file(1, 1, 8_000, 16, &[1, 2, 3])));
        assert_eq!(Ok(vec![0x0302]), read(file(1, 1, 11_025, 24, &[1, 2, 3])));
        assert_eq!(Ok(vec![0x0403]), read(file(1, 1, 8_000, 32, &[1, 2, 3, 4])));
        assert_eq!(Ok(vec![16_384, -32_768]), read(file(3, 1, 8_000, 32, &[0.5f32.to_le_bytes(), (-7f32).to_le_bytes()].concat())));
        assert_eq!(Ok(vec![-8, 8]), read(file(6, 1, 8_000, 8, &[0x55, 0xd5])));
        assert_eq!(Ok(vec![0, 32_124]), read(file(7, 1, 8_000, 8, &[0xff, 0x80])));
        assert_eq!(Ok(vec![150]), read(file(1, 2, 48_000, 16, &[100, 0, 200, 0])));
    }

    #[test]
    fn what_is_damaged_or_strange_is_an_error() {
        let good = file(1, 1, 8_000, 16, &[1, 2]);
        for end in 0..good.len() {
            assert!(read(good[..end].to_vec()).is_err(), "{end}");
        }
        assert_eq!(Err(FileError::Kind), read(b"OggS".to_vec()));
        for (bytes, why) in [
            (file(2, 1, 8_000, 16, &[1, 2]), "its encoding"),
            (file(1, 0, 8_000, 16, &[1, 2]), "its channels"),
            (file(1, 9, 8_000, 16, &[1, 2]), "its channels"),
            (file(1, 1, 100, 16, &[1, 2]), "its rate"),
        ] {
            assert_eq!(Err(FileError::Unsupported(why)), read(bytes));
        }
        assert_eq!(Err(FileError::Empty), read(file(1, 1, 8_000, 16, &[1])));
    }

    #[test]
    fn a_file_whose_writer_died_goes_on_to_its_end() {
        for data in [0, u32::MAX, 1_000_000] {
            let bytes = [&header(8_000, 1, data)[..], &[5, 0, 6, 0]].concat();
            assert_eq!(Ok(vec![5, 6]), read(bytes));
        }
    }
}
