-- Bearer tokens of people who logged in: only their hashes, until they expire or the person logs out.
CREATE TABLE sessions (
    hash BLOB PRIMARY KEY,
    login TEXT NOT NULL,
    role TEXT NOT NULL,
    tenant TEXT NOT NULL,
    user TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX sessions_login ON sessions (login);
