-- A quota's counter has committed what records spent of it, and leased that and what is out.
WITH
-- Most records spend the same as others of their segment.
alike AS MATERIALIZED (
    SELECT tenant, segment, spent, count(*) AS records
    FROM record WHERE spent IS NOT NULL GROUP BY tenant, segment, spent
),
spent AS (
    SELECT alike.tenant, segment.subscription, part.value ->> 0 AS quota,
        (part.value ->> 1)::bigint AS start_at, (part.value ->> 2)::bigint AS end_at,
        sum((part.value ->> 4)::bigint * records) AS units
    FROM alike
    JOIN segment ON segment.tenant = alike.tenant AND segment.id = alike.segment
    CROSS JOIN jsonb_array_elements(alike.spent::jsonb) AS part
    GROUP BY 1, 2, 3, 4, 5
),
outstanding AS (
    SELECT tenant, subscription, quota, start_at, end_at, sum(units - committed) AS units
    FROM lease WHERE state = 'open' GROUP BY tenant, subscription, quota, start_at, end_at
)
SELECT shown('sub', subscription) || ' ' || quota || ' from ' || shown_at(start_at) AS id,
    CASE
        WHEN quota.committed IS NULL THEN 'records spent of it or blocks are out, and it is not there'
        WHEN quota.committed <> coalesce(spent.units, 0)
            THEN format('committed %s, records spent %s', quota.committed, coalesce(spent.units, 0))
        WHEN quota.leased <> quota.committed + coalesce(outstanding.units, 0)
            THEN format(
                'leased %s, committed %s, and %s are out',
                quota.leased, quota.committed, coalesce(outstanding.units, 0)
            )
    END AS problem
FROM quota
FULL JOIN spent USING (tenant, subscription, quota, start_at, end_at)
FULL JOIN outstanding USING (tenant, subscription, quota, start_at, end_at)
