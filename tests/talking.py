"""Two soft phones of a running machine that talk with each other. Not a test itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tandem.testing.machine import Machine
from tandem.testing.phones import PhoneCall, Phones, phones


@asynccontextmanager
async def talking(
    machine: Machine, sip_port: int, rtp_ports: tuple[int, int]
) -> AsyncIterator[tuple[Phones, PhoneCall, PhoneCall]]:
    """alice says 440 Hz and has called bob, who says 1000."""
    async with phones(sip_port=sip_port, rtp_ports=rtp_ports) as stack:
        lines = []
        for name, hz in (("alice", 440), ("bob", 1000)):
            user = machine.users[name]
            phone = await stack.phone(
                name, user.password, domain=user.domain, registrar=machine.address(), hz=hz
            )
            await phone.register()
            lines.append(phone)
        out = await lines[0].call(f"sip:bob@{machine.users['bob'].domain}")
        ringing = await lines[1].incoming()
        await ringing.answer()
        await out.established()
        yield stack, out, ringing
