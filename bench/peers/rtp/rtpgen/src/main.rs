//! rtpgen: paced RTP flows through any relay, one thread, with loss, latency and jitter.
//!
//!   rtpgen FLOWS.txt --seconds S [--warm W] [--ptime-ms 20] [--bytes 160] [--tick-us 250] [--seq FIRST]
//!
//! --seq: extended sequence number of the first packet of all flows; 65036 wraps after 10 s.
//!
//! FLOWS.txt, one way per line (a call is two lines; blank lines and # are skipped):
//!   LOCAL_ADDR SEND_TO EXPECT_ON [key=KEYHEX60 | -] [dkey=KEYHEX60 | -]
//! LOCAL_ADDR is bound and sent from, SEND_TO is the relay's address, EXPECT_ON is the local address where the
//! relay delivers (bound too). Addresses may be shared by many flows: packets are told apart by SSRC (= line number + 999).
//! For a relay that rewrites the SSRC give each flow an own EXPECT_ON: an address used by one flow identifies the flow.
//! key=: the 30 byte SDES master key+salt in hex: packets are sent as SRTP AES_CM_128_HMAC_SHA1_80.
//! dkey=: packets of this flow are expected as SRTP with that key; one in 64 is authenticated and counted.
//! Latency = kernel receive time stamp minus the clock just before the sending batch. One JSON line on stdout.
use aes::cipher::{KeyIvInit, StreamCipher};
use hmac::{Hmac, Mac};
use std::collections::HashMap;
use std::mem::{size_of, zeroed};
use std::net::Ipv4Addr;
type Ctr = ctr::Ctr128BE<aes::Aes128>;
type H = Hmac<sha1::Sha1>;
const RB: usize = 64;
const BUF: usize = 512;
const RING: usize = 512;

fn clock(id: i32) -> u64 {
    unsafe {
        let mut t: libc::timespec = zeroed();
        libc::clock_gettime(id, &mut t);
        t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
    }
}
fn sa(s: &str) -> libc::sockaddr_in {
    let (h, p) = s.rsplit_once(':').expect("ip:port");
    let ip: Ipv4Addr = h.parse().expect("IPv4");
    let mut a: libc::sockaddr_in = unsafe { zeroed() };
    a.sin_family = libc::AF_INET as u16;
    a.sin_port = p.parse::<u16>().expect("port").to_be();
    a.sin_addr.s_addr = u32::from_ne_bytes(ip.octets());
    a
}
struct Srtp {
    key: [u8; 16],
    salt: [u8; 14],
    mac: H,
}
impl Srtp {
    fn new(hex: &str) -> Srtp {
        let b: Vec<u8> = (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect();
        assert_eq!(b.len(), 30);
        let (mk, ms) = (&b[..16], &b[16..30]);
        let derive = |label: u8, n: usize| -> Vec<u8> {
            let mut iv = [0u8; 16];
            iv[..14].copy_from_slice(ms);
            iv[7] ^= label;
            let mut o = vec![0u8; n];
            Ctr::new(mk.into(), (&iv).into()).apply_keystream(&mut o);
            o
        };
        let (k, a, s) = (derive(0, 16), derive(1, 20), derive(2, 14));
        Srtp { key: k.try_into().unwrap(), salt: s.try_into().unwrap(), mac: <H as Mac>::new_from_slice(&a).unwrap() }
    }
    fn ctr(&self, ssrc: u32, idx: u64, data: &mut [u8]) {
        let mut iv = [0u8; 16];
        iv[..14].copy_from_slice(&self.salt);
        for (i, b) in ssrc.to_be_bytes().iter().enumerate() {
            iv[4 + i] ^= b;
        }
        for (i, b) in idx.to_be_bytes()[2..].iter().enumerate() {
            iv[8 + i] ^= b;
        }
        Ctr::new((&self.key).into(), (&iv).into()).apply_keystream(data);
    }
    fn tag(&self, pkt: &[u8], roc: u32) -> [u8; 10] {
        let mut m = self.mac.clone();
        m.update(pkt);
        m.update(&roc.to_be_bytes());
        m.finalize().into_bytes()[..10].try_into().unwrap()
    }
}
struct Flow {
    lsock: usize,
    to: libc::sockaddr_in,
    ssrc: u32,
    seq: u32, // extended
    sent: u64,
    recv: u64,
    dup: u64,
    first_seq: u32,
    ring: Vec<u64>, // send times by seq
    got: Vec<u32>,
    last_transit: i64,
    jitter: f64,
    last_rx: u64,
    max_gap: u64,
    gap_at: u64,
    enc: Option<Srtp>,
    dec: Option<Srtp>,
    refused: bool, // the last packet looked at did not authenticate
}
struct Sock {
    fd: i32,
    flows: Vec<usize>, // flows expected here
}
struct Hist(Vec<u64>);
impl Hist {
    fn add(&mut self, ns: u64) {
        let us10 = ns / 100; // 0.1 us
        let b = if us10 < 20000 { us10 as usize } else { (20000 + (us10 - 20000) / 1000).min(119999) as usize };
        self.0[b] += 1;
    }
    fn q(&self, p: f64) -> f64 {
        let n: u64 = self.0.iter().sum();
        let mut c = 0;
        for (i, v) in self.0.iter().enumerate() {
            c += v;
            if c as f64 >= n as f64 * p && c > 0 {
                return if i < 20000 { i as f64 / 10.0 } else { (20000 + (i - 20000) * 1000) as f64 / 10.0 };
            }
        }
        0.0
    }
}
fn main() {
    let av: Vec<String> = std::env::args().collect();
    let get = |k: &str, d: f64| av.iter().position(|x| x == k).map(|i| av[i + 1].parse::<f64>().unwrap()).unwrap_or(d);
    let seconds = get("--seconds", 10.0);
    let warm = get("--warm", 1.0);
    let ptime = (get("--ptime-ms", 20.0) * 1e6) as u64;
    let bytes = get("--bytes", 160.0) as usize;
    let tick = (get("--tick-us", 250.0) * 1e3) as u64;
    let first = get("--seq", -1.0);
    assert!(seconds <= 600.0, "bounded: at most 600 s");
    let text = std::fs::read_to_string(&av[1]).expect("flows file");
    let mut socks: Vec<Sock> = Vec::new();
    let mut by: HashMap<String, usize> = HashMap::new();
    let mut flows: Vec<Flow> = Vec::new();
    let bind = |s: &str, socks: &mut Vec<Sock>, by: &mut HashMap<String, usize>| -> usize {
        if let Some(&i) = by.get(s) {
            return i;
        }
        unsafe {
            let fd = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_NONBLOCK, 0);
            let a = sa(s);
            if libc::bind(fd, &a as *const _ as *const _, size_of::<libc::sockaddr_in>() as u32) != 0 {
                panic!("bind {} {}", s, std::io::Error::last_os_error());
            }
            let sz: i32 = 32 << 20;
            for o in [libc::SO_RCVBUFFORCE, libc::SO_SNDBUFFORCE] {
                libc::setsockopt(fd, libc::SOL_SOCKET, o, &sz as *const _ as *const _, 4);
            }
            let one: i32 = 1;
            libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, &one as *const _ as *const _, 4);
            socks.push(Sock { fd, flows: vec![] });
        }
        by.insert(s.to_string(), socks.len() - 1);
        socks.len() - 1
    };
    for l in text.lines() {
        let f: Vec<&str> = l.split_whitespace().collect();
        if f.len() < 3 || f[0].starts_with('#') {
            continue;
        }
        let ls = bind(f[0], &mut socks, &mut by);
        let es = bind(f[2], &mut socks, &mut by);
        let opt = |k: &str| f[3..].iter().find_map(|x| x.strip_prefix(k)).filter(|x| *x != "-").map(Srtp::new);
        let ssrc = 1000 + flows.len() as u32;
        socks[es].flows.push(flows.len());
        flows.push(Flow {
            lsock: ls,
            to: sa(f[1]),
            ssrc,
            seq: if first >= 0.0 { first as u32 } else { 1000 + (flows.len() as u32 * 7) % 20000 },
            sent: 0,
            recv: 0,
            dup: 0,
            first_seq: 0,
            ring: vec![0; RING],
            got: vec![u32::MAX; RING],
            last_transit: i64::MIN,
            jitter: 0.0,
            last_rx: 0,
            max_gap: 0,
            gap_at: 0,
            enc: opt("key="),
            dec: opt("dkey="),
            refused: false,
        });
    }
    let n = flows.len();
    let ep = unsafe { libc::epoll_create1(0) };
    for (i, s) in socks.iter().enumerate() {
        let mut e = libc::epoll_event { events: libc::EPOLLIN as u32, u64: i as u64 };
        unsafe { libc::epoll_ctl(ep, libc::EPOLL_CTL_ADD, s.fd, &mut e) };
    }
    let slots = (ptime / tick).max(1) as usize;
    let mut slot_flows: Vec<Vec<usize>> = vec![vec![]; slots];
    for i in 0..n {
        slot_flows[i * slots / n.max(1)].push(i);
    }
    // group each slot by local socket so that one sendmmsg covers many flows
    for s in slot_flows.iter_mut() {
        s.sort_by_key(|&i| flows[i].lsock);
    }
    let mut lat = Hist(vec![0; 120000]);
    let start = clock(libc::CLOCK_MONOTONIC) + 50_000_000;
    let off = clock(libc::CLOCK_REALTIME) as i64 - clock(libc::CLOCK_MONOTONIC) as i64;
    let warm_end = start + (warm * 1e9) as u64;
    let end = warm_end + (seconds * 1e9) as u64;
    let mut tickno: u64 = 0;
    let (mut senderr, mut late_ticks, mut max_late, mut unknown, mut auth_ok, mut auth_bad) = (0u64, 0u64, 0u64, 0u64, 0u64, 0u64);
    let mut counting = false;
    let mut cpu0 = 0.0;
    let cpu = || unsafe {
        let mut r: libc::rusage = zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut r);
        (r.ru_utime.tv_sec + r.ru_stime.tv_sec) as f64 * 1e6 + (r.ru_utime.tv_usec + r.ru_stime.tv_usec) as f64
    };
    let plen = 12 + bytes;
    let mut pk = vec![0u8; 64 * BUF];
    let mut rx = vec![0u8; RB * BUF];
    let mut ctl = vec![0u8; RB * 64];
    let mut evs: Vec<libc::epoll_event> = vec![unsafe { zeroed() }; 256];
    let mut t_count = 0u64;
    let mut stop_send = false;
    let mut samples: Vec<(u64, u64)> = Vec::new(); // (ns, total received) each 100 ms, for outage curves
    let mut next_sample = start;
    let mut total_rx: u64 = 0;
    loop {
        let now = clock(libc::CLOCK_MONOTONIC);
        if !counting && now >= warm_end {
            counting = true;
            t_count = now;
            cpu0 = cpu();
            for f in flows.iter_mut() {
                f.sent = 0;
                f.recv = 0;
                f.dup = 0;
                f.first_seq = f.seq;
                f.max_gap = 0;
            }
            lat.0.iter_mut().for_each(|x| *x = 0);
            println!("COUNTING {}", clock(libc::CLOCK_REALTIME));
        }
        if now >= next_sample {
            samples.push((now, total_rx));
            next_sample += 100_000_000;
        }
        if now >= end {
            stop_send = true;
        }
        if now >= end + 300_000_000 {
            break;
        }
        // send all due ticks
        let mut nticks = 0;
        while !stop_send && start + tickno * tick <= now && nticks < 8 {
            let late = now - (start + tickno * tick);
            if counting && late > max_late {
                max_late = late;
            }
            if counting && late > 5_000_000 {
                late_ticks += 1;
            }
            let sl = (tickno as usize) % slots;
            let list = std::mem::take(&mut slot_flows[sl]);
            let mut i = 0;
            while i < list.len() {
                let ls = flows[list[i]].lsock;
                let mut j = i;
                let mut iov: [libc::iovec; 32] = unsafe { zeroed() };
                let mut mm: [libc::mmsghdr; 32] = unsafe { zeroed() };
                let mut k = 0;
                let tsend = clock(libc::CLOCK_REALTIME);
                while j < list.len() && k < 32 && flows[list[j]].lsock == ls {
                    let f = &mut flows[list[j]];
                    let b = &mut pk[k * BUF..(k + 1) * BUF];
                    b[0] = 0x80;
                    b[1] = 0;
                    b[2..4].copy_from_slice(&(f.seq as u16).to_be_bytes());
                    b[4..8].copy_from_slice(&(f.seq.wrapping_mul(bytes as u32)).to_be_bytes());
                    b[8..12].copy_from_slice(&f.ssrc.to_be_bytes());
                    for x in b[12..plen].iter_mut() {
                        *x = 0xd5;
                    }
                    let mut l = plen;
                    if let Some(e) = &f.enc {
                        e.ctr(f.ssrc, f.seq as u64, &mut b[12..plen]);
                        let t = e.tag(&b[..plen], f.seq >> 16);
                        b[plen..plen + 10].copy_from_slice(&t);
                        l += 10;
                    }
                    f.ring[f.seq as usize % RING] = tsend;
                    f.got[f.seq as usize % RING] = u32::MAX;
                    f.seq += 1;
                    f.sent += 1;
                    iov[k] = libc::iovec { iov_base: b.as_mut_ptr() as *mut _, iov_len: l };
                    mm[k].msg_hdr.msg_name = &f.to as *const _ as *mut _;
                    mm[k].msg_hdr.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
                    k += 1;
                    j += 1;
                }
                for q in 0..k {
                    mm[q].msg_hdr.msg_iov = &mut iov[q];
                    mm[q].msg_hdr.msg_iovlen = 1;
                }
                let mut done = 0;
                while done < k {
                    let r = unsafe { libc::sendmmsg(socks[ls].fd, mm.as_mut_ptr().add(done), (k - done) as u32, 0) };
                    if r <= 0 {
                        senderr += 1;
                        done += 1;
                    } else {
                        done += r as usize;
                    }
                }
                i = j;
            }
            slot_flows[sl] = list;
            tickno += 1;
            nticks += 1;
        }
        // receive
        let nextt = start + tickno * tick;
        let now2 = clock(libc::CLOCK_MONOTONIC);
        let wait_ns = if stop_send { 5_000_000 } else { nextt.saturating_sub(now2) };
        let ne = unsafe {
            let ts = libc::timespec { tv_sec: 0, tv_nsec: wait_ns.min(20_000_000) as i64 };
            libc::syscall(libc::SYS_epoll_pwait2, ep, evs.as_mut_ptr(), 256, &ts, 0usize, 8usize)
        };
        for e in 0..ne.max(0) as usize {
            let si = evs[e].u64 as usize;
            loop {
                let mut iov: [libc::iovec; RB] = unsafe { zeroed() };
                let mut mm: [libc::mmsghdr; RB] = unsafe { zeroed() };
                for i in 0..RB {
                    iov[i] = libc::iovec { iov_base: unsafe { rx.as_mut_ptr().add(i * BUF) } as *mut _, iov_len: BUF };
                    mm[i].msg_hdr.msg_iov = &mut iov[i];
                    mm[i].msg_hdr.msg_iovlen = 1;
                    mm[i].msg_hdr.msg_control = unsafe { ctl.as_mut_ptr().add(i * 64) } as *mut _;
                    mm[i].msg_hdr.msg_controllen = 64;
                }
                let r = unsafe { libc::recvmmsg(socks[si].fd, mm.as_mut_ptr(), RB as u32, libc::MSG_DONTWAIT, std::ptr::null_mut()) };
                if r <= 0 {
                    break;
                }
                for i in 0..r as usize {
                    let m = &mut rx[i * BUF..i * BUF + mm[i].msg_len as usize];
                    if m.len() < 12 || (m[0] & 0xc0) != 0x80 || (m[1] & 0x7f) >= 72 && (m[1] & 0x7f) <= 76 {
                        continue; // RTCP or something else
                    }
                    total_rx += 1;
                    let ssrc = u32::from_be_bytes([m[8], m[9], m[10], m[11]]);
                    let seq = u16::from_be_bytes([m[2], m[3]]);
                    let fi = if socks[si].flows.len() == 1 {
                        socks[si].flows[0]
                    } else {
                        let x = ssrc.wrapping_sub(1000) as usize;
                        if x >= n {
                            unknown += 1;
                            continue;
                        }
                        x
                    };
                    let f = &mut flows[fi];
                    let full = {
                        let cur = f.seq;
                        let mut v = (cur & 0xffff0000) | seq as u32;
                        if v > cur {
                            v = v.wrapping_sub(0x10000);
                        }
                        v
                    };
                    let ts = unsafe {
                        let c = libc::CMSG_FIRSTHDR(&mm[i].msg_hdr);
                        if !c.is_null() && (*c).cmsg_type == libc::SO_TIMESTAMPNS {
                            let t = std::ptr::read_unaligned(libc::CMSG_DATA(c) as *const libc::timespec);
                            t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
                        } else {
                            clock(libc::CLOCK_REALTIME)
                        }
                    };
                    if counting && full < f.first_seq {
                        continue;
                    }
                    let slot = full as usize % RING;
                    if f.got[slot] == full {
                        f.dup += 1;
                        continue;
                    }
                    f.got[slot] = full;
                    f.recv += 1;
                    if f.seq - full < RING as u32 {
                        let t0 = f.ring[slot];
                        if counting {
                            lat.add(ts.saturating_sub(t0));
                        }
                        let transit = ts as i64 - t0 as i64; // against the real sending time: only what the relay adds
                        if f.last_transit != i64::MIN {
                            let d = (transit - f.last_transit).abs() as f64;
                            f.jitter += (d - f.jitter) / 16.0;
                        }
                        f.last_transit = transit;
                    }
                    if f.last_rx != 0 && ts > f.last_rx && ts - f.last_rx > f.max_gap {
                        f.max_gap = ts - f.last_rx;
                        f.gap_at = ts;
                    }
                    f.last_rx = ts;
                    if let Some(d) = &f.dec {
                        if seq & 63 == 0 {
                            let l = m.len();
                            let good = l == plen + 10 && d.tag(&m[..l - 10], full >> 16) == m[l - 10..];
                            let mut body = m[12..l - 10].to_vec();
                            d.ctr(ssrc, full as u64, &mut body);
                            f.refused = !(good && body.iter().all(|&x| x == 0xd5));
                            if !f.refused {
                                auth_ok += 1
                            } else {
                                auth_bad += 1
                            }
                        }
                    }
                }
                if (r as usize) < RB {
                    break;
                }
            }
        }
    }
    let el = (end - t_count) as f64 / 1e9;
    let sent: u64 = flows.iter().map(|f| f.sent).sum();
    let recv: u64 = flows.iter().map(|f| f.recv.min(f.sent)).sum();
    let dup: u64 = flows.iter().map(|f| f.dup).sum();
    let mut js: Vec<f64> = flows.iter().map(|f| f.jitter / 1e3).collect();
    js.sort_by(|a, b| a.partial_cmp(b).unwrap());
    let mut gaps: Vec<u64> = flows.iter().map(|f| f.max_gap).collect();
    gaps.sort_unstable();
    let silent = flows.iter().filter(|f| f.recv == 0).count();
    let end_rt = (end as i64 + off) as u64;
    let dead_end = flows.iter().filter(|f| f.last_rx + 1_000_000_000 < end_rt).count();
    let refused = flows.iter().filter(|f| f.refused).count();
    let listed = gaps.iter().map(|gap| format!("{:.1}", *gap as f64 / 1e6)).collect::<Vec<_>>().join(",");
    let gcpu = cpu() - cpu0;
    println!(
        "{{\"flows\":{},\"seconds\":{:.2},\"sent\":{},\"recv\":{},\"lost\":{},\"loss_pct\":{:.4},\"dup\":{},\"unknown\":{},\"senderr\":{},\"pps_sent\":{:.0},\"lat_us\":{{\"p50\":{:.1},\"p95\":{:.1},\"p99\":{:.1},\"p999\":{:.1}}},\"jitter_us\":{{\"median\":{:.1},\"p99\":{:.1},\"max\":{:.1}}},\"max_gap_ms\":{{\"median\":{:.1},\"p99\":{:.1},\"max\":{:.1}}},\"silent_flows\":{},\"flows_dead_at_end\":{},\"flows_refused_at_end\":{},\"gaps_ms\":[{}],\"srtp_auth_ok\":{},\"srtp_auth_bad\":{},\"gen_cpu_us_per_pkt\":{:.2},\"gen_core_pct\":{:.1},\"gen_late_ticks\":{},\"gen_max_late_ms\":{:.2}}}",
        n, el, sent, recv, sent - recv, 100.0 * (sent - recv) as f64 / sent.max(1) as f64, dup, unknown, senderr, sent as f64 / el,
        lat.q(0.5), lat.q(0.95), lat.q(0.99), lat.q(0.999), js[js.len() / 2], js[(js.len() as f64 * 0.99) as usize % js.len()], js[js.len() - 1],
        gaps[gaps.len() / 2] as f64 / 1e6, gaps[(gaps.len() as f64 * 0.99) as usize % gaps.len()] as f64 / 1e6, gaps[gaps.len() - 1] as f64 / 1e6, silent, dead_end, refused, listed, auth_ok, auth_bad, gcpu / sent.max(1) as f64, gcpu / el / 1e4, late_ticks, max_late as f64 / 1e6
    );
}
