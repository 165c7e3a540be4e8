-- What the console's lists of bulks and its set-up pages show beyond the API.

-- name: straight_bulks :many
-- Bulks that went out when they were accepted and that nobody steered, of the newest of the installation.
SELECT newest.account_id, newest.id, newest.client_id, newest.accepted_at, newest.messages
FROM (SELECT * FROM bulk ORDER BY id DESC LIMIT :most) AS newest
WHERE newest.account_id = ANY(:account_ids::bigint[])
  AND NOT EXISTS (SELECT 1 FROM bulk_run WHERE bulk_run.bulk_id = newest.id)
ORDER BY newest.id DESC LIMIT :limit;

-- name: sender_names :many
-- The senders of an account, by name.
SELECT name FROM sender WHERE account_id = :account_id ORDER BY name LIMIT 500;

-- name: accounts_with_backlog :many
-- Accounts by name, with what of each has not ended.
SELECT account.id, account.name, account.created_at, account.suspended_at, account.parked_since,
       GREATEST(COALESCE(backlog.waiting, 0), 0) AS waiting
FROM account LEFT JOIN backlog ON backlog.account_id = account.id AND backlog.key_id = 0
ORDER BY account.name LIMIT 200;
