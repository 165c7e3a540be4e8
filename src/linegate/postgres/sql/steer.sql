-- Steering: where a bulk is, and the one small update that pauses, resumes, cancels or reschedules it.

-- name: find_bulk :one
-- A bulk of an account, with its row if it has one.
SELECT bulk.id, bulk.client_id, bulk.accepted_at, COALESCE(run.messages, bulk.messages) AS messages,
       COALESCE(run.last_id, bulk.last_id) AS last_id, run.status::text AS status,
       COALESCE(run.send_at, bulk.accepted_at) AS send_at, run.pace_amount, run.pace_unit, run.free_at, run.reason,
       run.counted_at, run.due, run.sending, run.handed_over, run.finished_at
FROM bulk LEFT JOIN bulk_run AS run ON run.bulk_id = bulk.id
WHERE bulk.id = :bulk_id AND bulk.account_id = :account_id;

-- name: list_runs :many
-- Bulks of an account that were scheduled, imported, large or steered; the newest first.
SELECT bulk.id, bulk.client_id, bulk.accepted_at, run.messages, run.last_id, run.status::text AS status, run.send_at,
       run.pace_amount, run.pace_unit, run.free_at, run.reason, run.counted_at, run.due, run.sending, run.handed_over,
       run.finished_at
FROM (SELECT * FROM bulk_run WHERE account_id = :account_id AND bulk_id < :before
      ORDER BY bulk_id DESC LIMIT :limit) AS run
JOIN bulk ON bulk.id = run.bulk_id
ORDER BY bulk.id DESC;

-- name: count_steps :many
-- What of these objects is unfinished, by step; in at most so many rows in the range of the bulk's ids.
-- What is in its SMS leg counts as what it is there.
SELECT row.step, row.mine, count(*) AS messages
FROM ((SELECT step::text AS step, object_id = ANY(:object_ids::bigint[]) AS mine
       FROM queue WHERE id > :bulk_id AND id <= :last_id LIMIT :limit)
      UNION ALL
      (SELECT CASE step WHEN 'due' THEN 'due_bulk' ELSE step::text END, object_id = ANY(:object_ids::bigint[])
       FROM sms_leg WHERE id > :bulk_id AND id <= :last_id LIMIT :limit)) AS row
GROUP BY row.step, row.mine;

-- name: objects_between :many
-- The message objects of a small bulk that has no tracks.
SELECT id FROM message_object WHERE bulk_id = :bulk_id AND id > :bulk_id AND id <= :last_id;

-- name: count_waiting :value
-- How many messages of a bulk have never been released.
SELECT COALESCE(sum(remaining), 0)::bigint FROM track WHERE bulk_id = :bulk_id;

-- name: waiting_lots :many
-- The tracks of a bulk that have messages waiting, with how fast their senders may go.
SELECT track.remaining, track.validity, track.days, track.opens, track.closes, track.zone, track.eligible_at,
       pace.per_second
FROM track JOIN sender_pace AS pace ON pace.sender_id = track.sender_id
WHERE track.bulk_id = :bulk_id AND track.remaining > 0 AND track.end_status IS NULL
ORDER BY track.id;

-- name: bulk_rate :value
-- How fast the slowest sender of a bulk may go.
SELECT min(pace.per_second)
FROM message_object AS object JOIN sender_pace AS pace ON pace.sender_id = object.sender_id
WHERE object.bulk_id = :bulk_id AND object.id > :bulk_id AND object.id <= :last_id;

-- name: make_run :exec
-- Give a bulk that was due when accepted the row that steers it.
INSERT INTO bulk_run (bulk_id, account_id, last_id, status, messages, send_at, free_at, changed_at)
SELECT id, account_id, last_id, 'processing', messages, accepted_at, accepted_at, :now
FROM bulk WHERE id = :bulk_id AND account_id = :account_id
ON CONFLICT DO NOTHING;

-- name: make_tracks :exec
-- And the tracks that name its objects; nothing waits in them.
INSERT INTO track (id, bulk_id, object_id, account_id, sender_id, home, validity, position, last_id, remaining)
SELECT object.id, object.bulk_id, object.id, object.account_id, object.sender_id, 'due_bulk', object.validity,
       bulk.last_id, bulk.last_id, 0
FROM bulk JOIN message_object AS object
  ON object.bulk_id = bulk.id AND object.id > bulk.id AND object.id <= bulk.last_id
WHERE bulk.id = :bulk_id AND bulk.account_id = :account_id
  AND NOT EXISTS (SELECT 1 FROM track WHERE track.bulk_id = bulk.id)
ON CONFLICT DO NOTHING;

-- name: lock_run :value
-- The row of a bulk, to be changed by nobody else meanwhile.
SELECT bulk_id FROM bulk_run
WHERE bulk_id = :bulk_id AND account_id = :account_id
FOR UPDATE;

-- name: has_unfinished :value
-- Whether anything of a bulk waits or is unfinished.
SELECT EXISTS (SELECT 1 FROM track WHERE track.bulk_id = :bulk_id AND track.remaining > 0)
    OR EXISTS (SELECT 1 FROM queue
               WHERE queue.id > :bulk_id AND queue.id <= :last_id
                 AND queue.object_id IN (SELECT object_id FROM track WHERE track.bulk_id = :bulk_id))
    OR EXISTS (SELECT 1 FROM sms_leg
               WHERE sms_leg.id > :bulk_id AND sms_leg.id <= :last_id
                 AND sms_leg.object_id IN (SELECT object_id FROM track WHERE track.bulk_id = :bulk_id));

-- name: say_status :exec
-- The word; the shaper does the rest. What is parked stays parked since the first pause.
UPDATE bulk_run
SET status = :status::run_status, next_at = :now, changed_at = :now,
    paused_at = CASE WHEN :status::run_status = 'paused' THEN COALESCE(paused_at, :now) ELSE paused_at END
WHERE bulk_id = :bulk_id;

-- name: say_send_at :exec
-- A bulk goes at another time. Its slots begin there, unless some were used already.
UPDATE bulk_run
SET send_at = :send_at, next_at = :now, changed_at = :now,
    free_at = CASE WHEN EXISTS (SELECT 1 FROM track WHERE track.bulk_id = :bulk_id AND track.position > track.bulk_id)
                   THEN GREATEST(free_at, :send_at) ELSE :send_at END
WHERE bulk_id = :bulk_id;

-- name: unmark_eligible :exec
-- Validity of what waits runs from the new time.
UPDATE track SET eligible_at = NULL WHERE bulk_id = :bulk_id AND eligible_at > :now;

-- name: say_pace :exec
-- A bulk goes at another pace: its next slot is at most one of the new intervals away.
UPDATE bulk_run
SET pace_amount = :amount, pace_unit = :unit, next_at = :now, changed_at = :now,
    repace = repace OR (pace_amount IS NULL) <> (:amount::integer IS NULL),
    free_at = CASE WHEN :amount::integer IS NULL THEN free_at
                   ELSE LEAST(free_at, GREATEST(send_at, :now) + :unit::interval / :amount::integer) END
WHERE bulk_id = :bulk_id;

-- name: forget_eligible :exec
-- With a pace validity begins with each message's own slot.
UPDATE track SET eligible_at = NULL WHERE bulk_id = :bulk_id;

-- name: resume_objects :many
-- Contents that LINE refused may be tried again.
DELETE FROM object_hold WHERE bulk_id = :bulk_id RETURNING object_id, held_at;

-- name: resume_held :exec
-- Their parked messages go on; the hold used up none of their validity.
UPDATE queue SET step = step_back(object_id, home), due_at = :now, deadline_at = deadline_at + :shift::interval
WHERE id = ANY (ARRAY(SELECT id FROM queue WHERE object_id = :object_id AND step = 'held' ORDER BY id FOR UPDATE));

-- name: shift_object :exec
-- Nor of what waits.
UPDATE track SET eligible_at = eligible_at + :shift::interval
WHERE bulk_id = :bulk_id AND object_id = :object_id AND eligible_at IS NOT NULL;

-- name: held_objects :many
-- Contents of a bulk that LINE refuses, and its words.
SELECT object_id, reason, held_at FROM object_hold WHERE bulk_id = :bulk_id ORDER BY object_id;

-- name: wake_run :exec
-- The shaper looks at a bulk at once.
UPDATE bulk_run SET next_at = :now WHERE bulk_id = :bulk_id AND status IN ('processing', 'paused', 'cancelled');

-- name: uncounted_runs :many
-- Bulks under way, the longest uncounted first.
SELECT bulk_id, last_id FROM bulk_run
WHERE finished_at IS NULL AND send_at <= :now AND status NOT IN ('importing', 'failed') AND (counted_at IS NULL OR counted_at <= :before)
ORDER BY counted_at NULLS FIRST LIMIT :limit;

-- name: write_counts :exec
-- What was counted of a bulk; with nothing left it is finished.
UPDATE bulk_run
SET due = :due, sending = :sending, handed_over = :handed_over, counted_at = :now,
    finished_at = CASE WHEN GREATEST(:due::integer, :sending::integer, :handed_over::integer) = 0
                        AND NOT EXISTS (SELECT 1 FROM track WHERE track.bulk_id = :bulk_id AND track.remaining > 0)
                       THEN :now::timestamptz END
WHERE bulk_id = :bulk_id;

-- name: only_account :value
-- The one account of an installation that has one.
SELECT CASE WHEN count(*) = 1 THEN min(id) END FROM account;
