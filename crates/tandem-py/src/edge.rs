//! `_core.run_edge`: the edge's loop without the GIL. Python does nothing while it serves.

use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use tandem_edge::EdgeError;

/// Serves until SIGTERM. `config_json` is the object of tandem-edge's `Config`; ValueError names its wrong field.
#[pyfunction]
pub fn run_edge(py: Python<'_>, config_json: &[u8]) -> PyResult<()> {
    py.detach(|| tandem_edge::run(config_json)).map_err(|error| match error {
        EdgeError::Config(_) => PyValueError::new_err(error.to_string()),
        _ => PyOSError::new_err(error.to_string()),
    })
}
