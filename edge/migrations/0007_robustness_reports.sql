-- Robustness reports that operators sent in: what their list shows. The reports themselves lie in R2. `models` is JSON.
CREATE TABLE robustness_reports (
  id TEXT PRIMARY KEY,
  digest TEXT NOT NULL UNIQUE,
  created_at TEXT NOT NULL,
  created_by TEXT NOT NULL,
  summary TEXT NOT NULL
) STRICT;
