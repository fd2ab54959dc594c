//! Lists as Kamailio's users have them.

use super::super::dispatcher_list::{read, ListMember, LINE_BYTES};
use super::*;

const LIST: &str = "\
# setid(int) destination(sip uri) flags(int,opt) priority(int,opt) attributes(str,opt)

# gateways
1 sip:127.0.0.1:7070
1\tsip:127.0.0.1:7072;transport=tcp 0 10 duid=abc;socket=udp:127.0.0.1:5060;my=xyz;ping_from=sip:myproxy.com # the second
1 sips:gw.example.com 0x8 10 weight=70;rweight=20;maxload=30
2 sip:[2001:db8::1] 4#off
2 10.0.0.2 1 0 rweight=\"5\"
";

fn one(line: &str) -> ListMember {
    read(line).unwrap().pools.remove(0).members.remove(0)
}

#[test]
fn a_list_of_kamailio_is_read_as_it_is() {
    let list = read(LIST).unwrap();
    let summary: Vec<Vec<_>> = list
        .pools
        .iter()
        .map(|pool| pool.members.iter().map(|m| (&*m.name, &*m.address, &*m.transport, m.weight, m.priority, m.state)).collect())
        .collect();
    assert_eq!(
        vec![
            vec![
                ("127.0.0.1:7070", "127.0.0.1:7070", "udp", 100, 1, Wanted::On),
                ("abc", "127.0.0.1:7072", "tcp", 100, 0, Wanted::On),
                ("gw.example.com;tls", "gw.example.com", "tls", 70, 0, Wanted::On),
            ],
            vec![
                ("[2001:db8::1]:5060", "[2001:db8::1]:5060", "udp", 100, 0, Wanted::Off),
                ("10.0.0.2:5060", "10.0.0.2:5060", "udp", 5, 0, Wanted::Off),
            ],
        ],
        summary
    );
    assert_eq!(("1", "2"), (&*list.pools[0].name, &*list.pools[1].name));
    assert_eq!((Some(&30), "gw.example.com"), (list.pools[0].members[2].capacity.get("call"), &*list.pools[0].members[2].tls_name));
    assert_eq!((1, 0), (list.pools[0].costs.len(), list.pools[1].costs.len()));
    assert_eq!(
        [
            "line 5: attribute \"socket\" is ignored",
            "line 5: attribute \"my\" is not known, ignored",
            "line 5: attribute \"ping_from\" is ignored"
        ],
        list.warnings[..]
    );
}

#[test]
fn a_list_of_addresses_is_a_configuration() {
    let list = read("1 sip:192.0.2.1 0 0 maxload=2\n1 sip:192.0.2.2:5080;transport=tls\n7 sip:[2001:db8::7]:5062\n").unwrap();
    let config: PoolsConfig = serde_json::from_value(json!({"pools": list.pools})).unwrap();
    let mut pools = Pools::new([1; 16]);
    pools.apply(&config, 0).unwrap();
    assert_eq!(
        Transport::Tls,
        pools.member(pools.member_at("192.0.2.2:5080".parse().unwrap(), Transport::Tls).unwrap()).unwrap().transport
    );
    assert!(pools.pool("7").is_some());
}

#[test]
fn higher_priority_there_is_lower_here() {
    let list = read("1 sip:a.example 0 5\n1 sip:b.example 0 -1\n1 sip:c.example 0 20\n1 sip:d.example 0 5\n").unwrap();
    let priorities: Vec<u16> = list.pools[0].members.iter().map(|member| member.priority).collect();
    assert_eq!(vec![1, 2, 0, 1], priorities);
}

#[test]
fn flags_say_who_takes_calls() {
    for (flags, state) in [
        ("0", Wanted::On),
        ("1", Wanted::Off),
        ("2", Wanted::On),
        ("4", Wanted::Off),
        ("8", Wanted::On),
        ("9", Wanted::On),
        ("16", Wanted::On),
        ("0x0C", Wanted::Off),
    ] {
        assert_eq!(state, one(&format!("1 sip:192.0.2.1 {flags}")).state, "{flags}");
    }
    assert!(read("1 sip:192.0.2.1 32").unwrap().warnings[0].contains("flag 32"));
    assert!(read("1 sip:192.0.2.1 128").unwrap().warnings[0].contains("flags 128 are not known"));
}

#[test]
fn destinations_written_alike_get_different_names() {
    let list = read("1 sip:192.0.2.1\n1 sip:192.0.2.1:5060\n1 192.0.2.1\n2 sip:192.0.2.1\n").unwrap();
    let names: Vec<&str> = list.pools.iter().flat_map(|pool| &pool.members).map(|member| &*member.name).collect();
    assert_eq!(vec!["192.0.2.1:5060", "192.0.2.1:5060#2", "192.0.2.1:5060#3", "192.0.2.1:5060"], names);
    assert_eq!(2, list.warnings.len());
}

#[test]
fn a_weight_that_kamailio_ignores_is_none() {
    assert_eq!((0, 0), (one("1 sip:192.0.2.1 0 0 weight=0").weight, one("1 sip:192.0.2.1 0 0 weight=500").weight));
}

#[test]
fn what_is_wrong_is_named_with_line_and_column() {
    for (list, error) in [
        ("x sip:192.0.2.1", "line 1, column 1 (set)"),
        ("# fine\n\n1", "line 3, column 2 (destination)"),
        ("1 sip:192.0.2.1 up", "line 1, column 17 (flags)"),
        ("1 sip:192.0.2.1 0xZZ", "line 1, column 17 (flags)"),
        ("1  sip:192.0.2.1 0 high", "line 1, column 20 (priority)"),
        ("1 sip:192.0.2.1 0 99999999999", "line 1, column 19 (priority)"),
        ("1 sip:192.0.2.1 0 0 a=1;maxload=many", "line 1, column 33 (attributes.maxload)"),
        ("1 sip:192.0.2.1 0 0 duid=", "line 1, column 26 (attributes.duid)"),
        ("1 sip:192.0.2.1;transport=sctp", "line 1, column 3 (destination): transport \"sctp\""),
        ("1 sip:192.0.2.1:0", "line 1, column 3 (destination)"),
        ("1 sip:", "line 1, column 3 (destination)"),
        ("1 tel:+49", "line 1, column 3 (destination)"),
    ] {
        let found = read(list).unwrap_err().to_string();
        assert!(found.starts_with(error), "{list}: {found}");
    }
    assert!(read(&format!("1 sip:192.0.2.1 0 0 a={}", "x".repeat(LINE_BYTES))).unwrap_err().why.contains("at most 8192"));
    let many: String = (0..1025).map(|i| format!("1 sip:10.0.{}.{}\n", i / 250, i % 250)).collect();
    assert!(read(&many).unwrap_err().to_string().starts_with("line 1025"));
}

proptest::proptest! {
    #[test]
    fn no_text_can_hurt(text in "([0-9a-z#:;=.@ \t\r\n\"\\[\\]-]|sip:|transport=|maxload=|é){0,80}") {
        let _ = read(&text);
    }
}
