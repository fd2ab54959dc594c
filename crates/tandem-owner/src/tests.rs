//! The promises of link and trace; tests/test_node.py has those of the node.

use crate::link::{Link, READ_BYTES};
use crate::trace::{read_trace, Trace, SEGMENTS, SEGMENT_BYTES};
use std::io::Write;
use std::os::unix::net::UnixStream;
use tandem_sip::frame::{push_closed, push_stats};

#[test]
fn frames_come_whole_however_the_bytes_are_cut() {
    let mut bytes = Vec::new();
    for number in 0..50 {
        push_closed(&mut bytes, number);
        push_stats(&mut bytes, &vec![b' '; number as usize * 100]);
    }
    for piece in [1, 7, 1000, bytes.len()] {
        let (mut edge, ours) = UnixStream::pair().unwrap();
        let (mut link, mut seen, mut buffer) = (Link::new(ours.into(), 0), Vec::new(), vec![0; READ_BYTES]);
        for part in bytes.chunks(piece) {
            edge.write_all(part).unwrap();
            assert!(link.read(&mut buffer, 0, |_, frame| {
                seen.push(frame.to_vec());
                true
            }));
        }
        assert_eq!((100, bytes.len() - 400), (seen.len(), seen.iter().map(Vec::len).sum()));
    }
}

#[test]
fn what_the_kernel_does_not_take_waits_in_order() {
    let (edge, ours) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let mut link = Link::new(ours.into(), 0);
    let bytes: Vec<u8> = (0..4_000_000u32).map(|n| (n % 251) as u8).collect();
    for part in bytes.chunks(100_000) {
        assert!(link.write(part));
    }
    assert!(link.unsent() > 0);
    let reader = std::thread::spawn(move || {
        let (mut edge, mut all) = (edge, vec![0; 4_000_000]);
        std::io::Read::read_exact(&mut edge, &mut all).unwrap();
        all
    });
    while link.unsent() > 0 {
        assert!(link.flush());
        std::thread::yield_now();
    }
    assert!(bytes == reader.join().unwrap());
}

#[test]
fn the_trace_keeps_its_newest_segments_and_survives_a_torn_tail() {
    let dir = tempfile::tempdir().unwrap();
    let filler = vec![b'x'; 1 << 20];
    {
        let mut trace = Trace::open(dir.path()).unwrap();
        for _ in 0..(SEGMENTS + 2) * SEGMENT_BYTES / filler.len() as u64 {
            trace.push(1, true, 1, b"l", "r", &filler);
            trace.write().unwrap();
        }
        trace.push(2, false, 1, b"l", "r", b"SIP/2.0 200 OK\r\nCall-ID: c\r\nTo: <sip:b>;tag=0123456789abca0\r\n\r\n");
        trace.push(3, true, 2, b"l", "r", b"BYE sip:b SIP/2.0\r\ni: c\r\n\r\n");
        trace.write().unwrap();
    }
    assert_eq!(SEGMENTS as usize, std::fs::read_dir(dir.path()).unwrap().count());
    let mut newest: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    newest.sort();
    std::fs::OpenOptions::new().append(true).open(newest.last().unwrap()).unwrap().write_all(&[200, 0, 0, 0, 1]).unwrap();
    let records = read_trace(dir.path(), b"0123456789abc").unwrap();
    assert_eq!(vec![(2, false, 1), (3, true, 2)], records.iter().map(|r| (r.at, r.inbound, r.transport)).collect::<Vec<_>>());
}
