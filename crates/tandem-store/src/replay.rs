//! Opening: reads the journal front to back into memory and cuts a torn tail; never repairs anything else.

use std::fs;
use std::path::Path;

use crate::error::{io_at, StoreError};
use crate::frame;
use crate::model::Model;
use crate::rows::Place;
use crate::segment::{list, Segment, Window, SEGMENT_HEAD};

/// Bytes read from a segment at once.
const READ_BYTES: usize = 1 << 20;

pub(crate) struct Replayed {
    pub model: Model,
    pub segments: Vec<Segment>,
    pub cut_bytes: u64,
}

pub(crate) fn replay(dir: &Path, now_us: u64) -> Result<Replayed, StoreError> {
    let files = list(dir)?;
    let mut model = Model::new();
    let mut segments: Vec<Segment> = Vec::new();
    let mut cut_bytes = 0;
    model.live.first = files.first().map_or(0, |(number, _)| *number);
    for (index, (number, path)) in files.iter().enumerate() {
        let is_last = index + 1 == files.len();
        let damaged = |offset, why| StoreError::Damaged { path: path.clone(), offset, why };
        if segments.last().is_some_and(|last| last.number + 1 != *number) {
            return Err(damaged(0, "the segment before it is missing"));
        }
        model.live.bytes.push_back(0);
        let Some(mut segment) = Segment::open(path, *number)? else {
            if !is_last {
                return Err(damaged(0, "shorter than the head of a segment"));
            }
            cut_bytes += path.metadata().map_err(io_at("reading", path))?.len();
            fs::remove_file(path).map_err(io_at("removing", path))?;
            model.live.bytes.pop_back();
            break;
        };
        let good = read_segment(&mut model, &segment)?;
        if good < segment.bytes {
            if !is_last {
                return Err(damaged(good, "bad frame before the end of the journal"));
            }
            if frame_follows(&segment, good, model.lsn)? {
                return Err(damaged(good, "bad frame with good ones after it"));
            }
            cut_bytes += segment.bytes - good;
            segment.file.set_len(good).and_then(|()| segment.file.sync_data()).map_err(io_at("cutting", path))?;
            segment.bytes = good;
        }
        segments.push(segment);
    }
    drop_expired(&mut model, now_us);
    no_holes(&model, &segments)?;
    Ok(Replayed { model, segments, cut_bytes })
}

fn drop_expired(model: &mut Model, now_us: u64) {
    let Model { rows, live, .. } = model;
    rows.sweep_all(now_us, |freed| live.free(freed));
}

/// Applies the frames of a segment; where the good ones end.
fn read_segment(model: &mut Model, segment: &Segment) -> Result<u64, StoreError> {
    let mut window = Window::new(READ_BYTES);
    let mut offset = SEGMENT_HEAD as u64;
    loop {
        let io = io_at("reading", &segment.path);
        let head = window.at(&segment.file, offset, frame::FRAME_HEAD, segment.bytes).map_err(io)?;
        let Some(length) = frame::length(head) else { return Ok(offset) };
        let io = io_at("reading", &segment.path);
        let bytes = window.at(&segment.file, offset, length, segment.bytes).map_err(io)?;
        let Some(payload) = frame::checked(bytes, segment.salt) else { return Ok(offset) };
        let Some((lsn, body)) = frame::decode(payload) else { return Ok(offset) };
        if lsn <= model.lsn {
            return Ok(offset);
        }
        model.apply(lsn, body, Place { segment: segment.number, offset: offset as u32 });
        offset += length as u64;
    }
}

fn frame_follows(segment: &Segment, offset: u64, lsn: u64) -> Result<bool, StoreError> {
    let length = (segment.bytes - offset) as usize;
    let mut window = Window::new(length);
    let rest = window.at(&segment.file, offset, length, segment.bytes).map_err(io_at("reading", &segment.path))?;
    Ok(frame::any_after(rest, segment.salt, lsn))
}

/// Every log record between the oldest and the newest one must have been seen.
fn no_holes(model: &Model, segments: &[Segment]) -> Result<(), StoreError> {
    let holed = model.streams.0.iter().any(|stream| stream.hole().is_some());
    match segments.first() {
        Some(segment) if holed => {
            Err(StoreError::Damaged { path: segment.path.clone(), offset: 0, why: "a log record of it was not found in later segments" })
        }
        _ => Ok(()),
    }
}
