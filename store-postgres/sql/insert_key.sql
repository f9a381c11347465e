INSERT INTO fact_key (index_name, scope, value, kind, id, tenant, once)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT DO NOTHING
