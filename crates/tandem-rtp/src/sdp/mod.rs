//! Session descriptions (RFC 8866) as lines: read, changed, and written with every line that was not understood as it came. Nothing is negotiated here.
//!
//! ```
//! use tandem_rtp::sdp::Description;
//! let bytes = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nm=audio 5004 RTP/AVP 0\r\nx=\xff\r\n";
//! let description = Description::read(bytes).unwrap();
//! assert_eq!(5004, description.sections[0].media.port);
//! assert_eq!(&bytes[..], description.write());
//! ```

mod address;
mod candidate;
mod crypto;
mod direction;
mod dtls;
mod line;
mod payload;
mod protocol;
mod section;

pub use address::{rtcp_port, Connection, Family, Origin};
pub use candidate::{Candidate, CandidateKind};
pub use crypto::{Crypto, MASTER_BYTES};
pub use direction::Direction;
pub use dtls::{Fingerprint, Setup};
pub use line::Line;
pub use payload::{payloads, static_payload};
pub use protocol::Protocol;
pub use section::{Media, Section};

/// Bytes of a description.
pub const DESCRIPTION_BYTES: usize = 65_536;
/// Media sections of a description.
pub const SECTIONS: usize = 32;
/// Lines of a description.
pub const LINES: usize = 2_048;
/// Bytes of a line.
pub const LINE_BYTES: usize = 8_192;
/// Formats of a media line.
pub const FORMATS: usize = 128;

/// Why a description cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadDescription {
    /// More than [`DESCRIPTION_BYTES`].
    #[error("description is larger than {DESCRIPTION_BYTES} bytes")]
    Large,
    /// More than [`SECTIONS`].
    #[error("more than {SECTIONS} media sections")]
    Sections,
    /// More than [`LINES`].
    #[error("more than {LINES} lines")]
    Lines,
    /// Line of that number (first is 1) is longer than [`LINE_BYTES`].
    #[error("line {0} is longer than {LINE_BYTES} bytes")]
    Long(usize),
    /// It does not begin with `v=0`.
    #[error("description does not begin with v=0")]
    Version,
    /// Line of that number is not `x=...`.
    #[error("line {0} has no type")]
    Untyped(usize),
    /// The media line of that number cannot be read.
    #[error("media line {0} cannot be read")]
    Media(usize),
}

/// A description: what stands before the first media line, and the media sections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description<'a> {
    /// Lines of the session, `v=0` first.
    pub session: Vec<Line<'a>>,
    /// Media sections, in order.
    pub sections: Vec<Section<'a>>,
}

impl<'a> Description<'a> {
    /// Reads a description. Lines may end in CRLF or LF; empty ones are passed over.
    ///
    /// # Errors
    /// A limit, or a line that no description can have. An attribute that cannot be read is no error: it stays a line.
    pub fn read(bytes: &'a [u8]) -> Result<Description<'a>, BadDescription> {
        if bytes.len() > DESCRIPTION_BYTES {
            return Err(BadDescription::Large);
        }
        let mut description = Description { session: Vec::new(), sections: Vec::new() };
        for (index, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
            let (number, line) = (index + 1, line.strip_suffix(b"\r").unwrap_or(line));
            if number > LINES {
                return Err(BadDescription::Lines);
            }
            if !line.is_empty() {
                description.add(number, line)?;
            }
        }
        match description.session.is_empty() {
            true => Err(BadDescription::Version),
            false => Ok(description),
        }
    }

    fn add(&mut self, number: usize, line: &'a [u8]) -> Result<(), BadDescription> {
        match line {
            _ if line.len() > LINE_BYTES => return Err(BadDescription::Long(number)),
            [b'a'..=b'z', b'=', ..] => {}
            _ => return Err(BadDescription::Untyped(number)),
        }
        match line {
            [b'm', ..] if self.sections.len() == SECTIONS => return Err(BadDescription::Sections),
            _ if self.session.is_empty() && line.trim_ascii_end() != b"v=0" => return Err(BadDescription::Version),
            [b'm', _, value @ ..] => {
                let media = Media::parse(value).ok_or(BadDescription::Media(number))?;
                self.sections.push(Section { head: Line::from(line), media, lines: Vec::new() });
            }
            _ => self.sections.last_mut().map_or(&mut self.session, |section| &mut section.lines).push(Line::from(line)),
        }
        Ok(())
    }

    /// Writes it, each line with CRLF.
    pub fn write(&self) -> Vec<u8> {
        let heads = self.sections.iter().map(|section| (&section.head, &section.lines));
        let mut out = Vec::new();
        let mut push = |line: &Line| {
            out.extend_from_slice(line.bytes());
            out.extend_from_slice(b"\r\n");
        };
        self.session.iter().for_each(&mut push);
        for (head, lines) in heads {
            push(head);
            lines.iter().for_each(&mut push);
        }
        out
    }

    /// The origin, if its line has six fields.
    pub fn origin(&self) -> Option<Origin> {
        self.session.iter().find_map(|line| line.of_type(b'o')).and_then(Origin::parse)
    }

    /// The value of the first session attribute of that name.
    pub fn attribute(&self, name: &str) -> Option<&[u8]> {
        self.session.iter().find_map(|line| line.attribute(name))
    }

    /// The value of an attribute of a section, else of the session.
    pub fn inherited<'s>(&'s self, section: &'s Section<'a>, name: &str) -> Option<&'s [u8]> {
        section.attribute(name).or_else(|| self.attribute(name))
    }

    /// The address of a section's connection line, else of the session's.
    pub fn connection(&self, section: &Section<'a>) -> Option<Connection> {
        let first = |lines: &[Line]| lines.iter().find_map(|line| line.of_type(b'c')).map(Connection::parse);
        first(&section.lines).or_else(|| first(&self.session)).flatten()
    }

    /// The direction of a section, else of the session, else sendrecv (RFC 8866 6.7).
    pub fn direction(&self, section: &Section<'a>) -> Direction {
        let first = |lines: &[Line]| lines.iter().find_map(Direction::of_line);
        first(&section.lines).or_else(|| first(&self.session)).unwrap_or_default()
    }

    /// The identification tags of each BUNDLE group (RFC 9143).
    pub fn bundles(&self) -> Vec<Vec<String>> {
        let groups = self.session.iter().filter_map(|line| line.attribute("group"));
        groups
            .filter_map(|value| value.strip_prefix(b"BUNDLE"))
            .map(|tags| String::from_utf8_lossy(tags).split_ascii_whitespace().map(str::to_owned).collect())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n";

    #[test]
    fn session_values_are_inherited_and_a_section_has_the_last_word() {
        let text = format!("{HEAD}a=sendonly\r\na=setup:actpass\r\nm=audio 1 RTP/AVP 0\r\nm=video 2 RTP/AVP 96\r\nc=IN IP6 2001:db8::1\r\na=recvonly\r\na=setup:passive\r\n");
        let description = Description::read(text.as_bytes()).unwrap();
        let [audio, video] = &description.sections[..] else { panic!() };
        assert_eq!(Direction::SendOnly, description.direction(audio));
        assert_eq!(Direction::RecvOnly, description.direction(video));
        assert_eq!(Some(&b"actpass"[..]), description.inherited(audio, "setup"));
        assert_eq!(Some(&b"passive"[..]), description.inherited(video, "setup"));
        assert_eq!("192.0.2.1".parse().ok(), description.connection(audio).unwrap().address);
        assert_eq!("2001:db8::1".parse().ok(), description.connection(video).unwrap().address);
    }

    #[test]
    fn line_ends_may_be_bare_and_the_last_may_be_missing() {
        let description = Description::read(b"v=0\no=- 1 1 IN IP4 192.0.2.1\n\nm=audio 1 RTP/AVP 0").unwrap();
        assert_eq!(&b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\nm=audio 1 RTP/AVP 0\r\n"[..], description.write());
    }

    #[test]
    fn what_no_description_can_have_is_refused_with_its_line() {
        for (bytes, reason) in [
            (b"".to_vec(), BadDescription::Version),
            (b"o=- 1".to_vec(), BadDescription::Version),
            (b"m=audio 1 RTP/AVP 0".to_vec(), BadDescription::Version),
            (b"v=0\r\nhello\r\n".to_vec(), BadDescription::Untyped(2)),
            (b"v=0\r\nm=audio x RTP/AVP 0\r\n".to_vec(), BadDescription::Media(2)),
            ([b"v=0\r\na=", &[b'x'; LINE_BYTES][..]].concat(), BadDescription::Long(2)),
            ([b"v=0\r\n", &b"a=x\r\n".repeat(LINES)[..]].concat(), BadDescription::Lines),
            ([b"v=0\r\n", &b"m=audio 1 RTP/AVP 0\r\n".repeat(SECTIONS + 1)[..]].concat(), BadDescription::Sections),
            ([b"v=0\r\n", &b"\n".repeat(DESCRIPTION_BYTES)[..]].concat(), BadDescription::Large),
        ] {
            assert_eq!(Err(reason), Description::read(&bytes).map(|_| ()));
        }
    }

    #[test]
    fn bundles_are_told_by_their_tags() {
        let text = format!("{HEAD}a=group:BUNDLE 0 1\r\na=group:LS 0 1\r\na=group:BUNDLE\r\n");
        assert_eq!(vec![vec!["0".to_owned(), "1".to_owned()], vec![]], Description::read(text.as_bytes()).unwrap().bundles());
    }
}
