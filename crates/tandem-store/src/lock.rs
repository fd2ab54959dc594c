//! The lock file that keeps a second process out of a store's directory.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use crate::error::{io_at, StoreError};

/// Held as long as the file is open; the kernel gives it back when the process dies.
pub(crate) fn lock(dir: &Path) -> Result<File, StoreError> {
    let path = dir.join("lock");
    let mut file = File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(io_at("opening", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.take(256).read_to_string(&mut holder);
            let holder = if holder.trim().is_empty() { "another process".to_owned() } else { holder.trim().to_owned() };
            return Err(StoreError::Locked { path, holder });
        }
        Err(TryLockError::Error(source)) => return Err(io_at("locking", &path)(source)),
    }
    let name = std::env::args_os().next().unwrap_or_default();
    let name = Path::new(&name).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let write = |file: &mut File| {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "process {} ({name})", std::process::id())
    };
    write(&mut file).map_err(io_at("writing", &path))?;
    Ok(file)
}
