-- What the console shows and no other part needs. Nothing here counts without a bound.

-- name: find_browser :one
-- Who is behind a browser's token or a link.
SELECT auth_token.kind, auth_token.expires_at, api_user.id AS user_id, api_user.name, api_user.account_id,
       account.name AS account, api_user.scopes, api_user.enabled, api_user.allowed_addresses, api_user.is_operator,
       account.suspended_at
FROM auth_token
JOIN api_user ON api_user.id = auth_token.user_id
JOIN account ON account.id = api_user.account_id
WHERE auth_token.digest = :digest AND auth_token.kind IN ('console', 'link');

-- name: make_operator :exec
-- Let a user see and change every account, or its own alone.
UPDATE api_user SET is_operator = :is_operator WHERE name = :name;

-- name: list_accounts :many
-- Accounts by name.
SELECT id, name, suspended_at, created_at FROM account ORDER BY name LIMIT :limit;

-- name: fold_pulse :value
-- Add the oldest fresh counts up, for each grain of a chart and for ever; gives how many rows those were.
WITH taken AS (
    DELETE FROM pulse_fresh WHERE id IN (SELECT id FROM pulse_fresh ORDER BY id LIMIT :limit)
    RETURNING account_id, minute, status, bucket, messages
),
summed AS (
    INSERT INTO pulse (grain, account_id, at, status, bucket, messages)
    SELECT chart.grain, account_id, date_bin(chart.grain * interval '1 minute', minute, 'epoch'), status, bucket,
           sum(messages)
    FROM taken CROSS JOIN unnest(:grains::smallint[]) AS chart (grain)
    GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT (grain, account_id, at, status, bucket)
    DO UPDATE SET messages = pulse.messages + excluded.messages
),
ended AS (
    INSERT INTO ended_total (status, bucket, messages)
    SELECT status, bucket, sum(messages) FROM taken GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (status, bucket) DO UPDATE SET messages = ended_total.messages + excluded.messages
)
SELECT count(*) FROM taken;

-- name: lock_pulse :value
-- Whether this process may add up now: one at a time.
SELECT pg_try_advisory_xact_lock(7301407);

-- name: forget_pulse :exec
-- Counts that no chart of their grain shows any more.
DELETE FROM pulse
USING unnest(:grains::smallint[], :befores::timestamptz[]) AS old (grain, before)
WHERE pulse.grain = old.grain AND pulse.at < old.before;

-- name: read_pulse :many
-- What ended, by point of a chart, status and bucket; what is not added up yet included.
SELECT at, status, bucket, sum(messages)::bigint AS messages
FROM (SELECT pulse.at, pulse.status, pulse.bucket, pulse.messages FROM pulse
      WHERE pulse.grain = :grain AND pulse.account_id = ANY(:account_ids::bigint[]) AND pulse.at >= :since
      UNION ALL
      SELECT date_bin(:grain * interval '1 minute', minute, 'epoch'), status, bucket, messages
      FROM (SELECT * FROM pulse_fresh ORDER BY id LIMIT 5000) AS fresh
      WHERE account_id = ANY(:account_ids) AND minute >= :since) AS counted
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;

-- name: sender_states :many
-- Senders with what waits for them: counted up to a limit, and since when.
SELECT sender.id, account.name AS account, sender.name, sender.hold, sender.hold_reason, sender.held_at,
       sender.hold_until, pace.per_second, pace.granted, pace.free_at,
       due.messages AS waiting, oldest.due_at AS waiting_since,
       (SELECT deaf_at FROM sender_ear WHERE sender_ear.sender_id = sender.id) AS deaf_at
FROM account
JOIN sender ON sender.account_id = account.id
JOIN sender_pace AS pace ON pace.sender_id = sender.id
CROSS JOIN LATERAL (
    SELECT count(*)::integer AS messages
    FROM (SELECT 1 FROM queue
          WHERE queue.sender_id = sender.id AND queue.step IN ('due_alone', 'due_paced', 'due_bulk')
            AND queue.due_at <= :now LIMIT :most) AS looked_at
) AS due
CROSS JOIN LATERAL (
    SELECT min(first.due_at) AS due_at
    FROM unnest('{due_alone,due_paced,due_bulk}'::step[]) AS kind (step)
    CROSS JOIN LATERAL (SELECT queue.due_at FROM queue
                        WHERE queue.sender_id = sender.id AND queue.step = kind.step
                          AND queue.step IN ('due_alone', 'due_paced', 'due_bulk') AND queue.due_at <= :now
                        ORDER BY queue.due_at LIMIT 1) AS first
) AS oldest
WHERE account.id = ANY(:account_ids::bigint[])
ORDER BY account.name, sender.name LIMIT :limit;

-- name: endpoint_states :many
-- Endpoints, those in trouble first, with what waits for them: counted up to a limit.
SELECT endpoint.id, account.name AS account, endpoint.account_id, endpoint.url, endpoint.content_type,
       endpoint.is_default, endpoint.profile_id, endpoint.failures, endpoint.probe_at, endpoint.last_error,
       endpoint.taken_at, endpoint.gone_at, endpoint.created_at, waiting.reports AS waiting,
       lost.reports AS given_up
FROM (SELECT * FROM endpoint
      WHERE account_id = ANY(:account_ids::bigint[]) AND removed_at IS NULL
        AND (:endpoint_id::bigint IS NULL OR id = :endpoint_id)
      ORDER BY failures DESC, id DESC LIMIT :limit) AS endpoint
JOIN account ON account.id = endpoint.account_id
CROSS JOIN LATERAL (
    SELECT count(*)::integer AS reports
    FROM (SELECT 1 FROM push WHERE push.endpoint_id = endpoint.id AND push.given_up_at IS NULL LIMIT :most) AS looked_at
) AS waiting
CROSS JOIN LATERAL (
    SELECT count(*)::integer AS reports
    FROM (SELECT 1 FROM push
          WHERE push.endpoint_id = endpoint.id AND push.given_up_at IS NOT NULL LIMIT :most) AS looked_at
) AS lost
ORDER BY endpoint.failures DESC, endpoint.id DESC;

-- name: endpoint_pushes :many
-- Reports that an endpoint did not take: those given up, the newest first, then those that wait, the next one first.
SELECT shown.message_id, shown.number, shown.tries, shown.due_at, shown.retry_at, shown.given_up_at
FROM ((SELECT push.*, 0 AS part, row_number() OVER (ORDER BY push.due_at DESC) AS place FROM push
       WHERE push.endpoint_id = :endpoint_id AND push.given_up_at IS NOT NULL
       ORDER BY push.due_at DESC LIMIT :limit)
      UNION ALL
      (SELECT push.*, 1, row_number() OVER (ORDER BY COALESCE(push.retry_at, push.due_at), push.message_id, push.number)
       FROM push
       WHERE push.endpoint_id = :endpoint_id AND push.given_up_at IS NULL
       ORDER BY COALESCE(push.retry_at, push.due_at), push.message_id, push.number LIMIT :limit)) AS shown
ORDER BY shown.part, shown.place LIMIT :limit;

-- name: endpoint_of :one
-- An endpoint by its id, if it is one of these accounts'.
SELECT id, account_id, is_default FROM endpoint WHERE id = :id AND account_id = ANY(:account_ids::bigint[]);

-- name: sender_of :one
-- A sender by its id, if it is one of these accounts'.
SELECT sender.id, sender.account_id, sender.name, sender.channel_id, sender.access_token IS NOT NULL AS has_token,
       sender.assertion_kid, sender.countries, sender.relay_url, sender.hold, sender.hold_reason, sender.held_at,
       sender.hold_until, sender.created_at,
       (SELECT deaf_at FROM sender_ear WHERE sender_ear.sender_id = sender.id) AS deaf_at
FROM sender WHERE sender.id = :id AND sender.account_id = ANY(:account_ids::bigint[]);

-- name: fates_of_small_bulk :many
-- How the messages of a bulk ended, counted one by one. LATERAL: see log.sql.
SELECT final.status, count(*) AS messages
FROM final
CROSS JOIN LATERAL (SELECT bulk_id FROM message_object WHERE message_object.id = final.object_id OFFSET 0) AS object
WHERE final.message_id > :bulk_id AND final.message_id <= :last_id AND object.bulk_id = :bulk_id
GROUP BY 1 ORDER BY 1;

-- name: fates_of_bulk :many
-- The same of a large bulk: what was added up, and what is not yet.
SELECT status, sum(messages)::bigint AS messages
FROM (SELECT status, messages FROM bulk_fate WHERE bulk_id = :bulk_id
      UNION ALL
      SELECT tally.status, tally.messages
      FROM tally JOIN message_object AS object ON object.id = tally.object_id
      WHERE tally.object_id > :bulk_id AND tally.object_id <= :last_id AND object.bulk_id = :bulk_id
        AND tally.status > 0) AS counted
GROUP BY 1 HAVING sum(messages) > 0 ORDER BY 1;

-- name: account_of_message :value
-- Whose a message is.
SELECT object.account_id FROM message JOIN message_object AS object ON object.id = message.object_id
WHERE message.id = :id;

-- name: unfinished_messages :many
-- Messages that wait for their turn, of each sender and step the oldest first; due_by: those due by then, NULL: all.
SELECT waiting.id
FROM sender
CROSS JOIN unnest('{due_alone,due_paced,due_bulk}'::step[]) AS kind (step)
CROSS JOIN LATERAL (SELECT queue.id, queue.due_at FROM queue
                    WHERE queue.sender_id = sender.id AND queue.step = kind.step
                      AND queue.step IN ('due_alone', 'due_paced', 'due_bulk')
                      AND queue.due_at <= coalesce(:due_by::timestamptz, 'infinity')
                    ORDER BY queue.due_at LIMIT :limit) AS waiting
WHERE sender.account_id = ANY(:account_ids::bigint[]) AND (:sender::text IS NULL OR sender.name = :sender)
ORDER BY waiting.due_at LIMIT :limit;

-- name: unanswered_messages :many
-- Messages that were handed over, or are being, by LINE or by SMS: those whose patience ends first.
SELECT looked_at.id
FROM ((SELECT queue.id, queue.account_id, queue.due_at FROM queue
       WHERE queue.step IN ('sending', 'sent', 'unknown') ORDER BY queue.due_at LIMIT :most)
      UNION ALL
      (SELECT sms_leg.id, sms_leg.account_id, sms_leg.due_at FROM sms_leg
       WHERE sms_leg.step IN ('sending', 'sent') ORDER BY sms_leg.due_at LIMIT :most)
      UNION ALL
      (SELECT sms_leg.id, sms_leg.account_id, sms_leg.due_at FROM sms_leg
       WHERE sms_leg.step = 'due' ORDER BY sms_leg.deadline_at LIMIT :most)) AS looked_at
WHERE looked_at.account_id = ANY(:account_ids::bigint[])
ORDER BY looked_at.due_at LIMIT :limit;

-- name: operators :many
-- Which of an account's users are operators.
SELECT name FROM api_user WHERE account_id = :account_id AND is_operator;

-- name: account_settings :value
-- How many days an account's messages are kept; NULL: as the installation says.
SELECT retention_days FROM account WHERE id = :account_id;

-- name: has_delivered :value
-- Whether any message of an account was ever delivered.
SELECT EXISTS (SELECT 1 FROM final WHERE account_id = :account_id AND status = :status);

-- name: line_answers :many
-- What LINE answered to a sender's newest messages, of those among the installation's latest attempts.
SELECT newest.outcome, newest.code, newest.detail, count(*)::integer AS messages, max(newest.ended_at) AS last_at
FROM (SELECT message_id, outcome, code, detail, ended_at, route_id FROM attempt ORDER BY message_id DESC LIMIT :most) AS newest
JOIN message ON message.id = newest.message_id
JOIN message_object AS object ON object.id = message.object_id
WHERE object.sender_id = :sender_id AND newest.route_id IS NULL -- what an SMSC says is not LINE's
GROUP BY 1, 2, 3 ORDER BY last_at DESC LIMIT 20;

-- name: sms_text_of :value
-- The text that a message fails over to, if it does.
SELECT object.sms_failover ->> 'text'
FROM message JOIN message_object AS object ON object.id = message.object_id WHERE message.id = :id;

-- name: used_quotas :many
-- What was used of an account's daily limits on a day.
SELECT subject, used FROM quota_use WHERE account_id = :account_id AND day = :day::date ORDER BY subject LIMIT 200;

