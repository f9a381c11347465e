-- Ids are 16-byte blobs, instants are microseconds since 1970-01-01 UTC, quantities are integers
-- of their meter's scale. A `number` is what a row is called within this file; it is never shown.

-- What is sold, to whom, and what is owed: the body is JSON. A row's place in the change
-- sequence is its key, so every change moves it to the end.
CREATE TABLE fact (
    change_seq INTEGER PRIMARY KEY CHECK (change_seq > 0),
    kind TEXT NOT NULL,
    id BLOB NOT NULL CHECK (length(id) = 16),
    tenant BLOB NOT NULL CHECK (length(tenant) = 16),
    version INTEGER NOT NULL CHECK (version > 0),
    due_at INTEGER,
    body TEXT NOT NULL CHECK (json_valid(body)),
    -- [[index, value], ...], as fact_key has them.
    keys TEXT NOT NULL CHECK (json_valid(keys)),
    UNIQUE (kind, id)
) STRICT;

CREATE INDEX fact_of_tenant ON fact (kind, tenant, id);

CREATE INDEX fact_due ON fact (kind, due_at, id) WHERE due_at IS NOT NULL;

-- What facts are found by. The scope is the tenant; empty where a value may stand once in the
-- whole store.
CREATE TABLE fact_key (
    index_name TEXT NOT NULL,
    scope BLOB NOT NULL CHECK (length(scope) IN (0, 16)),
    value TEXT NOT NULL,
    kind TEXT NOT NULL,
    id BLOB NOT NULL,
    once INTEGER NOT NULL CHECK (once IN (0, 1)),
    PRIMARY KEY (index_name, scope, value, kind, id),
    FOREIGN KEY (kind, id) REFERENCES fact (kind, id)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX fact_key_once ON fact_key (index_name, scope, value) WHERE once = 1;

CREATE INDEX fact_key_of_fact ON fact_key (kind, id);

-- Changes that were applied, to recognise them when they come again.
CREATE TABLE change_set (
    id BLOB PRIMARY KEY CHECK (length(id) = 16),
    decided_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The news of engines that was taken in.
CREATE TABLE inbox (
    engine TEXT NOT NULL,
    event TEXT NOT NULL,
    change_set BLOB NOT NULL REFERENCES change_set (id),
    PRIMARY KEY (engine, event)
) STRICT, WITHOUT ROWID;

-- Operations that are to be carried out at an engine.
CREATE TABLE intent (
    id BLOB PRIMARY KEY CHECK (length(id) = 16),
    tenant BLOB NOT NULL CHECK (length(tenant) = 16),
    operation TEXT NOT NULL CHECK (json_valid(operation)),
    due_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL CHECK (attempts >= 0),
    state TEXT NOT NULL CHECK (state IN ('open', 'done', 'parked')),
    reason TEXT CHECK ((reason IS NOT NULL) = (state = 'parked')),
    parked_at INTEGER CHECK ((parked_at IS NOT NULL) = (state = 'parked')),
    fence INTEGER NOT NULL CHECK (fence >= 0),
    claim_lapses_at INTEGER CHECK (claim_lapses_at IS NULL OR state = 'open')
) STRICT, WITHOUT ROWID;

CREATE INDEX intent_open ON intent (due_at, id) WHERE state = 'open';

CREATE INDEX intent_open_of_tenant ON intent (tenant) WHERE state = 'open';

CREATE INDEX intent_parked ON intent (tenant, id) WHERE state = 'parked';

-- Stretches of one plan version within one billing period. A segment that is only known as the
-- successor of another is 'announced'; its row counts from its first use or its closing on.
CREATE TABLE segment (
    number INTEGER PRIMARY KEY,
    tenant BLOB NOT NULL CHECK (length(tenant) = 16),
    id BLOB NOT NULL CHECK (length(id) = 16),
    subscription BLOB NOT NULL CHECK (length(subscription) = 16),
    plan_version BLOB NOT NULL CHECK (length(plan_version) = 16),
    invoicing TEXT NOT NULL CHECK (invoicing IN ('by_core', 'by_engine')),
    period_index INTEGER NOT NULL CHECK (period_index >= 0),
    period_start_at INTEGER NOT NULL,
    period_end_at INTEGER NOT NULL,
    start_at INTEGER NOT NULL,
    end_at INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('announced', 'open', 'closed')),
    successor INTEGER REFERENCES segment (number),
    CHECK ((successor IS NOT NULL) = (state = 'closed')),
    UNIQUE (tenant, id)
) STRICT;

CREATE TABLE meter (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE CHECK (length(id) = 16)
) STRICT;

-- What was used: one row for each meter of a record. The key is the record's id; for a reported
-- event, whose id is a digest, it begins with the time instead, so that the ledger only grows at
-- its end.
CREATE TABLE record (
    key BLOB NOT NULL CHECK (length(key) = 16),
    segment INTEGER NOT NULL REFERENCES segment (number),
    meter INTEGER NOT NULL REFERENCES meter (number),
    quantity INTEGER NOT NULL CHECK (quantity >= 0),
    occurred_at INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    resource TEXT,
    status INTEGER,
    -- 0 complete, 1 client_gone, 2 upstream_broke, 3 no_answer, 4 failed.
    ending INTEGER CHECK (ending BETWEEN 0 AND 4),
    -- [[quota.number, lease.number or null, units], ...]; in the row of the first meter only.
    spent TEXT,
    -- The record's id, where it was reported as an event.
    event BLOB,
    -- The place of this meter among those of the record.
    position INTEGER NOT NULL CHECK (position >= 0),
    PRIMARY KEY (key, segment, meter)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER record_is_not_changed BEFORE UPDATE ON record BEGIN
    SELECT raise(ABORT, 'the ledger is never changed: append a correction');
END;

CREATE TRIGGER record_is_not_deleted BEFORE DELETE ON record BEGIN
    SELECT raise(ABORT, 'the ledger is never changed: append a correction');
END;

-- How much the sum grew by where a record added something else than its quantity: by how much less
-- (or, of what was last, more), and how that was found.
CREATE TABLE tallied (
    key BLOB NOT NULL CHECK (length(key) = 16),
    segment INTEGER NOT NULL REFERENCES segment (number),
    meter INTEGER NOT NULL REFERENCES meter (number),
    correction INTEGER NOT NULL,
    tally TEXT NOT NULL CHECK (json_valid(tally)),
    PRIMARY KEY (key, segment, meter)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER tallied_is_not_changed BEFORE UPDATE ON tallied BEGIN
    SELECT raise(ABORT, 'the ledger is never changed: append a correction');
END;

CREATE TRIGGER tallied_is_not_deleted BEFORE DELETE ON tallied BEGIN
    SELECT raise(ABORT, 'the ledger is never changed: append a correction');
END;

-- What is known of the use of a billing period (`since` is its start), or of a segment for what was
-- last: the greatest quantity, how many there were, or that there was this value.
CREATE TABLE tally (
    tenant BLOB NOT NULL CHECK (length(tenant) = 16),
    subscription BLOB NOT NULL CHECK (length(subscription) = 16),
    since_at INTEGER NOT NULL,
    meter INTEGER NOT NULL REFERENCES meter (number),
    value BLOB NOT NULL CHECK (length(value) = 16),
    known INTEGER NOT NULL,
    used_at INTEGER NOT NULL,
    PRIMARY KEY (subscription, since_at, meter, value, tenant)
) STRICT, WITHOUT ROWID;

-- The events that became records, for ever: the same event is never counted twice.
CREATE TABLE event (
    id BLOB NOT NULL CHECK (length(id) = 16),
    segment INTEGER NOT NULL REFERENCES segment (number),
    key BLOB NOT NULL CHECK (length(key) = 16),
    digest BLOB NOT NULL CHECK (length(digest) = 32),
    source TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (id, segment)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER event_is_not_changed BEFORE UPDATE ON event BEGIN
    SELECT raise(ABORT, 'the ledger is never changed: append a correction');
END;

CREATE TRIGGER event_is_not_deleted BEFORE DELETE ON event BEGIN
    SELECT raise(ABORT, 'the ledger is never changed: append a correction');
END;

-- What was used in all: `segment` pays for it, to `origin` it belongs by the time of use.
CREATE TABLE sum (
    segment INTEGER NOT NULL REFERENCES segment (number),
    origin INTEGER NOT NULL REFERENCES segment (number),
    meter INTEGER NOT NULL REFERENCES meter (number),
    total INTEGER NOT NULL CHECK (total >= 0),
    sealed INTEGER NOT NULL CHECK (sealed BETWEEN 0 AND total),
    -- Whether the engine invoices it: it does so in its segments, but for sums of what was last,
    -- which may become less.
    by_engine INTEGER NOT NULL CHECK (by_engine IN (0, 1)),
    PRIMARY KEY (segment, origin, meter)
) STRICT, WITHOUT ROWID;

CREATE INDEX sum_unsealed ON sum (segment, origin, meter) WHERE by_engine = 1 AND sealed < total;

CREATE INDEX sum_of_origin ON sum (origin);

-- The counter of a quota in one of its windows.
CREATE TABLE quota (
    number INTEGER PRIMARY KEY,
    tenant BLOB NOT NULL CHECK (length(tenant) = 16),
    subscription BLOB NOT NULL CHECK (length(subscription) = 16),
    -- The window, and after a / the meter or resource where not all calls are counted.
    quota TEXT NOT NULL,
    start_at INTEGER NOT NULL,
    end_at INTEGER NOT NULL,
    committed INTEGER NOT NULL CHECK (committed BETWEEN 0 AND leased),
    leased INTEGER NOT NULL,
    UNIQUE (subscription, quota, start_at, end_at, tenant)
) STRICT;

-- Blocks of strict quotas that were handed out. The opening is that of the store which did so:
-- blocks of earlier openings are orphans.
CREATE TABLE lease (
    number INTEGER PRIMARY KEY,
    tenant BLOB NOT NULL CHECK (length(tenant) = 16),
    id BLOB NOT NULL CHECK (length(id) = 16),
    quota INTEGER NOT NULL REFERENCES quota (number),
    units INTEGER NOT NULL CHECK (units > 0),
    committed INTEGER NOT NULL CHECK (committed BETWEEN 0 AND units),
    state TEXT NOT NULL CHECK (state IN ('open', 'settled')),
    opening INTEGER NOT NULL CHECK (opening > 0),
    UNIQUE (id, tenant)
) STRICT;

CREATE INDEX lease_open ON lease (quota, opening) WHERE state = 'open';

-- Pieces of sums on their way to an engine, numbered in the order they were sealed.
CREATE TABLE batch (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    tenant BLOB NOT NULL CHECK (length(tenant) = 16),
    segment INTEGER NOT NULL REFERENCES segment (number),
    origin INTEGER NOT NULL REFERENCES segment (number),
    meter INTEGER NOT NULL REFERENCES meter (number),
    from_total INTEGER NOT NULL CHECK (from_total >= 0),
    to_total INTEGER NOT NULL CHECK (to_total >= from_total),
    engine TEXT NOT NULL,
    account TEXT,
    realm TEXT NOT NULL,
    mode TEXT NOT NULL CHECK (mode IN ('live', 'test')),
    used_at INTEGER NOT NULL,
    body BLOB NOT NULL,
    state TEXT NOT NULL CHECK (
        state IN ('sealed', 'confirmed', 'rejected', 'unknown', 'parked', 'written_off')
    ),
    reason TEXT CHECK ((reason IS NULL) = (state IN ('sealed', 'confirmed', 'written_off'))),
    decided_because TEXT CHECK (decided_because IS NOT NULL OR state <> 'written_off'),
    sent_again_after TEXT CHECK (sent_again_after IN ('rejected', 'unknown', 'parked')),
    sent_again_at INTEGER CHECK ((sent_again_at IS NULL) = (sent_again_after IS NULL)),
    attempts INTEGER NOT NULL CHECK (attempts >= 0),
    first_sent_at INTEGER,
    settled_at INTEGER CHECK (settled_at IS NULL OR state <> 'sealed'),
    due_at INTEGER NOT NULL,
    fence INTEGER NOT NULL CHECK (fence >= 0),
    claim_lapses_at INTEGER CHECK (claim_lapses_at IS NULL OR state = 'sealed')
) STRICT;

CREATE UNIQUE INDEX batch_of_sum ON batch (segment, origin, meter, from_total);

CREATE INDEX batch_to_send ON batch (tenant, number) WHERE state = 'sealed';

CREATE INDEX batch_held ON batch (tenant, number)
WHERE state IN ('rejected', 'unknown', 'parked');

CREATE TABLE job (
    tenant BLOB NOT NULL CHECK (length(tenant) = 16),
    name TEXT NOT NULL,
    fence INTEGER NOT NULL CHECK (fence > 0),
    state TEXT NOT NULL CHECK (state IN ('running', 'succeeded', 'incomplete', 'failed')),
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    done INTEGER NOT NULL CHECK (done >= 0),
    failed INTEGER NOT NULL CHECK (failed >= 0),
    lease_lapses_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;

-- Where a sign of life is written, and taken away again.
CREATE TABLE ping (
    number INTEGER PRIMARY KEY,
    filler BLOB NOT NULL
) STRICT;

-- That what is here was moved to another store, or is being moved: no store opens it any more.
CREATE TABLE moved (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    id BLOB NOT NULL CHECK (length(id) = 16),
    target TEXT NOT NULL,
    is_done INTEGER NOT NULL CHECK (is_done IN (0, 1))
) STRICT;

-- For people at the sqlite3 shell: ids and instants as the program shows them.

CREATE VIEW v_product AS
SELECT body ->> 'id' AS id, body ->> 'slug' AS slug, body ->> 'name' AS name,
    body ->> 'state' AS state, body ->> 'publisher' AS publisher, version, body
FROM fact WHERE kind = 'product';

CREATE VIEW v_consumer AS
SELECT body ->> 'id' AS id, body ->> 'name' AS name, version, body
FROM fact WHERE kind = 'consumer';

CREATE VIEW v_subscription AS
SELECT body ->> 'id' AS id, body ->> 'consumer' AS consumer, body ->> 'product' AS product,
    body ->> 'plan' AS plan, body ->> 'state' AS state, body ->> 'blocks' AS blocks,
    strftime('%Y-%m-%dT%H:%M:%SZ', due_at / 1000000, 'unixepoch') AS due_at, version, body
FROM fact WHERE kind = 'subscription';

CREATE VIEW v_invoice AS
SELECT body ->> 'id' AS id, body ->> 'subscription' AS subscription,
    body ->> 'consumer' AS consumer, body ->> 'state' AS state,
    body ->> '$.total.amount' AS total, body ->> 'currency' AS currency,
    body ->> 'issued_at' AS issued_at, body ->> 'due_at' AS due_at, version, body
FROM fact WHERE kind = 'invoice';

CREATE VIEW v_segment AS
SELECT 'seg_' || lower(hex(id)) AS id, 'sub_' || lower(hex(subscription)) AS subscription,
    invoicing, state, strftime('%Y-%m-%dT%H:%M:%SZ', start_at / 1000000, 'unixepoch') AS start_at,
    strftime('%Y-%m-%dT%H:%M:%SZ', end_at / 1000000, 'unixepoch') AS end_at, number
FROM segment;

CREATE VIEW v_sum AS
SELECT 'seg_' || lower(hex(segment.id)) AS segment, 'seg_' || lower(hex(origin.id)) AS origin,
    'sub_' || lower(hex(segment.subscription)) AS subscription,
    'mtr_' || lower(hex(meter.id)) AS meter, sum.total, sum.sealed
FROM sum
JOIN segment ON segment.number = sum.segment
JOIN segment AS origin ON origin.number = sum.origin
JOIN meter ON meter.number = sum.meter;

CREATE VIEW v_record AS
SELECT 'rec_' || lower(hex(coalesce(record.event, record.key))) AS id,
    'sub_' || lower(hex(segment.subscription)) AS subscription,
    'seg_' || lower(hex(segment.id)) AS segment, 'mtr_' || lower(hex(meter.id)) AS meter,
    record.quantity,
    strftime('%Y-%m-%dT%H:%M:%SZ', record.occurred_at / 1000000, 'unixepoch') AS occurred_at,
    record.resource, record.status,
    CASE record.ending WHEN 0 THEN 'complete' WHEN 1 THEN 'client_gone'
        WHEN 2 THEN 'upstream_broke' WHEN 3 THEN 'no_answer' WHEN 4 THEN 'failed' END AS ending,
    event.source AS event_source, event.name AS event_name, record.spent
FROM record
JOIN segment ON segment.number = record.segment
JOIN meter ON meter.number = record.meter
LEFT JOIN event ON event.id = record.event AND event.segment = record.segment;

-- What each record spent of each quota.
CREATE VIEW v_spent AS
SELECT 'rec_' || lower(hex(coalesce(record.event, record.key))) AS record,
    'sub_' || lower(hex(quota.subscription)) AS subscription, quota.quota,
    strftime('%Y-%m-%dT%H:%M:%SZ', quota.start_at / 1000000, 'unixepoch') AS window_start_at,
    iif(lease.id IS NULL, NULL, 'lse_' || lower(hex(lease.id))) AS lease,
    spent.value ->> 2 AS units
FROM record, json_each(record.spent) AS spent
JOIN quota ON quota.number = spent.value ->> 0
LEFT JOIN lease ON lease.number = spent.value ->> 1;

CREATE VIEW v_quota AS
SELECT 'sub_' || lower(hex(subscription)) AS subscription, quota,
    strftime('%Y-%m-%dT%H:%M:%SZ', start_at / 1000000, 'unixepoch') AS start_at,
    strftime('%Y-%m-%dT%H:%M:%SZ', end_at / 1000000, 'unixepoch') AS end_at, committed, leased
FROM quota;

CREATE VIEW v_batch AS
SELECT 'bat_' || lower(hex(batch.id)) AS id, 'seg_' || lower(hex(segment.id)) AS segment,
    'mtr_' || lower(hex(meter.id)) AS meter, batch.from_total, batch.to_total, batch.engine,
    batch.account, batch.realm, batch.mode, batch.state, batch.reason, batch.attempts
FROM batch
JOIN segment ON segment.number = batch.segment
JOIN meter ON meter.number = batch.meter;
