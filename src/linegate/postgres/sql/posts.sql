-- Requests to endpoints: what they did to the reports in them, and what is shown of them afterwards.

-- name: reports_taken :exec
-- The endpoint has them.
WITH post AS (
    INSERT INTO push_post (id, endpoint_id, started_at, duration_ms, url, content_type, headers, body_size,
                           body_digest, code, detail, answer, message_ids, numbers)
    VALUES (:first_id::bigint + nextval('push_post_id') % 4194304, :endpoint_id, :started_at, :duration_ms, :url,
            :content_type, :headers, :body_size, :body_digest, :code, '', :answer, :message_ids, :message_numbers)
    RETURNING id
),
taken AS (
    DELETE FROM push
    USING unnest(:ids::bigint[], :numbers::smallint[]) AS sent (id, number)
    WHERE push.message_id = sent.id AND push.number = sent.number
    RETURNING push.message_id, push.number, push.endpoint_id, push.status, push.error, push.at, push.sender
)
INSERT INTO push_try (message_id, number, endpoint_id, tried_at, code, detail, post_id, status, error, at, sender)
SELECT taken.message_id, taken.number, taken.endpoint_id, :now, :code, '', post.id, taken.status, taken.error, taken.at,
       taken.sender
FROM taken CROSS JOIN post;

-- name: reports_failed :exec
-- Try these again later, or never again.
WITH post AS (
    INSERT INTO push_post (id, endpoint_id, started_at, duration_ms, url, content_type, headers, body_size,
                           body_digest, code, detail, answer, message_ids, numbers)
    VALUES (:first_id::bigint + nextval('push_post_id') % 4194304, :endpoint_id, :started_at, :duration_ms, :url,
            :content_type, :headers, :body_size, :body_digest, :code, :detail, :answer, :message_ids,
            :message_numbers)
    RETURNING id
),
failed AS (
    UPDATE push
    SET tries = sent.tries, retry_at = COALESCE(sent.retry_at, push.retry_at),
        given_up_at = CASE WHEN sent.retry_at IS NULL THEN :now::timestamptz END
    FROM unnest(:ids::bigint[], :numbers::smallint[], :tries::smallint[], :retry_ats::timestamptz[])
      AS sent (id, number, tries, retry_at)
    WHERE push.message_id = sent.id AND push.number = sent.number
    RETURNING push.message_id, push.number, push.endpoint_id, push.status, push.error, push.at, push.sender
)
INSERT INTO push_try (message_id, number, endpoint_id, tried_at, code, detail, post_id, status, error, at, sender)
SELECT failed.message_id, failed.number, failed.endpoint_id, :now, :code, :detail, post.id, failed.status, failed.error,
       failed.at, failed.sender
FROM failed CROSS JOIN post;

-- name: list_posts :many
-- The newest requests to an endpoint before a place; all of them.
SELECT id, started_at, duration_ms, code, detail, cardinality(message_ids) AS reports
FROM push_post
WHERE endpoint_id = :endpoint_id AND id < :before
ORDER BY id DESC LIMIT :limit;

-- name: list_failed_posts :many
-- The same of those that failed, which have an index of their own.
SELECT id, started_at, duration_ms, code, detail, cardinality(message_ids) AS reports
FROM push_post
WHERE endpoint_id = :endpoint_id AND id < :before AND detail <> ''
ORDER BY id DESC LIMIT :limit;

-- name: find_post :one
-- One request to an endpoint.
SELECT id, endpoint_id, started_at, duration_ms, url, content_type, headers, body_size, body_digest, code, detail,
       answer, message_ids, numbers
FROM push_post WHERE endpoint_id = :endpoint_id AND id = :id;

-- name: post_reports :many
-- The reports of a request, in the order of its body, as they are made today. Erased messages are missing.
SELECT message.id, COALESCE(tried.status, final.status) AS status, COALESCE(tried.error, final.error) AS error,
       COALESCE(tried.at, final.sent_at) AS sent_at, COALESCE(tried.at, final.done_at) AS done_at,
       message.destination, message.client_id, COALESCE(tried.sender, sms_end.sender, sender.name) AS sender,
       CASE WHEN sms_end.message_id IS NULL THEN sender.price ELSE sms_end.price END AS price,
       CASE WHEN sms_end.message_id IS NULL THEN sender.currency ELSE sms_end.currency END AS currency,
       sms_end.message_id IS NOT NULL AS by_sms, COALESCE(sms_end.parts, 1) AS parts, sms_end.mcc_mnc, object.bulk_id,
       bulk.client_id AS bulk_client_id, object.callback_data, object.entity_id, object.application_id, object.campaign
FROM unnest(:message_ids::bigint[], :numbers::smallint[]) WITH ORDINALITY AS sent (id, number, place)
JOIN message ON message.id = sent.id
LEFT JOIN push_try AS tried ON tried.message_id = sent.id AND tried.number = sent.number AND tried.post_id = :post_id
LEFT JOIN final ON final.message_id = sent.id AND sent.number = 0
LEFT JOIN sms_end ON sms_end.message_id = sent.id AND sent.number = 0
JOIN message_object AS object ON object.id = message.object_id
JOIN bulk ON bulk.id = object.bulk_id
JOIN sender ON sender.id = object.sender_id
WHERE COALESCE(tried.status, final.status) IS NOT NULL
ORDER BY sent.place;

-- name: replay_posts :exec
-- Queue the reports of requests again, as if they were new: those that were taken, given up, or wait.
INSERT INTO push (message_id, number, endpoint_id, due_at, status, error, at, sender)
SELECT tried.message_id, tried.number, tried.endpoint_id, :now, tried.status, tried.error, tried.at, tried.sender
FROM (SELECT DISTINCT ON (sent.id, sent.number) each.*
      FROM push_post AS post
      CROSS JOIN LATERAL unnest(post.message_ids, post.numbers) AS sent (id, number)
      JOIN push_try AS each
        ON each.message_id = sent.id AND each.number = sent.number AND each.post_id = post.id
      WHERE post.endpoint_id = :endpoint_id AND post.id = ANY(:ids::bigint[])
      ORDER BY sent.id, sent.number) AS tried
ON CONFLICT (message_id, number) DO UPDATE SET given_up_at = NULL, tries = 0, retry_at = NULL, due_at = excluded.due_at
WHERE push.endpoint_id = excluded.endpoint_id;

-- name: posts_of_message :many
-- With which requests the reports of a message went out.
SELECT number, tried_at, endpoint_id, post_id FROM push_try WHERE message_id = :id AND post_id IS NOT NULL;
