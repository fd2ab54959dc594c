//! The only crate that knows Python: it builds `tandem._core`.

mod store;

use pyo3::prelude::*;

/// The Rust core of Tandem.
#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<store::Store>()
}
