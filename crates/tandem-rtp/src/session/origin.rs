//! The session lines that stay the same for a receiver when that is asked for: o= and s=.

use std::net::IpAddr;

use super::call::Told;
use crate::ng::Replace;
use crate::sdp::{Description, Family, Line};

/// Replaces what `replace` names; `address` is ours.
pub(super) fn replace(description: &mut Description, told: &mut Told, replace: Replace, address: Option<IpAddr>) {
    if replace.session_name {
        let name = description.session.iter().find_map(|line| line.of_type(b's')).map(<[u8]>::to_vec);
        let name = told.name.get_or_insert(name.unwrap_or_else(|| b"-".to_vec())).clone();
        set(description, b's', [b"s=", &name[..]].concat());
    }
    let Some(mut origin) = description.origin() else { return };
    if let Some(address) = address.filter(|_| replace.origin || replace.origin_full) {
        (origin.family, origin.address) = (Family::of(address).as_str().to_owned(), address.to_string());
    }
    let first = told.origin.get_or_insert_with(|| origin.clone());
    if replace.origin_full {
        origin = first.clone();
    } else if replace.username {
        origin.username.clone_from(&first.username);
    }
    if replace.version || replace.version_always || replace.origin_full {
        let hash = hash_without_origin(description);
        match told.version {
            0 => told.version = origin.version.parse().unwrap_or(1).max(1),
            _ if told.hash != hash || replace.version_always => told.version = told.version.wrapping_add(1).max(1),
            _ => {}
        }
        told.hash = hash;
        origin.version = told.version.to_string();
    }
    set(description, b'o', format!("o={}", origin.value()).into_bytes());
}

fn set(description: &mut Description, kind: u8, bytes: Vec<u8>) {
    if let Some(line) = description.session.iter_mut().find(|line| line.of_type(kind).is_some()) {
        *line = Line::from(bytes);
    }
}

/// FNV-1a over all lines but o=: the same for the same description in every version of this program.
fn hash_without_origin(description: &Description) -> u64 {
    let sections = description.sections.iter().flat_map(|section| std::iter::once(&section.head).chain(&section.lines));
    let lines = description.session.iter().filter(|line| line.of_type(b'o').is_none()).chain(sections);
    let bytes = lines.flat_map(|line| line.bytes().iter().chain(b"\n"));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}
