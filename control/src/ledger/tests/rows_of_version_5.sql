-- Rows as version 5 inserted them, with its statements: an old build that takes over the file again.
INSERT OR IGNORE INTO generations (generation, build_id, config_hash, attached_utc_ns)
    VALUES (77, '0000000000000002', '0000000000000003', 5);
INSERT OR REPLACE INTO instruments VALUES (77, 0, 'usdm', 'BTCUSDT', 1, 1, 10, 1, 3, 1000);
INSERT OR IGNORE INTO orders (client_order_id, generation, sequence, intent, instrument, strategy,
    side, order_type, time_in_force, price_ticks, quantity_lots, reduce_only, trigger_kind,
    trigger_id, state, pending, certainty, decided_utc_ns, changed_utc_ns, venue) VALUES
    ('fu00077000000001', 77, 2, 1, 0, 0, 'BUY', 'LIMIT', 'IOC', 281451, 3, 0, 'depth', 4711,
    'SUBMITTED', 'PLACE', 'KNOWN', 9, 9, 'paper:usdm:default');
INSERT INTO order_events VALUES (77, 2, 'fu00077000000001', 'INTENT', 'SUBMITTED', 'PLACE', 'KNOWN',
    0, NULL, 0, 1, 9, 9);
INSERT INTO amendments VALUES (77, 3, 'fu00077000000001', 'INTENT', 2, 281450, 3, 9);
INSERT INTO fills VALUES (77, 4, 'fu00077000000001', 0, 0, 'BUY', 9001, 281451, 3, 1000, 0, 'TAKER',
    1700000000000, 9, 'paper:usdm:default');
INSERT INTO positions VALUES (77, 5, 0, 3, '844353', 0, 1000, 'FILLS', 0, 9);
INSERT INTO fills VALUES (77, 6, 'fu00077000000002', 0, 0, 'SELL', 9002, 281461, 3, 1000, 3000000,
    'MAKER', 1700000001000, 9, 'paper:usdm:default');
INSERT INTO trades VALUES (77, 7, 0, 0, 'BUY', 3, 3000000, 2000, 5, 'TAKE_PROFIT', 9);
INSERT INTO positions VALUES (77, 8, 0, 0, '0', 3000000, 2000, 'FILLS', 0, 9);
INSERT INTO denials VALUES (77, 9, 'PRICE_COLLAR', 0, 0, 'BUY', 281451, 3, 9);
INSERT INTO trading_states VALUES (77, 10, 'HALTED', 'ACTIVE', 'RECONCILED', 9);
INSERT INTO wallets VALUES (77, 11, 1000000000000, 1700000002000);
INSERT OR IGNORE INTO incomes VALUES ('FUNDING_FEE', 1, 'BTCUSDT', 'USDT', -500, 1700000000500, 0,
    NULL, 77, 12, 'paper:usdm:default');
UPDATE generations SET last_sequence = 12, records = records + 12 WHERE generation = 77;
