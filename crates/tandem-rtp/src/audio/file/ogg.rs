//! Ogg pages (RFC 3533): packets cut out of them, and put into them. What the packets hold is not known here.

/// Bytes of a page before its segment table.
const HEAD: usize = 27;
/// Segments of a page at most.
const SEGMENTS: usize = 255;
/// Bytes of a packet at most: a longer one is damage.
pub const PACKET_BYTES: usize = 65_536;
/// Flags of a page.
const CONTINUED: u8 = 1;
const FIRST: u8 = 2;
const LAST: u8 = 4;

/// The checksum of RFC 3533 6: polynomial 0x04c11db7, not reflected, begun with 0.
static CHECKSUMS: [u32; 256] = {
    let mut table = [0; 256];
    let mut n = 0;
    while n < 256 {
        let (mut value, mut bit) = ((n as u32) << 24, 0);
        while bit < 8 {
            value = if value & 0x8000_0000 == 0 { value << 1 } else { value << 1 ^ 0x04c1_1db7 };
            bit += 1;
        }
        table[n] = value;
        n += 1;
    }
    table
};

fn checksum(parts: [&[u8]; 3]) -> u32 {
    let step = |sum: u32, &byte: &u8| sum << 8 ^ CHECKSUMS.get(usize::from((sum >> 24) as u8 ^ byte)).copied().unwrap_or_default();
    parts.into_iter().flatten().fold(0, step)
}

/// One page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page<'a> {
    /// Its first packet began on the page before.
    pub continued: bool,
    /// The last page of its stream.
    pub last: bool,
    /// Position after its last packet; `u64::MAX`: none ends here.
    pub granule: u64,
    /// Serial number of its stream.
    pub serial: u32,
    /// Number of the page in its stream.
    pub sequence: u32,
    segments: &'a [u8],
    body: &'a [u8],
    /// Bytes of the whole page.
    pub bytes: usize,
}

impl<'a> Page<'a> {
    /// Reads the page that `bytes` begin with; `None`: there is none, or it is damaged or cut off.
    pub fn read(bytes: &'a [u8]) -> Option<Page<'a>> {
        let (head, rest) = bytes.split_first_chunk::<HEAD>()?;
        let [b'O', b'g', b'g', b'S', 0, flags, fields @ ..] = *head else { return None };
        let [g0, g1, g2, g3, g4, g5, g6, g7, s0, s1, s2, s3, n0, n1, n2, n3, c0, c1, c2, c3, count] = fields;
        let (segments, rest) = rest.split_at_checked(usize::from(count))?;
        let length = segments.iter().map(|&length| usize::from(length)).sum();
        let body = rest.get(..length)?;
        let mut blank = *head;
        blank.iter_mut().skip(22).take(4).for_each(|byte| *byte = 0);
        if checksum([&blank, segments, body]) != u32::from_le_bytes([c0, c1, c2, c3]) {
            return None;
        }
        Some(Page {
            continued: flags & CONTINUED != 0,
            last: flags & LAST != 0,
            granule: u64::from_le_bytes([g0, g1, g2, g3, g4, g5, g6, g7]),
            serial: u32::from_le_bytes([s0, s1, s2, s3]),
            sequence: u32::from_le_bytes([n0, n1, n2, n3]),
            segments,
            body,
            bytes: HEAD + segments.len() + length,
        })
    }

    /// The pieces of packets on it, and whether each ends here.
    pub fn pieces(self) -> impl Iterator<Item = (&'a [u8], bool)> {
        let (mut segments, mut body) = (self.segments, self.body);
        std::iter::from_fn(move || {
            let end = segments.iter().position(|&length| length < 255);
            let (now, later) = segments.split_at_checked(end.map_or(segments.len(), |end| end + 1))?;
            if now.is_empty() {
                return None;
            }
            segments = later;
            let length = now.iter().map(|&length| usize::from(length)).sum();
            let (piece, rest) = body.split_at_checked(length)?;
            body = rest;
            Some((piece, end.is_some()))
        })
    }
}

/// Places that look like a page and are none, after which a file is given up: a forged one must not keep us busy.
const LOOKALIKES: usize = 256;

/// Finds the next page at or after `at`: its place, and the page. Damage is passed over.
pub fn find(bytes: &[u8], mut at: usize) -> Option<(usize, Page<'_>)> {
    for _ in 0..LOOKALIKES {
        let rest = bytes.get(at..)?;
        if let Some(page) = Page::read(rest) {
            return Some((at, page));
        }
        let next = rest.get(1..)?.windows(4).position(|window| window == b"OggS")?;
        at += 1 + next;
    }
    None
}

/// Makes the pages of one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writer {
    serial: u32,
    sequence: u32,
    segments: Vec<u8>,
    body: Vec<u8>,
    granule: u64,
}

impl Writer {
    /// A stream that begins, or goes on with page `sequence`.
    pub fn new(serial: u32, sequence: u32) -> Writer {
        Writer { serial, sequence, segments: Vec::new(), body: Vec::new(), granule: 0 }
    }

    /// Number of the page that is made next.
    pub fn sequence(&self) -> u32 {
        self.sequence
    }

    /// Puts a packet, after which the stream is at `granule`, onto the page; false: it does not fit, and the page has to be made first. A
    /// packet that fits no page at all is left out.
    pub fn packet(&mut self, packet: &[u8], granule: u64) -> bool {
        let segments = packet.len() / 255 + 1;
        if segments > SEGMENTS {
            return true;
        }
        if self.segments.len() + segments > SEGMENTS {
            return false;
        }
        self.segments.extend(std::iter::repeat_n(255, segments - 1));
        self.segments.push((packet.len() % 255) as u8);
        self.body.extend_from_slice(packet);
        self.granule = granule;
        true
    }

    /// Whether the page holds packets.
    pub fn holds(&self) -> bool {
        !self.segments.is_empty()
    }

    /// Appends the page to `out`.
    pub fn page(&mut self, last: bool, out: &mut Vec<u8>) {
        let flags = if self.sequence == 0 { FIRST } else { 0 } | if last { LAST } else { 0 };
        let mut head = [0u8; HEAD];
        let fields: [&[u8]; 7] = [
            b"OggS",
            &[0, flags],
            &self.granule.to_le_bytes(),
            &self.serial.to_le_bytes(),
            &self.sequence.to_le_bytes(),
            &[0; 4],
            &[self.segments.len() as u8],
        ];
        head.iter_mut().zip(fields.into_iter().flatten()).for_each(|(place, &byte)| *place = byte);
        let sum = checksum([&head, &self.segments, &self.body]).to_le_bytes();
        head.iter_mut().skip(22).zip(sum).for_each(|(place, byte)| *place = byte);
        out.extend_from_slice(&head);
        out.append(&mut self.segments);
        out.append(&mut self.body);
        self.sequence = self.sequence.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packets(bytes: &[u8]) -> Vec<Vec<u8>> {
        let (mut at, mut list, mut part) = (0, Vec::new(), Vec::new());
        while let Some((place, page)) = find(bytes, at) {
            at = place + page.bytes;
            for (piece, ends) in page.pieces() {
                part.extend_from_slice(piece);
                if ends {
                    list.push(std::mem::take(&mut part));
                }
            }
        }
        list
    }

    #[test]
    fn the_checksum_is_that_of_others() {
        // The catalogue's check value of this CRC without its final inversions.
        assert_eq!(0x89a1_897f, checksum([b"123456789", &[], &[]]));
    }

    #[test]
    fn damage_is_passed_over() {
        let (mut writer, mut bytes) = (Writer::new(1, 0), Vec::new());
        for n in 0..4u8 {
            assert!(writer.packet(&[n; 3], 1));
            writer.page(n == 3, &mut bytes);
        }
        let length = bytes.len() / 4;
        bytes[length + 30] ^= 1;
        assert_eq!(vec![vec![0; 3], vec![2; 3], vec![3; 3]], packets(&bytes));
        let noise = [b"OggOggS".as_slice(), &bytes].concat();
        assert_eq!(3, packets(&noise).len());
        assert!(Page::read(&bytes[3 * length..]).unwrap().last);
    }

    proptest! {
        #[test]
        fn packets_come_out_as_they_were_put_in(list in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..1_200), 0..40)) {
            let (mut writer, mut bytes) = (Writer::new(7, 0), Vec::new());
            for packet in &list {
                if !writer.packet(packet, 5) {
                    writer.page(false, &mut bytes);
                    prop_assert!(writer.packet(packet, 5));
                }
            }
            writer.page(true, &mut bytes);
            prop_assert_eq!(list, packets(&bytes));
        }

        #[test]
        fn any_bytes_are_read_to_their_end(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
            packets(&bytes);
        }
    }
}
