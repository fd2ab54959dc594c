//! Reads the compiled program out of its ELF file: instructions, maps, and which instruction names which map. It loads nothing.

/// A map as the program's source describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map {
    /// Its symbol.
    pub name: String,
    /// BPF_MAP_TYPE_*.
    pub kind: u32,
    /// Length of a key, in bytes.
    pub key_bytes: u32,
    /// Length of a value, in bytes.
    pub value_bytes: u32,
    /// Most entries.
    pub entries: u32,
    /// BPF_F_*.
    pub flags: u32,
}

/// A program and its maps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Instructions, 8 bytes each; references to maps are empty.
    pub code: Vec<u8>,
    /// Licence, with its closing zero.
    pub license: Vec<u8>,
    /// In the order of the file.
    pub maps: Vec<Map>,
    /// Offset of an instruction in `code`, and the place in `maps` of the map that it names.
    pub references: Vec<(usize, usize)>,
}

const SECTION_BYTES: usize = 64;
const SYMBOL_BYTES: usize = 24;
const RELOCATION_BYTES: usize = 16;
const MAP_BYTES: usize = 20;
/// First bytes of a 64-bit little-endian ELF file.
const MAGIC: &[u8] = b"\x7fELF\x02\x01";

/// Most sections, symbols and relocations that are looked at.
const ENTRIES: usize = 4096;

struct Section<'a> {
    name: &'a str,
    bytes: &'a [u8],
}

/// `None`: it is no object of the expected shape.
pub fn read(file: &[u8]) -> Option<Object> {
    file.starts_with(MAGIC).then_some(())?;
    let sections = sections(file)?;
    let section = |name: &str| sections.iter().position(|section| section.name == name);
    let bytes = |name: &str| section(name).and_then(|at| sections.get(at)).map(|section| section.bytes);
    let (maps_at, symbols, names) = (section("maps")?, bytes(".symtab")?, bytes(".strtab")?);
    let mut symbol_maps = Vec::new();
    let mut maps = Vec::new();
    for symbol in symbols.chunks_exact(SYMBOL_BYTES).take(ENTRIES) {
        let defined_in = usize::from(u16::from_le_bytes(symbol.get(6..8)?.try_into().ok()?));
        let map = if defined_in == maps_at {
            let name = text(names, word(symbol, 0)? as usize)?;
            let at = long(symbol, 8)? as usize;
            maps.push(map(name, sections.get(maps_at)?.bytes.get(at..)?.get(..MAP_BYTES)?)?);
            Some(maps.len() - 1)
        } else {
            None
        };
        symbol_maps.push(map);
    }
    let mut references = Vec::new();
    for relocation in bytes(".reltc")?.chunks_exact(RELOCATION_BYTES).take(ENTRIES) {
        let symbol = (long(relocation, 8)? >> 32) as usize;
        references.push((long(relocation, 0)? as usize, (*symbol_maps.get(symbol)?)?));
    }
    Some(Object { code: bytes("tc")?.to_vec(), license: bytes("license")?.to_vec(), maps, references })
}

fn sections(file: &[u8]) -> Option<Vec<Section<'_>>> {
    let short = |at: usize| Some(usize::from(u16::from_le_bytes(file.get(at..at + 2)?.try_into().ok()?)));
    let (table, count, names_at) = (long(file, 40)? as usize, short(60)?, short(62)?);
    let heads: Vec<&[u8]> = file.get(table..)?.chunks_exact(SECTION_BYTES).take(count.min(ENTRIES)).collect();
    let content = |head: &[u8]| file.get(long(head, 24)? as usize..)?.get(..long(head, 32)? as usize);
    let names = content(heads.get(names_at)?)?;
    heads
        .iter()
        .map(|head| Some(Section { name: text(names, word(head, 0)? as usize)?, bytes: content(head).unwrap_or_default() }))
        .collect()
}

fn map(name: &str, bytes: &[u8]) -> Option<Map> {
    let [kind, key_bytes, value_bytes, entries, flags] = [0, 4, 8, 12, 16].map(|at| word(bytes, at));
    Some(Map { name: name.to_owned(), kind: kind?, key_bytes: key_bytes?, value_bytes: value_bytes?, entries: entries?, flags: flags? })
}

fn text(bytes: &[u8], at: usize) -> Option<&str> {
    let rest = bytes.get(at..)?;
    std::str::from_utf8(rest.split(|byte| *byte == 0).next()?).ok()
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..)?.get(..4)?.try_into().ok()?))
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..)?.get(..8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::layout::{FLOW_BYTES, PLACE_BYTES, STATE_BYTES};
    use crate::program::OBJECT;

    #[test]
    fn the_object_has_the_layouts_that_the_rust_side_writes() {
        let object = read(OBJECT).unwrap();
        let shapes: Vec<_> = object.maps.iter().map(|map| (map.name.as_str(), map.key_bytes as usize, map.value_bytes as usize)).collect();
        let mut expected = vec![("places", PLACE_BYTES, 4), ("flows", 4, FLOW_BYTES), ("states", 4, STATE_BYTES), ("lease", 4, 8)];
        expected.sort();
        let mut found = shapes.clone();
        found.sort();
        assert_eq!(expected, found);
        assert_eq!(b"Dual MIT/GPL\0", &object.license[..]);
        assert!(object.references.iter().all(|(at, map)| at % 8 == 0 && at + 16 <= object.code.len() && *map < object.maps.len()));
    }

    #[test]
    fn a_cut_object_is_none() {
        for cut in (0..OBJECT.len()).step_by(7) {
            let _ = read(&OBJECT[..cut]);
        }
        assert_eq!(None, read(b""));
    }
}
