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
-- Write a key's name, rules and limits, all of them.
UPDATE api_key SET name = :name, scopes = :scopes::text[], valid_from = :valid_from, expires_at = :expires_at,
                   allowed_addresses = :allowed_addresses::cidr[], application_id = :application_id,
                   application_forced = :application_forced, entity_id = :entity_id, entity_forced = :entity_forced,
                   enabled = :enabled, requests_per_second = :requests_per_second,
                   messages_per_day = :messages_per_day, messages_waiting = :messages_waiting
WHERE account_id = :account_id AND id = :id;

-- name: lock_key :one
-- One key of an account, held until the transaction ends.
SELECT id, name, hint, scopes, enabled, valid_from, expires_at, allowed_addresses, application_id, application_forced,
       entity_id, entity_forced, requests_per_second, messages_per_day, messages_waiting, created_at, 0 AS waiting, digest
FROM api_key WHERE account_id = :account_id AND id = :id FOR UPDATE;

-- name: set_user_rules :exec
-- Write what a user may do, from where, and whether it may log in.
UPDATE api_user SET scopes = :scopes::text[], allowed_addresses = :allowed_addresses::cidr[],
                    is_operator = :is_operator, enabled = :enabled
WHERE account_id = :account_id AND name = :name;

-- name: price_of :one
-- What a delivered message of a sender costs.
SELECT trim_scale(price)::text AS price, currency FROM sender WHERE account_id = :account_id AND name = :name;

-- name: remove_key :value
-- A key is gone for good.
DELETE FROM api_key WHERE account_id = :account_id AND id = :id RETURNING id;

-- name: remove_user :value
-- A user is gone, with what its logins gave.
DELETE FROM api_user WHERE account_id = :account_id AND name = :name RETURNING id;

-- name: has_sent :value
-- Whether an account, or one of its senders, has messages or figures that somebody may still look at.
SELECT EXISTS (SELECT FROM statistic WHERE account_id = :account_id AND (:sender_id::bigint IS NULL OR sender_id = :sender_id))
    OR EXISTS (SELECT FROM tally JOIN message_object AS object ON object.id = tally.object_id
               WHERE object.account_id = :account_id AND (:sender_id::bigint IS NULL OR object.sender_id = :sender_id))
    OR EXISTS (SELECT FROM backlog WHERE account_id = :account_id AND waiting > 0);

-- name: remove_sender :exec
-- A sender that nothing names is gone, with its pace and what was heard of it.
WITH pace AS (
    DELETE FROM sender_pace WHERE sender_id = :id
),
ear AS (
    DELETE FROM sender_ear WHERE sender_id = :id
),
counts AS (
    DELETE FROM line_count WHERE sender_id = :id
)
DELETE FROM sender WHERE id = :id AND account_id = :account_id;

-- name: names_sender :value
-- What names a sender: the account's default, a part's, or a template.
SELECT CASE WHEN EXISTS (SELECT FROM account WHERE default_sender = :id) THEN 'the account''s default sender'
            WHEN EXISTS (SELECT FROM division WHERE default_sender = :id) THEN 'the default sender of an application or entity'
            WHEN EXISTS (SELECT FROM template WHERE sender_id = :id AND deleted_at IS NULL) THEN 'the sender of a template' END;

-- name: remove_account :exec
-- An account that has never sent is gone, with everything that belongs to it. Foreign keys are looked
-- at when the statement ends.
WITH mine AS (SELECT id FROM sender WHERE account_id = :id),
pace AS (DELETE FROM sender_pace USING mine WHERE sender_id = mine.id),
ear AS (DELETE FROM sender_ear USING mine WHERE sender_id = mine.id),
counts AS (DELETE FROM line_count USING mine WHERE sender_id = mine.id),
versions AS (
    DELETE FROM template_version USING template
    WHERE template.id = template_version.template_id AND template.account_id = :id
),
templates AS (DELETE FROM template WHERE account_id = :id),
divisions AS (DELETE FROM division WHERE account_id = :id),
subscriptions AS (DELETE FROM subscription WHERE account_id = :id),
profiles AS (DELETE FROM webhook_profile WHERE account_id = :id),
proofs AS (DELETE FROM webhook_security WHERE account_id = :id),
certificates AS (DELETE FROM webhook_certificate WHERE account_id = :id),
endpoints AS (DELETE FROM endpoint WHERE account_id = :id),
routes AS (DELETE FROM sms_route WHERE account_id = :id),
blocked AS (DELETE FROM blocklist WHERE account_id = :id),
quotas AS (DELETE FROM quota_use WHERE account_id = :id),
backlogs AS (DELETE FROM backlog WHERE account_id = :id),
users AS (DELETE FROM api_user WHERE account_id = :id),
keys AS (DELETE FROM api_key WHERE account_id = :id),
senders AS (DELETE FROM sender WHERE account_id = :id)
DELETE FROM account WHERE id = :id;
