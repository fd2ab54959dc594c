//! Secure RTP and RTCP (RFC 3711, RFC 7714): keys, and the contexts that protect and open packets. No sockets, no DTLS, no re-keying.
//!
//! A [`Sender`] protects what goes to one peer, a [`Receiver`] opens what comes from it; both work in place. What an heir needs to
//! go on is a [`State`]: the key, and of each SSRC the 48-bit index of RTP and the 31-bit index of RTCP.
//!
//! ```
//! use tandem_rtp::srtp::{Master, Receiver, Sender, Suite};
//! let master = Master { suite: Suite::AesCm128HmacSha1_80, key_salt: (0..30).collect() };
//! let (mut sender, mut receiver) = (Sender::new(&master).unwrap(), Receiver::new(&master).unwrap());
//! let packet = [0x80, 0, 0, 1, 0, 0, 0, 160, 1, 2, 3, 4, b'h', b'i'];
//! let mut buffer = [0; 64];
//! buffer[..packet.len()].copy_from_slice(&packet);
//! let len = sender.rtp(&mut buffer, packet.len()).unwrap();
//! assert_eq!(packet.len() + 10, len);
//! let len = receiver.rtp(&mut buffer, len).unwrap();
//! assert_eq!(packet, buffer[..len]);
//! ```

mod cm;
mod error;
mod gcm;
mod index;
mod jump;
mod kdf;
mod mac;
mod master;
mod receiver;
mod sdes;
mod sender;
mod sent;
mod session;
mod state;

pub use error::SrtpError;
pub use jump::Jump;
pub use master::{Master, Suite};
pub use receiver::Receiver;
pub use sender::Sender;
pub use state::{State, StreamState};

/// SSRCs that one direction protects or opens at a time: audio, video and their retransmissions of a bundle need six.
pub const SSRCS: usize = 16;
/// SSRCs that a sender remembers beyond those, so that one that comes back never repeats an index.
pub const PAST_SSRCS: usize = 256;
/// Most bytes that protection adds to a packet: 16 of tag and 4 of SRTCP index.
pub const OVERHEAD_BYTES: usize = 20;
/// How far an heir's SRTCP index is ahead of the state that it began with.
pub const SRTCP_JUMP: u32 = 1 << 16;
