//! A media section: its media line and the lines that follow. It does not know its neighbours.

use super::line::Line;
use super::protocol::Protocol;
use super::FORMATS;

/// A media line, read (RFC 8866 5.14).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// "audio", "video", "image", "application" …
    pub kind: String,
    /// 0: rejected or removed.
    pub port: u16,
    /// `port/count`: ports in a row; 1 when not given.
    pub ports: u16,
    /// Transport.
    pub protocol: Protocol,
    /// Payload numbers or other formats, in order of preference.
    pub formats: Vec<String>,
}

impl Media {
    /// Reads the value of a media line.
    pub(super) fn parse(value: &[u8]) -> Option<Media> {
        let mut words = std::str::from_utf8(value).ok()?.split_ascii_whitespace();
        let kind = words.next()?.to_owned();
        let port = words.next()?;
        let (port, ports) = port.split_once('/').map_or((port, "1"), |(port, ports)| (port, ports));
        let protocol = Protocol::parse(words.next()?);
        let formats: Vec<_> = words.map(str::to_owned).take(FORMATS + 1).collect();
        (formats.len() <= FORMATS).then_some(())?;
        Some(Media { kind, port: port.parse().ok()?, ports: ports.parse().ok().filter(|&ports| ports > 0)?, protocol, formats })
    }

    /// The media line.
    pub fn line(&self) -> Line<'static> {
        let ports = if self.ports > 1 { format!("/{}", self.ports) } else { String::new() };
        let formats: String = self.formats.iter().flat_map(|format| [" ", format]).collect();
        Line::from(format!("m={} {}{ports} {}{formats}", self.kind, self.port, self.protocol.as_str()))
    }
}

/// A media section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section<'a> {
    /// The media line as it is written.
    pub head: Line<'a>,
    /// The same, read. Change it by [`Section::set_media`].
    pub media: Media,
    /// The lines below it, in order.
    pub lines: Vec<Line<'a>>,
}

impl<'a> Section<'a> {
    /// A section with nothing but its media line.
    pub fn new(media: Media) -> Section<'a> {
        Section { head: media.line(), media, lines: Vec::new() }
    }

    /// Replaces the media line, if it differs.
    pub fn set_media(&mut self, media: Media) {
        if media != self.media {
            self.head = media.line();
            self.media = media;
        }
    }

    /// The value of the first attribute of that name.
    pub fn attribute(&self, name: &str) -> Option<&[u8]> {
        self.lines.iter().find_map(|line| line.attribute(name))
    }

    /// The values of all attributes of that name.
    pub fn attributes<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s [u8]> + 's {
        self.lines.iter().filter_map(move |line| line.attribute(name))
    }

    /// Whether an attribute is there.
    pub fn has(&self, name: &str) -> bool {
        self.attribute(name).is_some()
    }

    /// The identification tag (RFC 5888).
    pub fn mid(&self) -> Option<String> {
        self.attribute("mid").map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// Takes all attributes of these names out.
    pub fn strip(&mut self, names: &[&str]) {
        self.lines.retain(|line| !line.is_one_of(names));
    }

    /// Appends an attribute; a flag without `value`.
    pub fn push(&mut self, name: &str, value: Option<&str>) {
        self.lines.push(Line::attribute_of(name, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_line_is_read_and_written() {
        for text in [
            "audio 5004 RTP/AVP 0 8 101",
            "audio 5004/2 RTP/AVP 0",
            "image 4000 udptl t38",
            "application 9 UDP/DTLS/SCTP webrtc-datachannel",
            "audio 0 RTP/AVP",
        ] {
            let media = Media::parse(text.as_bytes()).unwrap();
            assert_eq!(format!("m={text}"), String::from_utf8_lossy(media.line().bytes()));
        }
        for text in ["audio", "audio 5004", "audio 70000 RTP/AVP 0", "audio -1 RTP/AVP 0", "audio 1/0 RTP/AVP 0", "audio x RTP/AVP 0"] {
            assert_eq!(None, Media::parse(text.as_bytes()), "{text}");
        }
        assert_eq!(None, Media::parse(format!("audio 1 RTP/AVP{}", " 0".repeat(FORMATS + 1)).as_bytes()));
    }

    #[test]
    fn an_odd_media_line_stays_as_it_came_until_it_is_changed() {
        let media = Media::parse(b"audio  5004 RTP/AVP 0 ").unwrap();
        let mut section = Section { head: Line::from(&b"m=audio  5004 RTP/AVP 0 "[..]), media: media.clone(), lines: vec![] };
        section.set_media(media.clone());
        assert_eq!(b"m=audio  5004 RTP/AVP 0 ", section.head.bytes());
        section.set_media(Media { port: 6000, ..media });
        assert_eq!(b"m=audio 6000 RTP/AVP 0", section.head.bytes());
    }
}
