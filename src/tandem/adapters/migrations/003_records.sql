-- What is remembered of calls. Times are microseconds since 1970.
CREATE TABLE cdr (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    caller TEXT NOT NULL,
    callee TEXT NOT NULL,
    caller_number TEXT NOT NULL,
    caller_call_id TEXT NOT NULL,
    answered_by TEXT NOT NULL,
    trunk_in TEXT NOT NULL,
    trunk_out TEXT NOT NULL,
    route TEXT NOT NULL,
    invited_at INTEGER NOT NULL,
    ringing_at INTEGER NOT NULL,
    answered_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    seconds REAL NOT NULL,
    status INTEGER NOT NULL,
    ended_by TEXT NOT NULL,
    why TEXT NOT NULL,
    tried TEXT NOT NULL,  -- JSON
    takeovers INTEGER NOT NULL,
    proof INTEGER NOT NULL,
    emergency INTEGER NOT NULL
);
CREATE INDEX cdr_time ON cdr (invited_at, id);
CREATE INDEX cdr_tenant ON cdr (tenant, invited_at, id);
CREATE INDEX cdr_caller ON cdr (caller, invited_at, id);
CREATE INDEX cdr_callee ON cdr (callee, invited_at, id);
CREATE INDEX cdr_call_id ON cdr (caller_call_id);

CREATE TABLE call_events (
    call TEXT NOT NULL,
    at INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    what TEXT NOT NULL,
    text TEXT NOT NULL,
    node INTEGER NOT NULL,
    PRIMARY KEY (call, at, what, text, node)
) WITHOUT ROWID;

-- Records that could not be read or kept; the rest went on.
CREATE TABLE dead_letters (
    id INTEGER PRIMARY KEY,
    stream TEXT NOT NULL,
    place INTEGER NOT NULL,
    at INTEGER NOT NULL,
    reason TEXT NOT NULL,
    record BLOB NOT NULL,
    UNIQUE (stream, record)
);

CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    tenant TEXT NOT NULL,
    what TEXT NOT NULL,
    target TEXT NOT NULL,
    detail TEXT NOT NULL  -- JSON
);
CREATE INDEX audit_tenant ON audit (tenant, id);
