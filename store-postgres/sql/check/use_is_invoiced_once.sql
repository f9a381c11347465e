-- What a segment of a billed period used of a priced meter is one line of one invoice of core's.
WITH
price AS MATERIALIZED (
    SELECT fact.id AS version, usage.value #>> '{meter,id}' AS meter
    FROM fact, jsonb_array_elements(fact.body::jsonb #> '{terms,usage}') AS usage
    WHERE kind = 'plan_version'
),
subscription AS MATERIALIZED (
    SELECT id, (body::jsonb ->> 'closed_periods')::bigint AS closed_periods,
        body::jsonb ->> 'state' = 'ended' AS is_ended,
        body::jsonb #>> '{timeline,schedule,trial_ends_at}' IS NOT NULL AS is_tried
    FROM fact WHERE kind = 'subscription'
),
expected (segment, meter, used) AS MATERIALIZED (
    SELECT shown('seg', segment.id), price.meter, coalesce(sum.total, 0)
    FROM segment
    JOIN subscription ON subscription.id = segment.subscription
    JOIN price ON price.version = segment.plan_version
    LEFT JOIN sum ON sum.tenant = segment.tenant AND sum.segment = segment.id
        AND sum.origin = segment.id AND shown('mtr', sum.meter) = price.meter
    WHERE segment.invoicing = 'by_core' AND segment.state = 'closed'
        -- A trial is free.
        AND (segment.period_index > 0 OR NOT is_tried)
        -- The last period's invoice also bills what clocks that were ahead put into the next one.
        AND segment.period_index
            < closed_periods + CASE WHEN is_ended AND closed_periods > 0 THEN 1 ELSE 0 END
),
invoiced (segment, meter, used, lines) AS MATERIALIZED (
    SELECT line.value #>> '{item,segment}', line.value #>> '{item,meter}',
        sum((line.value #>> '{item,used}')::numeric), count(*)
    FROM fact, jsonb_array_elements(fact.body::jsonb -> 'lines') AS line
    WHERE kind = 'invoice' AND line.value #>> '{item,kind}' = 'usage' GROUP BY 1, 2
)
SELECT segment || ' ' || meter AS id,
    CASE
        WHEN expected.used IS NULL THEN 'it is invoiced, and is of no period that was billed'
        WHEN invoiced.lines IS NULL AND expected.used > 0
            THEN format('%s are on no invoice', expected.used)
        WHEN invoiced.lines > 1 THEN format('it is on %s lines of invoices', invoiced.lines)
        WHEN invoiced.used <> expected.used
            THEN format('used %s, invoiced %s', expected.used, invoiced.used)
    END AS problem
FROM expected
FULL JOIN invoiced USING (segment, meter)
