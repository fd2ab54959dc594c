"""By which way a plan's media passes and how it is protected: the trunk's word, else the tenant's, else the node's."""

from msgspec.structs import replace

from tandem.accounts.model.account import Tenant
from tandem.routing.model.plan import Plan, Refusal
from tandem.routing.model.rows import Trunk
from tandem.routing.model.tables import Tables


def with_media(tables: Tables, plan: Plan | Refusal) -> Plan | Refusal:
    """The plan with the policies of its caller and of each target; as it is where the node has no relay."""
    if not tables.media or isinstance(plan, Refusal):
        return plan
    place = tables.tenants.get(plan.tenant)
    tenant = place.tenant if place else Tenant(id="", domain="")
    trunk = plan.caller[6:] if plan.caller.startswith("trunk:") else ""
    media, srtp = policies(tables, tenant, tables.trunks.get(trunk))
    stages = tuple(
        tuple(
            replace(target, media=own[0], srtp=own[1])
            for target in stage
            for own in (policies(tables, tenant, tables.trunks.get(target.trunk)),)
        )
        for stage in plan.stages
    )
    return replace(plan, media=media, srtp=srtp, stages=stages)


def policies(tables: Tables, tenant: Tenant, trunk: Trunk | None) -> tuple[str, str]:
    """(media, srtp) of one side."""
    media, srtp = (trunk.media, trunk.srtp) if trunk is not None else ("", "")
    return media or tenant.media or tables.media, srtp or tenant.srtp or tables.srtp
