//! Who is in which room: legs join, change their seats, leave. What a room sounds like is not known here.

use super::call::Role as LegRole;
use super::control::places;
use super::outside::Outside;
use super::Calls;
use crate::audio::room::{MemberId, Role, Seat};
use crate::ng::{ok, Failure, Join, Party, RoleAsked, Value};
use crate::plan::{EndpointId, Place};

type Done = Result<(Value, Option<String>), Failure>;

impl Calls {
    /// Legs join a room, or get another seat in it.
    pub(super) fn join(&mut self, join: &Join, now: u64, outside: &mut dyn Outside) -> Done {
        let role = match &join.role {
            RoleAsked::Member => Role::Member,
            RoleAsked::Barge => Role::Barge,
            RoleAsked::Listener => Role::Listener,
            RoleAsked::Whisper(tag) => Role::Whisper(self.member(&join.room, tag)?),
        };
        let place = Place { room: join.room.clone(), rate: join.rate, seat: Seat { role, muted: join.muted, deaf: join.deaf } };
        self.change(&join.call, false, now, outside, &mut Vec::new(), |call, _| {
            for at in places(call, &join.party)? {
                let Some(leg) = call.legs.get_mut(at) else { continue };
                if leg.role == LegRole::Subscriber {
                    return Err(Failure::State("a subscription cannot be in a room"));
                }
                if !leg.media.iter().any(|medium| medium.kind == "audio" && medium.endpoint.is_some()) {
                    return Err(Failure::State("the party has no audio that is open"));
                }
                leg.room = Some(place.clone());
            }
            Ok(())
        })?;
        Ok((ok(&[]), Some(join.call.clone())))
    }

    /// Legs leave their room.
    pub(super) fn leave(&mut self, id: &str, party: &Party, now: u64, outside: &mut dyn Outside) -> Done {
        self.change(id, false, now, outside, &mut Vec::new(), |call, _| {
            for at in places(call, party)? {
                call.legs.get_mut(at).into_iter().for_each(|leg| leg.room = None);
            }
            Ok(())
        })?;
        Ok((ok(&[]), Some(id.to_owned())))
    }

    /// Who is in a room.
    pub(super) fn roster(&self, room: &str) -> Value {
        let members = self.members(room).map(|(call, tag, endpoint, seat)| {
            let (role, to) = match seat.role {
                Role::Member => ("member", None),
                Role::Barge => ("barge", None),
                Role::Listener => ("listener", None),
                Role::Whisper(to) => ("whisper", Some(to)),
            };
            let whispered = to.and_then(|to| self.members(room).find(|(_, _, id, _)| id.0 == to.0)).map(|(_, tag, ..)| tag);
            let member = Value::dict().with("call-id", Value::text(call)).with("tag", Value::text(tag)).with("role", Value::text(role));
            let member = member.with("muted", Value::Integer(seat.muted.into())).with("deaf", Value::Integer(seat.deaf.into()));
            let member = member.with("endpoint", Value::Integer(i64::try_from(endpoint.0).unwrap_or(i64::MAX)));
            whispered.map_or(member.clone(), |tag| member.with("whisper-to", Value::text(tag)))
        });
        ok(&[]).with("room", Value::text(room)).with("members", Value::List(members.collect()))
    }

    fn member(&self, room: &str, tag: &str) -> Result<MemberId, Failure> {
        let found = self.members(room).find(|(_, other, ..)| *other == tag);
        let found = found.ok_or_else(|| Failure::Party { field: "whisper-to", value: tag.chars().take(64).collect() });
        found.map(|(_, _, endpoint, _)| MemberId(endpoint.0))
    }

    /// Call, tag, endpoint and seat of each.
    fn members<'a>(&'a self, room: &'a str) -> impl Iterator<Item = (&'a str, &'a str, EndpointId, Seat)> {
        self.calls.values().flat_map(move |call| {
            call.legs.iter().filter_map(move |leg| {
                let place = leg.room.as_ref().filter(|place| place.room == room)?;
                let endpoint = leg.media.iter().find(|medium| medium.kind == "audio")?.endpoint?;
                Some((&call.id[..], leg.tag.as_deref().unwrap_or_default(), endpoint, place.seat))
            })
        })
    }
}
