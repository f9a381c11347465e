-- Of a strict quota of calls no more is leased than the plan allows. Where plan versions followed each
-- other in a subscription, the most that one of them allows counts; likewise of several resources. A
-- quota of a meter may be exceeded by the calls that were under way.
WITH
in_force (subscription, version) AS (
    SELECT id, body ->> '$.timeline.first' FROM fact WHERE kind = 'subscription'
    UNION
    SELECT fact.id, change.value ->> 'version'
    FROM fact, json_each(fact.body, '$.timeline.changes') AS change WHERE kind = 'subscription'
),
allowed (version, quota, units_max, is_strict) AS (
    SELECT body ->> 'id',
        (quota.value ->> 'window') || iif(quota.value ->> '$.counts.resource' IS NULL, '', '/res'),
        quota.value ->> 'max', quota.value ->> 'overage' = 'strict'
    FROM fact, json_each(fact.body, '$.terms.quotas') AS quota
    WHERE kind = 'plan_version' AND quota.value ->> '$.counts.meter' IS NULL
    UNION ALL
    SELECT body ->> 'id', 'period', usage.value ->> 'included', 1
    FROM fact, json_each(fact.body, '$.terms.usage') AS usage
    WHERE kind = 'plan_version' AND usage.value ->> 'overage' = 'strict'
        AND usage.value ->> '$.meter.name' = 'requests'
),
limits (subscription, quota, units_max, is_strict) AS MATERIALIZED (
    SELECT fact.id, 'ever/res', max(prepaid.value), 1
    FROM fact, json_each(fact.body, '$.prepaid') AS prepaid WHERE kind = 'subscription' GROUP BY 1
    UNION ALL
    SELECT in_force.subscription, allowed.quota, max(allowed.units_max), min(allowed.is_strict)
    FROM in_force JOIN allowed ON allowed.version = in_force.version GROUP BY 1, 2
)
SELECT 'sub_' || lower(hex(quota.subscription)) || ' ' || quota.quota || ' from '
        || strftime('%Y-%m-%dT%H:%M:%SZ', quota.start_at / 1000000, 'unixepoch') AS id,
    iif(
        limits.is_strict = 1 AND quota.leased > limits.units_max,
        format('leased %d, allowed %d', quota.leased, limits.units_max), NULL
    ) AS problem
FROM quota
LEFT JOIN limits ON limits.subscription = quota.subscription
    AND limits.quota = iif(
        quota.quota LIKE '%/res_%', substr(quota.quota, 1, instr(quota.quota, '/') + 3), quota.quota
    )
