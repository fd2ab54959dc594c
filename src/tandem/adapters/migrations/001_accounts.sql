-- Tenants, users, what proves them, and the counters by which a node sees that something changed.
CREATE TABLE generation (what TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO generation VALUES ('tenants', 0), ('accounts', 0), ('routing', 0), ('settings', 0), ('logins', 0);

CREATE TABLE tenants (
    id TEXT PRIMARY KEY,
    domain TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    max_calls INTEGER NOT NULL,
    max_user_calls INTEGER NOT NULL,
    max_call_seconds INTEGER NOT NULL,
    ring_seconds INTEGER NOT NULL,
    country_code TEXT NOT NULL,
    national_prefix TEXT NOT NULL,
    international_prefix TEXT NOT NULL,
    area_code TEXT NOT NULL,
    short_digits INTEGER NOT NULL,
    time_zone TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE users (
    tenant TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    display_name TEXT NOT NULL,
    number TEXT NOT NULL,
    shown TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    max_calls INTEGER NOT NULL,
    max_call_seconds INTEGER NOT NULL,
    ring_seconds INTEGER NOT NULL,
    forward_always TEXT NOT NULL,
    forward_busy TEXT NOT NULL,
    forward_no_answer TEXT NOT NULL,
    ha1_md5 BLOB,
    ha1_sha256 BLOB,
    ha1_sha512_256 BLOB,
    PRIMARY KEY (tenant, name)
) WITHOUT ROWID;

-- A user's number (place 0) and aliases (from 1).
CREATE TABLE aliases (
    tenant TEXT NOT NULL,
    alias TEXT NOT NULL,
    user TEXT NOT NULL,
    place INTEGER NOT NULL,
    PRIMARY KEY (tenant, alias),
    FOREIGN KEY (tenant, user) REFERENCES users (tenant, name) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX aliases_user ON aliases (tenant, user, place);
-- A number of the world belongs to one tenant: calls from shared trunks are found by it.
CREATE UNIQUE INDEX aliases_world ON aliases (alias) WHERE alias GLOB '+*';

-- What happened to which user last; n is the accounts generation at that time.
CREATE TABLE user_changes (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (tenant, name)
) WITHOUT ROWID;
CREATE INDEX user_changes_n ON user_changes (n);

CREATE TRIGGER tenants_i AFTER INSERT ON tenants BEGIN UPDATE generation SET n = n + 1 WHERE what = 'tenants'; END;
CREATE TRIGGER tenants_u AFTER UPDATE ON tenants BEGIN UPDATE generation SET n = n + 1 WHERE what = 'tenants'; END;
CREATE TRIGGER tenants_d AFTER DELETE ON tenants BEGIN UPDATE generation SET n = n + 1 WHERE what = 'tenants'; END;
-- DELETE and INSERT, since the conflict policy of the statement that fires a trigger overrides OR REPLACE in it.
CREATE TRIGGER users_i AFTER INSERT ON users BEGIN
    UPDATE generation SET n = n + 1 WHERE what = 'accounts';
    DELETE FROM user_changes WHERE tenant = NEW.tenant AND name = NEW.name;
    INSERT INTO user_changes SELECT NEW.tenant, NEW.name, n FROM generation WHERE what = 'accounts';
END;
CREATE TRIGGER users_u AFTER UPDATE ON users BEGIN
    UPDATE generation SET n = n + 1 WHERE what = 'accounts';
    DELETE FROM user_changes WHERE tenant = NEW.tenant AND name = NEW.name;
    INSERT INTO user_changes SELECT NEW.tenant, NEW.name, n FROM generation WHERE what = 'accounts';
END;
CREATE TRIGGER users_d AFTER DELETE ON users BEGIN
    UPDATE generation SET n = n + 1 WHERE what = 'accounts';
    DELETE FROM user_changes WHERE tenant = OLD.tenant AND name = OLD.name;
    INSERT INTO user_changes SELECT OLD.tenant, OLD.name, n FROM generation WHERE what = 'accounts';
END;
CREATE TRIGGER aliases_i AFTER INSERT ON aliases BEGIN UPDATE generation SET n = n + 1 WHERE what = 'accounts'; END;
CREATE TRIGGER aliases_u AFTER UPDATE ON aliases BEGIN UPDATE generation SET n = n + 1 WHERE what = 'accounts'; END;
CREATE TRIGGER aliases_d AFTER DELETE ON aliases BEGIN UPDATE generation SET n = n + 1 WHERE what = 'accounts'; END;

CREATE TABLE logins (
    name TEXT PRIMARY KEY,
    role TEXT NOT NULL,
    tenant TEXT NOT NULL,
    user TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    hash BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    role TEXT NOT NULL,
    tenant TEXT NOT NULL,
    note TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TRIGGER logins_i AFTER INSERT ON logins BEGIN UPDATE generation SET n = n + 1 WHERE what = 'logins'; END;
CREATE TRIGGER logins_u AFTER UPDATE ON logins BEGIN UPDATE generation SET n = n + 1 WHERE what = 'logins'; END;
CREATE TRIGGER logins_d AFTER DELETE ON logins BEGIN UPDATE generation SET n = n + 1 WHERE what = 'logins'; END;
CREATE TRIGGER tokens_i AFTER INSERT ON tokens BEGIN UPDATE generation SET n = n + 1 WHERE what = 'logins'; END;
CREATE TRIGGER tokens_u AFTER UPDATE ON tokens BEGIN UPDATE generation SET n = n + 1 WHERE what = 'logins'; END;
CREATE TRIGGER tokens_d AFTER DELETE ON tokens BEGIN UPDATE generation SET n = n + 1 WHERE what = 'logins'; END;
