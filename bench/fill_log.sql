-- One bulk that has ended, as in life: first id, messages, account, sender, instant, number of the bulk.
WITH m AS (SELECT $1::bigint + n * 16 AS id, n, CASE WHEN n % 20 = 0 THEN 9 WHEN n % 499 = 0 THEN 6 ELSE 5 END AS status
           FROM generate_series(2, $2 + 1) AS n),
b AS (INSERT INTO bulk (id, account_id, accepted_at, messages, last_id)
      VALUES ($1, $3, $5, $2, $1 + ($2 + 1) * 16)),
o AS (INSERT INTO message_object (id, bulk_id, account_id, sender_id, templated, line_message, validity, campaign,
                                  entity_id, application_id)
      VALUES ($1 + 16, $1, $3, $4, false, '{"type":"flex","altText":"a","contents":{}}', '48 hours',
              CASE WHEN $6 % 100 < 10 THEN 'campaign-' || $6 % 100 ELSE 'rest' END, 'entity-' || $6 % 5,
              CASE WHEN $6 % 1000 = 0 THEN 'rare' ELSE 'app' END)),
w AS (INSERT INTO message (id, object_id, destination)
      SELECT id, $1 + 16, '8190' || lpad(($6::bigint * $2 + n)::text, 8, '0') FROM m)
INSERT INTO final (message_id, account_id, object_id, status, error, sent_at, done_at)
SELECT id, $3, $1 + 16, status, 0, $5 + n * interval '1 millisecond', $5 + n * interval '2 milliseconds' FROM m;
