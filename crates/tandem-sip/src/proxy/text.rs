//! Numbers and addresses written as text without formatting machinery: what a forwarded message needs of it. It reads nothing.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};

/// Appends a decimal number.
pub(super) fn push_number(out: &mut Vec<u8>, value: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = value;
    loop {
        at -= 1;
        if let Some(place) = digits.get_mut(at) {
            *place = b'0' + (rest % 10) as u8;
        }
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(at..).unwrap_or_default());
}

/// Appends an IP address as `received` has it: IPv6 without brackets.
pub(super) fn push_ip(out: &mut Vec<u8>, ip: IpAddr) {
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            for (at, byte) in [a, b, c, d].into_iter().enumerate() {
                if at > 0 {
                    out.push(b'.');
                }
                push_number(out, byte.into());
            }
        }
        IpAddr::V6(v6) => {
            let _ = write!(out, "{v6}"); // a Vec takes all
        }
    }
}

/// Appends `host:port`, IPv6 in brackets.
pub(super) fn push_address(out: &mut Vec<u8>, address: SocketAddr) {
    let ip = address.ip().to_canonical();
    let v6 = ip.is_ipv6();
    if v6 {
        out.push(b'[');
    }
    push_ip(out, ip);
    if v6 {
        out.push(b']');
    }
    out.push(b':');
    push_number(out, address.port().into());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_the_standard_library_does() {
        for text in ["192.0.2.1:5060", "0.0.0.0:0", "255.255.255.255:65535", "[2001:db8::1]:5070"] {
            let mut out = Vec::new();
            push_address(&mut out, text.parse().unwrap());
            assert_eq!(text.as_bytes(), out);
        }
        let mut out = Vec::new();
        push_number(&mut out, u64::MAX);
        assert_eq!(u64::MAX.to_string().as_bytes(), out);
    }
}
