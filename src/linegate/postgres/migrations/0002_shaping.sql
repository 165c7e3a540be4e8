-- When and how fast messages go (issue: shaping).
SELECT 1;
