//! The control socket of a running edge: what it answers, and what it bears.

mod common;

use common::{open_policy, phone, request, Place, Running, PATIENCE};
use serde_json::{json, Value};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

struct Asker(BufReader<UnixStream>);

impl Asker {
    fn open(place: &Place) -> Asker {
        let stream = UnixStream::connect(place.path("control.sock")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Asker(BufReader::new(stream))
    }

    fn say(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).unwrap();
    }

    fn hear(&mut self) -> Option<Value> {
        let mut line = String::new();
        match self.0.read_line(&mut line) {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(serde_json::from_str(&line).unwrap()),
        }
    }

    fn ask(&mut self, what: &str, with: Value) -> Value {
        self.say(format!("{}\n", json!({"id": 7, "do": what, "with": with})).as_bytes());
        let answer = self.hear().unwrap();
        assert_eq!(json!(7), answer["id"]);
        answer
    }
}

fn edge(place: &Place) -> Running {
    let control = format!(r#", "control": "{}""#, place.path("control.sock").display());
    Running::start(place, &open_policy(""), &["udp", "tcp"], &control)
}

#[test]
fn a_view_has_the_addresses_the_connections_and_the_counters() {
    let place = Place::new();
    let edge = edge(&place);
    let _tcp = std::net::TcpStream::connect(edge.locals[1]).unwrap();
    let mut asker = Asker::open(&place);
    let mut view = Value::Null;
    for _ in 0..100 {
        view = asker.ask("view", json!({}))["ok"].take();
        if view["connections"]["tcp"] == json!(1) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert_eq!(json!({"tcp": 1}), view["connections"]);
    assert_eq!((json!(3), json!(false), json!(1)), (view["edge"].clone(), view["link"].clone(), view["counters"]["accepted"].clone()));
    assert_eq!(json!(edge.locals[0].to_string()), view["listen"][0]["bound"]);
}

#[test]
fn a_source_is_banned_and_heard_again_and_lists_change_live() {
    let place = Place::new();
    let edge = edge(&place);
    let mut asker = Asker::open(&place);
    let alice = phone();
    let heard = |id: &str| {
        alice.send_to(&request("INVITE", "UDP", id), edge.locals[0]).unwrap();
        alice.set_read_timeout(Some(std::time::Duration::from_millis(300))).unwrap();
        alice.recv_from(&mut [0; 2048]).is_ok()
    };
    assert!(heard("first"));
    assert_eq!(json!({"seconds": 9}), asker.ask("ban", json!({"source": "127.0.0.1", "seconds": 9}))["ok"]);
    assert!(!heard("banned"));
    assert!(std::fs::read_to_string(place.path("bans.log")).unwrap().ends_with("source=127.0.0.1 reason=asked seconds=9\n"));
    let banned = |asker: &mut Asker| asker.ask("abuse", json!({}))["ok"]["banned"][0].clone();
    assert_eq!((json!("asked"), json!("")), (banned(&mut asker)["why"].clone(), banned(&mut asker)["note"].clone()));
    asker.ask("ban", json!({"source": "127.0.0.1", "note": "toll fraud"}));
    assert_eq!(json!("toll fraud"), banned(&mut asker)["note"]);
    assert_eq!(json!({"was_banned": true}), asker.ask("unban", json!({"source": "127.0.0.1"}))["ok"]);
    assert_eq!(json!({"was_banned": false}), asker.ask("unban", json!({"source": "127.0.0.1"}))["ok"]);
    assert!(heard("again"));
    assert_eq!(json!({}), asker.ask("policy", json!({"deny": ["127.0.0.0/8"]}))["ok"]);
    assert!(!heard("denied"));
    assert_eq!(json!({}), asker.ask("policy", json!({"allow": ["127.0.0.1"]}))["ok"]);
    assert!(heard("allowed"));
    assert_eq!(json!("source"), asker.ask("ban", json!({"source": "127.0.0.1"}))["problem"]["field"]);
}

#[test]
fn what_is_wrong_is_named_and_changes_nothing() {
    let place = Place::new();
    let _edge = edge(&place);
    let mut asker = Asker::open(&place);
    for (what, with, status, text) in [
        ("sing", json!({}), 404, "sing"),
        ("ban", json!({"source": "nobody"}), 400, "\"nobody\": an IP address"),
        ("ban", json!({"source": "192.0.2.1", "seconds": 0}), 400, "1 to 86400"),
        ("ban", json!({"source": "192.0.2.1", "note": "x".repeat(121)}), 400, "at most 120 characters"),
        ("policy", json!({"limits": {"source_rate": 0}}), 400, "source_rate"),
        ("policy", json!({"deny": ["10.0.0.0/99"]}), 400, "deny[0]"),
    ] {
        let problem = &asker.ask(what, with)["problem"];
        assert_eq!(json!(status), problem["status"]);
        assert!(problem["detail"].as_str().unwrap().contains(text), "{problem}");
    }
    asker.say(b"{\n");
    assert_eq!(json!(400), asker.hear().unwrap()["problem"]["status"]);
    assert_eq!(json!({"draining": true}), asker.ask("drain", json!({}))["ok"]);
    assert_eq!(json!(true), asker.ask("view", json!({}))["ok"]["draining"]);
    assert_eq!(json!({"draining": false}), asker.ask("undrain", json!({}))["ok"]);
}

#[test]
fn askers_have_limits_and_the_edge_outlives_them() {
    let place = Place::new();
    let _edge = edge(&place);
    let mut askers: Vec<Asker> = (0..6).map(|_| Asker::open(&place)).collect();
    assert_eq!(json!(3), askers[5].ask("view", json!({}))["ok"]["edge"]);
    let mut seventh = Asker::open(&place);
    assert_eq!(None, seventh.hear());
    // two questions in one write, and the last one without an end
    askers[0].say(b"{\"id\": 1, \"do\": \"view\"}\n{\"id\": 2, \"do\": \"view\"}\n{\"id\": 3");
    assert_eq!((json!(1), json!(2)), (askers[0].hear().unwrap()["id"].clone(), askers[0].hear().unwrap()["id"].clone()));
    drop(askers.remove(0));
    let mut endless = askers.remove(0);
    let part = vec![b'x'; 1 << 20];
    while endless.0.get_mut().write_all(&part).is_ok() {}
    let mut asker = Asker::open(&place);
    assert_eq!(json!(3), asker.ask("view", json!({}))["ok"]["edge"]);
}
