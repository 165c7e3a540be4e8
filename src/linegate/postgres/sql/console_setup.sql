-- What the console's lists of bulks and its set-up pages show beyond the API.

-- name: straight_bulks :many
-- Bulks that went out when they were accepted and that nobody steered, of the newest of the installation.
SELECT newest.account_id, newest.id, newest.client_id, newest.accepted_at, newest.messages
FROM (SELECT * FROM bulk ORDER BY id DESC LIMIT :most) AS newest
WHERE newest.account_id = ANY(:account_ids::bigint[])
  AND NOT EXISTS (SELECT 1 FROM bulk_run WHERE bulk_run.bulk_id = newest.id)
ORDER BY newest.id DESC LIMIT :limit;
