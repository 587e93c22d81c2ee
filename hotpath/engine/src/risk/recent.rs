//! How often something happened of late.
//!
//! In: incidents with their time. Out: whether there were so many in such a time. Never: a count
//! that forgets at the border of a window; the last times themselves are kept.

use crate::config::Frequency;
use market::{CodecError, MonoNs, Reader, Wire, Writer};

/// Most incidents that a limit can count.
pub const INCIDENTS_MAX: usize = 32;

/// The times of the last incidents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recent {
    /// A ring; 0 where there was none yet.
    times: [MonoNs; INCIDENTS_MAX],
    next: u8,
}

impl Recent {
    /// Notes one; true when it is at least the limit's last within its window.
    pub fn note(&mut self, now: MonoNs, limit: Frequency) -> bool {
        let next = usize::from(self.next);
        self.times[next] = now;
        self.next = ((next + 1) % INCIDENTS_MAX) as u8;
        let count = (limit.count as usize).clamp(1, INCIDENTS_MAX);
        let first = self.times[(next + INCIDENTS_MAX + 1 - count) % INCIDENTS_MAX];
        first != MonoNs(0) && now.since(first) <= limit.window_ns
    }

    /// How many there were within the limit's window.
    #[must_use]
    pub fn count(&self, now: MonoNs, limit: Frequency) -> u32 {
        let within = |time: &&MonoNs| **time != MonoNs(0) && now.since(**time) <= limit.window_ns;
        self.times.iter().filter(within).count() as u32
    }
}

impl Wire for Recent {
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), CodecError> {
        for time in &self.times {
            time.encode(writer)?;
        }
        writer.u8(self.next)
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let mut recent = Self::default();
        for time in &mut recent.times {
            *time = Wire::decode(reader)?;
        }
        recent.next = reader.u8()?;
        if usize::from(recent.next) < INCIDENTS_MAX {
            Ok(recent)
        } else {
            Err(CodecError::BadDiscriminant(recent.next))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_last_of_so_many_in_the_window_is_the_one() {
        let limit = Frequency {
            count: 3,
            window_ns: 100,
        };
        let mut recent = Recent::default();
        // (time, reached)
        let cases = [
            (10, false),
            (20, false),
            (110, true),
            (121, false),
            (200, true),
            (210, true),
            (500, false),
        ];
        for (time, reached) in cases {
            assert_eq!(recent.note(MonoNs(time), limit), reached, "at {time}");
        }
    }

    #[test]
    fn a_place_outside_of_the_ring_is_refused() {
        let mut bytes = [0; 512];
        for next in 0..=INCIDENTS_MAX as u8 + 1 {
            let recent = Recent {
                next,
                ..Recent::default()
            };
            let length = recent.to_bytes(&mut bytes).unwrap();
            let found = Recent::decode(&mut Reader::new(&bytes[..length]));
            let expected = if usize::from(next) < INCIDENTS_MAX {
                Ok(recent)
            } else {
                Err(CodecError::BadDiscriminant(next))
            };
            assert_eq!(found, expected);
        }
    }

    proptest! {
        #[test]
        fn it_counts_as_a_list_of_all_times_does(
            gaps in prop::collection::vec(1u64..60, 1..120), count in 1u32..=32, window_ns in 1u64..900,
        ) {
            let limit = Frequency { count, window_ns };
            let (mut recent, mut all, mut now) = (Recent::default(), Vec::new(), 0);
            for gap in gaps {
                now += gap;
                all.push(now);
                let inside = all.iter().filter(|time| now - **time <= window_ns).count();
                prop_assert_eq!(recent.note(MonoNs(now), limit), inside >= count as usize);
            }
        }
    }
}
