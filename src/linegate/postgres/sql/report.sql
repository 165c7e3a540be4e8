-- Stage 4, report: finished messages become delivery reports.

-- name: lease_endpoints :many
-- Take endpoints that have reports due, each for one worker. The endpoints that have any are found by
-- hopping through the index, so the cost does not grow with the reports that wait.
WITH RECURSIVE present AS (
    (SELECT endpoint_id FROM push WHERE given_up_at IS NULL ORDER BY endpoint_id LIMIT 1)
    UNION ALL
    SELECT (SELECT push.endpoint_id FROM push
            WHERE push.given_up_at IS NULL AND push.endpoint_id > present.endpoint_id
            ORDER BY push.endpoint_id LIMIT 1)
    FROM present WHERE present.endpoint_id IS NOT NULL
),
free AS (
    SELECT endpoint.id
    FROM present JOIN endpoint ON endpoint.id = present.endpoint_id
    WHERE (endpoint.leased_until IS NULL OR endpoint.leased_until <= :now)
      AND (endpoint.probe_at IS NULL OR endpoint.probe_at <= :now)
      AND EXISTS (SELECT 1 FROM push
                  WHERE push.given_up_at IS NULL AND push.endpoint_id = endpoint.id AND push.due_at <= :now)
    LIMIT :limit
    FOR UPDATE OF endpoint SKIP LOCKED
)
UPDATE endpoint SET leased_until = :leased_until
FROM free, account WHERE endpoint.id = free.id AND account.id = endpoint.account_id
RETURNING endpoint.id, endpoint.account_id, account.name, account.webhook_secret, endpoint.url,
          endpoint.content_type, endpoint.failures;

-- name: keep_endpoint :exec
-- Go on holding an endpoint.
UPDATE endpoint SET leased_until = :leased_until WHERE id = :id;

-- name: release_endpoint :exec
-- Give an endpoint back, with what was learnt of it.
UPDATE endpoint
SET leased_until = NULL, failures = :failures, probe_at = :probe_at, last_error = :last_error
WHERE id = :id;

-- name: due_reports :many
-- The oldest reports that wait for one endpoint.
SELECT push.message_id AS id, push.tries, final.status, final.error, final.sent_at, final.done_at,
       message.destination, message.client_id, sender.name AS sender, object.bulk_id, bulk.client_id AS bulk_client_id,
       object.callback_data, object.entity_id, object.application_id, object.campaign
FROM (SELECT message_id, tries, due_at FROM push
      WHERE endpoint_id = :endpoint_id AND given_up_at IS NULL AND due_at <= :now
      ORDER BY due_at LIMIT :limit) AS push
JOIN final ON final.message_id = push.message_id
JOIN message ON message.id = push.message_id
JOIN message_object AS object ON object.id = final.object_id
JOIN bulk ON bulk.id = object.bulk_id
JOIN sender ON sender.id = object.sender_id;

-- name: reports_taken :exec
-- The endpoint has them.
DELETE FROM push WHERE message_id = ANY(:ids::bigint[]);

-- name: reports_failed :exec
-- Try these again later, or never again.
UPDATE push SET tries = failed.tries, due_at = COALESCE(failed.due_at, push.due_at),
                given_up_at = CASE WHEN failed.due_at IS NULL THEN :now::timestamptz END
FROM unnest(:ids::bigint[], :tries::smallint[], :due_ats::timestamptz[]) AS failed (id, tries, due_at)
WHERE push.message_id = failed.id;

-- name: next_push_at :value
-- When the next report may be pushed that may not be pushed yet.
WITH RECURSIVE present AS (
    (SELECT endpoint_id FROM push WHERE given_up_at IS NULL ORDER BY endpoint_id LIMIT 1)
    UNION ALL
    SELECT (SELECT push.endpoint_id FROM push
            WHERE push.given_up_at IS NULL AND push.endpoint_id > present.endpoint_id
            ORDER BY push.endpoint_id LIMIT 1)
    FROM present WHERE present.endpoint_id IS NOT NULL
)
SELECT min(GREATEST(endpoint.probe_at,
                    (SELECT push.due_at FROM push
                     WHERE push.given_up_at IS NULL AND push.endpoint_id = endpoint.id ORDER BY push.due_at LIMIT 1)))
FROM present JOIN endpoint ON endpoint.id = present.endpoint_id
WHERE endpoint.leased_until IS NULL OR endpoint.leased_until <= :now;

-- name: pull_reports :many
-- Hand out an account's oldest final reports, each once: concurrent pulls skip each other's rows.
WITH oldest AS (
    SELECT final.message_id, final.object_id
    FROM final
    JOIN message_object AS object ON object.id = final.object_id
    WHERE final.account_id = :account_id AND NOT final.pulled AND final.done_at > :since
      AND (:message_id::bigint IS NULL OR final.message_id = :message_id)
      AND (:bulk_id::bigint IS NULL OR object.bulk_id = :bulk_id)
      AND (:entity_id::text IS NULL OR object.entity_id = :entity_id)
      AND (:application_id::text IS NULL OR object.application_id = :application_id)
      AND (:campaign::text IS NULL OR object.campaign = :campaign)
    ORDER BY final.done_at
    LIMIT :limit
    FOR UPDATE OF final SKIP LOCKED
),
handed_out AS (
    UPDATE final SET pulled = true FROM oldest WHERE final.message_id = oldest.message_id AND NOT final.pulled
    RETURNING final.message_id, final.object_id, final.status, final.error, final.sent_at, final.done_at
)
SELECT handed_out.message_id AS id, handed_out.status, handed_out.error, handed_out.sent_at, handed_out.done_at,
       message.destination, message.client_id, sender.name AS sender, object.bulk_id, bulk.client_id AS bulk_client_id,
       object.callback_data, object.entity_id, object.application_id, object.campaign
FROM handed_out
JOIN message ON message.id = handed_out.message_id
JOIN message_object AS object ON object.id = handed_out.object_id
JOIN bulk ON bulk.id = object.bulk_id
JOIN sender ON sender.id = object.sender_id
ORDER BY handed_out.done_at, handed_out.message_id;

-- name: find_client_id :value
-- The message or bulk behind an id that the client chose.
SELECT id FROM client_id WHERE account_id = :account_id AND kind = :kind::client_id_kind AND name = :name;
