-- Carriers, routes, lists, emergency numbers, countries and settings. tenant '' in trunks and routes: shared by all.
CREATE TABLE trunks (
    id TEXT PRIMARY KEY,
    host TEXT NOT NULL,
    tenant TEXT NOT NULL,
    port INTEGER NOT NULL,
    transport INTEGER NOT NULL,
    enabled INTEGER NOT NULL,
    cidrs TEXT NOT NULL,  -- JSON, as the other lists in this table
    tls_names TEXT NOT NULL,
    username TEXT NOT NULL,
    password TEXT NOT NULL,  -- as it is: we answer the carrier's challenges with it
    register INTEGER NOT NULL,
    register_seconds INTEGER NOT NULL,
    format TEXT NOT NULL,
    strip INTEGER NOT NULL,
    prefix TEXT NOT NULL,
    country_code TEXT NOT NULL,
    contact TEXT NOT NULL,
    headers_in TEXT NOT NULL,
    headers_out TEXT NOT NULL,
    max_calls INTEGER NOT NULL,
    trusted INTEGER NOT NULL,
    from_user TEXT NOT NULL,
    from_host TEXT NOT NULL,
    diversion TEXT NOT NULL,
    default_to TEXT NOT NULL,
    ring_seconds INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE routes (
    id TEXT PRIMARY KEY,
    trunk TEXT NOT NULL REFERENCES trunks (id) ON DELETE CASCADE,
    tenant TEXT NOT NULL,
    prefix TEXT NOT NULL,
    priority INTEGER NOT NULL,
    weight INTEGER NOT NULL,
    schedule TEXT NOT NULL,
    enabled INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE lists (
    tenant TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    do TEXT NOT NULL,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    owner TEXT NOT NULL,
    direction TEXT NOT NULL,
    PRIMARY KEY (tenant, owner, direction, kind, value)
) WITHOUT ROWID;

CREATE TABLE emergency (
    tenant TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    number TEXT NOT NULL,
    trunk TEXT NOT NULL REFERENCES trunks (id) ON DELETE CASCADE,
    priority INTEGER NOT NULL,
    send_as TEXT NOT NULL,
    PRIMARY KEY (tenant, number, trunk)
) WITHOUT ROWID;

-- Lines that differ from the shipped countries.csv, or add to it.
CREATE TABLE country_prefixes (code TEXT NOT NULL, prefix TEXT PRIMARY KEY) WITHOUT ROWID;

CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;  -- JSON

-- A user's lines end with the user.
CREATE TRIGGER users_lists AFTER DELETE ON users BEGIN
    DELETE FROM lists WHERE tenant = OLD.tenant AND owner = OLD.name;
END;
CREATE TRIGGER trunks_i AFTER INSERT ON trunks BEGIN UPDATE generation SET n = n + 1 WHERE what = 'routing'; END;
CREATE TRIGGER trunks_u AFTER UPDATE ON trunks BEGIN UPDATE generation SET n = n + 1 WHERE what = 'routing'; END;
CREATE TRIGGER trunks_d AFTER DELETE ON trunks BEGIN UPDATE generation SET n = n + 1 WHERE what = 'routing'; END;
CREATE TRIGGER routes_i AFTER INSERT ON routes BEGIN UPDATE generation SET n = n + 1 WHERE what = 'routing'; END;
CREATE TRIGGER routes_u AFTER UPDATE ON routes BEGIN UPDATE generation SET n = n + 1 WHERE what = 'routing'; END;
CREATE TRIGGER routes_d AFTER DELETE ON routes BEGIN UPDATE generation SET n = n + 1 WHERE what = 'routing'; END;
CREATE TRIGGER lists_i AFTER INSERT ON lists BEGIN UPDATE generation SET n = n + 1 WHERE what = 'routing'; END;
CREATE TRIGGER lists_u AFTER UPDATE ON lists BEGIN UPDATE generation SET n = n + 1 WHERE what = 'routing'; END;
CREATE TRIGGER lists_d AFTER DELETE ON lists BEGIN UPDATE generation SET n = n + 1 WHERE what = 'routing'; END;
CREATE TRIGGER emergency_i AFTER INSERT ON emergency BEGIN UPDATE generation SET n = n + 1 WHERE what = 'routing'; END;
CREATE TRIGGER emergency_u AFTER UPDATE ON emergency BEGIN UPDATE generation SET n = n + 1 WHERE what = 'routing'; END;
CREATE TRIGGER emergency_d AFTER DELETE ON emergency BEGIN UPDATE generation SET n = n + 1 WHERE what = 'routing'; END;
CREATE TRIGGER country_prefixes_i AFTER INSERT ON country_prefixes BEGIN UPDATE generation SET n = n + 1 WHERE what = 'routing'; END;
CREATE TRIGGER country_prefixes_u AFTER UPDATE ON country_prefixes BEGIN UPDATE generation SET n = n + 1 WHERE what = 'routing'; END;
CREATE TRIGGER country_prefixes_d AFTER DELETE ON country_prefixes BEGIN UPDATE generation SET n = n + 1 WHERE what = 'routing'; END;
CREATE TRIGGER settings_i AFTER INSERT ON settings BEGIN UPDATE generation SET n = n + 1 WHERE what = 'settings'; END;
CREATE TRIGGER settings_u AFTER UPDATE ON settings BEGIN UPDATE generation SET n = n + 1 WHERE what = 'settings'; END;
CREATE TRIGGER settings_d AFTER DELETE ON settings BEGIN UPDATE generation SET n = n + 1 WHERE what = 'settings'; END;
