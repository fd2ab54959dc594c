//! Media without sockets or clocks: RTP, RTCP, SRTP, ICE-lite, DTLS, session descriptions, the ng protocol, and the relay that joins them.
//!
//! `session` reads ng commands and descriptions and decides what each endpoint has to do: a [`plan::Endpoint`]. The relay
//! carries plans out, packet by packet. Time is an argument, in microseconds; randomness and ports come from the caller.
#![forbid(unsafe_code)]

pub mod audio;
mod budget;
pub mod dtls;
pub mod ice;
pub mod learn;
pub mod ng;
pub mod plan;
pub mod quality;
pub mod relay;
pub mod rtcp;
pub mod rtp;
pub mod sdp;
pub mod session;
pub mod srtp;
pub mod studio;
pub mod stun;
