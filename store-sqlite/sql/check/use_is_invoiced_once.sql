-- What a segment of a billed period used of a priced meter is one line of one invoice of core's.
WITH
price (version, meter) AS (
    SELECT fact.id, usage.value ->> '$.meter.id'
    FROM fact, json_each(fact.body, '$.terms.usage') AS usage WHERE kind = 'plan_version'
),
expected (segment, meter, used) AS MATERIALIZED (
    SELECT 'seg_' || lower(hex(segment.id)), price.meter, coalesce(
        (
            SELECT sum.total FROM sum JOIN meter ON meter.number = sum.meter
            WHERE sum.segment = segment.number AND sum.origin = segment.number
                AND 'mtr_' || lower(hex(meter.id)) = price.meter
        ), 0
    )
    FROM segment
    JOIN fact ON fact.kind = 'subscription' AND fact.id = segment.subscription
    JOIN price ON price.version = segment.plan_version
    WHERE segment.invoicing = 'by_core' AND segment.state = 'closed'
        -- A trial is free.
        AND (segment.period_index > 0 OR fact.body ->> '$.timeline.schedule.trial_ends_at' IS NULL)
        -- The last period's invoice also bills what clocks that were ahead put into the next one.
        AND segment.period_index < (fact.body ->> 'closed_periods')
            + (fact.body ->> 'state' = 'ended' AND fact.body ->> 'closed_periods' > 0)
),
invoiced (segment, meter, used, lines) AS MATERIALIZED (
    SELECT line.value ->> '$.item.segment', line.value ->> '$.item.meter',
        sum(line.value ->> '$.item.used'), count(*)
    FROM fact, json_each(fact.body, '$.lines') AS line
    WHERE kind = 'invoice' AND line.value ->> '$.item.kind' = 'usage' GROUP BY 1, 2
)
SELECT expected.segment || ' ' || expected.meter AS id,
    CASE
        WHEN invoiced.segment IS NULL AND expected.used > 0 THEN format('%d are on no invoice', expected.used)
        WHEN invoiced.segment IS NULL THEN NULL
        WHEN invoiced.lines > 1 THEN format('it is on %d lines of invoices', invoiced.lines)
        WHEN invoiced.used <> expected.used
            THEN format('used %d, invoiced %d', expected.used, invoiced.used)
    END AS problem
FROM expected
LEFT JOIN invoiced ON invoiced.segment = expected.segment AND invoiced.meter = expected.meter
UNION ALL
SELECT invoiced.segment || ' ' || invoiced.meter, 'it is invoiced, and is of no period that was billed'
FROM invoiced
LEFT JOIN expected ON expected.segment = invoiced.segment AND expected.meter = invoiced.meter
WHERE expected.segment IS NULL
