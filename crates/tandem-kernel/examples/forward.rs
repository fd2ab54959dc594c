//! Forwards the streams of a list in the kernel until its input ends, and says each second what was forwarded. For tests and
//! measurements; a relay puts its streams itself.
//!
//!     forward [--filter] LIST INTERFACE...
//!
//! LIST has a line for each direction: LOCAL REMOTE NEW_SOURCE NEW_DESTINATION.

use std::io::Write;
use std::net::UdpSocket;
use std::sync::mpsc::{channel, RecvTimeoutError};
use std::time::{Duration, Instant};

use tandem_kernel::{Flow, Kernel, Kind, Options, Way};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let way = if words.first().is_some_and(|word| word == "--filter") { Way::Filter } else { Way::Auto };
    if way == Way::Filter {
        words.remove(0);
    }
    let [list, interfaces @ ..] = &words[..] else { return Err("forward [--filter] LIST INTERFACE...".into()) };
    let mut kernel = Kernel::open_with(interfaces, Options { way, ..Options::default() })?;
    let mut sockets = Vec::new();
    let began = Instant::now();
    for line in std::fs::read_to_string(list)?.lines() {
        let mut addresses = line.split_whitespace().map(str::parse);
        let mut next = || addresses.next().ok_or("a line has four addresses");
        let (local, remote, new_source, new_destination) = (next()??, next()??, next()??, next()??);
        sockets.push(UdpSocket::bind(local)?);
        kernel.put(Flow { local, remote, new_source, new_destination, tos: 184, kind: Kind::Rtp(8_000) })?;
    }
    println!("ready: {} streams put in {} us", kernel.len(), began.elapsed().as_micros());
    let (ended, end) = channel::<()>();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        drop(ended);
    });
    while end.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {
        let began = Instant::now();
        kernel.tend();
        let (mut packets, mut bytes, mut lost, mut jitter_ns) = (0, 0, 0, 0);
        for (_, counters) in kernel.flows() {
            packets += counters.packets;
            bytes += counters.bytes;
            lost += counters.lost();
            jitter_ns = jitter_ns.max(counters.jitter_ns);
        }
        let sweep_us = began.elapsed().as_micros();
        writeln!(std::io::stdout(), "packets {packets} bytes {bytes} lost {lost} jitter_us {} sweep_us {sweep_us}", jitter_ns / 1_000)?;
    }
    Ok(())
}
