-- Stage 1, accept: a request becomes rows. One statement and one commit for many requests.

-- name: claim_client_ids :many
-- Take the ids that clients chose; what does not come back was taken before.
INSERT INTO client_id (account_id, kind, name, id)
SELECT account_id, :kind::client_id_kind, name, id
FROM unnest(:account_ids::bigint[], :names::text[], :ids::bigint[]) AS asked (account_id, name, id)
ON CONFLICT DO NOTHING
RETURNING id;

-- name: insert_accepted :exec
-- Write bulks, message objects, messages, what is due now, and the final rows of what was rejected.
-- A message names its object by position in the object arrays, which costs no join; NULLs would make
-- those look-ups linear, so endpoint 0 means none. Rejected messages have a status.
WITH asked AS MATERIALIZED (
    SELECT *
    FROM unnest(:ids::bigint[], :object_positions::integer[], :destinations::text[],
                :client_ids::text[], :statuses::smallint[], :errors::smallint[], :track_ids::bigint[],
                :placeholders::text[])
      AS asked (id, k, destination, client_id, status, error, track_id, placeholders)
),
new_bulk AS (
    INSERT INTO bulk (id, account_id, client_id, accepted_at, messages, last_id)
    SELECT id, account_id, client_id, :now, messages, last_id
    FROM unnest(:bulk_ids::bigint[], :bulk_accounts::bigint[], :bulk_client_ids::text[], :bulk_messages::integer[],
                :bulk_last_ids::bigint[])
      AS b (id, account_id, client_id, messages, last_id)
),
new_object AS (
    INSERT INTO message_object (id, bulk_id, account_id, sender_id, templated, line_message, entity_id, application_id,
                                campaign, callback_data, validity, delivery_window, sms_failover, intermediate,
                                template_version, personal, key_id, counted, trace)
    SELECT o.id, o.bulk_id, o.account_id, o.sender_id, o.templated, o.line_message, o.entity_id, o.application_id,
           o.campaign, o.callback_data, o.validity, o.delivery_window::jsonb, o.sms_failover::jsonb, o.intermediate,
           NULLIF(o.template_version, 0), o.personal, o.key_id, o.counted, o.trace
    FROM unnest(:object_ids::bigint[], :object_bulks::bigint[], :object_accounts::bigint[], :object_senders::bigint[],
                :object_templated::boolean[], :object_messages::text[], :object_entities::text[],
                :object_applications::text[], :object_campaigns::text[], :object_callbacks::text[],
                :object_validities::interval[], :object_windows::text[], :object_failovers::text[],
                :object_intermediates::boolean[], :object_templates::bigint[], :object_personals::boolean[],
                :object_keys::bigint[], :object_counted::boolean[], :object_traces::bytea[])
      AS o (id, bulk_id, account_id, sender_id, templated, line_message, entity_id, application_id, campaign,
            callback_data, validity, delivery_window, sms_failover, intermediate, template_version, personal,
            key_id, counted, trace)
),
new_message AS (
    INSERT INTO message (id, object_id, destination, client_id, track_id, placeholders)
    SELECT id, (:object_ids::bigint[])[k], destination, client_id, track_id, placeholders::jsonb FROM asked
),
new_due AS (
    INSERT INTO queue (id, sender_id, object_id, account_id, endpoint_id, step, due_at, deadline_at, home, destination,
                       fails_over)
    SELECT id, (:object_senders::bigint[])[k], (:object_ids::bigint[])[k], (:object_accounts::bigint[])[k],
           NULLIF((:object_endpoints::bigint[])[k], 0),
           (:object_homes::step[])[k],
           :now, :now + (:object_validities::interval[])[k], (:object_homes::step[])[k], destination,
           (:object_fails_over::boolean[])[k]
    FROM asked WHERE status IS NULL AND track_id IS NULL
),
new_final AS (
    INSERT INTO final (message_id, account_id, object_id, status, error, sent_at, done_at)
    SELECT id, (:object_accounts::bigint[])[k], (:object_ids::bigint[])[k], status, error, :now, :now
    FROM asked WHERE status IS NOT NULL
),
new_push AS (
    INSERT INTO push (message_id, endpoint_id, due_at)
    SELECT id, (:object_endpoints::bigint[])[k], :now
    FROM asked WHERE status IS NOT NULL AND (:object_endpoints::bigint[])[k] > 0
)
SELECT pg_notify('linegate_due', '');

-- name: insert_runs :exec
-- How bulks that wait will go.
INSERT INTO bulk_run (bulk_id, account_id, last_id, status, messages, send_at, pace_amount, pace_unit, free_at, next_at,
                      changed_at)
SELECT bulk_id, account_id, last_id, 'processing', messages, send_at, pace_amount, pace_unit, send_at, :now, :now
FROM unnest(:bulk_ids::bigint[], :account_ids::bigint[], :last_ids::bigint[], :messages::integer[],
            :send_ats::timestamptz[], :pace_amounts::integer[], :pace_units::interval[])
  AS run (bulk_id, account_id, last_id, messages, send_at, pace_amount, pace_unit);

-- name: insert_tracks :exec
-- The tracks of bulks that wait. Days come as text, since an array of arrays must be even.
INSERT INTO track (id, bulk_id, object_id, account_id, sender_id, endpoint_id, home, validity, days, opens, closes, zone,
                   position, last_id, remaining)
SELECT id, bulk_id, object_id, account_id, sender_id, NULLIF(endpoint_id, 0), home, validity, days::smallint[], opens,
       closes, zone, bulk_id, last_id, remaining
FROM unnest(:ids::bigint[], :bulk_ids::bigint[], :object_ids::bigint[], :account_ids::bigint[], :sender_ids::bigint[],
            :endpoint_ids::bigint[], :homes::step[], :validities::interval[], :days::text[], :opens::smallint[],
            :closes::smallint[], :zones::text[], :last_ids::bigint[], :remainings::integer[])
  AS track (id, bulk_id, object_id, account_id, sender_id, endpoint_id, home, validity, days, opens, closes, zone,
            last_id, remaining);

-- name: tell_shaper :exec
-- There is a bulk to look at.
SELECT pg_notify('linegate_shape', '');
