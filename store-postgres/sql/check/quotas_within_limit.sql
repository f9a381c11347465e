-- Of a strict quota of calls no more is leased than the plan allows. Where plan versions followed each
-- other in a subscription, the most that one of them allows counts. Counters do not name their
-- operation: those of one window are looked at together. A quota of a meter may be exceeded by the
-- calls that were under way.
WITH
subscription AS MATERIALIZED (
    SELECT body::jsonb ->> 'id' AS id, body::jsonb AS body FROM fact WHERE kind = 'subscription'
),
version AS MATERIALIZED (
    SELECT body::jsonb ->> 'id' AS id, body::jsonb AS body FROM fact WHERE kind = 'plan_version'
),
in_force (subscription, version) AS (
    SELECT id, body #>> '{timeline,first}' FROM subscription
    UNION
    SELECT id, change.value ->> 'version'
    FROM subscription, jsonb_array_elements(body #> '{timeline,changes}') AS change
),
allowed (version, quota, resource, units_max, is_strict) AS (
    SELECT id, quota.value ->> 'window', quota.value #>> '{counts,resource}',
        (quota.value ->> 'max')::numeric, quota.value ->> 'overage' = 'strict'
    FROM version, jsonb_array_elements(body #> '{terms,quotas}') AS quota
    WHERE quota.value #>> '{counts,meter}' IS NULL
    UNION ALL
    SELECT id, 'period', NULL, (usage.value ->> 'included')::numeric, true
    FROM version, jsonb_array_elements(body #> '{terms,usage}') AS usage
    WHERE usage.value ->> 'overage' = 'strict' AND usage.value #>> '{meter,name}' = 'requests'
    UNION ALL
    SELECT id, 'ever', bundle.value ->> 'resource', 0, true
    FROM version, jsonb_array_elements(body #> '{terms,bundles}') AS bundle
),
subscribed (subscription, quota, resource, units_max, is_strict) AS (
    SELECT in_force.subscription, quota, resource, units_max, is_strict
    FROM in_force JOIN allowed USING (version)
    UNION ALL
    SELECT id, 'ever', prepaid.key, (prepaid.value #>> '{}')::numeric, true
    FROM subscription, jsonb_each(body -> 'prepaid') AS prepaid
),
one_by_one (subscription, quota, resource, units_max, is_strict) AS (
    SELECT subscription, quota, resource, max(units_max), bool_and(is_strict)
    FROM subscribed GROUP BY subscription, quota, resource
),
limits (subscription, quota, units_max, is_strict) AS MATERIALIZED (
    SELECT subscription, quota || CASE WHEN resource IS NULL THEN '' ELSE '/res' END,
        sum(units_max), bool_and(is_strict)
    FROM one_by_one GROUP BY subscription, 2
),
counters (subscription, quota, start_at, leased) AS (
    SELECT shown('sub', subscription), regexp_replace(quota, '/res_.*', '/res'), start_at,
        sum(leased)
    FROM quota GROUP BY tenant, subscription, 2, start_at
)
SELECT subscription || ' ' || quota || ' from ' || shown_at(counters.start_at) AS id,
    CASE WHEN limits.is_strict AND counters.leased > limits.units_max THEN
        format('leased %s, allowed %s', counters.leased, limits.units_max)
    END AS problem
FROM counters
LEFT JOIN limits USING (subscription, quota)
