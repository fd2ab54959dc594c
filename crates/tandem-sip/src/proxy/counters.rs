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
    /// Requests whose next hop is a name that no name server could say.
    pub no_name: u64,
    /// INVITE transactions begun.
    pub invites: u64,
    /// INVITEs that came again.
    pub repeated: u64,
    /// INVITEs that were tried at one more member.
    pub retried: u64,
    /// Those that were answered by another member than the first.
    pub failed_over: u64,
    /// INVITEs cancelled by their clients.
    pub cancelled: u64,
    /// Members that said nothing in time.
    pub silent_members: u64,
    /// INVITEs that could not be sent to their member.
    pub unsent: u64,
    /// INVITEs that rang too long.
    pub rang_out: u64,
    /// Retransmissions of ours.
    pub resent: u64,
    /// INVITEs refused since there were TRANSACTIONS of them, or TRANSACTION_BYTES.
    pub no_room: u64,
    /// Final responses to INVITEs by class, 2xx to 6xx.
    pub finals: [u64; 5],
    /// ACKs to what we answered ourselves.
    pub own_acks: u64,
    /// Verdicts asked for.
    pub policy_asked: u64,
    /// Requests decided by a verdict that was kept.
    pub policy_kept: u64,
    /// Requests that went by the default since no verdict came in time.
    pub policy_late: u64,
    /// The same since nobody could be asked: nobody was there, or too many waited.
    pub policy_unasked: u64,
    /// The same since their fields were too long.
    pub policy_too_long: u64,
    /// Verdicts that were none: the function failed, or named no pool of ours.
    pub policy_failed: u64,
}
