//! `tandem._core.Owner`: the pure owner as Python sees it, for tests and the simulation.

use crate::registrar::{self, bytes, text, Found, UserArgs};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use tandem_sip::frame::next;
use tandem_sip::owner;

/// The owner's side of the link, without threads and sockets.
#[pyclass]
pub struct Owner(owner::Owner);

#[pymethods]
impl Owner {
    #[new]
    fn new(config: &[u8]) -> PyResult<Owner> {
        let config = owner::Config::read(config).map_err(|error| PyValueError::new_err(error.to_string()))?;
        owner::Owner::new(config).map(Owner).map_err(|error| PyValueError::new_err(error.to_string()))
    }

    fn handle(&mut self, edge: u16, frame: &[u8], now: u64) {
        self.0.handle(edge, frame, now);
    }

    fn link_up(&mut self, edge: u16, now: u64) {
        self.0.link_up(edge, now);
    }

    fn link_down(&mut self, edge: u16, now: u64) {
        self.0.link_down(edge, now);
    }

    fn claim(&mut self, epoch: u32, first: u16, count: u16) {
        self.0.claim(epoch, first, count);
    }

    fn advance(&mut self, now: u64) {
        self.0.advance(now);
    }

    fn wake_at(&self) -> u64 {
        self.0.wake_at()
    }

    fn drain<'py>(&mut self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.drain())
    }

    fn run(&mut self, commands: &[u8], now: u64) -> PyResult<()> {
        self.0.run(commands, now).map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// (edge, frame without its length word), in order for each edge.
    fn output<'py>(&mut self, py: Python<'py>) -> Vec<(u16, Bound<'py, PyBytes>)> {
        let edges: Vec<u16> = self.0.edges_with_output().collect();
        let mut frames = Vec::new();
        for edge in edges {
            let bytes = self.0.output(edge);
            let mut rest = &bytes[..];
            while let Ok(Some((body, used))) = next(rest) {
                frames.push((edge, PyBytes::new(py, body)));
                rest = &rest[used..];
            }
        }
        frames
    }

    fn counters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        counters(py, &self.0)
    }

    fn set_policy(&mut self, json: &[u8]) -> PyResult<()> {
        set_policy(&mut self.0, json)
    }

    /// Registrar rows to store before anything of `output` may leave: (key, row or None, microseconds since 1970).
    fn saves<'py>(&mut self, py: Python<'py>) -> Vec<(String, Option<Bound<'py, PyBytes>>, u64)> {
        self.0.saves().into_iter().map(|(key, row, at)| (text(&key), row.map(|row| PyBytes::new(py, &row)), at)).collect()
    }

    fn load(&mut self, key: &str, row: &[u8]) -> PyResult<bool> {
        Ok(self.0.load(&bytes("key", key)?, row))
    }

    fn lookup(&self, aor: &str) -> PyResult<Vec<Found>> {
        Ok(registrar::lookup(&self.0, &bytes("aor", aor)?))
    }

    fn temporary(&self, user: &str) -> PyResult<Option<(String, String)>> {
        Ok(registrar::temporary(&self.0, &bytes("user", user)?))
    }

    fn bindings_count(&self) -> usize {
        self.0.registered()
    }

    fn registrations(&self, offset: usize, limit: usize) -> Vec<(String, Vec<Found>)> {
        registrar::registrations(&self.0, offset, limit)
    }

    fn set_users(&mut self, users: Vec<UserArgs>) -> PyResult<()> {
        for (aor, ha1) in registrar::users(users)? {
            self.0.set_user(&aor, ha1);
        }
        Ok(())
    }

    fn drop_user(&mut self, aor: &str) -> PyResult<bool> {
        Ok(self.0.drop_user(&bytes("aor", aor)?))
    }

    fn unregister(&mut self, aor: &str) -> PyResult<bool> {
        Ok(self.0.unregister(&bytes("aor", aor)?))
    }
}

/// Counters by name.
pub fn counters<'py>(py: Python<'py>, owner: &owner::Owner) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (name, value) in owner.counters() {
        dict.set_item(name, value)?;
    }
    Ok(dict)
}

/// Puts a policy in force.
pub fn set_policy(owner: &mut owner::Owner, json: &[u8]) -> PyResult<()> {
    owner.set_policy(json).map_err(|error| PyValueError::new_err(error.to_string()))
}
