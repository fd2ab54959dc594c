//! Payload types of a section: numbers joined with a=rtpmap, a=fmtp, or with what RFC 3551 gave them. No packet is read.

use super::section::Section;
use crate::plan::Payload;

/// The payload types of a media line, in order. Numbers that nothing explains are left out.
pub fn payloads(section: &Section) -> Vec<Payload> {
    let maps: Vec<Payload> = section.attributes("rtpmap").filter_map(rtpmap).collect();
    let fmtp = |number: u8| section.attributes("fmtp").find_map(|value| of_number(value, number)).unwrap_or_default();
    let numbers = section.media.formats.iter().filter_map(|format| format.parse::<u8>().ok().filter(|&number| number < 128));
    let known = numbers.filter_map(|number| maps.iter().find(|map| map.number == number).cloned().or_else(|| static_payload(number)));
    known.map(|payload| Payload { fmtp: fmtp(payload.number), ..payload }).collect()
}

/// A number that RFC 3551 6 has given away.
pub fn static_payload(number: u8) -> Option<Payload> {
    let (name, clock, channels) = match number {
        0 => ("PCMU", 8_000, 1),
        3 => ("GSM", 8_000, 1),
        4 => ("G723", 8_000, 1),
        5 => ("DVI4", 8_000, 1),
        6 => ("DVI4", 16_000, 1),
        7 => ("LPC", 8_000, 1),
        8 => ("PCMA", 8_000, 1),
        9 => ("G722", 8_000, 1),
        10 => ("L16", 44_100, 2),
        11 => ("L16", 44_100, 1),
        12 => ("QCELP", 8_000, 1),
        13 => ("CN", 8_000, 1),
        14 => ("MPA", 90_000, 1),
        15 => ("G728", 8_000, 1),
        16 => ("DVI4", 11_025, 1),
        17 => ("DVI4", 22_050, 1),
        18 => ("G729", 8_000, 1),
        25 => ("CELB", 90_000, 1),
        26 => ("JPEG", 90_000, 1),
        28 => ("NV", 90_000, 1),
        31 => ("H261", 90_000, 1),
        32 => ("MPV", 90_000, 1),
        33 => ("MP2T", 90_000, 1),
        34 => ("H263", 90_000, 1),
        _ => return None,
    };
    Some(Payload { number, name: name.to_owned(), clock, channels, fmtp: String::new() })
}

fn rtpmap(value: &[u8]) -> Option<Payload> {
    let (number, encoding) = std::str::from_utf8(value).ok()?.split_once(' ')?;
    let number: u8 = number.parse().ok().filter(|&number| number < 128)?;
    let mut parts = encoding.trim().split('/');
    let name = parts.next().filter(|name| !name.is_empty())?.to_ascii_uppercase();
    let clock = parts.next()?.parse().ok().filter(|&clock| clock > 0)?;
    let channels = parts.next().map_or(Some(1), |channels| channels.parse().ok())?;
    Some(Payload { number, name, clock, channels, fmtp: String::new() })
}

/// What follows the number in a=fmtp.
fn of_number(value: &[u8], number: u8) -> Option<String> {
    let text = String::from_utf8_lossy(value);
    let (first, rest) = text.split_once(' ')?;
    (first.parse() == Ok(number)).then(|| rest.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::Description;
    use super::*;

    #[test]
    fn numbers_are_explained_by_the_section_or_by_the_standard() {
        let text = b"v=0\r\nm=audio 1 RTP/AVP 111 0 101 50\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n\
            a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=rtpmap:300 x/1\r\n";
        let description = Description::read(text).unwrap();
        let payloads: Vec<_> =
            payloads(&description.sections[0]).into_iter().map(|p| (p.number, p.name, p.clock, p.channels, p.fmtp)).collect();
        let expected = [
            (111, "OPUS".to_owned(), 48_000, 2, "minptime=10;useinbandfec=1".to_owned()),
            (0, "PCMU".to_owned(), 8_000, 1, String::new()),
            (101, "TELEPHONE-EVENT".to_owned(), 8_000, 1, "0-16".to_owned()),
        ];
        assert_eq!(&expected[..], payloads);
    }
}
