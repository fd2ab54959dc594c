//! Opus in Ogg (RFC 7845): a file's packets in order, from any place on; and the headers of one that is written. One channel is heard, of
//! two the mean. Output gain is not applied.

use std::sync::Arc;

use super::super::codec::opus::{self, Decoder, CLOCK};
use super::super::codec::CodecError;
use super::ogg::{find, Page, PACKET_BYTES};
use super::FileError;

/// Before a place in the middle so much is decoded and not heard, until the decoder agrees with the encoder (RFC 7845 4.6: 80 ms).
const PREROLL: u64 = CLOCK as u64 * 80 / 1_000;
/// Pages that are looked at to find the two headers.
const HEADER_PAGES: usize = 64;

/// A file.
#[derive(Debug, Clone)]
pub struct Opus {
    bytes: Arc<[u8]>,
    serial: u32,
    preskip: u64,
    /// Place of the first page with sound.
    first: usize,
    /// Units of 48 kHz that are heard.
    units: u64,
}

impl Opus {
    /// Reads the heads of a file, and how long it is.
    ///
    /// # Errors
    /// All of [`FileError`].
    pub fn open(bytes: Arc<[u8]>) -> Result<Opus, FileError> {
        if bytes.get(..4) != Some(b"OggS") {
            return Err(FileError::Kind);
        }
        let (mut at, page) = find(&bytes, 0).ok_or(FileError::Damaged("no page"))?;
        let serial = page.serial;
        let preskip = head(page)?;
        at += page.bytes;
        // The comments may fill several pages (RFC 7845 3); sound begins on a page of its own.
        let mut first = None;
        for _ in 0..HEADER_PAGES {
            let Some((place, page)) = find(&bytes, at) else { break };
            at = place + page.bytes;
            if page.serial == serial && page.pieces().any(|(_, ends)| ends) {
                first = Some(at);
                break;
            }
        }
        let first = first.ok_or(FileError::Damaged("no comments"))?;
        let mut opus = Opus { bytes: Arc::clone(&bytes), serial, preskip, first, units: 0 };
        let mut last = 0;
        let mut place = first;
        while let Some((found, page)) = find(&bytes, place) {
            place = found + page.bytes;
            if page.serial == serial && page.granule != u64::MAX {
                last = last.max(page.granule.min(u64::MAX / 2));
            }
        }
        opus.units = last.saturating_sub(preskip);
        if opus.units == 0 {
            return Err(FileError::Empty);
        }
        Ok(opus)
    }

    /// How long it is, units of 48 kHz.
    pub fn units(&self) -> u64 {
        self.units
    }

    /// Begins to decode at a place, in units of 48 kHz, to `rate` Hz, one of libopus'.
    ///
    /// # Errors
    /// [`CodecError`].
    pub fn play(&self, from: u64, rate: u32) -> Result<Playing, CodecError> {
        let goal = from.saturating_add(self.preskip);
        let (mut place, mut start, mut begun) = (self.first, self.first, 0);
        // The last page before the goal and its preroll.
        while let Some((found, page)) = find(&self.bytes, place) {
            place = found + page.bytes;
            if page.serial != self.serial || page.granule == u64::MAX {
                continue;
            }
            if page.granule.saturating_add(PREROLL) > goal {
                break;
            }
            (start, begun) = (place, page.granule);
        }
        Ok(Playing {
            file: self.clone(),
            decoder: Decoder::new(rate)?,
            at: start,
            page: Vec::new(),
            part: Vec::new(),
            skip: goal.saturating_sub(begun),
            left: self.units.saturating_sub(from),
        })
    }
}

/// The identification header's pre-skip (RFC 7845 5.1).
fn head(page: Page<'_>) -> Result<u64, FileError> {
    let Some((packet, true)) = page.pieces().next() else { return Err(FileError::Damaged("no head")) };
    let [b'O', b'p', b'u', b's', b'H', b'e', b'a', b'd', version, channels, low, high, _, _, _, _, _, _, family, ..] = *packet else {
        return Err(FileError::Kind);
    };
    if version > 15 {
        return Err(FileError::Unsupported("its version"));
    }
    if family != 0 || !(1..=2).contains(&channels) {
        return Err(FileError::Unsupported("its channels"));
    }
    Ok(u64::from(u16::from_le_bytes([low, high])))
}

/// A file being decoded.
#[derive(Debug)]
pub struct Playing {
    file: Opus,
    decoder: Decoder,
    at: usize,
    /// Packets of the page, the next last.
    page: Vec<Vec<u8>>,
    /// The begin of a packet that goes on on the next page.
    part: Vec<u8>,
    /// Units still to be left out, and to be heard.
    skip: u64,
    left: u64,
}

impl Playing {
    /// Hz of what it gives.
    pub fn rate(&self) -> u32 {
        self.decoder.rate()
    }

    /// Appends the samples of the next packet that is heard; false: the file is over. Damaged packets are left out.
    pub fn next(&mut self, out: &mut Vec<i16>) -> bool {
        while self.left > 0 {
            let Some(packet) = self.packet() else { return false };
            let Some(units) = opus::units(&packet).map(u64::from) else { continue };
            let start = out.len();
            if self.decoder.decode(&packet, out).is_err() {
                continue;
            }
            let skipped = units.min(self.skip);
            self.skip -= skipped;
            let heard = (units - skipped).min(self.left);
            self.left -= heard;
            let samples = |units: u64| (units * u64::from(self.decoder.rate()) / u64::from(CLOCK)) as usize;
            let drop = samples(skipped).min(out.len() - start);
            out.drain(start..start + drop);
            out.truncate(start + samples(heard));
            if heard > 0 {
                return true;
            }
        }
        false
    }

    fn packet(&mut self) -> Option<Vec<u8>> {
        while self.page.is_empty() {
            let (place, page) = find(&self.file.bytes, self.at)?;
            self.at = place + page.bytes;
            if page.serial != self.file.serial {
                continue;
            }
            let mut orphan = page.continued && self.part.is_empty();
            if !page.continued {
                self.part.clear();
            }
            for (piece, ends) in page.pieces() {
                if self.part.len() + piece.len() <= PACKET_BYTES {
                    self.part.extend_from_slice(piece);
                }
                if ends {
                    let packet = std::mem::take(&mut self.part);
                    // The end of a packet whose begin is lost.
                    if !std::mem::take(&mut orphan) {
                        self.page.push(packet);
                    }
                }
            }
            self.page.reverse();
        }
        self.page.pop()
    }
}

/// The identification header of a stream of one channel (RFC 7845 5.1).
pub fn id_header(preskip: u16, rate: u32) -> Vec<u8> {
    let mut packet = b"OpusHead\x01\x01".to_vec();
    packet.extend_from_slice(&preskip.to_le_bytes());
    packet.extend_from_slice(&rate.to_le_bytes());
    packet.extend_from_slice(&[0, 0, 0]);
    packet
}

/// The comment header (RFC 7845 5.2), without comments.
pub fn comment_header() -> Vec<u8> {
    const VENDOR: &[u8] = b"Tandem";
    let mut packet = b"OpusTags".to_vec();
    packet.extend_from_slice(&(VENDOR.len() as u32).to_le_bytes());
    packet.extend_from_slice(VENDOR);
    packet.extend_from_slice(&[0; 4]);
    packet
}
