//! What the audio benches share: a voice, the CPU time of a thread, and how figures are printed.

use std::time::Duration;

/// CPU time that this thread has used: other work on the machine does not count as ours.
pub fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split_whitespace().next().and_then(|ns| ns.parse().ok()).unwrap_or_default())
}

/// What the command line asks for.
pub struct Asked {
    json: bool,
    name: String,
}

impl Asked {
    /// `--json`, and the begin of names.
    pub fn new() -> Asked {
        let mut words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
        let json = words.iter().any(|word| word == "--json");
        words.retain(|word| word != "--json");
        Asked { json, name: words.pop().unwrap_or_default() }
    }

    /// The table's head.
    pub fn head(&self, what: &str, columns: [&str; 3]) {
        if !self.json {
            println!("{what:<46} {:>9} {:>9} {:>9}", columns[0], columns[1], columns[2]);
        }
    }

    /// Runs a case `rounds` times, if it is asked for.
    pub fn case(&self, name: &str, rounds: usize, cost: impl Fn() -> f64) {
        if !name.starts_with(&self.name) {
            return;
        }
        let mut runs: Vec<f64> = (0..rounds).map(|_| cost()).collect();
        runs.sort_by(f64::total_cmp);
        if self.json {
            println!("{}", serde_json::json!({ "name": name, "runs": runs }));
        } else {
            println!("{name:<46} {:>9.3} {:>9.3} {:>9.3}", runs[0], runs[rounds / 2], runs[rounds - 1]);
        }
    }
}

/// A voice that glides and pauses, with some noise: `seconds` at `rate` Hz.
pub fn voice(rate: u32, seconds: u32, pitch: f64) -> Vec<i16> {
    let (mut seed, mut phase) = (1u32, 0.0f64);
    let sample = |n: u32| {
        let t = f64::from(n) / f64::from(rate);
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = f64::from((seed >> 16) as i16) / 32_768.0;
        let hertz = pitch + 30.0 * (t * 2.0).sin();
        phase += hertz / f64::from(rate);
        let loud = if (t * 3.0).sin() > -0.3 { 1.0 } else { 0.03 };
        let harmonic = |k: u32| {
            let f = f64::from(k) * hertz;
            let formant = |at: f64, width: f64| 1.0 / (1.0 + ((f - at) / width).powi(2));
            let gain = formant(600.0 + 300.0 * (t * 5.0).sin(), 150.0) + 0.5 * formant(1_500.0, 200.0) + 0.05;
            gain * (f64::from(k) * phase * std::f64::consts::TAU).sin()
        };
        let sum: f64 = (1..20).map(harmonic).sum();
        (loud * (4_000.0 * sum + 300.0 * noise)).clamp(-32_000.0, 32_000.0) as i16
    };
    (0..rate * seconds).map(sample).collect()
}
