-- Stage 4, report: finished messages become delivery reports.

-- name: lease_endpoints :many
-- Take endpoints that have reports due, each for one worker; those that work and those in doubt have
-- places of their own, so that a hundred dead ones cannot keep a healthy one waiting. The endpoints that
-- have any are found by hopping through the index: the cost does not grow with the reports that wait. Those
-- with a mark are not hopped to but looked at from there on: below it lie dead entries that an open snapshot keeps.
WITH RECURSIVE marked AS (
    SELECT id, since FROM unnest(:marked_ids::bigint[], :marks::timestamptz[]) AS mark (id, since)
),
gap AS (
    SELECT above, COALESCE(lead(above) OVER (ORDER BY above), 9223372036854775807) AS below
    FROM (SELECT 0::bigint AS above UNION ALL SELECT id FROM marked) AS edge
),
hop AS (
    SELECT (SELECT push.endpoint_id FROM push
            WHERE push.given_up_at IS NULL AND push.endpoint_id > gap.above AND push.endpoint_id < gap.below
            ORDER BY push.endpoint_id LIMIT 1) AS endpoint_id, gap.below
    FROM gap
    UNION ALL
    SELECT (SELECT push.endpoint_id FROM push
            WHERE push.given_up_at IS NULL AND push.endpoint_id > hop.endpoint_id AND push.endpoint_id < hop.below
            ORDER BY push.endpoint_id LIMIT 1), hop.below
    FROM hop WHERE hop.endpoint_id IS NOT NULL
),
present AS (
    SELECT endpoint_id, '-infinity'::timestamptz AS since FROM hop WHERE endpoint_id IS NOT NULL
    UNION ALL
    SELECT id, since FROM marked
),
ready AS MATERIALIZED (
    SELECT endpoint.id, endpoint.turn_at, endpoint.failures = 0 AND endpoint.taken_at IS NOT NULL AS is_steady
    FROM present JOIN endpoint ON endpoint.id = present.endpoint_id
    WHERE (endpoint.leased_until IS NULL OR endpoint.leased_until <= :now)
      AND (endpoint.probe_at IS NULL OR endpoint.probe_at <= :now)
      -- A look for one row each, and not EXISTS: that the planner turns into a join which reads all that is due.
      AND (SELECT true FROM push
           WHERE push.given_up_at IS NULL AND push.endpoint_id = endpoint.id
             AND COALESCE(push.retry_at, push.due_at) > present.since
             AND COALESCE(push.retry_at, push.due_at) <= :now LIMIT 1)
),
turns AS MATERIALIZED (
    SELECT id, is_steady, row_number() OVER (PARTITION BY is_steady ORDER BY turn_at NULLS FIRST, id) AS turn FROM ready
),
free AS (
    SELECT endpoint.id, turns.is_steady
    FROM turns JOIN endpoint USING (id)
    WHERE turns.turn <= CASE WHEN turns.is_steady THEN :steady::integer ELSE :doubtful::integer END
      AND (endpoint.leased_until IS NULL OR endpoint.leased_until <= :now)
    ORDER BY endpoint.id
    FOR UPDATE OF endpoint SKIP LOCKED
)
UPDATE endpoint SET leased_until = :leased_until, turn_at = :now
FROM free
JOIN endpoint AS own ON own.id = free.id
JOIN account ON account.id = own.account_id
LEFT JOIN webhook_profile AS profile ON profile.account_id = own.account_id AND profile.profile_id = own.profile_id
LEFT JOIN webhook_security AS security ON security.account_id = own.account_id AND security.auth_id = profile.auth_id
LEFT JOIN webhook_certificate AS certificate
  ON certificate.account_id = own.account_id AND certificate.certificate_id = profile.certificate_id
WHERE endpoint.id = free.id
RETURNING endpoint.id, endpoint.account_id, account.name AS account, account.webhook_secret, endpoint.url,
          endpoint.content_type, endpoint.failures, free.is_steady, endpoint.removed_at IS NOT NULL AS is_removed,
          profile.settings, security.type AS security_type, security.credentials, certificate.pem, endpoint.turn_at;

-- name: keep_endpoints :exec
-- Go on holding endpoints. The turn is the fence: who was too slow does not hold what another has by now.
UPDATE endpoint SET leased_until = :leased_until
FROM unnest(:ids::bigint[], :turns::timestamptz[]) AS mine (id, turn_at)
WHERE endpoint.id = mine.id AND endpoint.turn_at = mine.turn_at AND endpoint.leased_until IS NOT NULL;

-- name: release_endpoint :exec
-- Give an endpoint back, with what was learnt of it; nothing if another worker has it by now.
UPDATE endpoint
SET leased_until = NULL, failures = :failures, probe_at = :probe_at, last_error = :last_error,
    taken_at = COALESCE(:taken_at, taken_at), gone_at = CASE WHEN :is_gone THEN COALESCE(gone_at, :now)
                                                             WHEN :taken_at::timestamptz IS NULL THEN gone_at END
WHERE id = :id AND turn_at = :turn_at;

-- name: tell_if_due :exec
-- Wake a pusher if reports came in while an endpoint was being given back: their own call found it taken.
SELECT pg_notify('linegate_report', '')
WHERE EXISTS (SELECT 1 FROM push
              WHERE given_up_at IS NULL AND endpoint_id = :id
                AND COALESCE(retry_at, due_at) > :since AND COALESCE(retry_at, due_at) <= :now);

-- name: lowest_reports :many
-- The oldest report that waits for each of the endpoints that had their turn last, from their marks on; NULL: none.
SELECT known.id,
       (SELECT COALESCE(push.retry_at, push.due_at) FROM push
        WHERE push.given_up_at IS NULL AND push.endpoint_id = known.id
          AND COALESCE(push.retry_at, push.due_at) > COALESCE(mark.since, '-infinity')
        ORDER BY COALESCE(push.retry_at, push.due_at) LIMIT 1) AS due_at
FROM (SELECT id FROM endpoint WHERE turn_at IS NOT NULL ORDER BY turn_at DESC LIMIT :most) AS known
LEFT JOIN unnest(:marked_ids::bigint[], :marks::timestamptz[]) AS mark (id, since) ON mark.id = known.id;

-- name: due_reports :many
-- The oldest reports that wait for one endpoint, after a place in its order, without those in hand.
SELECT push.message_id AS id, push.number, push.tries, push.due_at, push.retry_at,
       COALESCE(push.status, final.status) AS status, COALESCE(push.error, final.error) AS error,
       COALESCE(push.at, final.sent_at) AS sent_at, COALESCE(push.at, final.done_at) AS done_at,
       message.destination, message.client_id, COALESCE(push.sender, sms_end.sender, sender.name) AS sender,
       CASE WHEN sms_end.message_id IS NULL THEN sender.price ELSE sms_end.price END AS price,
       CASE WHEN sms_end.message_id IS NULL THEN sender.currency ELSE sms_end.currency END AS currency,
       sms_end.message_id IS NOT NULL AS by_sms, COALESCE(sms_end.parts, 1) AS parts, sms_end.mcc_mnc, object.bulk_id,
       bulk.client_id AS bulk_client_id, object.callback_data, object.entity_id, object.application_id, object.campaign,
       object.trace
FROM (SELECT * FROM push
      WHERE endpoint_id = :endpoint_id AND given_up_at IS NULL AND COALESCE(retry_at, due_at) <= :now
        AND (COALESCE(retry_at, due_at), message_id, number)
          > (:after_at::timestamptz, :after_id::bigint, :after_number::smallint)
        AND message_id <> ALL (:in_hand::bigint[])
      ORDER BY COALESCE(retry_at, due_at), message_id, number LIMIT :limit) AS push
LEFT JOIN final ON final.message_id = push.message_id AND push.number = 0
LEFT JOIN sms_end ON sms_end.message_id = push.message_id AND push.number = 0
JOIN message ON message.id = push.message_id
JOIN message_object AS object ON object.id = message.object_id
JOIN bulk ON bulk.id = object.bulk_id
JOIN sender ON sender.id = object.sender_id
WHERE push.number > 0 OR final.message_id IS NOT NULL
ORDER BY COALESCE(push.retry_at, push.due_at), push.message_id, push.number;

-- name: give_up_waiting :exec
-- What waits for an endpoint and fell due before an instant is given up untried: it has had its time.
UPDATE push SET given_up_at = :now
FROM (SELECT message_id, number FROM push
      WHERE endpoint_id = :endpoint_id AND given_up_at IS NULL AND COALESCE(retry_at, due_at) <= :before
      ORDER BY message_id, number LIMIT :limit) AS old
WHERE push.message_id = old.message_id AND push.number = old.number;

-- name: forget_pushes :exec
-- Reports of old messages that will never be pushed: given up long ago, or their message is removed.
DELETE FROM push
USING (SELECT message_id, number FROM push AS old
       WHERE message_id < :before_id
         AND (given_up_at < :given_up_before OR NOT EXISTS (SELECT 1 FROM message WHERE message.id = old.message_id))
       ORDER BY message_id, number LIMIT :limit) AS leftover
WHERE push.message_id = leftover.message_id AND push.number = leftover.number;

-- name: next_push_at :value
-- When the next report may be pushed that may not be pushed yet.
WITH RECURSIVE marked AS (
    SELECT id, since FROM unnest(:marked_ids::bigint[], :marks::timestamptz[]) AS mark (id, since)
),
gap AS (
    SELECT above, COALESCE(lead(above) OVER (ORDER BY above), 9223372036854775807) AS below
    FROM (SELECT 0::bigint AS above UNION ALL SELECT id FROM marked) AS edge
),
hop AS (
    SELECT (SELECT push.endpoint_id FROM push
            WHERE push.given_up_at IS NULL AND push.endpoint_id > gap.above AND push.endpoint_id < gap.below
            ORDER BY push.endpoint_id LIMIT 1) AS endpoint_id, gap.below
    FROM gap
    UNION ALL
    SELECT (SELECT push.endpoint_id FROM push
            WHERE push.given_up_at IS NULL AND push.endpoint_id > hop.endpoint_id AND push.endpoint_id < hop.below
            ORDER BY push.endpoint_id LIMIT 1), hop.below
    FROM hop WHERE hop.endpoint_id IS NOT NULL
),
present AS (
    SELECT endpoint_id, '-infinity'::timestamptz AS since FROM hop WHERE endpoint_id IS NOT NULL
    UNION ALL
    SELECT id, since FROM marked
)
SELECT min(GREATEST(endpoint.probe_at, first.due_at))
FROM present JOIN endpoint ON endpoint.id = present.endpoint_id
CROSS JOIN LATERAL (
    SELECT COALESCE(push.retry_at, push.due_at) AS due_at FROM push
    WHERE push.given_up_at IS NULL AND push.endpoint_id = endpoint.id
      AND COALESCE(push.retry_at, push.due_at) > present.since
    ORDER BY COALESCE(push.retry_at, push.due_at) LIMIT 1
) AS first
WHERE endpoint.leased_until IS NULL OR endpoint.leased_until <= :now;

-- name: insert_interim :exec
-- Intermediate reports, for messages whose reports go somewhere.
WITH new_push AS (
    INSERT INTO push (message_id, number, endpoint_id, due_at, status, error, at, sender)
    SELECT told.id, told.number, queue.endpoint_id, :now, told.status, told.error, told.at, told.sender
    FROM unnest(:ids::bigint[], :attempts::smallint[], :numbers::smallint[], :statuses::smallint[],
                :errors::smallint[], :ats::timestamptz[], :senders::text[])
      AS told (id, attempt, number, status, error, at, sender)
    JOIN queue ON queue.id = told.id AND queue.attempt = told.attempt
    WHERE queue.endpoint_id IS NOT NULL
    ON CONFLICT DO NOTHING
    RETURNING message_id
)
SELECT pg_notify('linegate_report', '') FROM (SELECT 1 FROM new_push LIMIT 1) AS any_push;

-- name: pull_oldest :many
-- Hand out an account's oldest final reports, each once: concurrent pulls skip each other's rows.
WITH oldest AS (
    SELECT final.message_id
    FROM final
    CROSS JOIN LATERAL (SELECT * FROM message_object WHERE message_object.id = final.object_id OFFSET 0) AS object
    WHERE final.account_id = :account_id AND NOT final.pulled AND final.done_at > :since
      AND (:entity_id::text IS NULL OR object.entity_id = :entity_id)
      AND (:application_id::text IS NULL OR object.application_id = :application_id)
      AND (:campaign::text IS NULL OR object.campaign = :campaign)
    ORDER BY final.done_at
    LIMIT :limit
    FOR UPDATE OF final SKIP LOCKED
)
UPDATE final SET pulled = true, pulled_at = :now FROM oldest WHERE final.message_id = oldest.message_id AND NOT final.pulled
RETURNING final.message_id AS id;

-- name: find_bulks :many
-- The bulks that a filter leads to, but for those that were finished before `since`; one NULL if it leads to :limit
-- objects or more. The caller fills one of the arrays, so that each arm is its own index or nothing, whatever the
-- statistics say.
WITH named AS MATERIALIZED (
    (SELECT bulk_id FROM message_object
     WHERE account_id = :account_id AND campaign = ANY(:campaigns::text[]) LIMIT :limit)
    UNION ALL
    (SELECT bulk_id FROM message_object
     WHERE account_id = :account_id AND entity_id = ANY(:entity_ids::text[]) LIMIT :limit)
    UNION ALL
    (SELECT bulk_id FROM message_object
     WHERE account_id = :account_id AND application_id = ANY(:application_ids::text[]) LIMIT :limit)
),
counted AS (SELECT count(*) AS objects FROM named)
SELECT NULL::bigint AS id FROM counted WHERE objects >= :limit
UNION ALL
SELECT bulk.id
FROM counted
CROSS JOIN LATERAL (SELECT DISTINCT bulk_id FROM named WHERE counted.objects < :limit) AS found
CROSS JOIN LATERAL (SELECT * FROM bulk WHERE bulk.id = found.bulk_id OFFSET 0) AS bulk
LEFT JOIN bulk_run AS run ON run.bulk_id = bulk.id
WHERE run.finished_at IS NULL OR run.finished_at >= :since;

-- name: pull_bulks :many
-- The same for what has ended of some bulks, one bulk after the other and each in the order of its messages: they are
-- a range of ids, of which an index has what is not pulled yet. So no more is read than is handed out. (Rows are compared
-- for the planner's sake: the range alone would be found by the primary key, with all that was pulled. And nothing says
-- that the account is this one: each day's index would then be read from the account's first entry on.)
WITH taken AS (
    SELECT ended.message_id
    FROM unnest(:bulk_ids::bigint[]) AS wanted (id)
    CROSS JOIN LATERAL (SELECT id, last_id FROM bulk
                        WHERE bulk.id = wanted.id AND bulk.account_id = :account_id OFFSET 0) AS bulk
    CROSS JOIN LATERAL (
        SELECT final.message_id
        FROM final
        CROSS JOIN LATERAL (SELECT * FROM message_object WHERE message_object.id = final.object_id OFFSET 0) AS object
        WHERE (final.account_id, final.message_id) > (:account_id, bulk.id)
          AND (final.account_id, final.message_id) <= (:account_id, bulk.last_id)
          AND NOT final.pulled AND final.done_at > :since AND object.bulk_id = bulk.id
          AND (:entity_id::text IS NULL OR object.entity_id = :entity_id)
          AND (:application_id::text IS NULL OR object.application_id = :application_id)
          AND (:campaign::text IS NULL OR object.campaign = :campaign)
        ORDER BY final.account_id, final.message_id
        LIMIT :limit
        FOR UPDATE OF final SKIP LOCKED
    ) AS ended
    LIMIT :limit
)
UPDATE final SET pulled = true, pulled_at = :now FROM taken WHERE final.message_id = taken.message_id AND NOT final.pulled
RETURNING final.message_id AS id;

-- name: pull_message :many
-- The same for one message.
UPDATE final SET pulled = true, pulled_at = :now
FROM message_object AS object
WHERE final.message_id = :message_id AND final.account_id = :account_id
  AND NOT final.pulled AND final.done_at > :since AND object.id = final.object_id
  AND (:bulk_id::bigint IS NULL OR object.bulk_id = :bulk_id)
  AND (:entity_id::text IS NULL OR object.entity_id = :entity_id)
  AND (:application_id::text IS NULL OR object.application_id = :application_id)
  AND (:campaign::text IS NULL OR object.campaign = :campaign)
RETURNING final.message_id AS id;

-- name: load_finished :many
-- Final reports of messages by id, as they are pulled and logged.
SELECT final.message_id AS id, final.status, final.error, final.sent_at, final.done_at, message.destination,
       message.client_id, COALESCE(sms_end.sender, sender.name) AS sender,
       CASE WHEN sms_end.message_id IS NULL THEN sender.price ELSE sms_end.price END AS price,
       CASE WHEN sms_end.message_id IS NULL THEN sender.currency ELSE sms_end.currency END AS currency,
       sms_end.message_id IS NOT NULL AS by_sms, COALESCE(sms_end.parts, 1) AS parts, sms_end.mcc_mnc, object.bulk_id,
       bulk.client_id AS bulk_client_id, object.callback_data, object.entity_id, object.application_id, object.campaign
FROM unnest(:ids::bigint[]) AS wanted (id)
JOIN final ON final.message_id = wanted.id
LEFT JOIN sms_end ON sms_end.message_id = wanted.id
JOIN message ON message.id = wanted.id
JOIN message_object AS object ON object.id = final.object_id
JOIN bulk ON bulk.id = object.bulk_id
JOIN sender ON sender.id = object.sender_id
ORDER BY final.done_at, final.message_id;

-- name: find_client_id :value
-- The message or bulk behind an id that the client chose.
SELECT id FROM client_id WHERE account_id = :account_id AND kind = :kind::client_id_kind AND name = :name;
