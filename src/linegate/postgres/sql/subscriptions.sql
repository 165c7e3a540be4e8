-- Where an account wants its reports: security settings, certificates, profiles, subscriptions.

-- name: account_name :value
-- The name that the account's secrets are bound to.
SELECT name FROM account WHERE id = :account_id;

-- name: insert_security :value
-- Create security settings; nothing comes back if the id is taken.
INSERT INTO webhook_security (account_id, auth_id, type, credentials, created_at)
VALUES (:account_id, :auth_id, :type, :credentials, :now)
ON CONFLICT DO NOTHING RETURNING auth_id;

-- name: update_security :exec
-- Replace security settings.
UPDATE webhook_security SET type = :type, credentials = :credentials
WHERE account_id = :account_id AND auth_id = :auth_id;

-- name: delete_security :exec
-- Remove security settings; a profile that uses them keeps them.
DELETE FROM webhook_security WHERE account_id = :account_id AND auth_id = :auth_id;

-- name: list_security :many
-- One page of security settings, with how many there are; or the one of an id.
SELECT auth_id, type, credentials, count(*) OVER () AS total FROM webhook_security
WHERE account_id = :account_id AND (:auth_id::text IS NULL OR auth_id = :auth_id)
ORDER BY created_at, auth_id LIMIT :size OFFSET :skip;

-- name: insert_certificate :value
-- Keep a client certificate; nothing comes back if the id is taken.
INSERT INTO webhook_certificate (account_id, certificate_id, pem, issued_by, issued_to, serial_number, valid_from,
                                 valid_until, created_at)
VALUES (:account_id, :certificate_id, :pem, :issued_by, :issued_to, :serial_number, :valid_from, :valid_until, :now)
ON CONFLICT DO NOTHING RETURNING certificate_id;

-- name: delete_certificate :exec
-- Remove a certificate; a profile that uses it keeps it.
DELETE FROM webhook_certificate WHERE account_id = :account_id AND certificate_id = :certificate_id;

-- name: list_certificates :many
-- One page of certificates, with how many there are; or the one of an id.
SELECT certificate_id, issued_by, issued_to, serial_number, valid_from, valid_until, pem, count(*) OVER () AS total
FROM webhook_certificate
WHERE account_id = :account_id AND (:certificate_id::text IS NULL OR certificate_id = :certificate_id)
ORDER BY created_at, certificate_id LIMIT :size OFFSET :skip;

-- name: insert_profile :value
-- Create a profile; nothing comes back if the id is taken.
INSERT INTO webhook_profile (account_id, profile_id, settings, auth_id, certificate_id, created_at)
VALUES (:account_id, :profile_id, :settings, :auth_id, :certificate_id, :now)
ON CONFLICT DO NOTHING RETURNING profile_id;

-- name: update_profile :exec
-- Replace a profile.
UPDATE webhook_profile SET settings = :settings, auth_id = :auth_id, certificate_id = :certificate_id
WHERE account_id = :account_id AND profile_id = :profile_id;

-- name: delete_profile :exec
-- Remove a profile; a subscription that uses it keeps it.
DELETE FROM webhook_profile WHERE account_id = :account_id AND profile_id = :profile_id;

-- name: list_profiles :many
-- One page of profiles, with how many there are; or the one of an id.
SELECT profile_id, settings, auth_id, certificate_id, count(*) OVER () AS total FROM webhook_profile
WHERE account_id = :account_id AND (:profile_id::text IS NULL OR profile_id = :profile_id)
ORDER BY created_at, profile_id LIMIT :size OFFSET :skip;

-- name: put_profile_endpoint :value
-- The endpoint of a profile; what it was in doubt for is forgotten.
INSERT INTO endpoint (account_id, profile_id, url, content_type, created_at)
VALUES (:account_id, :profile_id, :url, :content_type, :now)
ON CONFLICT (account_id, profile_id) WHERE profile_id IS NOT NULL
DO UPDATE SET url = excluded.url, content_type = excluded.content_type, failures = 0, probe_at = NULL,
              last_error = NULL, gone_at = NULL
RETURNING id;

-- name: remove_profile_endpoint :exec
-- Nothing is sent there any more; what waits is given up in its next turn.
UPDATE endpoint SET profile_id = NULL, removed_at = :now, probe_at = NULL
WHERE account_id = :account_id AND profile_id = :profile_id;

-- name: insert_subscription :value
-- Create a subscription; nothing comes back if the id is taken.
INSERT INTO subscription (account_id, subscription_id, name, profile_id, events, criteria, resources, created_at)
VALUES (:account_id, :subscription_id, :name, :profile_id, :events, :criteria::jsonb, :resources, :now)
ON CONFLICT DO NOTHING RETURNING subscription_id;

-- name: update_subscription :exec
-- Replace a subscription.
UPDATE subscription
SET name = :name, profile_id = :profile_id, events = :events, criteria = :criteria::jsonb, resources = :resources
WHERE account_id = :account_id AND subscription_id = :subscription_id;

-- name: delete_subscription :exec
-- Remove a subscription.
DELETE FROM subscription WHERE account_id = :account_id AND subscription_id = :subscription_id;

-- name: list_subscriptions :many
-- One page of subscriptions, with how many there are; or the one of an id.
SELECT subscription.subscription_id, subscription.name, subscription.profile_id, subscription.events,
       subscription.criteria::text AS criteria, subscription.resources, profile.auth_id, count(*) OVER () AS total
FROM subscription
JOIN webhook_profile AS profile USING (account_id, profile_id)
WHERE subscription.account_id = :account_id
  AND (:subscription_id::text IS NULL OR subscription.subscription_id = :subscription_id)
  AND (:resource::text IS NULL OR :resource = ANY(subscription.resources))
  AND (:criterion::jsonb IS NULL OR subscription.criteria @> jsonb_build_array(:criterion::jsonb))
ORDER BY subscription.created_at, subscription.subscription_id LIMIT :size OFFSET :skip;

-- name: delivery_subscriptions :many
-- Where reports of an account's messages go that name no URL, oldest first.
SELECT endpoint.id AS endpoint_id, subscription.criteria::text AS criteria, subscription.resources
FROM subscription
JOIN endpoint ON endpoint.account_id = subscription.account_id AND endpoint.profile_id = subscription.profile_id
WHERE subscription.account_id = :account_id AND 'DELIVERY' = ANY(subscription.events)
ORDER BY subscription.created_at, subscription.subscription_id;
