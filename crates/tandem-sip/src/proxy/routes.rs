//! Which pool a request goes to, or how it is refused: the configured routes, checked and compiled. It forwards nothing.

use super::config::{FrontConfig, RouteConfig};
use crate::cidr::{Cidr, Cidrs};
use crate::pool::{BadPools, PoolId, Pools};
use crate::uri::Uri;
use std::net::IpAddr;

/// Routes of one front.
pub const ROUTES: usize = 1_024;
/// Values in one list of a route.
pub const VALUES: usize = 1_024;

/// Where a request goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way<'a> {
    /// To a pool, counted by this rule.
    Pool(PoolId, Option<&'a str>),
    /// Nowhere: this status.
    Refuse(u16),
}

/// What routes look at.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The listening address that was asked.
    pub listen: u8,
    /// The source.
    pub source: IpAddr,
    /// The source is a member of some pool.
    pub member: bool,
    /// Those pools: a server may be in several.
    pub pools: &'a [PoolId],
    /// The method.
    pub method: &'a [u8],
    /// The Request-URI.
    pub uri: &'a Uri<'a>,
}

/// All routes, in order.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    all: Vec<Route>,
}

#[derive(Clone, Debug)]
struct Route {
    listen: Option<u8>,
    from: Option<Cidrs>,
    from_pool: Option<PoolId>,
    methods: Vec<Box<[u8]>>,
    domains: Vec<Box<[u8]>>,
    user_prefix: Box<[u8]>,
    target: Result<PoolId, u16>,
    cost: Option<Box<str>>,
}

impl Routes {
    /// Checks and compiles routes; their pools must be in `pools`.
    pub fn read(config: &FrontConfig, pools: &Pools) -> Result<Routes, BadPools> {
        if config.routes.len() > ROUTES {
            return Err(bad("routes", format!("{} routes, at most {ROUTES}", config.routes.len())));
        }
        let all: Result<_, _> = config.routes.iter().enumerate().map(|(at, route)| Route::read(route, at, pools)).collect();
        all.map(|all| Routes { all })
    }

    /// The way of the first route that matches.
    pub fn find(&self, asked: &Asked<'_>) -> Option<Way<'_>> {
        let route = self.all.iter().find(|route| route.matches(asked))?;
        Some(match route.target {
            Ok(pool) => Way::Pool(pool, route.cost.as_deref()),
            Err(status) => Way::Refuse(status),
        })
    }
}

impl Route {
    fn read(config: &RouteConfig, at: usize, pools: &Pools) -> Result<Route, BadPools> {
        let field = |name: &str| format!("routes[{at}].{name}");
        let pool = |name: &str, text: &str| pools.pool(text).ok_or_else(|| bad(field(name), format!("there is no pool {text:?}")));
        for (name, count) in [("from", config.from.len()), ("methods", config.methods.len()), ("domains", config.domains.len())] {
            if count > VALUES {
                return Err(bad(field(name), format!("{count} values, at most {VALUES}")));
            }
        }
        let target = match (&config.pool, config.refuse) {
            (Some(name), None) => Ok(pool("pool", name)?),
            (None, Some(status)) if (300..=699).contains(&status) => Err(status),
            (None, Some(status)) => return Err(bad(field("refuse"), format!("{status} is not within 300..=699"))),
            _ => return Err(bad(field("pool"), "one of `pool` and `refuse` is needed, not both")),
        };
        let mut from = None;
        for (i, text) in config.from.iter().enumerate() {
            let cidr: Cidr = text.parse().map_err(|why: &str| bad(field(&format!("from[{i}]")), why))?;
            from.get_or_insert_with(Cidrs::default).add(cidr, 0);
        }
        let bytes = |texts: &[String]| texts.iter().map(|text| text.as_bytes().into()).collect();
        Ok(Route {
            listen: config.listen,
            from,
            from_pool: config.from_pool.as_ref().map(|name| pool("from_pool", name)).transpose()?,
            methods: bytes(&config.methods),
            domains: bytes(&config.domains),
            user_prefix: config.user_prefix.as_bytes().into(),
            target,
            cost: config.cost.as_deref().map(Into::into),
        })
    }

    fn matches(&self, asked: &Asked<'_>) -> bool {
        let user = || if asked.uri.is_sip() { asked.uri.user.unwrap_or_default() } else { asked.uri.opaque };
        self.listen.is_none_or(|listen| listen == asked.listen)
            // What members send goes outwards: it comes back to a pool only where a route speaks of them.
            && self.from_pool.map_or(!asked.member || self.from.is_some(), |pool| asked.pools.contains(&pool))
            && (self.methods.is_empty() || self.methods.iter().any(|method| **method == *asked.method))
            && (self.user_prefix.is_empty() || user().starts_with(&self.user_prefix))
            && (self.domains.is_empty() || self.domains.iter().any(|domain| domain.eq_ignore_ascii_case(asked.uri.bare_host())))
            && self.from.as_ref().is_none_or(|from| from.find(asked.source).is_some())
    }
}

fn bad(field: impl Into<String>, why: impl Into<String>) -> BadPools {
    BadPools { field: field.into(), why: why.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(json: &str) -> Result<Routes, BadPools> {
        let pools = r#""pools": [{"name": "a", "members": [{"name": "m", "address": "10.0.0.1:5060"}]}, {"name": "b"}]"#;
        let config: FrontConfig = serde_json::from_str(&format!("{{{pools}, \"routes\": {json}}}")).unwrap();
        let mut pools = Pools::new([0; 16]);
        pools.apply(&config.pools(), 0).unwrap();
        Routes::read(&config, &pools)
    }

    #[test]
    fn the_first_route_that_matches_counts() {
        let routes = routes(
            r#"[{"from_pool": "a", "pool": "b"}, {"from": ["192.0.2.0/24"], "methods": ["INVITE"], "domains": ["Example.org"],
                "user_prefix": "+49", "pool": "a", "cost": "big"}, {"listen": 1, "refuse": 403}]"#,
        )
        .unwrap();
        let find = |listen, source: &str, from_pool: Option<PoolId>, method: &'static [u8], uri: &str| {
            let uri = Uri::parse(uri.as_bytes()).unwrap();
            let source = source.parse().unwrap();
            let way = routes.find(&Asked { listen, source, member: from_pool.is_some(), pools: from_pool.as_slice(), method, uri: &uri });
            way.map(|way| format!("{way:?}"))
        };
        assert_eq!(Some("Pool(1, None)".into()), find(0, "10.0.0.1", Some(0), b"BYE", "sip:x"));
        assert_eq!(Some("Pool(0, Some(\"big\"))".into()), find(0, "192.0.2.9", None, b"INVITE", "sip:+4930@example.ORG:5070"));
        assert_eq!(None, find(0, "192.0.2.9", None, b"INVITE", "sip:+4830@example.org"));
        assert_eq!(None, find(1, "10.0.0.1", Some(1), b"INVITE", "tel:+4930"));
        assert_eq!(None, find(0, "192.0.3.9", None, b"INVITE", "sip:+4930@example.org"));
        assert_eq!(Some("Refuse(403)".into()), find(1, "192.0.3.9", None, b"INVITE", "tel:+4930"));
    }

    #[test]
    fn a_bad_route_is_named() {
        for (json, field) in [
            (r#"[{"pool": "c"}]"#, "routes[0].pool"),
            (r#"[{"pool": "a"}, {"pool": "a", "refuse": 403}]"#, "routes[1].pool"),
            (r#"[{"refuse": 200}]"#, "routes[0].refuse"),
            (r#"[{"from": ["10.0.0.0/40"], "pool": "a"}]"#, "routes[0].from[0]"),
            (r#"[{"from_pool": "x", "pool": "a"}]"#, "routes[0].from_pool"),
        ] {
            assert_eq!(field, routes(json).unwrap_err().field, "{json}");
        }
    }
}
