//! WATCH, FORGET and ANSWERS: which flows an edge keeps alive, and what it found. Format only.

use super::read::Reader;
use super::write::{frame, push_address};
use super::{BadFrame, MAX_FRAME};
use crate::keepalive::{Kind, Watch, Watched};

/// Bytes of one entry of WATCH.
const WATCH_BYTES: usize = WATCHED_BYTES + 1 + 2 + 4;
/// Bytes of one entry of FORGET.
const WATCHED_BYTES: usize = 8 + 1 + 1 + 18 + 8;

/// The entries of a WATCH frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Watches<'a>(pub(super) &'a [u8]);

impl Watches<'_> {
    /// In the order written.
    pub fn iter(&self) -> impl Iterator<Item = Watch> + '_ {
        let mut rest = Reader { kind: 72, rest: self.0 };
        std::iter::from_fn(move || rest.watch().ok())
    }
}

/// The entries of a FORGET frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Forgotten<'a>(pub(super) &'a [u8]);

impl Forgotten<'_> {
    /// None: every flow that this owner has not named since its HELLO is meant.
    pub fn is_rest(&self) -> bool {
        self.0.is_empty()
    }

    /// In the order written.
    pub fn iter(&self) -> impl Iterator<Item = Watched> + '_ {
        let mut rest = Reader { kind: 73, rest: self.0 };
        std::iter::from_fn(move || rest.watched().ok())
    }
}

impl<'a> Reader<'a> {
    pub(super) fn watches(&mut self) -> Result<Watches<'a>, BadFrame> {
        let all = self.rest;
        while !self.rest.is_empty() {
            self.watch()?;
        }
        Ok(Watches(all))
    }

    pub(super) fn forgotten(&mut self) -> Result<Forgotten<'a>, BadFrame> {
        let all = self.rest;
        while !self.rest.is_empty() {
            self.watched()?;
        }
        Ok(Forgotten(all))
    }

    pub(super) fn watched(&mut self) -> Result<Watched, BadFrame> {
        Ok(Watched { flow: self.u64()?, transport: self.transport()?, local: self.u8()?, remote: self.address()?, cookie: self.u64()? })
    }

    fn watch(&mut self) -> Result<Watch, BadFrame> {
        let flow = self.watched()?;
        let kind = Kind::read(self.u8()?).ok_or(BadFrame::Field { kind: self.kind, field: "kind" })?;
        Ok(Watch { flow, kind, seconds: self.u16()?, until: self.u32()? })
    }
}

/// Appends WATCH, in as many frames as the limit asks for.
pub fn push_watch(out: &mut Vec<u8>, watches: &[Watch]) {
    for part in watches.chunks((MAX_FRAME - 1) / WATCH_BYTES) {
        frame(out, 72, |out| {
            for watch in part {
                push_watched(out, &watch.flow);
                out.push(watch.kind as u8);
                out.extend_from_slice(&watch.seconds.to_le_bytes());
                out.extend_from_slice(&watch.until.to_le_bytes());
            }
        });
    }
}

/// Appends FORGET for these flows; nothing when there are none.
pub fn push_forget(out: &mut Vec<u8>, flows: &[Watched]) {
    for part in flows.chunks((MAX_FRAME - 1) / WATCHED_BYTES) {
        frame(out, 73, |out| part.iter().for_each(|flow| push_watched(out, flow)));
    }
}

/// Appends the FORGET that ends what is told after HELLO: all others of this owner are over.
pub fn push_forget_rest(out: &mut Vec<u8>) {
    frame(out, 73, |_| ());
}

/// Appends ANSWERS.
pub fn push_answers(out: &mut Vec<u8>, flow: &Watched, answers: bool) {
    frame(out, 8, |out| {
        out.push(u8::from(answers));
        push_watched(out, flow);
    });
}

fn push_watched(out: &mut Vec<u8>, flow: &Watched) {
    out.extend_from_slice(&flow.flow.to_le_bytes());
    out.extend_from_slice(&[flow.transport as u8, flow.local]);
    push_address(out, flow.remote);
    out.extend_from_slice(&flow.cookie.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::super::{next, read_down, read_up, Down, Transport, Up};
    use super::*;
    use std::net::SocketAddr;

    fn watch(flow: u64) -> Watch {
        let remote = "192.0.2.7:40001".parse::<SocketAddr>().unwrap().into();
        let flow = Watched { flow, transport: Transport::Udp, local: 2, remote, cookie: 9 };
        Watch { flow, kind: Kind::Options, seconds: 25, until: 7 }
    }

    #[test]
    fn watches_read_back_as_written_in_as_many_frames_as_they_need() {
        let list: Vec<Watch> = (0..5000).map(watch).collect();
        let mut out = Vec::new();
        push_watch(&mut out, &list);
        let (mut rest, mut seen, mut frames) = (&out[..], Vec::new(), 0);
        while let Some((body, used)) = next(rest).unwrap() {
            let Down::Watch(watches) = read_down(body).unwrap() else { panic!() };
            seen.extend(watches.iter());
            (rest, frames) = (&rest[used..], frames + 1);
        }
        assert_eq!((list, 3), (seen, frames));
    }

    #[test]
    fn forget_names_flows_or_all_the_rest() {
        let mut out = Vec::new();
        push_forget(&mut out, &[watch(3).flow]);
        push_forget(&mut out, &[]);
        push_forget_rest(&mut out);
        let (body, used) = next(&out).unwrap().unwrap();
        let Down::Forget(flows) = read_down(body).unwrap() else { panic!() };
        assert_eq!((false, vec![watch(3).flow]), (flows.is_rest(), flows.iter().collect()));
        let (body, more) = next(&out[used..]).unwrap().unwrap();
        let Down::Forget(flows) = read_down(body).unwrap() else { panic!() };
        assert!(flows.is_rest());
        assert_eq!(out.len(), used + more);
    }

    #[test]
    fn answers_reads_back_and_a_cut_entry_is_an_error() {
        let mut out = Vec::new();
        push_answers(&mut out, &watch(0).flow, true);
        assert_eq!(Ok(Up::Answers { flow: watch(0).flow, answers: true }), read_up(&out[4..]));
        assert!(read_up(&out[4..out.len() - 1]).is_err());
        out.clear();
        push_watch(&mut out, &[watch(1)]);
        for end in 6..out.len() {
            assert!(read_down(&out[4..end]).is_err(), "{end}");
        }
    }
}
