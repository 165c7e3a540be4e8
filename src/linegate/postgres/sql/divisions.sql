-- Applications and entities of an account, what they set, and what daily limits have left.

-- name: ensure_divisions :exec
-- Make what a message names for the first time.
INSERT INTO division (account_id, kind, id, created_at)
SELECT account_id, kind::division_kind, id, :now
FROM unnest(:account_ids::bigint[], :kinds::text[], :ids::text[]) AS named (account_id, kind, id)
ON CONFLICT DO NOTHING;

-- name: insert_division :value
-- Make one; nothing comes back if the id is taken.
INSERT INTO division (account_id, kind, id, name, created_at)
VALUES (:account_id, :kind::division_kind, :id, :name, :now)
ON CONFLICT DO NOTHING RETURNING id;

-- name: find_division :one
-- One of an account's by its id.
SELECT id, name FROM division WHERE account_id = :account_id AND kind = :kind::division_kind AND id = :id;

-- name: page_divisions :many
-- A page of an account's, by id.
SELECT id, name FROM division WHERE account_id = :account_id AND kind = :kind::division_kind
ORDER BY id LIMIT :limit OFFSET :offset;

-- name: count_divisions :value
-- How many an account has.
SELECT count(*) FROM division WHERE account_id = :account_id AND kind = :kind::division_kind;

-- name: rename_division :value
-- Give one another name; nothing comes back if there is none.
UPDATE division SET name = :name WHERE account_id = :account_id AND kind = :kind::division_kind AND id = :id
RETURNING id;

-- name: delete_division :value
-- Remove one with its settings; what is stored keeps its id. Nothing comes back if there was none.
DELETE FROM division WHERE account_id = :account_id AND kind = :kind::division_kind AND id = :id RETURNING id;

-- name: set_division :value
-- Write all settings of one; nothing comes back if there is none.
UPDATE division SET default_sender = :default_sender, endpoint_id = :endpoint_id, templates = :templates,
                    messages_per_day = :messages_per_day
WHERE account_id = :account_id AND kind = :kind::division_kind AND id = :id
RETURNING id;

-- name: division_settings :one
-- What one sets, held until the transaction ends.
SELECT default_sender, endpoint_id, templates, messages_per_day FROM division
WHERE account_id = :account_id AND kind = :kind::division_kind AND id = :id FOR UPDATE;

-- name: lock_account_settings :one
-- What an account sets, held until the transaction ends.
SELECT default_sender, requests_per_second, messages_per_day, messages_waiting, retention_days FROM account
WHERE id = :account_id FOR NO KEY UPDATE;

-- name: list_divisions :many
-- An account's applications and entities with their settings.
SELECT division.kind::text AS kind, division.id, division.name, sender.name AS default_sender, endpoint.url,
       division.templates, division.messages_per_day
FROM division
LEFT JOIN sender ON sender.id = division.default_sender
LEFT JOIN endpoint ON endpoint.id = division.endpoint_id
WHERE division.account_id = :account_id
ORDER BY division.kind, division.id LIMIT :limit;

-- name: shown_division :one
-- One application or entity with its settings.
SELECT division.kind::text AS kind, division.id, division.name, sender.name AS default_sender, endpoint.url,
       division.templates, division.messages_per_day
FROM division
LEFT JOIN sender ON sender.id = division.default_sender
LEFT JOIN endpoint ON endpoint.id = division.endpoint_id
WHERE division.account_id = :account_id AND division.kind = :kind::division_kind AND division.id = :id;

-- name: account_policy :one
-- What an account sets for itself.
SELECT sender.name AS default_sender, account.requests_per_second, account.messages_per_day,
       account.messages_waiting
FROM account LEFT JOIN sender ON sender.id = account.default_sender
WHERE account.id = :account_id;

-- name: division_policies :many
-- What an account's applications and entities set, those that set anything.
SELECT division.kind::text AS kind, division.id, sender.name AS default_sender, division.endpoint_id,
       division.templates, division.messages_per_day
FROM division LEFT JOIN sender ON sender.id = division.default_sender
WHERE division.account_id = :account_id
  AND (division.default_sender IS NOT NULL OR division.endpoint_id IS NOT NULL OR division.templates IS NOT NULL
       OR division.messages_per_day IS NOT NULL);

-- name: key_limits :many
-- The limits of an account's keys, of those that have any.
SELECT id, requests_per_second, messages_per_day, messages_waiting FROM api_key
WHERE account_id = :account_id
  AND (requests_per_second IS NOT NULL OR messages_per_day IS NOT NULL OR messages_waiting IS NOT NULL);

-- name: take_quota :value
-- Use so much of a day's limit if that much is left; nothing comes back if it is not.
INSERT INTO quota_use (account_id, subject, day, used)
SELECT :account_id, :subject, :day, :amount::bigint WHERE :amount::bigint <= :most::bigint
ON CONFLICT (account_id, subject, day)
DO UPDATE SET used = quota_use.used + excluded.used WHERE quota_use.used + excluded.used <= :most::bigint
RETURNING used;

-- name: give_back_quota :exec
-- What was taken of a day's limit and not used.
UPDATE quota_use SET used = used - :amount::bigint
WHERE account_id = :account_id AND subject = :subject AND day = :day;

-- name: set_account :value
-- Write an account's settings; nothing comes back if there is none.
UPDATE account SET default_sender = :default_sender, requests_per_second = :requests_per_second,
                   messages_per_day = :messages_per_day, messages_waiting = :messages_waiting,
                   retention_days = :retention_days
WHERE id = :account_id RETURNING id;
