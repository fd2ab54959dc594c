//! What becomes of bindings when flows end, and which phone a GRUU names (RFC 5626 5.3, RFC 5627 5). It opens and closes nothing.

use super::contact::uri_parts;
use super::gruu::{self, Gr, Named};
use super::row::{self, Binding, Flow};
use super::{reach, seconds, Registrar, FLOW_GRACE_SECONDS};
use crate::ids::Keys;
use crate::policy::Policy;
use crate::question::{aor_of, Aor};

/// UDP on the link.
const UDP: u8 = 1;

type IsInstance<'a> = dyn Fn(&[u8]) -> bool + 'a;

/// The phone that a GRUU names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Phone {
    /// Address of record.
    pub aor: Aor,
    /// Its instance, as the phone registered it.
    pub instance: Box<[u8]>,
}

impl Binding<'_> {
    /// Whether its flow is a connection that is gone: nothing reaches the phone over it.
    pub fn is_cut(&self) -> bool {
        self.flow.transport != UDP && self.flow.connection == 0
    }
}

impl Registrar {
    /// A connection is gone. Who can be dialled stays, and so does a proxy's phone; others have `FLOW_GRACE_SECONDS` to make another
    /// flow, then their binding ends. How many are cut.
    pub fn flow_closed(&mut self, edge: u16, connection: u64, now_us: u64) -> usize {
        let mut cut = 0;
        for at in self.table.on_flow(edge, connection) {
            cut += self.cut(at, |flow| (flow.edge, flow.connection) == (edge, connection), now_us);
        }
        cut
    }

    /// All connections of an edge are gone: it is another incarnation. Looks at every row (about 100 ns each).
    pub fn edge_lost(&mut self, edge: u16, now_us: u64) -> usize {
        let on_edge = |flow: &Flow| flow.edge == edge && flow.connection != 0;
        let all = 0..self.table.slots() as u32;
        let hit: Vec<u32> = all
            .filter(|&at| {
                self.table.slot(at).and_then(|slot| row::open(&slot.row)).is_some_and(|(_, mut list)| list.any(|b| on_edge(&b.flow)))
            })
            .collect();
        hit.into_iter().map(|at| self.cut(at, on_edge, now_us)).sum()
    }

    fn cut(&mut self, at: u32, closed: impl Fn(&Flow) -> bool, now_us: u64) -> usize {
        let (mut cut, grace) = (0, seconds(now_us).saturating_add(FLOW_GRACE_SECONDS));
        self.change(at, |binding, _| {
            if closed(&binding.flow) {
                cut += 1;
                binding.flow.connection = 0;
                if reach::dial(binding).is_none() {
                    binding.expires_at = binding.expires_at.min(grace);
                }
            }
            true
        });
        cut
    }

    /// A phone answers our OPTIONS no more, or again. `hash` names its address of record. True: that is news.
    pub fn answers(&mut self, hash: u64, flow: &Flow, answers: bool) -> bool {
        let Some(at) = self.table.find_hashed(hash) else { return false };
        let mut news = false;
        self.change(at, |binding, _| {
            if binding.flow == *flow && binding.unreachable == answers {
                (binding.unreachable, news) = (!answers, true);
            }
            true
        });
        news
    }

    /// The hash by which `answers` knows an address of record.
    pub fn hash(&self, aor: &[u8]) -> u64 {
        self.table.hash(aor)
    }

    /// The address of record that a hash names, while it has bindings.
    pub fn hashed(&self, hash: u64) -> Option<&[u8]> {
        self.table.find_hashed(hash).and_then(|at| self.table.slot(at)).map(|slot| row::aor(&slot.row))
    }

    /// The phone that a temporary GRUU names; `None`: it is void (RFC 5627 5.4: 404).
    pub fn temporary(&self, user: &[u8], keys: &Keys, now_us: u64) -> Option<Phone> {
        let named = Named::read(user, keys)?;
        let aor = self.hashed(named.aor)?;
        let list = self.lookup(aor, now_us);
        let binding = list.iter().find(|binding| named.fits(binding))?;
        Some(Phone { aor: aor.into(), instance: binding.instance.into() })
    }

    /// The Contact of the phone that a GRUU names, best over the flow given: what a phone gave us as its Contact in a dialog is our
    /// own name for it, and means nothing to itself.
    pub fn behind(&self, uri: &[u8], keys: &Keys, policy: &Policy, flow: &Flow, now_us: u64) -> Option<Vec<u8>> {
        let (_, host, _) = uri_parts(uri)?;
        policy.domain(host)?;
        let (aor, is): (Aor, Box<IsInstance<'_>>) = match gruu::form(uri) {
            Gr::No => return None,
            Gr::Public(gr) => (aor_of(uri, policy)?, Box::new(move |instance| gruu::is_instance(instance, gr))),
            Gr::Temporary(user) => {
                let phone = self.temporary(user, keys, now_us)?;
                (phone.aor, Box::new(move |instance| *instance == *phone.instance))
            }
        };
        let list = self.lookup(&aor, now_us);
        let mut phones = list.iter().filter(|binding| !binding.instance.is_empty() && is(binding.instance));
        let same = |binding: &&Binding<'_>| (binding.flow.edge, binding.flow.connection) == (flow.edge, flow.connection);
        let found = phones.clone().find(same).or_else(|| phones.next())?;
        Some(found.uri.to_vec())
    }
}
