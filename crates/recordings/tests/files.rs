//! Recordings as files: joined by ids, and refused or skipped where they are broken.
//!
//! In: files written here. Out: sessions, or errors that name file and line. Never: real data.

use flate2::{Compression, write::GzEncoder};
use market::Market;
use recordings::{Catalog, MessageKind, Options, RecordingError, by_exchange_time};
use std::io::Write;
use std::path::{Path, PathBuf};

const SKIP_BAD: Options = Options { skip_bad: true };

/// A futures difference, received `lag_ms` after the exchange sent it.
fn line(first: u64, last: u64, previous: u64, sent_ms: u64, lag_ms: u64) -> String {
    format!(
        "{}000000 {{\"stream\":\"abusdt@depth\",\"data\":{{\"e\":\"depthUpdate\",\"E\":{sent_ms},\
         \"T\":{sent_ms},\"s\":\"ABUSDT\",\"U\":{first},\"u\":{last},\"pu\":{previous},\
         \"b\":[[\"10.50\",\"2.000\"]],\"a\":[[\"11.00\",\"0.500\"]]}}}}\n",
        sent_ms + lag_ms
    )
}

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder for this test");
    folder
}

fn write(file: &Path, bytes: &[u8]) {
    std::fs::write(file, bytes).expect("the file can be written");
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

const START_MS: u64 = 1_700_000_000_000;

#[test]
fn files_are_joined_by_ids_whatever_their_names_and_compressions() {
    let folder = folder("joined");
    let first = line(5, 9, 4, START_MS, 3) + &line(12, 15, 9, START_MS + 100, 3);
    let second = line(16, 19, 15, START_MS + 200, 3);
    let snapshot = format!(
        "{}000000 {{\"lastUpdateId\":7,\"bids\":[[\"10.00\",\"1.000\"]],\"asks\":[]}}\n",
        START_MS + 50
    );
    write(&folder.join("zzz"), &gzip(&(first + &snapshot)));
    write(
        &folder.join("aaa.txt"),
        &zstd::encode_all(second.as_bytes(), 1).expect("it packs"),
    );
    write(&folder.join("notes"), b"no recording\n");
    let catalog = Catalog::discover(&folder, Options::default()).expect("it is readable");
    assert_eq!((catalog.sessions.len(), catalog.ignored.len()), (1, 1));
    let session = &catalog.sessions[0];
    assert_eq!(
        (session.market, session.symbol.as_str()),
        (Market::UsdM, "ABUSDT")
    );
    assert_eq!(
        (
            session.facts.depths,
            session.facts.snapshots,
            session.facts.gaps
        ),
        (3, 1, 0)
    );
    assert_eq!((session.tick().mantissa, session.tick().decimals), (5, 1));
    assert_eq!((session.lot().mantissa, session.lot().decimals), (5, 1));
    let kinds: Vec<bool> = session
        .messages()
        .map(|message| message.expect("it is readable"))
        .map(|message| matches!(message.kind, MessageKind::Snapshot { .. }))
        .collect();
    assert_eq!(kinds, [false, false, true, false]);
    let open = Catalog::open(&[folder.join("notes")], Options::default());
    assert!(matches!(open, Err(RecordingError::UnknownFormat { .. })));
    let missing = Catalog::open(&[folder.join("nothing.gz")], Options::default());
    assert!(
        missing
            .expect_err("it is missing")
            .to_string()
            .contains("nothing.gz")
    );
}

#[test]
fn broken_lines_and_cut_files_name_their_line_or_are_counted() {
    let folder = folder("broken");
    let good = line(5, 9, 4, START_MS, 3);
    let file = folder.join("broken");
    write(
        &file,
        format!("{good}170{{\n{}", line(10, 11, 9, START_MS, 3)).as_bytes(),
    );
    let error = Catalog::open(std::slice::from_ref(&file), Options::default())
        .expect_err("line 2 is broken");
    assert!(error.to_string().contains("broken: line 2: "), "{error}");
    let catalog = Catalog::open(&[file], SKIP_BAD).expect("the rest is good");
    assert_eq!(
        (catalog.skipped_lines, catalog.sessions[0].facts.depths),
        (1, 2)
    );
    assert_eq!(
        catalog.sessions[0].messages().filter(Result::is_ok).count(),
        2
    );

    let many: String = (0..2_000)
        .map(|id| line(id + 1, id + 1, id, START_MS + id, id % 7))
        .collect();
    let mut packed = gzip(&many);
    packed.truncate(packed.len() / 2);
    let file = folder.join("cut.gz");
    write(&file, &packed);
    let error =
        Catalog::open(std::slice::from_ref(&file), Options::default()).expect_err("it is cut off");
    assert!(
        matches!(&error, RecordingError::Damaged { line, .. } if *line > 100),
        "{error}"
    );
    let catalog = Catalog::open(&[file], SKIP_BAD).expect("its front is good");
    assert_eq!(catalog.skipped_lines, 1);
    assert!(catalog.sessions[0].facts.depths > 100);
}

#[test]
fn exchange_time_orders_what_arrived_out_of_order() {
    let folder = folder("order");
    let text = line(5, 9, 4, START_MS + 40, 0)
        + &line(10, 11, 9, START_MS, 90)
        + &line(12, 13, 11, START_MS + 60, 50);
    let file = folder.join("late");
    write(&file, text.as_bytes());
    let catalog = Catalog::open(&[file], Options::default()).expect("it is readable");
    let times: Vec<i64> = by_exchange_time(&catalog.sessions)
        .map(|message| message.expect("it is readable").0 / 1_000_000 - START_MS as i64)
        .collect();
    assert_eq!(times, [0, 40, 60]);
}
