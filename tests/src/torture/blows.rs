//! The blows: deaths, standstills, broken connections, a full disk, a clock that jumps.
//!
//! In: a trading box and its dice. Out: the same box after the blow, with what died restarted.
//! Never: a moment that is not drawn from the seed.
//!
//! A death comes at a moment, or at a frame: just after a market frame, when an order is decided and
//! not yet written; at an order that is on its way; at a reply or a private event that nobody reads
//! any more; at a request of the reconciliation after the first death.

use super::Kind;
use super::round::{PATIENCE, Stand, utc_ms};
use crate::fault_proxy::{Direction, Fault, Line, Piece, Tripwire};
use crate::rig::Process;
use rustix::process::{Signal, kill_process};
use std::io::Write;
use std::path::Path;
use std::sync::mpsc::channel;
use std::time::Duration;

/// Does what the round's kind says.
pub(super) fn strike(stand: &mut Stand) {
    match stand.kind {
        Kind::HotPath => kill(stand, true, false),
        Kind::Control => kill(stand, false, true),
        Kind::Both => kill(stand, true, true),
        Kind::FreezeHotPath => freeze(stand, Process::HotPath),
        Kind::FreezeControl => freeze(stand, Process::Control),
        Kind::ControlLost => lose_control(stand),
        Kind::Latency => {
            let wait = stand.dice.millis(20, 600);
            break_lines(stand, Fault::Latency(wait));
        }
        Kind::HalfOpen => break_lines(stand, Fault::HalfOpen),
        Kind::Reset => break_lines(stand, Fault::Reset),
        Kind::SlowClose => {
            let wait = stand.dice.millis(100, 3_000);
            break_lines(stand, Fault::SlowClose(wait));
        }
        Kind::ByteAtATime => break_lines(stand, Fault::ByteAtATime),
        Kind::DiskFull => fill_disk(stand),
        Kind::ClockStep => step_clock(stand),
    }
}

/// Where a death comes.
#[derive(Clone, Copy, Debug)]
enum Point {
    /// At a moment.
    Moment(Duration),
    /// At a piece of this kind, after so many.
    Piece(Line, Direction, u32, Piece),
    /// At a moment, with orders under way so long: they arrive after the restart.
    LateOrders(Duration, Duration),
}

impl Point {
    fn draw(stand: &mut Stand) -> Self {
        let dice = &mut stand.dice;
        let skip =
            |most: u64, dice: &mut super::Dice| u32::try_from(dice.between(0, most)).unwrap_or(0);
        let lost = [Piece::Passes, Piece::IsLost];
        match dice.between(0, 5) {
            0 => Self::Moment(dice.millis(0, 1_500)),
            1 => {
                let piece = Piece::PassedBefore(dice.micros(0, 400));
                Self::Piece(Line::Market, Direction::In, skip(60, dice), piece)
            }
            2 => Self::Piece(
                Line::Orders,
                Direction::Out,
                skip(8, dice),
                dice.one_of(&lost),
            ),
            3 => Self::Piece(
                Line::Orders,
                Direction::In,
                skip(8, dice),
                dice.one_of(&lost),
            ),
            4 => Self::Piece(
                Line::Private,
                Direction::In,
                skip(8, dice),
                dice.one_of(&lost),
            ),
            _ => Self::LateOrders(dice.millis(0, 800), dice.millis(100, 900)),
        }
    }
}

/// Part of a request of the reconciliation.
const RECONCILIATION: [&str; 3] = ["openOrders", "positionRisk", "/balance"];

fn kill(stand: &mut Stand, hot_path: bool, control: bool) {
    let point = Point::draw(stand);
    stand.note(&format!("killed at {point:?}"));
    let died_ms = kill_at(stand, point, hot_path, control);
    // One in three dies again while it reconciles.
    if hot_path && stand.dice.one_in(3) {
        let holding = stand.dice.one_of(&RECONCILIATION);
        let direction = stand.dice.one_of(&[Direction::Out, Direction::In]);
        let lost = stand.dice.one_of(&[Piece::Passes, Piece::IsLost]);
        stand.note(&format!(
            "again in its reconciliation ({holding}, {direction:?}, {lost:?})"
        ));
        kill_in_reconciliation(stand, holding, direction, lost);
    }
    stand.restart(died_ms, hot_path, control);
}

fn victims(stand: &Stand, hot_path: bool, control: bool) -> Vec<rustix::process::Pid> {
    let mut pids = Vec::new();
    if hot_path {
        pids.push(stand.rig.pid(Process::HotPath));
    }
    if control {
        pids.push(stand.rig.pid(Process::Control));
    }
    pids
}

/// Kills at the point and waits for the deaths; returns when that was, milliseconds UTC.
fn kill_at(stand: &mut Stand, point: Point, hot_path: bool, control: bool) -> i64 {
    let pids = victims(stand, hot_path, control);
    let (struck, blow) = channel();
    let strike: Box<dyn FnOnce() + Send> = Box::new(move || {
        for pid in pids {
            kill_process(pid, Signal::KILL).expect("it lives");
        }
        // The receiver waits for exactly this.
        let _ = struck.send(utc_ms());
    });
    match point {
        Point::Moment(wait) => {
            std::thread::sleep(wait);
            strike();
        }
        Point::LateOrders(wait, late) => {
            proxy(stand).set(&[Line::Orders], Fault::Latency(late));
            std::thread::sleep(wait);
            strike();
        }
        Point::Piece(line, direction, skip, piece) => proxy(stand).lay(Tripwire {
            line,
            direction,
            holding: "",
            skip,
            piece,
            strike,
        }),
    }
    let died_ms = blow.recv_timeout(PATIENCE).expect("such a frame comes");
    if hot_path {
        stand.rig.reap(Process::HotPath);
    }
    if control {
        stand.rig.reap(Process::Control);
    }
    // What is late stays late; what comes from now on does not.
    proxy(stand).heal();
    died_ms
}

fn kill_in_reconciliation(
    stand: &mut Stand,
    holding: &'static str,
    direction: Direction,
    piece: Piece,
) {
    // A reply does not name its request: the first one in either way does for it.
    let holding = match direction {
        Direction::Out => holding,
        Direction::In => "HTTP/1.1 200",
    };
    let skip = match direction {
        Direction::Out => 0,
        Direction::In => u32::try_from(stand.dice.between(1, 6)).unwrap_or(1),
    };
    let (struck, blow) = channel();
    let (told, telling) = channel::<rustix::process::Pid>();
    proxy(stand).lay(Tripwire {
        line: Line::Rest,
        direction,
        holding,
        skip,
        piece,
        strike: Box::new(move || {
            let pid = telling.recv().expect("it was started");
            kill_process(pid, Signal::KILL).expect("it lives");
            let _ = struck.send(());
        }),
    });
    stand.rig.launch(Process::HotPath);
    let pid = stand.rig.pid(Process::HotPath);
    told.send(pid).expect("the tripwire waits");
    blow.recv_timeout(PATIENCE).expect("it reconciles");
    stand.rig.reap(Process::HotPath);
}

fn proxy(stand: &Stand) -> &crate::fault_proxy::FaultProxy {
    stand.rig.proxy.as_ref().expect("every round has one")
}

fn freeze(stand: &mut Stand, which: Process) {
    let stands = stand.dice.millis(200, 4_000);
    std::thread::sleep(stand.dice.millis(0, 500));
    stand.note(&format!("{which:?} stands still for {stands:?}"));
    stand.rig.freeze(which);
    std::thread::sleep(stands);
    stand.rig.thaw(which);
}

fn lose_control(stand: &mut Stand) {
    stand.note("control is gone for longer than its grace");
    stand.rig.kill(Process::Control);
    stand.wait_for_state("REDUCING", Some("CONTROL_LOST"));
    stand.rig.start_control();
}

fn break_lines(stand: &mut Stand, fault: Fault) {
    let all = [
        &Line::ALL[..],
        &[Line::Orders],
        &[Line::Private],
        &[Line::Market],
        &[Line::Orders, Line::Private],
        &[Line::Rest],
    ];
    let lines = stand.dice.one_of(&all);
    let lasts = stand.dice.millis(300, 4_000);
    std::thread::sleep(stand.dice.millis(0, 500));
    stand.note(&format!("{fault:?} on {lines:?} for {lasts:?}"));
    proxy(stand).set(lines, fault);
    std::thread::sleep(lasts);
    proxy(stand).heal();
}

fn step_clock(stand: &mut Stand) {
    let step_ms = stand.dice.one_of(&[-2_000, 2_000]);
    std::thread::sleep(stand.dice.millis(0, 500));
    stand.note(&format!("the exchange's clock jumps by {step_ms} ms"));
    stand.rig.step_clock(step_ms);
}

/// Fills the disk until the journal, which nobody can make durable, reduces; then makes room.
fn fill_disk(stand: &mut Stand) {
    std::thread::sleep(stand.dice.millis(0, 500));
    let ballast = stand.rig.state_dir.join("ballast");
    let written = fill(&ballast).to_string();
    stand.note(&format!("{written} bytes fill the disk"));
    stand.wait_for_state("REDUCING", Some("JOURNAL_FULL"));
    std::fs::remove_file(&ballast).expect("our own file");
}

/// Writes until nothing fits any more.
fn fill(path: &Path) -> u64 {
    let mut file = std::fs::File::create(path).expect("an empty file still fits");
    let (mut written, mut piece) = (0, vec![0x5a; 1 << 20]);
    loop {
        match file.write(&piece) {
            Ok(count @ 1..) => written += count as u64,
            // The last bytes one by one.
            _ if piece.len() > 1 => piece.truncate(piece.len() / 2),
            _ => return written,
        }
    }
}
