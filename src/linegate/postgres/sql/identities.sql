-- Who asks: API keys, users and what their logins gave.

-- name: insert_key :value
-- Store a key's digest and rules.
INSERT INTO api_key (account_id, name, digest, hint, scopes, valid_from, expires_at, allowed_addresses,
                     application_id, application_forced, entity_id, entity_forced, created_at)
VALUES (:account_id, :name, :digest, :hint, :scopes, :valid_from, :expires_at, :allowed_addresses::cidr[],
        :application_id, :application_forced, :entity_id, :entity_forced, :now)
RETURNING id;

-- name: find_key :one
-- Whom a key belongs to and what it may do.
SELECT api_key.id, api_key.account_id, api_key.scopes, api_key.enabled, api_key.valid_from, api_key.expires_at,
       api_key.allowed_addresses, api_key.application_id, api_key.application_forced, api_key.entity_id,
       api_key.entity_forced, COALESCE(api_key.counts_as, api_key.id) AS counts_as, account.suspended_at
FROM api_key JOIN account ON account.id = api_key.account_id
WHERE api_key.digest = :digest;

-- name: list_keys :many
-- An account's keys, oldest first.
SELECT id, name, hint, scopes, enabled, valid_from, expires_at, allowed_addresses, application_id, application_forced,
       entity_id, entity_forced, requests_per_second, messages_per_day, messages_waiting, created_at, digest,
       COALESCE((SELECT waiting FROM backlog WHERE backlog.account_id = api_key.account_id AND key_id = COALESCE(counts_as, api_key.id)), 0)
         AS waiting
FROM api_key WHERE account_id = :account_id ORDER BY id;

-- name: enable_key :value
-- Switch a key of an account on or off; nothing comes back if there is none.
UPDATE api_key SET enabled = :enabled WHERE account_id = :account_id AND id = :id RETURNING id;

-- name: rotate_key :value
-- A new key with an old one's rules, limits, counts and length of life; the old one ends at `ends_at`, if not before.
WITH old AS (
    SELECT * FROM api_key WHERE account_id = :account_id AND id = :id AND enabled FOR UPDATE
),
ended AS (
    UPDATE api_key SET expires_at = LEAST(api_key.expires_at, :ends_at) FROM old WHERE api_key.id = old.id
)
INSERT INTO api_key (account_id, name, digest, hint, scopes, valid_from, expires_at, allowed_addresses,
                     application_id, application_forced, entity_id, entity_forced, requests_per_second,
                     messages_per_day, messages_waiting, counts_as, created_at)
SELECT account_id, name, :digest, :hint, scopes, valid_from, :now::timestamptz + (expires_at - created_at), allowed_addresses,
       application_id, application_forced, entity_id, entity_forced, requests_per_second, messages_per_day,
       messages_waiting, COALESCE(counts_as, id), :now
FROM old RETURNING id;

-- name: insert_user :value
-- Create a user; nothing comes back if the name is taken in this installation.
INSERT INTO api_user (account_id, name, password_hash, scopes, allowed_addresses, created_at)
VALUES (:account_id, :name, :password_hash, :scopes, :allowed_addresses::cidr[], :now)
ON CONFLICT DO NOTHING RETURNING id;

-- name: find_user :one
-- A user by its name.
SELECT api_user.id, api_user.account_id, api_user.name, api_user.password_hash, api_user.scopes, api_user.enabled,
       api_user.allowed_addresses, account.suspended_at
FROM api_user JOIN account ON account.id = api_user.account_id
WHERE api_user.name = :name;

-- name: list_users :many
-- An account's users, oldest first.
SELECT id, name, scopes, enabled, allowed_addresses, created_at, is_operator
FROM api_user WHERE account_id = :account_id ORDER BY id;

-- name: enable_user :value
-- Switch a user of an account on or off; nothing comes back if there is none.
UPDATE api_user SET enabled = :enabled WHERE account_id = :account_id AND name = :name RETURNING id;

-- name: set_password :value
-- Give a user another password; what its logins gave before ends.
WITH changed AS (
    UPDATE api_user SET password_hash = :password_hash WHERE account_id = :account_id AND name = :name RETURNING id
),
ended AS (
    DELETE FROM auth_token USING changed WHERE auth_token.user_id = changed.id
)
SELECT id FROM changed;

-- name: insert_token :exec
-- Keep a session or an access token.
INSERT INTO auth_token (digest, user_id, kind, address, expires_at)
VALUES (:digest, :user_id, :kind, :address::inet, :expires_at);

-- name: find_token :one
-- What a token is and whose.
SELECT auth_token.kind, auth_token.address, auth_token.expires_at,
       api_user.id, api_user.account_id, api_user.name, api_user.password_hash, api_user.scopes, api_user.enabled,
       api_user.allowed_addresses, account.suspended_at
FROM auth_token
JOIN api_user ON api_user.id = auth_token.user_id
JOIN account ON account.id = api_user.account_id
WHERE auth_token.digest = :digest;

-- name: touch_token :exec
-- A session was used: it ends later.
UPDATE auth_token SET expires_at = :expires_at WHERE digest = :digest AND expires_at < :expires_at;

-- name: end_token :exec
-- Log out.
DELETE FROM auth_token WHERE digest = :digest;

-- name: forget_tokens :exec
-- Remove what has expired.
DELETE FROM auth_token
WHERE digest IN (SELECT digest FROM auth_token WHERE expires_at <= :now ORDER BY expires_at LIMIT :limit);
