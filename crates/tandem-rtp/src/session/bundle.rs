//! BUNDLE (RFC 9143): passed on when both sides use it, taken out otherwise. A bundle's sections share the port of its first.

use super::call::Leg;

/// Decides whether the receiver of an offer gets the offerer's group.
pub(super) fn offer(from: &mut Leg, to: &mut Leg) {
    let open = |at: &u16| from.media.get(usize::from(*at)).is_some_and(|medium| medium.open && medium.protocol.is_rtp());
    let group: Vec<u16> = from.their_bundle.iter().copied().filter(open).collect();
    let same = |at: &u16| match (from.media.get(usize::from(*at)), to.media.get(usize::from(*at))) {
        (Some(from), Some(to)) => from.protocol == to.protocol && to.ours.mux,
        _ => false,
    };
    to.our_bundle = if group.iter().all(same) { group } else { Vec::new() };
    let first = to.our_bundle.first().copied();
    for (at, (from, to_medium)) in (0u16..).zip(from.media.iter_mut().zip(&mut to.media)) {
        if !to.our_bundle.contains(&at) || Some(at) == first {
            (from.carrier, to_medium.carrier) = (None, None);
        } else if from.local.is_none() {
            // The offerer hears of no port before the answer: one that will be carried gets none.
            from.carrier = first;
        }
    }
}

/// Settles on the group of an answer.
pub(super) fn answer(to: &mut Leg, from: &mut Leg) {
    let open = |at: &u16| from.media.get(usize::from(*at)).is_some_and(|medium| medium.open) && from.our_bundle.contains(at);
    let group: Vec<u16> = from.their_bundle.iter().copied().filter(open).collect();
    let first = group.first().copied();
    for leg in [&mut *to, from] {
        for (at, medium) in (0u16..).zip(&mut leg.media) {
            medium.carrier = first.filter(|first| group.contains(&at) && *first != at);
        }
    }
    to.our_bundle = group;
}
