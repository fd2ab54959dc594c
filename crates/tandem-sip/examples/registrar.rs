//! Measures the registrar: bytes a registration and time a REGISTER, at 100,000 phones.

use std::time::Instant;
use tandem_sip::ids::{Key, Keys};
use tandem_sip::registrar::{Config, Contacts, Dirty, Flow, Registrar, Wish};

const PHONES: usize = 100_000;
const NOW: u64 = 1_795_000_000_000_000;

fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split_whitespace().nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}

fn main() {
    let texts: Vec<(String, String, String)> = (0..PHONES)
        .map(|i| {
            let contact = format!(
                "<sip:user{i:06}@192.168.100.200:50612;transport=tls;ob>;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-0000000{i:05}>\";reg-id=1"
            );
            (format!("user{i:06}@demo.example"), format!("{i:032x}@192.168.100.200"), contact)
        })
        .collect();
    let mut registrar = Registrar::new(Config::default(), [3; 16]);
    let mut headers = Vec::with_capacity(1024);
    let keys = Keys { hash: [3; 16], signing: vec![Key { id: b'a', secret: [4; 16] }] };
    let before = resident();
    for (round, wanted) in [(1, Dirty::Now), (2, Dirty::Lazy), (3, Dirty::Lazy)] {
        let start = Instant::now();
        for (i, (aor, call, contact)) in texts.iter().enumerate() {
            let contacts = Contacts::parse(std::iter::once(contact.as_bytes())).expect("a good contact");
            let (aor, call_id) = (aor.as_bytes(), call.as_bytes());
            let wish = Wish { aor, call_id, cseq: round, expires: None, contacts, path: b"", outbound: true, gruu: true, rport: true };
            let flow = Flow { edge: 1, connection: i as u64 + 1, transport: 3, local: 0, remote: ([192, 0, 2, 1], 5061).into() };
            headers.clear();
            assert_eq!(wanted, registrar.register(&wish, &flow, &keys, NOW, &mut headers).dirty);
        }
        let ns = start.elapsed().as_nanos() / PHONES as u128;
        println!("round {round}: {ns} ns a REGISTER (Contact parsed, answer's headers written)");
    }
    println!("resident: {} bytes a registration; counted: {}", (resident() - before) / PHONES, registrar.memory() / PHONES);
    let start = Instant::now();
    let found: usize = texts.iter().map(|(aor, ..)| registrar.lookup(aor.as_bytes(), NOW).len()).sum();
    println!("look-up: {} ns, {found} found", start.elapsed().as_nanos() / PHONES as u128);
    let start = Instant::now();
    let closed: usize = (0..PHONES).map(|i| registrar.flow_closed(1, i as u64 + 1, NOW)).sum();
    println!("flow closed: {} ns, {closed} cut", start.elapsed().as_nanos() / PHONES as u128);
}
