//! `tandem._core.Store`: the journal store as Python sees it; every call releases the GIL while it writes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
use pyo3::types::{PyBytes, PyDict};
use tandem_store::{Options, Outcome, Put, Recovery, Save, StoreError, Sync};

/// key, epoch, version, writer, expires_at, row or None, [(stream, record)]
type SaveArgs = (PyBackedStr, u32, u64, u64, u64, Option<PyBackedBytes>, Vec<(PyBackedStr, PyBackedBytes)>);
type PutArgs = (PyBackedStr, Option<PyBackedBytes>, u64);
/// epoch, version, writer, row
type Loaded<'py> = (u32, u64, u64, Bound<'py, PyBytes>);

/// Rows in memory, journal on disk, of one directory.
#[pyclass(frozen)]
pub struct Store {
    inner: Mutex<Option<Arc<tandem_store::Store>>>,
    recovery: Recovery,
}

impl Store {
    /// The store behind it, for the node that shares it. The journal stays open until the last user lets go.
    ///
    /// # Errors
    /// `RuntimeError` once it is closed.
    pub fn shared(&self) -> PyResult<Arc<tandem_store::Store>> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let store = inner.clone().ok_or_else(|| PyRuntimeError::new_err("the store is closed"))?;
        store.advance(now_us());
        Ok(store)
    }
}

#[pymethods]
impl Store {
    #[new]
    #[pyo3(signature = (path, sync = "batch"))]
    fn new(py: Python<'_>, path: String, sync: &str) -> PyResult<Self> {
        let sync = match sync {
            "batch" => Sync::Batch,
            "before" => Sync::Before,
            _ => return Err(PyValueError::new_err(format!("sync: {sync:?} is neither \"batch\" nor \"before\""))),
        };
        let options = Options { sync, ..Options::default() };
        let (store, recovery) = py.detach(|| tandem_store::Store::open(path, options, now_us())).map_err(raised)?;
        Ok(Self { inner: Mutex::new(Some(Arc::new(store))), recovery })
    }

    fn save(&self, py: Python<'_>, saves: Vec<SaveArgs>) -> PyResult<Vec<bool>> {
        let store = self.shared()?;
        let outcomes = py.detach(|| {
            let logs: Vec<Vec<(&str, &[u8])>> =
                saves.iter().map(|save| save.6.iter().map(|(stream, record)| (&**stream, &**record)).collect()).collect();
            let saves: Vec<Save<'_>> = saves
                .iter()
                .zip(&logs)
                .map(|((key, epoch, version, writer, expires_at, row, _), logs)| Save {
                    key: key.as_bytes(),
                    epoch: *epoch,
                    version: *version,
                    writer: *writer,
                    expires_at: *expires_at,
                    row: row.as_deref(),
                    logs,
                })
                .collect();
            store.save(&saves)
        });
        Ok(outcomes.map_err(raised)?.iter().map(|outcome| *outcome == Outcome::Saved).collect())
    }

    fn put(&self, py: Python<'_>, puts: Vec<PutArgs>) -> PyResult<()> {
        let store = self.shared()?;
        py.detach(|| {
            let puts: Vec<Put<'_>> = puts.iter().map(|(key, row, expires_at)| (key.as_bytes(), row.as_deref(), *expires_at)).collect();
            store.put(&puts)
        })
        .map_err(raised)
    }

    fn load<'py>(&self, py: Python<'py>, key: &str) -> PyResult<Option<Loaded<'py>>> {
        let row = self.shared()?.load(key.as_bytes());
        Ok(row.map(|row| (row.epoch, row.version, row.writer, PyBytes::new(py, &row.bytes))))
    }

    fn scan<'py>(&self, py: Python<'py>, prefix: &str) -> PyResult<Vec<(String, Bound<'py, PyBytes>)>> {
        let store = self.shared()?;
        let found = py.detach(|| {
            let mut found = Vec::new();
            store.scan(prefix.as_bytes(), |key, row| found.push((String::from_utf8_lossy(key).into_owned(), row.to_vec())));
            found
        });
        Ok(found.into_iter().map(|(key, row)| (key, PyBytes::new(py, &row))).collect())
    }

    #[pyo3(signature = (known = 0))]
    fn claim(&self, py: Python<'_>, known: u32) -> PyResult<u32> {
        let store = self.shared()?;
        py.detach(|| store.claim(known)).map_err(raised)
    }

    #[getter]
    fn epoch(&self) -> PyResult<u32> {
        Ok(self.shared()?.epoch())
    }

    fn append(&self, py: Python<'_>, stream: &str, records: Vec<PyBackedBytes>) -> PyResult<u64> {
        let store = self.shared()?;
        py.detach(|| store.append(stream, &records.iter().map(|record| &**record).collect::<Vec<_>>())).map_err(raised)
    }

    fn read_log<'py>(&self, py: Python<'py>, stream: &str, after: u64, limit: usize) -> PyResult<Vec<(u64, Bound<'py, PyBytes>)>> {
        let store = self.shared()?;
        let records = py.detach(|| store.read_log(stream, after, limit)).map_err(raised)?;
        Ok(records.into_iter().map(|(offset, record)| (offset, PyBytes::new(py, &record))).collect())
    }

    fn trim_log(&self, py: Python<'_>, stream: &str, upto: u64) -> PyResult<()> {
        let store = self.shared()?;
        py.detach(|| store.trim_log(stream, upto)).map_err(raised)
    }

    fn checkpoint(&self, stream: &str, consumer: &str) -> PyResult<u64> {
        Ok(self.shared()?.checkpoint(stream, consumer))
    }

    fn set_checkpoint(&self, py: Python<'_>, stream: &str, consumer: &str, offset: u64) -> PyResult<()> {
        let store = self.shared()?;
        py.detach(|| store.set_checkpoint(stream, consumer, offset)).map_err(raised)
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = self.shared()?.stats();
        let dict = PyDict::new(py);
        dict.set_item("rows", stats.rows)?;
        dict.set_item("logs", stats.logs)?;
        dict.set_item("segments", stats.segments)?;
        dict.set_item("journal_bytes", stats.journal_bytes)?;
        dict.set_item("live_bytes", stats.live_bytes)?;
        dict.set_item("written_bytes", stats.written_bytes)?;
        dict.set_item("copied_bytes", stats.copied_bytes)?;
        dict.set_item("stuck", u64::from(stats.is_stuck))?;
        dict.set_item("opened_rows", self.recovery.rows)?;
        dict.set_item("opened_logs", self.recovery.logs)?;
        dict.set_item("opened_cut_bytes", self.recovery.cut_bytes)?;
        dict.set_item("opened_milliseconds", self.recovery.millis)?;
        Ok(dict)
    }

    fn close(&self, py: Python<'_>) {
        let store = self.inner.lock().unwrap_or_else(PoisonError::into_inner).take();
        py.detach(|| drop(store));
    }
}

fn now_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}

fn raised(error: StoreError) -> PyErr {
    match error {
        StoreError::TooLarge { .. } | StoreError::Bad { .. } => PyValueError::new_err(error.to_string()),
        _ => PyOSError::new_err(error.to_string()),
    }
}
