-- Applications and entities, limits, statistics, the audit log, retention.

-- ------------------------------------------------------------------- applications and entities

-- Parts of an account that clients name in their messages; made by the provisioning API or on first
-- use. The settings of the narrowest part win: entity, application, account.
CREATE TYPE division_kind AS ENUM ('application', 'entity');
CREATE TABLE division (
    account_id       bigint NOT NULL REFERENCES account,
    kind             division_kind NOT NULL,
    id               text NOT NULL,
    name             text,
    default_sender   bigint REFERENCES sender,      -- of messages that name none
    endpoint_id      bigint REFERENCES endpoint,    -- of messages without a report URL of their own
    templates        text CHECK (templates IN ('free', 'required')),  -- NULL: as the sender says
    messages_per_day integer CHECK (messages_per_day >= 0),
    created_at       timestamptz NOT NULL,
    PRIMARY KEY (account_id, kind, id)
);
-- Only these are read with each account's policy.
CREATE INDEX division_settings ON division (account_id)
    WHERE default_sender IS NOT NULL OR endpoint_id IS NOT NULL OR templates IS NOT NULL
       OR messages_per_day IS NOT NULL;

-- --------------------------------------------------------------------------------------- limits

-- NULL: without a limit. A request over one is refused before anything is written.
ALTER TABLE account
    ADD COLUMN default_sender      bigint REFERENCES sender,
    ADD COLUMN requests_per_second integer CHECK (requests_per_second > 0),
    ADD COLUMN messages_per_day    integer CHECK (messages_per_day >= 0),
    ADD COLUMN messages_waiting    bigint CHECK (messages_waiting >= 0),
    ADD COLUMN retention_days      integer CHECK (retention_days > 0);  -- NULL: the installation's
ALTER TABLE api_key
    ADD COLUMN requests_per_second integer CHECK (requests_per_second > 0),
    ADD COLUMN messages_per_day    integer CHECK (messages_per_day >= 0),
    ADD COLUMN messages_waiting    bigint CHECK (messages_waiting >= 0),
    ADD COLUMN counts_as           bigint;  -- the first of a row of rotated keys: they share its counts
CREATE INDEX api_key_limits ON api_key (account_id)
    WHERE requests_per_second IS NOT NULL OR messages_per_day IS NOT NULL OR messages_waiting IS NOT NULL;

-- Whose limit of waiting messages counts; key_id: what the key counts as. counted: `backlog` got them when they were accepted, by the
-- same transaction; otherwise the rollup adds them a second later.
ALTER TABLE message_object
    ADD COLUMN key_id  bigint,
    ADD COLUMN counted boolean NOT NULL DEFAULT false;

-- What was used of a daily limit. API processes take from it in portions and give back what is left.
-- subject: 'account', 'key 17', 'application shop' or 'entity tokyo'.
CREATE TABLE quota_use (
    account_id bigint NOT NULL,
    subject    text NOT NULL,
    day        date NOT NULL,               -- UTC
    used       bigint NOT NULL,
    PRIMARY KEY (account_id, subject, day)
) WITH (fillfactor = 50);

-- ------------------------------------------------------------------------------------ audit log

-- Who changed what of the configuration. Written by triggers, so that no way of changing it can
-- leave no trace. The instant is the database's own: no caller may choose it.
CREATE TABLE audit (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL,
    account_id bigint,                      -- NULL: of the installation
    actor      text NOT NULL,               -- 'key 17', 'user alice', or a program and its user
    action     text NOT NULL CHECK (action IN ('create', 'change', 'delete')),
    kind       text NOT NULL,               -- the table
    subject    text NOT NULL,               -- the row, as its owner names it
    changes    jsonb NOT NULL               -- column -> [before, after]; secrets withheld
);
CREATE INDEX audit_account ON audit (account_id, id);

-- Arguments: the columns that name a row, separated by commas; columns that programs write by
-- themselves; columns that are secret though not sealed.
CREATE FUNCTION record_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    was     jsonb := CASE WHEN TG_OP = 'INSERT' THEN '{}' ELSE to_jsonb(OLD) END;
    became  jsonb := CASE WHEN TG_OP = 'DELETE' THEN '{}' ELSE to_jsonb(NEW) END;
    row_    jsonb := was || became;
    named   text[] := string_to_array(TG_ARGV[0], ',');
    passed  text[] := string_to_array(TG_ARGV[1], ',');
    secret  text[] := string_to_array(TG_ARGV[2], ',');
    differ  jsonb := '{}';
    each    text;
BEGIN
    FOR each IN SELECT jsonb_object_keys(row_) LOOP
        IF was -> each IS NOT DISTINCT FROM became -> each OR each = ANY(passed) THEN CONTINUE; END IF;
        IF COALESCE(was -> each, 'null') = 'null' AND COALESCE(became -> each, 'null') = 'null' THEN CONTINUE; END IF;
        differ := differ || jsonb_build_object(each, CASE
            WHEN each = ANY(secret) THEN '["(withheld)", "(withheld)"]'::jsonb
            ELSE jsonb_build_array(was -> each, became -> each) END);
    END LOOP;
    IF differ <> '{}' THEN
        INSERT INTO audit (at, account_id, actor, action, kind, subject, changes)
        VALUES (clock_timestamp(),
                CASE WHEN TG_TABLE_NAME = 'account' THEN row_ ->> 'id' ELSE row_ ->> 'account_id' END::bigint,
                COALESCE(NULLIF(current_setting('linegate.actor', true), ''), current_setting('application_name')),
                CASE TG_OP WHEN 'INSERT' THEN 'create' WHEN 'DELETE' THEN 'delete' ELSE 'change' END,
                TG_TABLE_NAME,
                (SELECT string_agg(row_ ->> part, ' ' ORDER BY n) FROM unnest(named) WITH ORDINALITY AS u (part, n)),
                differ);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER audited AFTER INSERT OR UPDATE OR DELETE ON account FOR EACH ROW
    EXECUTE FUNCTION record_change('name', 'parked_since,resumed_at', 'webhook_secret');
CREATE TRIGGER audited AFTER INSERT OR UPDATE OR DELETE ON api_key FOR EACH ROW
    EXECUTE FUNCTION record_change('id,name', '', 'digest,hint');
CREATE TRIGGER audited AFTER INSERT OR UPDATE OR DELETE ON api_user FOR EACH ROW
    EXECUTE FUNCTION record_change('name', '', 'password_hash');
CREATE TRIGGER audited AFTER INSERT OR UPDATE OR DELETE ON sender FOR EACH ROW
    EXECUTE FUNCTION record_change('name', 'hold_reason,held_at,hold_until', 'channel_secret,access_token,assertion_key');
CREATE TRIGGER audited AFTER INSERT OR UPDATE OR DELETE ON division FOR EACH ROW
    EXECUTE FUNCTION record_change('kind,id', '', '');
-- An account's own endpoint. Others come and go with the URLs of messages.
CREATE TRIGGER audited AFTER INSERT OR UPDATE ON endpoint FOR EACH ROW WHEN (NEW.is_default)
    EXECUTE FUNCTION record_change('url', 'failures,probe_at,last_error,leased_until,taken_at,turn_at,gone_at', '');
CREATE TRIGGER audited AFTER INSERT OR UPDATE OR DELETE ON sms_route FOR EACH ROW
    EXECUTE FUNCTION record_change('name', 'leased_by,leased_until,is_up,down_since,trouble', 'url,callback_token');
CREATE TRIGGER audited AFTER INSERT OR UPDATE OR DELETE ON template FOR EACH ROW
    EXECUTE FUNCTION record_change('name,language', '', '');
-- What a template says, and who approved or rejected it. The text itself is not written down again.
CREATE FUNCTION record_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit (at, account_id, actor, action, kind, subject, changes)
    SELECT clock_timestamp(), account_id,
           COALESCE(NULLIF(current_setting('linegate.actor', true), ''), current_setting('application_name')),
           CASE TG_OP WHEN 'INSERT' THEN 'create' ELSE 'change' END, TG_TABLE_NAME,
           concat_ws(' ', name, NULLIF(language, ''), 'version ' || NEW.number),
           jsonb_build_object('status', jsonb_build_array(CASE TG_OP WHEN 'UPDATE' THEN OLD.status END, NEW.status),
                              'reason', jsonb_build_array(CASE TG_OP WHEN 'UPDATE' THEN OLD.reason END, NEW.reason))
    FROM template WHERE id = NEW.template_id;
    RETURN NULL;
END $$;
CREATE TRIGGER audited AFTER INSERT OR UPDATE ON template_version FOR EACH ROW EXECUTE FUNCTION record_version();
CREATE TRIGGER audited AFTER INSERT OR UPDATE OR DELETE ON webhook_security FOR EACH ROW
    EXECUTE FUNCTION record_change('auth_id', '', 'credentials');
CREATE TRIGGER audited AFTER INSERT OR UPDATE OR DELETE ON webhook_certificate FOR EACH ROW
    EXECUTE FUNCTION record_change('certificate_id', '', 'pem');
CREATE TRIGGER audited AFTER INSERT OR UPDATE OR DELETE ON webhook_profile FOR EACH ROW
    EXECUTE FUNCTION record_change('profile_id', '', 'settings');
CREATE TRIGGER audited AFTER INSERT OR UPDATE OR DELETE ON subscription FOR EACH ROW
    EXECUTE FUNCTION record_change('subscription_id', '', '');
-- A blocked number is personal: the log says that one was blocked, not which.
CREATE TRIGGER audited AFTER INSERT OR DELETE ON blocklist FOR EACH ROW
    EXECUTE FUNCTION record_change('account_id', '', 'destination');

-- ----------------------------------------------------------------------------------- statistics

-- What has been accepted and what has ended since it was last added up: one row for each message
-- object and statement. The rollup (report/rollup.py) moves rows into the sums below, each exactly
-- once. Triggers write it, so that no way of accepting or ending a message can go uncounted.
CREATE TABLE tally (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    object_id bigint NOT NULL,
    status    smallint NOT NULL,           -- 0: accepted
    ended_on  date,                        -- UTC+9, as LINE counts
    messages  integer NOT NULL,
    by_sms    integer NOT NULL DEFAULT 0,  -- of those with this status, ended in their SMS leg
    currency  text NOT NULL DEFAULT '',
    cost      numeric NOT NULL DEFAULT 0   -- of the SMS; LINE's is worked out when it is added up
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_cost_delay = 0);

CREATE FUNCTION tally_accepted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tally (object_id, status, messages)
    SELECT object_id, 0, count(*) FROM new_rows GROUP BY object_id;
    RETURN NULL;
END $$;
CREATE TRIGGER tallied AFTER INSERT ON message REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION tally_accepted();

CREATE FUNCTION tally_ended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tally (object_id, status, ended_on, messages)
    SELECT object_id, status, ((done_at + interval '9 hours') AT TIME ZONE 'UTC')::date, count(*)
    FROM new_rows GROUP BY 1, 2, 3;
    RETURN NULL;
END $$;
CREATE TRIGGER tallied AFTER INSERT ON final REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION tally_ended();

-- What a message's SMS leg cost, and that it was not LINE that delivered it. The final row is
-- written by the same statement.
CREATE FUNCTION tally_sms() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tally (object_id, status, ended_on, messages, by_sms, currency, cost)
    SELECT final.object_id, final.status, ((final.done_at + interval '9 hours') AT TIME ZONE 'UTC')::date, 0,
           count(*), COALESCE(new_rows.currency, ''), COALESCE(sum(new_rows.price), 0)
    FROM new_rows JOIN final USING (message_id) GROUP BY 1, 2, 3, new_rows.currency;
    RETURN NULL;
END $$;
CREATE TRIGGER tallied AFTER INSERT ON sms_end REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION tally_sms();

-- The sums. day: on which messages were accepted (UTC). '' stands for none.
CREATE TABLE statistic (
    account_id     bigint NOT NULL,
    day            date NOT NULL,
    sender_id      bigint NOT NULL,
    application_id text NOT NULL,
    entity_id      text NOT NULL,
    campaign       text NOT NULL,
    status         smallint NOT NULL,      -- 0: accepted
    currency       text NOT NULL,
    messages       bigint NOT NULL,
    by_sms         bigint NOT NULL,        -- ended in their SMS leg
    cost           numeric NOT NULL,       -- LINE's at the prices of when they were added up
    PRIMARY KEY (account_id, day, sender_id, application_id, entity_id, campaign, status, currency)
) WITH (fillfactor = 70);

-- How the messages of bulks ended that are too large to be counted when somebody looks.
CREATE TABLE bulk_fate (
    bulk_id  bigint NOT NULL,
    status   smallint NOT NULL,
    messages bigint NOT NULL,
    PRIMARY KEY (bulk_id, status)
) WITH (fillfactor = 50);

-- How many messages of an account and of each of its keys have not ended. Where one of the two has a
-- limit, what is accepted is in it at once and what has ended leaves it when it is added up, so that
-- the limit is never passed; else both are as of the instant in `rollup`.
CREATE TABLE backlog (
    account_id bigint NOT NULL,
    key_id     bigint NOT NULL,           -- 0: the whole account
    waiting    bigint NOT NULL,
    PRIMARY KEY (account_id, key_id)
) WITH (fillfactor = 50);
CREATE TABLE rollup (
    id    smallint PRIMARY KEY CHECK (id = 1),
    as_of timestamptz NOT NULL             -- everything that was committed before it is in the sums
) WITH (fillfactor = 50);

-- Whose event ended a message, to tell a second delivery from an event that LINE repeats.
ALTER TABLE final ADD COLUMN heard_attempt smallint;

-- Delivered messages by day as LINE counts them (UTC+9), ours and LINE's.
CREATE TABLE line_count (
    sender_id  bigint NOT NULL REFERENCES sender,
    templated  boolean NOT NULL,           -- which of LINE's two kinds
    day        date NOT NULL,
    delivered  bigint NOT NULL,            -- by events of LINE that ended messages
    late       bigint NOT NULL DEFAULT 0,  -- by events that ended nothing: too late, or of a second attempt
    line_says  bigint,                     -- NULL: LINE has not counted yet
    asked_at   timestamptz,                -- the last time LINE was asked
    PRIMARY KEY (sender_id, templated, day)
) WITH (fillfactor = 50);

-- ----------------------------------------------------------------------------------- suspension

-- A suspended account sends nothing and loses nothing: what is due is parked (`held`), and when the
-- account goes on, it gets back the validity that the suspension took. parked_since: what is parked
-- was parked from then on; resumed_at: the end of the suspension, while things are still parked.
ALTER TABLE account
    ADD COLUMN parked_since timestamptz,
    ADD COLUMN resumed_at   timestamptz;
CREATE INDEX queue_parked ON queue (account_id, id) WHERE step = 'held';
ALTER TABLE sms_leg ADD COLUMN parked_deadline timestamptz;  -- parked: its deadline; due never
CREATE INDEX sms_leg_parked ON sms_leg (account_id, id) WHERE parked_deadline IS NOT NULL;
