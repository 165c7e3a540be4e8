-- The whole request contract, in parts. Each part under its own heading.

-- -------------------------------------------------------------------------- who asks: keys, users

ALTER TABLE api_key
    ADD COLUMN hint              text NOT NULL DEFAULT '',      -- the key's first characters, to tell keys apart
    ADD COLUMN valid_from        timestamptz,
    ADD COLUMN allowed_addresses cidr[] NOT NULL DEFAULT '{}',  -- empty: from anywhere
    ADD COLUMN application_id    text,                          -- given to requests that name none ...
    ADD COLUMN application_forced boolean NOT NULL DEFAULT false,  -- ... or to every request
    ADD COLUMN entity_id         text,
    ADD COLUMN entity_forced     boolean NOT NULL DEFAULT false;

-- Who logs in by name and password. Names are unique in the installation: a login names no account.
CREATE TABLE api_user (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id        bigint NOT NULL REFERENCES account,
    name              text NOT NULL UNIQUE,
    password_hash     text NOT NULL,           -- argon2id, with its parameters and salt
    scopes            text[] NOT NULL,
    enabled           boolean NOT NULL DEFAULT true,
    allowed_addresses cidr[] NOT NULL DEFAULT '{}',
    created_at        timestamptz NOT NULL
);

-- What a login gave: IBSSO sessions and OAuth2 access tokens.
CREATE TABLE auth_token (
    digest     bytea PRIMARY KEY,              -- SHA-256 of the token
    user_id    bigint NOT NULL REFERENCES api_user ON DELETE CASCADE,
    kind       text NOT NULL CHECK (kind IN ('session', 'oauth')),
    address    inet,                           -- the only caller it serves; NULL: any
    expires_at timestamptz NOT NULL
);
CREATE INDEX auth_token_user ON auth_token (user_id);
CREATE INDEX auth_token_expiry ON auth_token (expires_at);

-- Who is switched off is out, whichever way that was done: switched on again, they log in anew.
CREATE FUNCTION end_logins() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM auth_token WHERE user_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER logged_out AFTER UPDATE OF enabled ON api_user FOR EACH ROW
    WHEN (OLD.enabled AND NOT NEW.enabled) EXECUTE FUNCTION end_logins();

-- ------------------------------------------------------------------------------- Idempotency-Key

-- The answer of each request that came with an Idempotency-Key, for 24 hours. The row is written in
-- the transaction that takes the request, so that a crash leaves both or neither.
CREATE TABLE idempotency (
    account_id  bigint NOT NULL,
    key         text NOT NULL,
    body_digest bytea NOT NULL,                -- SHA-256 of the request's body
    answer      bytea,                         -- deflated; NULL only inside that transaction
    accepted_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, key)
);
ALTER TABLE idempotency ALTER COLUMN answer SET STORAGE EXTERNAL;  -- it is compressed already
CREATE INDEX idempotency_age ON idempotency (accepted_at);

-- --------------------------------------------------------------------------- blocked destinations

CREATE TABLE blocklist (
    account_id  bigint NOT NULL REFERENCES account,
    destination text NOT NULL,                 -- digits
    blocked_at  timestamptz NOT NULL,
    PRIMARY KEY (account_id, destination)
);

-- ------------------------------------------------------------------- LINE credentials and relay

ALTER TABLE sender
    ADD COLUMN assertion_key bytea,            -- sealed PEM; tokens are issued for a JWT signed with it
    ADD COLUMN assertion_kid text,             -- the key's id in LINE's console
    ADD COLUMN relay_url     text;             -- where events that are not ours are forwarded

-- Calls of LINE that hold events of others, until the bot has taken them: the body and signature as LINE sent them.
CREATE TABLE relay (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sender_id   bigint NOT NULL,
    body        bytea NOT NULL,
    signature   text NOT NULL,
    received_at timestamptz NOT NULL,
    due_at      timestamptz NOT NULL,          -- when to try next; while it is being tried: the lease's end
    tries       smallint NOT NULL DEFAULT 0
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);
CREATE INDEX relay_due ON relay (sender_id, due_at);


-- ------------------------------------------------------------------------------------- Templates

ALTER TABLE sender
    ADD COLUMN templates        text NOT NULL DEFAULT 'optional' CHECK (templates IN ('optional', 'required')),
    ADD COLUMN strict_templates boolean NOT NULL DEFAULT false,   -- unknown keys of LINE's templates are refused
    ADD COLUMN line_country     text CHECK (line_country IN ('JP', 'TH', 'TW'));  -- of the Official Account

-- A bubble registered under a name. What it says is in its versions.
CREATE TABLE template (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES account,
    sender_id  bigint NOT NULL REFERENCES sender,
    name       text NOT NULL,
    language   text NOT NULL,                  -- "" for none
    created_at timestamptz NOT NULL,
    deleted_at timestamptz                     -- its versions stay while messages use them
);
CREATE UNIQUE INDEX template_name ON template (sender_id, name, lower(language)) WHERE deleted_at IS NULL;
CREATE INDEX template_account ON template (account_id);

-- What a template says from a change on. The newest approved version is sent, the newest one is shown.
CREATE TABLE template_version (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    template_id bigint NOT NULL REFERENCES template,
    number      integer NOT NULL,
    status      text NOT NULL CHECK (status IN ('PENDING', 'APPROVED', 'REJECTED')),
    reason      text,                          -- why it was rejected
    alt_text    text NOT NULL,
    contents    text NOT NULL,                 -- the bubble as the client wrote it, JSON
    form        text NOT NULL,                 -- the LINE message object with {{placeholder}}s, JSON
    created_at  timestamptz NOT NULL,
    decided_at  timestamptz,
    UNIQUE (template_id, number)
);

-- A message object made from a template has its own copy of what its messages share; the version says
-- where that came from. `personal`: its JSON has {{placeholder}}s, and each message their texts.
ALTER TABLE message_object
    ADD COLUMN template_version bigint,
    ADD COLUMN personal         boolean NOT NULL DEFAULT false;
CREATE INDEX message_object_template ON message_object (template_version) WHERE template_version IS NOT NULL;
ALTER TABLE message ADD COLUMN placeholders jsonb;  -- name to text; NULL where the object is not personal
