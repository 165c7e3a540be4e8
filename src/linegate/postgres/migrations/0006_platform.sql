-- Applications, entities, limits, statistics, audit.
SELECT 1;
