//! Lists of orders on spot by request: OCO, OTO, OTOCO; queries and cancels of them.
//!
//! In: a checked call. Out: list objects with their orders; private events wait in the floor's
//! outputs. Never: a part of a list; all of its orders are accepted, or none.

use binance::encode::JsonText;
use market::{ClientOrderId, Market, Side};
use matching::{ConditionalKind, ListKind, Order, OrderList, PlaceList, PlaceOrder, Rejection};

use super::endpoint::{Answer, Call};
use super::error::ApiError;
use super::order_object;
use super::order_parse::{client_order_id, side_of};
use super::spot_parse::{Kind, named, part, quantity_of_part};
use super::trading;

/// `POST /api/v3/orderList/oco`, `orderList.place.oco`.
///
/// # Errors
/// -1158 to -1168 and -1196 to -1199 for types that do not go together, and those of each order.
pub fn place_oco(call: &mut Call<'_>) -> Answer {
    let side = side_of(call)?;
    let orders = pair(call, "", side, "quantity")?;
    place(call, ListKind::OneCancelsOther, orders.to_vec())
}

/// `POST /api/v3/order/oco`, `orderList.place`: the form before above and below had names.
///
/// # Errors
/// As [`place_oco`].
pub fn place_oco_old(call: &mut Call<'_>) -> Answer {
    let instrument = call.instrument()?;
    let side = side_of(call)?;
    let quantity = quantity_of_part(call, "quantity", &instrument)?;
    let renamed = renamed_for_old(call);
    let call = &mut Call {
        exchange: &mut *call.exchange,
        market: call.market,
        params: &renamed,
        now: call.now,
        connection: call.connection,
    };
    let with_limit = call.params.get("stopPartPrice").is_some();
    let stop = Kind::of(if with_limit {
        "STOP_LOSS_LIMIT"
    } else {
        "STOP_LOSS"
    })?;
    let stop = part(call, "stopPart", stop, side, quantity, &instrument)?;
    let limit = Kind::of("LIMIT_MAKER")?;
    let limit = part(call, "limit", limit, side, quantity, &instrument)?;
    place(call, ListKind::OneCancelsOther, vec![stop, limit])
}

/// The parameters of the old form, as those of two orders with prefixes.
fn renamed_for_old(call: &Call<'_>) -> super::params::Params {
    const NAMES: [(&str, &str); 8] = [
        ("price", "limitPrice"),
        ("stopPrice", "stopPartStopPrice"),
        ("trailingDelta", "stopPartTrailingDelta"),
        ("stopLimitPrice", "stopPartPrice"),
        ("stopLimitTimeInForce", "stopPartTimeInForce"),
        ("stopClientOrderId", "stopPartClientOrderId"),
        ("stopStrategyId", "stopPartStrategyId"),
        ("stopStrategyType", "stopPartStrategyType"),
    ];
    call.params.renamed(&NAMES)
}

/// `POST /api/v3/orderList/oto`, `orderList.place.oto`.
///
/// # Errors
/// As [`place_oco`].
pub fn place_oto(call: &mut Call<'_>) -> Answer {
    let working = working(call)?;
    let instrument = call.instrument()?;
    let side = side_named(call, "pendingSide")?;
    let kind = Kind::of(call.params.require("pendingType")?)?;
    let quantity = quantity_of_part(call, "pendingQuantity", &instrument)?;
    let pending = part(call, "pending", kind, side, quantity, &instrument)?;
    place(call, ListKind::OneTriggersOther, vec![working, pending])
}

/// `POST /api/v3/orderList/otoco`, `orderList.place.otoco`.
///
/// # Errors
/// As [`place_oco`].
pub fn place_otoco(call: &mut Call<'_>) -> Answer {
    let working = working(call)?;
    let side = side_named(call, "pendingSide")?;
    let [one, other] = pair(call, "pending", side, "pendingQuantity")?;
    place(call, ListKind::OneTriggersPair, vec![working, one, other])
}

fn side_named(call: &Call<'_>, name: &str) -> Result<Side, ApiError> {
    Side::from_word(call.params.require(name)?).ok_or_else(|| ApiError::new(-1117, "Invalid side."))
}

/// The order that works first: a limit one.
fn working(call: &Call<'_>) -> Result<PlaceOrder, ApiError> {
    let instrument = call.instrument()?;
    let kind = match call.params.require("workingType")? {
        word @ ("LIMIT" | "LIMIT_MAKER") => Kind::of(word)?,
        _ => return Err(ApiError::new(-1116, "Invalid orderType.")),
    };
    let side = side_named(call, "workingSide")?;
    let quantity = quantity_of_part(call, "workingQuantity", &instrument)?;
    part(call, "working", kind, side, quantity, &instrument)
}

/// The two orders of a pair, the one above and the one below; a stop loss comes first where the
/// pair stands alone, as the exchange numbers them.
fn pair(
    call: &Call<'_>,
    prefix: &str,
    side: Side,
    quantity: &str,
) -> Result<[PlaceOrder; 2], ApiError> {
    let instrument = call.instrument()?;
    let names = [named(prefix, "above"), named(prefix, "below")];
    let word = |name: &str| call.params.require(&named(name, "type")).map(str::to_owned);
    let words = [word(&names[0])?, word(&names[1])?];
    check_pair(side, [&words[0], &words[1]])?;
    let lots = quantity_of_part(call, quantity, &instrument)?;
    let one = |at: usize| {
        let kind = Kind::of(&words[at])?;
        part(call, &names[at], kind, side, lots, &instrument)
    };
    let (above, below) = (one(0)?, one(1)?);
    let loss = |order: &PlaceOrder| {
        let stop = order.options.stop;
        stop.is_some_and(|stop| stop.kind == ConditionalKind::Stop)
    };
    Ok(match prefix.is_empty() && loss(&below) {
        true => [below, above],
        false => [above, below],
    })
}

/// Which types may stand above and below.
fn check_pair(side: Side, words: [&str; 2]) -> Result<(), ApiError> {
    let refuse = |code, message: &str| Err(ApiError::new(code, message));
    for word in words {
        if !matches!(
            word,
            "LIMIT_MAKER" | "STOP_LOSS" | "STOP_LOSS_LIMIT" | "TAKE_PROFIT" | "TAKE_PROFIT_LIMIT"
        ) {
            return refuse(-1158, "Order type not supported in OCO.");
        }
    }
    let [above, below] = words;
    if above == "LIMIT_MAKER" && below == "LIMIT_MAKER" {
        return refuse(-1168, "At least one OCO order must be contingent.");
    }
    let is = |word: &str, kind: &str| word.starts_with(kind);
    match side {
        Side::Buy if above == "LIMIT_MAKER" => {
            refuse(-1165, "A limit order in a buy OCO must be below.")
        }
        Side::Buy if is(below, "STOP_LOSS") => {
            refuse(-1196, "A stop loss order in a buy OCO must be above.")
        }
        Side::Buy if is(above, "TAKE_PROFIT") => {
            refuse(-1198, "A take profit order in a buy OCO must be below.")
        }
        Side::Sell if below == "LIMIT_MAKER" => {
            refuse(-1166, "A limit order in a sell OCO must be above.")
        }
        Side::Sell if is(above, "STOP_LOSS") => {
            refuse(-1197, "A stop loss order in a sell OCO must be below.")
        }
        Side::Sell if is(below, "TAKE_PROFIT") => {
            refuse(-1199, "A take profit order in a sell OCO must be above.")
        }
        Side::Buy | Side::Sell => Ok(()),
    }
}

fn place(call: &mut Call<'_>, kind: ListKind, orders: Vec<PlaceOrder>) -> Answer {
    let request = PlaceList {
        client_id: client_order_id(call, "listClientOrderId")?,
        kind,
        orders,
    };
    let now = call.now;
    let floor = &mut call.exchange.spot;
    floor.refuse_while_lost(request.orders[0].instrument)?;
    let placed = floor.venue.place_list(now, &request, &mut floor.outputs);
    let list = placed.map_err(|rejection| ApiError::of(rejection, Market::Spot))?;
    // What follows the first order is told as it was accepted, even where that one was filled at
    // once: the exchange's placement does not wait for it.
    let accepted = |order: &Order, at: usize| match kind != ListKind::OneCancelsOther && at > 0 {
        false => *order,
        true => pending(order),
    };
    let orders = orders_of(call, &list).into_iter().enumerate();
    let orders: Vec<Order> = orders.map(|(at, order)| accepted(&order, at)).collect();
    let mut out = Vec::with_capacity(2_048);
    let mut json = JsonText::new(&mut out);
    json.open();
    members(call, &mut json, &list, Some(list.created.0));
    json.open_list("orderReports");
    for order in &orders {
        trading::spot_placed_into(call, &mut json, order);
    }
    json.close_list();
    json.close();
    Ok(out)
}

/// An order that waited, as it was when it was accepted.
fn pending(order: &Order) -> Order {
    let mut then = Order::accepted(order.created, order.id.0, &order.request);
    then.standing.list = order.standing.list;
    then.standing.stage = matching::Stage::Pending;
    then
}

fn orders_of(call: &Call<'_>, list: &OrderList) -> Vec<Order> {
    let venue = &call.exchange.spot.venue;
    let ids = list.orders().iter();
    ids.filter_map(|(id, _)| venue.order(*id).copied())
        .collect()
}

/// `OCO`, or `OTO` for both lists whose first order triggers others.
#[must_use]
pub fn contingency(kind: ListKind) -> &'static str {
    match kind {
        ListKind::OneCancelsOther => "OCO",
        ListKind::OneTriggersOther | ListKind::OneTriggersPair => "OTO",
    }
}

/// `listOrderStatus`.
#[must_use]
pub fn order_status(list: &OrderList) -> &'static str {
    match list.is_over {
        true => "ALL_DONE",
        false => "EXECUTING",
    }
}

/// What every list object has; `started` is the time of its placement where it has just been
/// placed, and is told as it was then.
pub(super) fn members(
    call: &Call<'_>,
    json: &mut JsonText<'_>,
    list: &OrderList,
    started: Option<i64>,
) {
    let venue = &call.exchange.spot.venue;
    let symbol = venue.instruments()[usize::from(list.instrument.0)].symbol;
    let over = list.is_over && started.is_none();
    json.id("orderListId", list.id);
    json.text("contingencyType", contingency(list.kind).as_bytes());
    let change: &[u8] = if over { b"ALL_DONE" } else { b"EXEC_STARTED" };
    json.text("listStatusType", change);
    let status: &[u8] = if over { b"ALL_DONE" } else { b"EXECUTING" };
    json.text("listOrderStatus", status);
    json.text("listClientOrderId", list.client_id.as_bytes());
    json.integer("transactionTime", started.unwrap_or(list.updated.0));
    json.text("symbol", symbol.as_bytes());
    json.open_list("orders");
    for (id, client_id) in list.orders() {
        json.open();
        json.text("symbol", symbol.as_bytes());
        json.id("orderId", id.0);
        json.text("clientOrderId", client_id.as_bytes());
        json.close();
    }
    json.close_list();
}

/// What the cancel of a list, or of one of its orders, is answered with.
pub(super) fn write_canceled(
    call: &Call<'_>,
    json: &mut JsonText<'_>,
    list: &OrderList,
    cancel_id: &ClientOrderId,
) {
    json.open();
    members(call, json, list, None);
    json.open_list("orderReports");
    let instruments = call.exchange.spot.venue.instruments();
    let instrument = &instruments[usize::from(list.instrument.0)];
    for order in orders_of(call, list) {
        order_object::spot_canceled(json, instrument, &order, cancel_id.as_str());
    }
    json.close_list();
    json.close();
}

/// `DELETE /api/v3/orderList`, `orderList.cancel`.
///
/// # Errors
/// -2011 when no open list has this id.
pub fn cancel(call: &mut Call<'_>) -> Answer {
    let instrument = call.instrument()?;
    let unknown = || ApiError::of(Rejection::UnknownOrder, Market::Spot);
    let list = find(call, "listClientOrderId")?.filter(|list| !list.is_over);
    let list = list.filter(|list| list.instrument == instrument.id);
    let list = list.ok_or_else(unknown)?;
    let open = orders_of(call, &list);
    let open = open.iter().find(|order| !order.state.is_final());
    let first = open.ok_or_else(unknown)?.id;
    let cancel_id = trading::cancel_id(call)?;
    let (now, floor) = (call.now, &mut call.exchange.spot);
    floor.venue.name_cancel(Some(cancel_id));
    let ended = floor.venue.cancel(now, first, &mut floor.outputs);
    floor.venue.name_cancel(None);
    ended.map_err(|_| unknown())?;
    let list = *floor.venue.list(list.id).expect("just read");
    let mut out = Vec::with_capacity(1_024);
    write_canceled(call, &mut JsonText::new(&mut out), &list, &cancel_id);
    Ok(out)
}

/// The list that `orderListId`, or a client's id by this name, names.
fn find(call: &Call<'_>, client_name: &str) -> Result<Option<OrderList>, ApiError> {
    let venue = &call.exchange.spot.venue;
    if let Some(id) = call.params.integer("orderListId")? {
        return Ok(venue.list(id.unsigned_abs()).copied());
    }
    let Some(id) = call.params.get(client_name) else {
        return Err(ApiError::new(
            -1102,
            format!(
                "Param '{client_name}' or 'orderListId' must be sent, but both were empty/null!"
            ),
        ));
    };
    let id = ClientOrderId::new(id.as_bytes());
    Ok(id.and_then(|id| venue.list_by_client(&id).copied()))
}

/// `GET /api/v3/orderList`, `orderList.status`.
///
/// # Errors
/// -2018 when there is none.
pub fn query(call: &mut Call<'_>) -> Answer {
    let list = find(call, "origClientOrderId")?
        .ok_or_else(|| ApiError::new(-2018, "Order list does not exist."))?;
    let mut out = Vec::with_capacity(512);
    let mut json = JsonText::new(&mut out);
    json.open();
    members(call, &mut json, &list, None);
    json.close();
    Ok(out)
}

/// `GET /api/v3/allOrderList`, `allOrderLists`.
///
/// # Errors
/// -1102, -1127, -1128 for an id together with a time.
pub fn all(call: &mut Call<'_>) -> Answer {
    let from = call.params.integer("fromId")?;
    let (start, end) = super::order_queries::bounded_range(call)?;
    let timed = ["startTime", "endTime"].map(|name| call.params.get(name).is_some());
    if from.is_some() && timed.contains(&true) {
        return Err(ApiError::new(
            -1128,
            "Combination of optional parameters invalid.",
        ));
    }
    let limit = super::order_queries::limit(call)?;
    let venue = &call.exchange.spot.venue;
    let asked = |list: &&OrderList| {
        from.is_none_or(|from| list.id >= from.unsigned_abs())
            && (start..=end).contains(&list.created.0)
    };
    let mut lists: Vec<OrderList> = venue.lists().filter(asked).copied().collect();
    super::order_queries::trim(&mut lists, limit, from.is_some());
    Ok(written(call, &lists))
}

/// `GET /api/v3/openOrderList`, `openOrderLists.status`.
///
/// # Errors
/// Never.
pub fn open(call: &mut Call<'_>) -> Answer {
    let lists = call.exchange.spot.venue.lists();
    let lists: Vec<OrderList> = lists.filter(|list| !list.is_over).copied().collect();
    Ok(written(call, &lists))
}

fn written(call: &Call<'_>, lists: &[OrderList]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut json = JsonText::new(&mut out);
    json.open_array();
    for list in lists {
        json.open();
        members(call, &mut json, list, None);
        json.close();
    }
    json.close_list();
    out
}
