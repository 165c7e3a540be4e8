-- Subscriptions, push history, logs.
SELECT 1;
