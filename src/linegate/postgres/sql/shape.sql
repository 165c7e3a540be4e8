-- Stage 2, shape: bulks that wait become due, at their time, in their windows, at their pace.

-- name: take_runs :many
-- Bulks that want looking at. Locked while they are: nobody else releases of them. What a suspension has
-- parked goes on first, with its validity.
SELECT bulk_id, account_id, last_id, status, send_at, pace_amount, pace_unit, free_at, paused_at, repace,
       EXISTS (SELECT 1 FROM track WHERE track.bulk_id = bulk_run.bulk_id AND track.position > track.bulk_id) AS has_begun
FROM bulk_run
WHERE next_at <= :now
  AND NOT EXISTS (SELECT 1 FROM account WHERE account.id = bulk_run.account_id
                  AND (suspended_at IS NOT NULL OR parked_since IS NOT NULL))
ORDER BY next_at LIMIT :limit
FOR UPDATE SKIP LOCKED;

-- name: next_run_at :value
-- When the next bulk wants looking at.
SELECT min(next_at) FROM bulk_run
WHERE next_at IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM account WHERE account.id = bulk_run.account_id
                  AND (suspended_at IS NOT NULL OR parked_since IS NOT NULL));

-- name: load_tracks :many
-- The tracks of a bulk that still have messages waiting.
SELECT id, object_id, sender_id, validity, days, opens, closes, zone, remaining, eligible_at, end_status, end_error
FROM track WHERE bulk_id = :bulk_id AND remaining > 0
  AND NOT EXISTS (SELECT 1 FROM object_hold WHERE object_hold.object_id = track.object_id)
ORDER BY id;

-- name: bulk_objects :many
-- The message objects of a bulk that have messages to send: each has a track, waiting or not.
SELECT DISTINCT object_id, sender_id FROM track WHERE bulk_id = :bulk_id;

-- name: count_due :one
-- How much of a sender is due, counted no further than the limit, and since when; what waits for a later try is not.
SELECT count(*), min(due_at) AS due_at FROM (
    SELECT due_at FROM queue
    WHERE sender_id = :sender_id AND step = 'due_bulk' AND due_at > :since AND due_at <= :until
    ORDER BY due_at LIMIT :limit
) AS due;

-- name: release :many
-- The next messages of a track become due, each at its instant; validity counts from there or from when
-- the track was first eligible.
WITH waiting AS (
    SELECT message.id, message.destination, row_number() OVER (ORDER BY message.id) AS k
    FROM track JOIN message ON message.track_id = track.id
     AND message.id > track.position AND message.id <= track.last_id
    WHERE track.id = :track_id
    ORDER BY message.id LIMIT :limit
),
released AS (
    INSERT INTO queue (id, sender_id, object_id, account_id, endpoint_id, step, due_at, deadline_at, home, destination,
                       fails_over)
    SELECT waiting.id, track.sender_id, track.object_id, track.account_id, track.endpoint_id,
           CASE WHEN :paced THEN 'due_paced'::step ELSE track.home END, (:due_ats::timestamptz[])[k],
           COALESCE(:eligible_at::timestamptz, (:due_ats::timestamptz[])[k]) + track.validity,
           CASE WHEN :paced THEN 'turn'::step ELSE track.home END, waiting.destination,
           (SELECT sms_failover IS NOT NULL FROM message_object WHERE message_object.id = track.object_id)
    FROM waiting, track WHERE track.id = :track_id
    RETURNING id
),
told AS (  -- for the time line
    INSERT INTO track_release (track_id, last_id, released_at)
    SELECT :track_id, max(id), (:due_ats::timestamptz[])[1] FROM released HAVING count(*) > 0
)
UPDATE track
SET position = (SELECT max(id) FROM released), remaining = remaining - (SELECT count(*) FROM released)
WHERE id = :track_id AND EXISTS (SELECT 1 FROM released)
RETURNING (SELECT count(*) FROM released) AS released;

-- name: take_turns :many
-- Messages of a paced bulk that want a slot: they came back, or the one they had has passed.
SELECT id FROM queue
WHERE object_id = ANY(:object_ids::bigint[])
  AND ((step = 'turn' AND due_at <= :now) OR (step = 'due_paced' AND due_at <= :stale))
ORDER BY id LIMIT :limit
FOR UPDATE SKIP LOCKED;

-- name: next_turn_at :value
-- When the next message of a paced bulk wants a slot that does not want one yet.
SELECT min(due_at) FROM queue
WHERE object_id = ANY(:object_ids::bigint[]) AND step IN ('turn', 'due_paced');

-- name: give_slots :exec
-- Messages that were locked by take_turns get their slots.
UPDATE queue SET step = 'due_paced', due_at = slot.due_at
FROM unnest(:ids::bigint[], :due_ats::timestamptz[]) AS slot (id, due_at)
WHERE queue.id = ANY (ARRAY[slot.id]);

-- name: unpace :exec
-- The bulk has no pace any more: what waits for a slot is due at once.
UPDATE queue SET step = 'due_bulk', home = 'due_bulk', due_at = LEAST(due_at, :now)
WHERE id = ANY (ARRAY(SELECT id FROM queue
                      WHERE object_id = ANY(:object_ids::bigint[]) AND step IN ('turn', 'due_paced')
                      ORDER BY id FOR UPDATE));

-- name: pace_due :exec
-- The bulk has got a pace: what is due takes turns.
UPDATE queue SET step = 'turn', home = 'turn'
WHERE id = ANY (ARRAY(SELECT id FROM queue
                      WHERE id > :bulk_id AND id <= :last_id AND object_id = ANY(:object_ids::bigint[])
                        AND step::text IN ('due_alone', 'due_bulk')
                      ORDER BY id FOR UPDATE SKIP LOCKED));

-- name: mark_eligible :exec
-- From now on the validity of this track's messages runs.
UPDATE track SET eligible_at = :eligible_at WHERE id = :track_id AND eligible_at IS NULL;

-- name: hold_due :exec
-- Park what is due of a paused bulk.
UPDATE queue SET step = 'held'
WHERE id = ANY (ARRAY(SELECT id FROM queue
                      WHERE id > :bulk_id AND id <= :last_id AND object_id = ANY(:object_ids::bigint[])
                        AND step::text IN ('due_alone', 'due_paced', 'due_bulk', 'turn')
                      ORDER BY id FOR UPDATE SKIP LOCKED));

-- name: unhold :exec
-- Let parked messages go on, as their bulk goes now; the pause used up none of their validity. What LINE refuses
-- whoever it goes to stays.
UPDATE queue SET step = step_back(object_id, home), due_at = :at, deadline_at = deadline_at + :shift::interval
WHERE id = ANY (ARRAY(SELECT id FROM queue
                      WHERE object_id = ANY(:object_ids::bigint[]) AND step = 'held'
                        AND NOT EXISTS (SELECT 1 FROM object_hold WHERE object_hold.object_id = queue.object_id)
                      ORDER BY id FOR UPDATE));

-- name: shift_tracks :exec
-- The pause used up none of the validity of what waits.
UPDATE track SET eligible_at = eligible_at + :shift::interval WHERE bulk_id = :bulk_id AND eligible_at IS NOT NULL;

-- name: end_due :many
-- Messages of a cancelled bulk that were released and not handed over end.
WITH ended AS (
    DELETE FROM queue
    WHERE id = ANY (ARRAY(SELECT id FROM queue
                          WHERE id > :bulk_id AND id <= :last_id AND object_id = ANY(:object_ids::bigint[])
                            AND step::text IN ('due_alone', 'due_paced', 'due_bulk', 'turn', 'held')
                          ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED))
    RETURNING id, account_id, object_id, endpoint_id, sent_at
),
new_final AS (
    INSERT INTO final (message_id, account_id, object_id, status, error, sent_at, done_at)
    SELECT id, account_id, object_id, :status, :error, COALESCE(sent_at, :now), :now FROM ended
),
new_push AS (
    INSERT INTO push (message_id, endpoint_id, due_at)
    SELECT id, endpoint_id, :now FROM ended WHERE endpoint_id IS NOT NULL
)
SELECT id FROM ended;

-- name: end_waiting :many
-- Messages that were never released end: cancelled, or their validity is over.
WITH waiting AS (
    SELECT message.id
    FROM track JOIN message ON message.track_id = track.id
     AND message.id > track.position AND message.id <= track.last_id
    WHERE track.id = :track_id
    ORDER BY message.id LIMIT :limit
),
new_final AS (
    INSERT INTO final (message_id, account_id, object_id, status, error, sent_at, done_at)
    SELECT waiting.id, track.account_id, track.object_id, :status, :error, :now, :now
    FROM waiting, track WHERE track.id = :track_id
),
new_push AS (
    INSERT INTO push (message_id, endpoint_id, due_at)
    SELECT waiting.id, track.endpoint_id, :now
    FROM waiting, track WHERE track.id = :track_id AND track.endpoint_id IS NOT NULL
)
UPDATE track
SET position = (SELECT max(id) FROM waiting), remaining = remaining - (SELECT count(*) FROM waiting)
WHERE id = :track_id AND EXISTS (SELECT 1 FROM waiting)
RETURNING (SELECT count(*) FROM waiting) AS ended;

-- name: write_run :exec
-- What was decided about a bulk.
UPDATE bulk_run SET free_at = :free_at, next_at = :next_at, paused_at = :paused_at, repace = :repace
WHERE bulk_id = :bulk_id;

-- name: tell_dispatcher :exec
-- Something is due.
SELECT pg_notify('linegate_due', '');
