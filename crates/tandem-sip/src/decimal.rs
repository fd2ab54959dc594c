//! Numbers and addresses as text where every message passes. No formatter stands in the way, and nothing is read.

use std::io::Write;
use std::net::IpAddr;

/// Appends a number.
pub(crate) fn push(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends a number below 100 with two digits.
pub(crate) fn push_two(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&[b'0' + (number / 10 % 10) as u8, b'0' + (number % 10) as u8]);
}

/// Appends an address; IPv6 without brackets.
pub(crate) fn push_ip(out: &mut Vec<u8>, ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => {
            for (at, byte) in ip.octets().into_iter().enumerate() {
                if at > 0 {
                    out.push(b'.');
                }
                push(out, byte);
            }
        }
        IpAddr::V6(ip) => {
            let _ = write!(out, "{ip}"); // a Vec takes all
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_read_as_the_formatter_writes_them() {
        for ip in ["0.0.0.0", "192.0.2.255", "2001:db8::1", "::ffff:192.0.2.1"].map(|text| text.parse::<IpAddr>().unwrap()) {
            let mut out = Vec::new();
            push_ip(&mut out, ip);
            assert_eq!(ip.to_string(), String::from_utf8(out).unwrap());
        }
        for number in [0, 9, 10, 65_535, u64::MAX] {
            let mut out = Vec::new();
            push(&mut out, number);
            assert_eq!(number.to_string(), String::from_utf8(out).unwrap());
        }
        let mut out = Vec::new();
        [0, 7, 42, 99].into_iter().for_each(|number| push_two(&mut out, number));
        assert_eq!(b"00074299", &out[..]);
    }
}
