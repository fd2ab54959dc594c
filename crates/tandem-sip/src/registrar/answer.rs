//! The header lines that a REGISTER's answer gets. Text only.

use super::{gruu, register::Wish, Binding, Config};
use crate::decimal;
use crate::ids::Keys;
use std::io::Write;

/// What an answer says beside the bindings.
pub(super) struct Telling<'a> {
    /// Hash of the REGISTER's Call-ID.
    pub call: u64,
    /// For temporary GRUUs.
    pub keys: &'a Keys,
    /// The table's hash of the address of record.
    pub hash: u64,
    /// The registrar's times.
    pub config: &'a Config,
    /// Now.
    pub now_us: u64,
}

/// Of a 200: the bindings with what is left of them and their GRUUs, Path, Require: outbound, Flow-Timer, Date.
pub(super) fn accepted(out: &mut Vec<u8>, list: &[Binding<'_>], wish: &Wish<'_>, telling: &Telling<'_>) {
    let now_s = telling.now_us / 1_000_000;
    for binding in list {
        out.extend_from_slice(b"Contact: <");
        out.extend_from_slice(binding.uri);
        let left = u64::from(binding.expires_at).saturating_sub(now_s);
        out.extend_from_slice(b">;expires=");
        decimal::push(out, left);
        if let Some(q) = binding.q {
            put(out, format_args!(";q={}.{:03}", q / 1000, q % 1000));
        }
        if !binding.instance.is_empty() {
            out.extend_from_slice(b";+sip.instance=\"");
            out.extend_from_slice(binding.instance);
            out.push(b'"');
        }
        if binding.reg_id != 0 {
            put(out, format_args!(";reg-id={}", binding.reg_id));
        }
        if wish.gruu && !binding.instance.is_empty() {
            gruu::push(out, wish.aor, telling.hash, binding, telling.keys);
        }
        out.extend_from_slice(b"\r\n");
    }
    if !wish.path.is_empty() {
        out.extend_from_slice(b"Path: ");
        out.extend_from_slice(wish.path);
        out.extend_from_slice(b"\r\n");
    }
    // RFC 5626 6: this tells the phone that its flow is used. The timer is the first hop's to say (5.4).
    if list.iter().any(|binding| binding.reg_id != 0 && (binding.call, binding.cseq) == (telling.call, wish.cseq)) {
        out.extend_from_slice(b"Require: outbound\r\n");
        if wish.path.is_empty() && telling.config.flow_timer_seconds > 0 {
            put(out, format_args!("Flow-Timer: {}\r\n", telling.config.flow_timer_seconds));
        }
    }
    out.extend_from_slice(b"Supported: path, outbound\r\nDate: ");
    date(out, now_s);
    out.extend_from_slice(b"\r\n");
}

/// Of a refusal.
pub(super) fn refused(out: &mut Vec<u8>, status: u16, config: &Config) {
    if status == 423 {
        put(out, format_args!("Min-Expires: {}\r\n", config.min_seconds));
    }
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text); // a Vec takes all
}

/// RFC 3261 20.17: `Sat, 13 Nov 2010 23:29:00 GMT`.
fn date(out: &mut Vec<u8>, now_s: u64) {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (days, second) = (now_s / 86_400, now_s % 86_400);
    // Days of the civil calendar, in eras of 400 years that begin on 1 March 0000.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153; // 0 is March
    let day = of_year - (153 * month + 2) / 5 + 1;
    let january = (month + 2) % 12; // 0 is January
    let year = era * 400 + year_of_era + u64::from(january < 2);
    let name = |names: &[&'static str], at: u64| names.get(at as usize).copied().unwrap_or_default();
    let (weekday, month) = (name(&DAYS, days % 7), name(&MONTHS, january));
    out.extend_from_slice(weekday.as_bytes());
    out.extend_from_slice(b", ");
    decimal::push_two(out, day);
    for text in [" ", month, " "] {
        out.extend_from_slice(text.as_bytes());
    }
    decimal::push(out, year);
    for (before, number) in [(b' ', second / 3600), (b':', second / 60 % 60), (b':', second % 60)] {
        out.push(before);
        decimal::push_two(out, number);
    }
    out.extend_from_slice(b" GMT");
}

#[cfg(test)]
mod tests {
    #[test]
    fn dates_are_those_of_the_calendar() {
        for (at, text) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (1_289_690_940, "Sat, 13 Nov 2010 23:29:00 GMT"),
            (1_795_249_999, "Sat, 21 Nov 2026 08:33:19 GMT"),
            (4_107_542_399, "Sun, 28 Feb 2100 23:59:59 GMT"),
        ] {
            let mut out = Vec::new();
            super::date(&mut out, at);
            assert_eq!(text, String::from_utf8(out).unwrap());
        }
    }
}
