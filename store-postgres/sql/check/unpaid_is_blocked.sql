-- Nobody has access whose first invoice by core is not paid, or whose later one is past due and its grace over.
WITH
subscription AS MATERIALIZED (
    SELECT body::jsonb ->> 'id' AS id, body::jsonb ->> 'state' AS state,
        body::jsonb -> 'blocks' @> '["payment"]' AS is_blocked
    FROM fact WHERE kind = 'subscription'
),
invoice AS (
    SELECT body::jsonb ->> 'id' AS id, body::jsonb ->> 'subscription' AS subscription,
        body::jsonb ->> 'state' AS state,
        body::jsonb ->> 'invoicing' = 'by_core' AND body::jsonb #>> '{occasion,kind}' = 'start'
            AS is_first,
        body::jsonb ->> 'grace_ends_at' IS NOT NULL AS has_grace
    FROM fact WHERE kind = 'invoice' AND body::jsonb #>> '{occasion,kind}' <> 'bundle'
)
SELECT invoice.id,
    CASE
        WHEN subscription.id IS NULL THEN 'its subscription is not there'
        WHEN invoice.has_grace AND invoice.state <> 'past_due'
            THEN 'it is ' || invoice.state || ', and has days of grace'
        WHEN subscription.state NOT IN ('active', 'ending') OR subscription.is_blocked THEN NULL
        WHEN invoice.state = 'past_due' AND invoice.has_grace AND NOT invoice.is_first THEN NULL
        WHEN invoice.state IN ('past_due', 'uncollectible')
            THEN 'it is ' || invoice.state || ', and ' || subscription.id || ' is not blocked'
        WHEN invoice.is_first AND invoice.state <> 'paid'
            THEN 'it is the first, and ' || invoice.state || ', and ' || subscription.id || ' is '
                || subscription.state
    END AS problem
FROM invoice LEFT JOIN subscription ON subscription.id = invoice.subscription
