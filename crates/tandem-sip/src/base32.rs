//! Five-bit text: the alphabet of call ids, tags, branches and route tokens.

/// The alphabet, in order of value. No `i l o u`: they look like others or spell words.
pub const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Appends the low `5 * chars` bits of `value`, most significant first.
///
/// ```
/// let mut text = Vec::new();
/// tandem_sip::base32::push(&mut text, 1023, 2);
/// assert_eq!(b"zz", &text[..]);
/// ```
pub fn push(out: &mut impl Extend<u8>, value: u64, chars: u32) {
    out.extend((0..chars).rev().map(|i| {
        let bits = if i * 5 >= 64 { 0 } else { (value >> (i * 5)) & 31 };
        ALPHABET[bits as usize]
    }));
}

/// Reads text that `push` wrote; `None` for a foreign character or more than 13 characters.
pub fn read(text: &[u8]) -> Option<u64> {
    if text.len() > 13 {
        return None;
    }
    let mut value: u64 = 0;
    for &c in text {
        value = (value << 5) | u64::from(digit(c)?);
    }
    Some(value)
}

/// The value of one character.
pub fn digit(c: u8) -> Option<u8> {
    const NONE: u8 = 255;
    const TABLE: [u8; 256] = {
        let mut table = [NONE; 256];
        let mut i = 0;
        while i < 32 {
            table[ALPHABET[i] as usize] = i as u8;
            i += 1;
        }
        table
    };
    let value = TABLE[c as usize];
    (value != NONE).then_some(value)
}
