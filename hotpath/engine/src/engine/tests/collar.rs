//! Exits that are held to the collar: those that close one strategy's part and not the account's.
//!
//! In: exits at the collar's edge, priced from the touch. Out: orders that pass the check. Never: a
//! price that no longer reaches the other side.

use super::super::emit::Emit;
use super::rig::{Rig, config, imbalance};
use crate::Request;
use crate::strategy::imbalance::ImbalanceParameters;
use crate::strategy::{Desired, Purpose, moved};
use market::record::{Record, Trigger, TriggerKind};
use market::{DenialCode, Market, OrderType, Price, Quantity, Rate, Side, TimeInForce};

fn rig() -> Rig {
    let strategies = [imbalance(ImbalanceParameters::default()); 2];
    Rig::ready(config(Market::UsdM, &strategies))
}

/// Two strategies hold opposed parts, so that the account holds nothing; one closes its part.
fn exit(rig: &mut Rig, side: Side, price: Price) -> Result<Price, DenialCode> {
    rig.forget();
    let wanted = Desired {
        slot: 2,
        purpose: Purpose::StopLoss,
        side,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::ImmediateOrCancel,
        price,
        quantity: Quantity(10),
    };
    let trigger = Trigger {
        kind: TriggerKind::Other,
        id: 0,
    };
    let hash = rig.engine.hash;
    let mut emit = Emit::new(&mut rig.outbox, hash);
    rig.engine.place(0, &wanted, trigger, &mut emit);
    let denied = rig
        .outbox
        .observer
        .records
        .iter()
        .find_map(|one| match one {
            Record::Denial(denial) => Some(denial.code),
            _ => None,
        });
    let placed = rig.outbox.requests.iter().find_map(|one| match one {
        Request::Place(order) => Some(*order.get()),
        _ => None,
    });
    match (placed, denied) {
        (Some(order), None) => {
            assert!(!order.reduce_only, "it is held to the limits of an entry");
            Ok(order.price)
        }
        (None, Some(code)) => Err(code),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_exit_as_far_from_the_touch_as_the_collar_reaches_is_moved_inside_and_passes() {
    let collar = Rate(1_000_000); // 1 %
    for side in [Side::Buy, Side::Sell] {
        let mut rig = rig();
        let touch = match side {
            Side::Buy => Price(500_001),
            Side::Sell => Price(500_000),
        };
        let edge = moved(touch, collar, side);
        // Mid is 500,000.5: from 495,000.495 to 505,000.505.
        let inside = match side {
            Side::Buy => Price(505_000),
            Side::Sell => Price(495_001),
        };
        assert_ne!(edge, inside, "the edge lies outside, by the rounding alone");
        assert_eq!(exit(&mut rig, side, edge), Ok(inside));
    }
}

#[test]
fn an_end_of_the_collar_that_is_a_price_lies_inside() {
    // One percent of 500,400 is 5,004, of 499,900 it is 4,999: both ends are prices themselves.
    for (side, mark, touch, end) in [
        (Side::Sell, 500_400, 500_000, 495_396),
        (Side::Buy, 499_900, 500_001, 504_899),
    ] {
        let mut rig = rig();
        rig.mark(mark);
        let beyond = moved(Price(touch), Rate(2_000_000), side);
        assert_eq!(exit(&mut rig, side, beyond), Ok(Price(end)));
    }
}

#[test]
fn an_exit_inside_of_the_collar_keeps_its_price() {
    assert_eq!(
        exit(&mut rig(), Side::Sell, Price(499_000)),
        Ok(Price(499_000))
    );
}

#[test]
fn an_exit_that_would_not_reach_the_other_side_inside_of_the_collar_is_denied() {
    let mut rig = rig();
    // The mark says that this market has run away: inside of its collar nothing can be sold.
    rig.mark(520_000);
    let edge = moved(Price(500_000), Rate(1_000_000), Side::Sell);
    assert_eq!(
        exit(&mut rig, Side::Sell, edge),
        Err(DenialCode::PriceCollar)
    );
}
