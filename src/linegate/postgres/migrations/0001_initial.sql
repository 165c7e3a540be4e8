-- The whole first schema: who may send, what was accepted, what is unfinished, what has ended.
--
-- Ids of bulks, message objects and messages are time-ordered numbers made by domain/ids.py
-- (milliseconds, process, counter, lane). The tables that grow by one row a message are append-only
-- and partitioned by day on that id, so that retention is a dropped partition; `queue` alone is
-- narrow and churns: it holds what is released and unfinished, and nothing else.
-- A state is where a message's rows are: waiting = behind its bulk's position (no queue row yet);
-- due, sending, sent = its queue row and what that row waits for; done = its row in `final`.

CREATE TABLE installation (
    name  text PRIMARY KEY,
    value text NOT NULL
);

-- Each process takes the next number at start; domain/ids.py puts its last 8 bits into every id.
CREATE SEQUENCE process_number;

-- ---------------------------------------------------------------------------------------- who

CREATE TABLE account (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name         text NOT NULL UNIQUE,
    webhook_secret bytea NOT NULL,         -- sealed; signs every delivery report (Standard Webhooks)
    suspended_at timestamptz,
    created_at   timestamptz NOT NULL
);

CREATE TABLE api_key (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id  bigint NOT NULL REFERENCES account,
    name        text NOT NULL DEFAULT '',
    digest      bytea NOT NULL UNIQUE,     -- SHA-256 of the key; the key itself is shown once
    scopes      text[] NOT NULL,
    enabled     boolean NOT NULL DEFAULT true,
    expires_at  timestamptz,
    created_at  timestamptz NOT NULL
);

-- An Official Account and its channel. Names are unique in the installation: LINE's events
-- come to /line/webhook/{name}.
CREATE TABLE sender (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id     bigint NOT NULL REFERENCES account,
    name           text NOT NULL UNIQUE,
    channel_id     text NOT NULL,
    channel_secret bytea NOT NULL,          -- sealed by vault.py
    access_token   bytea,                   -- sealed; NULL: stateless tokens from id and secret
    countries      text[] NOT NULL DEFAULT '{JP,TH,TW}',
    hold           text CHECK (hold IN ('paused', 'unauthorised', 'unreachable', 'forbidden', 'monthly_limit')),
    hold_reason    text,                    -- LINE's words or the operator's
    held_at        timestamptz,
    hold_until     timestamptz,             -- when one message may probe; NULL: when somebody resumes it
    created_at     timestamptz NOT NULL
);

-- LINE's limit per channel, for all processes together: the row is locked while a batch is granted.
-- `free_at` is the theoretical arrival time of GCRA: the instant from which the sender owes nothing.
CREATE TABLE sender_pace (
    sender_id  bigint PRIMARY KEY REFERENCES sender,
    per_second integer NOT NULL,
    free_at    timestamptz NOT NULL
) WITH (fillfactor = 50);

-- Where delivery reports are pushed: one row for each URL and format an account uses.
-- `leased_until` gives one endpoint to one worker at a time, so that a report needs no claim of its own.
CREATE TABLE endpoint (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id   bigint NOT NULL REFERENCES account,
    is_default   boolean NOT NULL DEFAULT false,  -- the account's own endpoint
    url          text NOT NULL,
    content_type text NOT NULL DEFAULT 'application/json',
    failures     integer NOT NULL DEFAULT 0,      -- pushes in a row that failed
    probe_at     timestamptz,                     -- failing: nothing is tried before this instant
    last_error   text,
    leased_until timestamptz,
    created_at   timestamptz NOT NULL
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX endpoint_url ON endpoint (account_id, url, content_type) WHERE NOT is_default;
CREATE UNIQUE INDEX endpoint_default ON endpoint (account_id) WHERE is_default;

-- ------------------------------------------------------------------------- what was accepted

-- What one request accepted together.
CREATE TABLE bulk (
    id          bigint PRIMARY KEY,
    account_id  bigint NOT NULL,
    client_id   text,                        -- the client's bulkId; NULL: the id in hexadecimal
    accepted_at timestamptz NOT NULL,
    messages    integer NOT NULL,            -- destinations, rejected ones included
    last_id     bigint NOT NULL              -- of its messages: all its ids lie in id..last_id
) PARTITION BY RANGE (id);

-- One message object of the request: content and options, once for all its destinations.
CREATE TABLE message_object (
    id                bigint PRIMARY KEY,
    bulk_id           bigint NOT NULL,
    account_id        bigint NOT NULL,
    sender_id         bigint NOT NULL,
    templated         boolean NOT NULL,      -- which of LINE's two endpoints
    line_message      text NOT NULL,         -- the JSON that goes to LINE, without the recipient
    entity_id         text,
    application_id    text,
    campaign          text,
    callback_data     text,
    validity          interval NOT NULL,
    delivery_window   jsonb,
    sms_failover      jsonb,
    intermediate      boolean NOT NULL DEFAULT false
) PARTITION BY RANGE (id);

-- One content to one destination. Never updated.
CREATE TABLE message (
    id          bigint PRIMARY KEY,
    object_id   bigint NOT NULL,
    destination text NOT NULL,               -- digits; as given where it is no number
    client_id   text,                        -- the client's messageId; NULL: the id in hexadecimal
    track_id    bigint                       -- whose turn it waits for; NULL: due when accepted
) PARTITION BY RANGE (id);

-- Ids that clients chose, unique in an account, for as long as their messages are kept.
CREATE TYPE client_id_kind AS ENUM ('bulk', 'message');
CREATE TABLE client_id (
    account_id bigint NOT NULL,
    kind       client_id_kind NOT NULL,
    name       text NOT NULL,
    id         bigint NOT NULL,
    PRIMARY KEY (account_id, kind, name)
);
CREATE INDEX client_id_age ON client_id (id);

-- ------------------------------------------------------------------------ what is unfinished

-- `due_alone` goes before the others: a message that is alone never waits for a million others.
-- `due_paced` has a slot of its bulk's speed limit as `due_at`; `turn` wants one; `held` is paused.
CREATE TYPE step AS ENUM ('due_alone', 'due_paced', 'due_bulk', 'turn', 'held', 'sending', 'sent', 'unknown');

CREATE TABLE queue (
    id          bigint PRIMARY KEY,          -- the message
    sender_id   bigint NOT NULL,
    object_id   bigint NOT NULL,
    account_id  bigint NOT NULL,
    endpoint_id bigint,                      -- where its report goes; NULL: nowhere
    step        step NOT NULL,
    due_at      timestamptz NOT NULL,        -- due: may go; sending: lease ends; sent, unknown: patience ends
    deadline_at timestamptz NOT NULL,        -- validity ends
    sent_at     timestamptz,                 -- first hand-over
    home        step NOT NULL,               -- where it goes back to after a try that did not go out
    attempt     smallint NOT NULL DEFAULT 0, -- the newest; also the fence of a lease
    unknowns    smallint NOT NULL DEFAULT 0, -- attempts whose outcome nobody knows
    failures    smallint NOT NULL DEFAULT 0, -- attempts that surely did not go out
    destination text NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0.2);
CREATE INDEX queue_due ON queue (sender_id, step, due_at) WHERE step IN ('due_alone', 'due_paced', 'due_bulk');
CREATE INDEX queue_deadline ON queue (deadline_at) WHERE step IN ('due_alone', 'due_paced', 'due_bulk', 'turn');
CREATE INDEX queue_turn ON queue (object_id, due_at) WHERE step IN ('due_paced', 'turn');
CREATE INDEX queue_held ON queue (object_id) WHERE step = 'held';
CREATE INDEX queue_timer ON queue (due_at) WHERE step IN ('sending', 'sent', 'unknown');

-- ------------------------------------------------------------------------------ what happened

CREATE TABLE attempt (
    message_id bigint NOT NULL,
    number     smallint NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at   timestamptz NOT NULL,
    outcome    text NOT NULL CHECK (outcome IN ('accepted', 'unsent', 'unknown', 'slowed', 'monthly_limit',
                                                'unauthorised', 'forbidden', 'refused')),
    code       smallint NOT NULL,            -- LINE's HTTP status; 0: no answer
    error      smallint NOT NULL,
    request_id text NOT NULL,                -- LINE's x-line-request-id
    detail     text NOT NULL,
    PRIMARY KEY (message_id, number)
) PARTITION BY RANGE (message_id);

-- The end of a message: its primary key is the message, so there is one final report in every race.
CREATE TABLE final (
    message_id bigint PRIMARY KEY,
    account_id bigint NOT NULL,
    object_id  bigint NOT NULL,
    status     smallint NOT NULL,
    error      smallint NOT NULL,
    sent_at    timestamptz NOT NULL,
    done_at    timestamptz NOT NULL,
    pulled     boolean NOT NULL DEFAULT false  -- handed out by GET /line/1/reports
) PARTITION BY RANGE (message_id);
CREATE INDEX final_unpulled ON final (account_id, done_at) WHERE NOT pulled;

-- Events of LINE that ended nothing, because the message had ended before.
CREATE TABLE late_event (
    message_id  bigint NOT NULL,
    attempt     smallint NOT NULL,
    happened_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL
) PARTITION BY RANGE (message_id);
CREATE INDEX late_event_message ON late_event (message_id);

-- Final reports that wait to be pushed. The row goes when the endpoint has taken it.
CREATE TABLE push (
    message_id  bigint PRIMARY KEY,
    endpoint_id bigint NOT NULL,
    due_at      timestamptz NOT NULL,
    tries       smallint NOT NULL DEFAULT 0,
    given_up_at timestamptz
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0.2);
CREATE INDEX push_due ON push (endpoint_id, due_at) WHERE given_up_at IS NULL;

-- 3 KB of content stay inside their row: moving them out and compressing them costs more than it saves.
-- (Set on each partition: postgres/partitions.py.)
