//! Streams and flows: answers over a client's connection, double Record-Route, Path and what becomes of it when its connection is gone.

use super::*;

const PHONE: &str = "192.0.2.9:50000";

fn over_tcp(method: &str, branch: &str, more: &str) -> String {
    request(method, branch, more)
        .replace("SIP/2.0/UDP 192.0.2.1:40000", "SIP/2.0/TCP 10.1.1.1:5060")
        .replace(ALICE, "10.1.1.1;transport=tcp")
}

#[test]
fn a_stream_client_is_answered_on_its_connection_by_an_edge_that_forgot_it() {
    let mut world = World1::new(1, "");
    let (_, left) = world.over(Transport::Tcp, 77, PHONE, &over_tcp("OPTIONS", "1", ""));
    assert!(header(&left[0].text, "Via").contains(";at="), "{}", left[0].text);
    let done = World1::new(1, "").says(&member(0), &answer(&left[0].text, "200 OK")).remove(0);
    assert_eq!((77, Transport::Tcp, "192.0.2.9:5060"), (done.flow, done.transport, &*done.to));
    assert!(!done.text.contains(";at="));
}

#[test]
fn two_sides_have_a_record_route_each() {
    let mut world = World1::new(1, "");
    let (_, left) = world.over(Transport::Tcp, 77, PHONE, &over_tcp("INVITE", "1", ""));
    let routes: Vec<&str> = left[0].text.lines().filter(|line| line.starts_with("Record-Route: ")).collect();
    assert!(
        matches!(routes[..], [udp, tcp] if udp.ends_with("@10.0.0.1:5060;lr>") && tcp.ends_with("@10.0.0.1:5060;transport=tcp;lr>")),
        "{routes:?}"
    );
    let (_, ok) = world.over(Transport::Udp, 0, &member(0), &answer(&left[0].text, "200 OK"));
    assert_eq!(77, ok[0].flow);
    // From the server: both are ours, and the flow is the phone's, whatever its Contact says.
    let values: Vec<String> = routes.iter().map(|line| line.replace("Record-Route: ", "Route: ")).collect();
    let info = request("INFO", "9", &format!("{}\r\n{}\r\n", values[0], values[1]))
        .replace(
            "From: <sip:alice@example.org>;tag=a\r\nTo: <sip:bob@example.org>",
            "From: <sip:bob@example.org>;tag=b\r\nTo: <sip:alice@example.org>;tag=a",
        )
        .replace("INFO sip:bob@example.org", "INFO sip:alice@10.1.1.1;transport=tcp");
    let (verdict, gone) = world.over(Transport::Udp, 0, &member(0), &info);
    assert_eq!((Verdict::Answered("flow_gone"), true), (verdict, gone[0].text.starts_with("SIP/2.0 430 ")));
    world.flows.insert(77);
    let (_, left) = world.over(Transport::Udp, 0, &member(0), &info);
    assert_eq!((77, false), (left[0].flow, left[0].text.contains("Route:")));
}

#[test]
fn a_peer_on_a_stream_that_tells_its_own_address_is_called_anew() {
    let mut world = World1::new(1, "");
    let trunk = request("INVITE", "1", "")
        .replace("SIP/2.0/UDP 192.0.2.1:40000", "SIP/2.0/TCP 192.0.2.9")
        .replace(ALICE, "192.0.2.9:5060;transport=tcp");
    let (_, left) = world.over(Transport::Tcp, 77, PHONE, &trunk);
    let routes: String =
        left[0].text.lines().filter_map(|line| Some(format!("Route: {}\r\n", line.strip_prefix("Record-Route: ")?))).collect();
    let bye = request("BYE", "9", &routes)
        .replace(
            "From: <sip:alice@example.org>;tag=a\r\nTo: <sip:bob@example.org>",
            "From: <sip:bob@example.org>;tag=b\r\nTo: <sip:alice@example.org>;tag=a",
        )
        .replace("BYE sip:bob@example.org", "BYE sip:alice@192.0.2.9:5060;transport=tcp");
    let (_, left) = world.over(Transport::Udp, 0, &member(0), &bye);
    assert_eq!(("192.0.2.9:5060", 0, Transport::Tcp), (&*left[0].to, left[0].flow, left[0].transport));
}

#[test]
fn a_registration_gets_a_path_and_calls_come_along_it() {
    let mut world = World1::new(1, r#", "path": true"#);
    world.flows.insert(77);
    let register = over_tcp("REGISTER", "1", "Supported: path, outbound\r\n");
    let (_, left) = world.over(Transport::Tcp, 77, PHONE, &register);
    let path = header(&left[0].text, "Path");
    assert!(path.ends_with("@10.0.0.1:5060;transport=tcp;lr;ob>"), "{path}");
    let call = |method: &str, branch: &str| {
        request(method, branch, &format!("Route: {path}\r\n"))
            .replace(ALICE, &member(0))
            .replace("one@alice", "two@server")
            .replace("bob@example.org SIP", "alice@10.1.1.1 SIP")
    };
    let (_, left) = world.over(Transport::Udp, 0, &member(0), &call("INVITE", "2"));
    assert_eq!((77, Transport::Tcp), (left[0].flow, left[0].transport));
    assert!(
        left[0].text.starts_with("INVITE sip:alice@10.1.1.1 SIP/2.0\r\nVia: SIP/2.0/TCP 10.0.0.1:5060;branch=z9hG4bKu")
            && !left[0].text.contains("\r\nRoute:")
    );
    let ringing = world.over(Transport::Tcp, 77, PHONE, &answer(&left[0].text, "180 Ringing")).1;
    assert_eq!(member(0), ringing[0].to);
    world.over(Transport::Tcp, 77, PHONE, &answer(&left[0].text, "200 OK"));
    // A request of the server in this dialog: to the flow. One of the phone: to the server.
    let routes: String =
        left[0].text.lines().filter_map(|line| Some(format!("Route: {}\r\n", line.strip_prefix("Record-Route: ")?))).collect();
    let bye = request("BYE", "3", &routes)
        .replace(ALICE, &member(0))
        .replace("one@alice", "two@server")
        .replace("To: <sip:bob@example.org>", "To: <sip:bob@example.org>;tag=b");
    let (_, left) = world.over(Transport::Udp, 0, &member(0), &bye.replace("BYE sip:bob@example.org", "BYE sip:bob@10.1.1.1"));
    assert_eq!(77, left[0].flow);
    world.flows.clear();
    let (verdict, left) = world.over(Transport::Udp, 0, &member(0), &call("MESSAGE", "4"));
    assert_eq!((Verdict::Answered("flow_gone"), true), (verdict, left[0].text.starts_with("SIP/2.0 430 Flow Failed\r\n")));
}
