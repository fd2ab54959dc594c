//! The only crate that knows Python: it builds `tandem._core`.

mod dns;
mod edge;
mod keeper;
mod node;
mod owner;
mod pools;
mod registrar;
mod relay;
mod store;

use pyo3::prelude::*;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The Rust core of Tandem.
#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(edge::run_edge, module)?)?;
    module.add_function(wrap_pyfunction!(relay::run_relay, module)?)?;
    module.add_function(wrap_pyfunction!(node::read_trace, module)?)?;
    module.add_function(wrap_pyfunction!(pools::read_dispatcher_list, module)?)?;
    module.add_class::<dns::Resolver>()?;
    module.add_class::<node::Node>()?;
    module.add_class::<owner::Owner>()?;
    module.add_class::<keeper::Keeper>()?;
    module.add_class::<store::Store>()
}
