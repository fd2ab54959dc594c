-- Music for who is held, whether calls are recorded, and a user's own words on media.
ALTER TABLE tenants ADD COLUMN music TEXT NOT NULL DEFAULT '';
ALTER TABLE tenants ADD COLUMN record INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN media TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN srtp TEXT NOT NULL DEFAULT '';
