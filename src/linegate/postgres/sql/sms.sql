-- Stage 3, the SMS leg: what LINE did not deliver goes by SMS. Ids ascend, as in dispatch.sql.

-- name: failover_facts :many
-- What is needed to plan the SMS of messages in their LINE leg.
SELECT queue.id, queue.destination, object.delivery_window, object.sms_failover, object.intermediate,
       EXISTS (SELECT 1 FROM bulk_run
               WHERE bulk_run.bulk_id = object.bulk_id AND bulk_run.status = 'cancelled') AS cancelled
FROM unnest(:ids::bigint[]) AS asked (id)
JOIN queue ON queue.id = ANY (ARRAY[asked.id])
JOIN message_object AS object ON object.id = ANY (ARRAY[queue.object_id]);

-- name: fail_over :many
-- Messages leave their LINE leg for the SMS leg, on the best route that takes them: one that is up, with
-- the longest prefix, with the lowest priority number. The attempts that led there go to the time line.
WITH attempted AS (
    INSERT INTO attempt (message_id, number, started_at, ended_at, outcome, code, error, request_id, detail)
    SELECT message_id, number, started_at, ended_at, outcome, code, error, request_id, detail
    FROM unnest(:tried_ids::bigint[], :tried_numbers::smallint[], :started::timestamptz[], :ended::timestamptz[],
                :outcomes::text[], :codes::smallint[], :tried_errors::smallint[], :request_ids::text[], :details::text[])
      AS tried (message_id, number, started_at, ended_at, outcome, code, error, request_id, detail)
    ON CONFLICT DO NOTHING
),
failed AS (
    DELETE FROM queue
    USING unnest(:ids::bigint[], :attempts::smallint[], :statuses::smallint[], :errors::smallint[],
                 :due_ats::timestamptz[], :deadlines::timestamptz[], :senders::text[])
      AS next (id, attempt, status, error, due_at, deadline_at, sms_sender)
    WHERE queue.id = ANY (ARRAY[next.id]) AND queue.attempt = next.attempt
    RETURNING queue.id, queue.account_id, queue.sender_id, queue.object_id, queue.endpoint_id, queue.attempt,
              queue.destination, next.status, next.error, next.due_at, next.deadline_at, next.sms_sender
),
legs AS (
    INSERT INTO sms_leg (id, account_id, sender_id, object_id, endpoint_id, route_id, step, due_at, deadline_at, attempt,
                         line_status, line_error, destination, sms_sender)
    SELECT failed.id, failed.account_id, failed.sender_id, failed.object_id, failed.endpoint_id,
           best_sms_route(failed.account_id, failed.destination, failed.sms_sender), 'due', failed.due_at,
           failed.deadline_at, failed.attempt, failed.status, failed.error, failed.destination, failed.sms_sender
    FROM failed
    RETURNING id
),
noted AS (  -- for the time line
    INSERT INTO failover (message_id, at, status, error)
    SELECT id, :now, status, error FROM failed ON CONFLICT DO NOTHING
),
told AS (
    SELECT pg_notify('linegate_sms', '') FROM (SELECT 1 FROM legs LIMIT 1) AS any_leg
)
SELECT id, (SELECT count(*) FROM told) AS told FROM legs;

-- name: track_sms :one
-- The SMS of a track's messages, if they have one.
SELECT (object.sms_failover->>'validity')::integer AS validity, object.sms_failover->>'sender' AS sender
FROM track JOIN message_object AS object ON object.id = track.object_id
WHERE track.id = :track_id AND object.sms_failover IS NOT NULL;

-- name: fail_over_waiting :many
-- Messages of a track whose validity ended before they were released go by SMS.
WITH waiting AS (
    SELECT message.id, message.destination
    FROM track JOIN message ON message.track_id = track.id
     AND message.id > track.position AND message.id <= track.last_id
    WHERE track.id = :track_id
    ORDER BY message.id LIMIT :limit
),
legs AS (
    INSERT INTO sms_leg (id, account_id, sender_id, object_id, endpoint_id, route_id, step, due_at, deadline_at, attempt,
                         line_status, line_error, destination, sms_sender)
    SELECT waiting.id, track.account_id, track.sender_id, track.object_id, track.endpoint_id,
           best_sms_route(track.account_id, waiting.destination, :sms_sender), 'due', :due_at, :deadline, 0,
           :status, :error, waiting.destination, :sms_sender
    FROM waiting, track WHERE track.id = :track_id
),
noted AS (
    INSERT INTO failover (message_id, at, status, error)
    SELECT id, :now, :status, :error FROM waiting ON CONFLICT DO NOTHING
),
told AS (
    SELECT pg_notify('linegate_sms', '')
)
UPDATE track
SET position = (SELECT max(id) FROM waiting), remaining = remaining - (SELECT count(*) FROM waiting)
WHERE id = :track_id AND EXISTS (SELECT 1 FROM waiting)
RETURNING (SELECT count(*) FROM waiting) AS moved, (SELECT count(*) FROM told) AS told;

-- name: take_broken :many
-- Due messages of senders whose channel has been refused for a while, that an SMS can take over.
SELECT queue.id, queue.attempt, queue.unknowns, queue.failures, queue.deadline_at, queue.sent_at, queue.fails_over
FROM sender
CROSS JOIN LATERAL (
    SELECT * FROM queue
    WHERE queue.sender_id = sender.id AND fails_over AND step IN ('due_alone', 'due_paced', 'due_bulk', 'turn')
    ORDER BY id LIMIT :limit
    FOR UPDATE SKIP LOCKED
) AS queue
WHERE sender.hold = 'unauthorised' AND sender.held_at <= :before
ORDER BY queue.id LIMIT :limit;

-- name: end_due_sms :many
-- SMS of a cancelled bulk that were not handed over end.
WITH ended AS (
    DELETE FROM sms_leg
    WHERE id = ANY (ARRAY(SELECT id FROM sms_leg
                          WHERE id > :bulk_id AND id <= :last_id AND object_id = ANY(:object_ids::bigint[])
                            AND step::text = 'due'
                          ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED))
    RETURNING id, account_id, object_id, endpoint_id
),
new_final AS (
    INSERT INTO final (message_id, account_id, object_id, status, error, sent_at, done_at)
    SELECT id, account_id, object_id, :status, :error, :now, :now FROM ended
),
new_push AS (
    INSERT INTO push (message_id, endpoint_id, due_at)
    SELECT id, endpoint_id, :now FROM ended WHERE endpoint_id IS NOT NULL
)
SELECT id FROM ended;

-- name: claim_sms :many
-- Lease due SMS so that nobody else sends them, of each route at most what it has places for.
WITH picked AS (
    SELECT due.id
    FROM unnest(:route_ids::bigint[], :wanted::integer[], :since::timestamptz[]) AS asked (route_id, wanted, since)
    JOIN sms_route AS route ON route.id = asked.route_id
    JOIN account ON account.id = route.account_id AND account.suspended_at IS NULL
    CROSS JOIN LATERAL (
        SELECT id FROM sms_leg
        WHERE sms_leg.route_id = asked.route_id AND step = 'due' AND due_at > asked.since AND due_at <= :now
          AND deadline_at > :now
        ORDER BY due_at LIMIT asked.wanted
        FOR UPDATE SKIP LOCKED
    ) AS due
)
UPDATE sms_leg SET step = 'sending', due_at = :lease_until, attempt = sms_leg.attempt + 1
FROM picked WHERE sms_leg.id = ANY (ARRAY[picked.id])
RETURNING sms_leg.id, sms_leg.attempt, sms_leg.unknowns, sms_leg.failures, sms_leg.deadline_at, sms_leg.route_id,
          sms_leg.object_id, sms_leg.destination, sms_leg.sms_sender;

-- name: lowest_sms :many
-- The oldest that is due of routes, from their marks on; NULL: nothing is.
SELECT route.id, (SELECT due_at FROM sms_leg
                  WHERE route_id = route.id AND step = 'due' AND due_at > route.since ORDER BY due_at LIMIT 1) AS due_at
FROM unnest(:route_ids::bigint[], :since::timestamptz[]) AS route (id, since);

-- name: next_sms_at :value
-- When the next SMS of these routes may go that may not go yet.
SELECT min(soonest.due_at)
FROM unnest(:route_ids::bigint[]) AS route (id)
CROSS JOIN LATERAL (
    SELECT due_at FROM sms_leg WHERE route_id = route.id AND step = 'due' AND due_at > :now ORDER BY due_at LIMIT 1
) AS soonest;

-- name: sms_contents :many
-- What the SMS of a message object say.
SELECT id, delivery_window, sms_failover, intermediate, trace FROM message_object WHERE id = ANY(:ids::bigint[]);

-- name: renew_sms :exec
-- Keep what is still being sent.
UPDATE sms_leg SET due_at = :lease_until
FROM unnest(:ids::bigint[], :attempts::smallint[]) AS mine (id, attempt)
WHERE sms_leg.id = ANY (ARRAY[mine.id]) AND sms_leg.attempt = mine.attempt AND sms_leg.step::text = 'sending';

-- name: insert_sms_attempts :exec
-- The time line of what was tried.
INSERT INTO attempt (message_id, number, started_at, ended_at, outcome, code, error, request_id, detail, route_id, sms_parts)
SELECT message_id, number, started_at, ended_at, outcome, code, error, request_id, detail, route_id, sms_parts
FROM unnest(:ids::bigint[], :attempts::smallint[], :started::timestamptz[], :ended::timestamptz[], :outcomes::text[],
            :codes::smallint[], :errors::smallint[], :request_ids::text[], :details::text[], :route_ids::bigint[],
            :parts::smallint[])
  AS tried (message_id, number, started_at, ended_at, outcome, code, error, request_id, detail, route_id, sms_parts)
ON CONFLICT DO NOTHING;

-- name: move_sms :many
-- SMS legs go to what they wait for next. The attempt is the fence.
UPDATE sms_leg
SET step = next.step, due_at = next.due_at, sent_at = COALESCE(next.sent_at, sms_leg.sent_at),
    unknowns = next.unknowns, failures = next.failures, parts = GREATEST(next.parts, sms_leg.parts)
FROM unnest(:ids::bigint[], :attempts::smallint[], :steps::sms_step[], :due_ats::timestamptz[],
            :sent_ats::timestamptz[], :unknowns::smallint[], :failures::smallint[], :parts::smallint[])
  AS next (id, attempt, step, due_at, sent_at, unknowns, failures, parts)
WHERE sms_leg.id = ANY (ARRAY[next.id]) AND sms_leg.attempt = next.attempt AND sms_leg.step::text = 'sending'
RETURNING sms_leg.id;

-- name: insert_sms_parts :exec
-- The provider's ids of what was handed over.
INSERT INTO sms_part (message_id, number, route_id, key, destination)
SELECT message_id, number, route_id, key, destination
FROM unnest(:ids::bigint[], :numbers::smallint[], :route_ids::bigint[], :keys::text[], :destinations::text[])
  AS part (message_id, number, route_id, key, destination)
ON CONFLICT (message_id, number) DO UPDATE SET route_id = excluded.route_id, key = excluded.key;

-- name: finish_sms :many
-- Messages end in their SMS leg: the leg goes, final row, what reports tell of it and the report come.
WITH ended AS (
    DELETE FROM sms_leg
    USING unnest(:ids::bigint[], :attempts::smallint[], :statuses::smallint[], :errors::smallint[], :parts::smallint[],
                 :prices::numeric[], :currencies::text[], :networks::text[])
      AS last (id, attempt, status, error, parts, price, currency, mcc_mnc)
    WHERE sms_leg.id = ANY (ARRAY[last.id]) AND sms_leg.attempt = last.attempt
    RETURNING sms_leg.id, sms_leg.account_id, sms_leg.object_id, sms_leg.endpoint_id, sms_leg.sent_at, sms_leg.route_id,
              sms_leg.sms_sender, sms_leg.line_status, sms_leg.line_error, last.status, last.error,
              GREATEST(last.parts, sms_leg.parts) AS parts, last.price, last.currency, last.mcc_mnc
),
told_parts AS (
    DELETE FROM sms_part USING ended
    WHERE sms_part.message_id = ANY (ARRAY[ended.id]) AND sms_part.status NOT IN (3, 7, 26)
),
open_parts AS (
    UPDATE sms_part SET ended_at = :now FROM ended
    WHERE sms_part.message_id = ANY (ARRAY[ended.id]) AND COALESCE(sms_part.status, 3) IN (3, 7, 26)
),
new_final AS (
    INSERT INTO final (message_id, account_id, object_id, status, error, sent_at, done_at)
    SELECT id, account_id, object_id, status, error, COALESCE(sent_at, :now), :now FROM ended
),
new_end AS (
    INSERT INTO sms_end (message_id, route_id, sender, parts, price, currency, mcc_mnc, line_status, line_error,
                         account_id, sent_at, ended_at)
    SELECT ended.id, ended.route_id, COALESCE(ended.sms_sender, sms_route.default_sender, ''), ended.parts, ended.price,
           ended.currency, ended.mcc_mnc, ended.line_status, ended.line_error, ended.account_id,
           COALESCE(ended.sent_at, :now), :now
    FROM ended LEFT JOIN sms_route ON sms_route.id = ended.route_id
),
new_push AS (
    INSERT INTO push (message_id, endpoint_id, due_at)
    SELECT id, endpoint_id, :now FROM ended WHERE endpoint_id IS NOT NULL
    RETURNING message_id
),
told AS (
    SELECT pg_notify('linegate_report', '') FROM (SELECT 1 FROM new_push LIMIT 1) AS any_push
)
SELECT id, (SELECT count(*) FROM told) AS told FROM ended;

-- name: deliver_in_sms_leg :many
-- LINE's delivery events end messages in their SMS leg too: what was not handed over never is.
WITH ended AS (
    DELETE FROM sms_leg
    USING unnest(:ids::bigint[], :attempts::smallint[], :sender_ids::bigint[], :happened::timestamptz[])
      AS event (id, attempt, sender_id, happened_at)
    WHERE sms_leg.id = ANY (ARRAY[event.id]) AND sms_leg.sender_id = event.sender_id
      AND sms_leg.attempt >= event.attempt
    RETURNING sms_leg.id, sms_leg.account_id, sms_leg.object_id, sms_leg.endpoint_id, sms_leg.step,
              (SELECT min(started_at) FROM attempt
               WHERE attempt.message_id = event.id AND attempt.number = event.attempt) AS sent_at, event.happened_at,
              event.attempt AS heard
),
told_parts AS (
    DELETE FROM sms_part USING ended
    WHERE sms_part.message_id = ANY (ARRAY[ended.id]) AND sms_part.status NOT IN (3, 7, 26)
),
open_parts AS (
    UPDATE sms_part SET ended_at = :now FROM ended
    WHERE sms_part.message_id = ANY (ARRAY[ended.id]) AND COALESCE(sms_part.status, 3) IN (3, 7, 26)
),
new_final AS (
    INSERT INTO final (message_id, account_id, object_id, status, error, sent_at, done_at, heard_attempt)
    SELECT id, account_id, object_id, :status::smallint, :error::smallint,
           COALESCE(sent_at, LEAST(happened_at, :now)), GREATEST(COALESCE(sent_at, happened_at), LEAST(happened_at, :now)),
           heard
    FROM ended
),
new_push AS (
    INSERT INTO push (message_id, endpoint_id, due_at)
    SELECT id, endpoint_id, :now FROM ended WHERE endpoint_id IS NOT NULL
    RETURNING message_id
),
told AS (
    SELECT pg_notify('linegate_report', '') FROM (SELECT 1 FROM new_push LIMIT 1) AS any_push
)
SELECT id, step, (SELECT count(*) FROM told) AS told FROM ended;

-- name: insert_sms_interim :exec
-- Intermediate reports of hand-overs, for messages whose client wants them.
WITH new_push AS (
    INSERT INTO push (message_id, number, endpoint_id, due_at, status, error, at, sender)
    SELECT told.id, told.number, sms_leg.endpoint_id, :now, told.status, 0, told.at, told.sender
    FROM unnest(:ids::bigint[], :numbers::smallint[], :statuses::smallint[], :ats::timestamptz[], :senders::text[])
      AS told (id, number, status, at, sender)
    JOIN sms_leg ON sms_leg.id = ANY (ARRAY[told.id])
    WHERE sms_leg.endpoint_id IS NOT NULL
    ON CONFLICT DO NOTHING
    RETURNING message_id
)
SELECT pg_notify('linegate_report', '') FROM (SELECT 1 FROM new_push LIMIT 1) AS any_push;

-- name: match_receipts :many
-- Which message each receipt is about, and by which of its keys: the likeliest key first, to the same
-- number (its last eight digits: some providers leave out the country) if the receipt names one.
-- What has not ended goes first.
SELECT DISTINCT ON (asked.position) asked.position, part.message_id, part.number
FROM unnest(:positions::integer[], :route_ids::bigint[], :keys::text[], :ranks::smallint[], :destinations::text[])
  AS asked (position, route_id, key, rank, destination)
JOIN sms_part AS part ON part.route_id = asked.route_id AND part.key = ANY (ARRAY[asked.key])
WHERE asked.destination = '' OR right(part.destination, 8) = right(asked.destination, 8)
ORDER BY asked.position, part.ended_at IS NOT NULL, asked.rank, part.message_id DESC;

-- name: lock_sms_legs :many
-- Legs to decide about.
SELECT id, attempt, unknowns, failures, deadline_at, route_id FROM sms_leg
WHERE id = ANY(:ids::bigint[])
ORDER BY id FOR UPDATE;

-- name: mark_sms_parts :exec
-- The newest receipt of each part; one that has ended is not changed any more.
UPDATE sms_part SET status = told.status, error = told.error
FROM unnest(:ids::bigint[], :numbers::smallint[], :statuses::smallint[], :errors::smallint[])
  AS told (id, number, status, error)
WHERE sms_part.message_id = ANY (ARRAY[told.id]) AND sms_part.number = told.number
  AND (sms_part.status IS NULL OR sms_part.status IN (3, 7, 26));

-- name: sms_parts_of :many
-- What is known of the parts of messages.
SELECT message_id, status, COALESCE(error, 0) AS error FROM sms_part
WHERE message_id = ANY(:ids::bigint[]) ORDER BY message_id, number;

-- name: insert_sms_receipts :exec
-- The time line of receipts.
INSERT INTO sms_receipt (message_id, part, route_id, received_at, done_at, status, error, detail)
SELECT message_id, part, route_id, :now, done_at, status, error, detail
FROM unnest(:ids::bigint[], :parts::smallint[], :route_ids::bigint[], :done_ats::timestamptz[], :statuses::smallint[], :errors::smallint[],
            :details::text[])
  AS told (message_id, part, route_id, done_at, status, error, detail);

-- name: insert_late_receipts :many
-- Receipts of messages that had ended before go to their time line, if they went by that route.
INSERT INTO sms_receipt (message_id, part, route_id, received_at, done_at, status, error, detail)
SELECT told.message_id, told.part, told.route_id, :now, told.done_at, told.status, told.error, told.detail
FROM unnest(:ids::bigint[], :parts::smallint[], :route_ids::bigint[], :done_ats::timestamptz[], :statuses::smallint[], :errors::smallint[],
            :details::text[])
  AS told (message_id, part, route_id, done_at, status, error, detail)
WHERE EXISTS (SELECT 1 FROM final WHERE final.message_id = ANY (ARRAY[told.message_id]))
  AND EXISTS (SELECT 1 FROM attempt
              WHERE attempt.message_id = ANY (ARRAY[told.message_id]) AND attempt.route_id = told.route_id)
RETURNING message_id;

-- name: drop_told_parts :exec
-- Parts of ended messages whose last receipt has come after all.
DELETE FROM sms_part USING unnest(:ids::bigint[], :numbers::smallint[]) AS told (id, number)
WHERE sms_part.message_id = ANY (ARRAY[told.id]) AND sms_part.number = told.number AND ended_at IS NOT NULL;

-- name: forget_parts :exec
-- Parts of ended messages that nobody told of for long.
DELETE FROM sms_part WHERE ended_at < :before;

-- name: keep_early :exec
-- Receipts that met nothing wait for the answer that tells their id.
INSERT INTO sms_early (id, route_id, key, destination, receipt, received_at)
SELECT given.id, waiting.route_id, waiting.key, waiting.destination, waiting.receipt, :now
FROM unnest(:positions::integer[], :route_ids::bigint[], :keys::text[], :destinations::text[], :receipts::text[])
  AS waiting (position, route_id, key, destination, receipt)
JOIN (SELECT position, nextval('sms_early_id') AS id
      FROM (SELECT DISTINCT position FROM unnest(:positions::integer[]) AS p (position)) AS each) AS given
  USING (position);

-- name: take_early :many
-- Receipts that came before the ids of these parts were written.
WITH met AS (
    SELECT DISTINCT early.id
    FROM unnest(:route_ids::bigint[], :keys::text[], :destinations::text[]) AS part (route_id, key, destination)
    JOIN sms_early AS early ON early.route_id = part.route_id AND early.key = ANY (ARRAY[part.key])
     AND (early.destination = '' OR right(part.destination, 8) = right(early.destination, 8))
),
taken AS (
    DELETE FROM sms_early WHERE id IN (SELECT id FROM met) RETURNING id, route_id, receipt
)
SELECT DISTINCT id, route_id, receipt FROM taken;

-- name: match_early :many
-- The same for receipts and ids that crossed, where nobody lived to look again.
WITH met AS (
    SELECT DISTINCT early.id
    FROM sms_early AS early JOIN sms_part AS part ON part.route_id = early.route_id AND part.key = ANY (ARRAY[early.key])
     AND (early.destination = '' OR right(part.destination, 8) = right(early.destination, 8))
    WHERE early.received_at > :since  -- they cross within moments; what is older may be many and is not ours
    LIMIT :limit
),
taken AS (
    DELETE FROM sms_early WHERE id IN (SELECT id FROM met) RETURNING id, route_id, receipt
)
SELECT DISTINCT id, route_id, receipt FROM taken;

-- name: forget_early :exec
-- Receipts that nobody claimed for a while are not ours.
DELETE FROM sms_early WHERE received_at < :before;

-- name: take_impatient_sms :many
-- SMS whose worker died, and those that waited long enough for a receipt. Locked until decided.
SELECT id, attempt, unknowns, failures, deadline_at, route_id, step FROM sms_leg
WHERE step IN ('sending', 'sent') AND due_at > :since AND due_at <= :now
ORDER BY due_at LIMIT :limit
FOR UPDATE SKIP LOCKED;

-- name: take_overdue_sms :many
-- Due SMS whose validity has run out. Locked until decided.
SELECT id, attempt, unknowns, failures, deadline_at, route_id FROM sms_leg
WHERE step = 'due' AND deadline_at > :since AND deadline_at <= :now
ORDER BY deadline_at LIMIT :limit
FOR UPDATE SKIP LOCKED;

-- name: hear :exec
-- Events of these senders reach us.
UPDATE sender_ear SET unheard = 0, unheard_since = NULL, deaf_at = NULL
WHERE sender_id = ANY(:sender_ids::bigint[]) AND (unheard > 0 OR deaf_at IS NOT NULL);

-- name: count_unheard :exec
-- Hand-overs of senders since the last event.
INSERT INTO sender_ear (sender_id, unheard, unheard_since)
SELECT sender_id, handed_over, :now
FROM unnest(:sender_ids::bigint[], :handed_over::integer[]) AS sent (sender_id, handed_over)
ORDER BY sender_id
ON CONFLICT (sender_id) DO UPDATE
SET unheard = LEAST(sender_ear.unheard + excluded.unheard, 1000000000),
    unheard_since = COALESCE(sender_ear.unheard_since, excluded.unheard_since);

-- name: load_ears :many
-- Which senders hand over and hear nothing.
SELECT sender_id, unheard, unheard_since, deaf_at FROM sender_ear WHERE unheard_since IS NOT NULL;

-- name: mark_deaf :exec
-- From now on silence of these senders says nothing.
UPDATE sender_ear SET deaf_at = :now WHERE sender_id = ANY(:sender_ids::bigint[]) AND deaf_at IS NULL;
