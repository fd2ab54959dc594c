//! Percentiles of what was timed.

#[derive(Default)]
pub struct Hist {
    v: Vec<u64>,
}
impl Hist {
    pub fn add(&mut self, ns: u64) {
        if self.v.len() < 4_000_000 {
            self.v.push(ns);
        }
    }
    pub fn json(&mut self) -> String {
        if self.v.is_empty() {
            return "null".into();
        }
        self.v.sort_unstable();
        let n = self.v.len();
        let g = |p: f64| self.v[((n as f64 * p) as usize).min(n - 1)] as f64 / 1e3;
        format!("{{\"p50_us\":{:.0},\"p95_us\":{:.0},\"p99_us\":{:.0},\"max_us\":{:.0}}}", g(0.5), g(0.95), g(0.99), self.v[n - 1] as f64 / 1e3)
    }
}
