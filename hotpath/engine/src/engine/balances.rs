//! Balances of other assets than the one that money is counted in, told when they change.
//!
//! In: balances as the exchange states them. Out: a record of each that is another than before.
//! Never: a record of what is not held and never was; a spot account lists hundreds.

use super::core::Engine;
use super::emit::Emit;
use crate::outbox::Observer;
use market::ids::Asset;
use market::record::{BalanceRecord, Record};
use market::{BalanceReport, CodecError, Money, Reader, Wire, Writer, wire_struct};

/// Assets that are told, at most; of one more, changes are counted and not told.
pub(super) const ASSETS_MAX: usize = 32;

wire_struct! {
    /// A balance that was told.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct KnownBalance {
        /// Of what.
        pub asset: Asset,
        /// How much.
        pub wallet: Money,
    }
}

/// What was told.
#[derive(Clone, Debug, Default)]
pub(super) struct Balances {
    known: heapless::Vec<KnownBalance, ASSETS_MAX>,
    /// Balances that found no room.
    pub(super) untold: u64,
}

impl Balances {
    /// True when the balance is news.
    fn is_news(&mut self, asset: Asset, wallet: Money) -> bool {
        if let Some(one) = self.known.iter_mut().find(|one| one.asset == asset) {
            return std::mem::replace(&mut one.wallet, wallet) != wallet;
        }
        if wallet == Money::ZERO {
            return false;
        }
        let has_room = self.known.push(KnownBalance { asset, wallet }).is_ok();
        self.untold += u64::from(!has_room);
        has_room
    }

    /// Most bytes of a checkpoint's part.
    pub(super) const BYTES_MAX: usize = 16 + ASSETS_MAX * 32;

    pub(super) fn save(&self, writer: &mut Writer<'_>) -> Result<(), CodecError> {
        self.untold.encode(writer)?;
        (self.known.len() as u64).encode(writer)?;
        self.known.iter().try_for_each(|one| one.encode(writer))
    }

    pub(super) fn load(&mut self, reader: &mut Reader<'_>) -> Result<(), CodecError> {
        self.untold = reader.u64()?;
        self.known.clear();
        for _ in 0..reader.u64()? {
            let one = KnownBalance::decode(reader)?;
            self.known.push(one).map_err(|_| CodecError::TooLong)?;
        }
        Ok(())
    }
}

impl Engine {
    /// Takes the balance of another asset.
    pub(super) fn take_other_balance<O: Observer>(
        &mut self,
        report: &BalanceReport,
        emit: &mut Emit<'_, O>,
    ) {
        if self.balances.is_news(report.asset, report.wallet) {
            emit.record(Record::Balance(BalanceRecord {
                asset: report.asset,
                wallet: report.wallet,
                event_time: report.event_time,
            }));
        }
    }
}
