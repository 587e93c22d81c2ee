//! Every input of accounts and of the exchange itself, there and back.

use market::{
    ClientOrderId, ExchangeOrderId, Filters, InstrumentId, InstrumentStatus, Money, OrderState,
    OrderType, Price, Quantity, Rate, Side, TimeInForce, UtcMs,
};
use matching::{
    AccountId, BnbFees, Expiry, Fees, Input, MarginType, Opening, OrderOptions, PlaceOrder,
    PositionSide, SelfTrade, SpotBalances,
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
        Input::Shrink(now, id, Quantity(3)),
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
