//! Registrar and user calls of `Owner` and `Node`, on the owner itself: conversions only.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use tandem_sip::digest::Ha1;
use tandem_sip::owner::Owner;
use tandem_sip::registrar::Binding;

/// edge, connection, transport, local, host, port: as src/tandem/boundary.py has it
pub type FlowOf = (u16, u64, u8, u8, String, u16);
/// uri, q, flow, instance, path, microseconds since 1970 at which it ends, reg-id (0: none), whether it answers our OPTIONS
pub type Found = (String, f64, FlowOf, String, String, u64, u32, bool);
/// aor, MD5, SHA-256, SHA-512-256 of user:realm:password; None where unknown
pub type UserArgs = (String, Option<Vec<u8>>, Option<Vec<u8>>, Option<Vec<u8>>);

/// Latin-1 bytes as text.
pub fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// Text as latin-1 bytes.
pub fn bytes(field: &str, text: &str) -> PyResult<Vec<u8>> {
    let narrow: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
    narrow.ok_or_else(|| PyValueError::new_err(format!("{field}: {text:?} has characters beyond latin-1")))
}

/// The bindings of one address of record, best first.
pub fn lookup(owner: &Owner, aor: &[u8]) -> Vec<Found> {
    owner.lookup(aor).iter().map(found).collect()
}

/// Address of record and instance that the user part of a temporary GRUU names.
pub fn temporary(owner: &Owner, user: &[u8]) -> Option<(String, String)> {
    owner.temporary(user).map(|phone| (text(&phone.aor), text(&phone.instance)))
}

/// A page of all addresses of record, in the order of their names.
pub fn registrations(owner: &Owner, offset: usize, limit: usize) -> Vec<(String, Vec<Found>)> {
    let mut aors: Vec<&[u8]> = owner.registrations().map(|(aor, _)| aor).collect();
    aors.sort_unstable();
    let page = aors.into_iter().skip(offset).take(limit);
    page.map(|aor| (text(aor), lookup(owner, aor))).filter(|(_, found)| !found.is_empty()).collect()
}

/// Reads the users to set, before any of them is.
pub fn users(list: Vec<UserArgs>) -> PyResult<Vec<(Vec<u8>, Ha1)>> {
    list.into_iter()
        .map(|(aor, md5, sha256, sha512_256)| {
            let ha1 = Ha1 { md5: sum("md5", md5)?, sha256: sum("sha256", sha256)?, sha512_256: sum("sha512_256", sha512_256)? };
            let aor = bytes("aor", &aor)?;
            if aor.len() > tandem_sip::users::AOR_BYTES {
                return Err(PyValueError::new_err(format!("aor: longer than {} bytes", tandem_sip::users::AOR_BYTES)));
            }
            Ok((aor, ha1))
        })
        .collect()
}

fn sum<const N: usize>(field: &str, given: Option<Vec<u8>>) -> PyResult<Option<[u8; N]>> {
    given.map(|sum| sum.try_into().map_err(|_| PyValueError::new_err(format!("{field}: not {N} bytes")))).transpose()
}

fn found(binding: &Binding<'_>) -> Found {
    let flow = binding.flow;
    let host = flow.remote.ip().to_canonical().to_string();
    (
        text(binding.uri),
        f64::from(binding.q.unwrap_or(1000)) / 1000.0,
        (flow.edge, flow.connection, flow.transport, flow.local, host, flow.remote.port()),
        text(binding.instance),
        text(binding.path),
        u64::from(binding.expires_at) * 1_000_000,
        binding.reg_id,
        !binding.unreachable,
    )
}
