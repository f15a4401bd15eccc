-- Usage by the hour out of the detailed billing export. Rows of one hour may come on several
-- days and in several invoices: they are summed by the hour of use, never appended. Credits are
-- summed within their row: joined, they would count the row's cost and usage once for each.
SELECT
  hour, billing_account, project, region, zone, sku_id, sku, machine_spec, unused, labels,
  currency, subscription,
  MAX(own_price) AS own_price,
  CAST(SUM(quantity) AS STRING) AS quantity,
  CAST(SUM(cost) AS STRING) AS cost,
  CAST(SUM(credit) AS STRING) AS credit,
  CAST(SUM(legacy) AS STRING) AS legacy,
  COUNT(*) AS source_rows
FROM (
  SELECT
    FORMAT_TIMESTAMP('%Y-%m-%dT%H:00:00Z', TIMESTAMP_TRUNC(usage_start_time, HOUR)) AS hour,
    billing_account_id AS billing_account,
    project.id AS project,
    location.region AS region,
    location.zone AS zone,
    sku.id AS sku_id,
    sku.description AS sku,
    (SELECT MAX(l.value) FROM UNNEST(system_labels) AS l
      WHERE l.key = 'compute.googleapis.com/machine_spec') AS machine_spec,
    (SELECT MAX(l.value) FROM UNNEST(system_labels) AS l
      WHERE l.key = 'compute.googleapis.com/is_unused_reservation') AS unused,
    TO_JSON_STRING(labels) AS labels,
    currency,
    subscription.instance_id AS subscription,
    CAST(price.effective_price_default AS STRING) AS own_price,
    CAST(usage.amount_in_pricing_units AS NUMERIC) AS quantity,
    CAST(cost AS NUMERIC) AS cost,
    (SELECT COALESCE(SUM(CAST(c.amount AS NUMERIC)), 0) FROM UNNEST(credits) AS c) AS credit,
    (SELECT COALESCE(SUM(CAST(c.amount AS NUMERIC)), 0) FROM UNNEST(credits) AS c
      WHERE c.type = 'COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE') AS legacy
  FROM `{table}`
  WHERE usage_start_time >= @since AND usage_start_time < @until
    AND service.id = @service
    AND cost_type = 'regular'
    AND project.id IN UNNEST(@projects)
)
GROUP BY hour, billing_account, project, region, zone, sku_id, sku, machine_spec, unused, labels,
  currency, subscription
ORDER BY sku_id, project, zone, machine_spec, labels, hour
