//! The only crate that knows Python: it builds `tandem._core`.

use pyo3::prelude::*;

/// The Rust core of Tandem.
#[pymodule]
fn _core(_module: &Bound<'_, PyModule>) -> PyResult<()> {
    Ok(())
}
