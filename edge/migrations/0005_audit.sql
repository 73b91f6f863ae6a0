-- The audit can be searched: by whom a request came, and by what its verdict says. What the verdict holds is read off it.
ALTER TABLE verdicts ADD COLUMN principal TEXT;

ALTER TABLE verdicts ADD COLUMN policy_id TEXT AS (json_extract(body, '$.policy.id')) VIRTUAL;

ALTER TABLE verdicts ADD COLUMN policy_version INTEGER AS (json_extract(body, '$.policy.version')) VIRTUAL;

ALTER TABLE verdicts ADD COLUMN artefact_version TEXT AS (json_extract(body, '$.detector.version')) VIRTUAL;

ALTER TABLE verdicts ADD COLUMN total_ms REAL AS (json_extract(body, '$.timings_ms.total')) VIRTUAL;

ALTER TABLE verdicts ADD COLUMN taxonomy TEXT AS (json_extract(body, '$.taxonomy')) VIRTUAL;

ALTER TABLE verdicts ADD COLUMN trace_id TEXT AS (json_extract(body, '$.trace_id')) VIRTUAL;

DROP INDEX verdicts_by_time;

DROP INDEX verdicts_by_model;

-- Each ends with what a list is sorted by, so that a page is read off its index alone.
CREATE INDEX verdicts_by_time ON verdicts (at, id);

CREATE INDEX verdicts_by_model ON verdicts (model, at, id);

CREATE INDEX verdicts_by_verdict ON verdicts (verdict, at, id);

-- Most verdicts have no failure, and where no keys are used no principal: those rows cost nothing here.
CREATE INDEX verdicts_by_failure ON verdicts (failure, at, id) WHERE failure IS NOT NULL;

CREATE INDEX verdicts_by_principal ON verdicts (principal, at, id) WHERE principal IS NOT NULL;

-- Verdicts that retention has deleted, since the beginning.
CREATE TABLE audit_totals (
  name TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT;
