//! `cargo run --release -p tandem-sip --example index_ns`: the figures of `benches/index.rs` as one line of JSON.

#[path = "../benches/measure/mod.rs"]
mod measure;

fn main() {
    let (ours, sipx) = measure::medians();
    println!("{{\"bytes\":{},\"ours_ns\":{ours:.0},\"sipx_ns\":{sipx:.0}}}", measure::INVITE.len());
}
