-- Stage 3, dispatch: due messages become outcomes.
--
-- Writers of many rows pass their ids in ascending order, and plans join by nested loop from the arrays,
-- so that two of them lock in the same order and never deadlock. Statistics of a table that fills and
-- empties all day must not change that: `id = ANY (ARRAY[mine.id])` instead of `id = mine.id` leaves the
-- planner no other way than one look-up by the key for each id, and `step` is compared so that it does
-- not offer a partial index (tests/integration/test_settle.py looks at the plans).

-- name: claim_due :many
-- Lease due messages so that nobody else sends them: for each sender at most what LINE's rate has left
-- for all processes together, messages that are alone first. What is due before the horizon, a few
-- milliseconds ahead, comes along and is held until its instant. What lies below a sender's marks is not looked
-- at: dead entries that an open snapshot keeps (low_water.py).
WITH granted AS (
    SELECT pace.sender_id, asked.alone_since, asked.bulk_since,
           LEAST(asked.wanted,
                 floor(extract(epoch FROM :now::timestamptz + :burst::interval - GREATEST(pace.free_at, :now))
                           * pace.per_second))::integer
             AS places
    FROM unnest(:sender_ids::bigint[], :wanted::integer[], :alone_since::timestamptz[], :bulk_since::timestamptz[])
      AS asked (sender_id, wanted, alone_since, bulk_since)
    JOIN sender_pace AS pace USING (sender_id)
    -- A look for one row each, and not EXISTS: that the planner turns into a join which reads all that is due.
    WHERE (SELECT true
           FROM (VALUES ('due_alone'::step, asked.alone_since), ('due_paced', :stale), ('due_bulk', asked.bulk_since))
                  AS turn (step, since)
           CROSS JOIN LATERAL (
               SELECT FROM queue
               WHERE queue.sender_id = asked.sender_id AND queue.step = turn.step
                 AND queue.step IN ('due_alone', 'due_paced', 'due_bulk')
                 AND queue.due_at > turn.since AND queue.due_at <= :horizon
                 AND queue.deadline_at + interval '0' > :now LIMIT 1
           ) AS any_due LIMIT 1)
    FOR UPDATE OF pace SKIP LOCKED
),
picked AS (
    SELECT granted.sender_id, due.id, due.due_at, due.step
    FROM granted
    CROSS JOIN LATERAL (
        SELECT oldest.id, oldest.due_at, turn.step
        FROM (VALUES ('due_alone'::step, granted.alone_since),
                     ('due_paced', :stale::timestamptz),  -- a slot that has passed is not used: the shaper gives another
                     ('due_bulk', granted.bulk_since)) AS turn (step, since)
        CROSS JOIN LATERAL (
            SELECT queue.id, queue.due_at FROM queue
            WHERE queue.sender_id = granted.sender_id AND queue.step = turn.step
              AND queue.step IN ('due_alone', 'due_paced', 'due_bulk')  -- lets the partial index serve
              AND queue.due_at > turn.since AND queue.due_at <= :horizon
              AND queue.deadline_at + interval '0' > :now  -- written so that no index on it looks like a way
            ORDER BY queue.due_at LIMIT granted.places
            FOR UPDATE SKIP LOCKED
        ) AS oldest
        LIMIT granted.places
    ) AS due
    WHERE granted.places > 0
    LIMIT :limit
),
paid AS (
    UPDATE sender_pace AS pace
    SET free_at = GREATEST(pace.free_at, :now) + spent.messages * interval '1 second' / pace.per_second,
        granted = pace.granted + spent.messages
    FROM (SELECT sender_id, count(*) AS messages FROM picked GROUP BY sender_id) AS spent
    WHERE pace.sender_id = spent.sender_id
)
UPDATE queue
SET step = 'sending', due_at = :lease_until, attempt = queue.attempt + 1
FROM picked WHERE queue.id = ANY (ARRAY[picked.id])
RETURNING picked.due_at, queue.id, queue.sender_id, queue.object_id, queue.destination, queue.attempt, queue.unknowns,
          queue.failures, queue.deadline_at, queue.sent_at, queue.fails_over, queue.home = 'turn' AS paced,
          picked.step::text AS came_from;

-- name: lowest_due :many
-- The oldest that is due of senders, alone and in bulks, from their marks on; NULL: nothing is.
SELECT sender.id,
       (SELECT due_at FROM queue
        WHERE sender_id = sender.id AND step = 'due_alone' AND due_at > sender.alone_since
        ORDER BY due_at LIMIT 1) AS alone_at,
       (SELECT due_at FROM queue
        WHERE sender_id = sender.id AND step = 'due_bulk' AND due_at > sender.bulk_since
        ORDER BY due_at LIMIT 1) AS bulk_at
FROM unnest(:sender_ids::bigint[], :alone_since::timestamptz[], :bulk_since::timestamptz[])
  AS sender (id, alone_since, bulk_since);

-- name: slow_sender :exec
-- LINE said "too many": nothing of this sender goes before that instant.
UPDATE sender_pace SET free_at = GREATEST(free_at, :until) WHERE sender_id = :sender_id;

-- name: load_objects :many
-- What all messages of an object share on their way to LINE.
SELECT id, templated, line_message, delivery_window, intermediate, personal, trace
FROM message_object WHERE id = ANY(:ids::bigint[]);

-- name: load_placeholders :many
-- What personalised messages fill in, each its own.
SELECT message.id, message.placeholders
FROM unnest(:ids::bigint[]) AS wanted (id) JOIN message USING (id);

-- name: renew_leases :exec
-- Keep what is still being sent.
UPDATE queue SET due_at = :lease_until
FROM unnest(:ids::bigint[], :attempts::smallint[]) AS mine (id, attempt)
WHERE queue.id = ANY (ARRAY[mine.id]) AND queue.attempt = mine.attempt AND queue.step::text = 'sending';

-- name: give_back :exec
-- Return claimed messages that were never started: known unsent, and not counted as attempts.
UPDATE queue
SET step = step_back(queue.object_id, queue.home), due_at = :now, attempt = queue.attempt - 1
FROM unnest(:ids::bigint[], :attempts::smallint[]) AS mine (id, attempt)
WHERE queue.id = ANY (ARRAY[mine.id]) AND queue.attempt = mine.attempt AND queue.step::text = 'sending';

-- name: move :many
-- Unfinished messages go to what they wait for next. The attempt is the fence: who lost the lease to a
-- later attempt writes nothing. A worker that was only slow may still tell what an `unknown` one became.
-- What goes back to a bulk that was stopped meanwhile is parked. What was tried goes to the time line in the
-- same statement.
WITH attempted AS (
    INSERT INTO attempt (message_id, number, started_at, ended_at, outcome, code, error, request_id, detail)
    SELECT message_id, number, started_at, ended_at, outcome, code, error, request_id, detail
    FROM unnest(:tried_ids::bigint[], :tried_numbers::smallint[], :started::timestamptz[], :ended::timestamptz[],
                :outcomes::text[], :codes::smallint[], :tried_errors::smallint[], :request_ids::text[], :details::text[])
      AS tried (message_id, number, started_at, ended_at, outcome, code, error, request_id, detail)
    ON CONFLICT DO NOTHING
),
moved AS (
    UPDATE queue
    SET step = COALESCE(next.step, step_back(queue.object_id, queue.home)),
        due_at = next.due_at, sent_at = COALESCE(queue.sent_at, next.sent_at),
        unknowns = next.unknowns, failures = next.failures
    FROM unnest(:ids::bigint[], :attempts::smallint[], :steps::step[], :due_ats::timestamptz[],
                :sent_ats::timestamptz[], :unknowns::smallint[], :failures::smallint[])
      AS next (id, attempt, step, due_at, sent_at, unknowns, failures)
    WHERE queue.id = ANY (ARRAY[next.id]) AND queue.attempt = next.attempt
      AND queue.step::text IN ('sending', 'sent', 'unknown')
    RETURNING queue.id, queue.object_id, queue.step, next.step IS NULL AS went_back
)
SELECT id, object_id, step, went_back FROM moved;

-- name: finish :many
-- Messages end: the queue row goes, the final row and the report to push come, together or not at all.
WITH attempted AS (
    INSERT INTO attempt (message_id, number, started_at, ended_at, outcome, code, error, request_id, detail)
    SELECT message_id, number, started_at, ended_at, outcome, code, error, request_id, detail
    FROM unnest(:tried_ids::bigint[], :tried_numbers::smallint[], :started::timestamptz[], :ended::timestamptz[],
                :outcomes::text[], :codes::smallint[], :tried_errors::smallint[], :request_ids::text[], :details::text[])
      AS tried (message_id, number, started_at, ended_at, outcome, code, error, request_id, detail)
    ON CONFLICT DO NOTHING
),
ended AS (
    DELETE FROM queue
    USING unnest(:ids::bigint[], :attempts::smallint[], :statuses::smallint[], :errors::smallint[])
      AS last (id, attempt, status, error)
    WHERE queue.id = ANY (ARRAY[last.id]) AND queue.attempt = last.attempt
    RETURNING queue.id, queue.account_id, queue.object_id, queue.endpoint_id, queue.sent_at, last.status, last.error
),
new_final AS (
    INSERT INTO final (message_id, account_id, object_id, status, error, sent_at, done_at)
    SELECT id, account_id, object_id, status, error, COALESCE(sent_at, :now), :now FROM ended
),
new_push AS (
    INSERT INTO push (message_id, endpoint_id, due_at)
    SELECT id, endpoint_id, :now FROM ended WHERE endpoint_id IS NOT NULL
    RETURNING message_id
),
told AS (
    SELECT pg_notify('linegate_report', '') FROM (SELECT 1 FROM new_push LIMIT 1) AS any_push
)
SELECT id, (SELECT count(*) FROM told) AS told FROM ended;

-- name: deliver :many
-- LINE's delivery events end messages of the sender whose secret signed them, in any unfinished state.
WITH ended AS (
    DELETE FROM queue
    USING unnest(:ids::bigint[], :attempts::smallint[], :sender_ids::bigint[], :happened::timestamptz[])
      AS event (id, attempt, sender_id, happened_at)
    WHERE queue.id = ANY (ARRAY[event.id]) AND queue.sender_id = event.sender_id AND queue.attempt >= event.attempt
    RETURNING queue.id, queue.account_id, queue.object_id, queue.endpoint_id, queue.sent_at, queue.step, event.happened_at,
              event.attempt AS heard
),
new_final AS (
    INSERT INTO final (message_id, account_id, object_id, status, error, sent_at, done_at, heard_attempt)
    SELECT id, account_id, object_id, :status::smallint, :error::smallint,
           COALESCE(sent_at, LEAST(happened_at, :now)), GREATEST(COALESCE(sent_at, happened_at), LEAST(happened_at, :now)),
           heard
    FROM ended
),
new_push AS (
    INSERT INTO push (message_id, endpoint_id, due_at)
    SELECT id, endpoint_id, :now FROM ended WHERE endpoint_id IS NOT NULL
    RETURNING message_id
),
told AS (
    SELECT pg_notify('linegate_report', '') FROM (SELECT 1 FROM new_push LIMIT 1) AS any_push
)
SELECT id, step = 'unknown' AS was_unknown, (SELECT count(*) FROM told) AS told FROM ended;

-- name: heard_attempt :value
-- Which attempt LINE's event was about that ended a message.
SELECT heard_attempt FROM final WHERE message_id = :id;

-- name: record_late :many
-- Events of messages that had ended before go to their time line; of others nothing is known.
INSERT INTO late_event (message_id, attempt, happened_at, received_at)
SELECT event.id, event.attempt, event.happened_at, :now
FROM unnest(:ids::bigint[], :attempts::smallint[], :sender_ids::bigint[], :happened::timestamptz[])
  AS event (id, attempt, sender_id, happened_at)
JOIN final ON final.message_id = event.id
JOIN message_object ON message_object.id = final.object_id AND message_object.sender_id = event.sender_id
RETURNING message_id;

-- name: take_impatient :many
-- Messages that have waited long enough for an event, and those whose worker died. Locked until decided.
SELECT id, attempt, unknowns, failures, deadline_at, sent_at, fails_over,
       fails_over AND EXISTS (SELECT 1 FROM sender_ear
                              WHERE sender_ear.sender_id = queue.sender_id AND deaf_at IS NOT NULL) AS deaf,
       step
FROM queue
WHERE step IN ('sending', 'sent', 'unknown') AND due_at > :since AND due_at <= :now
ORDER BY due_at LIMIT :limit
FOR UPDATE SKIP LOCKED;

-- name: take_overdue :many
-- Due messages whose validity has run out. Locked until decided.
SELECT id, attempt, unknowns, failures, deadline_at, sent_at, fails_over, false AS deaf, step
FROM queue
WHERE step IN ('due_alone', 'due_paced', 'due_bulk', 'turn') AND deadline_at > :since AND deadline_at <= :now
ORDER BY deadline_at LIMIT :limit
FOR UPDATE SKIP LOCKED;

-- name: next_due_at :value
-- When the next of these senders' messages may go that may not go yet; NULL if there is none.
SELECT min(soonest.due_at)
FROM unnest(:sender_ids::bigint[]) AS sender (id)
CROSS JOIN LATERAL (
    (SELECT due_at FROM queue
     WHERE sender_id = sender.id AND step = 'due_alone' AND due_at > :now ORDER BY due_at LIMIT 1)
    UNION ALL
    (SELECT due_at FROM queue
     WHERE sender_id = sender.id AND step = 'due_paced' AND due_at > :now ORDER BY due_at LIMIT 1)
    UNION ALL
    (SELECT due_at FROM queue
     WHERE sender_id = sender.id AND step = 'due_bulk' AND due_at > :now ORDER BY due_at LIMIT 1)
) AS soonest;

-- name: wake_runs :many
-- Messages went back to where they wait: the shaper sees to those of a bulk that is paced or was stopped.
WITH woken AS (
    UPDATE bulk_run SET next_at = LEAST(COALESCE(next_at, :now), :now)
    WHERE bulk_id IN (SELECT bulk_id FROM bulk_run
                      WHERE bulk_id IN (SELECT bulk_id FROM message_object WHERE id = ANY(:object_ids::bigint[]))
                        AND (:parked OR pace_amount IS NOT NULL OR status IN ('paused', 'cancelled'))
                      ORDER BY bulk_id FOR UPDATE)
    RETURNING bulk_id
)
SELECT pg_notify('linegate_shape', '') FROM (SELECT 1 FROM woken LIMIT 1) AS any_run;
