-- Of a strict quota of calls no more is leased than the plan allows. Where plan versions followed each
-- other in a subscription, the most that one of them allows counts. Counters do not name their
-- operation: those of one window are looked at together. A quota of a meter may be exceeded by the
-- calls that were under way.
WITH
in_force (subscription, version) AS (
    SELECT id, body ->> '$.timeline.first' FROM fact WHERE kind = 'subscription'
    UNION
    SELECT fact.id, change.value ->> 'version'
    FROM fact, json_each(fact.body, '$.timeline.changes') AS change WHERE kind = 'subscription'
),
allowed (version, quota, resource, units_max, is_strict) AS (
    SELECT body ->> 'id', quota.value ->> 'window', quota.value ->> '$.counts.resource',
        quota.value ->> 'max', quota.value ->> 'overage' = 'strict'
    FROM fact, json_each(fact.body, '$.terms.quotas') AS quota
    WHERE kind = 'plan_version' AND quota.value ->> '$.counts.meter' IS NULL
    UNION ALL
    SELECT body ->> 'id', 'period', NULL, usage.value ->> 'included', 1
    FROM fact, json_each(fact.body, '$.terms.usage') AS usage
    WHERE kind = 'plan_version' AND usage.value ->> 'overage' = 'strict'
        AND usage.value ->> '$.meter.name' = 'requests'
    UNION ALL
    SELECT body ->> 'id', 'ever', bundle.value ->> 'resource', 0, 1
    FROM fact, json_each(fact.body, '$.terms.bundles') AS bundle WHERE kind = 'plan_version'
),
subscribed (subscription, quota, resource, units_max, is_strict) AS (
    SELECT in_force.subscription, allowed.quota, allowed.resource, allowed.units_max, allowed.is_strict
    FROM in_force JOIN allowed ON allowed.version = in_force.version
    UNION ALL
    SELECT fact.id, 'ever', prepaid.key, prepaid.value, 1
    FROM fact, json_each(fact.body, '$.prepaid') AS prepaid WHERE kind = 'subscription'
),
one_by_one (subscription, quota, resource, units_max, is_strict) AS (
    SELECT subscription, quota, resource, max(units_max), min(is_strict)
    FROM subscribed GROUP BY 1, 2, 3
),
limits (subscription, quota, units_max, is_strict) AS MATERIALIZED (
    SELECT subscription, quota || iif(resource IS NULL, '', '/res'), sum(units_max), min(is_strict)
    FROM one_by_one GROUP BY subscription, quota, resource IS NULL
),
counters (subscription, quota, start_at, leased) AS (
    SELECT subscription,
        iif(quota LIKE '%/res_%', substr(quota, 1, instr(quota, '/') + 3), quota) AS kind,
        start_at, sum(leased)
    FROM quota GROUP BY subscription, kind, start_at
)
SELECT 'sub_' || lower(hex(counters.subscription)) || ' ' || counters.quota || ' from '
        || strftime('%Y-%m-%dT%H:%M:%SZ', counters.start_at / 1000000, 'unixepoch') AS id,
    iif(
        limits.is_strict = 1 AND counters.leased > limits.units_max,
        format('leased %d, allowed %d', counters.leased, limits.units_max), NULL
    ) AS problem
FROM counters
LEFT JOIN limits ON limits.subscription = counters.subscription AND limits.quota = counters.quota
