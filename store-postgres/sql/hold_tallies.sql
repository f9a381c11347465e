-- Rows to hold on to, where nothing is known yet.
INSERT INTO tally (tenant, subscription, since_at, meter, value)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::uuid[], $5::bytea[])
ON CONFLICT DO NOTHING
