//! A flood costs no memory: once warm, an edge judges what strangers send without asking the allocator for anything.

mod oracle;

use oracle::Oracle;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr};

struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: all is the system's allocator's; the count is this thread's own.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        unsafe { System.dealloc(place, layout) }
    }
    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        unsafe { System.realloc(place, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn text(method: &str, uri: &str, more: &str) -> Vec<u8> {
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bK77;rport\r\nMax-Forwards: 70\r\n\
         From: \"A\" <sip:alice@demo.example>;tag=9f\r\nTo: <sip:alice@demo.example>\r\nCall-ID: 3848276298220188511@phone\r\nCSeq: 1 {method}\r\n\
         Contact: <sip:alice@10.0.0.5:5060>\r\nUser-Agent: Phone 1.2\r\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, REFER, NOTIFY\r\n\
         {more}Content-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

fn flood() -> Vec<Vec<u8>> {
    let forged =
        "Authorization: Digest username=\"alice\",realm=\"demo.example\",nonce=\"a0123456789012345678901234567\",uri=\"sip:demo.example\",\
        response=\"00000000000000000000000000000000\",algorithm=MD5\r\n";
    vec![
        text("REGISTER", "sip:demo.example", ""),
        text("REGISTER", "sip:demo.example", forged),
        text("INVITE", "sip:bob@demo.example", ""),
        text("OPTIONS", "sip:192.0.2.100", ""),
        text("OPTIONS", "sip:bob@demo.example", ""),
        text("MESSAGE", "sip:bob@demo.example", ""),
        text("INVITE", "unknown:scheme", ""),
        text("ACK", "sip:bob@demo.example", ""),
        text("INVITE", "sip:bob@demo.example", "Contact: <sip:a@b>;;=\r\nCSeq: 2 INVITE\r\n"),
        String::from_utf8(text("BYE", "sip:bob@demo.example", "")).unwrap().replace("\r\nCall-ID", ";tag=t\r\nCall-ID").into_bytes(),
        String::from_utf8(text("INVITE", "sip:bob@demo.example", "")).unwrap().replace("CSeq: 1", "CSeq: one").into_bytes(),
        b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKforeign\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>;tag=2\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n\r\n".to_vec(),
        b"GET / HTTP/1.0\r\n\r\n".to_vec(),
        vec![0xff; 900],
    ]
}

#[test]
fn a_flood_of_strangers_allocates_nothing() {
    for policy in ["", r#", "limits": {"source_rate": 1, "source_burst": 1}"#] {
        let mut oracle = Oracle::new(false, policy);
        let messages = flood();
        let source = |n: u32| SocketAddr::from((Ipv4Addr::from(0x0b00_0000 + n / 7), 5060));
        // The ring of refused messages fills once.
        (0..20_000).for_each(|n| {
            oracle.hears(source(n), &messages[n as usize % messages.len()]);
        });
        for (at, message) in messages.iter().enumerate() {
            let before = COUNT.with(Cell::get);
            (0..2_000).for_each(|n| {
                oracle.hears(source(n), message);
            });
            assert_eq!(0, COUNT.with(Cell::get) - before, "message {at}: {}", String::from_utf8_lossy(message));
        }
    }
}
