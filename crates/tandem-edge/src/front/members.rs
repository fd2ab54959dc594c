//! Members that are given by name: what their names lead to, as members with addresses. It asks nobody.

use std::collections::HashSet;
use std::net::SocketAddr;
use tandem_dns::model::{Found, Outcome, Wish};
use tandem_sip::frame::Transport;
use tandem_sip::pool::{MemberConfig, PoolConfig, NAME_CHARS};
use tandem_sip::proxy::FrontConfig;

/// Most servers that one name may become.
pub const SERVERS: usize = 16;

/// The names of a configuration.
pub(super) fn wishes(config: &FrontConfig) -> Vec<Wish> {
    config.pools.iter().flat_map(|pool| &pool.members).filter_map(wish).collect()
}

/// The same configuration with addresses: each server that a name leads to is a member `name@address:port`, with its part of the
/// weight; SRV's priorities come on top of the member's. A name that leads nowhere stays as it is: a member that is down.
pub(super) fn placed(config: &FrontConfig, known: impl Fn(&Wish) -> Option<Outcome>) -> FrontConfig {
    let members = |pool: &PoolConfig| {
        let of = |member: &MemberConfig| match wish(member).map(|wish| known(&wish)) {
            None => vec![member.clone()],
            Some(Some(Ok(found))) => servers(member, &found),
            Some(_) => vec![MemberConfig { address: nowhere(), ..member.clone() }],
        };
        let mut names = HashSet::new();
        pool.members.iter().flat_map(of).filter(|one| names.insert(one.name.clone())).collect()
    };
    let pools = config.pools.iter().map(|pool| PoolConfig { members: members(pool), ..pool.clone() }).collect();
    FrontConfig { pools, ..config.clone() }
}

fn wish(member: &MemberConfig) -> Option<Wish> {
    if member.host.is_empty() {
        return None;
    }
    let mut wish = Wish::of_uri(format!("sip:{}", member.host).as_bytes()).ok()?;
    if member.transport != Transport::Udp {
        wish.transport = wish.transport.or(Some(member.transport));
    }
    Some(wish)
}

fn servers(member: &MemberConfig, found: &Found) -> Vec<MemberConfig> {
    let mut servers = Vec::new();
    for (rank, same) in found.choices.chunk_by(|one, next| one.rank == next.rank).enumerate() {
        let total: u32 = same.iter().map(|choice| u32::from(choice.weight)).sum();
        for choice in same {
            let share = match total {
                0 => member.weight / same.len().max(1) as u32,
                _ => (u64::from(member.weight) * u64::from(choice.weight) / u64::from(total)) as u32,
            };
            let weighs = member.weight > 0 && (total == 0 || choice.weight > 0);
            let each = (share / choice.addresses.len().max(1) as u32).max(u32::from(weighs));
            for &ip in &choice.addresses {
                let address = SocketAddr::new(ip, choice.port);
                servers.push(MemberConfig {
                    name: name(&member.name, address),
                    address,
                    host: String::new(),
                    transport: choice.transport,
                    tls_name: if member.tls_name.is_empty() { found.name.to_string() } else { member.tls_name.clone() },
                    weight: each,
                    priority: member.priority.saturating_add(rank as u16),
                    ..member.clone()
                });
            }
        }
    }
    servers.truncate(SERVERS);
    servers
}

/// `name@address:port`, the name shortened to what a member's name may have.
fn name(member: &str, address: SocketAddr) -> String {
    let address = address.to_string();
    let room = NAME_CHARS.saturating_sub(address.len() + 1);
    format!("{}@{address}", member.get(..room).unwrap_or(member))
}

fn nowhere() -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0], 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tandem_dns::model::{Choice, Failure};

    fn config(member: &str) -> FrontConfig {
        serde_json::from_str(&format!(
            r#"{{"pools": [{{"name": "farm", "members": [{member}, {{"name": "own", "address": "192.0.2.99:5060"}}]}}]}}"#
        ))
        .unwrap()
    }

    fn choice(rank: u16, weight: u16, addresses: &[&str]) -> Choice {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        Choice { rank, weight, transport: Transport::Tls, host: "a".into(), port: 5061, addresses }
    }

    fn known(choices: Vec<Choice>) -> Outcome {
        Ok(Arc::new(Found { choices, name: "farm.example".into(), ttl_seconds: 60, stale: false }))
    }

    #[test]
    fn servers_share_the_members_weight_and_follow_its_priority() {
        let config = config(r#"{"name": "fs", "host": "farm.example", "weight": 90, "priority": 3, "capacity": {"call": 10}}"#);
        let found = known(vec![choice(0, 2, &["192.0.2.1"]), choice(0, 1, &["192.0.2.2", "2001:db8::2"]), choice(4, 0, &["192.0.2.3"])]);
        let placed = placed(&config, |_| Some(found.clone()));
        let told: Vec<_> = placed.pools[0].members.iter().map(|one| (one.name.as_str(), one.weight, one.priority)).collect();
        let wanted = [
            ("fs@192.0.2.1:5061", 60, 3),
            ("fs@192.0.2.2:5061", 15, 3),
            ("fs@[2001:db8::2]:5061", 15, 3),
            ("fs@192.0.2.3:5061", 90, 4),
            ("own", 100, 0),
        ];
        assert_eq!(wanted.to_vec(), told);
        let first = &placed.pools[0].members[0];
        assert_eq!((Transport::Tls, "farm.example", 10), (first.transport, first.tls_name.as_str(), first.capacity["call"]));
    }

    #[test]
    fn a_name_that_leads_nowhere_stays_and_so_do_addresses() {
        let config = config(r#"{"name": "fs", "host": "farm.example;transport=tcp"}"#);
        for nothing in [None, Some(Err(Failure::NoName))] {
            assert_eq!(config, placed(&config, |_| nothing.clone()));
        }
        assert_eq!(vec![Wish::of_uri(b"sip:farm.example;transport=tcp").unwrap()], wishes(&config));
    }

    #[test]
    fn a_long_name_is_shortened_and_a_server_found_twice_is_one() {
        let long = "n".repeat(64);
        let config = config(&format!(r#"{{"name": "{long}", "host": "a.example"}}, {{"name": "{long}2", "host": "b.example"}}"#));
        let placed = placed(&config, |_| Some(known(vec![choice(0, 0, &["192.0.2.1"])])));
        assert_eq!(vec![64, 3], placed.pools[0].members.iter().map(|one| one.name.len()).collect::<Vec<_>>());
    }

    #[test]
    fn a_name_becomes_sixteen_servers_at_most() {
        let config = config(r#"{"name": "fs", "host": "farm.example", "transport": "tls"}"#);
        assert_eq!(Some(Transport::Tls), wishes(&config)[0].transport);
        let many: Vec<String> = (0..40).map(|n| format!("192.0.2.{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(SERVERS + 1, placed(&config, |_| Some(known(vec![choice(0, 0, &many)]))).pools[0].members.len());
    }
}
