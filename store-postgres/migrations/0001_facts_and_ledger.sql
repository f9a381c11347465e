-- Ids are of the type uuid, instants are microseconds since 1970-01-01 UTC, quantities are integers
-- of their meter's scale. Texts of JSON stand as they were written, byte for byte.

-- Four roles, none of which can log in. Whoever migrates becomes a member of all of them. Whoever
-- serves has the first three, and takes one of them on for each transaction:
--   monetization_tenant     what is done in the name of one tenant, whose id the transaction sets
--   monetization_ledger     the committer: it appends, and hands out blocks of quotas
--   monetization_worker     gates and jobs, which look across tenants
--   monetization_inspector  whoever looks into it or checks it: it reads what is kept of every
--                           tenant, and writes nothing
-- Roles belong to the whole server: another database of it may have made them already, also at
-- this instant.
DO $$
DECLARE
    role_name text;
BEGIN
    FOREACH role_name IN ARRAY
        ARRAY[
            'monetization_tenant', 'monetization_ledger', 'monetization_worker',
            'monetization_inspector'
        ]
    LOOP
        BEGIN
            IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = role_name) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
        IF NOT pg_has_role(current_user, role_name, 'MEMBER') THEN
            EXECUTE format('GRANT %I TO %I', role_name, current_user);
        END IF;
    END LOOP;
END
$$;

GRANT USAGE ON SCHEMA monetization
TO monetization_tenant, monetization_ledger, monetization_worker, monetization_inspector;

-- The tenant in whose name the transaction works; none where it says nothing.
CREATE FUNCTION tenant_of_transaction() RETURNS uuid LANGUAGE sql STABLE
RETURN nullif(current_setting('monetization.tenant', true), '')::uuid;

-- The database's time, for claims and leases.
CREATE FUNCTION now_micros() RETURNS bigint LANGUAGE sql VOLATILE
RETURN (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;

-- What is sold, to whom, and what is owed: the body is JSON.
CREATE TABLE fact (
    kind text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    tenant uuid NOT NULL,
    version bigint NOT NULL CHECK (version > 0),
    -- Its place in the change sequence, which every change moves to the end.
    change_seq bigint NOT NULL CHECK (change_seq > 0),
    due_at bigint,
    body text NOT NULL CHECK (body::json IS NOT NULL),
    -- [[index, value], ...], as fact_key has them.
    keys text NOT NULL CHECK (keys::json IS NOT NULL),
    PRIMARY KEY (kind, id)
);

CREATE UNIQUE INDEX fact_change ON fact (change_seq);

CREATE INDEX fact_of_tenant ON fact (tenant, kind, id);

CREATE INDEX fact_due ON fact (kind, due_at, id) WHERE due_at IS NOT NULL;

-- The last place in the change sequence. Who changes facts holds this row until the end of the
-- transaction, so places are given in the order of the commits.
CREATE TABLE change_sequence (
    only_row boolean PRIMARY KEY CHECK (only_row),
    last bigint NOT NULL CHECK (last >= 0)
);

INSERT INTO change_sequence (only_row, last) VALUES (true, 0);

-- What facts are found by. The scope is the tenant; the nil id where a value may stand once in the
-- whole store.
CREATE TABLE fact_key (
    index_name text COLLATE "C" NOT NULL,
    scope uuid NOT NULL,
    value text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    tenant uuid NOT NULL,
    once boolean NOT NULL,
    PRIMARY KEY (index_name, scope, value, kind, id),
    FOREIGN KEY (kind, id) REFERENCES fact (kind, id)
);

CREATE UNIQUE INDEX fact_key_once ON fact_key (index_name, scope, value) WHERE once;

CREATE INDEX fact_key_of_fact ON fact_key (kind, id);

-- Who has a value that stands once, whoever asks: it may be another tenant's.
CREATE FUNCTION key_holder(of_index text, in_scope uuid, of_value text, but_kind text, but_id uuid)
RETURNS uuid LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = monetization, pg_temp
RETURN (
    SELECT id FROM fact_key
    WHERE index_name = of_index AND scope = in_scope AND value = of_value AND once
        AND NOT (kind = but_kind AND id = but_id)
);

-- Changes that were applied, to recognise them when they come again.
CREATE TABLE change_set (
    id uuid PRIMARY KEY,
    decided_at bigint NOT NULL
);

-- The news of engines that was taken in.
CREATE TABLE inbox (
    engine text COLLATE "C" NOT NULL,
    event text COLLATE "C" NOT NULL,
    change_set uuid NOT NULL,
    PRIMARY KEY (engine, event)
);

-- Operations that are to be carried out at an engine.
CREATE TABLE intent (
    id uuid PRIMARY KEY,
    tenant uuid NOT NULL,
    operation text NOT NULL CHECK (operation::json IS NOT NULL),
    due_at bigint NOT NULL,
    attempts integer NOT NULL CHECK (attempts >= 0),
    state text NOT NULL CHECK (state IN ('open', 'done', 'parked')),
    reason text CHECK ((reason IS NOT NULL) = (state = 'parked')),
    parked_at bigint CHECK ((parked_at IS NOT NULL) = (state = 'parked')),
    fence bigint NOT NULL CHECK (fence >= 0),
    claim_lapses_at bigint CHECK (claim_lapses_at IS NULL OR state = 'open')
);

CREATE INDEX intent_open ON intent (due_at, id) WHERE state = 'open';

CREATE INDEX intent_open_of_tenant ON intent (tenant) WHERE state = 'open';

CREATE INDEX intent_parked ON intent (tenant, id) WHERE state = 'parked';

-- Stretches of one plan version within one billing period. A segment that is only known as the
-- successor of another is 'announced'; its row counts from its first use or its closing on. Who
-- appends holds the row against closing, who closes it holds it alone.
CREATE TABLE segment (
    tenant uuid NOT NULL,
    id uuid NOT NULL,
    subscription uuid NOT NULL,
    plan_version uuid NOT NULL,
    invoicing text NOT NULL CHECK (invoicing IN ('by_core', 'by_engine')),
    period_index bigint NOT NULL CHECK (period_index >= 0),
    period_start_at bigint NOT NULL,
    period_end_at bigint NOT NULL,
    start_at bigint NOT NULL,
    end_at bigint NOT NULL,
    state text NOT NULL CHECK (state IN ('announced', 'open', 'closed')),
    successor uuid,
    CHECK ((successor IS NOT NULL) = (state = 'closed')),
    PRIMARY KEY (tenant, id),
    -- Where all are moved here from another store, a successor may come later in the same transaction.
    FOREIGN KEY (tenant, successor) REFERENCES segment (tenant, id) DEFERRABLE
);

-- What was used: one row for each meter of a record. The key is the record's id; for a reported
-- event, whose id is a digest, it begins with the time instead, so that the ledger only grows at
-- its end. Both begin with their month, by which the ledger is cut into partitions.
CREATE TABLE record (
    key uuid NOT NULL,
    tenant uuid NOT NULL,
    segment uuid NOT NULL,
    meter uuid NOT NULL,
    quantity bigint NOT NULL CHECK (quantity >= 0),
    occurred_at bigint NOT NULL,
    recorded_at bigint NOT NULL,
    -- The record's id, where it was reported as an event.
    event uuid,
    -- The place of this meter among those of the record.
    position smallint NOT NULL CHECK (position >= 0),
    status smallint,
    -- 0 complete, 1 client_gone, 2 upstream_broke, 3 no_answer, 4 failed.
    ending smallint CHECK (ending BETWEEN 0 AND 4),
    resource text,
    -- [[quota, window start, window end, lease or null, units], ...]; in the row of the first
    -- meter only.
    spent text,
    PRIMARY KEY (key, tenant, position)
) PARTITION BY RANGE (key);

-- How much the sum grew by where a record added something else than its quantity: by how much less
-- (or, of what was last, more), and how that was found.
CREATE TABLE tallied (
    key uuid NOT NULL,
    tenant uuid NOT NULL,
    position smallint NOT NULL,
    correction bigint NOT NULL,
    tally text NOT NULL CHECK (tally::json IS NOT NULL),
    PRIMARY KEY (key, tenant, position)
) PARTITION BY RANGE (key);

-- What has no partition of its own month.
CREATE TABLE record_of_other_months PARTITION OF record DEFAULT;

CREATE TABLE tallied_of_other_months PARTITION OF tallied DEFAULT;

-- The least key of an instant: 48 bits of milliseconds, and nothing.
CREATE FUNCTION key_at(at timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE
RETURN rpad(
    lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0'), 32, '0'
)::uuid;

-- Makes the partitions of a month, given by any of its days, and answers whether it did. A month
-- whose first records lie with those of other months already stays there.
CREATE FUNCTION make_month(of_month date) RETURNS boolean LANGUAGE plpgsql
SECURITY DEFINER SET search_path = monetization, pg_temp AS $$
DECLARE
    first_day timestamptz := date_trunc('month', of_month::timestamp) AT TIME ZONE 'UTC';
    next_day timestamptz :=
        (date_trunc('month', of_month::timestamp) + interval '1 month') AT TIME ZONE 'UTC';
    suffix text := to_char(of_month, '_YYYY_MM');
    parent text;
BEGIN
    IF to_regclass('monetization.record' || suffix) IS NOT NULL THEN
        RETURN false;
    END IF;
    -- One process at a time. Who has waited looks again, and may still be told what it knew before: then it finds
    -- the table there when it makes it.
    PERFORM pg_advisory_xact_lock(7310590179);
    IF to_regclass('monetization.record' || suffix) IS NOT NULL THEN
        RETURN false;
    END IF;
    FOREACH parent IN ARRAY ARRAY['record', 'tallied'] LOOP
        -- Made first and attached then, it keeps nobody from appending meanwhile.
        EXECUTE format(
            'CREATE TABLE %I (LIKE %I INCLUDING CONSTRAINTS)', parent || suffix, parent
        );
        EXECUTE format(
            'ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
            parent, parent || suffix, key_at(first_day), key_at(next_day)
        );
    END LOOP;
    RETURN true;
EXCEPTION WHEN check_violation OR duplicate_table THEN
    RETURN false;
END
$$;

-- What is known of the use of a billing period (`since` is its start), or of a segment for what was
-- last: the greatest quantity, how many there were, or that there was this value. A row of which
-- nothing is known was only made to be held.
CREATE TABLE tally (
    tenant uuid NOT NULL,
    subscription uuid NOT NULL,
    since_at bigint NOT NULL,
    meter uuid NOT NULL,
    value bytea NOT NULL CHECK (length(value) = 16),
    known bigint,
    used_at bigint,
    CHECK ((known IS NULL) = (used_at IS NULL)),
    PRIMARY KEY (subscription, since_at, meter, value, tenant)
);

-- The events that became records, for ever: the same event is never counted twice. Their ids are
-- digests, spread over all there is, so each partition is touched by a part of them only.
CREATE TABLE event (
    id uuid NOT NULL,
    tenant uuid NOT NULL,
    segment uuid NOT NULL,
    key uuid NOT NULL,
    digest bytea NOT NULL CHECK (length(digest) = 32),
    source text NOT NULL,
    name text NOT NULL,
    PRIMARY KEY (id, tenant)
) PARTITION BY HASH (id);

DO $$
BEGIN
    FOR part IN 0..15 LOOP
        EXECUTE format(
            'CREATE TABLE event_%s PARTITION OF event FOR VALUES WITH (MODULUS 16, REMAINDER %s)',
            part, part
        );
    END LOOP;
END
$$;

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is never changed: append a correction';
END
$$;

CREATE TRIGGER record_is_not_changed BEFORE UPDATE OR DELETE ON record
FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER tallied_is_not_changed BEFORE UPDATE OR DELETE ON tallied
FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER event_is_not_changed BEFORE UPDATE OR DELETE ON event
FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- What was used in all: `segment` pays for it, to `origin` it belongs by the time of use. Room is
-- left on each page, so that a sum that grows stays where it is and no index has to follow it.
CREATE TABLE sum (
    tenant uuid NOT NULL,
    segment uuid NOT NULL,
    origin uuid NOT NULL,
    meter uuid NOT NULL,
    total bigint NOT NULL CHECK (total >= 0),
    sealed bigint NOT NULL CHECK (sealed BETWEEN 0 AND total),
    -- Whether the engine invoices it: it does so in its segments, but for sums of what was last,
    -- which may become less.
    by_engine boolean NOT NULL,
    PRIMARY KEY (tenant, segment, origin, meter)
) WITH (fillfactor = 60);

CREATE INDEX sum_of_origin ON sum (tenant, origin);

-- Sums that the engine invoices and that hold more than is sealed. An index over `sum` could tell
-- the same, and each call that is counted would have to write to it.
CREATE TABLE unsealed (
    tenant uuid NOT NULL,
    segment uuid NOT NULL,
    origin uuid NOT NULL,
    meter uuid NOT NULL,
    PRIMARY KEY (tenant, segment, origin, meter)
);

-- The counter of a quota in one of its windows.
CREATE TABLE quota (
    tenant uuid NOT NULL,
    subscription uuid NOT NULL,
    -- The window, and after a / the meter or resource where not all calls are counted.
    quota text COLLATE "C" NOT NULL,
    start_at bigint NOT NULL,
    end_at bigint NOT NULL,
    committed bigint NOT NULL CHECK (committed BETWEEN 0 AND leased),
    leased bigint NOT NULL,
    PRIMARY KEY (subscription, quota, start_at, end_at, tenant)
) WITH (fillfactor = 60);

-- The stores that are open, each until its time lapses unless it says before that it is alive.
CREATE TABLE opening (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    lapses_at bigint NOT NULL
);

-- Blocks of strict quotas that were handed out. The opening is that of the store which did so:
-- blocks of openings that are gone are orphans.
CREATE TABLE lease (
    tenant uuid NOT NULL,
    id uuid NOT NULL,
    subscription uuid NOT NULL,
    quota text COLLATE "C" NOT NULL,
    start_at bigint NOT NULL,
    end_at bigint NOT NULL,
    units bigint NOT NULL CHECK (units > 0),
    committed bigint NOT NULL CHECK (committed BETWEEN 0 AND units),
    state text NOT NULL CHECK (state IN ('open', 'settled')),
    opening bigint NOT NULL,
    PRIMARY KEY (tenant, id)
) WITH (fillfactor = 60);

CREATE INDEX lease_open ON lease (subscription, quota, start_at, end_at, tenant)
WHERE state = 'open';

CREATE INDEX lease_open_of_opening ON lease (opening) WHERE state = 'open';

-- Pieces of sums on their way to an engine, numbered in the order they were sealed.
CREATE TABLE batch (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id uuid NOT NULL UNIQUE,
    tenant uuid NOT NULL,
    segment uuid NOT NULL,
    origin uuid NOT NULL,
    meter uuid NOT NULL,
    from_total bigint NOT NULL CHECK (from_total >= 0),
    to_total bigint NOT NULL CHECK (to_total >= from_total),
    engine text NOT NULL,
    account text,
    realm text NOT NULL,
    mode text NOT NULL CHECK (mode IN ('live', 'test')),
    used_at bigint NOT NULL,
    body bytea NOT NULL,
    state text NOT NULL CHECK (
        state IN ('sealed', 'confirmed', 'rejected', 'unknown', 'parked', 'written_off')
    ),
    reason text CHECK ((reason IS NULL) = (state IN ('sealed', 'confirmed', 'written_off'))),
    decided_because text CHECK (decided_because IS NOT NULL OR state <> 'written_off'),
    sent_again_after text CHECK (sent_again_after IN ('rejected', 'unknown', 'parked')),
    sent_again_at bigint CHECK ((sent_again_at IS NULL) = (sent_again_after IS NULL)),
    attempts integer NOT NULL CHECK (attempts >= 0),
    first_sent_at bigint,
    settled_at bigint CHECK (settled_at IS NULL OR state <> 'sealed'),
    due_at bigint NOT NULL,
    fence bigint NOT NULL CHECK (fence >= 0),
    claim_lapses_at bigint CHECK (claim_lapses_at IS NULL OR state = 'sealed'),
    FOREIGN KEY (tenant, segment, origin, meter) REFERENCES sum (tenant, segment, origin, meter)
);

CREATE UNIQUE INDEX batch_of_sum ON batch (tenant, segment, origin, meter, from_total);

CREATE INDEX batch_to_send ON batch (tenant, number) WHERE state = 'sealed';

CREATE INDEX batch_held ON batch (tenant, number)
WHERE state IN ('rejected', 'unknown', 'parked');

CREATE TABLE job (
    tenant uuid NOT NULL,
    name text NOT NULL,
    fence bigint NOT NULL CHECK (fence > 0),
    state text NOT NULL CHECK (state IN ('running', 'succeeded', 'incomplete', 'failed')),
    started_at bigint NOT NULL,
    ended_at bigint,
    done bigint NOT NULL CHECK (done >= 0),
    failed bigint NOT NULL CHECK (failed >= 0),
    lease_lapses_at bigint NOT NULL,
    PRIMARY KEY (tenant, name)
);

-- Where a sign of life is written.
CREATE TABLE ping (
    only_row boolean PRIMARY KEY CHECK (only_row),
    number bigint NOT NULL
);

INSERT INTO ping (only_row, number) VALUES (true, 0);

-- How far what another store kept was moved here: a row for each table, and one for the end. As long as one
-- is not complete, no store opens this database.
CREATE TABLE moving (
    part text PRIMARY KEY,
    source uuid NOT NULL,
    -- Where its next page begins, in words of the source.
    next text,
    is_complete boolean NOT NULL
);

-- Who may do what. Nobody but the owner of the tables may do more, and a record, an event or what
-- a record was tallied as can only be added.

GRANT SELECT, INSERT, UPDATE ON fact, intent, job TO monetization_tenant, monetization_worker;
GRANT SELECT, INSERT, DELETE ON fact_key TO monetization_tenant, monetization_worker;
GRANT SELECT, UPDATE ON change_sequence TO monetization_tenant, monetization_worker;
GRANT INSERT ON change_set, inbox TO monetization_tenant, monetization_worker;
GRANT SELECT, INSERT, UPDATE ON segment
TO monetization_tenant, monetization_worker, monetization_ledger;
GRANT SELECT ON record, tallied, event, quota TO monetization_tenant;
GRANT SELECT, UPDATE ON sum TO monetization_tenant;
GRANT SELECT, DELETE ON unsealed TO monetization_tenant;
GRANT SELECT, INSERT, UPDATE ON batch TO monetization_tenant;
GRANT SELECT, UPDATE ON batch TO monetization_worker;
GRANT SELECT, UPDATE ON ping TO monetization_worker;
GRANT SELECT ON moving TO monetization_worker, monetization_inspector;

GRANT SELECT, INSERT ON record, tallied, event, unsealed TO monetization_ledger;
GRANT SELECT, INSERT, UPDATE ON sum, quota, lease, tally TO monetization_ledger;
GRANT SELECT, INSERT, UPDATE, DELETE ON opening TO monetization_ledger;

GRANT SELECT ON migration, fact, fact_key, intent, segment, record, tallied, tally, event, sum,
    unsealed, quota, opening, lease, batch, job
TO monetization_inspector;

REVOKE EXECUTE ON FUNCTION key_holder, make_month FROM PUBLIC;
GRANT EXECUTE ON FUNCTION key_holder TO monetization_tenant, monetization_worker;
GRANT EXECUTE ON FUNCTION make_month TO monetization_ledger;

-- The second wall: a statement that forgets to name its tenant finds nothing of others.
DO $$
DECLARE
    walled text;
BEGIN
    FOREACH walled IN ARRAY ARRAY[
        'fact', 'fact_key', 'intent', 'segment', 'record', 'tallied', 'event', 'tally', 'sum',
        'unsealed', 'quota', 'lease', 'batch', 'job'
    ] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', walled);
        EXECUTE format(
            'CREATE POLICY of_one_tenant ON %I TO monetization_tenant
            USING (tenant = (SELECT tenant_of_transaction()))',
            walled
        );
        EXECUTE format(
            'CREATE POLICY of_every_tenant ON %I
            TO monetization_ledger, monetization_worker, monetization_inspector
            USING (true)',
            walled
        );
    END LOOP;
END
$$;

-- For people at psql: ids and instants as the program shows them. A view shows what whoever asks may
-- see, a tenant's own to a tenant.

CREATE FUNCTION shown(prefix text, id uuid) RETURNS text LANGUAGE sql IMMUTABLE
RETURN prefix || '_' || replace(id::text, '-', '');

CREATE FUNCTION shown_at(micros bigint) RETURNS text LANGUAGE sql STABLE
RETURN to_char(
    to_timestamp(micros / 1000000) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'
);

CREATE VIEW v_product WITH (security_invoker) AS
SELECT body::jsonb ->> 'id' AS id, body::jsonb ->> 'slug' AS slug, body::jsonb ->> 'name' AS name,
    body::jsonb ->> 'state' AS state, body::jsonb ->> 'publisher' AS publisher,
    shown('ten', tenant) AS tenant, version, body
FROM fact WHERE kind = 'product';

CREATE VIEW v_consumer WITH (security_invoker) AS
SELECT body::jsonb ->> 'id' AS id, body::jsonb ->> 'name' AS name,
    shown('ten', tenant) AS tenant, version, body
FROM fact WHERE kind = 'consumer';

CREATE VIEW v_subscription WITH (security_invoker) AS
SELECT body::jsonb ->> 'id' AS id, body::jsonb ->> 'consumer' AS consumer,
    body::jsonb ->> 'product' AS product, body::jsonb ->> 'plan' AS plan,
    body::jsonb ->> 'state' AS state, body::jsonb ->> 'blocks' AS blocks,
    shown_at(due_at) AS due_at, shown('ten', tenant) AS tenant, version, body
FROM fact WHERE kind = 'subscription';

CREATE VIEW v_invoice WITH (security_invoker) AS
SELECT body::jsonb ->> 'id' AS id, body::jsonb ->> 'subscription' AS subscription,
    body::jsonb ->> 'consumer' AS consumer, body::jsonb ->> 'state' AS state,
    body::jsonb #>> '{total,amount}' AS total, body::jsonb ->> 'currency' AS currency,
    body::jsonb ->> 'issued_at' AS issued_at, body::jsonb ->> 'due_at' AS due_at,
    shown('ten', tenant) AS tenant, version, body
FROM fact WHERE kind = 'invoice';

CREATE VIEW v_segment WITH (security_invoker) AS
SELECT shown('seg', id) AS id, shown('sub', subscription) AS subscription, invoicing, state,
    shown_at(start_at) AS start_at, shown_at(end_at) AS end_at, shown('ten', tenant) AS tenant
FROM segment;

CREATE VIEW v_sum WITH (security_invoker) AS
SELECT shown('seg', sum.segment) AS segment, shown('seg', sum.origin) AS origin,
    shown('sub', segment.subscription) AS subscription, shown('mtr', sum.meter) AS meter,
    sum.total, sum.sealed, shown('ten', sum.tenant) AS tenant
FROM sum
JOIN segment ON segment.tenant = sum.tenant AND segment.id = sum.segment;

-- Ordered by its key it is read from the end on, whatever its size.
CREATE VIEW v_record WITH (security_invoker) AS
SELECT shown('rec', coalesce(record.event, record.key)) AS id,
    shown('sub', segment.subscription) AS subscription, shown('seg', record.segment) AS segment,
    shown('mtr', record.meter) AS meter, record.quantity,
    shown_at(record.occurred_at) AS occurred_at, record.resource, record.status,
    CASE record.ending WHEN 0 THEN 'complete' WHEN 1 THEN 'client_gone'
        WHEN 2 THEN 'upstream_broke' WHEN 3 THEN 'no_answer' WHEN 4 THEN 'failed' END AS ending,
    event.source AS event_source, event.name AS event_name, record.spent,
    shown('ten', record.tenant) AS tenant, record.key
FROM record
LEFT JOIN segment ON segment.tenant = record.tenant AND segment.id = record.segment
LEFT JOIN event ON event.id = record.event AND event.tenant = record.tenant;

-- What each record spent of each quota.
CREATE VIEW v_spent WITH (security_invoker) AS
SELECT shown('rec', coalesce(record.event, record.key)) AS record,
    shown('sub', segment.subscription) AS subscription, part.value ->> 0 AS quota,
    shown_at((part.value ->> 1)::bigint) AS window_start_at,
    shown('lse', (part.value ->> 3)::uuid) AS lease, (part.value ->> 4)::bigint AS units,
    shown('ten', record.tenant) AS tenant, record.key
FROM record
LEFT JOIN segment ON segment.tenant = record.tenant AND segment.id = record.segment
CROSS JOIN jsonb_array_elements(record.spent::jsonb) AS part;

CREATE VIEW v_quota WITH (security_invoker) AS
SELECT shown('sub', subscription) AS subscription, quota, shown_at(start_at) AS start_at,
    shown_at(end_at) AS end_at, committed, leased, shown('ten', tenant) AS tenant
FROM quota;

CREATE VIEW v_batch WITH (security_invoker) AS
SELECT shown('bat', id) AS id, shown('seg', segment) AS segment, shown('mtr', meter) AS meter,
    from_total, to_total, engine, account, realm, mode, state, reason, attempts,
    shown('ten', tenant) AS tenant, number
FROM batch;

GRANT SELECT ON v_product, v_consumer, v_subscription, v_invoice, v_segment, v_sum, v_record,
    v_spent, v_quota, v_batch
TO monetization_tenant, monetization_inspector;
