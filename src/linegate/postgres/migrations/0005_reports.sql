-- Delivery reports that arrive: tries that are remembered, intermediate reports, profiles and
-- subscriptions, prices, and the indexes of the log.

-- ------------------------------------------------------------------------------------ pushing

-- An endpoint may belong to a notification profile: then URL, format and settings are the profile's.
-- `taken_at` tells an endpoint that works from one that never has: the two wait in lanes of their own.
ALTER TABLE endpoint
    ADD profile_id text,
    ADD taken_at   timestamptz,   -- the last time it took a report
    ADD turn_at    timestamptz,   -- the last time a worker took it in hand: the longest waiting goes first
    ADD gone_at    timestamptz,   -- it answered 410 and has taken nothing since
    ADD removed_at timestamptz;   -- its profile was deleted: nothing is sent there any more

-- A URL may be longer than what an index row holds.
DROP INDEX endpoint_url;
CREATE UNIQUE INDEX endpoint_url ON endpoint (account_id, md5(url), content_type)
    WHERE NOT is_default AND profile_id IS NULL AND removed_at IS NULL;
CREATE UNIQUE INDEX endpoint_profile ON endpoint (account_id, profile_id) WHERE profile_id IS NOT NULL;

-- number 0 is the final report; others are intermediate ones and carry their own facts.
-- `due_at` is when the report first fell due and never changes: it bounds how long is tried.
ALTER TABLE push DROP CONSTRAINT push_pkey;
ALTER TABLE push
    ADD number   smallint NOT NULL DEFAULT 0,
    ADD retry_at timestamptz,     -- failed before: not before this instant
    ADD status   smallint,
    ADD error    smallint,
    ADD at       timestamptz,
    ADD sender   text,            -- of the leg it tells of; NULL: the message's own
    ADD PRIMARY KEY (message_id, number);
DROP INDEX push_due;
CREATE INDEX push_due ON push (endpoint_id, (COALESCE(retry_at, due_at)), message_id, number)
    WHERE given_up_at IS NULL;
CREATE INDEX push_given_up ON push (endpoint_id, due_at) WHERE given_up_at IS NOT NULL;

-- Every try of every report, for the time line. code 0: no answer came; detail '' : taken.
-- An intermediate report takes its facts along, since its row in `push` goes when it is taken.
CREATE TABLE push_try (
    message_id  bigint NOT NULL,
    number      smallint NOT NULL,
    endpoint_id bigint NOT NULL,
    tried_at    timestamptz NOT NULL,
    code        smallint NOT NULL,
    detail      text NOT NULL,
    post_id     bigint,                    -- the request it went out with
    status      smallint,
    error       smallint,
    at          timestamptz,
    sender      text
) PARTITION BY RANGE (message_id);
CREATE INDEX push_try_message ON push_try (message_id);

-- Every request to an endpoint, a row for all the reports in it. The body is not kept: it is made again
-- from the reports, and its digest says whether that is what was sent. Ids are times, like those of messages.
CREATE SEQUENCE push_post_id;
CREATE TABLE push_post (
    id           bigint NOT NULL,
    endpoint_id  bigint NOT NULL,
    started_at   timestamptz NOT NULL,
    duration_ms  integer NOT NULL,
    url          text NOT NULL,
    content_type text NOT NULL,
    headers      text[] NOT NULL,          -- names of those that the profile added; never their values
    body_size    integer NOT NULL,
    body_digest  bytea,                    -- SHA-256; NULL: nothing was sent
    code         smallint NOT NULL,
    detail       text NOT NULL,
    answer       text NOT NULL,            -- how the receiver's words began
    message_ids  bigint[] NOT NULL,        -- the reports, in the order of the body
    numbers      smallint[] NOT NULL,
    PRIMARY KEY (endpoint_id, id)
) PARTITION BY RANGE (id);
CREATE INDEX push_post_failed ON push_post (endpoint_id, id) WHERE detail <> '';

-- ------------------------------------------------------------- profiles, security, subscriptions

CREATE TABLE webhook_security (
    account_id  bigint NOT NULL REFERENCES account,
    auth_id     text NOT NULL,
    type        text NOT NULL CHECK (type IN ('BASIC', 'HMAC', 'OAUTH', 'CUSTOM')),
    credentials bytea,                       -- sealed JSON
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (account_id, auth_id)
);

CREATE TABLE webhook_certificate (
    account_id     bigint NOT NULL REFERENCES account,
    certificate_id text NOT NULL,
    pem            bytea NOT NULL,           -- sealed: certificates and private key
    issued_by      text NOT NULL,
    issued_to      text NOT NULL,
    serial_number  text NOT NULL,
    valid_from     timestamptz NOT NULL,
    valid_until    timestamptz NOT NULL,
    created_at     timestamptz NOT NULL,
    PRIMARY KEY (account_id, certificate_id)
);

CREATE TABLE webhook_profile (
    account_id     bigint NOT NULL REFERENCES account,
    profile_id     text NOT NULL,
    settings       bytea NOT NULL,           -- sealed JSON: its headers may hold secrets
    auth_id        text,
    certificate_id text,
    created_at     timestamptz NOT NULL,
    PRIMARY KEY (account_id, profile_id),
    FOREIGN KEY (account_id, auth_id) REFERENCES webhook_security,
    FOREIGN KEY (account_id, certificate_id) REFERENCES webhook_certificate
);

CREATE TABLE subscription (
    account_id      bigint NOT NULL REFERENCES account,
    subscription_id text NOT NULL,
    name            text,
    profile_id      text NOT NULL,
    events          text[] NOT NULL,
    criteria        jsonb NOT NULL,          -- [{"applicationId", "entityId"}]
    resources       text[] NOT NULL,         -- senders
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (account_id, subscription_id),
    FOREIGN KEY (account_id, profile_id) REFERENCES webhook_profile
);

-- ------------------------------------------------------------------------------------- prices

-- What one delivered message of a sender costs its account's client; NULL: no price in reports.
ALTER TABLE sender
    ADD price    numeric(12, 6) CHECK (price >= 0),
    ADD currency text CHECK (currency ~ '^[A-Z]{3}$'),
    ADD CHECK ((price IS NULL) = (currency IS NULL));

-- ------------------------------------------------------------------------------------- the log

ALTER TABLE final ADD pulled_at timestamptz;
-- Networks are known of SMS alone: for the log's filters mcc and mnc.
-- When a message went over to its SMS leg, and how its LINE leg had ended.
CREATE TABLE failover (
    message_id bigint PRIMARY KEY,
    at         timestamptz NOT NULL,
    status     smallint NOT NULL,
    error      smallint NOT NULL
) PARTITION BY RANGE (message_id);
ALTER TABLE sms_end ADD account_id bigint, ADD sent_at timestamptz;
CREATE INDEX sms_end_network ON sms_end (account_id, mcc_mnc COLLATE "C", sent_at DESC, message_id DESC)
    WHERE mcc_mnc IS NOT NULL;
-- When messages that waited left their bulk: a row for each chunk, none of which names its messages.
CREATE TABLE track_release (
    track_id    bigint NOT NULL,
    last_id     bigint NOT NULL,             -- the newest message of the chunk
    released_at timestamptz NOT NULL,        -- when its first message fell due
    PRIMARY KEY (track_id, last_id)
) PARTITION BY RANGE (last_id);

-- One range for each status, newest first: serves every time range, status and cursor.
CREATE INDEX final_log ON final (account_id, status, sent_at DESC, message_id DESC);
-- What of a bulk is not pulled yet, in the order of its messages. By account, since the ids of an import have those of
-- others between them.
CREATE INDEX final_untaken ON final (account_id, message_id) WHERE NOT pulled;
CREATE INDEX message_destination ON message (destination, id);
-- Ways in for campaign, entity, application and sender: to message objects, from there to their bulks, and by
-- the bulk's range of ids to what has ended. (A bulk needs no index: its ids are a range.)
CREATE INDEX message_object_campaign ON message_object (account_id, campaign, id) WHERE campaign IS NOT NULL;
CREATE INDEX message_object_entity ON message_object (account_id, entity_id, id) WHERE entity_id IS NOT NULL;
CREATE INDEX message_object_application ON message_object (account_id, application_id, id)
    WHERE application_id IS NOT NULL;
CREATE INDEX message_object_sender ON message_object (sender_id, id);
