//! The little of DTLS records that is read here: which datagram begins a handshake, and which answers one. All else is `dimpl`'s.

/// Whether a datagram is DTLS by its first byte (RFC 9443 3).
pub fn is_dtls(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|first| (20..=63).contains(first))
}

/// Of a datagram that begins with a ClientHello (or its first fragment): its random, which its retransmissions have too.
pub(super) fn client_hello(bytes: &[u8]) -> Option<[u8; 32]> {
    // Behind the handshake's head: version (2), random (32).
    let (1, body) = plain_handshake(bytes)? else { return None };
    body.get(2..34)?.try_into().ok()
}

/// Whether a datagram begins with what a server says first, whole: HelloVerifyRequest or ServerHello.
pub(super) fn answers_hello(bytes: &[u8]) -> bool {
    matches!(plain_handshake(bytes), Some((2 | 3, _)))
}

/// Whether a datagram of ours only asks for the ClientHello again, with a cookie: HelloVerifyRequest, or the ServerHello whose random says
/// that it is a HelloRetryRequest (RFC 8446 4.1.3).
pub(super) fn asks_again(bytes: &[u8]) -> bool {
    match plain_handshake(bytes) {
        Some((3, _)) => true,
        Some((2, body)) => body.get(2..34) == Some(&RETRY),
        _ => false,
    }
}

const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb,
    0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// Of a datagram that begins with a fatal alert that nothing guards: what it says (RFC 8446 6). Warnings say nothing.
pub(super) fn plain_alert(bytes: &[u8]) -> Option<u8> {
    let [21, _, _, 0, 0, record @ ..] = bytes else { return None };
    let [2, description, ..] = record.get(8..)? else { return None };
    Some(*description)
}

/// Kind and body of an unencrypted handshake message's first fragment (RFC 6347 4.1, 4.2.2).
fn plain_handshake(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let [22, _, _, 0, 0, record @ ..] = bytes else { return None };
    let fragment = record.get(8..)?; // sequence number (6), length (2)
    let [kind, _, _, _, _, _, 0, 0, 0, high, middle, low, body @ ..] = fragment else { return None };
    let length = usize::from(*high) << 16 | usize::from(*middle) << 8 | usize::from(*low);
    Some((*kind, body.get(..length)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(kind: u8, epoch: u8, offset: u8, body: usize) -> Vec<u8> {
        let mut bytes = vec![22, 254, 253, 0, epoch, 0, 0, 0, 0, 0, 0];
        bytes.extend_from_slice(&(12 + body as u16).to_be_bytes());
        bytes.extend_from_slice(&[kind, 0, 0, body as u8, 0, 0, 0, 0, offset, 0, 0, body as u8]);
        bytes.extend((0..body).map(|at| at as u8));
        bytes
    }

    #[test]
    fn a_client_hello_is_known_by_its_random() {
        let random: Vec<u8> = (2..34).collect();
        assert_eq!(Some(random), client_hello(&hello(1, 0, 0, 40)).map(Vec::from));
        for other in [hello(1, 0, 0, 33), hello(2, 0, 0, 40), hello(1, 1, 0, 40), hello(1, 0, 1, 40), hello(1, 0, 0, 40)[..60].to_vec()] {
            assert_eq!(None, client_hello(&other));
        }
    }

    #[test]
    fn what_a_server_says_first_is_known() {
        assert!(answers_hello(&hello(2, 0, 0, 40)) && answers_hello(&hello(3, 0, 0, 4)));
        assert!(!answers_hello(&hello(1, 0, 0, 40)) && !answers_hello(&hello(11, 0, 0, 40)) && !answers_hello(&hello(2, 0, 0, 40)[..30]));
        let alert = |epoch, level| [21, 254, 253, 0, epoch, 0, 0, 0, 0, 0, 0, 0, 2, level, 40];
        assert_eq!((Some(40), None, None), (plain_alert(&alert(0, 2)), plain_alert(&alert(1, 2)), plain_alert(&alert(0, 1))));
        assert!(is_dtls(&[20]) && is_dtls(&[63]) && !is_dtls(&[19]) && !is_dtls(&[64]) && !is_dtls(&[]));
    }
}
