-- One bulk whose reports wait: first id, messages, account, sender, endpoints, instant. 16 is the step of ids.
WITH m AS (SELECT $1::bigint + n * 16 AS id, $5::bigint[] AS endpoints, n FROM generate_series(2, $2 + 1) AS n),
b AS (INSERT INTO bulk (id, account_id, accepted_at, messages, last_id)
      VALUES ($1, $3, $6, $2, $1 + ($2 + 1) * 16)),
o AS (INSERT INTO message_object (id, bulk_id, account_id, sender_id, templated, line_message, validity)
      VALUES ($1 + 16, $1, $3, $4, false, '{}', '48 hours')),
w AS (INSERT INTO message (id, object_id, destination) SELECT id, $1 + 16, '819010000000' FROM m),
f AS (INSERT INTO final (message_id, account_id, object_id, status, error, sent_at, done_at)
      SELECT id, $3, $1 + 16, 5, 0, $6, $6 FROM m)
INSERT INTO push (message_id, endpoint_id, due_at)
SELECT id, endpoints[1 + n % array_length(endpoints, 1)], $6 FROM m;
