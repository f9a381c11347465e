-- What follows from the rows that were moved.
UPDATE change_sequence SET last = (SELECT coalesce(max(change_seq), 0) FROM fact);

SELECT setval(
    pg_get_serial_sequence('monetization.batch', 'number'),
    (SELECT coalesce(max(number), 0) + 1 FROM batch),
    false
);

INSERT INTO unsealed (tenant, segment, origin, meter)
SELECT tenant, segment, origin, meter FROM sum WHERE by_engine AND sealed < total;
