//! The parts of an RTP packet are the whole of it, and a header is read alike whether the payload is understood or not.
#![no_main]

use tandem_rtp::quality::{Codec, Inbound};
use tandem_rtp::rtp::{Header, Kind, Packet};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let kind = Kind::of(bytes);
    if let Ok(header) = Header::read(bytes) {
        assert!(matches!(kind, Kind::Rtp | Kind::Rtcp) && header.bytes <= bytes.len());
    }
    if let Ok(packet) = Packet::read(bytes) {
        assert_eq!(Ok(packet.header), Header::read(bytes));
        let extension = packet.extension.map_or(0, |(_, words)| 4 + words.len());
        let parts = 12 + packet.csrcs.len() + extension + packet.payload.len() + usize::from(packet.padding);
        assert_eq!(bytes.len(), parts);
        assert_eq!(usize::from(packet.header.csrcs), packet.sources().count());
    }
    // The same bytes as steps of numbers and time.
    let mut stream = Inbound::new(1, 8_000, Codec::G711_PLC);
    let mut now_us = 0u64;
    for [high, low, time] in bytes.as_chunks::<3>().0 {
        now_us += u64::from(*time) * 1_000;
        let header = [0x80, 0, *high, *low, 0, 0, *high, *low, 0, 0, 0, 1];
        stream.packet(now_us, &Header::read(&header).unwrap(), 172);
        let block = stream.block(now_us);
        assert!(stream.missing() <= stream.expected() && i64::from(block.lost) <= stream.expected() as i64);
        if *time == 255 {
            stream = stream.heir();
        }
    }
});
