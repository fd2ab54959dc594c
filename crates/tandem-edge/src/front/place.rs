//! Where a front stands: our addresses as peers see them, and from which of them each member is reached. It sends nothing.

use crate::locals::Locals;
use tandem_sip::pool::{MemberId, MEMBERS};
use tandem_sip::proxy::{Own, Proxy};
use tandem_sys::socket;

/// Our addresses under the same numbers.
pub(super) fn own(locals: &Locals) -> Own {
    let mut own = Own::default();
    for local in locals.iter() {
        own.add(local.transport, local.bound, local.advertised.as_bytes(), local.socket as u8);
    }
    own
}

/// Chooses for each member the address that the kernel would leave from: on a host with several it is the one that the member can answer.
pub(super) fn leave(proxy: &mut Proxy) {
    for id in 0..MEMBERS as MemberId {
        let Some(member) = proxy.pools.member(id) else { continue };
        let (transport, remote) = (member.transport, member.address);
        let local = socket::leaving_from(remote).ok().and_then(|ip| {
            let at = proxy.own().iter().position(|own| own.transport == transport && own.bound.ip() == ip)?;
            Some(at as u8)
        });
        proxy.set_leaving(id, local);
    }
}
