//! The promises of the limits, each by name.

use super::*;

const SECOND: u64 = 1_000_000;
const NOW: u64 = 1_795_000_000 * SECOND;

fn policy() -> Policy {
    Policy::from_json(br#"{"trunks": [{"id": "c", "cidrs": ["192.0.2.0/24"]}], "allow": ["198.51.100.1"],
        "limits": {"source_rate": 10, "source_burst": 20, "account_rate": 5, "account_burst": 10, "ban_seconds": 60, "malformed_per_minute": 6}}"#)
    .unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn count(n: u32, mut admit: impl FnMut() -> Admit) -> [u32; 3] {
    let mut sums = [0; 3];
    for _ in 0..n {
        match admit() {
            Admit::Yes => sums[0] += 1,
            Admit::Refuse { .. } => sums[1] += 1,
            Admit::Drop => sums[2] += 1,
        }
    }
    sums
}

#[test]
fn a_source_gets_its_burst_then_refusals_then_silence() {
    let (mut abuse, policy) = (Abuse::new([7; 16]), policy());
    assert_eq!([20, 10, 20], count(50, || abuse.admit(&policy, ip("203.0.113.1"), Lane::Fresh, NOW)));
    assert_eq!([10, 10, 5], count(25, || abuse.admit(&policy, ip("203.0.113.1"), Lane::Fresh, NOW + SECOND)), "a second later, its rate");
    assert_eq!([20, 0, 0], count(20, || abuse.admit(&policy, ip("203.0.113.2"), Lane::Fresh, NOW)), "another source is not touched");
}

#[test]
fn what_is_under_way_has_its_own_larger_lane() {
    let (mut abuse, policy) = (Abuse::new([7; 16]), policy());
    count(40, || abuse.admit(&policy, ip("203.0.113.1"), Lane::Fresh, NOW));
    assert_eq!([200, 0, 5], count(205, || abuse.admit(&policy, ip("203.0.113.1"), Lane::Kept, NOW)));
}

#[test]
fn trunks_and_the_allow_list_have_no_limit_and_no_ban() {
    let (mut abuse, policy) = (Abuse::new([7; 16]), policy());
    for source in [ip("192.0.2.9"), ip("198.51.100.1")] {
        assert_eq!([1000, 0, 0], count(1000, || abuse.admit(&policy, source, Lane::Fresh, NOW)));
        assert!((0..100).all(|_| !abuse.malformed(&policy, source, NOW)));
        assert!(!abuse.scanner(&policy, source, b"friendly-scanner", NOW));
        assert!(!abuse.banned(source, NOW));
    }
}

#[test]
fn malformed_messages_ban_for_the_ban_seconds() {
    let (mut abuse, policy) = (Abuse::new([7; 16]), policy());
    let source = ip("203.0.113.1");
    assert!((0..6).all(|_| !abuse.malformed(&policy, source, NOW)));
    assert!(!abuse.banned(source, NOW));
    assert!(abuse.malformed(&policy, source, NOW));
    assert!(abuse.banned(source, NOW + 60 * SECOND - 1));
    assert_eq!(Admit::Drop, abuse.admit(&policy, source, Lane::Kept, NOW));
    assert!(!abuse.banned(source, NOW + 60 * SECOND));
}

#[test]
fn malformed_messages_below_the_rate_never_ban() {
    let (mut abuse, policy) = (Abuse::new([7; 16]), policy());
    assert!((0..600).all(|i| !abuse.malformed(&policy, ip("203.0.113.1"), NOW + i * 11 * SECOND)));
}

#[test]
fn a_scanner_is_banned_by_its_first_word() {
    let (mut abuse, policy) = (Abuse::new([7; 16]), policy());
    assert!(!abuse.scanner(&policy, ip("203.0.113.1"), b"Yealink SIP-T46S 66.86", NOW));
    assert!(abuse.scanner(&policy, ip("203.0.113.1"), b"Friendly-Scanner", NOW));
    assert!(abuse.banned(ip("203.0.113.1"), NOW));
}

#[test]
fn many_wrong_names_ban_and_one_wrong_name_for_ever_does_not() {
    let (mut abuse, policy) = (Abuse::new([7; 16]), policy());
    assert!((0..1000).all(|_| !abuse.guessed(&policy, ip("203.0.113.1"), b"alice@demo.example", NOW)));
    let names = (0..40).position(|i| abuse.guessed(&policy, ip("203.0.113.2"), format!("{i}@demo.example").as_bytes(), NOW));
    assert!(names.is_some_and(|names| (11..20).contains(&names)), "{names:?}");
    assert!(abuse.banned(ip("203.0.113.2"), NOW));
}

#[test]
fn a_flood_of_good_messages_ends_in_a_ban() {
    let (mut abuse, policy) = (Abuse::new([7; 16]), policy());
    let source = ip("203.0.113.1");
    let read = (0..20_000u64).filter(|i| {
        let now = NOW + i * 50;
        !abuse.banned(source, now) && abuse.admit(&policy, source, Lane::Fresh, now) != Admit::Yes
    });
    assert!(read.count() < 300, "of 20,000 in one second");
    assert!(abuse.banned(source, NOW + SECOND));
}

#[test]
fn a_million_sources_do_not_push_out_a_ban() {
    let (mut abuse, policy) = (Abuse::new([7; 16]), policy());
    assert!(abuse.ban(&policy, ip("203.0.113.1"), Reason::Asked, 60, NOW));
    for i in 0..1_000_000u32 {
        abuse.admit(&policy, IpAddr::V4((0x0b00_0000 + i).into()), Lane::Fresh, NOW + 1 + u64::from(i));
    }
    assert!(abuse.banned(ip("203.0.113.1"), NOW + 2 * SECOND));
}

#[test]
fn a_ban_by_hand_has_its_own_length_and_no_exempt_source_gets_one() {
    let (mut abuse, policy) = (Abuse::new([7; 16]), policy());
    assert!(abuse.ban(&policy, ip("2001:db8::1"), Reason::Asked, 5, NOW));
    assert_eq!(Some(Ban { source: ip("2001:db8::"), why: Reason::Asked, seconds: 5 }), abuse.take_ban());
    assert_eq!(None, abuse.take_ban());
    assert!(abuse.banned(ip("2001:db8::2"), NOW + 4 * SECOND) && !abuse.banned(ip("2001:db8::2"), NOW + 5 * SECOND));
    assert!(!abuse.ban(&policy, ip("192.0.2.9"), Reason::Asked, 5, NOW));
    assert!(!abuse.ban(&policy, ip("198.51.100.1"), Reason::Told, 5, NOW));
    assert!(!abuse.ban(&policy, ip("203.0.113.1"), Reason::Asked, 0, NOW));
    assert_eq!((None, 1), (abuse.take_ban(), abuse.bans()));
}

#[test]
fn a_ban_ends_when_it_is_lifted_and_when_its_source_becomes_exempt() {
    let (mut abuse, policy) = (Abuse::new([7; 16]), policy());
    for source in ["203.0.113.1", "203.0.113.2", "2001:db8::1"] {
        assert!(abuse.ban(&policy, ip(source), Reason::Rate, 60, NOW));
    }
    assert!(abuse.unban(ip("203.0.113.1"), NOW) && !abuse.unban(ip("203.0.113.1"), NOW));
    assert_eq!([20, 0, 0], count(20, || abuse.admit(&policy, ip("203.0.113.1"), Lane::Fresh, NOW)));
    let wider = Policy::from_json(br#"{"allow": ["203.0.113.2", "2001:db8::77"]}"#).unwrap();
    let mut pardoned = abuse.pardon(&wider, NOW);
    pardoned.sort();
    assert_eq!(vec![ip("203.0.113.2"), ip("2001:db8::")], pardoned);
    assert!(!abuse.banned(ip("203.0.113.2"), NOW));
}

#[test]
fn a_report_names_bans_with_their_reasons_and_the_worst_sources_first() {
    let (mut abuse, policy) = (Abuse::new([7; 16]), policy());
    assert!(abuse.scanner(&policy, ip("203.0.113.1"), b"sipvicious", NOW));
    assert!((0..3).all(|_| !abuse.malformed(&policy, ip("203.0.113.2"), NOW)));
    count(25, || abuse.admit(&policy, ip("203.0.113.3"), Lane::Fresh, NOW));
    count(5, || abuse.admit(&policy, ip("203.0.113.4"), Lane::Fresh, NOW));
    assert!((0..2).all(|_| !abuse.guessed(&policy, ip("203.0.113.5"), b"a", NOW)));
    let report = abuse.report(10, None, NOW + SECOND);
    let ban = Banned { source: ip("203.0.113.1"), why: Reason::Scanner, until_us: NOW + 60 * SECOND, seconds: 59 };
    assert_eq!((vec![ban], 1), (report.banned, report.banned_all));
    let named: Vec<_> = report.suspects.iter().map(|one| (one.source, one.refused, one.malformed, one.guesses)).collect();
    assert_eq!(vec![(ip("203.0.113.5"), 0, 0, 2), (ip("203.0.113.2"), 0, 3, 0), (ip("203.0.113.3"), 5, 0, 0)], named);
    assert_eq!((25, 1), (report.suspects[2].per_minute, report.suspects[2].silent_seconds));
    assert_eq!(1, abuse.report(1, None, NOW).suspects.len());
    assert_eq!(2, abuse.report(9, Some(ip("203.0.113.5")), NOW).suspects[0].guesses);
    assert!(abuse.report(10, None, NOW + 60 * SECOND).banned.is_empty());
}

#[test]
fn a_source_takes_96_bytes() {
    assert!(std::mem::size_of::<Source>() <= 96, "{}", std::mem::size_of::<Source>());
}
