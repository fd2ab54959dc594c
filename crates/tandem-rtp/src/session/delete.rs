//! delete: a party, a branch or the whole call, at once or after a while. What is left is never half a dialog.

use super::call::{Call, Leg, Role};
use super::outside::Outside;
use super::Calls;
use crate::ng::{ok, Delete, Failure, Value};

/// Microseconds of a second.
const SECOND: u64 = 1_000_000;

impl Calls {
    pub(super) fn delete(
        &mut self,
        delete: &Delete,
        now: u64,
        outside: &mut dyn Outside,
        warnings: &mut Vec<String>,
    ) -> Result<(Value, Option<String>), Failure> {
        let Some(call) = self.calls.get(&delete.call) else {
            let failure = Failure::Call(delete.call.chars().take(64).collect());
            if delete.fatal {
                return Err(failure);
            }
            warnings.push(failure.to_string());
            return Ok((ok(&[]), None));
        };
        let mut value = ok(&[]);
        if !delete.fast {
            value = self.told(call, &|_| true, outside).entries().iter().fold(value, |value, (key, entry)| value.with(key, entry.clone()));
        }
        let left = match left(call, delete) {
            Ok(left) => left,
            Err(failure) if delete.fatal => return Err(failure),
            Err(failure) => {
                warnings.push(failure.to_string());
                return Ok((ok(&[]), None));
            }
        };
        let delay = u64::from(delete.delay_seconds.unwrap_or(self.settings.delete_delay_seconds)) * SECOND;
        let mut draft = call.clone();
        draft.signalled = now;
        if !left.is_empty() {
            draft.legs.retain(|leg| left.contains(&leg.number));
            draft.legs.iter_mut().for_each(|leg| leg.peer = leg.peer.filter(|peer| left.contains(peer)));
            rejoin(&mut draft);
            self.put(draft, outside);
        } else if delay == 0 {
            self.end(&delete.call, outside);
        } else {
            draft.ends = Some(now.saturating_add(delay));
            self.put(draft, outside);
        }
        Ok((value, Some(delete.call.clone())))
    }
}

/// The numbers of the legs that stay; none: the whole call goes.
fn left(call: &Call, delete: &Delete) -> Result<Vec<u32>, Failure> {
    let named = |field, tag: &Option<String>| match tag {
        None => Ok(None),
        Some(tag) => call
            .by_tag(tag)
            .and_then(|at| call.legs.get(at))
            .map(Some)
            .ok_or_else(|| Failure::Party { field, value: tag.chars().take(64).collect() }),
    };
    let of_branch = call.legs.iter().find(|leg| delete.branch.is_some() && leg.branch == delete.branch);
    let ends: Vec<&Leg> = match (named("from-tag", &delete.from_tag), named("to-tag", &delete.to_tag)) {
        (Ok(Some(from)), Ok(Some(to))) => vec![from, to],
        // A call that was never answered is deleted with a tag that was never heard of, or with its branch.
        (Ok(Some(from)), _) => of_branch.map_or_else(|| vec![from], |branch| vec![from, branch]),
        (_, Ok(Some(to))) => vec![to],
        (from, to) => match of_branch {
            Some(branch) => vec![branch],
            None => return from.and(to).map(|_| Vec::new()),
        },
    };
    // Who speaks, or rings, with somebody else too stays; the rest of the pair goes.
    let partners = |leg: &Leg| call.legs.iter().filter(|other| other.peer == Some(leg.number)).count();
    let shared = |leg: &&&Leg| ends.len() > 1 && partners(leg) > 1;
    let goes = |leg: &Leg| ends.iter().any(|end| end.number == leg.number) && !shared(&&leg);
    let mut left: Vec<&Leg> = call.legs.iter().filter(|leg| !goes(leg)).collect();
    // A party whose every partner is gone goes too, and a subscription with nobody left to be heard.
    let stays = |leg: &Leg, left: &[&Leg]| match leg.role {
        Role::Publisher => true,
        Role::Subscriber => leg.hears.iter().any(|(number, _)| left.iter().any(|other| other.number == *number)),
        Role::Dialog => left.iter().any(|other| other.peer == Some(leg.number) || leg.peer == Some(other.number)),
    };
    while let Some(alone) = left.iter().position(|leg| !stays(leg, &left)) {
        left.remove(alone);
    }
    Ok(left.iter().map(|leg| leg.number).collect())
}

/// A leg that has lost its peer speaks with the last one that still names it.
fn rejoin(call: &mut Call) {
    for at in 0..call.legs.len() {
        let Some(leg) = call.legs.get(at).filter(|leg| leg.peer.is_none()) else { continue };
        let number = leg.number;
        if let Some(other) = call.legs.iter().rposition(|other| other.peer == Some(number)) {
            call.join(at, other);
        }
    }
}
