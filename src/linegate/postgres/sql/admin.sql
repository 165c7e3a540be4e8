-- What administration reads and writes besides the queries of each thing.

-- name: declared_accounts :many
-- Every account with its settings.
SELECT account.id, account.name, account.suspended_at, sender.name AS default_sender, account.requests_per_second,
       account.messages_per_day, account.messages_waiting, account.retention_days, endpoint.url AS webhook,
       COALESCE(backlog.waiting, 0) AS waiting, account.created_at
FROM account
LEFT JOIN sender ON sender.id = account.default_sender
LEFT JOIN endpoint ON endpoint.account_id = account.id AND endpoint.is_default
LEFT JOIN backlog ON backlog.account_id = account.id AND backlog.key_id = 0
WHERE :name::text IS NULL OR account.name = :name
ORDER BY account.id;

-- name: sender_id_of :value
-- A sender of an account by its name.
SELECT id FROM sender WHERE account_id = :account_id AND name = :name;

-- name: set_key_rules :exec
-- Write a key's rules, all of them.
UPDATE api_key SET scopes = :scopes::text[], expires_at = :expires_at, allowed_addresses = :allowed_addresses::cidr[],
                   application_id = :application_id, application_forced = :application_forced,
                   entity_id = :entity_id, entity_forced = :entity_forced, enabled = :enabled,
                   requests_per_second = :requests_per_second, messages_per_day = :messages_per_day,
                   messages_waiting = :messages_waiting
WHERE account_id = :account_id AND id = :id;

-- name: key_by_digest :one
-- A key of an account with its limits, by its digest.
SELECT id, name, requests_per_second, messages_per_day, messages_waiting FROM api_key
WHERE account_id = :account_id AND digest = :digest;

-- name: key_limits_of :one
-- The limits of one key, held until the transaction ends.
SELECT requests_per_second, messages_per_day, messages_waiting FROM api_key WHERE account_id = :account_id AND id = :id FOR UPDATE;

-- name: set_key_limits :exec
-- Write a key's limits.
UPDATE api_key SET requests_per_second = :requests_per_second, messages_per_day = :messages_per_day,
                   messages_waiting = :messages_waiting
WHERE account_id = :account_id AND id = :id;

-- name: set_user_rules :exec
-- Write a user's scopes and whether it may log in.
UPDATE api_user SET scopes = :scopes::text[], enabled = :enabled WHERE account_id = :account_id AND name = :name;

-- name: price_of :one
-- What a delivered message of a sender costs.
SELECT trim_scale(price)::text AS price, currency FROM sender WHERE account_id = :account_id AND name = :name;
