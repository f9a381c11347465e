-- Answers which are new in one row: a row for each would cost more than it holds.
WITH written AS (
    INSERT INTO record (
        tenant, key, segment, meter, quantity, occurred_at, recorded_at, event, position, status,
        ending, resource, spent
    )
    SELECT * FROM unnest(
        $1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::bigint[], $6::bigint[], $7::bigint[],
        $8::uuid[], $9::smallint[], $10::smallint[], $11::smallint[], $12::text[], $13::text[]
    )
    ON CONFLICT DO NOTHING
    RETURNING tenant, key
)
SELECT coalesce(array_agg(tenant), '{}') AS tenants, coalesce(array_agg(key), '{}') AS keys
FROM written
