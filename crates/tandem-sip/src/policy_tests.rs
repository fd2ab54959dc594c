//! The policy as it is read, each promise by name.

use super::*;

const EXAMPLE: &str = r#"{"version": 7, "default_domain": "demo.example", "domains": {"demo.example": "demo"},
"trunks": [{"id": "carrier", "tenant": "demo", "cidrs": ["192.0.2.0/24"], "tls_names": ["sbc.carrier.example"]}],
"allow": ["198.51.100.7"], "deny": ["198.51.100.0/24", "192.0.0.0/8"], "algorithms": ["SHA-256", "MD5"], "nonce_seconds": 300,
"limits": {"source_rate": 200, "source_burst": 400, "account_rate": 50, "account_burst": 100, "ban_seconds": 300, "malformed_per_minute": 60,
           "connections": 20000, "connections_per_source": 100, "message_bytes": 65535, "idle_seconds": 900}}"#;

#[test]
fn the_boundarys_example_is_read() {
    let policy = Policy::from_json(EXAMPLE.as_bytes()).unwrap();
    assert_eq!(7, policy.version);
    assert_eq!(vec![Algorithm::Sha256, Algorithm::Md5], policy.algorithms);
    assert_eq!(Limits::default(), policy.limits);
    assert_eq!("carrier", &*policy.trunk_at("192.0.2.9".parse().unwrap()).unwrap().id);
    assert_eq!("carrier", &*policy.trunk_at("::ffff:192.0.2.9".parse().unwrap()).unwrap().id);
    assert_eq!("demo", &*policy.trunk_named(b"SBC.carrier.example").unwrap().tenant);
    assert!(policy.trunk_at("192.0.3.9".parse().unwrap()).is_none());
}

#[test]
fn trunks_and_the_allow_list_are_stronger_than_the_deny_list() {
    let policy = Policy::from_json(EXAMPLE.as_bytes()).unwrap();
    assert!(policy.denies("198.51.100.8".parse().unwrap()));
    assert!(!policy.denies("198.51.100.7".parse().unwrap()));
    assert!(!policy.denies("192.0.2.1".parse().unwrap()));
    assert!(policy.exempts("192.0.2.1".parse().unwrap()));
    assert!(!policy.exempts("203.0.113.1".parse().unwrap()));
}

#[test]
fn an_address_stands_for_the_default_domain_and_a_strange_name_for_none() {
    let policy = Policy::from_json(EXAMPLE.as_bytes()).unwrap();
    assert_eq!(Some("demo.example"), policy.domain(b"Demo.Example"));
    assert_eq!(Some("demo.example"), policy.domain(b"127.0.0.1"));
    assert_eq!(Some("demo.example"), policy.domain(b"[2001:db8::1]"));
    assert_eq!(None, policy.domain(b"evil.example"));
    assert_eq!(None, policy.domain(&[b'a'; 1000]));
}

#[test]
fn an_empty_policy_has_every_default() {
    let policy = Policy::from_json(b"{}").unwrap();
    assert_eq!(Limits::default(), policy.limits);
    assert_eq!(300, policy.nonce_seconds);
}

#[test]
fn a_bad_policy_is_refused_with_the_fields_name() {
    for (json, field) in [
        (r#"{"trunks": [{"id": "a"}, {"id": "b", "cidrs": ["10.0.0.0/8", "10.0.0.0/33"]}]}"#, "trunks[1].cidrs[1]"),
        (r#"{"trunks": [{"id": "a"}, {"id": "a"}]}"#, "trunks[1].id"),
        (r#"{"trunks": [{"id": "a", "tls_names": ["x", "X"]}]}"#, "trunks[0].tls_names[1]"),
        (r#"{"allow": ["ten"]}"#, "allow[0]"),
        (r#"{"deny": ["::/129"]}"#, "deny[0]"),
        (r#"{"algorithms": ["SHA-1"]}"#, "algorithms[0]"),
        (r#"{"algorithms": []}"#, "algorithms"),
        (r#"{"algorithms": ["MD5", "MD5-sess", "md5"]}"#, "algorithms[2]"),
        (r#"{"scanners": ["evilscan", "sip"]}"#, "scanners[1]"),
        (r#"{"emergency": {"demo": {"numbers": [""]}}}"#, "emergency.demo.numbers"),
        (r#"{"emergency": {"demo": {"unproven": "some"}}}"#, "some"),
        (r#"{"nonce_seconds": 5}"#, "nonce_seconds: 5 is not within 10..=86400"),
        (r#"{"limits": {"source_rate": 0}}"#, "limits.source_rate"),
        (r#"{"limits": {"message_bytes": 100000}}"#, "limits.message_bytes"),
        (r#"{"default_domain": "x", "domains": {"y": "t"}}"#, "default_domain"),
        (r#"{"default_domain": "y", "domains": {"y": "t", "Y": "u"}}"#, "stands twice"),
        (r#"{"domains": {"a b": "t"}}"#, "domains.a b"),
        (r#"{"limits": {"source_rate": "many"}}"#, "policy: invalid type"),
    ] {
        let error = Policy::from_json(json.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(field), "{json}: {error}");
    }
}

#[test]
fn each_tenant_has_its_emergency_numbers_and_others_the_common_ones() {
    let policy = Policy::from_json(
        br#"{"default_domain": "a.example", "domains": {"a.example": "a", "b.example": "b"},
            "emergency": {"a": {"numbers": ["+110", "112"], "unproven": "anybody"}}}"#,
    );
    let policy = policy.unwrap();
    assert_eq!(Unproven::Anybody, policy.emergency("a.example").unproven);
    assert_eq!(vec![Box::from(&b"110"[..]), Box::from(&b"112"[..])], policy.emergency("a.example").numbers);
    assert_eq!(Unproven::Registered, policy.emergency("b.example").unproven);
    let policy = Policy::from_json(br#"{"domains": {"": "a"}, "emergency": {"": {"numbers": ["999"], "unproven": "never"}}}"#);
    assert!(policy.is_err(), "no domain is empty");
    let policy = Policy::from_json(br#"{"emergency": {"": {"numbers": ["999"], "unproven": "never"}}}"#).unwrap();
    assert_eq!((Unproven::Never, 1), (policy.emergency("b.example").unproven, policy.emergency("b.example").numbers.len()));
}

#[test]
fn servers_of_ours_are_spared_also_by_the_next_policy() {
    let server = "10.0.0.11".parse().unwrap();
    let mut old = Policy::from_json(b"{}").unwrap();
    old.spare([server]);
    let mut new = Policy::from_json(br#"{"deny": ["10.0.0.0/8"]}"#).unwrap();
    assert!(!new.spares(server));
    new.spare_as(&mut old);
    assert!(new.spares(server) && !new.exempts(server));
    new.spare([]);
    assert!(!new.spares(server));
}
