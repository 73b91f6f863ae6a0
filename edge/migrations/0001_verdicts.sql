-- One row a verdict: the whole verdict as JSON, and the columns that are searched. The request's body is never stored.
CREATE TABLE verdicts (
  id TEXT PRIMARY KEY,
  at TEXT NOT NULL,
  request_id TEXT NOT NULL,
  request_digest TEXT NOT NULL,
  model TEXT NOT NULL,
  mode TEXT NOT NULL,
  verdict TEXT NOT NULL,
  enforced INTEGER NOT NULL,
  score REAL,
  failure TEXT,
  artefact TEXT,
  noise_key_id TEXT,
  body TEXT NOT NULL
) STRICT;

CREATE INDEX verdicts_by_time ON verdicts (at);

CREATE INDEX verdicts_by_model ON verdicts (model, verdict, at);

CREATE INDEX verdicts_by_request ON verdicts (request_digest);
