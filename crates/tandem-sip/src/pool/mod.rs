//! Pools of foreign servers: which member a request goes to, which are up, which are full. It sends nothing and has no clock.

mod change;
mod config;
mod member;
mod settings;
mod view;

pub use change::{Became, Change};
pub use config::{Algorithm, CostConfig, HealthConfig, MemberConfig, PoolConfig, PoolsConfig, UriMode, Wanted};
pub use member::{Member, MEMBERS};
pub use settings::{BadPools, HashOn, HealthSettings, PoolSettings, COST_RULES, NAME_CHARS, POOLS, RESOURCES};
pub use view::{MemberView, PoolView, PoolsView};

use crate::frame::Transport;
use crate::ids::mac;
use smallvec::SmallVec;
use std::net::SocketAddr;

/// A pool's number. It changes with the configuration: keep names across `apply`.
pub type PoolId = u16;
/// A member's number over all pools, below [`MEMBERS`]. It stays while the member or one of its calls exists.
pub type MemberId = u16;

/// Members that one request is offered at most: more would not be tried in time.
pub const CANDIDATES: usize = 8;

/// What is to be known about a request.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// What the pool hashes on ([`PoolSettings::hash_on`]).
    pub key: &'a [u8],
    /// What it takes of a member.
    pub need: Need,
}

/// What a request takes of a member: [`Pools::need`] says it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Need {
    /// It begins a call: local knowledge counts (round robin, fewest calls, response time), and so does a half-open trial.
    pub(crate) call: bool,
    /// The pool's rule about costs, plus one; 0: none.
    pub(crate) rule: u8,
}

/// Whom to try, in this order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Candidates {
    /// At least one.
    Try(SmallVec<[MemberId; CANDIDATES]>),
    /// Some are up and all of them are full: [`PoolSettings::full_status`] with Retry-After.
    Full,
    /// None may be tried: [`PoolSettings::none_status`].
    NoneUp,
}

/// How a member did with a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It answered. Tell the first response (100 too), and the final one if that is another.
    Reply {
        /// The status.
        status: u16,
        /// Since the request was first sent.
        after_us: u64,
        /// Retry-After of a 503, if there was one.
        retry_after_seconds: Option<u32>,
    },
    /// Nothing came in time.
    NoAnswer,
    /// It could not be sent: refused, unreachable, connection lost.
    Transport,
}

/// All pools of one edge.
pub struct Pools {
    secret: [u8; 16],
    pools: Vec<Pool>,
    members: Vec<Option<Member>>,
}

struct Pool {
    settings: PoolSettings,
    members: Vec<MemberId>,
}

impl Pools {
    /// No pools yet. Edges with the same `secret` and configuration agree about members and numbers (`Keys::hash` will do).
    pub fn new(secret: [u8; 16]) -> Pools {
        Pools { secret, pools: Vec::new(), members: Vec::new() }
    }

    /// Takes the whole new configuration; members of the same name in a pool of the same name keep number, calls and health. On an
    /// error nothing has changed.
    pub fn apply(&mut self, config: &PoolsConfig, now_us: u64) -> Result<Vec<Change>, BadPools> {
        let _ = now_us;
        let mut pools = Vec::new();
        let mut members = Vec::new();
        for (at, pool) in config.pools.iter().enumerate() {
            let settings = PoolSettings::read(pool, at)?;
            let first = members.len();
            for member in &pool.members {
                let seed = mac(&self.secret, &[b"member", pool.name.as_bytes(), member.name.as_bytes()]);
                members.push(Some(Member::new(at as PoolId, member, seed)));
            }
            pools.push(Pool { settings, members: (first..members.len()).map(|id| id as MemberId).collect() });
        }
        (self.pools, self.members) = (pools, members);
        Ok(Vec::new())
    }

    /// The pool of a name.
    pub fn pool(&self, name: &str) -> Option<PoolId> {
        self.pools.iter().position(|pool| &*pool.settings.name == name).map(|at| at as PoolId)
    }

    /// A pool's settings. Panics for a number that `pool` never gave.
    pub fn settings(&self, pool: PoolId) -> &PoolSettings {
        &self.pools[usize::from(pool)].settings
    }

    /// A member, also one that is gone and still has calls.
    pub fn member(&self, member: MemberId) -> Option<&Member> {
        self.members.get(usize::from(member))?.as_ref()
    }

    /// Whether a source is one of ours: by address and port over UDP, by address over streams, where ports are anyone's.
    pub fn member_at(&self, address: SocketAddr, transport: Transport) -> Option<MemberId> {
        let same = |member: &Member| {
            member.address.ip().to_canonical() == address.ip().to_canonical()
                && (transport.is_reliable() || member.address.port() == address.port())
        };
        self.members.iter().position(|member| member.as_ref().is_some_and(same)).map(|id| id as MemberId)
    }

    /// Whether a source is a member of this pool; as `member_at`, for servers that are in several pools.
    pub fn is_from(&self, pool: PoolId, address: SocketAddr, transport: Transport) -> bool {
        self.member_at(address, transport).and_then(|id| self.member(id)).is_some_and(|member| member.pool == pool)
    }

    /// What a request takes: by the rule that `cost` names (a route's or a policy's word), else the first for its method.
    pub fn need(&self, pool: PoolId, method: &[u8], cost: Option<&str>) -> Need {
        let _ = (pool, cost);
        Need { call: method == b"INVITE", rule: 0 }
    }

    /// Whom to try for a request, best first. It takes nothing yet: `begin` does.
    pub fn candidates(&mut self, pool: PoolId, ask: &Ask<'_>, now_us: u64) -> Candidates {
        let _ = now_us;
        let Some(pool) = self.pools.get(usize::from(pool)) else { return Candidates::NoneUp };
        let key = mac(&self.secret, &[ask.key]);
        let mut list: Vec<(u16, f64, MemberId)> = Vec::new();
        for &id in &pool.members {
            let Some(member) = self.members[usize::from(id)].as_ref() else { continue };
            if member.wanted == Wanted::On {
                let hash = mix(key ^ member.seed);
                let unit = ((hash >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
                list.push((member.priority, unit.ln() / f64::from(member.weight), id));
            }
        }
        list.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)));
        if list.is_empty() {
            return Candidates::NoneUp;
        }
        Candidates::Try(list.iter().take(CANDIDATES).map(|&(_, _, id)| id).collect())
    }

    /// The key of a call in a pool, for `begin`, `answered` and `ended`: every edge makes the same.
    pub fn call_key(&self, pool: PoolId, call_id: &[u8]) -> u64 {
        let name = self.pools.get(usize::from(pool)).map_or(&b""[..], |pool| pool.settings.name.as_bytes());
        mac(&self.secret, &[b"call", name, call_id])
    }

    /// Takes what the request needs of a member under the key `call`, which leaves any other member that it was on: say it before each
    /// try. False: not this one now (full since, or its trial is taken); go on to the next candidate.
    pub fn begin(&mut self, member: MemberId, call: u64, need: Need, now_us: u64) -> bool {
        let _ = (call, need, now_us);
        self.member(member).is_some()
    }

    /// The call was answered, or lives still: its lease begins anew.
    pub fn answered(&mut self, call: u64, now_us: u64) {
        let _ = (call, now_us);
    }

    /// The call ended, or never came to be.
    pub fn ended(&mut self, call: u64) {
        let _ = call;
    }

    /// What became of a request that went to a member.
    pub fn heard(&mut self, member: MemberId, outcome: Outcome, now_us: u64) -> Vec<Change> {
        let _ = (member, outcome, now_us);
        Vec::new()
    }

    /// Whether this edge is the one that probes. Only then are members due.
    pub fn set_prober(&mut self, on: bool, now_us: u64) {
        let _ = (on, now_us);
    }

    /// The members to be probed now, with the method and time-out of their pool's `settings().health`. Answer each by `probed`.
    pub fn probes(&mut self, now_us: u64) -> Vec<MemberId> {
        let _ = now_us;
        Vec::new()
    }

    /// What became of a probe.
    pub fn probed(&mut self, member: MemberId, outcome: Outcome, now_us: u64) -> Vec<Change> {
        let _ = (member, outcome, now_us);
        Vec::new()
    }

    /// What a sibling found: each `Change` of its `heard` and `probed`. Gives what changed here by it (do not pass it on).
    pub fn told(&mut self, change: &Change, now_us: u64) -> Vec<Change> {
        let _ = (change, now_us);
        Vec::new()
    }

    /// When `advance` or `probes` has something to do next.
    pub fn wake_at(&self) -> Option<u64> {
        None
    }

    /// Lets leases run out.
    pub fn advance(&mut self, now_us: u64) -> Vec<Change> {
        let _ = now_us;
        Vec::new()
    }

    /// All there is to show.
    pub fn view(&self, now_us: u64) -> PoolsView {
        let _ = now_us;
        PoolsView::default()
    }
}

/// The finisher of splitmix64: every bit of the input moves half of the output's.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
