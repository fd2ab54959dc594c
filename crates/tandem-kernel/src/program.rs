//! The program and its maps in the kernel. It attaches nothing and puts nothing into the maps.

use std::os::fd::OwnedFd;

use crate::kernel::Unavailable;
use crate::object;
use crate::sys::{self, Map, Memory};

/// What `bpf/build.sh` made of `bpf/relay.c`.
pub const OBJECT: &[u8] = include_bytes!("../bpf/relay.o");
/// BPF_PSEUDO_MAP_FD: the number that follows is a map's descriptor.
const NAMES_A_MAP: u8 = 1;

/// Loaded.
pub struct Program {
    /// Of the program.
    pub fd: OwnedFd,
    /// Place to number in `flows`.
    pub places: Map,
    /// What to do.
    pub flows: Memory,
    /// What came.
    pub states: Memory,
    /// Until when anything is forwarded, in nanoseconds of the steady clock.
    pub lease: Memory,
}

impl Program {
    /// Loads it for at most `flows` streams, with room for `more` that rest.
    pub fn load(flows: u32, more: u32) -> Result<Program, Unavailable> {
        if cfg!(target_endian = "big") {
            return Err(Unavailable("the program is compiled for little-endian processors".into()));
        }
        let Some(object) = object::read(OBJECT) else { return Err(Unavailable("the program's object is broken".into())) };
        let mut maps = Vec::new();
        for map in &object.maps {
            let entries = match map.name.as_str() {
                "places" => flows,
                "flows" | "states" => flows.saturating_add(more).min(map.entries),
                _ => map.entries,
            };
            let made = Map::create(&map.name, map.kind, map.key_bytes, map.value_bytes, entries, map.flags);
            maps.push(made.map_err(|error| Unavailable::of("no maps of bpf", &error))?);
        }
        let mut code = object.code;
        for (at, map) in object.references {
            let (Some(instruction), Some(map)) = (code.get_mut(at..at + 8), maps.get(map)) else {
                return Err(Unavailable("the program's object is broken".into()));
            };
            if let [_, registers, _, _, number @ ..] = instruction {
                *registers = *registers & 0x0f | NAMES_A_MAP << 4;
                number.copy_from_slice(&map.raw().to_le_bytes());
            }
        }
        let fd =
            sys::load("tandem_relay", &code, &object.license).map_err(|error| Unavailable::of("the kernel refuses the program", &error))?;
        let take = |name: &str| {
            let at = object.maps.iter().zip(&maps).position(|(shape, _)| shape.name == name);
            at.ok_or_else(|| Unavailable("the program's object is broken".into()))
        };
        let (places, flows, states, lease) = (take("places")?, take("flows")?, take("states")?, take("lease")?);
        let memory = |at: usize| maps[at].memory().map_err(|error| Unavailable::of("no memory shared with bpf", &error));
        let (flows, states, lease) = (memory(flows)?, memory(states)?, memory(lease)?);
        Ok(Program { fd, places: maps.swap_remove(places), flows, states, lease })
    }
}
