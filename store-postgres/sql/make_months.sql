-- From the last month to the one after the next two.
SELECT make_month((now() + make_interval(months => month))::date)
FROM generate_series(-1, 3) AS month
