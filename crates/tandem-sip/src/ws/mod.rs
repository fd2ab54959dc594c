//! WebSocket for SIP (RFC 6455, RFC 7118): frames cut from a byte stream, and written. It knows no sockets and no SIP; the upgrade's
//! HTTP stands in `upgrade`.

mod frame;
mod framer;
pub mod upgrade;

pub use frame::{push_close, push_frame, push_message, Opcode};
pub use framer::{WsError, WsFrame, WsFramer, FRAGMENTS};
