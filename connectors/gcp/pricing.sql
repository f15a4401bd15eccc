-- The customer's own price of every SKU, out of the newest day of the pricing export.
SELECT
  sku.id AS sku_id,
  (SELECT CAST(MAX(CAST(r.account_currency_amount AS NUMERIC)) AS STRING)
    FROM UNNEST(billing_account_price.tiered_rates) AS r
    WHERE r.start_usage_amount = 0) AS price
FROM `{table}`
WHERE service.id = @service
  AND export_time = (SELECT MAX(export_time) FROM `{table}`)
ORDER BY sku_id
