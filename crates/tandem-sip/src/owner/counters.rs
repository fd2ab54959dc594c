//! What the owner counts, by name. Cumulative; nothing resets them.

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Cumulative numbers of one owner.
        #[derive(Default, Debug, Clone, Copy)]
        pub struct Counters {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Counters {
            /// (name, value), in order of declaration.
            pub fn list(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name)),*]
            }
        }
    };
}

counters! {
    /// Messages from edges.
    messages_in,
    /// Messages to edges.
    messages_out,
    /// Messages for an edge that has no link, or whose output is full.
    messages_unsent,
    /// Frames that are no frames.
    bad_frames,
    /// Requests refused as malformed, and responses dropped as such.
    malformed,
    /// Frames for shards that this node does not own: left to their owner.
    foreign_shards,
    /// Repeats of requests, absorbed.
    repeats,
    /// Responses that belong to no transaction.
    stray_responses,
    /// ACKs that changed nothing.
    stray_acks,
    /// CANCELs without INVITE.
    stray_cancels,
    /// Requests refused because the inbox was full.
    overloaded,
    /// Requests refused because their account begins too much.
    account_rate_exceeded,
    /// Requests challenged, or left without an answer, for want of a proof.
    challenged,
    /// Challenges after a wrong password or an unknown user.
    guessed,
    /// Emergency calls let in without a proof of who calls.
    unproven_emergencies,
    /// Events given to Python.
    events,
    /// Commands from Python.
    commands,
    /// Commands whose message or flow was unusable.
    bad_commands,
    /// REGISTER requests answered.
    registers,
    /// Transactions that ran out of time.
    timeouts,
    /// Large requests that went over UDP since TCP could not be opened.
    fell_back_to_udp,
    /// Messages that an edge could not send.
    failures,
}
