-- What stands around the messages: accounts' endpoints, keys, the audit log, what waits.

-- name: add_endpoints :exec
-- The account's own endpoint, one that has failed for long, and eight that work.
INSERT INTO endpoint (account_id, is_default, url, failures, probe_at, last_error, taken_at, created_at)
SELECT account, n = 0, 'https://' || account || '.example.com/reports/' || n, CASE WHEN n = 1 THEN 9000 ELSE 0 END,
       CASE WHEN n = 1 THEN :now::timestamptz + interval '1 min' END, CASE WHEN n = 1 THEN 'answered 503' END,
       CASE WHEN n <> 1 THEN :now END, :now - interval '1 year'
FROM unnest(:accounts::bigint[]) AS account CROSS JOIN generate_series(0, 9) AS n ORDER BY account, n;

-- name: add_idle_endpoints :exec
-- Endpoints that messages named once.
INSERT INTO endpoint (account_id, url, created_at, taken_at)
SELECT (:accounts::bigint[])[1 + n % 5], 'https://shop.example.com/callback/' || n, :now::timestamptz, :now
FROM generate_series(1, :count::integer) AS n;

-- name: add_divisions :exec
-- Applications and entities, as they are made on first use.
INSERT INTO division (account_id, kind, id, created_at)
SELECT DISTINCT account_id, kind, id, :now::timestamptz
FROM (SELECT account, 'application'::division_kind, id
      FROM unnest(:accounts::bigint[]) AS account CROSS JOIN unnest('{app-1,app-2,app-3,rare}'::text[]) AS id
      UNION ALL
      SELECT account, 'entity', 'entity-' || n FROM unnest(:accounts) AS account CROSS JOIN generate_series(0, 2000) AS n
     ) AS named (account_id, kind, id);

-- name: add_audit :exec
-- A year of changes.
INSERT INTO audit (at, account_id, actor, action, kind, subject, changes)
SELECT :now::timestamptz - (:count::integer - n) * (interval '1 year' / :count), (:accounts::bigint[])[1 + n % 5], 'user ops',
       'change', 'division', 'entity entity-' || n % 2000, '{"messages_per_day": [1000, 2000]}'
FROM generate_series(1, :count) AS n;

-- name: add_blocked :exec
-- Blocked numbers.
INSERT INTO blocklist (account_id, destination, blocked_at)
SELECT (:accounts::bigint[])[1 + n % 5], (819100000000 + n)::text, :now::timestamptz
FROM generate_series(1, :count::integer) AS n;

-- name: add_answers :exec
-- Answers kept for clients that repeat a request.
INSERT INTO idempotency (account_id, key, body_digest, answer, accepted_at)
SELECT (:accounts::bigint[])[1 + n % 5], 'key-' || n, decode(md5(n::text), 'hex'), decode(repeat(md5(n::text), 8), 'hex'),
       :now::timestamptz - (n % 86400) * interval '1 s'
FROM generate_series(1, :count::integer) AS n;

-- name: add_quotas :exec
-- A year of daily quotas used.
INSERT INTO quota_use (account_id, subject, day, used)
SELECT account, subject, :today::date - back, 20000
FROM unnest(:accounts::bigint[]) AS account CROSS JOIN generate_series(0, 364) AS back
CROSS JOIN unnest('{account,application app-1,application app-2,entity entity-1}'::text[]) AS subject;

-- name: hold_sender :exec
-- A sender that somebody paused.
UPDATE sender SET hold = 'paused', held_at = :now, hold_reason = 'by an operator' WHERE id = :sender;

-- name: park_some :exec
-- What waits for the paused sender: the newest messages of account 1 that were sent.
UPDATE queue SET sender_id = :sender, step = 'due_bulk', sent_at = NULL, attempt = 0, due_at = :now::timestamptz
WHERE id IN (SELECT id FROM queue WHERE step = 'sent' AND account_id = :account ORDER BY id DESC LIMIT :count);
