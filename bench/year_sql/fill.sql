-- A year of an installation, a day at a time. `lot` holds the bulks of a day, `part` their messages.

-- name: make_lot :exec
-- The bulks of a day; x is milliseconds * 1024 + counter, as in domain/ids.py.
CREATE TEMPORARY TABLE bench_lot (
    k integer, x bigint, id bigint, object_id bigint, last_id bigint, track_id bigint, account_id bigint,
    sender_id bigint, messages integer, at timestamptz, application_id text, entity_id text, campaign text,
    endpoints bigint[], has_run boolean
);

-- name: make_part :exec
-- The messages of some bulks.
CREATE TEMPORARY TABLE bench_part (
    id bigint, object_id bigint, account_id bigint, sender_id bigint, n integer, at timestamptz, r integer, status smallint,
    by_sms boolean, endpoint_id bigint, destination text, track_id bigint
);

-- name: make_function :exec
-- The id that x stands for, of process 200.
CREATE OR REPLACE FUNCTION bench_id(x bigint, lane bigint) RETURNS bigint IMMUTABLE LANGUAGE sql
RETURN ((x / 1024) << 22) | (200 << 14) | ((x & 1023) << 4) | lane;

-- name: empty_lots :exec
-- Begin a day.
TRUNCATE bench_lot;

-- name: plan_day :exec
-- The bulks of a day: of 500, of 100 and single requests, spread over its hours up to `until`.
WITH bulk AS (
    SELECT k, k % 16 AS lane,
           CASE WHEN k % 66 = 0 THEN 500 WHEN k % 133 = 1 THEN 100 ELSE 1 END AS messages,
           :day::timestamptz + k * (interval '1 day' / :bulks::integer) AS at,
           hashint8(k * 1000003::bigint + :number::bigint) & 65535 AS r
    FROM generate_series(0, :bulks - 1) AS k
),
owned AS (
    SELECT bulk.*, (floor(extract(epoch FROM at - '2020-01-01Z') * 1000))::bigint * 1024 AS x,
           1 + GREATEST(0, r % 10 - 5) AS owner  -- the first of five has most
    FROM bulk
)
INSERT INTO bench_lot
SELECT k, x, bench_id(x, lane), bench_id(x + 1, lane), bench_id(x + 1 + messages, lane),
       bench_id(x + 2 + messages, lane), (:accounts::bigint[])[owner],
       (:senders::bigint[])[CASE WHEN owner > 1 THEN owner + 3 WHEN r % 997 = 0 THEN 4 ELSE 1 + r % 3 END],
       messages, at,
       CASE WHEN r % 1999 = 0 THEN 'rare' WHEN r % 20 = 0 THEN 'app-3' WHEN r % 4 = 0 THEN 'app-2' ELSE 'app-1' END,
       CASE WHEN r % 7 > 0 THEN 'entity-' || r % CASE WHEN messages = 1 THEN 500 ELSE 12 END END,
       CASE WHEN messages = 1 THEN CASE WHEN r % 3 = 0 THEN 'order' WHEN r % 3 = 1 THEN 'otp' END
            ELSE 'week-' || :number / 7 END,
       (SELECT array_agg(endpoint.id ORDER BY endpoint.id) FROM endpoint
        WHERE endpoint.account_id = (:accounts::bigint[])[owner]),
       messages = 500 AND k % 2 = 0
FROM owned WHERE at <= :until;

-- name: plan_million :exec
-- One bulk of a million, with the second endpoint of its account.
INSERT INTO bench_lot
SELECT 0, x, bench_id(x, 5), bench_id(x + 1, 5), bench_id(x + 1 + :messages::integer, 5), bench_id(x + 2 + :messages, 5),
       (:accounts::bigint[])[1], (:senders::bigint[])[1], :messages, :at::timestamptz, 'app-1', 'entity-1', 'spring',
       (SELECT array_agg(dead.id) FROM (SELECT endpoint.id FROM endpoint WHERE account_id = (:accounts::bigint[])[1]
                                        ORDER BY endpoint.id OFFSET 1 LIMIT 1) AS dead), true
FROM (SELECT (floor(extract(epoch FROM :at::timestamptz - timestamptz '2020-01-01Z') * 1000))::bigint * 1024 AS x) AS begun;

-- name: write_bulks :exec
-- Bulks and their contents.
WITH b AS (
    INSERT INTO bulk (id, account_id, client_id, accepted_at, messages, last_id)
    SELECT id, account_id, CASE WHEN messages > 1 THEN 'bulk-' || id END, at, messages, last_id FROM bench_lot
)
INSERT INTO message_object (id, bulk_id, account_id, sender_id, templated, line_message, entity_id, application_id,
                            campaign, callback_data, validity, sms_failover)
SELECT object_id, id, account_id, sender_id, false, :content, entity_id, application_id, campaign,
       CASE WHEN k % 3 = 0 THEN 'order ' || k END, '48 hours',
       CASE WHEN k % 4 < 2 THEN '{"text": "Your parcel is on its way.", "sender": "Shop"}'::jsonb END
FROM bench_lot;

-- name: write_runs :exec
-- How the scheduled ones went, all finished but those with something left.
WITH r AS (
    INSERT INTO bulk_run (bulk_id, account_id, last_id, status, messages, send_at, pace_amount, pace_unit, free_at,
                          changed_at, counted_at, finished_at, handed_over)
    SELECT id, account_id, last_id, 'processing', messages, at, 6000, '1 minute', at + messages * interval '10 ms', at,
           at + interval '1 hour', CASE WHEN :left::integer = 0 THEN at + interval '1 hour' END,
           :left / 4
    FROM bench_lot WHERE has_run
),
c AS (
    INSERT INTO track_release (track_id, last_id, released_at)
    SELECT track_id, last_id, at + interval '1 second' FROM bench_lot WHERE has_run
)
INSERT INTO track (id, bulk_id, object_id, account_id, sender_id, home, validity, position, last_id, remaining,
                   eligible_at)
SELECT track_id, id, object_id, account_id, sender_id, 'due_paced', '48 hours',
       bench_id(x + 1 + messages - :left * 3 / 4, id & 15),
       last_id, :left * 3 / 4, at
FROM bench_lot WHERE has_run;

-- name: write_names :exec
-- Ids that clients chose: of every bulk with more than one message.
INSERT INTO client_id (account_id, kind, name, id)
SELECT account_id, 'bulk', 'bulk-' || id, id FROM bench_lot WHERE messages > 1;

-- name: empty_part :exec
-- Begin a part.
TRUNCATE bench_part;

-- name: plan_part :exec
-- Messages `first` to `last` of each lot. Status 0: not ended; nothing of more than `ended` has.
INSERT INTO bench_part
SELECT id, object_id, account_id, sender_id, n, at + n * interval '1 ms', r,
       CASE WHEN n > :ended::integer OR (at > :fresh::timestamptz AND r % 10 = 0) THEN 0
            WHEN r < 61000 THEN 5 WHEN r < 63500 THEN 9 WHEN r < 65000 THEN 15 ELSE 6 END,
       r >= 57000 AND r < 61000, endpoints[1 + r % array_length(endpoints, 1)],
       CASE WHEN r % 2000 = 7 THEN '819099999999'
            ELSE (819000000000 + ((id / 16) % 2000003 * 7919 + r * 104729::bigint) % 2000000)::text END,
       CASE WHEN has_run THEN track_id END
FROM (SELECT bench_id(lot.x + 1 + n, lot.id & 15) AS id, lot.object_id, lot.account_id, lot.sender_id, n, lot.at,
             hashint8(lot.x + n) & 65535 AS r, lot.endpoints, lot.track_id, lot.has_run
      FROM bench_lot AS lot
      CROSS JOIN LATERAL generate_series(:first::integer, LEAST(:last::integer, lot.messages)) AS n) AS m;

-- name: write_messages :exec
-- The messages themselves; one in twenty with the client's id.
WITH c AS (
    INSERT INTO client_id (account_id, kind, name, id)
    SELECT account_id, 'message', 'order-' || id, id FROM bench_part WHERE r % 20 = 3
)
INSERT INTO message (id, object_id, destination, client_id, track_id)
SELECT id, object_id, destination, CASE WHEN r % 20 = 3 THEN 'order-' || id END, track_id FROM bench_part ORDER BY id;

-- name: write_ends :exec
-- What became of them.
INSERT INTO final (message_id, account_id, object_id, status, error, sent_at, done_at)
SELECT id, account_id, object_id, status, CASE status WHEN 5 THEN 0 WHEN 9 THEN 4101 ELSE 4100 END,
       at, 
       LEAST(:now::timestamptz, at + CASE status WHEN 15 THEN interval '1 day' ELSE (r % 30000) * interval '1 ms' END)
FROM bench_part WHERE status > 0 ORDER BY id;

-- name: write_attempts :exec
-- What was tried: once, and one in a hundred twice.
INSERT INTO attempt (message_id, number, started_at, ended_at, outcome, code, error, request_id, detail)
SELECT id, number, at, at + interval '40 ms', CASE WHEN number < tries THEN 'slowed' ELSE 'accepted' END,
       CASE WHEN number < tries THEN 429 ELSE 200 END, 0, lpad(to_hex(id), 32, '0'), ''
FROM (SELECT *, 1 + (r % 100 = 1)::integer AS tries FROM bench_part WHERE status > 0) AS tried
CROSS JOIN LATERAL generate_series(1, tries) AS number ORDER BY id, number;

-- name: write_failovers :exec
-- The way over to an SMS.
WITH f AS (
    INSERT INTO failover (message_id, at, status, error)
    SELECT id, at + interval '1 hour', 15, 4101 FROM bench_part WHERE by_sms AND status > 0
),
r AS (
    INSERT INTO sms_receipt (message_id, part, route_id, received_at, done_at, status, error, detail)
    SELECT id, 0, 1, at + interval '61 min', at + interval '61 min', 5, 0, 'DELIVRD' FROM bench_part WHERE by_sms AND status > 0
)
INSERT INTO sms_end (message_id, route_id, sender, parts, price, currency, mcc_mnc, line_status, line_error, account_id,
                     sent_at, ended_at)
SELECT id, 1, 'Shop', 1, 0.05, 'EUR', '440' || 10 + r % 3, 15, 4101, account_id, at,
       LEAST(:now::timestamptz, at + (r % 30000) * interval '1 ms')
FROM bench_part WHERE by_sms AND status > 0;

-- name: write_tries :exec
-- Reports that were taken, and those of the second endpoint of each account, which takes none.
WITH told AS (
    SELECT part.*, endpoint.failures > 0 AS is_dead
    FROM bench_part AS part JOIN endpoint ON endpoint.id = part.endpoint_id
    WHERE part.status > 0 AND part.at > :now::timestamptz - interval '400 days'
),
p AS (
    INSERT INTO push (message_id, endpoint_id, due_at, tries, retry_at, given_up_at)
    SELECT id, endpoint_id, at, 8, :now + (r % 3600) * interval '1 s',
           CASE WHEN at < :now - interval '2 days' THEN at + interval '41 hours' END
    FROM told WHERE is_dead AND at > :now - interval '30 days'
)
INSERT INTO push_try (message_id, number, endpoint_id, tried_at, code, detail)
SELECT id, 0, endpoint_id, at + interval '1 minute', CASE WHEN is_dead THEN 503 ELSE 200 END,
       CASE WHEN is_dead THEN 'answered 503' ELSE '' END
FROM told ORDER BY id;

-- name: write_queue :exec
-- What LINE was given and has not told of, up to message `last` of its bulk.
INSERT INTO queue (id, sender_id, object_id, account_id, endpoint_id, step, due_at, deadline_at, sent_at, home, attempt,
                   destination)
SELECT id, sender_id, object_id, account_id, endpoint_id, 'sent', at + interval '24 hours', at + interval '48 hours', at,
       'due_bulk', 1, destination
FROM bench_part WHERE status = 0 AND n <= :last::integer ORDER BY id;

-- name: write_late :exec
-- Events that came too late.
INSERT INTO late_event (message_id, attempt, happened_at, received_at)
SELECT id, 1, at + interval '2 days', at + interval '2 days' FROM bench_part WHERE status = 15 AND r % 10 = 0;
