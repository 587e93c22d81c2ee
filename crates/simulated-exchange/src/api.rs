//! The request interfaces: REST and the WebSocket API share parameters, checks and handlers.

pub mod account;
pub mod account_settings;
pub mod algo;
pub mod auth;
pub mod batch;
pub mod candles;
pub mod endpoint;
pub mod error;
pub mod exchange_info;
pub mod income;
pub mod market_data;
pub mod order_lists;
pub mod order_object;
pub mod order_parse;
pub mod order_queries;
pub mod params;
pub mod prints;
pub mod rest;
pub mod rsa;
pub mod spot_account;
pub mod spot_parse;
pub mod spot_trading;
pub mod tables;
pub mod trading;
pub mod weights;
pub mod ws_api;
