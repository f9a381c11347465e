-- What belongs together belongs to one tenant.
SELECT 'seg_' || lower(hex(payer.id)) || ' of seg_' || lower(hex(origin.id)) AS id,
    iif(
        payer.tenant <> origin.tenant OR payer.subscription <> origin.subscription,
        'the segment that pays is another''s', NULL
    ) AS problem
FROM sum
JOIN segment AS payer ON payer.number = sum.segment
JOIN segment AS origin ON origin.number = sum.origin
UNION ALL
SELECT 'bat_' || lower(hex(batch.id)),
    iif(batch.tenant <> segment.tenant, 'its sum is another tenant''s', NULL)
FROM batch JOIN segment ON segment.number = batch.segment
UNION ALL
SELECT 'lse_' || lower(hex(lease.id)),
    iif(lease.tenant <> quota.tenant, 'its quota is another tenant''s', NULL)
FROM lease JOIN quota ON quota.number = lease.quota
UNION ALL
SELECT 'seg_' || lower(hex(segment.id)),
    iif(segment.tenant <> fact.tenant, 'its subscription is another tenant''s', NULL)
FROM segment JOIN fact ON fact.kind = 'subscription' AND fact.id = segment.subscription
UNION ALL
SELECT 'sub_' || lower(hex(quota.subscription)) || ' ' || quota.quota,
    iif(quota.tenant <> fact.tenant, 'its subscription is another tenant''s', NULL)
FROM quota JOIN fact ON fact.kind = 'subscription' AND fact.id = quota.subscription
