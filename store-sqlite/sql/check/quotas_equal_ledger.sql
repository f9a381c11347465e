-- A quota's counter has committed what records spent of it, and leased that and what is out.
WITH
spent (quota, units) AS MATERIALIZED (
    SELECT CAST(spent.value ->> 0 AS INTEGER), sum(spent.value ->> 2)
    FROM record, json_each(record.spent) AS spent GROUP BY 1
),
outstanding (quota, units) AS (
    SELECT quota, sum(units - committed) FROM lease WHERE state = 'open' GROUP BY quota
)
SELECT 'sub_' || lower(hex(quota.subscription)) || ' ' || quota.quota || ' from '
        || strftime('%Y-%m-%dT%H:%M:%SZ', quota.start_at / 1000000, 'unixepoch') AS id,
    CASE
        WHEN quota.committed <> coalesce(spent.units, 0)
            THEN format('committed %d, records spent %d', quota.committed, spent.units)
        WHEN quota.leased <> quota.committed + coalesce(outstanding.units, 0)
            THEN format(
                'leased %d, committed %d, and %d are out',
                quota.leased, quota.committed, outstanding.units
            )
    END AS problem
FROM quota
LEFT JOIN spent ON spent.quota = quota.number
LEFT JOIN outstanding ON outstanding.quota = quota.number
UNION ALL
SELECT 'quota ' || spent.quota, 'records spent of it, and it is not there'
FROM spent WHERE spent.quota NOT IN (SELECT number FROM quota)
