-- Who may send: accounts, keys, senders, endpoints. Small tables, read through a short-lived cache.

-- name: next_process_number :value
-- A number for this process's ids.
SELECT nextval('process_number');

-- name: insert_account :value
-- Create an account; nothing comes back if the name is taken.
INSERT INTO account (name, webhook_secret, created_at) VALUES (:name, :webhook_secret, :now)
ON CONFLICT DO NOTHING RETURNING id;

-- name: webhook_secret :value
-- The sealed secret that signs an account's delivery reports.
SELECT webhook_secret FROM account WHERE id = :account_id;

-- name: find_account :value
-- An account's id by its name.
SELECT id FROM account WHERE name = :name;

-- name: insert_sender :value
-- Create a sender with its row of LINE's rate; nothing comes back if the name is taken.
WITH created AS (
    INSERT INTO sender (account_id, name, channel_id, channel_secret, access_token, created_at)
    VALUES (:account_id, :name, :channel_id, :channel_secret, :access_token, :now)
    ON CONFLICT DO NOTHING RETURNING id
),
pace AS (
    INSERT INTO sender_pace (sender_id, per_second, free_at) SELECT id, :per_second, :now FROM created
)
SELECT id FROM created;

-- name: find_sender :one
-- A sender by its name.
SELECT id, account_id, name, channel_secret, countries, relay_url IS NOT NULL AS relays, templates, strict_templates,
       line_country
FROM sender WHERE name = :name;

-- name: load_senders :many
-- Every sender, with why it is held if it is.
SELECT sender.id, sender.account_id, sender.name, sender.channel_id, sender.channel_secret, sender.access_token,
       sender.hold, sender.hold_until, account.suspended_at, sender.assertion_key, sender.assertion_kid
FROM sender JOIN account ON account.id = sender.account_id;

-- name: hold_sender :exec
-- Stop a sender, or say anew until when. A pause by the operator is never replaced by a fault.
UPDATE sender SET hold = :hold, hold_reason = :reason, held_at = COALESCE(held_at, :now), hold_until = :until
WHERE id = :id AND hold IS DISTINCT FROM 'paused';

-- name: resume_sender :exec
-- Let a sender go on.
UPDATE sender SET hold = NULL, hold_reason = NULL, held_at = NULL, hold_until = NULL
WHERE id = :id AND hold = ANY(:holds::text[]);

-- name: end_monthly_holds :exec
-- A new month has begun at LINE: those whose messages were used up are asked for again.
UPDATE sender SET hold = NULL, hold_reason = NULL, held_at = NULL, hold_until = NULL
WHERE hold = 'monthly_limit' AND hold_until <= :now;

-- name: ensure_endpoint :value
-- The endpoint of one URL and format, made on first use.
WITH made AS (
    INSERT INTO endpoint (account_id, url, content_type, created_at)
    VALUES (:account_id, :url, :content_type, :now)
    ON CONFLICT (account_id, md5(url), content_type)
      WHERE NOT is_default AND profile_id IS NULL AND removed_at IS NULL DO NOTHING
    RETURNING id
)
SELECT id FROM made
UNION ALL
SELECT id FROM endpoint
WHERE account_id = :account_id AND md5(url) = md5(:url) AND url = :url AND content_type = :content_type
  AND NOT is_default AND profile_id IS NULL AND removed_at IS NULL
LIMIT 1;

-- name: default_endpoint :value
-- The account's own endpoint, if it has one.
SELECT id FROM endpoint WHERE account_id = :account_id AND is_default;

-- name: set_default_endpoint :value
-- Give an account its own endpoint, or change its URL.
INSERT INTO endpoint (account_id, is_default, url, created_at)
VALUES (:account_id, true, :url, :now)
ON CONFLICT (account_id) WHERE is_default
DO UPDATE SET url = excluded.url, failures = 0, probe_at = NULL, last_error = NULL, gone_at = NULL
RETURNING id;

-- name: read_installation :value
-- A fact about this installation.
SELECT value FROM installation WHERE name = :name;

-- name: write_installation :exec
-- Record a fact about this installation, once.
INSERT INTO installation (name, value) VALUES (:name, :value) ON CONFLICT DO NOTHING;
