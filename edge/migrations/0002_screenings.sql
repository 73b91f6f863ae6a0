-- One row a screening job; what it counts is read off its shards and classes, so that a repeated step counts nothing twice.
-- `notice` is pending until the webhook of an ended job was delivered or given up; null where none is asked for.
-- `generation` names the run of the Workflow that may write, `lease_until` (milliseconds) says until when it is believed to live.
CREATE TABLE screenings (
  id TEXT PRIMARY KEY,
  idempotency_key TEXT UNIQUE,
  request_digest TEXT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  revision INTEGER NOT NULL,
  state TEXT NOT NULL,
  stage TEXT,
  generation INTEGER NOT NULL,
  lease_until INTEGER NOT NULL,
  request TEXT NOT NULL,
  graph TEXT,
  class_names TEXT,
  dataset_digest TEXT,
  examples INTEGER,
  poisoned TEXT,
  suspects INTEGER,
  failure TEXT,
  last_error TEXT,
  notice TEXT
) STRICT;

CREATE INDEX screenings_by_lease ON screenings (state, lease_until);

-- `upload_id` is that of R2's multi-part upload.
CREATE TABLE screening_files (
  job TEXT NOT NULL,
  file TEXT NOT NULL,
  upload_id TEXT NOT NULL,
  PRIMARY KEY (job, file)
) STRICT;

CREATE TABLE screening_parts (
  job TEXT NOT NULL,
  file TEXT NOT NULL,
  part INTEGER NOT NULL,
  etag TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  PRIMARY KEY (job, file, part)
) STRICT;

-- `labels` lists the labels of the shard with their counts, ascending; `extracted_at` is in milliseconds.
CREATE TABLE screening_shards (
  job TEXT NOT NULL,
  shard INTEGER NOT NULL,
  examples INTEGER NOT NULL,
  labels TEXT NOT NULL,
  extracted_at INTEGER,
  PRIMARY KEY (job, shard)
) STRICT;

CREATE TABLE screening_classes (
  job TEXT NOT NULL,
  label INTEGER NOT NULL,
  examples INTEGER NOT NULL,
  judged INTEGER NOT NULL,
  PRIMARY KEY (job, label)
) STRICT;
