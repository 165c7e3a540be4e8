-- Endpoints as the operator sees them.

-- name: list_endpoints :many
-- Endpoints with what waits for them. Counting stops at :most, so that a million waiting reports cost no more.
SELECT endpoint.id, account.name AS account, endpoint.is_default, endpoint.profile_id, endpoint.url, endpoint.content_type,
       endpoint.failures, endpoint.last_error, endpoint.probe_at, endpoint.taken_at, endpoint.gone_at, endpoint.removed_at,
       (SELECT count(*) FROM (SELECT 1 FROM push WHERE endpoint_id = endpoint.id AND given_up_at IS NULL
                              LIMIT :most) AS waiting) AS waiting,
       (SELECT count(*) FROM (SELECT 1 FROM push WHERE endpoint_id = endpoint.id AND given_up_at IS NOT NULL
                              LIMIT :most) AS given_up) AS given_up,
       (SELECT min(COALESCE(retry_at, due_at)) FROM push
        WHERE endpoint_id = endpoint.id AND given_up_at IS NULL) AS next_at
FROM endpoint
JOIN account ON account.id = endpoint.account_id
WHERE (:account::text IS NULL OR account.name = :account) AND (:id::bigint IS NULL OR endpoint.id = :id)
ORDER BY account.name, endpoint.id;

-- name: waiting_by_endpoint :many
-- Endpoints that have reports, with how many wait and were given up, each counted to :most.
WITH RECURSIVE present AS (
    (SELECT endpoint_id FROM push WHERE given_up_at IS NULL ORDER BY endpoint_id LIMIT 1)
    UNION ALL
    SELECT (SELECT push.endpoint_id FROM push
            WHERE push.given_up_at IS NULL AND push.endpoint_id > present.endpoint_id
            ORDER BY push.endpoint_id LIMIT 1)
    FROM present WHERE present.endpoint_id IS NOT NULL
),
abandoned AS (
    (SELECT endpoint_id FROM push WHERE given_up_at IS NOT NULL ORDER BY endpoint_id LIMIT 1)
    UNION ALL
    SELECT (SELECT push.endpoint_id FROM push
            WHERE push.given_up_at IS NOT NULL AND push.endpoint_id > abandoned.endpoint_id
            ORDER BY push.endpoint_id LIMIT 1)
    FROM abandoned WHERE abandoned.endpoint_id IS NOT NULL
)
SELECT endpoint.id, endpoint.failures,
       (SELECT count(*) FROM (SELECT 1 FROM push WHERE endpoint_id = endpoint.id AND given_up_at IS NULL
                              LIMIT :most) AS waiting) AS waiting,
       (SELECT count(*) FROM (SELECT 1 FROM push WHERE endpoint_id = endpoint.id AND given_up_at IS NOT NULL
                              LIMIT :most) AS given_up) AS given_up
FROM (SELECT endpoint_id FROM present UNION SELECT endpoint_id FROM abandoned) AS known
JOIN endpoint ON endpoint.id = known.endpoint_id
ORDER BY waiting DESC, endpoint.id
LIMIT :limit;

-- name: retry_endpoint :value
-- Try what waits for an endpoint now, whatever it was in doubt for; gives how many reports that brings forward.
WITH told AS (
    SELECT pg_notify('linegate_report', '')
),
ready AS (
    UPDATE endpoint SET failures = 0, probe_at = NULL, gone_at = NULL WHERE id = :id RETURNING id
),
sooner AS (
    UPDATE push SET retry_at = :now
    FROM ready
    WHERE push.endpoint_id = ready.id AND push.given_up_at IS NULL AND COALESCE(push.retry_at, push.due_at) > :now
    RETURNING push.message_id
)
SELECT (SELECT count(*) FROM sooner) FROM told, ready;

-- name: replay_given_up :exec
-- Queue again what was given up of an endpoint and had fallen due in a range of time, as if it were new.
UPDATE push SET given_up_at = NULL, tries = 0, retry_at = NULL, due_at = :now
WHERE endpoint_id = :id AND given_up_at IS NOT NULL AND due_at >= :since AND due_at < :until;

-- name: replay_taken :exec
-- Queue again the final reports that an endpoint had taken of messages that ended in a range of time.
INSERT INTO push (message_id, endpoint_id, due_at)
SELECT DISTINCT ended.message_id, :id::bigint, :now::timestamptz
FROM endpoint
CROSS JOIN unnest(:statuses::smallint[]) AS wanted (status)
JOIN final AS ended
  ON ended.account_id = endpoint.account_id AND ended.status = wanted.status
 AND ended.sent_at >= :since::timestamptz - interval '50 hours' AND ended.sent_at < :until
JOIN push_try AS taken
  ON taken.message_id = ended.message_id AND taken.endpoint_id = endpoint.id AND taken.number = 0 AND taken.detail = ''
WHERE endpoint.id = :id AND ended.done_at >= :since AND ended.done_at < :until
ON CONFLICT DO NOTHING;

-- name: replay_some :exec
-- Queue these reports of an endpoint again, as if they were new.
UPDATE push SET given_up_at = NULL, tries = 0, retry_at = NULL, due_at = :now
WHERE endpoint_id = :endpoint_id AND message_id = ANY(:message_ids::bigint[]);

-- name: wake_pushers :exec
-- There is something to push.
SELECT pg_notify('linegate_report', '');

-- name: whose_endpoint :one
-- Whose an endpoint is, and what it is called.
SELECT account_id, url FROM endpoint WHERE id = :id;

-- name: endpoint_for_test :one
-- An endpoint with everything that a push needs, leased or not.
SELECT endpoint.id, endpoint.account_id, account.name AS account, account.webhook_secret, endpoint.url,
       endpoint.content_type, endpoint.failures, false AS is_steady, endpoint.removed_at IS NOT NULL AS is_removed,
       profile.settings, security.type AS security_type, security.credentials, certificate.pem, endpoint.turn_at
FROM endpoint
JOIN account ON account.id = endpoint.account_id
LEFT JOIN webhook_profile AS profile
  ON profile.account_id = endpoint.account_id AND profile.profile_id = endpoint.profile_id
LEFT JOIN webhook_security AS security
  ON security.account_id = endpoint.account_id AND security.auth_id = profile.auth_id
LEFT JOIN webhook_certificate AS certificate
  ON certificate.account_id = endpoint.account_id AND certificate.certificate_id = profile.certificate_id
WHERE endpoint.id = :id;

-- name: set_price :exec
-- What a delivered message of a sender costs; NULLs: reports show no price.
UPDATE sender SET price = :price::text::numeric, currency = :currency
WHERE name = :sender AND account_id = (SELECT id FROM account WHERE name = :account);
