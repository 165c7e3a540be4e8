-- The console: who logs in to it and sees what, and the counts by minute that its overview draws.

-- An operator sees every account and may change all of them; others see their own.
ALTER TABLE api_user ADD COLUMN is_operator boolean NOT NULL DEFAULT false;

-- 'console': a browser that is logged in; 'link': an address that logs a browser in, once.
ALTER TABLE auth_token DROP CONSTRAINT auth_token_kind_check;
ALTER TABLE auth_token ADD CONSTRAINT auth_token_kind_check
    CHECK (kind IN ('session', 'oauth', 'console', 'link'));

-- ------------------------------------------------------------------------------------- the pulse

-- How many messages ended, by minute, and how long LINE's event took. A trigger writes a row for each
-- statement and kind of end; report/pulse.py adds them up, each exactly once, so that no page counts messages.
CREATE TABLE pulse_fresh (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id bigint NOT NULL,
    minute     timestamptz NOT NULL,
    status     smallint NOT NULL,
    bucket     smallint NOT NULL,           -- which span of domain/pulse.py; 0: not delivered; -1: the SMS leg
    messages   integer NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_cost_delay = 0);

-- The bounds are those of domain/pulse.py, in seconds; a test holds both together.
CREATE FUNCTION note_pulse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO pulse_fresh (account_id, minute, status, bucket, messages)
    SELECT account_id, date_trunc('minute', done_at), status,
           CASE WHEN status = 5 THEN width_bucket(extract(epoch FROM done_at - sent_at)::float8,
                ARRAY[0, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 21600]::float8[]) ELSE 0 END,
           count(*)
    FROM new_rows GROUP BY 1, 2, 3, 4;
    RETURN NULL;
END $$;
CREATE TRIGGER pulsed AFTER INSERT ON final REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION note_pulse();

-- Which of them their SMS leg ended; they are counted above too.
CREATE FUNCTION note_failover() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO pulse_fresh (account_id, minute, status, bucket, messages)
    SELECT final.account_id, date_trunc('minute', final.done_at), final.status, -1, count(*)
    FROM new_rows JOIN final ON final.message_id = new_rows.message_id
    GROUP BY 1, 2, 3;
    RETURN NULL;
END $$;
CREATE TRIGGER pulsed AFTER INSERT ON sms_end REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION note_failover();

-- grain: minutes that one row stands for. Each grain is kept as long as a chart shows it.
CREATE TABLE pulse (
    grain      smallint NOT NULL,
    account_id bigint NOT NULL,
    at         timestamptz NOT NULL,        -- the beginning
    status     smallint NOT NULL,
    bucket     smallint NOT NULL,
    messages   bigint NOT NULL,
    PRIMARY KEY (grain, account_id, at, status, bucket)
) WITH (fillfactor = 70);

-- The lists behind the overview's figures: what ended in a span, by status or by its SMS leg.
CREATE INDEX final_ended ON final (account_id, status, done_at DESC, message_id DESC);
ALTER TABLE sms_end ADD ended_at timestamptz;
CREATE INDEX sms_end_ended ON sms_end (account_id, ended_at DESC, message_id DESC);

-- How many messages a sender was allowed to hand over since it was made: its rate is read from two looks.
ALTER TABLE sender_pace ADD COLUMN granted bigint NOT NULL DEFAULT 0;
