-- Counts and cost of messages. Triggers write `tally` (0006_platform.sql); here it is added up and read.

-- name: lock_rollup :value
-- Whether this process may add up now: one at a time, so that sums are written in one order.
SELECT pg_try_advisory_xact_lock(7301404);

-- name: roll_tally :value
-- Move the oldest rows of the tally into the sums; gives how many rows those were.
WITH taken AS (
    DELETE FROM tally
    WHERE id IN (SELECT id FROM tally ORDER BY id LIMIT :limit)
    RETURNING object_id, status, ended_on, messages, by_sms, currency, cost
),
known AS MATERIALIZED (
    SELECT taken.status, taken.ended_on, object.account_id, object.bulk_id, object.key_id, object.sender_id,
           object.templated,
           CASE WHEN taken.status <> 0 THEN -taken.messages      -- what is counted came in when it was accepted
                WHEN object.counted AND taken.messages > 0 THEN 0 ELSE taken.messages END AS more,
           date '2020-01-01' + ((taken.object_id >> 22) / 86400000)::integer AS day,
           COALESCE(object.application_id, '') AS application_id, COALESCE(object.entity_id, '') AS entity_id,
           COALESCE(object.campaign, '') AS campaign, priced.*
    FROM taken
    JOIN message_object AS object ON object.id = taken.object_id
    JOIN sender ON sender.id = object.sender_id
    -- LINE's price for what LINE delivered: what an SMS delivered is taken off again.
    CROSS JOIN LATERAL (
        VALUES (taken.messages, taken.by_sms, CASE WHEN taken.status = :delivered::smallint THEN
                    COALESCE(sender.currency, '') ELSE '' END,
                CASE WHEN taken.status = :delivered THEN
                    (taken.messages - taken.by_sms) * COALESCE(sender.price, 0) ELSE 0 END,
                CASE WHEN taken.status = :delivered THEN taken.messages - taken.by_sms ELSE 0 END),
               (0, 0, taken.currency, taken.cost, 0)
    ) AS priced (messages, by_sms, currency, cost, by_line)
    WHERE priced.messages <> 0 OR priced.by_sms <> 0 OR priced.cost <> 0
),
summed AS (
    INSERT INTO statistic (account_id, day, sender_id, application_id, entity_id, campaign, status, currency,
                           messages, by_sms, cost)
    SELECT account_id, day, sender_id, application_id, entity_id, campaign, status, currency, sum(messages),
           sum(by_sms), sum(cost)
    FROM known GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
    ON CONFLICT (account_id, day, sender_id, application_id, entity_id, campaign, status, currency)
    DO UPDATE SET messages = statistic.messages + excluded.messages, by_sms = statistic.by_sms + excluded.by_sms,
                  cost = statistic.cost + excluded.cost
),
fates AS (
    INSERT INTO bulk_fate (bulk_id, status, messages)
    SELECT run.bulk_id, taken.status, sum(taken.messages)
    FROM taken
    JOIN message_object AS object ON object.id = taken.object_id
    JOIN bulk_run AS run ON run.bulk_id = object.bulk_id AND run.messages > :few::integer
    WHERE taken.status > 0 AND taken.messages > 0
    GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (bulk_id, status) DO UPDATE SET messages = bulk_fate.messages + excluded.messages
),
unfinished AS (
    INSERT INTO backlog (account_id, key_id, waiting)
    SELECT account_id, subject.key_id, sum(more)
    FROM known CROSS JOIN LATERAL (VALUES (0), (known.key_id)) AS subject (key_id)
    WHERE subject.key_id IS NOT NULL AND messages <> 0
    GROUP BY 1, 2 HAVING sum(more) <> 0
    ORDER BY 1, 2
    ON CONFLICT (account_id, key_id) DO UPDATE SET waiting = backlog.waiting + excluded.waiting
),
late AS (
    INSERT INTO late_day (account_id, ended_on, day, last_day)
    SELECT known.account_id, known.ended_on, known.day,
           max(GREATEST(known.day, date '2020-01-01' + ((run.last_id >> 22) / 86400000)::integer))
    FROM known LEFT JOIN bulk_run AS run ON run.bulk_id = known.bulk_id
    WHERE known.status > 0 AND known.ended_on - known.day > :prompt::integer
    GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    ON CONFLICT (account_id, ended_on, day) DO UPDATE SET last_day = excluded.last_day
    WHERE late_day.last_day < excluded.last_day
),
at_line AS (
    INSERT INTO line_count (sender_id, templated, day, delivered)
    SELECT sender_id, templated, ended_on, sum(by_line) FROM known WHERE status = :delivered GROUP BY 1, 2, 3
    ON CONFLICT (sender_id, templated, day) DO UPDATE SET delivered = line_count.delivered + excluded.delivered
)
SELECT count(*) FROM taken;

-- name: rolled_up :exec
-- Everything that was committed before this instant is in the sums.
INSERT INTO rollup (id, as_of) VALUES (1, :as_of) ON CONFLICT (id) DO UPDATE SET as_of = excluded.as_of;

-- name: sum_statistics :many
-- An account's counts by what is asked for, always by status. Planned for its values: what is not asked for is not
-- looked at in any of a hundred thousand rows of a year. Names are looked up for the sums alone.
SELECT summed.day, sender.name AS sender, summed.application_id, summed.entity_id, summed.campaign, summed.status,
       summed.currency, summed.messages, summed.by_sms, summed.cost
FROM (
    SELECT CASE WHEN 'day' = ANY(:by::text[]) THEN day END AS day,
           CASE WHEN 'sender' = ANY(:by) THEN sender_id END AS sender_id,
           CASE WHEN 'application' = ANY(:by) THEN application_id END AS application_id,
           CASE WHEN 'entity' = ANY(:by) THEN entity_id END AS entity_id,
           CASE WHEN 'campaign' = ANY(:by) THEN campaign END AS campaign,
           status, currency, sum(messages)::bigint AS messages, sum(by_sms)::bigint AS by_sms, sum(cost) AS cost
    FROM statistic
    WHERE account_id = :account_id AND day >= :since AND day <= :until
      AND (:sender::text IS NULL OR sender_id = (SELECT id FROM sender WHERE name = :sender))
      AND (:application_id::text IS NULL OR application_id = :application_id)
      AND (:entity_id::text IS NULL OR entity_id = :entity_id)
      AND (:campaign::text IS NULL OR campaign = :campaign)
    GROUP BY 1, 2, 3, 4, 5, 6, 7
    ORDER BY 1, 2, 3, 4, 5, 6, 7
    LIMIT :limit
) AS summed
LEFT JOIN sender ON sender.id = summed.sender_id;

-- name: sum_tally :many
-- The same of what is not added up yet.
SELECT CASE WHEN 'day' = ANY(:by::text[]) THEN fresh.day END AS day,
       CASE WHEN 'sender' = ANY(:by) THEN sender.name END AS sender,
       CASE WHEN 'application' = ANY(:by) THEN COALESCE(object.application_id, '') END AS application_id,
       CASE WHEN 'entity' = ANY(:by) THEN COALESCE(object.entity_id, '') END AS entity_id,
       CASE WHEN 'campaign' = ANY(:by) THEN COALESCE(object.campaign, '') END AS campaign,
       fresh.status, priced.currency, sum(priced.messages)::bigint AS messages, sum(priced.by_sms)::bigint AS by_sms,
       sum(priced.cost) AS cost
FROM (SELECT *, date '2020-01-01' + ((object_id >> 22) / 86400000)::integer AS day FROM tally) AS fresh
JOIN message_object AS object ON object.id = fresh.object_id
JOIN sender ON sender.id = object.sender_id
CROSS JOIN LATERAL (
    VALUES (CASE WHEN fresh.status = :delivered::smallint THEN COALESCE(sender.currency, '') ELSE '' END,
            fresh.messages, fresh.by_sms,
            CASE WHEN fresh.status = :delivered THEN
                (fresh.messages - fresh.by_sms) * COALESCE(sender.price, 0) ELSE 0 END),
           (fresh.currency, 0, 0, fresh.cost)
) AS priced (currency, messages, by_sms, cost)
WHERE object.account_id = :account_id AND fresh.day >= :since AND fresh.day <= :until
  AND (:sender::text IS NULL OR sender.name = :sender)
  AND (:application_id::text IS NULL OR object.application_id = :application_id)
  AND (:entity_id::text IS NULL OR object.entity_id = :entity_id)
  AND (:campaign::text IS NULL OR object.campaign = :campaign)
GROUP BY 1, 2, 3, 4, 5, 6, 7
LIMIT :limit;

-- name: load_backlog :one
-- How many messages of an account have not ended, and as of when that was counted.
SELECT COALESCE((SELECT waiting FROM backlog WHERE account_id = :account_id AND key_id = 0), 0) AS waiting,
       (SELECT as_of FROM rollup) AS as_of;

-- name: lock_waiting :many
-- How many messages of accounts and keys have not ended, held until the transaction ends.
INSERT INTO backlog (account_id, key_id, waiting)
SELECT account_id, key_id, 0 FROM unnest(:account_ids::bigint[], :key_ids::bigint[]) AS asked (account_id, key_id)
ORDER BY 1, 2
ON CONFLICT (account_id, key_id) DO UPDATE SET waiting = backlog.waiting
RETURNING account_id, key_id, waiting;

-- name: add_waiting :exec
-- So many were accepted, of accounts and keys that `lock_waiting` holds.
UPDATE backlog SET waiting = backlog.waiting + more.messages
FROM unnest(:account_ids::bigint[], :key_ids::bigint[], :messages::bigint[]) AS more (account_id, key_id, messages)
WHERE backlog.account_id = more.account_id AND backlog.key_id = more.key_id;

-- name: total_backlog :value
-- How many messages of all accounts have not ended.
SELECT COALESCE(sum(waiting), 0)::bigint FROM backlog WHERE key_id = 0;

-- name: uncounted_days :many
-- Days of senders that LINE was to count and has not been asked for lately; days without deliveries of
-- ours included, since LINE may have some.
SELECT sender.id AS sender_id, kind.templated, (:today::date - back)::date AS day
FROM sender
CROSS JOIN (VALUES (false), (true)) AS kind (templated)
CROSS JOIN generate_series(1, :days::integer) AS back
LEFT JOIN line_count AS known
  ON known.sender_id = sender.id AND known.templated = kind.templated AND known.day = :today::date - back
WHERE sender.created_at < (:today::date - back + 1)::timestamp AT TIME ZONE 'Asia/Tokyo'
  AND known.line_says IS NULL
  AND (known.asked_at IS NULL OR known.asked_at <= :asked_before)
ORDER BY sender.id, kind.templated, back
LIMIT :limit;

-- name: write_line_count :exec
-- What LINE said of a day (NULL: nothing yet), with the deliveries that came late.
INSERT INTO line_count (sender_id, templated, day, delivered, late, line_says, asked_at)
VALUES (:sender_id, :templated, :day, 0, :late, :line_says, :now)
ON CONFLICT (sender_id, templated, day)
DO UPDATE SET late = excluded.late, line_says = excluded.line_says, asked_at = excluded.asked_at;

-- name: count_late :value
-- Deliveries of one day that ended nothing: the message had ended otherwise, or by another attempt's event.
-- A repeated event of the attempt that ended it is none.
SELECT count(DISTINCT (late_event.message_id, late_event.attempt))
FROM late_event
JOIN final ON final.message_id = late_event.message_id
JOIN message_object AS object ON object.id = final.object_id
WHERE late_event.message_id >= :first_id AND late_event.message_id < :last_id
  AND late_event.happened_at >= :since AND late_event.happened_at < :until
  AND object.sender_id = :sender_id AND object.templated = :templated
  AND late_event.attempt IS DISTINCT FROM final.heard_attempt;

-- name: list_line_counts :many
-- Our count and LINE's, day by day, newest first.
SELECT account.name AS account, sender.name AS sender, known.templated, known.day, known.delivered, known.late,
       known.line_says, known.asked_at
FROM line_count AS known
JOIN sender ON sender.id = known.sender_id
JOIN account ON account.id = sender.account_id
WHERE (:account_id::bigint IS NULL OR sender.account_id = :account_id) AND known.day >= :since
ORDER BY known.day DESC, sender.name, known.templated;
