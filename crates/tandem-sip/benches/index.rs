//! `cargo bench -p tandem-sip --bench index`: prints nanoseconds a message, ours and sipx-sip's.

mod measure;

fn main() {
    let (ours, sipx) = measure::medians();
    println!("INVITE of {} bytes: tandem-sip {ours:.0} ns, sipx-sip 1.0.1 {sipx:.0} ns, {:.1} times", measure::INVITE.len(), sipx / ours);
}
