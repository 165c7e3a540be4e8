-- The audit log. Rows are written by the triggers of the configuration's tables (0006_platform.sql).

-- name: act_as :exec
-- Until the transaction ends, what changes was changed by this caller.
SELECT set_config('linegate.actor', :actor, true);

-- name: note_change :exec
-- A change of what no trigger watches, for the audit log.
INSERT INTO audit (at, account_id, actor, action, kind, subject, changes)
VALUES (:now, :account_id, :actor, 'change', :kind, :subject, :changes::jsonb);

-- name: list_audit :many
-- The newest changes, of one account or of all.
SELECT audit.id, audit.at, account.name AS account, audit.actor, audit.action, audit.kind, audit.subject,
       audit.changes::text AS changes
FROM audit LEFT JOIN account ON account.id = audit.account_id
WHERE (:account_id::bigint IS NULL OR audit.account_id = :account_id) AND audit.id < :before
ORDER BY audit.id DESC LIMIT :limit;
