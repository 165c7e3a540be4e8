-- SMS failover: routes, the SMS leg of messages that LINE did not reach, receipts.
--
-- A message is in `queue` for its LINE leg, then in `sms_leg`, then in `final`, and never goes back:
-- who looks in this order, with a statement each, finds it whatever happens meanwhile.

ALTER TABLE queue ADD fails_over boolean NOT NULL DEFAULT false;  -- its object has an SMS for it
-- Due messages that an SMS could take over, for senders whose channel is broken.
CREATE INDEX queue_failover ON queue (sender_id, id)
    WHERE fails_over AND step IN ('due_alone', 'due_paced', 'due_bulk', 'turn');

-- Numbers go on from LINE's, so that one list of attempts is the time line of both legs.
ALTER TABLE attempt
    ADD route_id bigint,       -- of an SMS attempt; NULL: LINE's
    ADD sms_parts smallint;

CREATE TABLE sms_route (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id     bigint NOT NULL REFERENCES account,
    name           text NOT NULL,
    kind           text NOT NULL CHECK (kind IN ('smpp', 'smpps', 'infobip', 'twilio')),
    url            bytea NOT NULL,                  -- sealed: it holds user and password
    shown          text NOT NULL,                   -- what of the URL may be seen
    prefixes       text[] NOT NULL DEFAULT '{}',    -- of destinations it serves; empty: all
    senders        text[] NOT NULL DEFAULT '{}',    -- SMS senders it serves; empty: all
    default_sender text,
    priority       smallint NOT NULL DEFAULT 0,     -- the lower goes first
    enabled        boolean NOT NULL DEFAULT true,
    callback_token text NOT NULL UNIQUE,            -- names it in the provider's calls; hard to guess
    leased_by      bigint,                          -- the process that holds its connection
    leased_until   timestamptz,
    is_up          boolean,                         -- NULL: nobody has tried yet
    down_since     timestamptz,
    trouble        text NOT NULL DEFAULT '',
    created_at     timestamptz NOT NULL,
    UNIQUE (account_id, name)
) WITH (fillfactor = 50);

-- Routes that were removed lately: who was writing an SMS leg meanwhile may still name one of them.
CREATE TABLE sms_route_gone (
    id      bigint PRIMARY KEY,
    gone_at timestamptz NOT NULL
);

CREATE TYPE sms_step AS ENUM ('due', 'sending', 'sent');

CREATE TABLE sms_leg (
    id          bigint PRIMARY KEY,          -- the message
    account_id  bigint NOT NULL,
    sender_id   bigint NOT NULL,             -- the LINE sender: its events still count
    object_id   bigint NOT NULL,
    endpoint_id bigint,
    route_id    bigint,                      -- NULL: no route takes it now
    step        sms_step NOT NULL,
    due_at      timestamptz NOT NULL,        -- due: may go; sending: lease ends; sent: patience ends
    deadline_at timestamptz NOT NULL,        -- the SMS's own validity ends
    sent_at     timestamptz,                 -- handed over
    attempt     smallint NOT NULL,
    unknowns    smallint NOT NULL DEFAULT 0, -- submits that were never answered
    failures    smallint NOT NULL DEFAULT 0,
    parts       smallint NOT NULL DEFAULT 1,
    line_status smallint NOT NULL,           -- how the LINE leg ended
    line_error  smallint NOT NULL,
    destination text NOT NULL,
    sms_sender  text                         -- as asked for; NULL: the route's own
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0.2);
CREATE INDEX sms_leg_due ON sms_leg (route_id, due_at) WHERE step = 'due';
CREATE INDEX sms_leg_deadline ON sms_leg (deadline_at) WHERE step = 'due';
CREATE INDEX sms_leg_timer ON sms_leg (due_at) WHERE step IN ('sending', 'sent');

-- The provider's ids of what was handed over and has not ended. The key is the id in lower case
-- without leading zeros; providers use ids again, so it is no primary key. Parts without a last
-- receipt outlive their message for two days, so that what comes late finds its time line.
CREATE TABLE sms_part (
    message_id  bigint NOT NULL,
    number      smallint NOT NULL,
    route_id    bigint NOT NULL,
    key         text NOT NULL,
    destination text NOT NULL,
    status      smallint,                    -- of its newest receipt
    error       smallint,
    ended_at    timestamptz,                 -- when its message ended without a last receipt of it
    PRIMARY KEY (message_id, number)
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000);
CREATE INDEX sms_part_key ON sms_part (route_id, key);
CREATE INDEX sms_part_ended ON sms_part (ended_at) WHERE ended_at IS NOT NULL;

-- Receipts that met no part yet: they came before the answer that tells the id, or are not ours.
CREATE TABLE sms_early (
    id          bigint NOT NULL,             -- the same for all keys of one receipt
    route_id    bigint NOT NULL,
    key         text NOT NULL,
    destination text NOT NULL,               -- '' where the receipt names none
    receipt     text NOT NULL,               -- JSON
    received_at timestamptz NOT NULL
);
CREATE SEQUENCE sms_early_id;
CREATE INDEX sms_early_key ON sms_early (route_id, key);
CREATE INDEX sms_early_age ON sms_early (received_at);

-- Every receipt that met its message, for the time line.
CREATE TABLE sms_receipt (
    message_id  bigint NOT NULL,
    part        smallint NOT NULL,           -- which part; 0: the whole SMS
    route_id    bigint NOT NULL,
    received_at timestamptz NOT NULL,
    done_at     timestamptz,                 -- as the provider says
    status      smallint NOT NULL,
    error       smallint NOT NULL,
    detail      text NOT NULL
) PARTITION BY RANGE (message_id);
CREATE INDEX sms_receipt_message ON sms_receipt (message_id);

-- What reports tell of messages whose SMS leg ended them.
CREATE TABLE sms_end (
    message_id  bigint PRIMARY KEY,
    route_id    bigint,
    sender      text NOT NULL,
    parts       smallint NOT NULL,
    price       numeric(12, 6),              -- of the message, as the provider says
    currency    text,
    mcc_mnc     text,
    line_status smallint NOT NULL,           -- how the LINE leg had ended
    line_error  smallint NOT NULL
) PARTITION BY RANGE (message_id);

-- Whether a sender's events reach us. One that hands over and hears nothing is deaf: its secret or its
-- webhook URL is wrong, and silence says nothing about its messages.
CREATE TABLE sender_ear (
    sender_id     bigint PRIMARY KEY REFERENCES sender,
    unheard       integer NOT NULL DEFAULT 0,  -- hand-overs since the last event
    unheard_since timestamptz,                 -- the first of them
    deaf_at       timestamptz                  -- since when it counts as deaf
) WITH (fillfactor = 50);

-- The best route for one SMS: up before down, then the longest prefix, then the lowest priority number.
CREATE FUNCTION best_sms_route(account bigint, destination text, sender text) RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT route.id
    FROM sms_route AS route
    CROSS JOIN LATERAL (
        SELECT max(length(prefix)) AS longest FROM unnest(route.prefixes) AS prefix WHERE starts_with(destination, prefix)
    ) AS matching
    WHERE route.account_id = account AND route.enabled
      AND (route.prefixes = '{}' OR matching.longest IS NOT NULL)
      AND (route.senders = '{}' OR COALESCE(sender, route.default_sender) = ANY(route.senders))
      AND COALESCE(sender, route.default_sender) IS NOT NULL
    ORDER BY route.is_up IS NOT DISTINCT FROM false, COALESCE(matching.longest, 0) DESC, route.priority, route.id
    LIMIT 1
$$;
