//! INVITE transactions: one context for both sides, from the request to its end (RFC 3261 16.2). All else passes without state.

mod table;
mod timers;
mod txn;

pub(super) use table::{Known, Table, LIFE_US};
pub use table::{ACCEPTED, TRANSACTIONS, TRANSACTION_BYTES};
pub(super) use txn::{Attempt, Best, Cancel, Stage, Txn};
