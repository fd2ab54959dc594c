//! The thread that writes recordings: what threads that carry packets have made, in order, into files; whole ones go to their place.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::Arc;

use tandem_rtp::audio::record::Write;
use tandem_rtp::studio::Reeled;

use crate::orders::{Mailbox, Report};

/// Bytes that may wait to be written; what comes beyond them is lost, and silence in the file.
pub const WAITING_BYTES: u64 = 64 << 20;

/// Names a recording: of a room or of a call, by its name.
pub type TapeName = (bool, String);

enum Job {
    Begin(TapeName, PathBuf),
    Reeled(TapeName, Reeled),
    /// It is whole: its place, and what is told about it.
    End(TapeName, PathBuf, String),
    Stop,
}

/// The way to the thread.
#[derive(Clone)]
pub struct Spool {
    jobs: Sender<Job>,
    waiting: Arc<AtomicU64>,
}

impl Spool {
    /// Starts it. What it has written or could not write, it reports.
    pub fn start(reports: Mailbox<Report>) -> io::Result<(Spool, std::thread::JoinHandle<()>)> {
        let (jobs, taken) = channel();
        let waiting = Arc::new(AtomicU64::new(0));
        let writer = Writer { files: HashMap::new(), reports, waiting: waiting.clone() };
        let thread = std::thread::Builder::new().name("spool".into()).spawn(move || writer.run(&taken))?;
        Ok((Spool { jobs, waiting }, thread))
    }

    /// A recording goes into this file, which may be there.
    pub fn begin(&self, name: TapeName, path: PathBuf) {
        let _ = self.jobs.send(Job::Begin(name, path)); // a spool that has ended writes nothing
    }

    /// Something was recorded. False: too much waits, and it is lost.
    pub fn reeled(&self, name: TapeName, reeled: Reeled) -> bool {
        let bytes = length(&reeled.writes);
        if self.waiting.load(Ordering::Relaxed) + bytes > WAITING_BYTES && reeled.state.is_some() {
            return false;
        }
        self.waiting.fetch_add(bytes, Ordering::Relaxed);
        self.jobs.send(Job::Reeled(name, reeled)).is_ok()
    }

    /// A recording is whole: it gets its place, and `about` beside it.
    pub fn end(&self, name: TapeName, place: PathBuf, about: String) {
        let _ = self.jobs.send(Job::End(name, place, about));
    }

    /// Writes what waits, then ends.
    pub fn stop(&self) {
        let _ = self.jobs.send(Job::Stop);
    }
}

struct Writer {
    files: HashMap<TapeName, (PathBuf, File)>,
    reports: Mailbox<Report>,
    waiting: Arc<AtomicU64>,
}

impl Writer {
    fn run(mut self, jobs: &Receiver<Job>) {
        while let Ok(job) = jobs.recv() {
            let done = match job {
                Job::Begin(name, path) => self.begin(name, path),
                Job::Reeled(name, reeled) => self.write(name, &reeled),
                Job::End(name, place, about) => self.end(&name, &place, &about),
                Job::Stop => return,
            };
            if let Err(why) = done {
                self.reports.put(Report::Unwritten(why));
            }
        }
    }

    fn begin(&mut self, name: TapeName, path: PathBuf) -> Result<(), String> {
        let failed = |why: io::Error| format!("{}: {why}", path.display());
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory).map_err(failed)?;
        }
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        self.files.insert(name, (path, file));
        Ok(())
    }

    fn write(&mut self, name: TapeName, reeled: &Reeled) -> Result<(), String> {
        self.waiting.fetch_sub(length(&reeled.writes), Ordering::Relaxed);
        let Some((path, file)) = self.files.get(&name) else { return Ok(()) };
        for Write { offset, bytes } in &reeled.writes {
            file.write_all_at(bytes, *offset).map_err(|why| format!("{}: {why}", path.display()))?;
        }
        if let Some(state) = reeled.state {
            self.reports.put(Report::Spooled(name, state, reeled.rate));
        }
        Ok(())
    }

    fn end(&mut self, name: &TapeName, place: &Path, about: &str) -> Result<(), String> {
        let Some((path, file)) = self.files.remove(name) else { return Ok(()) };
        let failed = |why: io::Error| format!("{}: {why}", place.display());
        file.sync_data().map_err(failed)?;
        if let Some(directory) = place.parent() {
            std::fs::create_dir_all(directory).map_err(failed)?;
        }
        std::fs::write(place.with_extension("json"), about).map_err(failed)?;
        std::fs::rename(&path, place).map_err(failed)
    }
}

fn length(writes: &[Write]) -> u64 {
    writes.iter().map(|write| write.bytes.len() as u64).sum()
}
