-- What `linegate doctor` asks the database.

-- name: oldest_transaction :value
-- Seconds that the oldest open transaction of this database has lasted; a long one slows the queue.
SELECT COALESCE(max(extract(epoch FROM :now::timestamptz - xact_start)), 0)::float
FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid();

-- name: server_clock :value
-- What the database server takes for now; read through the time zone's name, which changes nothing.
SELECT to_timestamp(extract(epoch FROM xact_start)) FROM pg_stat_activity WHERE pid = pg_backend_pid();

-- name: connection_room :many
-- How many connections the server has for us and for others like us, and how many are open.
SELECT current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer
       - COALESCE(current_setting('reserved_connections', true)::integer, 0) AS allowed,
       (SELECT sum(numbackends)::integer FROM pg_stat_database) AS used;

-- name: failing_endpoints :many
-- Endpoints that fail, with how many reports wait or were given up.
SELECT account.name AS account, endpoint.url, endpoint.failures, COALESCE(endpoint.last_error, '') AS last_error
FROM endpoint JOIN account ON account.id = endpoint.account_id
WHERE endpoint.failures > 0 ORDER BY endpoint.failures DESC LIMIT :limit;

-- name: all_senders :many
-- Every sender with its account.
SELECT sender.name, account.name AS account, sender.account_id
FROM sender JOIN account ON account.id = sender.account_id ORDER BY sender.id;

-- name: rolled_up_to :value
-- Up to when the sums are complete: workers move it on every second.
SELECT as_of FROM rollup;
