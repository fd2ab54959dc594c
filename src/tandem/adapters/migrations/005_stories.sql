-- what happened to each ended call, one row a call: a row an event cost a third of the call node's time
CREATE TABLE stories (
  call TEXT PRIMARY KEY,
  tenant TEXT NOT NULL,
  at INTEGER NOT NULL,
  story BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX stories_at ON stories (at);
DROP TABLE call_events;
