-- What came after its segment was closed is one line of the invoice of each period that pays for it.
WITH
price (version, meter) AS (
    SELECT fact.id, usage.value ->> '$.meter.id'
    FROM fact, json_each(fact.body, '$.terms.usage') AS usage WHERE kind = 'plan_version'
),
expected (origin, meter, used, lines) AS MATERIALIZED (
    SELECT 'seg_' || lower(hex(origin.id)), price.meter, sum(sum.total),
        count(DISTINCT payer.period_index)
    FROM sum
    JOIN meter ON meter.number = sum.meter
    JOIN segment AS origin ON origin.number = sum.origin
    JOIN segment AS payer ON payer.number = sum.segment
    JOIN fact ON fact.kind = 'subscription' AND fact.id = payer.subscription
    JOIN price ON price.version = origin.plan_version
        AND price.meter = 'mtr_' || lower(hex(meter.id))
    WHERE sum.segment <> sum.origin AND payer.invoicing = 'by_core' AND payer.state = 'closed'
        AND payer.period_index < fact.body ->> 'closed_periods'
        -- A trial is free.
        AND (origin.period_index > 0 OR fact.body ->> '$.timeline.schedule.trial_ends_at' IS NULL)
    GROUP BY 1, 2
),
invoiced (origin, meter, used, lines) AS MATERIALIZED (
    SELECT line.value ->> '$.item.segment', line.value ->> '$.item.meter',
        sum(line.value ->> '$.item.used'), count(*)
    FROM fact, json_each(fact.body, '$.lines') AS line
    WHERE kind = 'invoice' AND line.value ->> '$.item.kind' = 'late_usage' GROUP BY 1, 2
)
SELECT expected.origin || ' ' || expected.meter AS id,
    iif(
        expected.used IS invoiced.used AND expected.lines IS invoiced.lines, NULL,
        format(
            'late use of %d in %d periods, invoiced %d on %d lines',
            expected.used, expected.lines, invoiced.used, invoiced.lines
        )
    ) AS problem
FROM expected
LEFT JOIN invoiced ON invoiced.origin = expected.origin AND invoiced.meter = expected.meter
UNION ALL
SELECT invoiced.origin || ' ' || invoiced.meter, 'it is invoiced as late, and none of it came late'
FROM invoiced
LEFT JOIN expected ON expected.origin = invoiced.origin AND expected.meter = invoiced.meter
WHERE expected.origin IS NULL
