-- Destinations that an account never sends to.

-- name: has_blocked :value
-- Whether an account blocks any destination at all.
SELECT EXISTS (SELECT 1 FROM blocklist WHERE account_id = :account_id);

-- name: blocked_of :many
-- Which of these an account blocks.
SELECT blocklist.destination
FROM unnest(:destinations::text[]) AS asked (destination)
JOIN blocklist ON blocklist.account_id = :account_id AND blocklist.destination = asked.destination;

-- name: block :exec
-- Add destinations; those that are on the list already stay as they are.
INSERT INTO blocklist (account_id, destination, blocked_at)
SELECT DISTINCT :account_id::bigint, destination, :now::timestamptz
FROM unnest(:destinations::text[]) AS asked (destination)
ORDER BY destination
ON CONFLICT DO NOTHING;

-- name: unblock :exec
-- Take destinations off the list.
DELETE FROM blocklist WHERE account_id = :account_id AND destination = ANY(:destinations::text[]);

-- name: list_blocked :many
-- An account's list, by number; from one number on.
SELECT destination, blocked_at FROM blocklist
WHERE account_id = :account_id AND destination > :after
ORDER BY destination LIMIT :limit;
