"""By which way a plan's media passes and how it is protected: the user's or trunk's word, else the tenant's, else the node's."""

from msgspec.structs import replace

from tandem.accounts.model.account import Tenant, User
from tandem.media.model.policy import DIRECT, RELAY
from tandem.routing.model.plan import Plan, Refusal, Target
from tandem.routing.model.rows import Trunk
from tandem.routing.model.tables import Tables

NOBODY = Tenant(id="", domain="")


def with_media(tables: Tables, plan: Plan | Refusal) -> Plan | Refusal:
    """The plan with the policies of its caller and of each target; as it is where the node has no relay."""
    if not tables.media or isinstance(plan, Refusal):
        return plan
    place = tables.tenants.get(plan.tenant)
    tenant = place.tenant if place else NOBODY
    trunk = plan.caller[6:] if plan.caller.startswith("trunk:") else ""
    media, srtp, clean = policies(
        tables, tenant, tables.trunks.get(trunk) or user_of(tables, plan.caller)
    )
    stages = tuple(
        tuple(
            replace(target, media=own[0], srtp=own[1], clean=own[2])
            for target in stage
            for own in (of_target(tables, tenant, target),)
        )
        for stage in plan.stages
    )
    if tenant.record and media != DIRECT:
        media = RELAY  # nobody else can record it
    return replace(
        plan, media=media, srtp=srtp, clean=clean, stages=stages, music=tenant.music or tables.music, record=tenant.record
    )  # fmt: skip


def of_target(tables: Tables, tenant: Tenant, target: Target) -> tuple[str, str, str]:
    return policies(tables, tenant, tables.trunks.get(target.trunk) or user_of(tables, target.aor))


def user_of(tables: Tables, aor: str) -> User | None:
    """Whose address of record that is."""
    name, _, domain = aor.partition("@")
    place = tables.domains.get(domain)
    return place.users.get(name) if place is not None else None


def policies(tables: Tables, tenant: Tenant, own: Trunk | User | None) -> tuple[str, str, str]:
    """(media, srtp, clean) of one side."""
    media, srtp, clean = (own.media, own.srtp, own.clean) if own is not None else ("", "", "")
    media = media or tenant.media or tables.media
    if clean and media != DIRECT:
        media = RELAY  # nobody else can do it
    return media, srtp or tenant.srtp or tables.srtp, clean
