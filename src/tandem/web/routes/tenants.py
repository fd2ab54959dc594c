"""Tenants and their users over HTTP."""

from typing import Annotated

from litestar import Response, delete, get, patch, post, put
from litestar.openapi.spec import Example
from litestar.params import Body, JSONBody

from tandem.accounts.model.account import Tenant, User
from tandem.adapters.sqlite_accounts import list_tenants, list_users
from tandem.web import changes
from tandem.web.auth import Who
from tandem.web.bodies import (
    NewTenant,
    NewUser,
    Password,
    TenantChanges,
    Tenants,
    UserChanges,
    Users,
    given,
)
from tandem.web.changes import TENANTS, USERS, no_such
from tandem.web.common import (
    ADD,
    ONE,
    PAGE,
    READ,
    WRITTEN,
    Asker,
    CallNode,
    Cursor,
    InPath,
    Limit,
    Tables,
    Text,
    page,
    plain,
    written,
)

TAGS = ["tenants and users"]
TENANT = Example(
    value={"id": "acme", "domain": "acme.example", "name": "Acme", "country_code": "49"}
)
USER = Example(
    value={"name": "alice", "number": "+4930123456", "password": "correct-horse-7-battery"}
)


@get("/api/tenants", name="tenants.list", summary="List tenants", tags=TAGS, responses=READ)
async def tenants(
    who: Asker, database: Tables, limit: Limit = PAGE, cursor: Cursor = ""
) -> Tenants:
    rows = [t for t in await database.do(list_tenants) if who.sees(t.id)]
    return Tenants(*page(rows, cursor, limit))


@post(
    "/api/tenants",
    name="tenants.add",
    summary="Add a tenant",
    tags=TAGS,
    responses=ADD,
    response_headers=WRITTEN,
)
async def add_tenant(
    data: Annotated[NewTenant, Body(examples=[TENANT])],
    who: Asker,
    database: Tables,
    node: CallNode,
) -> Response[Tenant]:
    tenant = await database.do(changes.add, who.by(), TENANTS, plain(Tenant, data))
    return written(tenant, live=await node.reload(TENANTS.reload), status=201)


@get(
    "/api/tenants/{tenant:str}",
    name="tenants.show",
    summary="Show a tenant",
    tags=TAGS,
    responses=ONE,
)
async def tenant(tenant: InPath, who: Asker, database: Tables) -> Tenant:
    who.only(tenant)
    return await database.do(changes.show, TENANTS, tenant)


@patch(
    "/api/tenants/{tenant:str}",
    name="tenants.change",
    summary="Change a tenant",
    tags=TAGS,
    responses=ADD,
    response_headers=WRITTEN,
)
async def change_tenant(
    tenant: InPath,
    data: Annotated[TenantChanges, Body(examples=[Example(value={"max_calls": 100})])],
    who: Asker,
    database: Tables,
    node: CallNode,
) -> Response[Tenant]:
    changed = await database.do(changes.change, who.by(), TENANTS, (tenant,), given(data))
    return written(changed, live=await node.reload(TENANTS.reload))


@delete(
    "/api/tenants/{tenant:str}",
    name="tenants.remove",
    status_code=204,
    summary="Remove a tenant with all that is its own",
    tags=TAGS,
    responses=ONE,
    response_headers=WRITTEN,
)
async def remove_tenant(
    tenant: InPath, who: Asker, database: Tables, node: CallNode
) -> Response[None]:
    await database.do(changes.remove, who.by(), TENANTS, tenant)
    return written(None, live=await node.reload(TENANTS.reload), status=204)


@get(
    "/api/tenants/{tenant:str}/users",
    name="users.list",
    summary="List users, or find some",
    tags=TAGS,
    responses=ONE,
)
async def users(
    tenant: InPath,
    who: Asker,
    database: Tables,
    search: Text = "",
    limit: Limit = PAGE,
    cursor: Cursor = "",
) -> Users:
    """`search` is part of a name, a display name or a number."""
    who.only(tenant)
    await database.do(changes.show, TENANTS, tenant)
    found = await database.do(list_users, tenant, search, cursor, limit + 1)
    return Users(found[:limit], found[limit - 1].name if len(found) > limit else "")


@post(
    "/api/tenants/{tenant:str}/users",
    name="users.add",
    summary="Add a user",
    tags=TAGS,
    responses=ADD,
    response_headers=WRITTEN,
)
async def add_user(
    tenant: InPath,
    data: Annotated[NewUser, Body(examples=[USER])],
    who: Asker,
    database: Tables,
    node: CallNode,
) -> Response[User]:
    _same(tenant, data.tenant, who)
    user = plain(User, data)
    user = await database.do(changes.add, who.by(), USERS, _of(user, tenant), data.password)
    return written(user, live=await node.reload(USERS.reload), status=201)


@get(
    "/api/tenants/{tenant:str}/users/{user:str}",
    name="users.show",
    summary="Show a user",
    tags=TAGS,
    responses=ONE,
)
async def user(tenant: InPath, user: InPath, who: Asker, database: Tables) -> User:
    who.only(tenant)
    return await database.do(changes.show, USERS, tenant, user)


@patch(
    "/api/tenants/{tenant:str}/users/{user:str}",
    name="users.change",
    summary="Change a user",
    tags=TAGS,
    responses=ADD,
    response_headers=WRITTEN,
)
async def change_user(
    tenant: InPath,
    user: InPath,
    data: Annotated[UserChanges, Body(examples=[Example(value={"forward_busy": "bob"})])],
    who: Asker,
    database: Tables,
    node: CallNode,
) -> Response[User]:
    who.only(tenant)
    changed = await database.do(changes.change, who.by(), USERS, (tenant, user), given(data))
    return written(changed, live=await node.reload(USERS.reload))


@put(
    "/api/tenants/{tenant:str}/users/{user:str}/password",
    name="users.password",
    status_code=204,
    summary="Set a user's SIP password",
    tags=TAGS,
    responses=ONE,
    response_headers=WRITTEN,
)
async def set_password(
    tenant: InPath,
    user: InPath,
    data: JSONBody[Password],
    who: Asker,
    database: Tables,
    node: CallNode,
) -> Response[None]:
    """The user's sessions end. Nobody can read the password again."""
    who.only(tenant)
    await database.do(changes.set_password, who.by(), tenant, user, data.password)
    return written(None, live=await node.reload(USERS.reload), status=204)


@delete(
    "/api/tenants/{tenant:str}/users/{user:str}",
    name="users.remove",
    status_code=204,
    summary="Remove a user",
    tags=TAGS,
    responses=ONE,
    response_headers=WRITTEN,
)
async def remove_user(
    tenant: InPath, user: InPath, who: Asker, database: Tables, node: CallNode
) -> Response[None]:
    who.only(tenant)
    await database.do(changes.remove, who.by(), USERS, tenant, user)
    return written(None, live=await node.reload(USERS.reload), status=204)


def _same(tenant: str, named: str, who: Who) -> None:
    who.only(tenant)
    if named not in ("", tenant):
        raise no_such("tenant", named, "tenant")


def _of(user: User, tenant: str) -> User:
    return User(**{**{n: getattr(user, n) for n in User.__struct_fields__}, "tenant": tenant})


ROUTES = [
    tenants, add_tenant, tenant, change_tenant, remove_tenant,
    users, add_user, user, change_user, set_password, remove_user,
]  # fmt: skip
