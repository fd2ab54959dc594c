//! An edge that has no call node of ours behind it.

mod common;

use common::{phone, request, trunk_policy, Place};
use tandem_edge::{Config, Edge};

#[test]
fn an_edge_without_an_owner_answers_what_is_its_own_and_keeps_nothing() {
    let place = Place::new();
    std::fs::write(place.path("policy.json"), trunk_policy("")).unwrap();
    let at = |name: &str| place.path(name).display().to_string();
    let json = format!(
        r#"{{"edge": 3, "keys": "{}", "policy": "{}", "listen": [{{"transport": "udp", "bound": "127.0.0.1:0"}}]}}"#,
        at("keys.json"),
        at("policy.json")
    );
    let edge = Edge::open(Config::read(json.as_bytes()).unwrap()).unwrap();
    let (address, stopper) = (edge.locals()[0], edge.stopper());
    let thread = std::thread::spawn(move || edge.run(None).unwrap());
    let alice = phone();
    alice.send_to(&request("INVITE", "UDP", "nowhere"), address).unwrap();
    let options =
        String::from_utf8(request("OPTIONS", "UDP", "ping")).unwrap().replace("sip:bob@demo.example SIP", &format!("sip:{address} SIP"));
    alice.send_to(options.as_bytes(), address).unwrap();
    let mut room = [0; 2048];
    let (count, _) = alice.recv_from(&mut room).unwrap();
    assert!(room[..count].starts_with(b"SIP/2.0 200 "), "{}", String::from_utf8_lossy(&room[..count]));
    stopper.stop();
    thread.join().unwrap();
}
