-- As many subscriptions as large.subscriptions says, each invoiced by core for a month of as many calls
-- as large.calls says, and as many with use that the engine invoices. All of it is as it has to be.

CREATE FUNCTION made(noun text, number bigint) RETURNS uuid LANGUAGE sql IMMUTABLE
RETURN md5(noun || number)::uuid;

CREATE FUNCTION subscriptions() RETURNS SETOF bigint LANGUAGE sql
AS $$ SELECT generate_series(1, current_setting('large.subscriptions')::bigint) $$;

CREATE FUNCTION calls() RETURNS bigint LANGUAGE sql STABLE
RETURN current_setting('large.calls')::bigint;

INSERT INTO fact (kind, id, tenant, version, change_seq, body, keys)
SELECT 'plan_version', made('plan', n), made('tenant', 0), 1, 100000000 + n, json_build_object(
    'id', shown('plv', made('plan', n)),
    'terms', json_build_object(
        'quotas', '[{"window": "month", "max": 1000000, "overage": "strict", "counts": {}}]'::json,
        'usage', json_build_array(json_build_object(
            'meter', json_build_object('id', shown('mtr', made('meter', 0)), 'name', 'requests')
        ))
    )
), '[]'
FROM generate_series(0, 9) AS n;

INSERT INTO fact (kind, id, tenant, version, change_seq, due_at, body, keys)
SELECT 'subscription', made(who, n), made('tenant', 0), 1,
    200000000 + n * 2 + (who = 'engine')::integer, 1, json_build_object(
        'id', shown('sub', made(who, n)), 'state', 'active', 'blocks', '[]'::json,
        'closed_periods', 1, 'invoicing', 'by_' || who, 'timeline', json_build_object(
            'first', shown('plv', made('plan', n % 10)), 'changes', '[]'::json
        )
    ), json_build_array(json_build_array('of_consumer', 'con' || n))
FROM subscriptions() AS n, unnest(ARRAY['core', 'engine']) AS who;

INSERT INTO fact_key (index_name, scope, value, kind, id, tenant, once)
SELECT 'of_consumer', made('tenant', 0), 'con' || n, 'subscription', made(who, n), made('tenant', 0), false
FROM subscriptions() AS n, unnest(ARRAY['core', 'engine']) AS who;

INSERT INTO fact (kind, id, tenant, version, change_seq, due_at, body, keys)
SELECT 'invoice', made('invoice', n), made('tenant', 0), 1, 300000000 + n, 1, json_build_object(
    'id', shown('inv', made('invoice', n)), 'subscription', shown('sub', made('core', n)),
    'state', 'open', 'invoicing', 'by_core', 'currency', 'USD',
    'total', '{"amount": "1.00", "currency": "USD"}'::json,
    'occasion', '{"kind": "period", "index": 0}'::json,
    'lines', json_build_array(json_build_object(
        'amount', '{"amount": "1.00", "currency": "USD"}'::json,
        'item', json_build_object(
            'kind', 'usage', 'segment', shown('seg', made('core', n)),
            'meter', shown('mtr', made('meter', 0)), 'used', calls()
        )
    )),
    'credits', '[{"number": 1, "amount": {"amount": "0.50", "currency": "USD"}, "external": "c"}]'::json
), '[]'
FROM subscriptions() AS n;

INSERT INTO fact (kind, id, tenant, version, change_seq, body, keys)
SELECT 'reference', made('reference', n), made('tenant', 0), 1, 400000000 + n, json_build_object(
    'id', shown('ref', made('reference', n)), 'engine', 'mock', 'object', 'subscription',
    'ours', shown('sub', made('engine', n)), 'external', 'theirs_' || n
), '[]'
FROM subscriptions() AS n;

INSERT INTO intent (id, tenant, operation, due_at, attempts, state, fence)
SELECT made('intent', n), made('tenant', 0), json_build_object(
    'operation', 'credit_invoice', 'invoice', shown('inv', made('invoice', n)), 'number', 1
), 0, 1, 'done', 1
FROM subscriptions() AS n;

INSERT INTO segment (
    tenant, id, subscription, plan_version, invoicing, period_index,
    period_start_at, period_end_at, start_at, end_at, state, successor
)
SELECT made('tenant', 0), made('next ' || who, n), made(who, n), made('plan', n % 10), 'by_' || who,
    1, 1, 2, 1, 2, 'open', NULL
FROM subscriptions() AS n, unnest(ARRAY['core', 'engine']) AS who
UNION ALL
SELECT made('tenant', 0), made(who, n), made(who, n), made('plan', n % 10), 'by_' || who,
    0, 0, 1, 0, 1, 'closed', made('next ' || who, n)
FROM subscriptions() AS n, unnest(ARRAY['core', 'engine']) AS who;

-- The last call of each came late.
INSERT INTO sum (tenant, segment, origin, meter, total, sealed, by_engine)
SELECT made('tenant', 0), made(who, n), made(who, n), made('meter', 0),
    calls(), CASE who WHEN 'core' THEN 0 ELSE calls() END, who = 'engine'
FROM subscriptions() AS n, unnest(ARRAY['core', 'engine']) AS who
UNION ALL
SELECT made('tenant', 0), made('next ' || who, n), made(who, n), made('meter', 0),
    1, 0, who = 'engine'
FROM subscriptions() AS n, unnest(ARRAY['core', 'engine']) AS who;

INSERT INTO unsealed SELECT tenant, segment, origin, meter FROM sum WHERE by_engine AND sealed < total;

INSERT INTO batch (
    id, tenant, segment, origin, meter, from_total, to_total, engine, realm, mode, used_at, body,
    state, attempts, due_at, fence
)
SELECT made('batch', n * 2 + half), made('tenant', 0), made('engine', n), made('engine', n),
    made('meter', 0), half, CASE half WHEN 0 THEN 1 ELSE calls() END, 'mock', 'a', 'live', 0, '',
    'confirmed', 1, 0, 1
FROM subscriptions() AS n, generate_series(0, 1) AS half;

INSERT INTO quota (tenant, subscription, quota, start_at, end_at, committed, leased)
SELECT made('tenant', 0), made('core', n), 'month', 0, 1, calls(), calls()
FROM subscriptions() AS n;

INSERT INTO lease (
    tenant, id, subscription, quota, start_at, end_at, units, committed, state, opening
)
SELECT made('tenant', 0), made('lease', n), made('core', n), 'month', 0, 1, calls(), calls(), 'settled', 1
FROM subscriptions() AS n;

-- Every tenth call was reported as an event.
INSERT INTO record (
    key, tenant, segment, meter, quantity, occurred_at, recorded_at, event, position, resource, spent
)
SELECT (lpad(to_hex(1767225600000 + call), 12, '0') || right(md5(who || n), 20))::uuid,
    made('tenant', 0), made(who, n), made('meter', 0), 1, 0, call,
    CASE call % 10 WHEN 1 THEN made(who || n || ' ', call) END, 0, 'forecast',
    CASE WHEN who = 'core' AND call <= calls() THEN
        format('[["month",0,1,"%s",1]]', made('lease', n))
    END
FROM generate_series(1, calls() + 1) AS call, subscriptions() AS n,
    unnest(ARRAY['core', 'engine']) AS who
ORDER BY call;

INSERT INTO event (id, tenant, segment, key, digest, source, name)
SELECT event, tenant, segment, key, sha256(''), 'crm', key::text FROM record WHERE event IS NOT NULL;

INSERT INTO tallied (key, tenant, position, correction, tally)
SELECT key, tenant, position, 0, '"count"' FROM record WHERE event IS NOT NULL;
