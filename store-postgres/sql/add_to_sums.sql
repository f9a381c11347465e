INSERT INTO sum (tenant, segment, origin, meter, total, sealed, by_engine)
SELECT tenant, segment, origin, meter, total, 0, by_engine
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::bigint[], $6::boolean[])
    AS more (tenant, segment, origin, meter, total, by_engine)
ON CONFLICT (tenant, segment, origin, meter) DO UPDATE SET total = sum.total + excluded.total
