INSERT INTO tallied (tenant, key, position, correction, tally)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::smallint[], $4::bigint[], $5::text[])
