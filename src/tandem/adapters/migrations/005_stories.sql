-- What happened to each ended call, one row a call: a row an event cost a third of the call node's time.
-- Rows are appended; only the index has the ids' random order.
CREATE TABLE stories (
  n INTEGER PRIMARY KEY,
  call TEXT NOT NULL UNIQUE,
  tenant TEXT NOT NULL,
  at INTEGER NOT NULL,
  story TEXT NOT NULL  -- JSON
);
DROP TABLE call_events;
