SELECT make_month(month::date)
FROM (
    SELECT DISTINCT date_trunc('month', to_timestamp(recorded_at / 1000000)) AS month
    FROM json_to_recordset($1::json) AS page (recorded_at bigint)
) AS months
