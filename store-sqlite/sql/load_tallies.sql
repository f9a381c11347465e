WITH asked (tenant, subscription, since_at, meter, value) AS (VALUES {rows})
SELECT tally.*, meter.id AS meter_id FROM asked
CROSS JOIN meter ON meter.id = asked.meter
CROSS JOIN tally ON tally.subscription = asked.subscription AND tally.since_at = asked.since_at
    AND tally.meter = meter.number AND tally.value = asked.value AND tally.tenant = asked.tenant
