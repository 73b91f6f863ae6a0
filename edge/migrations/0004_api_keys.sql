-- API keys: of each the SHA-256 of its secret, never the secret. A revoked key keeps its row, since audit entries name it.
-- `scopes` and `models` are JSON lists; `models` is null for all, `rate_limit` for none, `expires_at` for never.
CREATE TABLE api_keys (
  id TEXT PRIMARY KEY,
  secret_digest TEXT NOT NULL,
  name TEXT NOT NULL,
  scopes TEXT NOT NULL,
  models TEXT,
  rate_limit TEXT,
  created_at TEXT NOT NULL,
  created_by TEXT NOT NULL,
  expires_at TEXT,
  revoked_at TEXT
) STRICT;
