-- One row a published version of a model's policy; version 0 is the configuration's and has no row. What was published stays.
CREATE TABLE policy_versions (
  model TEXT NOT NULL,
  version INTEGER NOT NULL,
  policy TEXT NOT NULL,
  published_at TEXT NOT NULL,
  published_by TEXT NOT NULL,
  restored_from INTEGER,
  PRIMARY KEY (model, version)
) STRICT;

CREATE TRIGGER policy_versions_not_changed BEFORE UPDATE ON policy_versions BEGIN SELECT RAISE(ABORT, 'a published policy is immutable'); END;

CREATE TRIGGER policy_versions_not_removed BEFORE DELETE ON policy_versions BEGIN SELECT RAISE(ABORT, 'a published policy is immutable'); END;

-- One row a model whose policy was ever worked on. `revision` counts every draft, publishing and rollback; `policy` is null
-- where there is no draft.
CREATE TABLE policy_drafts (
  model TEXT PRIMARY KEY,
  revision INTEGER NOT NULL,
  policy TEXT,
  saved_at TEXT NOT NULL,
  saved_by TEXT NOT NULL
) STRICT;
