-- Nobody has access whose first invoice by core is not paid, or whose later one is past due and its grace over.
WITH
parsed AS MATERIALIZED (
    SELECT kind, body::jsonb AS body FROM fact WHERE kind IN ('invoice', 'subscription')
),
subscription AS (
    SELECT body ->> 'id' AS id, body ->> 'state' AS state,
        body -> 'blocks' @> '["payment"]' AS is_blocked
    FROM parsed WHERE kind = 'subscription'
),
invoice AS (
    SELECT body ->> 'id' AS id, body ->> 'subscription' AS subscription, body ->> 'state' AS state,
        body ->> 'invoicing' = 'by_core' AND body #>> '{occasion,kind}' = 'start' AS is_first,
        body ->> 'grace_ends_at' IS NOT NULL AS has_grace
    FROM parsed WHERE kind = 'invoice' AND body #>> '{occasion,kind}' <> 'bundle'
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
