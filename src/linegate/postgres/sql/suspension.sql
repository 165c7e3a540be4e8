-- Suspended accounts: what is due of them is parked, and goes on where it stood.

-- name: suspend_account :value
-- Stop an account; nothing comes back if it is suspended already.
UPDATE account SET suspended_at = :now WHERE id = :account_id AND suspended_at IS NULL RETURNING id;

-- name: resume_account :value
-- Let a suspended account go on; nothing comes back if it is not suspended.
UPDATE account SET suspended_at = NULL, resumed_at = :now,
                   parked_since = COALESCE(parked_since, suspended_at)
WHERE id = :account_id AND suspended_at IS NOT NULL RETURNING id;

-- name: list_suspended :many
-- Accounts that are suspended, and those that still have something parked.
SELECT id, suspended_at, parked_since, resumed_at FROM account
WHERE suspended_at IS NOT NULL OR parked_since IS NOT NULL
ORDER BY id;

-- name: mark_parked :exec
-- From when on what is parked was parked.
UPDATE account SET parked_since = COALESCE(parked_since, suspended_at) WHERE id = :account_id;

-- name: park_due :exec
-- Park a chunk of what is due, or wants a turn.
WITH due AS (
    SELECT waiting.id
    FROM sender
    CROSS JOIN LATERAL (
        SELECT queue.id FROM queue
        WHERE queue.sender_id = sender.id AND step IN ('due_alone', 'due_paced', 'due_bulk')
          AND queue.account_id = :account_id
        LIMIT :limit
        FOR UPDATE SKIP LOCKED
    ) AS waiting
    WHERE sender.account_id = :account_id
    LIMIT :limit
),
turns AS (
    SELECT waiting.id
    FROM bulk_run
    JOIN message_object AS object ON object.bulk_id = bulk_run.bulk_id AND object.id > bulk_run.bulk_id
     AND object.id <= bulk_run.last_id
    CROSS JOIN LATERAL (
        SELECT queue.id FROM queue WHERE queue.object_id = object.id AND step = 'turn'
        LIMIT :limit
        FOR UPDATE SKIP LOCKED
    ) AS waiting
    WHERE bulk_run.account_id = :account_id AND bulk_run.pace_amount IS NOT NULL
    LIMIT :limit
)
UPDATE queue SET step = 'held'
WHERE id = ANY (ARRAY(SELECT id FROM due UNION ALL SELECT id FROM turns ORDER BY id));

-- name: park_sms :exec
-- Park a chunk of what is due in its SMS leg.
UPDATE sms_leg SET parked_deadline = deadline_at, deadline_at = 'infinity', due_at = 'infinity'
WHERE id = ANY (ARRAY(
    SELECT leg.id
    FROM sms_route AS route
    CROSS JOIN LATERAL (
        SELECT sms_leg.id FROM sms_leg
        WHERE sms_leg.route_id = route.id AND step = 'due' AND due_at < 'infinity'
        LIMIT :limit
        FOR UPDATE SKIP LOCKED
    ) AS leg
    WHERE route.account_id = :account_id
    ORDER BY leg.id LIMIT :limit));

-- name: unpark_sms :exec
-- Let a chunk go on in its SMS leg, with the validity it had.
UPDATE sms_leg SET due_at = :now, deadline_at = parked_deadline + :shift::interval, parked_deadline = NULL
WHERE id = ANY (ARRAY(
    SELECT id FROM sms_leg WHERE account_id = :account_id AND parked_deadline IS NOT NULL
    ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED));

-- name: unpark :exec
-- Let a chunk go on, with the validity it had; what its client or LINE's refusals hold stays so.
UPDATE queue SET step = step_back(object_id, home), due_at = :now, deadline_at = deadline_at + :shift::interval
WHERE id IN (SELECT queue.id FROM queue
             WHERE queue.account_id = :account_id AND queue.step = 'held'
               AND NOT EXISTS (SELECT 1 FROM message_object AS object JOIN bulk_run ON bulk_run.bulk_id = object.bulk_id
                               WHERE object.id = queue.object_id AND bulk_run.status = 'paused')
               AND NOT EXISTS (SELECT 1 FROM object_hold WHERE object_hold.object_id = queue.object_id)
             ORDER BY queue.id LIMIT :limit FOR UPDATE OF queue SKIP LOCKED);

-- name: end_suspension :exec
-- Nothing is parked any more: bulks that wait get back their validity, and the shaper looks at them.
WITH shifted AS (
    UPDATE track SET eligible_at = eligible_at + :shift::interval
    WHERE bulk_id IN (SELECT bulk_id FROM bulk_run WHERE account_id = :account_id)
      AND eligible_at IS NOT NULL AND remaining > 0
),
woken AS (
    UPDATE bulk_run SET next_at = :now WHERE account_id = :account_id AND status = 'processing'
)
UPDATE account SET parked_since = NULL, resumed_at = NULL WHERE id = :account_id AND suspended_at IS NULL;
