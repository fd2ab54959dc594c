//! The thread that brings writes to the disk and then unlinks segments that nothing needs; it never touches rows.

use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::error::StoreError;
use crate::SYNC_WITHIN_MILLISECONDS;

#[derive(Default)]
struct Todo {
    dirty: Option<Arc<File>>,
    /// To unlink, but only after what was copied out of them is on the disk.
    retired: Vec<PathBuf>,
    failed: Option<String>,
    stop: bool,
}

#[derive(Default)]
struct Shared {
    todo: Mutex<Todo>,
    wake: Condvar,
}

impl Shared {
    fn todo(&self) -> MutexGuard<'_, Todo> {
        self.todo.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn flush(&self) {
        let (dirty, retired) = {
            let mut todo = self.todo();
            if todo.failed.is_some() {
                return;
            }
            (todo.dirty.take(), std::mem::take(&mut todo.retired))
        };
        if let Some(Err(error)) = dirty.map(|file| file.sync_data()) {
            let mut todo = self.todo();
            todo.failed = Some(error.to_string());
            todo.retired.splice(0..0, retired);
            return;
        }
        // in order, and none after one that stays: a later segment may hold the deletion of a row of an earlier one
        if let Some(stays) = retired.iter().position(|path| fs::remove_file(path).is_err()) {
            self.todo().retired.splice(0..0, retired.into_iter().skip(stays));
        }
    }
}

pub(crate) struct Syncer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Syncer {
    pub fn start() -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let inside = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("tandem-sync".into()).spawn(move || run(&inside))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// The file has new bytes.
    pub fn wrote(&self, file: &Arc<File>) {
        let mut todo = self.shared.todo();
        if todo.dirty.is_none() {
            todo.dirty = Some(Arc::clone(file));
            self.shared.wake.notify_one();
        }
    }

    /// The file was synced by the caller; `next` takes its place.
    pub fn rotated(&self) {
        self.shared.todo().dirty = None;
    }

    pub fn retire(&self, path: PathBuf) {
        self.shared.todo().retired.push(path);
        self.shared.wake.notify_one();
    }

    /// Brings the file to the disk before it returns.
    pub fn sync_now(&self, file: &File) -> Result<(), StoreError> {
        if let Err(error) = file.sync_data() {
            self.shared.todo().failed = Some(error.to_string());
        }
        self.check()
    }

    /// After a failed fdatasync nothing is known about the disk any more.
    pub fn check(&self) -> Result<(), StoreError> {
        match &self.shared.todo().failed {
            Some(error) => Err(StoreError::Unsynced(error.clone())),
            None => Ok(()),
        }
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.shared.todo().stop = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.shared.flush();
    }
}

fn run(shared: &Shared) {
    let mut todo = shared.todo();
    while !todo.stop {
        if todo.dirty.is_none() && todo.retired.is_empty() {
            todo = shared.wake.wait(todo).unwrap_or_else(PoisonError::into_inner);
            continue;
        }
        let wait = Duration::from_millis(SYNC_WITHIN_MILLISECONDS);
        let waited = shared.wake.wait_timeout_while(todo, wait, |todo| !todo.stop);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        shared.flush();
        todo = shared.todo();
    }
}
