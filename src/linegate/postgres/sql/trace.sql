-- Traces: messages of traced requests are told of when they have ended.

-- name: insert_untold :exec
-- Messages to tell of.
INSERT INTO untold (message_id, trace, look_at)
SELECT id, trace, :look_at FROM unnest(:ids::bigint[], :traces::bytea[]) AS traced (id, trace);

-- name: claim_untold :many
-- Take those whose time has come, for one teller; with whether they have ended.
WITH due AS (
    SELECT message_id FROM untold WHERE look_at <= :now ORDER BY look_at LIMIT :limit FOR UPDATE SKIP LOCKED
)
UPDATE untold SET look_at = :lease_until
FROM due WHERE untold.message_id = due.message_id
RETURNING untold.message_id AS id, untold.trace,
          EXISTS (SELECT 1 FROM final WHERE final.message_id = untold.message_id) AS ended;

-- name: postpone_untold :exec
-- Look at these again, each at its time.
UPDATE untold SET look_at = later.look_at
FROM unnest(:ids::bigint[], :look_ats::timestamptz[]) AS later (id, look_at)
WHERE untold.message_id = later.id;

-- name: remove_untold :exec
-- These have been told of, or never will be.
DELETE FROM untold WHERE message_id = ANY(:ids::bigint[]);

-- name: forget_untold :exec
-- What nobody has told of and nobody will: its message is removed, or tracing was switched off long ago.
DELETE FROM untold
WHERE message_id IN (SELECT message_id FROM untold WHERE message_id < :before_id ORDER BY message_id LIMIT :limit);

-- name: load_told :many
-- What is stored of messages that have ended, but for their attempts and receipts.
SELECT message.id, object.bulk_id, sender.name AS sender, bulk.accepted_at,
       CASE WHEN message.track_id IS NOT NULL
            THEN (SELECT chunk.released_at FROM track_release AS chunk
                  WHERE chunk.track_id = message.track_id AND chunk.last_id >= message.id
                  ORDER BY chunk.last_id LIMIT 1)
            WHEN final.done_at > bulk.accepted_at THEN bulk.accepted_at
       END AS released_at,
       final.status, final.error, final.done_at, sms_end.message_id IS NOT NULL AS by_sms,
       failover.at AS failed_over_at, failover.status AS line_status, failover.error AS line_error
FROM unnest(:ids::bigint[]) AS wanted (id)
JOIN final ON final.message_id = wanted.id
JOIN message ON message.id = wanted.id
JOIN message_object AS object ON object.id = message.object_id
JOIN bulk ON bulk.id = object.bulk_id
JOIN sender ON sender.id = object.sender_id
LEFT JOIN sms_end ON sms_end.message_id = wanted.id
LEFT JOIN failover ON failover.message_id = wanted.id;

-- name: told_attempts :many
-- What was tried with them, in order.
SELECT attempt.message_id AS id, attempt.number, attempt.started_at, attempt.ended_at, attempt.outcome, attempt.code,
       attempt.request_id, attempt.detail,
       CASE WHEN attempt.route_id IS NOT NULL THEN COALESCE(sms_route.name, '') END AS route
FROM unnest(:ids::bigint[]) AS wanted (id)
JOIN attempt ON attempt.message_id = wanted.id
LEFT JOIN sms_route ON sms_route.id = attempt.route_id
ORDER BY attempt.message_id, attempt.number;

-- name: told_receipts :many
-- What SMS providers told of them, in order.
SELECT receipt.message_id AS id, receipt.received_at, receipt.status, receipt.error
FROM unnest(:ids::bigint[]) AS wanted (id)
JOIN sms_receipt AS receipt ON receipt.message_id = wanted.id
ORDER BY receipt.message_id, receipt.received_at;
