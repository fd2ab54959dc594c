//! `tandem._core.Owner` and `Keeper`: the pure halves of the link as Python sees them, for tests and the simulation.

use crate::registrar::{self, bytes, text, Found, UserArgs};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use std::net::IpAddr;
use tandem_sip::frame::{next, read_down, Down, SipUp, Transport};
use tandem_sip::{keeper, owner};

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

/// The edge's side of the link, without sockets.
#[pyclass]
pub struct Keeper(keeper::Keeper);

#[pymethods]
impl Keeper {
    #[new]
    fn new(first: u64) -> Keeper {
        Keeper(keeper::Keeper::new(first))
    }

    /// Gives a message its number and keeps it; the frame without its length word.
    #[allow(clippy::too_many_arguments)]
    fn up<'py>(
        &mut self,
        py: Python<'py>,
        shard: u16,
        connection: u64,
        transport: u8,
        local: u8,
        host: &str,
        port: u16,
        received_at: u64,
        message: &[u8],
    ) -> PyResult<Bound<'py, PyBytes>> {
        let transport =
            Transport::read(transport).ok_or_else(|| PyValueError::new_err(format!("transport: {transport} is not within 1 to 5")))?;
        let ip: IpAddr = host.parse().map_err(|_| PyValueError::new_err(format!("host: {host:?} is no IP address")))?;
        let remote = std::net::SocketAddr::new(ip, port).into();
        let sip = SipUp { seq: 0, shard, epoch: 0, flow: connection, transport, local, remote, received_at, message };
        let frame = self.0.up(&sip);
        Ok(PyBytes::new(py, frame.get(4..).unwrap_or_default()))
    }

    fn taken(&mut self, seqs: Vec<u64>) {
        self.0.taken(seqs);
    }

    /// Takes note of HELLO, TAKEN and CLAIM; other frames change nothing.
    fn control(&mut self, frame: &[u8]) -> PyResult<()> {
        match read_down(frame).map_err(|error| PyValueError::new_err(error.to_string()))? {
            Down::Hello { node, incarnation } => {
                self.0.owner(node, incarnation);
            }
            Down::Taken(taken) => self.0.taken(taken.seqs()),
            Down::Claim { epoch, shards } => self.0.claim(epoch, shards.iter()),
            _ => {}
        }
        Ok(())
    }

    /// May this SIP frame of an owner go out?
    fn down(&mut self, frame: &[u8]) -> PyResult<bool> {
        match read_down(frame).map_err(|error| PyValueError::new_err(error.to_string()))? {
            Down::Sip(sip) => Ok(self.0.down(&sip) == keeper::Passage::Pass),
            _ => Err(PyValueError::new_err("frame: not a SIP frame")),
        }
    }

    /// All that nobody took, in order, without length words.
    fn reconnect<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyBytes>> {
        self.0.reconnect().map(|frame| PyBytes::new(py, frame.get(4..).unwrap_or_default())).collect()
    }

    /// The highest epoch of any shard seen, for HELLO.
    fn highest(&self) -> u32 {
        self.0.fence.highest()
    }

    fn epoch(&self, shard: u16) -> u32 {
        self.0.fence.epoch(shard)
    }

    fn full(&self) -> bool {
        self.0.full()
    }

    /// Bytes kept.
    fn kept(&self) -> usize {
        self.0.bytes()
    }

    /// Frames kept.
    fn frames(&self) -> usize {
        self.0.frames()
    }
}
