//! Parts as written, histograms with good and bad lines, and what is drawn of them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::{Delay, Histogram, Latency, Part, PartSpec, Sampler, Source, read_histogram};

const ACK: &str = "fulcrum_order_ack_duration_seconds";

/// A page with one series: bounds in seconds with the count up to each, and the count of all.
fn page(name: &str, buckets: &[(f64, u64)], total: u64) -> String {
    let mut page = format!("# HELP {name} Something\n# TYPE {name} histogram\n");
    for (bound, count) in buckets {
        let _ = writeln!(
            page,
            "{name}_bucket{{market=\"usdm\",le=\"{bound:?}\"}} {count}"
        );
    }
    let _ = writeln!(page, "{name}_bucket{{market=\"usdm\",le=\"+Inf\"}} {total}");
    page + &format!("{name}_sum{{market=\"usdm\"}} 1.5\n{name}_count{{market=\"usdm\"}} {total}\n")
}

fn read(page: &str, metric: Option<&str>) -> Result<Histogram, String> {
    read_histogram("m.txt", page, metric)
}

#[test]
fn a_part_is_milliseconds_or_a_file_with_or_without_a_metric() {
    let spec = |text: &str| text.parse::<PartSpec>().expect(text);
    assert_eq!(
        spec("feed=0.5").source,
        Source::Said(Delay::Constant(500_000))
    );
    assert_eq!(
        spec("order=60000").source,
        Source::Said(Delay::Constant(60_000_000_000))
    );
    assert_eq!(
        spec("order=0"),
        PartSpec {
            part: Part::Order,
            source: Source::Said(Delay::None)
        }
    );
    let file = |path: &str, metric: Option<&str>| {
        Source::File(PathBuf::from(path), metric.map(str::to_owned))
    };
    assert_eq!(spec("response=a/m.txt").source, file("a/m.txt", None));
    assert_eq!(
        spec("feed=m.txt:x_seconds").source,
        file("m.txt", Some("x_seconds"))
    );
    assert_eq!(spec("feed=a:b/m.txt").source, file("a:b/m.txt", None));
}

#[test]
fn what_is_no_part_is_refused_with_what_would_be_one() {
    for (text, error) in [
        (
            "feed",
            "`feed` is no PART=MS or PART=FILE; parts are feed, order, response",
        ),
        (
            "ack=5",
            "no part is named `ack`; there are feed, order, response",
        ),
        (
            "order=",
            "order= says nothing; it takes milliseconds or a file with a histogram",
        ),
        (
            "order=-1",
            "order: a delay of -1 ms; it must lie between 0 and 60000",
        ),
        (
            "order=60000.1",
            "order: a delay of 60000.1 ms; it must lie between 0 and 60000",
        ),
        (
            "order=NaN",
            "order: a delay of NaN ms; it must lie between 0 and 60000",
        ),
        (
            "order=inf",
            "order: a delay of inf ms; it must lie between 0 and 60000",
        ),
    ] {
        assert_eq!(text.parse::<PartSpec>(), Err(error.to_owned()), "{text}");
    }
    let specs = |texts: &[&str]| -> Result<Latency, String> {
        let specs: Vec<PartSpec> = texts.iter().map(|text| text.parse().expect(text)).collect();
        Latency::from_specs(&specs)
    };
    let twice = specs(&["order=1", "feed=1", "order=2"]).expect_err("twice");
    assert_eq!(twice, "--latency: order is said twice");
    let missing = specs(&["feed=nowhere.txt"]).expect_err("missing");
    assert!(
        missing.starts_with("--latency: feed: nowhere.txt: "),
        "{missing}"
    );
    assert!(missing.contains("milliseconds, such as 0.5"), "{missing}");
}

#[test]
fn a_file_is_read_and_a_broken_one_named_with_its_part_and_line() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tmp");
    let folder = std::env::var_os("CARGO_TARGET_TMPDIR").map_or(folder, PathBuf::from);
    let folder = if folder.is_dir() {
        folder
    } else {
        std::env::temp_dir()
    };
    let path = folder.join(format!("latency-{}.txt", std::process::id()));
    let file = path.display().to_string();
    let specs = [format!("order={file}").parse().expect("a part")];
    std::fs::write(&path, page(ACK, &[(0.002, 4), (0.004, 8)], 8)).expect("written");
    let latency = Latency::from_specs(&specs);
    std::fs::write(&path, format!("{ACK}_bucket{{le=\"x\"}} 1\n")).expect("written");
    let broken = Latency::from_specs(&specs);
    std::fs::remove_file(&path).expect("removed");
    let Delay::Sampled(histogram) = latency.expect("sound").of(Part::Order).clone() else {
        panic!("no histogram");
    };
    assert_eq!(histogram.source(), format!("{file}:{ACK}"));
    let expected = format!(
        "--latency: order: {file}: line 1: le=\"x\"; a bound is 0 or more seconds, or +Inf"
    );
    assert_eq!(broken, Err(expected));
}

#[test]
fn quantiles_lie_straight_between_the_bounds() {
    let text = page("x_seconds", &[(0.001, 2), (0.002, 2), (0.004, 6)], 8);
    let histogram = read(&text, None).expect("sound");
    // A quarter lies below 1 ms, none to 2 ms, half to 4 ms, a quarter above.
    for (rank, expected) in [
        (0.0, 0),
        (0.125, 500_000),
        (0.25, 2_000_000),
        (0.5, 3_000_000),
        (0.749_999_999_999, 3_999_999),
        (0.75, 4_000_000),
        (0.999, 4_000_000),
    ] {
        assert_eq!(histogram.quantile_ns(rank), expected, "{rank}");
    }
    assert_eq!(histogram.count(), 8.0);
}

#[test]
fn a_round_trip_is_halved_and_nothing_else() {
    let buckets = [(0.002, 4), (0.004, 8)];
    let ack = read(&page(ACK, &buckets, 8), None).expect("sound");
    assert_eq!(ack.quantile_ns(0.5), 1_000_000);
    let other = read(&page("x_seconds", &buckets, 8), None).expect("sound");
    assert_eq!(other.quantile_ns(0.5), 2_000_000);
}

#[test]
fn series_of_one_metric_are_added_and_of_several_metrics_one_is_named() {
    let bucket = |labels: &str, le: &str, count: u64| {
        format!("x_seconds_bucket{{{labels}le=\"{le}\"}} {count}\n")
    };
    // The label's value has all that could end it too early.
    let odd = "op=\"a \\\"}, le=\\\\\",";
    let mut text = bucket("op=\"b\",", "0.001", 1) + &bucket("op=\"b\",", "+Inf", 1);
    text += &(bucket(odd, "0.001", 0) + &bucket(odd, "+Inf", 3));
    let histogram = read(&text, None).expect("sound");
    assert_eq!(histogram.count(), 4.0);
    assert_eq!(histogram.quantile_ns(0.125), 500_000);
    text += &page("y_seconds", &[(0.01, 1)], 1);
    let several = read(&text, None).expect_err("two");
    assert_eq!(
        several,
        "m.txt: several histograms, name one of x_seconds, y_seconds"
    );
    let y = read(&text, Some("y_seconds")).expect("sound");
    assert_eq!(y.quantile_ns(0.5), 5_000_000);
    text += &page(ACK, &[(0.02, 1)], 1);
    assert_eq!(
        read(&text, None).expect("sound").quantile_ns(0.5),
        5_000_000
    );
}

/// A line of a bucket.
fn line(rest: &str) -> String {
    format!("x_seconds_bucket{rest}\n")
}

fn refused(text: &str, error: &str) {
    assert_eq!(read(text, None), Err(format!("m.txt: {error}")), "{text}");
}

#[test]
fn a_line_that_is_no_bucket_is_refused_by_its_number() {
    let labels = "labels that do not end as {name=\"value\",…}";
    let bound = "a bound is 0 or more seconds, or +Inf";
    for (rest, error) in [
        (" 4", labels.to_owned()),
        ("{le=\"1} 4", labels.to_owned()),
        ("{le=\"1\" 4", labels.to_owned()),
        (
            "{op=\"a\"} 4",
            "no label `le`, which every bucket has".to_owned(),
        ),
        ("{le=\"-1\"} 4", format!("le=\"-1\"; {bound}")),
        ("{le=\"NaN\"} 4", format!("le=\"NaN\"; {bound}")),
        ("{le=\"1\"}", "`` is no count".to_owned()),
        ("{le=\"1\"} many", "`many` is no count".to_owned()),
        ("{le=\"1\"} -1", "`-1` is no count".to_owned()),
    ] {
        refused(&format!("# x\n{}", line(rest)), &format!("line 2: {error}"));
    }
    let again = line("{le=\"1\"} 3") + &line("{le=\"1.0\"} 3");
    refused(&again, "line 2: a second count for le=\"1\" of one series");
}

#[test]
fn what_is_no_histogram_of_durations_is_refused() {
    let none = "no histogram: no line begins with NAME_bucket{";
    refused("", none);
    refused("x_seconds 5\n", none);
    let last = line("{le=\"+Inf\"} 4");
    let fall = "line 2: 4 after 5; counts up to a bound do not fall";
    let unequal = "line 3: a series with other bounds than the first one";
    let far = |what| format!("durations of up to 61 s {what}are in it; a delay is at most 60 s");
    for (text, error) in [
        (line("{le=\"1\"} 5") + &last, fall.to_owned()),
        (
            line("{le=\"1\"} 3"),
            "no bucket le=\"+Inf\", which has the count of all".to_owned(),
        ),
        (
            last.clone(),
            "no bucket but +Inf: nothing is known of its durations".to_owned(),
        ),
        (
            page("x_seconds", &[(1.0, 0)], 0),
            "it is empty: nothing was measured yet".to_owned(),
        ),
        (page("x_seconds", &[(1.0, 1), (61.0, 2)], 2), far("")),
        (
            page("x_seconds", &[(1.0, 1), (61.0, 1)], 2),
            far("or more "),
        ),
        (
            line("{le=\"1\"} 1") + &last + &line("{op=\"a\",le=\"2\"} 1"),
            unequal.to_owned(),
        ),
    ] {
        refused(&text, &format!("`x_seconds`: {error}"));
    }
    let unit = "`x_ms` is not in seconds: its name must end with _seconds";
    refused(&page("x_ms", &[(1.0, 1)], 1), unit);
    let absent = read(&last, Some("y_seconds")).expect_err("absent");
    assert_eq!(
        absent,
        "m.txt: no histogram `y_seconds`; there are x_seconds"
    );
    // Empty buckets may reach as far as they like.
    assert!(read(&page("x_seconds", &[(1.0, 2), (600.0, 2)], 2), None).is_ok());
}

#[test]
fn the_same_seed_draws_the_same_delays_and_another_one_others() {
    let histogram = read(&page("x_seconds", &[(1.0, 5)], 5), None).expect("sound");
    let delay = Delay::Sampled(histogram.into());
    let draw = |seed, stream| -> Vec<i64> {
        let mut sampler = Sampler::new(delay.clone(), seed, stream);
        (0..50).map(|_| sampler.next_ns()).collect()
    };
    assert_eq!(draw(7, 1), draw(7, 1));
    assert_ne!(draw(7, 1), draw(8, 1));
    assert_ne!(draw(7, 1), draw(7, 2));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Of what is drawn, as many lie at or under each bound as the file says.
    #[test]
    fn the_share_drawn_under_each_bound_is_the_files(
        steps in prop::collection::vec((1u64..50, 0u64..40), 1..12),
        above in 0u64..20,
        seed: u64,
    ) {
        let (mut bound_ms, mut count) = (0, 0);
        let buckets: Vec<(f64, u64)> = steps.iter().map(|(wider_ms, more)| {
            bound_ms += wider_ms;
            count += more;
            (bound_ms as f64 / 1_000.0, count)
        }).collect();
        let total = count + above;
        prop_assume!(total > 0);
        let text = page("x_seconds", &buckets, total);
        let histogram = read(&text, None).expect("sound");
        let mut sampler = Sampler::new(Delay::Sampled(histogram.into()), seed, 1);
        const DRAWS: usize = 20_000;
        let drawn: Vec<i64> = (0..DRAWS).map(|_| sampler.next_ns()).collect();
        let (last, below) = buckets.split_last().expect("one or more");
        for (bound, up_to) in below {
            let bound_ns = (bound * 1e9).round() as i64;
            let found = drawn.iter().filter(|ns| **ns < bound_ns).count() as f64 / DRAWS as f64;
            let expected = *up_to as f64 / total as f64;
            // Five standard deviations of a share are 0.018 at most.
            prop_assert!((found - expected).abs() < 0.02, "{found} for {expected} under {bound}");
        }
        let most = (last.0 * 1e9).round() as i64;
        prop_assert!(drawn.iter().all(|ns| (0..=most).contains(ns)));
    }
}
