//! `cargo run --release -p tandem-sip --example pool_ns`: what a choice among 2, 16 and 128 members costs, as one line of JSON (CPU nanoseconds).

use std::hint::black_box;
use tandem_sip::pool::{Ask, Pools, PoolsConfig};

const CHOICES: usize = 400_000;

fn main() {
    let mut fields = Vec::new();
    for algorithm in ["weighted", "round_robin", "least_calls", "least_response_time", "hash"] {
        for members in [2, 16, 128] {
            fields.push(format!("\"{algorithm}_{members}_ns\":{:.0}", measure(algorithm, members)));
        }
    }
    println!("{{{}}}", fields.join(","));
}

fn measure(algorithm: &str, members: usize) -> f64 {
    let list: Vec<String> = (1..=members)
        .map(|i| format!(r#"{{"name": "m{i}", "address": "10.0.{}.{}:5060", "weight": {}}}"#, i / 250, i % 250 + 1, 50 + i % 3))
        .collect();
    let json = format!(r#"{{"pools": [{{"name": "farm", "algorithm": "{algorithm}", "members": [{}]}}]}}"#, list.join(","));
    let config: PoolsConfig = serde_json::from_str(&json).expect("the JSON above");
    let mut pools = Pools::new([7; 16]);
    pools.apply(&config, 0).expect("a good configuration");
    let need = pools.need(0, b"INVITE", None);
    let keys: Vec<String> = (0..1_024).map(|i| format!("{i:08x}-1234-5678@192.0.2.{}", i % 250)).collect();
    let mut medians = Vec::new();
    for _ in 0..5 {
        let start = cpu_ns();
        for i in 0..CHOICES {
            let ask = Ask { key: keys[i % keys.len()].as_bytes(), need };
            black_box(pools.candidates(0, black_box(&ask), i as u64));
        }
        let ns = (cpu_ns() - start) as f64 / CHOICES as f64;
        medians.push(ns);
    }
    medians.sort_by(f64::total_cmp);
    medians[2]
}

/// What this thread has run, so that other work on the machine does not count.
fn cpu_ns() -> u64 {
    std::thread::yield_now(); // the kernel adds up when it switches
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    text.split(' ').next().and_then(|ns| ns.parse().ok()).expect("three numbers")
}
