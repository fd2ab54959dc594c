-- By which way media passes and how it is protected; '' what the tenant, or tandem.toml, says.
ALTER TABLE tenants ADD COLUMN media TEXT NOT NULL DEFAULT '';
ALTER TABLE tenants ADD COLUMN srtp TEXT NOT NULL DEFAULT '';
ALTER TABLE trunks ADD COLUMN media TEXT NOT NULL DEFAULT '';
ALTER TABLE trunks ADD COLUMN srtp TEXT NOT NULL DEFAULT '';

-- What the relay measured of a call's media. It comes after the call's end, perhaps before its CDR is here.
CREATE TABLE quality (
    n INTEGER PRIMARY KEY,
    call TEXT NOT NULL UNIQUE,
    at INTEGER NOT NULL,
    streams TEXT NOT NULL  -- JSON
);
