//! The server with Stripe as its engine, against a fake Stripe over sockets.

use super::client;
use super::dice;
use super::ledger;
use super::market;
use super::publishers;
use super::publishing;
use super::server;
use super::upstream;

mod asking;
mod bought;
mod configured;
mod documented;
mod forged;
mod operated;
mod refused;
mod shop;
mod side_by_side;
mod sold;
