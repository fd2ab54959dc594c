//! Whether a TLS stream stands between records (RFC 8446 5.1): a record that does not end is a message that does not. It reads no more.

/// Bytes of a record's head.
const HEAD: u8 = 5;

/// Where a stream stands.
#[derive(Clone, Copy, Default, Debug)]
pub struct Records {
    /// Bytes of the head that came.
    have: u8,
    /// Bytes that the record still has.
    left: u16,
}

impl Records {
    /// Passes bytes as they came.
    pub fn pass(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let [first, after @ ..] = rest {
            if self.have == HEAD {
                let count = rest.len().min(usize::from(self.left));
                self.left -= count as u16;
                rest = rest.get(count..).unwrap_or_default();
            } else {
                // The length is in the last two.
                self.left = if self.have < 3 { 0 } else { self.left << 8 | u16::from(*first) };
                self.have += 1;
                rest = after;
            }
            if self.have == HEAD && self.left == 0 {
                self.have = 0;
            }
        }
    }

    /// Whether no record has begun that has not ended.
    pub fn whole(&self) -> bool {
        self.have == 0
    }
}

#[cfg(test)]
mod tests {
    use super::Records;

    #[test]
    fn a_stream_is_whole_between_records_only() {
        let bytes = [&[0x17, 3, 3, 1, 4][..], &[9; 260], &[0x15, 3, 3, 0, 0], &[0x17, 3, 3, 0, 1, 0]].concat();
        let ends = [265, 270, 276];
        for step in 1..=bytes.len() {
            let (mut records, mut at) = (Records::default(), 0);
            for part in bytes.chunks(step) {
                records.pass(part);
                at += part.len();
                assert_eq!(ends.contains(&at), records.whole(), "{at} by {step}");
            }
        }
    }
}
