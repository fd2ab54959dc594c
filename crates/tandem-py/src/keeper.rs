//! `tandem._core.Keeper`: the edge's side of its links as Python sees it, for tests and the simulation.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::net::{IpAddr, SocketAddr};
use tandem_sip::frame::{read_down, Down, SipUp, Transport};
use tandem_sip::keeper;

/// What an edge keeps for its owners, without sockets. A link is the number of an owner; frames are without length words.
#[pyclass]
pub struct Keeper(keeper::Keeper);

#[pymethods]
impl Keeper {
    #[new]
    #[pyo3(signature = (first, links = 1))]
    fn new(first: u64, links: usize) -> Keeper {
        Keeper(keeper::Keeper::new(first, links))
    }

    /// Gives a message its number and keeps it: (the link to hand it to, or None; the frame).
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
    ) -> PyResult<(Option<usize>, Bound<'py, PyBytes>)> {
        let transport =
            Transport::read(transport).ok_or_else(|| PyValueError::new_err(format!("transport: {transport} is not within 1 to 5")))?;
        let ip: IpAddr = host.parse().map_err(|_| PyValueError::new_err(format!("host: {host:?} is no IP address")))?;
        let remote = SocketAddr::new(ip, port).into();
        let sip = SipUp { seq: 0, shard, epoch: 0, flow: connection, transport, local, remote, received_at, message };
        let (link, frame) = self.0.up(&sip);
        Ok((link, PyBytes::new(py, frame.get(4..).unwrap_or_default())))
    }

    fn taken(&mut self, link: usize, seqs: Vec<u64>) {
        self.0.taken(link, seqs);
    }

    /// Takes note of HELLO, TAKEN and CLAIM; other frames change nothing.
    fn control(&mut self, link: usize, frame: &[u8]) -> PyResult<()> {
        match read_down(frame).map_err(|error| PyValueError::new_err(error.to_string()))? {
            Down::Hello { node, incarnation } => {
                self.0.hello(link, node, incarnation);
            }
            Down::Taken(taken) => self.0.taken(link, taken.seqs()),
            Down::Claim { epoch, shards } => self.0.claim(link, epoch, shards.iter()),
            _ => {}
        }
        Ok(())
    }

    /// May this SIP frame of an owner go out?
    fn down(&mut self, link: usize, frame: &[u8]) -> PyResult<bool> {
        match read_down(frame).map_err(|error| PyValueError::new_err(error.to_string()))? {
            Down::Sip(sip) => Ok(self.0.down(link, &sip) == keeper::Passage::Pass),
            _ => Err(PyValueError::new_err("frame: not a SIP frame")),
        }
    }

    /// A link is gone: what it had waits until somebody claims it.
    fn lost(&mut self, link: usize) {
        self.0.lost(link);
    }

    /// All that waits for the owner at this link, in order.
    fn hand<'py>(&mut self, py: Python<'py>, link: usize) -> Vec<Bound<'py, PyBytes>> {
        let mut frames = Vec::new();
        self.0.hand(link, |frame| frames.push(PyBytes::new(py, frame.get(4..).unwrap_or_default())));
        frames
    }

    /// (incarnation of the owner at this link, SIP frames of it that have come).
    fn heard(&self, link: usize) -> (u64, u64) {
        self.0.heard(link)
    }

    /// The link whose owner has claimed a shard.
    fn holder(&self, shard: u16) -> Option<usize> {
        self.0.fence().holder(shard)
    }

    /// The highest epoch of any shard seen, for HELLO.
    fn highest(&self) -> u32 {
        self.0.fence().highest()
    }

    fn epoch(&self, shard: u16) -> u32 {
        self.0.fence().epoch(shard)
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

    /// Frames kept that nobody has been given.
    fn waiting(&self) -> usize {
        self.0.waiting()
    }
}
