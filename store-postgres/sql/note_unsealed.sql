INSERT INTO unsealed (tenant, segment, origin, meter)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[])
ON CONFLICT DO NOTHING
