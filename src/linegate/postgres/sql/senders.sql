-- Senders as their operator sees and changes them.

-- name: list_senders :many
-- An account's senders, by name.
SELECT id, name, channel_id, access_token IS NOT NULL AS has_token, assertion_kid, countries, relay_url,
       hold, hold_reason, held_at, hold_until, created_at, templates, strict_templates, line_country,
       (SELECT deaf_at FROM sender_ear WHERE sender_ear.sender_id = sender.id) AS deaf_at
FROM sender WHERE account_id = :account_id ORDER BY name;

-- name: load_sender :one
-- One sender of an account, as a worker needs it.
SELECT sender.id, sender.account_id, sender.name, sender.channel_id, sender.channel_secret, sender.access_token,
       sender.hold, sender.hold_until, account.suspended_at, sender.assertion_key, sender.assertion_kid
FROM sender JOIN account ON account.id = sender.account_id
WHERE sender.account_id = :account_id AND sender.name = :name;

-- name: set_sender :exec
-- Change what is given; a flag takes away what may be absent.
UPDATE sender
SET channel_secret = COALESCE(:channel_secret, channel_secret),
    access_token = CASE WHEN :no_token::boolean THEN NULL ELSE COALESCE(:access_token, access_token) END,
    assertion_key = CASE WHEN :no_assertion::boolean THEN NULL ELSE COALESCE(:assertion_key, assertion_key) END,
    assertion_kid = CASE WHEN :no_assertion::boolean THEN NULL ELSE COALESCE(:assertion_kid, assertion_kid) END,
    relay_url = CASE WHEN :no_relay::boolean THEN NULL ELSE COALESCE(:relay_url, relay_url) END,
    countries = COALESCE(:countries::text[], countries),
    templates = COALESCE(:templates, templates),
    strict_templates = COALESCE(:strict_templates, strict_templates),
    line_country = COALESCE(:line_country, line_country)
WHERE account_id = :account_id AND name = :name;
