//! Name servers, and the files that say which: one question to one server after the other. What is known already is not its matter.

use crate::hosts::{parse, Hosts, HOSTS_BYTES};
use crate::model::{clean, Answer, Data, Failure, Kind, Naptr, Question, Records, Srv};
use crate::settings::{Settings, SERVERS, SUFFIXES};
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ProtocolConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::system_conf::parse_resolv_conf;
use hickory_resolver::{Resolver, TokioResolver};
use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime};
use tokio::time::timeout;

/// Most records of one answer that are looked at.
const RECORDS: usize = 64;
/// Bytes of an answer by datagram that we take (DNS Flag Day 2020: no fragments).
const EDNS_BYTES: u16 = 1_232;
/// Seconds that a fact counts whose zone does not say how long (RFC 2308 5: not to be cached; but not asked for in a loop either).
const UNSAID_SECONDS: u32 = 30;
const NDOTS: usize = 1;

/// What needs no server.
#[derive(Debug, Default)]
pub(crate) struct Local {
    hosts: Hosts,
    suffixes: Vec<Box<str>>,
    ndots: usize,
}

impl Local {
    /// A name of the hosts file is an address, not a domain: nobody is asked for its NAPTR and SRV.
    pub(crate) fn answer(&self, question: &Question) -> Option<Answer> {
        let service = question.name.split('.').skip_while(|label| label.starts_with('_')).collect::<Vec<_>>().join(".");
        let addresses = self.hosts.get(service.as_str())?;
        let fits = addresses.iter().filter(|address| match question.kind {
            Kind::A => address.is_ipv4(),
            Kind::Aaaa => address.is_ipv6(),
            _ => false,
        });
        let data: Vec<Data> = fits.copied().map(Data::Address).collect();
        Some(if data.is_empty() {
            Err((Failure::NoRecords, UNSAID_SECONDS))
        } else {
            Ok(Records { data, ttl_seconds: UNSAID_SECONDS, stale: false })
        })
    }

    /// The names that a host may stand for: itself, and with each suffix before it when it has few dots.
    pub(crate) fn names(&self, host: &str) -> Vec<Box<str>> {
        let mut names: Vec<Box<str>> = Vec::new();
        if host.matches('.').count() < self.ndots && !self.hosts.contains_key(host) {
            names.extend(self.suffixes.iter().filter_map(|suffix| clean(&format!("{host}.{suffix}"))));
        }
        names.push(host.into());
        names
    }
}

/// The servers as they are configured now.
pub(crate) struct Upstream {
    pub(crate) settings: Settings,
    pub(crate) local: Arc<Local>,
    servers: Arc<[Server]>,
    stamps: [Option<SystemTime>; 2],
}

struct Server(TokioResolver);

impl Upstream {
    pub(crate) fn new(settings: Settings) -> Upstream {
        let mut upstream = Upstream { settings, local: Arc::default(), servers: Arc::new([]), stamps: [None; 2] };
        upstream.read();
        upstream
    }

    /// Reads the files again when they have changed; true when what was known may be wrong.
    pub(crate) fn refresh(&mut self) -> bool {
        let changed = self.stamps != self.stamped();
        if changed {
            self.read();
        }
        changed
    }

    fn stamped(&self) -> [Option<SystemTime>; 2] {
        [&self.settings.resolv_conf, &self.settings.hosts].map(|path| path.metadata().and_then(|known| known.modified()).ok())
    }

    fn read(&mut self) {
        self.stamps = self.stamped();
        let system = parse_resolv_conf(text(&self.settings.resolv_conf)).ok();
        let mut servers = self.settings.addresses().unwrap_or_default();
        let mut local = Local { hosts: parse(&text(&self.settings.hosts)), suffixes: Vec::new(), ndots: NDOTS };
        if let Some((config, options)) = system {
            local.ndots = options.ndots;
            local.suffixes = config.search().iter().filter_map(|name| clean(&name.to_ascii())).collect();
            if servers.is_empty() {
                servers = config.name_servers().iter().map(|server| SocketAddr::new(server.ip, 53)).collect();
            }
        }
        if let Some(search) = &self.settings.search {
            local.suffixes = search.iter().filter_map(|name| clean(name)).collect();
        }
        local.ndots = self.settings.ndots.map_or(local.ndots, usize::from);
        local.suffixes.truncate(SUFFIXES);
        servers.truncate(SERVERS);
        self.servers = servers.into_iter().filter_map(|address| server(address, &self.settings)).collect();
        self.local = Arc::new(local);
    }

    /// Asks; the future keeps the servers that it began with.
    pub(crate) fn ask(&self, question: Question) -> impl std::future::Future<Output = Answer> + Send + 'static {
        let (servers, attempts, failed) = (self.servers.clone(), self.settings.attempts, self.settings.failed_seconds);
        let (all, one) = (self.settings.question_time(), self.settings.server_time());
        async move {
            let deadline = Instant::now() + all;
            let mut worst = Failure::NoServers;
            for _ in 0..attempts {
                for Server(server) in servers.iter() {
                    let left = deadline.saturating_duration_since(Instant::now()).min(one);
                    if left.is_zero() {
                        return Err((Failure::TimedOut, failed));
                    }
                    let found = match timeout(left, ask(server, &question)).await {
                        Ok(answer) => answer,
                        Err(_) => Err((Failure::TimedOut, failed)),
                    };
                    match found {
                        Err((why, _)) if why.is_temporary() => worst = worse(worst, why),
                        known => return known,
                    }
                }
                if worst == Failure::NoServers {
                    break;
                }
            }
            Err((worst, failed))
        }
    }
}

/// Of two failures the one that says more: who refuses is there, who is silent may be.
fn worse(one: Failure, other: Failure) -> Failure {
    let weight = |why| match why {
        Failure::Refused => 3,
        Failure::ServerFailed => 2,
        Failure::TimedOut => 1,
        _ => 0,
    };
    if weight(other) > weight(one) {
        other
    } else {
        one
    }
}

/// One of hickory's resolvers a server: within a pool of its own it takes the first server's SERVFAIL for an answer.
fn server(address: SocketAddr, settings: &Settings) -> Option<Server> {
    let connection = |protocol| {
        let mut connection = ConnectionConfig::new(protocol);
        connection.port = address.port();
        connection
    };
    let connections = vec![connection(ProtocolConfig::Udp), connection(ProtocolConfig::Tcp)];
    let config = ResolverConfig::from_parts(None, vec![], vec![NameServerConfig::new(address.ip(), true, connections)]);
    let mut builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default());
    let options: &mut ResolverOpts = builder.options_mut();
    options.timeout = settings.server_time();
    options.attempts = 0;
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    options.edns_payload_len = EDNS_BYTES;
    options.max_active_requests = crate::resolver::ASKED;
    builder.build().ok().map(Server)
}

async fn ask(server: &TokioResolver, question: &Question) -> Answer {
    let kind = match question.kind {
        Kind::Naptr => RecordType::NAPTR,
        Kind::Srv => RecordType::SRV,
        Kind::A => RecordType::A,
        Kind::Aaaa => RecordType::AAAA,
    };
    let Ok(mut name) = Name::from_ascii(&*question.name) else {
        return Err((Failure::NoName, UNSAID_SECONDS));
    };
    name.set_fqdn(true);
    let found = server.lookup(name, kind).await.map_err(|why| failure(&why))?;
    let fits = |record: &&hickory_resolver::proto::rr::Record| record.record_type() == kind;
    let ttl_seconds = found.answers().iter().map(|record| record.ttl).min().unwrap_or_default();
    let data: Vec<Data> = found.answers().iter().filter(fits).filter_map(|record| data(&record.data)).take(RECORDS).collect();
    if data.is_empty() {
        Err((Failure::NoRecords, UNSAID_SECONDS))
    } else {
        Ok(Records { data, ttl_seconds, stale: false })
    }
}

fn data(data: &RData) -> Option<Data> {
    let text = |bytes: &[u8]| -> Option<Box<str>> { std::str::from_utf8(bytes).ok().map(Into::into) };
    Some(match data {
        RData::A(address) => Data::Address(address.0.into()),
        RData::AAAA(address) => Data::Address(address.0.into()),
        RData::SRV(srv) => Data::Srv(Srv { priority: srv.priority, weight: srv.weight, port: srv.port, target: host(&srv.target)? }),
        RData::NAPTR(naptr) => Data::Naptr(Naptr {
            order: naptr.order,
            preference: naptr.preference,
            flags: text(&naptr.flags)?,
            service: text(&naptr.services)?,
            regexp: text(&naptr.regexp)?,
            replacement: host(&naptr.replacement)?,
        }),
        _ => return None,
    })
}

/// A name in a record; the root is "".
fn host(name: &Name) -> Option<Box<str>> {
    if name.is_root() {
        Some("".into())
    } else {
        clean(&name.to_ascii())
    }
}

fn failure(why: &NetError) -> (Failure, u32) {
    let temporary = |why| (why, UNSAID_SECONDS); // the cache says how long
    match why {
        NetError::Dns(DnsError::NoRecordsFound(none)) => {
            let seconds = none.negative_ttl.unwrap_or(UNSAID_SECONDS);
            match none.response_code {
                ResponseCode::NXDomain => (Failure::NoName, seconds),
                ResponseCode::NoError => (Failure::NoRecords, seconds),
                ResponseCode::Refused => temporary(Failure::Refused),
                _ => temporary(Failure::ServerFailed),
            }
        }
        NetError::Dns(DnsError::ResponseCode(ResponseCode::Refused)) => temporary(Failure::Refused),
        NetError::Timeout => temporary(Failure::TimedOut),
        NetError::Io(_) | NetError::NoConnections => temporary(Failure::NoServers),
        NetError::Busy => temporary(Failure::Busy),
        _ => temporary(Failure::ServerFailed),
    }
}

fn text(path: &Path) -> String {
    let mut read = Vec::new();
    let _ = File::open(path).and_then(|file| file.take(HOSTS_BYTES).read_to_end(&mut read)); // a file that is not there is an empty one
    String::from_utf8_lossy(&read).into_owned()
}
