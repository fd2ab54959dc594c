//! One WebSocket frame's head, read and written (RFC 6455 5.2). It keeps no state between frames.

use super::WsError;

/// Bytes of a control frame's payload (RFC 6455 5.5).
pub const CONTROL_BYTES: usize = 125;

/// What a frame carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Opcode {
    /// The next part of a message.
    Continuation = 0,
    /// A message of UTF-8, or its first part.
    Text = 1,
    /// A message of bytes, or its first part.
    Binary = 2,
    /// The end.
    Close = 8,
    /// To be answered with a pong.
    Ping = 9,
    /// A ping's answer.
    Pong = 10,
}

/// A frame's head.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Head {
    pub fin: bool,
    pub opcode: Opcode,
    pub mask: [u8; 4],
    /// Bytes of the head.
    pub bytes: usize,
    /// Bytes of the payload; no more than `most`.
    pub payload: usize,
}

impl Head {
    /// Reads the head of a client's frame, whose payload may have `most` bytes; `None`: it is not whole.
    pub fn read(bytes: &[u8], most: usize) -> Result<Option<Head>, WsError> {
        let [first, second, rest @ ..] = bytes else { return Ok(None) };
        let opcode = match first & 0x0f {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            _ => return Err(WsError::Protocol("unknown opcode")),
        };
        if first & 0x70 != 0 {
            return Err(WsError::Protocol("a reserved bit is set"));
        }
        // RFC 6455 5.1: what a client sends is masked, or proxies could be made to cache what it chose.
        if second & 0x80 == 0 {
            return Err(WsError::Protocol("not masked"));
        }
        let (fin, short) = (first & 0x80 != 0, usize::from(second & 0x7f));
        if (opcode as u8) >= 8 && (!fin || short > CONTROL_BYTES) {
            return Err(WsError::Protocol("a control frame is fragmented or above 125 bytes"));
        }
        let (payload, rest) = match short {
            126 => match rest {
                [a, b, rest @ ..] => (u64::from(u16::from_be_bytes([*a, *b])), rest),
                _ => return Ok(None),
            },
            127 => match rest.split_first_chunk::<8>() {
                Some((eight, rest)) => (u64::from_be_bytes(*eight), rest),
                None => return Ok(None),
            },
            short => (short as u64, rest),
        };
        if (short == 126 && payload < 126) || (short == 127 && payload <= 0xffff) {
            return Err(WsError::Protocol("a length is longer than it needs to be"));
        }
        if (opcode as u8) < 8 && payload > most as u64 {
            return Err(WsError::TooLarge);
        }
        let Some((mask, rest)) = rest.split_first_chunk::<4>() else { return Ok(None) };
        Ok(Some(Head { fin, opcode, mask: *mask, bytes: bytes.len() - rest.len(), payload: payload as usize }))
    }
}

/// Takes a mask off, or puts it on.
pub(super) fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let long = u64::from_ne_bytes([mask[0], mask[1], mask[2], mask[3], mask[0], mask[1], mask[2], mask[3]]);
    let mut eights = payload.chunks_exact_mut(8);
    for eight in eights.by_ref() {
        let Some((bytes, _)) = eight.split_first_chunk_mut::<8>() else { continue };
        *bytes = (u64::from_ne_bytes(*bytes) ^ long).to_ne_bytes();
    }
    eights.into_remainder().iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
}

/// Appends one whole frame; a server's has no mask.
pub fn push_frame(out: &mut Vec<u8>, fin: bool, opcode: Opcode, payload: &[u8], mask: Option<[u8; 4]>) {
    out.push(u8::from(fin) << 7 | opcode as u8);
    let masked = if mask.is_some() { 0x80 } else { 0 };
    match payload.len() {
        short @ 0..=125 => out.push(masked | short as u8),
        middle @ 126..=0xffff => {
            out.push(masked | 126);
            out.extend_from_slice(&(middle as u16).to_be_bytes());
        }
        long => {
            out.push(masked | 127);
            out.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(mask.as_ref().map_or(&[], |mask| &mask[..]));
    let start = out.len();
    out.extend_from_slice(payload);
    if let (Some(mask), Some(written)) = (mask, out.get_mut(start..)) {
        unmask(written, mask);
    }
}

/// Appends one SIP message as a server sends it: as text where it is UTF-8, which every client reads, else as bytes (RFC 7118 5).
///
/// ```
/// let mut out = Vec::new();
/// tandem_sip::ws::push_message(&mut out, b"SIP/2.0 200 OK\r\n\r\n");
/// assert_eq!(b"\x81\x12SIP/2.0", &out[..9]);
/// ```
pub fn push_message(out: &mut Vec<u8>, message: &[u8]) {
    let opcode = if std::str::from_utf8(message).is_ok() { Opcode::Text } else { Opcode::Binary };
    push_frame(out, true, opcode, message, None);
}

/// Appends a server's Close with a status code (RFC 6455 7.4); 1005 stands for none, and is not written.
pub fn push_close(out: &mut Vec<u8>, code: u16) {
    let bytes = code.to_be_bytes();
    push_frame(out, true, Opcode::Close, if code == 1005 { &[] } else { &bytes }, None);
}
