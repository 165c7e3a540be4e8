-- The log: what became of messages, read any number of times. Each query is one way in; report/logbook.py
-- takes the one that touches the fewest rows, so that no plan depends on statistics.
--
-- Those with :first_id and :end_id name the days that they read: they are planned anew each time (pool.named_days),
-- for these days alone. The others are planned once, for all days.
--
-- The object of a message is looked up by LATERAL ... OFFSET 0: with a year of partitions the planner finds a join
-- by key so dear that it reads every object once for each row instead.

-- name: late_days :many
-- Days of which something ended later than :prompt days after, on :since or later (UTC+9): by the day of the message
-- object (UTC), with the day of the newest message. What is not added up yet may be another account's.
SELECT day, last_day FROM late_day WHERE account_id = ANY(:account_ids::bigint[]) AND ended_on >= :since::date
UNION
SELECT fresh.day, fresh.day
FROM (SELECT date '2020-01-01' + ((object_id >> 22) / 86400000)::integer AS day, ended_on
      FROM tally WHERE status > 0) AS fresh
WHERE fresh.ended_on >= :since AND fresh.ended_on - fresh.day > :prompt::integer;

-- name: sums_of_part :many
-- Of each account: how many messages of a part of it were accepted in some days; how many of these ended with some
-- statuses, or so in their SMS leg; and how many of the whole account did. Each is one more while something of the
-- days, whosever it is, is not added up yet. is_all: these are all its sums, fewer than :most.
SELECT mine.account_id, COALESCE(known.accepted, 0) + fresh.accepted AS accepted,
       COALESCE(known.ended, 0) + fresh.ended AS ended, COALESCE(known.around, 0) + fresh.ended AS around,
       known.sums < :most AS is_all
FROM (SELECT EXISTS (SELECT 1 FROM tally
                     WHERE object_id >= :first_id AND object_id < :end_id AND status = 0)::integer AS accepted,
             EXISTS (SELECT 1 FROM tally
                     WHERE object_id >= :first_id AND object_id < :end_id
                       AND status = ANY(:statuses::smallint[]))::integer AS ended) AS fresh
CROSS JOIN unnest(:account_ids::bigint[]) AS mine (account_id)
CROSS JOIN LATERAL (
    SELECT sum(messages) FILTER (WHERE status = 0 AND is_asked)::bigint AS accepted,
           sum(of_leg) FILTER (WHERE status > 0 AND is_asked)::bigint AS ended,
           sum(of_leg) FILTER (WHERE status > 0)::bigint AS around, count(*) AS sums
    FROM (SELECT status, messages, CASE WHEN :by_sms::boolean THEN by_sms ELSE messages END AS of_leg,
                 (:sender_id::bigint IS NULL OR sender_id = :sender_id)
                 AND (:entity_id::text IS NULL OR entity_id = :entity_id)
                 AND (:application_id::text IS NULL OR application_id = :application_id)
                 AND (:campaigns::text[] IS NULL OR campaign = ANY(:campaigns)) AS is_asked
          FROM statistic
          WHERE statistic.account_id = mine.account_id AND day >= :first_day::date AND day < :end_day::date
            AND (status = 0 OR status = ANY(:statuses))
          LIMIT :most::bigint) AS sum
) AS known;

-- name: log_horizons :many
-- The instant behind which lie more than :most of an account's ended messages of some status; without a row: nowhere.
SELECT mine.account_id, max(last.at) AS at
FROM unnest(:account_ids::bigint[]) AS mine (account_id)
CROSS JOIN (SELECT DISTINCT known.status
            FROM (SELECT status FROM ended_total UNION ALL SELECT status FROM pulse_fresh) AS known
            WHERE known.status = ANY(:statuses::smallint[])) AS wanted
CROSS JOIN LATERAL (
    SELECT stood.at FROM final
    CROSS JOIN LATERAL (SELECT CASE WHEN :by_end::boolean THEN final.done_at ELSE final.sent_at END AS at) AS stood
    WHERE final.account_id = mine.account_id AND final.status = wanted.status
      AND final.message_id >= :first_id AND final.message_id < :end_id
      AND stood.at >= :since AND stood.at <= :until
      AND (stood.at, final.message_id) < (:before_at::timestamptz, :before_id::bigint)
    ORDER BY stood.at DESC, final.message_id DESC
    OFFSET :most LIMIT 1
) AS last
GROUP BY mine.account_id;

-- name: log_accounts :many
-- The newest ended messages of some accounts, of each since an instant of its own: for each status that ever ended one
-- a range of an index, newest first.
SELECT newest.id, newest.at
FROM unnest(:account_ids::bigint[], :sinces::timestamptz[]) AS mine (account_id, since)
CROSS JOIN (SELECT DISTINCT known.status
            FROM (SELECT status FROM ended_total UNION ALL SELECT status FROM pulse_fresh) AS known
            WHERE known.status = ANY(:statuses::smallint[])) AS wanted
CROSS JOIN LATERAL (
    SELECT final.message_id AS id, stood.at
    FROM final
    CROSS JOIN LATERAL (SELECT CASE WHEN :by_end::boolean THEN final.done_at ELSE final.sent_at END AS at) AS stood
    CROSS JOIN LATERAL (SELECT * FROM message_object
                        WHERE message_object.id = final.object_id
                          AND message_object.id >= :first_id AND message_object.id < :end_id OFFSET 0) AS object
    WHERE final.account_id = mine.account_id AND final.status = wanted.status
      AND final.message_id >= :first_id AND final.message_id < :end_id
      AND stood.at >= mine.since AND stood.at <= :until
      AND (stood.at, final.message_id) < (:before_at::timestamptz, :before_id::bigint)
      AND (:bulk_ids::bigint[] IS NULL OR object.bulk_id = ANY(:bulk_ids))
      AND (:sender_id::bigint IS NULL OR object.sender_id = :sender_id)
      AND (:entity_id::text IS NULL OR object.entity_id = :entity_id)
      AND (:application_id::text IS NULL OR object.application_id = :application_id)
      AND (:campaigns::text[] IS NULL OR object.campaign = ANY(:campaigns))
    ORDER BY stood.at DESC, final.message_id DESC
    LIMIT :limit
) AS newest
ORDER BY newest.at DESC, newest.id DESC
LIMIT :limit;

-- name: part_bulks :many
-- The bulks of a part of some accounts: of a campaign, an entity, an application or a sender, or of several at once.
SELECT DISTINCT found.bulk_id AS id
FROM (SELECT bulk_id FROM message_object
      WHERE account_id = ANY(:account_ids::bigint[]) AND id >= :first_id AND id < :end_id
        AND (:sender_id::bigint IS NULL OR sender_id = :sender_id)
        AND (:entity_id::text IS NULL OR entity_id = :entity_id)
        AND (:application_id::text IS NULL OR application_id = :application_id)
        AND (:campaigns::text[] IS NULL OR campaign = ANY(:campaigns))
      LIMIT :limit) AS found;

-- name: newest_bulks :many
-- The newest bulks of a part of each account: those of so many of its newest message objects, until they have :messages
-- together, and none of more than :large (which is no less). rest_before: the oldest object of these, if there may be
-- older ones. One campaign is asked for by itself, so that its index gives the objects in their order.
SELECT mine.account_id, array_agg(DISTINCT newest.bulk_id) FILTER (WHERE newest.is_wanted) AS bulk_ids,
       CASE WHEN count(*) = mine.most OR NOT bool_and(newest.is_wanted)
            THEN COALESCE(min(newest.id) FILTER (WHERE newest.is_wanted), max(newest.id)) END AS rest_before
FROM unnest(:account_ids::bigint[], :mosts::integer[]) AS mine (account_id, most)
CROSS JOIN LATERAL (
    SELECT object.id, object.bulk_id,
           COALESCE(bulk.messages, 0) <= :large::bigint
           AND sum(COALESCE(bulk.messages, 0)) OVER (ORDER BY object.id DESC) - COALESCE(bulk.messages, 0)
               < :messages::bigint AS is_wanted
    FROM (SELECT id, bulk_id FROM message_object
          WHERE message_object.account_id = mine.account_id AND id >= :first_id AND id < :end_id
            AND (:sender_id::bigint IS NULL OR sender_id = :sender_id)
            AND (:entity_id::text IS NULL OR entity_id = :entity_id)
            AND (:application_id::text IS NULL OR application_id = :application_id)
            AND (:campaign::text IS NULL OR campaign = :campaign)
            AND (:campaigns::text[] IS NULL OR campaign = ANY(:campaigns))
          ORDER BY id DESC LIMIT mine.most) AS object
    LEFT JOIN LATERAL (SELECT messages FROM bulk
                       WHERE bulk.id = object.bulk_id AND bulk.id >= :first_id AND bulk.id < :end_id OFFSET 0) AS bulk ON true
) AS newest
GROUP BY mine.account_id, mine.most;

-- name: log_bulks :many
-- The newest ended messages of some bulks: their messages are a range of ids. Objects are looked at once for each
-- bulk and not for each message. OFFSET keeps the other conditions out of the range scans, and their order is that of
-- the key: else the planner might prefer an index that has the id behind other columns. Those that ended by SMS are
-- found by what is told of their SMS.
SELECT final.message_id AS id, stood.at
FROM unnest(:bulk_ids::bigint[]) AS wanted (id)
CROSS JOIN LATERAL (SELECT * FROM bulk
                    WHERE bulk.id = wanted.id AND bulk.account_id = ANY(:account_ids::bigint[])
                      AND bulk.id >= :first_id AND bulk.id < :end_id OFFSET 0) AS bulk
CROSS JOIN LATERAL (
    SELECT array_agg(object.id) AS ids
    FROM (SELECT * FROM message_object AS object
          WHERE object.id > bulk.id AND object.id <= bulk.last_id AND object.id >= :first_id AND object.id < :end_id
          ORDER BY object.id OFFSET 0) AS object
    WHERE object.bulk_id = bulk.id
      AND (:sender_id::bigint IS NULL OR object.sender_id = :sender_id)
      AND (:entity_id::text IS NULL OR object.entity_id = :entity_id)
      AND (:application_id::text IS NULL OR object.application_id = :application_id)
      AND (:campaigns::text[] IS NULL OR object.campaign = ANY(:campaigns))
) AS object
CROSS JOIN LATERAL (
    (SELECT message_id, object_id, status, sent_at, done_at FROM final
     WHERE NOT :by_sms::boolean AND final.message_id > bulk.id AND final.message_id <= bulk.last_id
       AND final.message_id >= :first_id AND final.message_id < :end_id
     ORDER BY final.message_id OFFSET 0)
    UNION ALL
    (SELECT final.message_id, final.object_id, final.status, final.sent_at, final.done_at
     FROM (SELECT message_id FROM sms_end
           WHERE :by_sms AND sms_end.message_id > bulk.id AND sms_end.message_id <= bulk.last_id
             AND sms_end.message_id >= :first_id AND sms_end.message_id < :end_id
             AND (:network::text IS NULL OR sms_end.mcc_mnc LIKE :network)
           ORDER BY sms_end.message_id OFFSET 0) AS told
     CROSS JOIN LATERAL (SELECT * FROM final
                         WHERE final.message_id = told.message_id
                           AND final.message_id >= :first_id AND final.message_id < :end_id OFFSET 0) AS final)
) AS final
CROSS JOIN LATERAL (SELECT CASE WHEN :by_end::boolean THEN final.done_at ELSE final.sent_at END AS at) AS stood
WHERE final.object_id = ANY(object.ids) AND final.status = ANY(:statuses::smallint[])
  AND stood.at >= :since AND stood.at <= :until
  AND (stood.at, final.message_id) < (:before_at::timestamptz, :before_id::bigint)
ORDER BY stood.at DESC, final.message_id DESC
LIMIT :limit;

-- name: log_by_sms :many
-- The newest messages of some accounts that their SMS leg ended, by their end.
SELECT newest.id, newest.at
FROM unnest(:account_ids::bigint[]) AS mine (account_id)
CROSS JOIN LATERAL (
    SELECT told.message_id AS id, told.ended_at AS at
    FROM sms_end AS told
    CROSS JOIN LATERAL (SELECT * FROM final
                        WHERE final.message_id = told.message_id
                          AND final.message_id >= :first_id AND final.message_id < :end_id OFFSET 0) AS final
    CROSS JOIN LATERAL (SELECT * FROM message_object
                        WHERE message_object.id = final.object_id
                          AND message_object.id >= :first_id AND message_object.id < :end_id OFFSET 0) AS object
    WHERE told.account_id = mine.account_id AND final.status = ANY(:statuses::smallint[])
      AND told.message_id >= :first_id AND told.message_id < :end_id
      AND told.ended_at >= :since AND told.ended_at <= :until
      AND (told.ended_at, told.message_id) < (:before_at::timestamptz, :before_id::bigint)
      AND (:sender_id::bigint IS NULL OR object.sender_id = :sender_id)
      AND (:entity_id::text IS NULL OR object.entity_id = :entity_id)
      AND (:application_id::text IS NULL OR object.application_id = :application_id)
      AND (:campaigns::text[] IS NULL OR object.campaign = ANY(:campaigns))
    ORDER BY told.ended_at DESC, told.message_id DESC
    LIMIT :limit
) AS newest
ORDER BY newest.at DESC, newest.id DESC
LIMIT :limit;

-- name: log_messages :many
-- Messages by id or by number, ended or not. One of the two arrays is empty. A number may have thousands: of those that
-- ended no more is read than how, unless more is asked.
WITH named AS MATERIALIZED (
    SELECT id, object_id FROM message WHERE id = ANY(:message_ids::bigint[])
    UNION ALL
    SELECT id, object_id FROM message WHERE destination = ANY(:destinations::text[])
),
known AS MATERIALIZED (
    SELECT named.id, named.object_id, final.account_id, final.status, final.sent_at
    FROM named
    LEFT JOIN LATERAL (SELECT * FROM final WHERE final.message_id = named.id OFFSET 0) AS final ON true
),
placed AS (
    SELECT id, object_id, status, sent_at AS at, true AS has_ended
    FROM known WHERE account_id = ANY(:account_ids::bigint[])
    UNION ALL
    SELECT known.id, known.object_id,
           CASE WHEN COALESCE(queue.sent_at, sms_leg.due_at) IS NULL THEN 26 ELSE 7 END,
           COALESCE(queue.sent_at, bulk.accepted_at), false
    FROM known
    CROSS JOIN LATERAL (SELECT * FROM message_object WHERE message_object.id = known.object_id OFFSET 0) AS object
    CROSS JOIN LATERAL (SELECT * FROM bulk WHERE bulk.id = object.bulk_id OFFSET 0) AS bulk
    LEFT JOIN queue ON queue.id = known.id
    LEFT JOIN sms_leg ON sms_leg.id = known.id
    WHERE known.account_id IS NULL AND object.account_id = ANY(:account_ids)
)
SELECT placed.id, placed.at
FROM placed
WHERE placed.status = ANY(:statuses::smallint[])
  AND (placed.at >= :since OR (:with_old_unfinished AND NOT placed.has_ended)) AND placed.at <= :until
  AND (placed.at, placed.id) < (:before_at::timestamptz, :before_id::bigint)
  AND (:destination::text IS NULL OR (SELECT m.destination FROM message AS m WHERE m.id = placed.id) = :destination)
  AND (NOT :names_objects::boolean
       OR EXISTS (SELECT 1 FROM message_object AS object
                  WHERE object.id = placed.object_id
                    AND (:bulk_ids::bigint[] IS NULL OR object.bulk_id = ANY(:bulk_ids))
                    AND (:sender_id::bigint IS NULL OR object.sender_id = :sender_id)
                    AND (:entity_id::text IS NULL OR object.entity_id = :entity_id)
                    AND (:application_id::text IS NULL OR object.application_id = :application_id)
                    AND (:campaigns::text[] IS NULL OR object.campaign = ANY(:campaigns))))
  AND (:network::text IS NULL
       OR EXISTS (SELECT 1 FROM sms_end WHERE sms_end.message_id = placed.id AND sms_end.mcc_mnc LIKE :network))
ORDER BY placed.at DESC, placed.id DESC
LIMIT :limit;

-- name: log_network :many
-- The newest messages of some accounts that ended by SMS in a network, or in one of a country's.
SELECT told.message_id AS id, told.sent_at AS at
FROM sms_end AS told
CROSS JOIN LATERAL (SELECT * FROM final WHERE final.message_id = told.message_id OFFSET 0) AS final
CROSS JOIN LATERAL (SELECT * FROM message_object WHERE message_object.id = final.object_id OFFSET 0) AS object
WHERE told.account_id = ANY(:account_ids::bigint[]) AND told.mcc_mnc IS NOT NULL
  AND told.mcc_mnc COLLATE "C" >= :from_network AND told.mcc_mnc COLLATE "C" < :to_network
  AND told.mcc_mnc LIKE :network AND final.status = ANY(:statuses::smallint[])
  AND told.sent_at >= :since AND told.sent_at <= :until
  AND (told.sent_at, told.message_id) < (:before_at::timestamptz, :before_id::bigint)
  AND (:sender_id::bigint IS NULL OR object.sender_id = :sender_id)
  AND (:entity_id::text IS NULL OR object.entity_id = :entity_id)
  AND (:application_id::text IS NULL OR object.application_id = :application_id)
  AND (:campaigns::text[] IS NULL OR object.campaign = ANY(:campaigns))
ORDER BY told.sent_at DESC, told.message_id DESC
LIMIT :limit;

-- name: open_bulks :many
-- The newest bulks of some accounts that may have messages waiting, at most :limit of each, and where their ids lie.
SELECT open.id, open.last_id
FROM unnest(:account_ids::bigint[]) AS mine (account_id)
CROSS JOIN LATERAL (SELECT bulk_id AS id, last_id FROM bulk_run
                    WHERE bulk_run.account_id = mine.account_id AND finished_at IS NULL
                      AND status NOT IN ('importing', 'failed')
                    ORDER BY bulk_id DESC LIMIT :limit) AS open;

-- name: unfinished_objects :many
-- The message objects of a part of some accounts that have messages in the queues, in ranges of ids whose ends are not
-- in them, or waiting in some bulks. At most :most messages of a range are looked at, each object once.
SELECT object.id
FROM (SELECT at_line.object_id
      FROM unnest(:after_ids::bigint[], :before_ids::bigint[]) AS range (after_id, before_id)
      CROSS JOIN LATERAL (SELECT object_id, account_id FROM queue
                          WHERE queue.id > range.after_id AND queue.id < range.before_id
                          ORDER BY queue.id DESC LIMIT :most) AS at_line
      WHERE at_line.account_id = ANY(:account_ids::bigint[])
      UNION
      SELECT by_sms.object_id
      FROM unnest(:after_ids, :before_ids) AS range (after_id, before_id)
      CROSS JOIN LATERAL (SELECT object_id, account_id FROM sms_leg
                          WHERE sms_leg.id > range.after_id AND sms_leg.id < range.before_id
                          ORDER BY sms_leg.id DESC LIMIT :most) AS by_sms
      WHERE by_sms.account_id = ANY(:account_ids::bigint[])
      UNION
      SELECT track.object_id FROM track
      WHERE track.bulk_id = ANY(:bulk_ids::bigint[]) AND track.account_id = ANY(:account_ids::bigint[]) AND track.remaining > 0) AS busy
CROSS JOIN LATERAL (SELECT * FROM message_object WHERE message_object.id = busy.object_id OFFSET 0) AS object
WHERE (:sender_id::bigint IS NULL OR object.sender_id = :sender_id)
  AND (:entity_id::text IS NULL OR object.entity_id = :entity_id)
  AND (:application_id::text IS NULL OR object.application_id = :application_id)
  AND (:campaigns::text[] IS NULL OR object.campaign = ANY(:campaigns));

-- name: log_at_line :many
-- The newest messages in the queues, in ranges of ids whose ends are not in them; of some objects, or of any (NULL).
-- The newest id comes first, so that the keys serve in their order and each arm stops at its :limit; at most :most
-- are looked at.
SELECT message.id
FROM unnest(:after_ids::bigint[], :before_ids::bigint[]) AS range (after_id, before_id)
CROSS JOIN LATERAL (
    (SELECT at_line.id
     FROM (SELECT * FROM queue WHERE queue.id > range.after_id AND queue.id < range.before_id
           ORDER BY queue.id DESC LIMIT :most) AS at_line
     WHERE at_line.account_id = ANY(:account_ids::bigint[])
       AND CASE WHEN at_line.sent_at IS NULL THEN 26 ELSE 7 END = ANY(:statuses::smallint[])
       AND (:object_ids::bigint[] IS NULL OR at_line.object_id = ANY(:object_ids))
     ORDER BY at_line.id DESC LIMIT :limit)
    UNION ALL
    (SELECT by_sms.id
     FROM (SELECT * FROM sms_leg WHERE sms_leg.id > range.after_id AND sms_leg.id < range.before_id
           ORDER BY sms_leg.id DESC LIMIT :most) AS by_sms
     WHERE by_sms.account_id = ANY(:account_ids::bigint[]) AND 7 = ANY(:statuses)
       AND (:object_ids IS NULL OR by_sms.object_id = ANY(:object_ids))
     ORDER BY by_sms.id DESC LIMIT :limit)
) AS message
ORDER BY message.id DESC
LIMIT :limit;

-- name: log_waiting :many
-- The newest messages that wait in some bulks, between two ids; of some objects, or of any (NULL).
SELECT waiting.id
FROM track
JOIN bulk_run AS run ON run.bulk_id = track.bulk_id AND run.status NOT IN ('importing', 'failed')
CROSS JOIN LATERAL (SELECT message.id FROM message
                    WHERE message.track_id = track.id AND message.id > track.position AND message.id <= track.last_id
                      AND message.id > :after_id AND message.id < :before_id
                    ORDER BY message.id DESC LIMIT :limit) AS waiting
WHERE track.bulk_id = ANY(:bulk_ids::bigint[]) AND track.account_id = ANY(:account_ids::bigint[]) AND track.remaining > 0
  AND track.end_status IS NULL AND (:object_ids::bigint[] IS NULL OR track.object_id = ANY(:object_ids))
ORDER BY waiting.id DESC
LIMIT :limit;

-- name: bulk_ranges :many
-- Where the ids of bulks lie, how many messages they have, and since when nothing of them is unfinished, if that is known.
SELECT bulk.id, bulk.last_id, bulk.messages, run.finished_at, bulk.account_id
FROM bulk LEFT JOIN bulk_run AS run ON run.bulk_id = bulk.id
WHERE bulk.id = ANY(:bulk_ids::bigint[]) AND bulk.account_id = ANY(:account_ids::bigint[]);

-- name: logged_queue :many
-- Messages that are due for LINE or with it. This and the next tell what the log shows of messages, table by table:
-- joined, each of a thousand would be looked up by its id and by the whole list. The list stands at each table, so that
-- only its days are planned. What waits is read before what has ended, so that nothing that ends meanwhile is missed.
SELECT id, sent_at FROM queue WHERE id = ANY(:ids::bigint[]);

-- name: logged_sms_legs :many
-- Messages in their SMS leg; sent_at: to LINE.
SELECT id, sent_at FROM sms_leg WHERE id = ANY(:ids::bigint[]);

-- name: logged_finals :many
-- How messages ended.
SELECT message_id AS id, status, error, sent_at, done_at FROM final WHERE message_id = ANY(:ids::bigint[]);

-- name: logged_sms_ends :many
-- What is told of those that ended in their SMS leg.
SELECT message_id AS id, sender, price, currency, parts, mcc_mnc FROM sms_end WHERE message_id = ANY(:ids::bigint[]);

-- name: logged_messages :many
-- The messages themselves.
SELECT id, object_id, destination, client_id, placeholders FROM message WHERE id = ANY(:ids::bigint[]);

-- name: logged_objects :many
-- What message objects say, with the price of their senders.
SELECT object.id, object.bulk_id, object.callback_data, object.entity_id, object.application_id, object.campaign,
       sender.name AS sender, sender.price, sender.currency
FROM message_object AS object JOIN sender ON sender.id = object.sender_id
WHERE object.id = ANY(:ids::bigint[]);

-- name: logged_bulks :many
-- What bulks are called, and when they were accepted.
SELECT id, client_id, accepted_at FROM bulk WHERE id = ANY(:ids::bigint[]);

-- name: load_contents :many
-- The content of message objects, as it goes to LINE.
SELECT id, templated, line_message FROM message_object WHERE id = ANY(:ids::bigint[]);

-- name: find_client_ids :many
-- The messages or bulks behind ids that the client chose.
SELECT name, id FROM client_id
WHERE account_id = ANY(:account_ids::bigint[]) AND kind = :kind::client_id_kind AND name = ANY(:names::text[]);

-- name: find_own_sender :one
-- A sender of some accounts by its name, and whose it is.
SELECT id, account_id FROM sender WHERE name = :name AND account_id = ANY(:account_ids::bigint[]);

-- name: owns_message :value
-- Whether a message is this account's.
SELECT true FROM message JOIN message_object AS object ON object.id = message.object_id
WHERE message.id = :id AND object.account_id = :account_id;

-- name: message_marks :one
-- When a message left its bulk and when its report was pulled. One that waited for nothing is released when it is
-- accepted, unless it ended there.
SELECT CASE WHEN message.track_id IS NOT NULL
            THEN (SELECT chunk.released_at FROM track_release AS chunk
                  WHERE chunk.track_id = message.track_id AND chunk.last_id >= message.id
                  ORDER BY chunk.last_id LIMIT 1)
            WHEN final.done_at IS NULL OR final.done_at > bulk.accepted_at THEN bulk.accepted_at
       END AS released_at, final.pulled_at
FROM message
JOIN message_object AS object ON object.id = message.object_id
JOIN bulk ON bulk.id = object.bulk_id
LEFT JOIN final ON final.message_id = message.id
WHERE message.id = :id;

-- name: message_failover :one
-- When its SMS leg began, and how its LINE leg had ended.
SELECT at, status, error FROM failover WHERE message_id = :id;

-- name: message_attempts :many
-- What was tried with a message.
SELECT attempt.number, attempt.started_at, attempt.ended_at, attempt.outcome, attempt.code, attempt.error,
       attempt.request_id, attempt.detail, sms_route.name AS route, attempt.sms_parts
FROM attempt LEFT JOIN sms_route ON sms_route.id = attempt.route_id
WHERE attempt.message_id = :id ORDER BY attempt.number;

-- name: message_receipts :many
-- What SMS providers told of it.
SELECT receipt.received_at, receipt.done_at, receipt.status, receipt.error, receipt.detail, sms_route.name AS route,
       receipt.part
FROM sms_receipt AS receipt LEFT JOIN sms_route ON sms_route.id = receipt.route_id
WHERE receipt.message_id = :id ORDER BY receipt.received_at, receipt.part;

-- name: message_late_events :many
-- LINE's events that came after a message had ended.
SELECT attempt, happened_at, received_at FROM late_event WHERE message_id = :id ORDER BY received_at;

-- name: message_tries :many
-- How its reports were pushed.
SELECT push_try.number, push_try.tried_at, push_try.code, push_try.detail, endpoint.url
FROM push_try JOIN endpoint ON endpoint.id = push_try.endpoint_id
WHERE push_try.message_id = :id ORDER BY push_try.tried_at;

-- name: message_pushes :many
-- Its reports that were not taken yet.
SELECT push.number, push.tries, push.due_at, push.retry_at, push.given_up_at, endpoint.url
FROM push JOIN endpoint ON endpoint.id = push.endpoint_id
WHERE push.message_id = :id ORDER BY push.number;
