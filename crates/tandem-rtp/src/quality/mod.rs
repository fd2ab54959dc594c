//! How well a stream arrives: losses, jitter, round trips, and what a listener thinks of it. No packet is changed, none is delayed.
//!
//! An [`Inbound`] watches a stream that we receive, an [`Outbound`] one that we send and what its receiver reports of it. Both are plain
//! data: a copy is the state that a successor goes on from (`heir`). A [`Reporter`] makes the reports for a peer that gets none.
//!
//! ```
//! use tandem_rtp::{quality::{Codec, Inbound}, rtp::Header};
//! let mut stream = Inbound::new(1, 8_000, Codec::G711_PLC);
//! for n in (0..100u16).filter(|n| n % 10 != 5) {
//!     let [high, low] = n.to_be_bytes();
//!     let [t0, t1, t2, t3] = (u32::from(n) * 160).to_be_bytes();
//!     let header = Header::read(&[0x80, 0, high, low, t0, t1, t2, t3, 0, 0, 0, 1]).unwrap();
//!     stream.packet(u64::from(n) * 20_000, &header, 172);
//! }
//! assert_eq!((100, 90, 10, 0), (stream.expected(), stream.packets, stream.missing(), stream.jitter()));
//! ```

mod bursts;
mod emodel;
mod inbound;
mod outbound;
mod passed;
mod reporter;
mod scores;
mod trip;

pub use bursts::{Bursts, GAP_PACKETS};
pub use emodel::{mos, rating, Codec};
pub use inbound::{Inbound, Run};
pub use outbound::{Outbound, Remote};
pub use passed::Passed;
pub use reporter::{Reporter, INTERVAL_US, QUIET_US};
pub use scores::{Scores, Window, WINDOW_US};
pub use trip::{Trip, SENDER_REPORTS};
