-- What came after its segment was closed is one line of the invoice of each period that pays for it.
WITH
price AS (
    SELECT fact.id AS version, usage.value #>> '{meter,id}' AS meter
    FROM fact, jsonb_array_elements(fact.body::jsonb #> '{terms,usage}') AS usage
    WHERE kind = 'plan_version'
),
subscription AS MATERIALIZED (
    SELECT id, (body::jsonb ->> 'closed_periods')::bigint AS closed_periods,
        body::jsonb #>> '{timeline,schedule,trial_ends_at}' IS NOT NULL AS is_tried
    FROM fact WHERE kind = 'subscription'
),
expected (origin, meter, used, lines) AS MATERIALIZED (
    SELECT shown('seg', origin.id), price.meter, sum(sum.total), count(DISTINCT payer.period_index)
    FROM sum
    JOIN segment AS origin ON origin.tenant = sum.tenant AND origin.id = sum.origin
    JOIN segment AS payer ON payer.tenant = sum.tenant AND payer.id = sum.segment
    JOIN subscription ON subscription.id = payer.subscription
    JOIN price ON price.version = origin.plan_version AND price.meter = shown('mtr', sum.meter)
    WHERE sum.segment <> sum.origin AND payer.invoicing = 'by_core' AND payer.state = 'closed'
        AND payer.period_index < subscription.closed_periods
        -- A trial is free.
        AND (origin.period_index > 0 OR NOT is_tried)
    GROUP BY 1, 2
),
invoiced (origin, meter, used, lines) AS MATERIALIZED (
    SELECT line.value #>> '{item,segment}', line.value #>> '{item,meter}',
        sum((line.value #>> '{item,used}')::numeric), count(*)
    FROM fact, jsonb_array_elements(fact.body::jsonb -> 'lines') AS line
    WHERE kind = 'invoice' AND line.value #>> '{item,kind}' = 'late_usage' GROUP BY 1, 2
)
SELECT origin || ' ' || meter AS id,
    CASE
        WHEN expected.lines IS NULL THEN 'it is invoiced as late, and none of it came late'
        WHEN (expected.used, expected.lines) IS DISTINCT FROM (invoiced.used, invoiced.lines)
            THEN format(
                'late use of %s in %s periods, invoiced %s on %s lines',
                expected.used, expected.lines, invoiced.used, invoiced.lines
            )
    END AS problem
FROM expected
FULL JOIN invoiced USING (origin, meter)
