-- Of a block of a quota, as much is committed as records say they spent of it.
WITH
-- Most records spend the same as others of their segment.
alike AS MATERIALIZED (
    SELECT tenant, segment, spent, count(*) AS records
    FROM record WHERE spent IS NOT NULL GROUP BY tenant, segment, spent
),
spent AS (
    SELECT alike.tenant, (part.value ->> 3)::uuid AS id, segment.subscription,
        part.value ->> 0 AS quota, (part.value ->> 1)::bigint AS start_at,
        (part.value ->> 2)::bigint AS end_at, sum((part.value ->> 4)::bigint * records) AS units
    FROM alike
    JOIN segment ON segment.tenant = alike.tenant AND segment.id = alike.segment
    CROSS JOIN jsonb_array_elements(alike.spent::jsonb) AS part
    WHERE part.value ->> 3 IS NOT NULL GROUP BY 1, 2, 3, 4, 5, 6
)
SELECT shown('lse', id) AS id,
    CASE
        WHEN lease.units IS NULL THEN 'records spent of it, and it is not there'
        WHEN (spent.subscription, spent.quota, spent.start_at, spent.end_at)
            <> (lease.subscription, lease.quota, lease.start_at, lease.end_at)
            THEN 'records spent of it for another quota'
        WHEN lease.committed <> coalesce(spent.units, 0)
            THEN format('committed %s, records spent %s', lease.committed, coalesce(spent.units, 0))
    END AS problem
FROM lease
FULL JOIN spent USING (tenant, id)
