//! The ring of the product, between two threads and between two processes.
//!
//! In: two cores. Out: nanoseconds one way. Never: a child that outlives its run.

use super::{CAPACITY, Setup, pin};
use ipc::{Consumer, Producer, Segment, SegmentLayout, heap_ring};
use std::hint::spin_loop;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// Payload of one slot.
const PAYLOAD_BYTES: usize = 56;

pub(super) fn threads(setup: &Setup) -> f64 {
    let (mut there, mut inbox) = heap_ring(CAPACITY);
    let (mut back, mut answers) = heap_ring(CAPACITY);
    setup.round_trips(
        move || echo(&mut inbox, &mut back),
        move |number| trip(&mut there, &mut answers, number),
    )
}

fn echo(inbox: &mut Consumer, back: &mut Producer) {
    let mut buffer = [0; PAYLOAD_BYTES];
    let (kind, payload) = loop {
        if let Some(record) = inbox.pop(&mut buffer).expect("the ring is sound") {
            break record;
        }
        spin_loop();
    };
    back.try_push(kind, payload)
        .expect("one message is under way");
}

fn trip(there: &mut Producer, answers: &mut Consumer, number: u64) {
    let mut payload = [0; PAYLOAD_BYTES];
    payload[..8].copy_from_slice(&number.to_le_bytes());
    there
        .try_push(1, &payload)
        .expect("one message is under way");
    let mut buffer = [0; PAYLOAD_BYTES];
    let answer = loop {
        if let Some((_, answer)) = answers.pop(&mut buffer).expect("the ring is sound") {
            break answer;
        }
        spin_loop();
    };
    assert_eq!(answer, payload, "the echo is what was sent");
}

/// Stops with its run.
struct Echo(Child);

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Removes its folder.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The command rings of two segments, one for each direction.
pub(super) fn processes(setup: &Setup) -> Result<f64, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let folder = Folder(std::env::temp_dir().join(format!("fulcrum-ring-{}", std::process::id())));
    std::fs::create_dir_all(&folder.0).map_err(|error| text(&error))?;
    let back = Segment::create(&folder.0.join("back"), &layout(), 1, 1, 1)
        .map_err(|error| text(&error))?;
    let mut answers = back.command_consumer().map_err(|error| text(&error))?;
    let program = std::env::current_exe().map_err(|error| text(&error))?;
    let child = Command::new(program)
        .arg("ring-echo")
        .arg(&folder.0)
        .args([setup.there.to_string(), setup.trips().to_string()])
        .spawn()
        .map_err(|error| text(&error))?;
    let _echo = Echo(child);
    let segment = opened(&folder.0.join("there"))?;
    let mut there = segment.command_producer().map_err(|error| text(&error))?;
    pin(setup.here);
    Ok(setup.one_way(|number| trip(&mut there, &mut answers, number)))
}

/// The other process: echoes `trips` messages and ends.
pub(crate) fn echo_process(folder: &Path, core: usize, trips: usize) -> Result<(), String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let segment =
        Segment::create(&folder.join("there"), &layout(), 1, 1, 1).map_err(|error| text(&error))?;
    let mut inbox = segment.command_consumer().map_err(|error| text(&error))?;
    let answers = opened(&folder.join("back"))?;
    let mut back = answers.command_producer().map_err(|error| text(&error))?;
    pin(core);
    for _ in 0..trips {
        echo(&mut inbox, &mut back);
    }
    Ok(())
}

fn layout() -> SegmentLayout {
    SegmentLayout {
        journal_slots: 64,
        input_log_slots: 64,
        market_log_slots: 64,
        command_slots: CAPACITY,
        instrument_pages: 1,
        counters: 16,
        histograms: 1,
        ..SegmentLayout::default()
    }
}

/// Opens a segment as soon as the other side has made it.
fn opened(path: &Path) -> Result<Segment, String> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match Segment::open(path) {
            Ok(segment) => return Ok(segment),
            Err(error) if Instant::now() > deadline => return Err(error.to_string()),
            Err(_) => std::thread::sleep(Duration::from_millis(2)),
        }
    }
}
