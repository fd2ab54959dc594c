//! `_core.run_relay`: the media relay's loop without the GIL. Python does nothing while it serves.

use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use tandem_media::RelayError;

/// Serves until SIGTERM. `config_json` is the object of tandem-media's `Config`; ValueError names its wrong field.
#[pyfunction]
pub fn run_relay(py: Python<'_>, config_json: &[u8]) -> PyResult<()> {
    py.detach(|| tandem_media::run(config_json)).map_err(|error| match error {
        RelayError::Config(_) => PyValueError::new_err(error.to_string()),
        _ => PyOSError::new_err(error.to_string()),
    })
}
