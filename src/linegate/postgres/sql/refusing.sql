-- Contents that LINE refuses whoever they go to.

-- name: hold_object :exec
-- Nothing of this message object is tried until somebody resumes its bulk.
INSERT INTO object_hold (object_id, bulk_id, sender_id, reason, held_at)
SELECT id, bulk_id, :sender_id, :reason, :now FROM message_object WHERE id = :object_id
ON CONFLICT DO NOTHING;

-- name: park_object :exec
-- Park what is due of it: its messages are a range of ids.
UPDATE queue SET step = 'held'
WHERE id = ANY (ARRAY(
    SELECT queue.id
    FROM message_object AS object
    JOIN bulk ON bulk.id = object.bulk_id
    JOIN queue ON queue.id > bulk.id AND queue.id <= bulk.last_id AND queue.object_id = object.id
    WHERE object.id = :object_id AND queue.step::text IN ('due_alone', 'due_paced', 'due_bulk', 'turn')
    ORDER BY queue.id FOR UPDATE OF queue SKIP LOCKED));
