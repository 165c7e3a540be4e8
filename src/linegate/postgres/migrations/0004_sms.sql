-- SMS failover: routes, legs, receipts.
SELECT 1;
