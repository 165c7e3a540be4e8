-- Forgetting: what is old enough, and persons who ask for it.

-- name: day_is_needed :value
-- Whether messages with ids of a range have not ended, or ended too lately, or wait to be reported.
SELECT EXISTS (SELECT 1 FROM queue WHERE id >= :first_id AND id < :end_id)
    OR EXISTS (SELECT 1 FROM sms_leg WHERE id >= :first_id AND id < :end_id)
    OR EXISTS (SELECT 1 FROM track WHERE id >= :first_id AND id < :end_id AND remaining > 0)
    OR EXISTS (SELECT 1 FROM bulk_run WHERE bulk_id >= :first_id AND bulk_id < :end_id AND status = 'importing')
    OR EXISTS (SELECT 1 FROM push WHERE message_id >= :first_id AND message_id < :end_id AND given_up_at IS NULL)
    OR EXISTS (SELECT 1 FROM final WHERE message_id >= :first_id AND message_id < :end_id AND done_at > :ended_before);

-- name: forget_leftovers :value
-- A chunk of what dropped days left in the tables that have no partitions; gives how many rows.
WITH names AS (
    DELETE FROM client_id
    WHERE ctid = ANY (ARRAY(SELECT ctid FROM client_id WHERE id < :before_id ORDER BY id LIMIT :limit)) RETURNING 1
),
runs AS (
    DELETE FROM bulk_run
    WHERE bulk_id = ANY (ARRAY(SELECT bulk_id FROM bulk_run WHERE bulk_id < :before_id LIMIT :limit)) RETURNING 1
),
tracks AS (
    DELETE FROM track
    WHERE id = ANY (ARRAY(SELECT id FROM track WHERE id < :before_id LIMIT :limit)) RETURNING 1
),
holds AS (
    DELETE FROM object_hold
    WHERE object_id = ANY (ARRAY(SELECT object_id FROM object_hold WHERE object_id < :before_id LIMIT :limit)) RETURNING 1
),
parts AS (
    DELETE FROM sms_part
    WHERE message_id = ANY (ARRAY(SELECT message_id FROM sms_part WHERE message_id < :before_id LIMIT :limit)) RETURNING 1
),
fates AS (
    DELETE FROM bulk_fate
    WHERE bulk_id = ANY (ARRAY(SELECT bulk_id FROM bulk_fate WHERE bulk_id < :before_id LIMIT :limit)) RETURNING 1
),
pushes AS (
    DELETE FROM push
    WHERE message_id = ANY (ARRAY(SELECT message_id FROM push WHERE message_id < :before_id LIMIT :limit)) RETURNING 1
)
SELECT (SELECT count(*) FROM names) + (SELECT count(*) FROM runs) + (SELECT count(*) FROM tracks)
     + (SELECT count(*) FROM holds) + (SELECT count(*) FROM parts) + (SELECT count(*) FROM fates)
     + (SELECT count(*) FROM pushes);

-- name: short_retentions :many
-- Accounts that keep messages for less long than the installation.
SELECT id, retention_days FROM account WHERE retention_days < :days ORDER BY id;

-- name: ended_messages :many
-- Messages of an account (of all, without one) that ended long enough ago and owe no report.
SELECT message_id FROM final
WHERE message_id > :after AND message_id < :end_id AND done_at <= :ended_before
  AND (:account_id::bigint IS NULL OR account_id = :account_id)
  AND NOT EXISTS (SELECT 1 FROM push WHERE push.message_id = final.message_id AND given_up_at IS NULL)
ORDER BY message_id LIMIT :limit;

-- name: purge_messages :exec
-- Remove every row of these messages, unfinished ones included.
WITH queued AS (DELETE FROM queue WHERE id = ANY(:ids::bigint[])),
legs AS (DELETE FROM sms_leg WHERE id = ANY(:ids)),
parts AS (DELETE FROM sms_part WHERE message_id = ANY(:ids)),
receipts AS (DELETE FROM sms_receipt WHERE message_id = ANY(:ids)),
ends AS (DELETE FROM sms_end WHERE message_id = ANY(:ids)),
failovers AS (DELETE FROM failover WHERE message_id = ANY(:ids)),
pushes AS (DELETE FROM push WHERE message_id = ANY(:ids)),
tries AS (DELETE FROM push_try WHERE message_id = ANY(:ids) RETURNING endpoint_id, post_id),
-- What an endpoint answered may repeat what it was told.
answers AS (
    UPDATE push_post SET answer = '' FROM tries
    WHERE push_post.endpoint_id = tries.endpoint_id AND push_post.id = tries.post_id AND push_post.answer <> ''
),
attempts AS (DELETE FROM attempt WHERE message_id = ANY(:ids)),
events AS (DELETE FROM late_event WHERE message_id = ANY(:ids)),
names AS (DELETE FROM client_id WHERE id = ANY(:ids) AND kind = 'message'),
finals AS (DELETE FROM final WHERE message_id = ANY(:ids))
DELETE FROM message WHERE id = ANY(:ids);

-- name: purge_contents :exec
-- Remove bulks and message objects of a range of ids that have no message any more.
WITH empty AS (
    SELECT bulk.id, bulk.last_id FROM bulk
    WHERE bulk.id >= :first_id AND bulk.id < :end_id
      AND (:account_id::bigint IS NULL OR bulk.account_id = :account_id)
      AND NOT EXISTS (SELECT 1 FROM message WHERE message.id > bulk.id AND message.id <= bulk.last_id
                      AND message.object_id IN (SELECT id FROM message_object AS object
                                                WHERE object.bulk_id = bulk.id AND object.id > bulk.id
                                                  AND object.id <= bulk.last_id))
      AND NOT EXISTS (SELECT 1 FROM bulk_run WHERE bulk_run.bulk_id = bulk.id AND bulk_run.status = 'importing')
),
objects AS (
    DELETE FROM message_object USING empty
    WHERE message_object.bulk_id = empty.id AND message_object.id > empty.id AND message_object.id <= empty.last_id
),
names AS (
    DELETE FROM client_id USING empty WHERE client_id.id = empty.id AND client_id.kind = 'bulk'
),
runs AS (
    DELETE FROM bulk_run USING empty WHERE bulk_run.bulk_id = empty.id
),
fates AS (
    DELETE FROM bulk_fate USING empty WHERE bulk_fate.bulk_id = empty.id
),
tracks AS (
    DELETE FROM track USING empty WHERE track.bulk_id = empty.id
)
DELETE FROM bulk USING empty WHERE bulk.id = empty.id;

-- name: messages_to :many
-- Messages to a destination, of one account or of all, oldest first.
SELECT message.id, object.account_id, object.bulk_id, message.track_id
FROM message JOIN message_object AS object ON object.id = message.object_id
WHERE message.destination = :destination AND message.id > :after
  AND (:account_id::bigint IS NULL OR object.account_id = :account_id)
ORDER BY message.id LIMIT :limit;

-- name: lock_runs :exec
-- Keep the shaper from releasing of these bulks until the transaction ends.
SELECT 1 FROM bulk_run WHERE bulk_id = ANY(:bulk_ids::bigint[]) ORDER BY bulk_id FOR UPDATE;

-- name: end_unfinished :exec
-- Messages that have not ended do now: they are counted as cancelled, and nothing is reported.
WITH queued AS (
    DELETE FROM queue WHERE id = ANY(:ids::bigint[]) RETURNING id, account_id, object_id
),
legs AS (
    DELETE FROM sms_leg WHERE id = ANY(:ids) RETURNING id, account_id, object_id
),
waiting AS (
    SELECT message.id, track.account_id, track.object_id, track.id AS track_id
    FROM message JOIN track ON track.id = message.track_id AND message.id > track.position
    WHERE message.id = ANY(:ids) AND NOT EXISTS (SELECT 1 FROM final WHERE final.message_id = message.id)
),
fewer AS (
    UPDATE track SET remaining = track.remaining - less.messages
    FROM (SELECT track_id, count(*) AS messages FROM waiting GROUP BY track_id) AS less
    WHERE track.id = less.track_id
)
INSERT INTO final (message_id, account_id, object_id, status, error, sent_at, done_at)
SELECT id, account_id, object_id, :status::smallint, :error::smallint, :now::timestamptz, :now
FROM (SELECT * FROM queued UNION SELECT * FROM legs UNION SELECT id, account_id, object_id FROM waiting) AS ended
ON CONFLICT DO NOTHING;

-- name: forget_early_receipts :exec
-- Early SMS receipts of a destination.
DELETE FROM sms_early WHERE destination = :destination;

-- name: forget_sums :exec
-- Counts of days long past; the figures themselves hold no person.
WITH used AS (DELETE FROM quota_use WHERE day < :before::date),
late AS (DELETE FROM late_day WHERE ended_on < :before)
DELETE FROM statistic WHERE day < :before::date;
