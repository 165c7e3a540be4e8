-- Registered templates and their versions.
--
-- A template that is deleted, and a version that is replaced, stay while messages name them.

-- name: insert_template :value
-- Register a template; nothing comes back if the sender has one of this name and language.
WITH created AS (
    INSERT INTO template (account_id, sender_id, name, language, created_at)
    VALUES (:account_id, :sender_id, :name, :language, :now)
    ON CONFLICT DO NOTHING RETURNING id
),
first AS (
    INSERT INTO template_version (template_id, number, status, alt_text, contents, form, created_at)
    SELECT id, 1, 'PENDING', :alt_text, :contents, :form, :now FROM created
)
SELECT id FROM created;

-- name: find_template_named :value
-- A sender's template by name and language.
SELECT id FROM template
WHERE sender_id = :sender_id AND name = :name AND lower(language) = lower(:language) AND deleted_at IS NULL;

-- name: lock_template :one
-- A template of the account that is about to change, with what it says now.
SELECT template.id, template.name, template.language, sender.name AS sender,
       newest.number, newest.contents, newest.form
FROM template
JOIN sender ON sender.id = template.sender_id
CROSS JOIN LATERAL (
    SELECT number, contents, form FROM template_version
    WHERE template_id = template.id ORDER BY number DESC LIMIT 1
) AS newest
WHERE template.id = :id AND template.account_id = :account_id AND template.deleted_at IS NULL
FOR UPDATE OF template;

-- name: insert_version :exec
-- What a template says from now on; somebody has to approve it first.
INSERT INTO template_version (template_id, number, status, alt_text, contents, form, created_at)
VALUES (:template_id, :number, 'PENDING', :alt_text, :contents, :form, :now);

-- name: list_templates :many
-- Templates with their newest version and the number of the one that is sent, oldest first.
SELECT template.id, sender.name AS sender, template.name, template.language, newest.status, newest.reason,
       newest.number, approved.number AS approved, newest.alt_text, newest.contents, newest.form,
       template.created_at, newest.created_at AS changed_at
FROM template
JOIN sender ON sender.id = template.sender_id
CROSS JOIN LATERAL (
    SELECT * FROM template_version WHERE template_id = template.id ORDER BY number DESC LIMIT 1
) AS newest
LEFT JOIN LATERAL (
    SELECT number FROM template_version
    WHERE template_id = template.id AND status = 'APPROVED' ORDER BY number DESC LIMIT 1
) AS approved ON true
WHERE template.deleted_at IS NULL
  AND (:account_id::bigint IS NULL OR template.account_id = :account_id)
  AND (:id::bigint IS NULL OR template.id = :id)
  AND (:sender::text IS NULL OR sender.name = :sender)
  AND (:name::text IS NULL OR template.name = :name)
  AND (:status::text IS NULL OR newest.status = :status)
ORDER BY template.id LIMIT :limit OFFSET :offset;

-- name: count_templates :value
-- How many there are of those.
SELECT count(*)
FROM template
JOIN sender ON sender.id = template.sender_id
CROSS JOIN LATERAL (
    SELECT status FROM template_version WHERE template_id = template.id ORDER BY number DESC LIMIT 1
) AS newest
WHERE template.deleted_at IS NULL
  AND template.account_id = :account_id
  AND (:sender::text IS NULL OR sender.name = :sender)
  AND (:name::text IS NULL OR template.name = :name)
  AND (:status::text IS NULL OR newest.status = :status);

-- name: decide_template :exec
-- Approve or reject what a template says now.
UPDATE template_version AS version
SET status = :status, reason = :reason, decided_at = :now
FROM template
WHERE template.id = :id AND template.deleted_at IS NULL AND version.template_id = template.id
  AND version.number = (SELECT max(number) FROM template_version WHERE template_id = template.id);

-- name: delete_template :exec
-- Nobody can send it or see it any more.
UPDATE template SET deleted_at = :now WHERE id = :id AND account_id = :account_id AND deleted_at IS NULL;

-- name: forget_versions :exec
-- Drop what an account's templates said before, and what deleted ones said, where no message names it.
DELETE FROM template_version AS version
USING template
WHERE template.id = version.template_id AND template.account_id = :account_id
  AND (template.deleted_at IS NOT NULL
       OR version.number < (SELECT max(number) FROM template_version AS sent
                            WHERE sent.template_id = template.id AND sent.status = 'APPROVED')
       OR version.status <> 'APPROVED'
          AND version.number < (SELECT max(number) FROM template_version AS newest
                                WHERE newest.template_id = template.id))
  AND NOT EXISTS (SELECT 1 FROM message_object WHERE template_version = version.id);

-- name: forget_templates :exec
-- Drop deleted templates whose versions are gone.
DELETE FROM template
WHERE account_id = :account_id AND deleted_at IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM template_version WHERE template_id = template.id);

-- name: approved_templates :many
-- What of a sender's templates may be sent, the oldest template first; of one name, or of all.
SELECT version.id, template.name, template.language, version.form
FROM template
CROSS JOIN LATERAL (
    SELECT id, form FROM template_version
    WHERE template_id = template.id AND status = 'APPROVED' ORDER BY number DESC LIMIT 1
) AS version
WHERE template.sender_id = :sender_id AND template.deleted_at IS NULL AND (:name::text IS NULL OR template.name = :name)
ORDER BY template.id;
