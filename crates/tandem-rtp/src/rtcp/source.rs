//! What sources say of themselves: SDES, BYE and APP (RFC 3550 6.5 to 6.7), read.

use super::RtcpError;

/// The canonical name's item type (RFC 3550 6.5.1).
pub const CNAME: u8 = 1;

/// SDES: its chunks have been found to fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sdes<'a> {
    chunks: u8,
    body: &'a [u8],
}

/// One item of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SdesItem<'a> {
    /// Of whom.
    pub ssrc: u32,
    /// [`CNAME`], or another type.
    pub kind: u8,
    /// UTF-8, as the peer has it.
    pub text: &'a [u8],
}

impl<'a> Sdes<'a> {
    pub(super) fn read(chunks: u8, body: &'a [u8]) -> Result<Sdes<'a>, RtcpError> {
        let sdes = Sdes { chunks, body };
        let mut items = sdes.items();
        items.by_ref().for_each(drop);
        if items.broken || items.chunks > 0 {
            return Err(RtcpError::Chunks);
        }
        Ok(sdes)
    }

    /// All items of all chunks.
    pub fn items(&self) -> SdesItems<'a> {
        SdesItems { rest: self.body, chunks: self.chunks, ssrc: None, length: self.body.len(), broken: false }
    }

    /// The first CNAME, with its source.
    pub fn cname(&self) -> Option<(u32, &'a [u8])> {
        self.items().find(|item| item.kind == CNAME).map(|item| (item.ssrc, item.text))
    }
}

/// Items in order.
#[derive(Debug, Clone)]
pub struct SdesItems<'a> {
    rest: &'a [u8],
    /// Chunks that have not begun, or not ended.
    chunks: u8,
    /// Of the chunk that has begun.
    ssrc: Option<u32>,
    length: usize,
    broken: bool,
}

impl<'a> Iterator for SdesItems<'a> {
    type Item = SdesItem<'a>;

    fn next(&mut self) -> Option<SdesItem<'a>> {
        while self.chunks > 0 && !self.broken {
            let Some(ssrc) = self.ssrc else {
                let Some((ssrc, rest)) = self.rest.split_first_chunk::<4>() else {
                    self.broken = true;
                    return None;
                };
                self.ssrc = Some(u32::from_be_bytes(*ssrc));
                self.rest = rest;
                continue;
            };
            match self.rest {
                [0, ..] => {
                    // A chunk ends with one zero, and zeros up to the next word (RFC 3550 6.5).
                    let at = self.length - self.rest.len();
                    self.rest = self.rest.get(4 - at % 4..).unwrap_or_default();
                    self.ssrc = None;
                    self.chunks -= 1;
                }
                [kind, length, rest @ ..] if rest.len() >= usize::from(*length) => {
                    let (text, rest) = rest.split_at(usize::from(*length));
                    self.rest = rest;
                    return Some(SdesItem { ssrc, kind: *kind, text });
                }
                _ => self.broken = true,
            }
        }
        None
    }
}

/// BYE (RFC 3550 6.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bye<'a> {
    sources: &'a [[u8; 4]],
    /// Why, in the peer's words.
    pub reason: Option<&'a [u8]>,
}

impl<'a> Bye<'a> {
    pub(super) fn read(count: u8, body: &'a [u8]) -> Result<Bye<'a>, RtcpError> {
        let (sources, rest) = body.split_at_checked(4 * usize::from(count)).ok_or(RtcpError::Short)?;
        let reason = match rest {
            [] => None,
            [length, text @ ..] => Some(text.get(..usize::from(*length)).ok_or(RtcpError::Short)?),
        };
        Ok(Bye { sources: sources.as_chunks().0, reason })
    }

    /// Who leaves.
    pub fn sources(&self) -> impl Iterator<Item = u32> + 'a {
        self.sources.iter().map(|ssrc| u32::from_be_bytes(*ssrc))
    }
}

/// APP (RFC 3550 6.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct App<'a> {
    /// Five bits.
    pub subtype: u8,
    /// Who sends it.
    pub ssrc: u32,
    /// Four letters.
    pub name: [u8; 4],
    /// The rest.
    pub data: &'a [u8],
}

impl<'a> App<'a> {
    pub(super) fn read(subtype: u8, body: &'a [u8]) -> Result<App<'a>, RtcpError> {
        let (ssrc, rest) = body.split_first_chunk::<4>().ok_or(RtcpError::Short)?;
        let (name, data) = rest.split_first_chunk::<4>().ok_or(RtcpError::Short)?;
        Ok(App { subtype, ssrc: u32::from_be_bytes(*ssrc), name: *name, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::{read, Packet};

    fn sdes(count: u8, body: &[u8]) -> Result<Sdes<'_>, RtcpError> {
        Sdes::read(count, body)
    }

    #[test]
    fn items_are_read_chunk_by_chunk() {
        let one = [0, 0, 0, 1, 1, 3, b'a', b'@', b'b', 6, 0, 0];
        let two = [0, 0, 0, 2, 1, 2, b'c', b'd', 0, 0, 0, 0];
        let body = [one, two].concat();
        let read = sdes(2, &body).unwrap();
        let items: Vec<_> = read.items().map(|item| (item.ssrc, item.kind, item.text)).collect();
        assert_eq!(vec![(1, 1, b"a@b".as_slice()), (1, 6, b""), (2, 1, b"cd")], items);
        assert_eq!(Some((1, b"a@b".as_slice())), read.cname());
        assert_eq!(None, sdes(0, &[]).unwrap().cname());
    }

    #[test]
    fn chunks_that_do_not_fit_are_refused() {
        for (count, body) in [
            (1, &[][..]),
            (1, &[0, 0, 0]),
            (1, &[0, 0, 0, 1]),
            (1, &[0, 0, 0, 1, 1]),
            (1, &[0, 0, 0, 1, 1, 3, b'a', b'b']),
            (1, &[0, 0, 0, 1, 1, 2, b'a', b'b']),
            (2, &[0, 0, 0, 1, 0, 0, 0, 0]),
        ] {
            assert_eq!(Err(RtcpError::Chunks), sdes(count, body).map(|_| ()), "{body:?}");
        }
    }

    #[test]
    fn a_bye_and_an_app_are_read() {
        let bytes = [0x82, 203, 0, 4, 0, 0, 0, 1, 0, 0, 0, 2, 6, b'h', b'a', b'n', b'g', b'u', b'p', 0];
        let Some(Ok(Packet::Bye(bye))) = read(&bytes).next() else { panic!() };
        assert_eq!((vec![1, 2], Some(b"hangup".as_slice())), (bye.sources().collect(), bye.reason));
        assert_eq!(Err(RtcpError::Short), Bye::read(1, &[0, 0, 0, 1, 3, 1, 2]));
        let bytes = [0x83, 204, 0, 3, 0, 0, 0, 1, b'n', b'a', b'm', b'e', 1, 2, 3, 4];
        let app = App { subtype: 3, ssrc: 1, name: *b"name", data: &[1, 2, 3, 4] };
        assert_eq!(Some(Ok(Packet::App(app))), read(&bytes).next());
    }
}
