//! Where the digits of a number stand in 16 lanes that end at its closing quote.
//!
//! In: decimals on the wire and decimals of the step. Out: constants for the lanes, made at
//! compile time. Never: a form that the strict way would read otherwise.
//!
//! ```text
//! lane    0  1  2  3  4  5  6  7  8  9 10 11 12 13 14 15
//! text    …  …  …  …  …  …  …  "  2  8  1  4  5  .  1  0    two decimals on the wire
//! pick    -  -  -  -  1  2  3  4  5  6  7  8  9 10 11 12 14    the tick has one: lane 15 is '0'
//! ```

use market::Step;

/// Most bytes of a number, its dot included: lane 0 is never part of one.
pub(super) const NUMBER_BYTES_MAX: usize = 15;

/// The constants of one combination of decimals.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
pub(super) struct Column {
    /// What the lanes are compared with: `0`, the dot, and a comma in lane 0.
    pub(super) expected: [u8; 16],
    /// How far a lane may lie from `expected`: 9 for a digit, 0 for everything else.
    pub(super) limit: [u8; 16],
    /// Lanes that every number fills: one whole digit, the dot, all decimals.
    pub(super) always: [u8; 16],
    /// Shuffle that closes the gap of the dot and drops the zeros behind the step's decimals.
    pub(super) pick: [u8; 16],
}

const DECIMALS: usize = Step::DECIMALS_MAX as usize + 1;

static COLUMNS: [[Column; DECIMALS]; DECIMALS] = {
    let mut columns = [[Column::new(0, 0); DECIMALS]; DECIMALS];
    let mut wire = 0;
    while wire < DECIMALS {
        let mut step = 0;
        while step <= wire {
            columns[wire][step] = Column::new(wire, step);
            step += 1;
        }
        wire += 1;
    }
    columns
};

impl Column {
    /// The column of numbers that always have `wire` decimals and count `step`s; nothing where
    /// the wire has fewer decimals than the step.
    #[inline]
    pub(super) fn of(wire: u8, step: Step) -> Option<&'static Self> {
        if step.decimals > wire {
            return None;
        }
        COLUMNS
            .get(usize::from(wire))?
            .get(usize::from(step.decimals))
    }

    const fn new(wire: usize, step: usize) -> Self {
        let mut column = Self {
            expected: [b'0'; 16],
            limit: [9; 16],
            always: [0; 16],
            pick: [0x80; 16],
        };
        // No number reaches lane 0. Where one is too long a byte of it stands there, and commas
        // are what numbers are found by: it cannot be the expected one.
        column.expected[0] = b',';
        column.limit[0] = 0;
        let dot = 15 - wire;
        let first = if wire == 0 { 15 } else { dot - 1 };
        if wire > 0 {
            column.expected[dot] = b'.';
            column.limit[dot] = 0;
        }
        let mut lane = first;
        while lane < 16 {
            column.always[lane] = 0xff;
            lane += 1;
        }
        let last = 15 - (wire - step);
        lane = last + 1;
        while lane < 16 {
            column.limit[lane] = 0;
            lane += 1;
        }
        let mut to = 15;
        lane = last;
        while lane > 0 {
            if wire == 0 || lane != dot {
                column.pick[to] = lane as u8;
                to -= 1;
            }
            lane -= 1;
        }
        column
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dot_and_the_zeros_behind_the_step_are_left_out() {
        let column = Column::new(2, 1);
        assert_eq!(&column.expected[12..], b"0.00");
        assert_eq!(column.limit[12..], [9, 0, 9, 0]);
        assert_eq!(column.always[11..], [0, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(column.pick[..4], [0x80, 0x80, 0x80, 1]);
        assert_eq!(column.pick[12..], [10, 11, 12, 14]);
        let whole = Column::new(0, 0);
        assert_eq!(whole.pick[..3], [0x80, 1, 2]);
        assert_eq!(whole.always[14..], [0, 0xff]);
        assert!(
            Column::of(
                1,
                Step {
                    mantissa: 1,
                    decimals: 2
                }
            )
            .is_none()
        );
    }
}
