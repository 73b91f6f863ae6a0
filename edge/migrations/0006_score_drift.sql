-- One row a model: how far the clean scores of late lie from those of its calibration, as the cron last found it.
CREATE TABLE score_drift (
  model TEXT PRIMARY KEY,
  at TEXT NOT NULL,
  artefact TEXT,
  state TEXT NOT NULL,
  rows INTEGER NOT NULL,
  stability_index REAL,
  bound REAL
) STRICT;
