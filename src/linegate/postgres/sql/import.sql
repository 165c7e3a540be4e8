-- Imports: a bulk that comes in chunks is not open until its last line has come.

-- name: begin_import :exec
-- A bulk that nobody releases of yet.
WITH new_bulk AS (
    INSERT INTO bulk (id, account_id, client_id, accepted_at, messages, last_id)
    VALUES (:bulk_id, :account_id, :client_id, :now, 0, :bulk_id)
)
INSERT INTO bulk_run (bulk_id, account_id, last_id, status, messages, send_at, pace_amount, pace_unit, free_at, changed_at)
VALUES (:bulk_id, :account_id, :bulk_id, 'importing', 0, :send_at, :pace_amount, :pace_unit, :send_at, :now);

-- name: import_object :exec
-- A message object of an import: content and options, once for all its destinations.
INSERT INTO message_object (id, bulk_id, account_id, sender_id, templated, line_message, entity_id, application_id,
                            campaign, callback_data, validity, delivery_window, sms_failover, intermediate,
                            template_version, personal, key_id, counted)
VALUES (:id, :bulk_id, :account_id, :sender_id, :templated, :line_message, :entity_id, :application_id, :campaign,
        :callback_data, :validity, :delivery_window::text::jsonb, :sms_failover::text::jsonb, :intermediate,
        NULLIF(:template_version::bigint, 0), :personal, :key_id, :counted);

-- name: import_messages :exec
-- A chunk of destinations; each waits in its track.
INSERT INTO message (id, object_id, destination, client_id, track_id, placeholders)
SELECT id, :object_id, destination, client_id, track_id, placeholders::jsonb
FROM unnest(:ids::bigint[], :destinations::text[], :client_ids::text[], :track_ids::bigint[], :placeholders::text[])
  AS asked (id, destination, client_id, track_id, placeholders);

-- name: import_tracks :exec
-- The tracks of a chunk, new or longer than before. What cannot be sent to has a track with its end.
INSERT INTO track (id, bulk_id, object_id, account_id, sender_id, endpoint_id, home, validity, days, opens, closes, zone,
                   position, last_id, remaining, end_status, end_error)
SELECT id, :bulk_id, :object_id, :account_id, :sender_id, NULLIF(:endpoint_id::bigint, 0), 'due_bulk', :validity,
       :days::text::smallint[], :opens, :closes, zone, :bulk_id, last_id, messages, end_status, end_error
FROM unnest(:ids::bigint[], :zones::text[], :last_ids::bigint[], :counts::integer[], :end_statuses::smallint[],
            :end_errors::smallint[])
  AS part (id, zone, last_id, messages, end_status, end_error)
ON CONFLICT (id) DO UPDATE SET last_id = excluded.last_id, remaining = track.remaining + excluded.remaining;

-- name: touch_import :exec
-- The import goes on; nothing is touched if it was given up meanwhile.
UPDATE bulk_run SET changed_at = :now, messages = messages + :messages, last_id = GREATEST(last_id, :last_id)
WHERE bulk_id = :bulk_id AND status = 'importing';

-- name: open_import :many
-- The last line has come: the bulk goes as any other.
WITH opened AS (
    UPDATE bulk_run
    SET status = 'processing', send_at = GREATEST(send_at, :now), free_at = GREATEST(send_at, :now), next_at = :now,
        changed_at = :now
    WHERE bulk_id = :bulk_id AND status = 'importing'
    RETURNING bulk_id, messages, last_id
)
UPDATE bulk SET messages = opened.messages, last_id = opened.last_id
FROM opened WHERE bulk.id = opened.bulk_id
RETURNING bulk.messages, (SELECT pg_notify('linegate_shape', '')) IS NULL AS told;

-- name: fail_import :exec
-- Nothing of it will be sent. Its bulkId is free again.
WITH failed AS (
    UPDATE bulk_run SET status = 'failed', reason = :reason, changed_at = :now
    WHERE bulk_id = :bulk_id AND status = 'importing'
    RETURNING bulk_id
)
DELETE FROM client_id USING failed WHERE client_id.id = failed.bulk_id AND client_id.kind = 'bulk';

-- name: abandoned_imports :many
-- Imports that stopped coming.
SELECT bulk_id FROM bulk_run
WHERE finished_at IS NULL AND status = 'importing' AND changed_at <= :before
ORDER BY bulk_id LIMIT :limit;

-- name: failed_imports :many
-- Imports whose messages are still to be removed.
SELECT bulk_id, last_id FROM bulk_run
WHERE finished_at IS NULL AND status = 'failed'
ORDER BY bulk_id LIMIT :limit;

-- name: remove_messages :many
-- A chunk of messages of a failed import goes, with the ids that the client chose.
WITH removed AS (
    DELETE FROM message
    WHERE id = ANY (ARRAY(SELECT message.id FROM track JOIN message ON message.track_id = track.id
                           AND message.id > :bulk_id AND message.id <= :last_id
                          WHERE track.bulk_id = :bulk_id LIMIT :limit))
    RETURNING id, object_id
),
fewer AS (  -- they were counted as accepted
    INSERT INTO tally (object_id, status, messages) SELECT object_id, 0, -count(*) FROM removed GROUP BY 1
),
freed AS (
    DELETE FROM client_id WHERE id IN (SELECT id FROM removed) AND kind = 'message'
)
SELECT id FROM removed;

-- name: remove_import :exec
-- The rest of a failed import goes, once its messages have been added up; its row stays and tells why.
WITH tracks AS (
    DELETE FROM track WHERE bulk_id = :bulk_id AND NOT EXISTS (
        SELECT FROM tally JOIN track ON track.object_id = tally.object_id WHERE track.bulk_id = :bulk_id)
    RETURNING object_id
),
objects AS (
    DELETE FROM message_object WHERE id IN (SELECT object_id FROM tracks)
)
UPDATE bulk_run SET finished_at = :now
WHERE bulk_id = :bulk_id AND NOT EXISTS (
    SELECT FROM tally JOIN track ON track.object_id = tally.object_id WHERE track.bulk_id = :bulk_id);
