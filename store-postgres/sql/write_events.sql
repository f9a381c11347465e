INSERT INTO event (tenant, id, segment, key, digest, source, name)
SELECT * FROM unnest(
    $1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::bytea[], $6::text[], $7::text[]
)
ON CONFLICT DO NOTHING
RETURNING tenant, id
