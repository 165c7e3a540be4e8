-- What metrics show of the database, read at a scrape. Every count stops at a bound, so that a backlog
-- of millions costs no more than one of thousands, and every "oldest" is the head of an index.

-- name: observe_due :many
-- By sender and step: what is released and not claimed, counted to :most, and since when the oldest is due.
SELECT sender.name AS sender, kind.step::text AS step, waiting.messages, waiting.due_at
FROM (SELECT id, name FROM sender ORDER BY id LIMIT :senders) AS sender
CROSS JOIN unnest('{due_alone,due_paced,due_bulk}'::step[]) AS kind (step)
CROSS JOIN LATERAL (
    SELECT count(*)::integer AS messages, min(looked_at.due_at) AS due_at
    FROM (SELECT queue.due_at FROM queue
          WHERE queue.sender_id = sender.id AND queue.step = kind.step
            AND queue.step IN ('due_alone', 'due_paced', 'due_bulk')
          ORDER BY queue.due_at LIMIT :most) AS looked_at
) AS waiting;

-- name: observe_timers :many
-- By leg and step: what a clock runs for, of the first :most whose time comes, and whose time comes first.
SELECT 'LINE' AS leg, looked_at.step::text AS step, count(*)::integer AS messages, min(looked_at.due_at) AS due_at
FROM (SELECT queue.step, queue.due_at FROM queue
      WHERE queue.step IN ('sending', 'sent', 'unknown') ORDER BY queue.due_at LIMIT :most) AS looked_at
GROUP BY looked_at.step
UNION ALL
SELECT 'SMS', looked_at.step::text, count(*)::integer, min(looked_at.due_at)
FROM (SELECT sms_leg.step, sms_leg.due_at FROM sms_leg
      WHERE sms_leg.step IN ('sending', 'sent') ORDER BY sms_leg.due_at LIMIT :most) AS looked_at
GROUP BY looked_at.step;

-- name: observe_stopped :many
-- By step: what is released and waits for a turn of its pace or for somebody to resume it, counted to :most.
SELECT 'turn' AS step, count(*)::integer AS messages
FROM (SELECT 1 FROM queue WHERE queue.step IN ('due_paced', 'turn') AND queue.step = 'turn'
      ORDER BY queue.object_id, queue.due_at LIMIT :most) AS turns
UNION ALL
SELECT 'held', count(*)::integer
FROM (SELECT 1 FROM queue WHERE queue.step = 'held' ORDER BY queue.account_id, queue.id LIMIT :most) AS parked;

-- name: observe_bulks :many
-- Bulks that are not finished, by status, of the first :most by their beginning.
SELECT looked_at.status::text AS status, count(*)::integer AS bulks
FROM (SELECT bulk_run.status FROM bulk_run
      WHERE bulk_run.finished_at IS NULL ORDER BY bulk_run.send_at LIMIT :most) AS looked_at
GROUP BY looked_at.status;

-- name: observe_senders :many
-- Why a sender is held, if it is, and since when it is deaf.
SELECT sender.name AS sender, sender.hold, ear.deaf_at IS NOT NULL AS is_deaf
FROM sender
LEFT JOIN sender_ear AS ear ON ear.sender_id = sender.id
ORDER BY sender.id LIMIT :senders;

-- name: observe_routes :many
-- SMS routes: whether their connection is up, and what waits for them, counted to :most.
SELECT account.name AS account, route.name AS route, route.is_up, waiting.messages, waiting.due_at
FROM sms_route AS route
JOIN account ON account.id = route.account_id
CROSS JOIN LATERAL (
    SELECT count(*)::integer AS messages, min(looked_at.due_at) AS due_at
    FROM (SELECT sms_leg.due_at FROM sms_leg
          WHERE sms_leg.route_id = route.id AND sms_leg.step = 'due' ORDER BY sms_leg.due_at LIMIT :most) AS looked_at
) AS waiting
WHERE route.enabled
ORDER BY route.id LIMIT :routes;

-- name: observe_endpoints :many
-- By state of the endpoint: how many have reports waiting, and since when the oldest report waits.
WITH RECURSIVE present AS (
    (SELECT endpoint_id FROM push WHERE given_up_at IS NULL ORDER BY endpoint_id LIMIT 1)
    UNION ALL
    SELECT (SELECT push.endpoint_id FROM push
            WHERE push.given_up_at IS NULL AND push.endpoint_id > present.endpoint_id
            ORDER BY push.endpoint_id LIMIT 1)
    FROM present WHERE present.endpoint_id IS NOT NULL
)
SELECT CASE WHEN endpoint.gone_at IS NOT NULL THEN 'gone'
            WHEN endpoint.failures > 0 THEN 'failing'
            WHEN endpoint.taken_at IS NULL THEN 'new'
            ELSE 'steady' END AS state,
       count(*)::integer AS endpoints, min(oldest.due_at) AS due_at
FROM (SELECT present.endpoint_id FROM present WHERE present.endpoint_id IS NOT NULL LIMIT :endpoints) AS known
JOIN endpoint ON endpoint.id = known.endpoint_id
CROSS JOIN LATERAL (
    SELECT push.due_at FROM push
    WHERE push.endpoint_id = endpoint.id AND push.given_up_at IS NULL
    ORDER BY COALESCE(push.retry_at, push.due_at), push.message_id, push.number LIMIT 1
) AS oldest
GROUP BY 1;

-- name: observe_ends :many
-- How messages have ended since the installation began; what is not added up yet is not in it.
SELECT status, bucket, messages FROM ended_total;

-- name: observe_whole :one
-- The backlog of all accounts, and how far what works in the background is behind.
SELECT COALESCE((SELECT sum(waiting) FROM backlog WHERE key_id = 0), 0)::bigint AS unfinished,
       (SELECT as_of FROM rollup) AS rolled_up_at,
       (SELECT min(next_at) FROM bulk_run WHERE next_at IS NOT NULL) AS shaping_at,
       (SELECT min(xact_start) FROM pg_stat_activity
        WHERE datname = current_database() AND backend_type = 'client backend') AS transaction_at;
