-- Requests that are traced, and their messages that have still to be told of.

-- NULL unless the request is traced: trace (16 bytes), span of the request (8), last message told of (8).
ALTER TABLE message_object ADD trace bytea;

-- One row for each traced message, from its acceptance until its spans have been taken.
CREATE TABLE untold (
    message_id bigint PRIMARY KEY,
    trace      bytea NOT NULL,               -- as in message_object
    look_at    timestamptz NOT NULL          -- when to see whether it has ended; while it is told: the lease's end
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000);
CREATE INDEX untold_look ON untold (look_at);
