-- What belongs together belongs to one tenant. The keys of sums, batches and records begin with it.
WITH subscription AS MATERIALIZED (
    SELECT id, tenant FROM fact WHERE kind = 'subscription'
)
SELECT shown('seg', payer.id) || ' of ' || shown('seg', origin.id) AS id,
    CASE WHEN payer.subscription <> origin.subscription THEN
        'the segment that pays is another''s'
    END AS problem
FROM sum
JOIN segment AS payer ON payer.tenant = sum.tenant AND payer.id = sum.segment
JOIN segment AS origin ON origin.tenant = sum.tenant AND origin.id = sum.origin
UNION ALL
SELECT shown('lse', lease.id),
    CASE WHEN lease.tenant <> subscription.tenant THEN
        'its subscription is another tenant''s'
    END
FROM lease JOIN subscription ON subscription.id = lease.subscription
UNION ALL
SELECT shown('seg', segment.id),
    CASE WHEN segment.tenant <> subscription.tenant THEN
        'its subscription is another tenant''s'
    END
FROM segment JOIN subscription ON subscription.id = segment.subscription
UNION ALL
SELECT shown('sub', quota.subscription) || ' ' || quota.quota,
    CASE WHEN quota.tenant <> subscription.tenant THEN
        'its subscription is another tenant''s'
    END
FROM quota JOIN subscription ON subscription.id = quota.subscription
UNION ALL
SELECT fact_key.kind || ' ' || replace(fact_key.id::text, '-', ''),
    CASE WHEN fact_key.tenant <> fact.tenant THEN
        'it is found by a key of another tenant'
    END
FROM fact_key JOIN fact USING (kind, id)
