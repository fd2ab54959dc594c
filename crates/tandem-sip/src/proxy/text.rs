//! `host:port` written as text without formatting machinery: what a forwarded message needs of it. It reads nothing.

use crate::decimal;
use std::net::SocketAddr;

/// Appends `host:port`, IPv6 in brackets.
pub(super) fn push_address(out: &mut Vec<u8>, address: SocketAddr) {
    let ip = address.ip().to_canonical();
    let v6 = ip.is_ipv6();
    if v6 {
        out.push(b'[');
    }
    decimal::push_ip(out, ip);
    if v6 {
        out.push(b']');
    }
    out.push(b':');
    decimal::push(out, address.port());
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
        decimal::push(&mut out, u64::MAX);
        assert_eq!(u64::MAX.to_string().as_bytes(), out);
    }
}
