-- What the relay takes out of what a user or a trunk says.
ALTER TABLE users ADD COLUMN clean TEXT NOT NULL DEFAULT '';
ALTER TABLE trunks ADD COLUMN clean TEXT NOT NULL DEFAULT '';
