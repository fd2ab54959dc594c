//! Reads frames in place; every field is checked, nothing is copied.

use super::{Address, BadFrame, Down, Local, Names, Ranges, SipDown, SipUp, Taken, Transport, Up, UpHello, Why, PROTOCOL};

/// Reads the body of a frame from an edge.
pub fn read_up(body: &[u8]) -> Result<Up<'_>, BadFrame> {
    let (&kind, rest) = body.split_first().ok_or(BadFrame::Length(0))?;
    let mut r = Reader { kind, rest };
    Ok(match kind {
        1 => {
            if r.u16()? != PROTOCOL {
                return Err(BadFrame::Field { kind, field: "protocol" });
            }
            let (edge, incarnation, count) = (r.u16()?, r.u64()?, r.u8()?);
            let locals = r.rest;
            for _ in 0..count {
                r.local()?;
            }
            let locals = &locals[..locals.len() - r.rest.len()];
            Up::Hello(UpHello { edge, incarnation, epoch: r.u32()?, count, locals })
        }
        2 => Up::Sip(SipUp {
            seq: r.u64()?,
            shard: r.shard()?,
            epoch: r.u32()?,
            flow: r.u64()?,
            transport: r.transport()?,
            local: r.u8()?,
            remote: r.address()?,
            received_at: r.u64()?,
            message: r.rest,
        }),
        3 => Up::Failed { cookie: r.u64()?, why: Why::read(r.u8()?).ok_or(BadFrame::Field { kind, field: "reason" })? },
        4 => Up::Closed { flow: r.u64()? },
        5 => Up::Stats(r.rest),
        6 => {
            let (flow, names) = (r.u64()?, r.rest);
            while !r.rest.is_empty() {
                r.name()?;
            }
            Up::Peer { flow, names: Names(names) }
        }
        7 => Up::Heard { incarnation: r.u64()?, count: r.u64()? },
        8 => Up::Answers { answers: r.u8()? != 0, flow: r.watched()? },
        _ => return Err(BadFrame::Kind(kind)),
    })
}

/// Reads the body of a frame from an owner.
pub fn read_down(body: &[u8]) -> Result<Down<'_>, BadFrame> {
    let (&kind, rest) = body.split_first().ok_or(BadFrame::Length(0))?;
    let mut r = Reader { kind, rest };
    Ok(match kind {
        64 => {
            if r.u16()? != PROTOCOL {
                return Err(BadFrame::Field { kind, field: "protocol" });
            }
            Down::Hello { node: r.u16()?, incarnation: r.u64()? }
        }
        65 => Down::Sip(SipDown {
            shard: r.shard()?,
            epoch: r.u32()?,
            cookie: r.u64()?,
            flow: r.u64()?,
            transport: r.transport()?,
            local: r.u8()?,
            remote: r.address()?,
            message: r.rest,
        }),
        66 => Down::Taken(Taken(r.rest)),
        67 => Down::Claim { epoch: r.u32()?, shards: Ranges(r.rest) },
        68 => Down::Policy(r.rest),
        69 => Down::Close { flow: r.u64()? },
        70 => Down::Keys(r.rest),
        71 => Down::Alive,
        72 => Down::Watch(r.watches()?),
        73 => Down::Forget(r.forgotten()?),
        _ => return Err(BadFrame::Kind(kind)),
    })
}

pub(super) struct Reader<'a> {
    pub(super) kind: u8,
    pub(super) rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], BadFrame> {
        let (head, rest) = self.rest.split_at_checked(n).ok_or(BadFrame::Short(self.kind))?;
        self.rest = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BadFrame> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(BadFrame::Short(self.kind))?;
        self.rest = rest;
        Ok(*head)
    }

    pub(super) fn u8(&mut self) -> Result<u8, BadFrame> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn u16(&mut self) -> Result<u16, BadFrame> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32, BadFrame> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, BadFrame> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn shard(&mut self) -> Result<u16, BadFrame> {
        let shard = self.u16()?;
        if shard < crate::ids::SHARDS {
            Ok(shard)
        } else {
            Err(BadFrame::Field { kind: self.kind, field: "shard" })
        }
    }

    pub(super) fn transport(&mut self) -> Result<Transport, BadFrame> {
        Transport::read(self.u8()?).ok_or(BadFrame::Field { kind: self.kind, field: "transport" })
    }

    pub(super) fn address(&mut self) -> Result<Address, BadFrame> {
        Ok(Address { ip: self.array()?, port: self.u16()? })
    }

    pub(super) fn name(&mut self) -> Result<&'a [u8], BadFrame> {
        let length = self.u8()?;
        self.take(usize::from(length))
    }

    pub(super) fn local(&mut self) -> Result<Local<'a>, BadFrame> {
        let (transport, bound) = (self.transport()?, self.address()?);
        let length = self.u16()?;
        Ok(Local { transport, bound, advertised: self.take(usize::from(length))? })
    }
}
