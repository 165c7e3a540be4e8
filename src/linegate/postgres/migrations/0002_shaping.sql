-- When and how fast messages go: bulks that wait, their tracks, and what steers them.
--
-- A message that waits has no time of its own: its bulk carries the time and the pace, its track the
-- position. So pausing, resuming, cancelling or rescheduling a million messages is one update here;
-- the shaper does the rest, in chunks.

CREATE TYPE run_status AS ENUM ('importing', 'processing', 'paused', 'cancelled', 'failed');

-- How a bulk goes. Bulks that are due when accepted have a row only once somebody steers them.
CREATE TABLE bulk_run (
    bulk_id     bigint PRIMARY KEY,
    account_id  bigint NOT NULL,
    last_id     bigint NOT NULL,             -- of its messages
    status      run_status NOT NULL,
    messages    integer NOT NULL,            -- destinations, rejected ones included
    send_at     timestamptz NOT NULL,
    pace_amount integer,                     -- messages per unit; NULL: as fast as LINE takes them
    pace_unit   interval,
    free_at     timestamptz NOT NULL,        -- the next slot of the pace
    paused_at   timestamptz,                 -- since when its validity stands still
    repace      boolean NOT NULL DEFAULT false, -- what is due does not know yet whether it takes turns
    next_at     timestamptz,                 -- when the shaper looks at it; NULL: when somebody wakes it
    changed_at  timestamptz NOT NULL,        -- an import that stops changing is abandoned
    reason      text,                        -- why it failed
    -- Counted in the background, since counting a million takes longer than an answer may.
    counted_at  timestamptz,
    due         integer NOT NULL DEFAULT 0,
    sending     integer NOT NULL DEFAULT 0,
    handed_over integer NOT NULL DEFAULT 0,
    finished_at timestamptz                  -- when nothing of it was waiting or unfinished any more
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);
CREATE INDEX bulk_run_next ON bulk_run (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX bulk_run_account ON bulk_run (account_id, bulk_id);
CREATE INDEX bulk_run_open ON bulk_run (send_at) WHERE finished_at IS NULL;

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
    position    bigint NOT NULL,             -- the last message that was released; the bulk's id: none yet
    last_id     bigint NOT NULL,
    remaining   integer NOT NULL,
    eligible_at timestamptz,                 -- when its messages could first have gone: validity starts
    end_status  smallint,                    -- destinations of an import that cannot be sent to: how they end,
    end_error   smallint                     -- once it is open
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);
CREATE INDEX track_bulk ON track (bulk_id);

CREATE INDEX message_track ON message (track_id, id) WHERE track_id IS NOT NULL;

-- Message objects that LINE refuses as they are, whoever they go to: nothing of them is tried until
-- somebody resumes the bulk, and their validity stands still.
CREATE TABLE object_hold (
    object_id bigint PRIMARY KEY,
    bulk_id   bigint NOT NULL,
    sender_id bigint NOT NULL,
    reason    text NOT NULL,                 -- LINE's words
    held_at   timestamptz NOT NULL
);
CREATE INDEX object_hold_bulk ON object_hold (bulk_id);

-- Where a message waits that goes back: parked if its bulk or its content was stopped meanwhile, else
-- for a turn or at once, as its bulk goes now.
CREATE FUNCTION step_back(object bigint, home step) RETURNS step LANGUAGE sql STABLE
RETURN COALESCE(
    (SELECT 'held'::step FROM object_hold WHERE object_hold.object_id = object),
    (SELECT CASE
                WHEN run.status IN ('paused', 'cancelled') THEN 'held'::step
                WHEN run.pace_amount IS NOT NULL THEN 'turn'::step
                WHEN home = 'turn' THEN 'due_bulk'::step
            END
     FROM message_object JOIN bulk_run AS run USING (bulk_id)
     WHERE message_object.id = object),
    home);

-- The time that all processes share: the database's clock and `ahead`, which takes in what that clock
-- jumps (postgres/clock.py).
CREATE TABLE installation_time (
    ahead   interval NOT NULL,
    told_at timestamptz                      -- when a process looked last, by this time
);
INSERT INTO installation_time (ahead) VALUES ('0');
