-- Calls of LINE that hold events of others, until the bot behind the sender has taken them.

-- name: insert_relay :exec
-- Keep a call as LINE made it, and wake whoever forwards it.
WITH kept AS (
    INSERT INTO relay (sender_id, body, signature, received_at, due_at)
    VALUES (:sender_id, :body, :signature, :now, :now)
)
SELECT pg_notify('linegate_relay', '');

-- name: claim_relays :many
-- Lease the oldest due calls of each sender that has a bot and is not busy here.
WITH due AS (
    SELECT oldest.id, sender.relay_url
    FROM sender
    CROSS JOIN LATERAL (
        SELECT relay.id FROM relay
        WHERE relay.sender_id = sender.id AND relay.due_at <= :now
        ORDER BY relay.due_at LIMIT :each
        FOR UPDATE SKIP LOCKED
    ) AS oldest
    WHERE sender.relay_url IS NOT NULL AND NOT sender.id = ANY(:busy::bigint[])
    LIMIT :limit
)
UPDATE relay SET due_at = :lease_until, tries = LEAST(relay.tries + 1, 30000)
FROM due WHERE relay.id = due.id
RETURNING relay.id, relay.sender_id, due.relay_url, relay.body, relay.signature, relay.received_at, relay.tries;

-- name: end_relay :exec
-- The bot has taken it, or nobody will try any more.
DELETE FROM relay WHERE id = :id;

-- name: defer_relay :exec
-- Try again later.
UPDATE relay SET due_at = :due_at WHERE id = :id AND tries = :tries;

-- name: forget_relays :exec
-- Remove what nobody has taken in time: the bot is gone, or is not forwarded to any more.
DELETE FROM relay
WHERE id IN (SELECT id FROM relay WHERE received_at <= :expired ORDER BY id LIMIT :limit);
