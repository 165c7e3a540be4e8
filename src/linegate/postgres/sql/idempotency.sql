-- Answers to requests with an Idempotency-Key, so that a repeat gets the first one again.

-- name: claim_keys :many
-- Take keys; what does not come back was taken before and has not expired. Waits for whoever is taking
-- the same key at this moment: if that transaction fails, the key is ours.
INSERT INTO idempotency (account_id, key, body_digest, accepted_at)
SELECT account_id, key, body_digest, :now
FROM unnest(:account_ids::bigint[], :keys::text[], :digests::bytea[]) AS asked (account_id, key, body_digest)
ON CONFLICT (account_id, key) DO UPDATE
SET body_digest = excluded.body_digest, answer = NULL, accepted_at = excluded.accepted_at
WHERE idempotency.accepted_at <= :expired
RETURNING account_id, key;

-- name: kept_answers :many
-- What was answered to these keys.
SELECT kept.account_id, kept.key, kept.body_digest, kept.answer
FROM unnest(:account_ids::bigint[], :keys::text[]) AS asked (account_id, key)
JOIN idempotency AS kept ON kept.account_id = asked.account_id AND kept.key = asked.key;

-- name: kept_answer :one
-- What was answered to this key, if it has not expired.
SELECT body_digest, answer FROM idempotency
WHERE account_id = :account_id AND key = :key AND accepted_at > :expired;

-- name: keep_answers :exec
-- Keep the answers of keys taken in this transaction.
UPDATE idempotency SET answer = given.answer
FROM unnest(:account_ids::bigint[], :keys::text[], :answers::bytea[]) AS given (account_id, key, answer)
WHERE idempotency.account_id = given.account_id AND idempotency.key = given.key;

-- name: free_keys :exec
-- Let keys go whose request was refused: only what was taken is kept.
DELETE FROM idempotency
USING unnest(:account_ids::bigint[], :keys::text[]) AS refused (account_id, key)
WHERE idempotency.account_id = refused.account_id AND idempotency.key = refused.key;

-- name: forget_keys :exec
-- Remove what has expired.
DELETE FROM idempotency
WHERE (account_id, key) IN (SELECT account_id, key FROM idempotency
                            WHERE accepted_at <= :expired ORDER BY accepted_at LIMIT :limit);
