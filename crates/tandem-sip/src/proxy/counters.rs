//! What the proxy has done, by name and cumulative. It measures no time.

use serde::Serialize;

/// Counters of one incarnation.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Counters {
    /// Requests forwarded, those of INVITE transactions with each try.
    pub requests: u64,
    /// Responses forwarded.
    pub responses: u64,
    /// Responses to nothing of ours.
    pub foreign_responses: u64,
    /// Requests with a token that was not made by us, or not for their call.
    pub forged_tokens: u64,
    /// Requests in a dialog that we are not in.
    pub no_dialog: u64,
    /// Requests that had no hops left.
    pub no_hops: u64,
    /// Requests that no route is for.
    pub no_route: u64,
    /// Requests refused by a route.
    pub refused: u64,
    /// Requests refused because all members were full, or none was up.
    pub no_member: u64,
    /// Requests whose connection towards a phone was gone.
    pub flows_gone: u64,
    /// Requests that were wrong, and answered so.
    pub bad_requests: u64,
    /// Requests whose next hop is no address that can be reached.
    pub no_hop: u64,
    /// ACKs to what we answered ourselves.
    pub own_acks: u64,
}
