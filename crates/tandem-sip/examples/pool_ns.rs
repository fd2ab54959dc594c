//! `cargo run --release -p tandem-sip --example pool_ns`: what a choice among 2, 16 and 128 members costs, as one line of JSON (CPU nanoseconds).

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use tandem_sip::pool::{Ask, Pools, PoolsConfig};

const CHOICES: usize = 400_000;

/// Counts allocations: a choice makes none.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

#[allow(unsafe_code)] // an allocator cannot be written without it
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        System.alloc(layout)
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        System.dealloc(pointer, layout);
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn main() {
    let mut fields = Vec::new();
    for algorithm in ["weighted", "round_robin", "least_calls", "least_response_time", "hash"] {
        for members in [2, 16, 128] {
            let (ns, allocations) = measure(algorithm, members);
            fields.push(format!("\"{algorithm}_{members}_ns\":{ns:.0}"));
            if allocations > 0 {
                fields.push(format!("\"{algorithm}_{members}_allocations\":{allocations}"));
            }
        }
    }
    println!("{{{}}}", fields.join(","));
}

fn measure(algorithm: &str, members: usize) -> (f64, u64) {
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
    let mut allocations = 0;
    for _ in 0..5 {
        let start = cpu_ns();
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        for i in 0..CHOICES {
            let ask = Ask { key: keys[i % keys.len()].as_bytes(), need };
            black_box(pools.candidates(0, black_box(&ask), i as u64));
        }
        allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
        let ns = (cpu_ns() - start) as f64 / CHOICES as f64;
        medians.push(ns);
    }
    medians.sort_by(f64::total_cmp);
    (medians[2], allocations)
}

/// What this thread has run, so that other work on the machine does not count.
fn cpu_ns() -> u64 {
    std::thread::yield_now(); // the kernel adds up when it switches
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    text.split(' ').next().and_then(|ns| ns.parse().ok()).expect("three numbers")
}
