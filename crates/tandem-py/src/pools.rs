//! Lists of foreign servers, read for Python. It holds no pool.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use tandem_sip::pool::dispatcher_list;

/// `{"pools": [...], "warnings": [...]}` of a Kamailio `dispatcher.list`; ValueError names line, column and field.
#[pyfunction]
pub fn read_dispatcher_list(text: &str) -> PyResult<String> {
    let list = dispatcher_list::read(text).map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok(list.to_json())
}
