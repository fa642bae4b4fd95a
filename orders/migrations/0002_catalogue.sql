-- The catalogue to start with: p1 to p1000, untracked but for every hundredth; names and prices are for show.
INSERT INTO product (product_id, name, price_minor, tracked, stock)
SELECT 'p' || n,
    (ARRAY['Walnut', 'Copper', 'Linen', 'Slate', 'Amber', 'Birch', 'Cobalt', 'Ivory', 'Moss', 'Coral'])[1 + n % 10] || ' '
        || (ARRAY['Lamp', 'Kettle', 'Chair', 'Notebook', 'Clock', 'Backpack', 'Mug', 'Blanket', 'Speaker', 'Vase'])[1 + (n / 10) % 10]
        || ' ' || (ARRAY['Mini', 'Classic', 'Plus', 'Studio', 'Travel', 'Duo', 'Pro', 'Light', 'Max', 'Home'])[1 + (n / 100) % 10],
    199 + (n * 7919) % 19800,
    n % 100 = 0,
    CASE WHEN n % 100 = 0 THEN 1000000 ELSE 0 END
FROM generate_series(1, 1000) AS n;
