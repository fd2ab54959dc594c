//! Streams through the kernel, between namespaces: what is forwarded, what goes up, and what is counted.

mod common;

use std::net::SocketAddr;

use common::{rtp, World, INTERFACES};
use tandem_kernel::{Flow, Kernel, Kind, Options, Refused, Way};

/// Both ends, and the sockets of the relay.
struct Call {
    a: common::Socket,
    b: common::Socket,
    at_a: common::Socket,
    at_b: common::Socket,
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

impl Call {
    fn new(world: &World, six: bool) -> Call {
        let address = |net: u8, host: u8| if six { format!("[fd33:{net}::{host}]") } else { format!("10.233.{net}.{host}") };
        Call {
            a: world.socket("a", &format!("{}:4000", address(1, 2))),
            b: world.socket("b", &format!("{}:5000", address(2, 2))),
            at_a: world.socket("r", &format!("{}:30000", address(1, 1))),
            at_b: world.socket("r", &format!("{}:30002", address(2, 1))),
        }
    }

    fn flows(&self) -> [Flow; 2] {
        let (tos, kind) = (184, Kind::Rtp(8_000));
        let (a, b, at_a, at_b) = (self.a.at(), self.b.at(), self.at_a.at(), self.at_b.at());
        [
            Flow { local: at_a, remote: a, new_source: at_b, new_destination: b, tos, kind },
            Flow { local: at_b, remote: b, new_source: at_a, new_destination: a, tos, kind },
        ]
    }
}

fn kernel(world: &World, way: Way) -> Kernel {
    let interfaces = INTERFACES.map(str::to_owned);
    world.within("r", || Kernel::open_with(&interfaces, Options { flows: 64, way })).unwrap()
}

fn both_ways(way: Way, sums: bool) {
    let Some(world) = World::new(sums) else { return };
    let mut kernel = kernel(&world, way);
    for six in [false, true] {
        let call = Call::new(&world, six);
        for flow in call.flows() {
            kernel.put(flow).unwrap();
        }
        for n in 0..50u16 {
            let (forth, back) = (rtp(n, u32::from(n) * 160, 7), rtp(n, u32::from(n) * 160, 8));
            call.a.sends(call.at_a.at(), &forth);
            assert_eq!((forth, call.at_b.at()), call.b.gets());
            call.b.sends(call.at_b.at(), &back);
            assert_eq!((back, call.at_a.at()), call.a.gets());
        }
        for flow in call.flows() {
            let counters = kernel.remove(flow.local, flow.remote).unwrap();
            assert_eq!((50, 50 * 172, 50, 0), (counters.packets, counters.bytes, counters.expected, counters.lost()));
        }
    }
    world.within("r", || drop(kernel));
}

#[test]
fn packets_pass_both_ways_of_both_families_by_a_link() {
    both_ways(Way::Auto, true);
}

#[test]
fn packets_pass_by_a_filter_and_their_sums_are_right_where_software_checks_them() {
    both_ways(Way::Filter, false);
}

#[test]
fn both_peers_may_be_on_this_host() {
    let Some(world) = World::new(true) else { return };
    let interfaces = ["lo".to_owned()];
    let mut kernel = world.within("r", || Kernel::open(&interfaces)).unwrap();
    for address in ["127.0.0.1", "[::1]", "10.233.1.1", "[fd33:1::1]"] {
        let socket = |port: u16| world.socket("r", &format!("{address}:{port}"));
        let call = Call { a: socket(4_000), b: socket(5_000), at_a: socket(30_000), at_b: socket(30_002) };
        let [flow, _] = call.flows();
        kernel.put(flow).unwrap();
        call.a.sends(call.at_a.at(), &rtp(1, 0, 7));
        assert_eq!((rtp(1, 0, 7), call.at_b.at()), call.b.gets());
        assert_eq!(1, kernel.counters(flow.local, flow.remote).unwrap().packets);
    }
}

#[test]
fn from_this_host_to_another_one_too() {
    let Some(world) = World::new(true) else { return };
    let interfaces = ["lo".to_owned()];
    let mut kernel = world.within("r", || Kernel::open(&interfaces)).unwrap();
    for six in [false, true] {
        let call = Call::new(&world, six);
        let local = world.socket("r", &SocketAddr::new(call.at_b.at().ip(), 7_000).to_string());
        // Linux loses the packet of the loopback that has to ask for its neighbour; streams were carried by sockets before.
        call.at_b.sends(call.b.at(), b"first");
        call.b.gets();
        let flow = Flow { remote: local.at(), ..call.flows()[0] };
        kernel.put(flow).unwrap();
        local.sends(call.at_a.at(), &rtp(1, 0, 7));
        assert_eq!((rtp(1, 0, 7), call.at_b.at()), call.b.gets());
    }
}

#[test]
fn what_is_no_rtp_of_the_stream_goes_to_the_socket() {
    let Some(world) = World::new(true) else { return };
    let mut kernel = kernel(&world, Way::Auto);
    for six in [false, true] {
        let call = Call::new(&world, six);
        let [flow, _] = call.flows();
        kernel.put(flow).unwrap();
        let mut muxed_rtcp = rtp(1, 1, 7);
        muxed_rtcp[1] = 200;
        let stun = [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[7; 12]].concat();
        let large = [rtp(1, 1, 7), vec![0; 3_000]].concat(); // comes in fragments
        for up in [muxed_rtcp, stun, vec![0x80; 11], vec![], large] {
            call.a.sends(call.at_a.at(), &up);
            assert_eq!((up, call.a.at()), call.at_a.gets());
        }
        let stranger = world.socket("a", &SocketAddr::new(call.a.at().ip(), 4_002).to_string());
        stranger.sends(call.at_a.at(), &rtp(1, 1, 7));
        assert_eq!(stranger.at(), call.at_a.gets().1);
        assert!(!call.b.hears());
        assert_eq!(0, kernel.remove(flow.local, flow.remote).unwrap().packets);
        call.a.sends(call.at_a.at(), &rtp(1, 1, 7));
        assert_eq!((rtp(1, 1, 7), call.a.at()), call.at_a.gets());
    }
}

#[test]
fn packets_that_a_router_would_not_pass_on_go_to_the_socket() {
    let Some(world) = World::new(true) else { return };
    let mut kernel = kernel(&world, Way::Auto);
    let call = Call::new(&world, false);
    let [flow, _] = call.flows();
    kernel.put(flow).unwrap();
    world.said("ip link set to_b mtu 1300");
    let large = [rtp(1, 0, 7), vec![0; 1_200]].concat();
    call.a.sends(call.at_a.at(), &large);
    assert_eq!(large, call.at_a.gets().0);
    let fits = [rtp(1, 0, 7), vec![0; 1_100]].concat();
    call.a.sends(call.at_a.at(), &fits);
    assert_eq!(fits, call.b.gets().0);
    call.a.lives(1);
    call.a.sends(call.at_a.at(), &rtp(2, 0, 7));
    assert_eq!(rtp(2, 0, 7), call.at_a.gets().0);
}

#[test]
fn whoever_listens_at_the_interface_sees_the_packet_as_it_came() {
    let Some(world) = World::new(true) else { return };
    let mut kernel = kernel(&world, Way::Auto);
    let call = Call::new(&world, false);
    let [flow, _] = call.flows();
    kernel.put(flow).unwrap();
    let Some(mut watcher) = world.watcher("to_a") else { return };
    for n in 0..20 {
        call.a.sends(call.at_a.at(), &rtp(n, 0, 7));
        call.b.gets();
    }
    std::thread::sleep(common::PATIENCE);
    watcher.kill().unwrap();
    let seen = String::from_utf8_lossy(&watcher.wait_with_output().unwrap().stdout).into_owned();
    assert_eq!(20, seen.matches("10.233.1.2.4000 > 10.233.1.1.30000").count(), "{seen}");
}

#[test]
fn frames_of_a_vlan_are_forwarded_by_the_interface_of_the_vlan_only() {
    let Some(world) = World::new(true) else { return };
    for (space, interface, host) in [("a", "phone", 2), ("r", "to_a", 1)] {
        let name = world.space(space);
        if !common::ip(&format!("-n {name} link add link {interface} name tagged type vlan id 7")) {
            eprintln!("skipped: needs VLANs");
            return;
        }
        assert!(common::ip(&format!("-n {name} addr add 10.233.7.{host}/24 dev tagged")));
        assert!(common::ip(&format!("-n {name} link set tagged up")));
    }
    let mut call = Call::new(&world, false);
    (call.a, call.at_a) = (world.socket("a", "10.233.7.2:4000"), world.socket("r", "10.233.7.1:30000"));
    let [flow, _] = call.flows();
    let mut kernel = kernel(&world, Way::Auto);
    kernel.put(flow).unwrap();
    call.a.sends(call.at_a.at(), &rtp(1, 0, 7));
    assert_eq!(rtp(1, 0, 7), call.at_a.gets().0);
    let mut kernel = world.within("r", || Kernel::open(&["tagged".to_owned()])).unwrap();
    for flow in call.flows() {
        kernel.put(flow).unwrap();
    }
    call.a.sends(call.at_a.at(), &rtp(1, 0, 7));
    assert_eq!((rtp(1, 0, 7), call.at_b.at()), call.b.gets());
}

#[test]
fn a_changed_stream_takes_its_new_way_at_once_and_counts_on() {
    let Some(world) = World::new(true) else { return };
    let mut kernel = kernel(&world, Way::Auto);
    let call = Call::new(&world, false);
    let other = world.socket("b", "10.233.2.2:5002");
    let [flow, _] = call.flows();
    for n in 0..40u16 {
        let to = if n % 2 == 0 { &call.b } else { &other };
        kernel.put(Flow { new_destination: to.at(), ..flow }).unwrap();
        call.a.sends(call.at_a.at(), &rtp(n, 0, 7));
        assert_eq!(rtp(n, 0, 7), to.gets().0);
    }
    let counters = kernel.counters(flow.local, flow.remote).unwrap();
    assert_eq!((40, 40, 1), (counters.packets, counters.expected, counters.beginnings));
    assert!(counters.idle_us.is_some_and(|idle| idle < 1_000_000));
}

#[test]
fn counters_are_what_was_sent() {
    let Some(world) = World::new(true) else { return };
    let mut kernel = kernel(&world, Way::Auto);
    let call = Call::new(&world, false);
    let [flow, _] = call.flows();
    kernel.put(flow).unwrap();
    // From 65,500 over the wrap; 10 are missing, 2 are late, 1 comes twice.
    let mut order: Vec<u32> = (65_500..65_700).filter(|n| !(65_530..65_540).contains(n)).collect();
    order.swap(50, 51);
    order.swap(100, 101);
    order.insert(150, order[149]);
    for n in &order {
        call.a.sends(call.at_a.at(), &rtp(*n as u16, n * 160, 7));
        call.b.gets();
    }
    let counters = kernel.counters(flow.local, flow.remote).unwrap();
    assert_eq!((191, 191 * 172), (counters.packets, counters.bytes));
    assert_eq!((200, 9), (counters.expected, counters.lost())); // RFC 3550: one that came twice counts twice
    assert_eq!((2, 1, 7, 65_699, 1), (counters.late, counters.twice, counters.ssrc, counters.highest, counters.beginnings));
    // Another source, then a jump: each begins anew and loses nothing.
    for (n, ssrc) in [(10, 8), (11, 8), (13, 8), (40_000, 8), (40_001, 8)] {
        call.a.sends(call.at_a.at(), &rtp(n, 0, ssrc));
        call.b.gets();
    }
    let counters = kernel.counters(flow.local, flow.remote).unwrap();
    assert_eq!((196, 206, 3), (counters.packets, counters.expected, counters.beginnings));
}

#[test]
fn jitter_is_what_arrival_and_clock_differ_by() {
    let Some(world) = World::new(true) else { return };
    let mut kernel = kernel(&world, Way::Auto);
    let call = Call::new(&world, false);
    let [flow, _] = call.flows();
    kernel.put(flow).unwrap();
    // All at once, by the clock 20 ms apart: the difference is 20 ms each time, and 16 ms after 25 of them (1 - (15/16)^25 = 0.80).
    for n in 0..26u16 {
        call.a.sends(call.at_a.at(), &rtp(n, u32::from(n) * 160, 7));
    }
    for _ in 0..26 {
        call.b.gets();
    }
    let jitter = kernel.counters(flow.local, flow.remote).unwrap().jitter_ns;
    assert!((15_000_000..16_500_000).contains(&jitter), "{jitter}");
}

#[test]
fn a_host_that_is_not_known_yet_is_found() {
    let Some(world) = World::new(true) else { return };
    let mut kernel = kernel(&world, Way::Auto);
    let call = Call::new(&world, false);
    let [flow, _] = call.flows();
    kernel.put(flow).unwrap();
    world.said("ip neigh flush dev to_b");
    call.a.sends(call.at_a.at(), &rtp(1, 0, 7));
    assert_eq!(rtp(1, 0, 7), call.b.gets().0);
}

#[test]
fn a_stream_follows_its_route_and_comes_back_when_there_is_none() {
    let Some(world) = World::new(true) else { return };
    let mut kernel = kernel(&world, Way::Auto);
    let call = Call::new(&world, false);
    // B has a second address that is reached through its first one, then through A's interface: not at all.
    assert!(common::ip(&format!("-n {} addr add 10.233.9.9/32 dev lo", world.space("b"))));
    let far = world.socket("b", "10.233.9.9:5000");
    let [flow, _] = call.flows();
    let flow = Flow { new_destination: far.at(), ..flow };
    assert!(matches!(kernel.put(flow), Err(Refused::NoRoute(_))));
    world.said("ip route add 10.233.9.9/32 via 10.233.2.2");
    kernel.put(flow).unwrap();
    call.a.sends(call.at_a.at(), &rtp(1, 0, 7));
    assert_eq!(rtp(1, 0, 7), far.gets().0);
    world.said("ip route replace 10.233.9.9/32 via 10.233.1.2");
    world.within("r", || kernel.tend());
    assert!(kernel.forwards(flow.local, flow.remote));
    call.a.sends(call.at_a.at(), &rtp(2, 0, 7));
    assert!(!far.hears());
    world.said("ip route del 10.233.9.9/32");
    world.within("r", || kernel.tend());
    assert!(!kernel.forwards(flow.local, flow.remote));
    call.a.sends(call.at_a.at(), &rtp(3, 0, 7));
    assert_eq!(rtp(3, 0, 7), call.at_a.gets().0);
    world.said("ip route add 10.233.9.9/32 via 10.233.2.2");
    kernel.put(flow).unwrap();
    call.a.sends(call.at_a.at(), &rtp(4, 0, 7));
    assert_eq!(rtp(4, 0, 7), far.gets().0);
    assert_eq!(3, kernel.remove(flow.local, flow.remote).unwrap().packets);
}

#[test]
fn what_cannot_be_forwarded_is_refused_with_a_reason() {
    let Some(world) = World::new(true) else { return };
    let mut kernel = kernel(&world, Way::Auto);
    let call = Call::new(&world, false);
    let [flow, _] = call.flows();
    let here = Flow { new_destination: at("10.233.2.1:9"), ..flow };
    assert_eq!("10.233.2.1 is on this host", kernel.put(here).unwrap_err().to_string());
    let from_here = Flow { remote: at("10.233.2.1:9"), ..flow };
    assert!(matches!(kernel.put(from_here), Err(Refused::Here(_))));
    let mixed = Flow { new_source: at("[fd33:2::1]:9"), new_destination: at("[fd33:2::2]:9"), ..flow };
    assert!(matches!(kernel.put(mixed), Err(Refused::Families)));
    assert!(matches!(kernel.put(Flow { new_source: at("10.9.9.9:9"), ..flow }), Err(Refused::NoRoute(_))));
    let link_local = Flow { local: at("[fe80::1]:9"), remote: at("[fe80::2]:9"), ..mixed };
    assert!(matches!(kernel.put(link_local), Err(Refused::LinkLocal(_))));
    for n in 0..64 {
        kernel.put(Flow { remote: at(&format!("10.233.1.2:{}", 6_000 + n)), ..flow }).unwrap();
    }
    assert!(matches!(kernel.put(flow), Err(Refused::Full)));
}

#[test]
fn where_it_cannot_run_it_says_why() {
    let Some(world) = World::new(true) else { return };
    let open = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
        world.within("r", || Kernel::open(&names).map(drop).unwrap_err().to_string())
    };
    assert_eq!("no interface eth99", open(&["eth99"]));
    world.said("ip tuntap add dev tunnel mode tun");
    assert_eq!("interface tunnel does not carry Ethernet frames", open(&["to_a", "tunnel"]));
    assert_eq!("1 to 64 interfaces, not 0", open(&[]));
    let names = world.within("r", || tandem_kernel::interfaces_having(&[at("10.233.2.1:0").ip(), at("[fd33:1::1]:0").ip()])).unwrap();
    assert_eq!(vec!["to_a".to_owned(), "to_b".to_owned()], {
        let mut names = names;
        names.sort();
        names
    });
}
