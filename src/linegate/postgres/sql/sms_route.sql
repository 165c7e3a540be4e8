-- Routes: who carries SMS for whom, and which process holds the connection.

-- name: insert_sms_route :value
-- Create a route; nothing comes back if the account has one of that name.
INSERT INTO sms_route (account_id, name, kind, url, shown, prefixes, senders, default_sender, priority, callback_token,
                       created_at)
VALUES (:account_id, :name, :kind, :url, :shown, :prefixes::text[], :senders::text[], :default_sender, :priority,
        :callback_token, :now)
ON CONFLICT (account_id, name) DO NOTHING RETURNING id;

-- name: move_sms_route :exec
-- The route is reached by another URL now.
UPDATE sms_route SET url = :url, shown = :shown, is_up = NULL, down_since = NULL, trouble = ''
WHERE account_id = :account_id AND name = :name;

-- name: serve_sms_route :exec
-- What a route serves from now on. What is due and waits for it looks for its route anew.
WITH changed AS (
    UPDATE sms_route SET prefixes = :prefixes::text[], senders = :senders::text[], default_sender = :default_sender,
                         priority = :priority
    WHERE account_id = :account_id AND name = :name RETURNING id
)
UPDATE sms_leg SET route_id = NULL FROM changed WHERE sms_leg.route_id = changed.id AND sms_leg.step = 'due';

-- name: enable_sms_route :value
-- Switch a route on or off; nothing comes back if there is none of that name.
UPDATE sms_route SET enabled = :enabled, is_up = NULL, down_since = NULL, trouble = ''
WHERE account_id = :account_id AND name = :name RETURNING id;

-- name: remove_sms_route :value
-- Remove a route that no SMS waits for or is under way by; nothing comes back if there is none such. A leg
-- that is being written now is not seen: `reroute_sms` finds it, and no transaction lasts an hour.
WITH removed AS (
    DELETE FROM sms_route
    WHERE account_id = :account_id AND name = :name
      AND NOT EXISTS (SELECT FROM sms_leg WHERE sms_leg.route_id = sms_route.id)
    RETURNING id
),
long_gone AS (
    DELETE FROM sms_route_gone WHERE gone_at < :now::timestamptz - interval '1 hour'
)
INSERT INTO sms_route_gone (id, gone_at) SELECT id, :now FROM removed RETURNING id;

-- name: list_sms_routes :many
-- Every route of an account, or of all; without its secrets.
SELECT route.id, account.name AS account, route.name, route.kind, route.shown, route.prefixes, route.senders,
       route.default_sender, route.priority, route.enabled, route.is_up, route.down_since, route.trouble,
       route.leased_until
FROM sms_route AS route JOIN account ON account.id = route.account_id
WHERE :account_id::bigint IS NULL OR route.account_id = :account_id
ORDER BY account.name, route.priority, route.name;

-- name: find_sms_route :one
-- One route with its sealed URL.
SELECT id, account_id, name, kind, url, default_sender, callback_token FROM sms_route
WHERE account_id = :account_id AND name = :name;

-- name: find_callback_route :one
-- The route behind a provider's call.
SELECT id, account_id, name, kind, url, default_sender, callback_token FROM sms_route
WHERE callback_token = :token;

-- name: routing_of :many
-- What an account's routes take, to check requests.
SELECT prefixes, senders, default_sender FROM sms_route WHERE account_id = :account_id AND enabled;

-- name: hold_sms_routes :many
-- Take routes that nobody holds, and keep those that are ours.
UPDATE sms_route SET leased_by = :process, leased_until = :leased_until
FROM (SELECT id FROM sms_route
      WHERE enabled AND (leased_by = :process OR leased_until IS NULL OR leased_until <= :now)
      ORDER BY id FOR UPDATE SKIP LOCKED) AS free
WHERE sms_route.id = free.id
RETURNING sms_route.id, sms_route.account_id, sms_route.name, sms_route.kind, sms_route.url, sms_route.default_sender,
          sms_route.callback_token;

-- name: release_sms_routes :exec
-- Let others hold what was ours.
UPDATE sms_route SET leased_by = NULL, leased_until = NULL WHERE leased_by = :process;

-- name: tell_sms_routes :exec
-- How routes are doing, as their holder sees it.
UPDATE sms_route
SET is_up = told.is_up, trouble = told.trouble,
    down_since = CASE WHEN told.is_up THEN NULL ELSE COALESCE(sms_route.down_since, :now::timestamptz) END
FROM unnest(:ids::bigint[], :ups::boolean[], :troubles::text[]) AS told (id, is_up, trouble)
WHERE sms_route.id = told.id AND sms_route.leased_by = :process
  AND (sms_route.is_up IS DISTINCT FROM told.is_up OR sms_route.trouble <> told.trouble);

-- name: reroute_sms :exec
-- Due SMS of routes that are down, switched off, removed or missing go by another one that takes them, if any.
UPDATE sms_leg SET route_id = better.route_id
FROM (
    SELECT stuck.id, best_sms_route(stuck.account_id, stuck.destination, stuck.sms_sender) AS route_id, stuck.route_id AS was,
           stuck.must_leave
    FROM (
        SELECT leg.*, false AS must_leave FROM sms_route AS route
        CROSS JOIN LATERAL (
            SELECT id, account_id, destination, sms_sender, route_id FROM sms_leg
            WHERE sms_leg.route_id = route.id AND step = 'due'
            ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED
        ) AS leg
        WHERE NOT route.enabled OR route.down_since <= :before
        UNION ALL
        SELECT leg.*, true FROM sms_route_gone AS gone
        CROSS JOIN LATERAL (
            SELECT id, account_id, destination, sms_sender, route_id FROM sms_leg
            WHERE sms_leg.route_id = gone.id AND step = 'due'
            ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED
        ) AS leg
        UNION ALL
        SELECT leg.*, false FROM (
            SELECT id, account_id, destination, sms_sender, route_id FROM sms_leg
            WHERE route_id IS NULL AND step = 'due'
            ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED
        ) AS leg
    ) AS stuck
    ORDER BY stuck.id
) AS better
WHERE sms_leg.id = better.id AND better.route_id IS DISTINCT FROM better.was
  AND (better.must_leave OR better.route_id IS NULL OR better.route_id IN (SELECT id FROM sms_route WHERE is_up IS NOT FALSE));
