//! A compound packet is read to its end or to its first error, names no bytes that are not there, and a report is written as it was read.
#![no_main]

use tandem_rtp::rtcp::{read, Packet, Report, COMPOUND_PACKETS};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut count = 0;
    let mut failed = false;
    for packet in read(bytes) {
        assert!(!failed, "nothing comes after an error");
        count += 1;
        let (ssrc, sender, blocks) = match packet {
            Ok(Packet::SenderReport(report)) => (report.ssrc, Some(report.info), report.blocks),
            Ok(Packet::ReceiverReport(report)) => (report.ssrc, None, report.blocks),
            Ok(Packet::Sdes(sdes)) => {
                assert!(sdes.items().map(|item| item.text.len() + 2).sum::<usize>() <= bytes.len());
                continue;
            }
            Ok(Packet::Bye(bye)) => {
                assert!(bye.sources().count() <= 31);
                continue;
            }
            Ok(_) => continue,
            Err(_) => {
                failed = true;
                continue;
            }
        };
        let blocks: Vec<_> = blocks.iter().collect();
        let mut out = Vec::new();
        Report { ssrc, sender, blocks: &blocks, cname: "fuzz" }.write(&mut out).unwrap();
        match read(&out).next() {
            Some(Ok(Packet::SenderReport(again))) => {
                assert_eq!((ssrc, sender, blocks), (again.ssrc, Some(again.info), again.blocks.iter().collect()));
            }
            Some(Ok(Packet::ReceiverReport(again))) => {
                assert_eq!((ssrc, sender, blocks), (again.ssrc, None, again.blocks.iter().collect()));
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(count <= COMPOUND_PACKETS + 1);
});
