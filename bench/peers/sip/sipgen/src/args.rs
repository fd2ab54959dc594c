//! What the command line says.

use crate::sock::sa;
use std::collections::BTreeMap;

pub struct A {
    pub mode: String,
    pub target: libc::sockaddr_in,
    pub target_s: String,
    pub local: Vec<String>,
    pub uas: Vec<String>,
    pub rate: f64,
    pub calls: usize,
    pub hold: u64,
    pub users: usize,
    pub first: usize,
    pub domain: String,
    pub dest: String,
    pub timeout: u64,
    pub seconds: f64,
    pub expires: u32,
    pub pass: String,
    pub ring: u64,
    pub no100: bool,
    pub nosdp: bool,
    pub window: usize,
    pub lean: bool,
    pub repeat200: bool,
}

impl A {
    pub fn read(kv: &BTreeMap<String, String>, mode: &str) -> A {
        let g = |k: &str, d: &str| kv.get(k).cloned().unwrap_or_else(|| d.to_string());
        let list = |k: &str, d: &str| g(k, d).split(',').filter(|s| !s.is_empty()).map(|s| s.to_string()).collect();
        A {
            mode: mode.to_string(),
            target_s: g("target", "127.0.0.1:5060"),
            target: sa(&g("target", "127.0.0.1:5060")),
            local: list("local", "127.0.0.1:6000"),
            uas: list("uas", ""),
            rate: g("rate", "100").parse().unwrap(),
            calls: g("calls", "1000").parse().unwrap(),
            hold: (g("hold-ms", "0").parse::<f64>().unwrap() * 1e6) as u64,
            users: g("users", "1000").parse().unwrap(),
            first: g("first-user", "0").parse().unwrap(),
            domain: g("domain", "bench.local"),
            dest: g("dest", "service"),
            timeout: (g("timeout-ms", "5000").parse::<f64>().unwrap() * 1e6) as u64,
            seconds: g("seconds", "60").parse().unwrap(),
            expires: g("expires", "3600").parse().unwrap(),
            pass: g("pass", "Secret12345x"),
            ring: (g("ring-ms", "0").parse::<f64>().unwrap() * 1e6) as u64,
            no100: kv.contains_key("no-100"),
            nosdp: kv.contains_key("no-sdp"),
            window: g("window", "0").parse().unwrap(),
            lean: kv.contains_key("lean"),
            repeat200: kv.contains_key("repeat-200"),
        }
    }
}
