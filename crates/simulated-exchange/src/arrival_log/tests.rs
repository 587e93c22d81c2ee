//! Every input of accounts and of the exchange itself, there and back.

use market::{
    ClientOrderId, ExchangeOrderId, Filters, InstrumentId, InstrumentStatus, Money, OrderState,
    OrderType, Price, Quantity, Rate, Side, TimeInForce, UtcMs,
};
use matching::{
    AccountId, BnbFees, ConditionalKind, Expiry, Fees, Input, ListKind, MarginType, Opening,
    OrderOptions, PRICE_MATCHES, PlaceList, PlaceOrder, PositionSide, SelfTrade, SpotBalances,
    Stop,
};

use super::read::Words;
use super::write::write_input;

fn there_and_back(input: &Input) {
    let mut line = String::new();
    write_input(&mut line, "usdm", input);
    let mut words = Words(line.split(' '));
    let kind = words.word().expect("a kind");
    assert_eq!(words.word(), Some("usdm"), "{line}");
    assert_eq!(words.input(kind).as_ref(), Some(input), "{line}");
    assert_eq!(words.word(), None, "{line}");
}

fn opening(spot: Option<SpotBalances>) -> Input {
    Input::Open(Opening {
        wallet: Money(7),
        fees: Fees {
            maker: Rate(-5),
            taker: Rate(9),
        },
        fee_tier: 3,
        leverage: 20,
        spot,
    })
}

#[test]
fn what_accounts_do_is_read_as_it_was_written() {
    let (now, instrument, id) = (UtcMs(1_700), InstrumentId(1), ExchangeOrderId(8));
    let client_id = ClientOrderId::new(b"smaller").expect("short");
    let balances = SpotBalances {
        quote: Money(5),
        bases: vec![Money(1), Money(2)],
    };
    for input in [
        opening(None),
        opening(Some(balances)),
        Input::Select(AccountId(2)),
        Input::Leverage(instrument, 10),
        Input::MarginType(instrument, MarginType::Cross),
        Input::MarginType(instrument, MarginType::Isolated),
        Input::DualSide(true),
        Input::DualSide(false),
        Input::MoveMargin(now, instrument, PositionSide::Short, Money(-4)),
        Input::BnbFees(None),
        Input::BnbFees(Some(BnbFees {
            balance: Money(4),
            price: Money(600),
        })),
        Input::Fund(now, instrument, Rate(-10_000)),
        Input::Supervise(now),
        Input::EndGoodTill(now),
        Input::Shrink(now, id, Quantity(3), client_id),
        Input::Trigger(now),
    ] {
        there_and_back(&input);
    }
}

#[test]
fn what_the_exchange_does_by_itself_is_read_as_it_was_written() {
    let (now, instrument, id) = (UtcMs(1_700), InstrumentId(1), ExchangeOrderId(8));
    let request = PlaceOrder {
        instrument,
        client_order_id: ClientOrderId::new(b"adl_1").expect("short"),
        side: Side::Sell,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::GoodTillCancel,
        price: Price(10),
        quantity: Quantity(2),
        reduce_only: true,
        options: OrderOptions {
            position_side: PositionSide::Long,
            self_trade: SelfTrade::default(),
            good_till: Some(UtcMs(9)),
            ..OrderOptions::default()
        },
    };
    let filters = Filters {
        price_min: Price(1),
        price_max: Price(2),
        quantity_min: Quantity(3),
        quantity_max: Quantity(4),
        market_quantity_max: Quantity(5),
        notional_min: Money(6),
        multiplier_up: Rate(7),
        multiplier_down: Rate(8),
        open_orders_max: 9,
    };
    for input in [
        Input::FillNow(now, id, Quantity(5), 2),
        Input::EndNow(now, id, OrderState::Expired, Expiry::SelfTrade),
        Input::Force(now, request),
        Input::Place(now, request),
        Input::MoveMoney(now, Money(-7), "FUNDING_FEE"),
        Input::MoveMoney(now, Money(7), "DEPOSIT"),
        Input::FeesElsewhere(4),
        Input::Filters(instrument, filters),
        Input::Status(instrument, InstrumentStatus::CancelOnly),
    ] {
        there_and_back(&input);
    }
}

#[test]
fn lists_and_orders_that_wait_are_read_as_they_were_written() {
    let plain = PlaceOrder {
        instrument: InstrumentId(1),
        client_order_id: ClientOrderId::new(b"first").expect("short"),
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::PostOnly,
        price: Price(10),
        quantity: Quantity(2),
        reduce_only: false,
        options: OrderOptions::default(),
    };
    let with = |kind, bips, quote, strategy| PlaceOrder {
        options: OrderOptions {
            stop: Some(Stop {
                kind,
                price: Price(77),
                trailing_bips: bips,
            }),
            quote: Money(quote),
            strategy,
            ..OrderOptions::default()
        },
        ..plain
    };
    let stop = with(ConditionalKind::Stop, 0, 0, (None, None));
    let trailing = with(
        ConditionalKind::TakeProfit,
        150,
        9,
        (Some(4), Some(1_000_000)),
    );
    let matched = PlaceOrder {
        options: OrderOptions {
            price_match: PRICE_MATCHES[3],
            ..OrderOptions::default()
        },
        ..plain
    };
    for request in [stop, trailing, matched] {
        there_and_back(&Input::Place(UtcMs(5), request));
    }
    for (kind, orders) in [
        (ListKind::OneCancelsOther, vec![stop, plain]),
        (ListKind::OneTriggersOther, vec![plain, trailing]),
        (ListKind::OneTriggersPair, vec![plain, stop, trailing]),
    ] {
        let client_id = ClientOrderId::new(b"list").expect("short");
        there_and_back(&Input::PlaceList(
            UtcMs(5),
            PlaceList {
                client_id,
                kind,
                orders,
            },
        ));
    }
}
