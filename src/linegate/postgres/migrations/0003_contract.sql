-- Templates, sessions, key rules, idempotency, relay (issue: the whole request contract).
SELECT 1;
