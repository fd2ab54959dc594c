//! Where a message ends in a stream of them: `cookie SP` and a bencode or JSON dictionary, line ends between. It does not read values.

/// Longest message of a stream, in bytes.
pub const MESSAGE_BYTES: usize = 65_536;
/// Longest cookie, in bytes.
const COOKIE_BYTES: usize = 255;

/// Why a stream cannot go on: nobody knows where its next message begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken;

/// The end of the first message; `None`: more must come.
pub fn end(bytes: &[u8]) -> Result<Option<usize>, Broken> {
    let Some(space) = bytes.iter().position(|byte| *byte == b' ') else {
        return if bytes.len() > COOKIE_BYTES { Err(Broken) } else { Ok(None) };
    };
    let body = space + 1;
    let rest = bytes.get(body..).unwrap_or_default();
    let length = match rest.first() {
        None => None,
        Some(b'd') => bencode(rest)?,
        Some(b'{') => json(rest),
        Some(_) => return Err(Broken),
    };
    match length {
        Some(length) => Ok(Some(body + length)),
        None if bytes.len() > MESSAGE_BYTES => Err(Broken),
        None => Ok(None),
    }
}

/// What may stand between messages.
pub fn gap(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

fn bencode(bytes: &[u8]) -> Result<Option<usize>, Broken> {
    let (mut at, mut depth) = (0, 0usize);
    loop {
        let Some(first) = bytes.get(at) else { return Ok(None) };
        match first {
            b'd' | b'l' => {
                depth += 1;
                at += 1;
            }
            b'e' => {
                depth = depth.checked_sub(1).ok_or(Broken)?;
                at += 1;
            }
            b'i' => match bytes.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == b'e')) {
                Some(length) => at += length + 1,
                None => return Ok(None),
            },
            b'0'..=b'9' => {
                let rest = bytes.get(at..).unwrap_or_default();
                let Some(colon) = rest.iter().position(|byte| *byte == b':') else {
                    return if rest.len() > 6 { Err(Broken) } else { Ok(None) };
                };
                let digits = rest.get(..colon).and_then(|digits| std::str::from_utf8(digits).ok());
                let length: usize = digits.and_then(|digits| digits.parse().ok()).filter(|n| *n <= MESSAGE_BYTES).ok_or(Broken)?;
                at += colon + 1 + length;
            }
            _ => return Err(Broken),
        }
        if depth == 0 {
            return Ok((at <= bytes.len()).then_some(at));
        }
    }
}

fn json(bytes: &[u8]) -> Option<usize> {
    let (mut depth, mut text, mut escaped) = (0usize, false, false);
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if text => escaped = true,
            b'"' => text = !text,
            b'{' | b'[' if !text => depth += 1,
            b'}' | b']' if !text => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{end, gap, Broken};

    #[test]
    fn a_message_ends_where_its_dictionary_does() {
        for message in [&b"1_2 d7:command4:pinge"[..], b"x d1:ali1ei-2eee", b"a {\"a\": \"}\\\"{\", \"b\": [{}]}", b"a d1:a2:eee"] {
            let mut more = message.to_vec();
            more.extend_from_slice(b"\r\n7 de");
            assert_eq!(Ok(Some(message.len())), end(&more));
            assert_eq!(2, gap(&more[message.len()..]));
            for cut in 0..message.len() {
                assert_eq!(Ok(None), end(&message[..cut]), "{cut}");
            }
        }
    }

    #[test]
    fn what_can_be_no_message_breaks_the_stream() {
        for text in [&b"1 x"[..], b"1 dx", b"1 d99999999:", b"1 d70000:"] {
            assert_eq!(Err(Broken), end(text), "{:?}", String::from_utf8_lossy(text));
        }
        assert_eq!(Err(Broken), end(&[b'x'; 300]));
    }
}
