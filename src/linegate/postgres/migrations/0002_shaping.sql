-- When and how fast messages go: bulks that wait, their tracks, and what steers them.
--
-- A message that waits has no time of its own: its bulk carries the time and the pace, its track the
-- position. So pausing, resuming, cancelling or rescheduling a million messages is one update here;
-- the shaper does the rest, in chunks.

CREATE TYPE run_status AS ENUM ('importing', 'processing', 'paused', 'cancelled');

-- How a bulk goes. Bulks that are due when accepted have a row only once somebody steers them.
CREATE TABLE bulk_run (
    bulk_id     bigint PRIMARY KEY,
    account_id  bigint NOT NULL,
    last_id     bigint NOT NULL,             -- of its messages
    status      run_status NOT NULL,
    send_at     timestamptz NOT NULL,
    pace_amount integer,                     -- messages per unit; NULL: as fast as LINE takes them
    pace_unit   interval,
    free_at     timestamptz NOT NULL,        -- the next slot of the pace
    paused_at   timestamptz,
    shift       interval NOT NULL DEFAULT '0', -- pauses that validity has not been given back yet
    next_at     timestamptz,                 -- when the shaper looks at it; NULL: when somebody wakes it
    changed_at  timestamptz NOT NULL         -- an import that stops changing is abandoned
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);
CREATE INDEX bulk_run_next ON bulk_run (next_at) WHERE next_at IS NOT NULL;

-- The messages of one message object in one time zone, in order of their ids.
CREATE TABLE track (
    id          bigint PRIMARY KEY,
    bulk_id     bigint NOT NULL,
    object_id   bigint NOT NULL,
    account_id  bigint NOT NULL,
    sender_id   bigint NOT NULL,
    endpoint_id bigint,
    home        step NOT NULL,
    validity    interval NOT NULL,
    days        smallint[],                  -- ISO weekdays the window opens on; NULL: no window
    opens       smallint,                    -- minutes after midnight; NULL: the whole day
    closes      smallint,
    zone        text NOT NULL DEFAULT 'UTC', -- IANA name
    position    bigint NOT NULL,             -- the last message that was released
    last_id     bigint NOT NULL,
    remaining   integer NOT NULL,
    eligible_at timestamptz                  -- when its messages could first have gone: validity starts
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);
CREATE INDEX track_bulk ON track (bulk_id);

CREATE INDEX message_track ON message (track_id, id) WHERE track_id IS NOT NULL;
