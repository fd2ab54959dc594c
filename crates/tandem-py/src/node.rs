//! `tandem._core.Node`: the owner behind its thread, as Python sees it. Calls that may wait for the thread release the GIL.

use crate::registrar::{self, bytes, Found, UserArgs};
use crate::store::Store;
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use std::path::PathBuf;
use std::sync::{PoisonError, RwLock};
use tandem_owner::{Files, Listen, NodeConfig, NodeError};

/// The owner with a thread, the link's socket and the journal.
#[pyclass(frozen)]
pub struct Node {
    inner: RwLock<Option<tandem_owner::Node>>,
    store: Option<Py<Store>>,
}

impl Node {
    fn with<T>(&self, what: impl FnOnce(&tandem_owner::Node) -> T) -> PyResult<T> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner.as_ref().map(what).ok_or_else(|| PyRuntimeError::new_err("the node is closed"))
    }
}

#[pymethods]
impl Node {
    #[new]
    #[pyo3(signature = (config, store = None, *, listen, trace = None, far = Vec::new(), tls = None))]
    fn new(
        py: Python<'_>,
        config: &[u8],
        store: Option<Py<Store>>,
        listen: Bound<'_, PyAny>,
        trace: Option<PathBuf>,
        far: Vec<(String, i32)>,
        tls: Option<(PathBuf, PathBuf, PathBuf)>,
    ) -> PyResult<Node> {
        let owner = tandem_sip::owner::Config::read(config).map_err(|error| PyValueError::new_err(error.to_string()))?;
        let mut listen = vec![match listen.extract::<i32>() {
            Ok(fd) => Listen::Fd(fd),
            Err(_) => Listen::Path(listen.extract()?),
        }];
        for (kind, fd) in far {
            listen.push(match kind.as_str() {
                "tcp" => Listen::Tcp(fd),
                "tls" => Listen::Tls(fd),
                _ => return Err(PyValueError::new_err(format!("far: `{kind}`: tcp and tls are known"))),
            });
        }
        let tls = tls.map(|(certificate, key, ca)| Files { certificate, key, ca });
        let shared = store.as_ref().map(|store| store.get().shared()).transpose()?;
        let node = py.detach(|| tandem_owner::Node::start(NodeConfig { owner, listen, tls, trace }, shared)).map_err(raised)?;
        Ok(Node { inner: RwLock::new(Some(node)), store })
    }

    /// Accepts edges from now on.
    fn open(&self) -> PyResult<()> {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        inner.as_mut().ok_or_else(|| PyRuntimeError::new_err("the node is closed"))?.open().map_err(raised)
    }

    /// Readable while events wait.
    #[getter]
    fn fd(&self) -> PyResult<i32> {
        self.with(tandem_owner::Node::fd)
    }

    #[getter]
    fn store(&self, py: Python<'_>) -> Option<Py<Store>> {
        self.store.as_ref().map(|store| store.clone_ref(py))
    }

    fn drain<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let events = py.detach(|| self.with(tandem_owner::Node::drain))?;
        Ok(PyBytes::new(py, &events))
    }

    /// Bytes that an edge may not get, should this process die: `said_and_heard` tells when it has them.
    fn run(&self, py: Python<'_>, commands: &[u8]) -> PyResult<usize> {
        py.detach(|| self.with(|node| node.run(commands)))?.map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// (the number of the last `run`, that of the newest of which the edges have everything).
    fn said_and_heard(&self) -> PyResult<(u64, u64)> {
        self.with(tandem_owner::Node::said_and_heard)
    }

    fn counters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for (name, value) in py.detach(|| self.with(tandem_owner::Node::counters))? {
            dict.set_item(name, value)?;
        }
        Ok(dict)
    }

    /// The last STATS of each edge: (edge, JSON).
    fn edge_stats<'py>(&self, py: Python<'py>) -> PyResult<Vec<(u16, Bound<'py, PyBytes>)>> {
        let stats = self.with(tandem_owner::Node::edge_stats)?;
        Ok(stats.into_iter().map(|(edge, json)| (edge, PyBytes::new(py, &json))).collect())
    }

    /// The highest epoch that any connected edge has seen: a new claim must be above it.
    fn highest_epoch(&self) -> PyResult<u32> {
        self.with(|node| node.with(|owner| owner.edges().map(|(_, edge)| edge.epoch).max().unwrap_or(0)))
    }

    fn claim(&self, epoch: u32, first: u16, count: u16) -> PyResult<()> {
        self.with(|node| node.with(|owner| owner.claim(epoch, first, count)))
    }

    fn set_policy(&self, json: &[u8]) -> PyResult<()> {
        self.with(|node| node.with(|owner| crate::owner::set_policy(owner, json)))?
    }

    /// Puts keys in force here and at every edge; ValueError names what is wrong with them.
    fn set_keys(&self, json: &[u8]) -> PyResult<()> {
        self.with(|node| node.with(|owner| owner.set_keys(json)))?.map_err(PyValueError::new_err)
    }

    fn lookup(&self, aor: &str) -> PyResult<Vec<Found>> {
        let aor = bytes("aor", aor)?;
        self.with(|node| node.with(|owner| registrar::lookup(owner, &aor)))
    }

    /// Address of record and instance that the user part of a temporary GRUU names.
    fn temporary(&self, user: &str) -> PyResult<Option<(String, String)>> {
        let user = bytes("user", user)?;
        self.with(|node| node.with(|owner| registrar::temporary(owner, &user)))
    }

    fn bindings_count(&self) -> PyResult<usize> {
        self.with(|node| node.with(|owner| owner.registered()))
    }

    fn registrations(&self, py: Python<'_>, offset: usize, limit: usize) -> PyResult<Vec<(String, Vec<Found>)>> {
        py.detach(|| self.with(|node| node.with(|owner| registrar::registrations(owner, offset, limit))))
    }

    fn set_users(&self, py: Python<'_>, users: Vec<UserArgs>) -> PyResult<()> {
        let users = registrar::users(users)?;
        let set = |owner: &mut tandem_sip::owner::Owner| {
            for (aor, ha1) in &users {
                owner.set_user(aor, *ha1);
            }
        };
        py.detach(|| self.with(|node| node.with(set)))
    }

    fn drop_user(&self, aor: &str) -> PyResult<bool> {
        let aor = bytes("aor", aor)?;
        self.with(|node| node.with(|owner| owner.drop_user(&aor)))
    }

    fn unregister(&self, aor: &str) -> PyResult<bool> {
        let aor = bytes("aor", aor)?;
        self.with(|node| node.with(|owner| owner.unregister(&aor)))
    }

    fn close(&self, py: Python<'_>) {
        let node = self.inner.write().unwrap_or_else(PoisonError::into_inner).take();
        py.detach(|| drop(node));
    }
}

/// at, inbound, transport, local, remote, message
type TraceRow<'py> = (u64, bool, u8, String, String, Bound<'py, PyBytes>);

/// All messages of a call in a trace directory, oldest first.
#[pyfunction]
pub fn read_trace<'py>(py: Python<'py>, dir: PathBuf, call_id: &str) -> PyResult<Vec<TraceRow<'py>>> {
    let call = bytes("call_id", call_id)?;
    let records = py.detach(|| tandem_owner::read_trace(&dir, &call)).map_err(|error| PyOSError::new_err(format!("trace: {error}")))?;
    Ok(records.into_iter().map(|r| (r.at, r.inbound, r.transport, r.local, r.remote, PyBytes::new(py, &r.message))).collect())
}

fn raised(error: NodeError) -> PyErr {
    match error {
        NodeError::Policy(error) => PyValueError::new_err(error.to_string()),
        other => PyOSError::new_err(other.to_string()),
    }
}
