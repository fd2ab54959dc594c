//! Times of one task on one core: index an INVITE with SDP, then read the top Via, the tags, Call-ID and CSeq. Ours and sipx-sip's.

use bytes::Bytes;
use sipx_sip::headers as theirs;
use std::hint::black_box;
use std::time::Instant;
use tandem_sip::{index::Index, limits::Limits, message::Message};

/// Rounds whose median counts.
const ROUNDS: usize = 4_001;
/// Messages in a round: so few that a round of either is over within half a millisecond, or a busy machine's scheduler would cut
/// into every round of the slower one and into few of the faster.
const MESSAGES: u32 = 100;

/// The INVITE that is measured.
pub const INVITE: &[u8] = include_bytes!("invite.sip");

/// Median nanoseconds of one message: ours, and sipx-sip's. The rounds alternate, so that both see the same machine.
pub fn medians() -> (f64, f64) {
    let mut index = Index::default();
    let limits = Limits::default();
    let bytes = Bytes::from_static(INVITE);
    let their_limits = sipx_sip::parser::Limits::datagram();
    let mut times = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        times.0.push(round(|| ours(black_box(INVITE), &limits, &mut index)));
        times.1.push(round(|| sipx(black_box(bytes.clone()), &their_limits)));
    }
    (median(times.0), median(times.1))
}

fn ours(bytes: &[u8], limits: &Limits, index: &mut Index) {
    let message = Message::parse(bytes, limits, index).expect("the INVITE is good");
    let via = message.top_via();
    black_box((via.transport, via.host, via.port, via.branch));
    black_box((message.from_tag(), message.to_tag(), message.call_id(), message.cseq(), message.body()));
}

fn sipx(bytes: Bytes, limits: &sipx_sip::parser::Limits) {
    let message = sipx_sip::parser::parse_datagram(bytes, limits).expect("the INVITE is good");
    let headers = message.headers();
    let via = headers.typed::<theirs::Via>().expect("a Via").expect("a good Via");
    black_box((&via, via.branch()));
    let from = headers.typed::<theirs::From>().expect("a From").expect("a good From");
    let to = headers.typed::<theirs::To>().expect("a To").expect("a good To");
    black_box((from.0.tag(), to.0.tag()));
    black_box(headers.typed::<theirs::CallId>().expect("a Call-ID").expect("a good Call-ID"));
    black_box(headers.typed::<theirs::CSeq>().expect("a CSeq").expect("a good CSeq"));
    black_box(message.body());
}

fn round(mut task: impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..MESSAGES {
        task();
    }
    start.elapsed().as_nanos() as f64 / f64::from(MESSAGES)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
