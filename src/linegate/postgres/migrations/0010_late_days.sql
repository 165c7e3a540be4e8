-- Which days hold messages that ended long after they were accepted. A search for what was sent in a span looks at the
-- days of the span, at two before them, and at these; report/rollup.py notes them when it adds up.
CREATE TABLE late_day (
    account_id bigint NOT NULL,
    ended_on   date NOT NULL,              -- UTC+9, as in `tally`
    day        date NOT NULL,              -- of the message object (UTC)
    last_day   date NOT NULL,              -- of the newest message of its bulk
    PRIMARY KEY (account_id, ended_on, day)
);

INSERT INTO late_day (account_id, ended_on, day, last_day)
SELECT DISTINCT account_id, ended_on, day, day
FROM (SELECT account_id, ((done_at + interval '9 hours') AT TIME ZONE 'UTC')::date AS ended_on,
             date '2020-01-01' + ((message_id >> 22) / 86400000)::integer AS day
      FROM final) AS ended
WHERE ended_on - day > 2;
