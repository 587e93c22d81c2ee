//! The venue of paper trading: whom the local exchange follows, if control is to start it.
//!
//! In: the section `[paper]`, the mode and the venue. Out: [`PaperSettings`]. Never: a followed host
//! in another mode than paper; a venue to start that is not on this machine.

use crate::checked::{FeeSettings, Mode};
use crate::venue::VenueSettings;
use crate::written::{Problem, Section};
use market::Rate;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Whom the paper exchange follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaperSettings {
    /// Base of the public REST of followed USD-M.
    pub follow_usdm_url: Option<String>,
    /// Base of its public streams, where they are not where Binance has them.
    pub follow_usdm_stream_url: Option<String>,
    /// Base of the public REST of followed spot.
    pub follow_spot_url: Option<String>,
    /// Base of its public streams.
    pub follow_spot_stream_url: Option<String>,
    /// The only authority that the followed exchange's certificates may come from.
    pub follow_ca_file: Option<PathBuf>,
    /// The `--latency` of the paper exchange: `PART=MS` or `PART=FILE`, separated by commas.
    pub latency: Option<String>,
    /// What its USD-M charges.
    pub usdm_fees: FeeSettings,
    /// What its spot charges.
    pub spot_fees: FeeSettings,
    /// Where the paper exchange listens: USD-M here, spot and its control API behind it. Nothing
    /// when somebody else starts it.
    pub listen: Option<SocketAddr>,
}

impl PaperSettings {
    /// Reads the section.
    pub(crate) fn check(
        mut section: Section<'_>,
        mode: Mode,
        venue: &VenueSettings,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut url = |key: &str, schemes: [&str; 2]| {
            let value = section.text(key, "", problems);
            let plain = value.strip_suffix('/').unwrap_or(&value).to_string();
            if plain.is_empty() {
                return None;
            }
            let host = schemes.iter().find_map(|scheme| plain.strip_prefix(scheme));
            if host.is_none_or(|host| host.is_empty() || host.contains('@')) {
                let allowed = format!("a URL that begins with {}", schemes.join(" or "));
                section.reject(key, &allowed, problems);
            } else if mode != Mode::Paper {
                section.reject(key, "nothing, because mode is not paper", problems);
            }
            Some(plain)
        };
        let (rest, stream) = (["http://", "https://"], ["ws://", "wss://"]);
        let follow_usdm_url = url("follow_usdm_url", rest);
        let follow_usdm_stream_url = url("follow_usdm_stream_url", stream);
        let follow_spot_url = url("follow_spot_url", rest);
        let follow_spot_stream_url = url("follow_spot_stream_url", stream);
        let ca_file = section.text("follow_ca_file", "", problems);
        let latency = section.text("latency_ms", "", problems);
        let latency = (!latency.is_empty()).then_some(latency);
        let followed = follow_usdm_url.is_some() || follow_spot_url.is_some();
        if let Some(latency) = &latency {
            if !are_parts(latency) {
                section.reject("latency_ms", LATENCY, problems);
            } else if !followed {
                let allowed =
                    "nothing, because control starts no paper exchange: nobody is followed";
                section.reject("latency_ms", allowed, problems);
            }
        }
        let mut rate =
            |key: &str, default: &str| Rate(section.decimal(key, default, ("0", "0.01"), problems));
        // The first tiers.
        let usdm_fees = FeeSettings {
            maker: rate("usdm_maker_ratio", "0.0002"),
            taker: rate("usdm_taker_ratio", "0.0005"),
        };
        let spot_fees = FeeSettings {
            maker: rate("spot_maker_ratio", "0.001"),
            taker: rate("spot_taker_ratio", "0.001"),
        };
        let mut listen = None;
        for (key, wanted) in [
            ("follow_usdm_url", follow_usdm_url.is_some()),
            ("follow_spot_url", follow_spot_url.is_some()),
        ] {
            if wanted && listen.is_none() {
                listen = address(venue);
                if listen.is_none() && mode == Mode::Paper {
                    let allowed = "nothing, unless venue.usdm_rest_url is http:// at a port of \
                                   127.0.0.1: that is where control starts the paper exchange";
                    section.reject(key, allowed, problems);
                }
            }
        }
        section.finish(problems);
        Self {
            follow_usdm_url,
            follow_usdm_stream_url,
            follow_spot_url,
            follow_spot_stream_url,
            follow_ca_file: (!ca_file.is_empty()).then(|| PathBuf::from(ca_file)),
            latency,
            usdm_fees,
            spot_fees,
            listen,
        }
    }
}

/// What a latency may be; the paper exchange reads the files.
const LATENCY: &str = "each of feed, order and response once at most, as PART=MS with 0 to 60000 \
                       or PART=FILE, separated by commas";

fn are_parts(latency: &str) -> bool {
    let mut seen = Vec::new();
    latency.split(',').all(|part| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let new = ["feed", "order", "response"].contains(&name) && !seen.contains(&name);
        seen.push(name);
        let ms = value.parse::<f64>();
        new && !value.is_empty() && ms.map_or(true, |ms| (0.0..=60_000.0).contains(&ms))
    })
}

/// Where the venue's USD-M is, if that is a port of this machine with room for two more.
fn address(venue: &VenueSettings) -> Option<SocketAddr> {
    let authority = venue.usdm_rest_url.strip_prefix("http://")?;
    let address: SocketAddr = authority.parse().ok()?;
    let room = (1..=u16::MAX - 2).contains(&address.port());
    (address.ip().is_loopback() && room).then_some(address)
}

#[cfg(test)]
mod tests {
    use crate::{Settings, SettingsError};

    fn check(root: &str, lines: &str) -> Result<Settings, Vec<String>> {
        let text = format!("{root}\n[[instrument]]\nsymbol = \"BTCUSDT\"\n[paper]\n{lines}\n");
        match Settings::check("fulcrum.toml", &text) {
            Ok(settings) => Ok(settings),
            Err(SettingsError::Invalid { problems, .. }) => {
                Err(problems.iter().map(|one| one.key.clone()).collect())
            }
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn nobody_is_followed_unless_it_is_said() {
        let paper = check("mode = \"paper\"", "").expect("sound").paper;
        assert_eq!((paper.listen, paper.follow_usdm_url), (None, None));
    }

    #[test]
    fn a_followed_exchange_makes_control_start_the_venue_where_the_hot_path_looks_for_it() {
        let lines = "follow_usdm_url = \"https://fapi.binance.com/\"";
        let paper = check("mode = \"paper\"", lines).expect("sound").paper;
        assert_eq!(
            paper.follow_usdm_url.as_deref(),
            Some("https://fapi.binance.com")
        );
        let listen = paper.listen.map(|address| address.to_string());
        assert_eq!(listen.as_deref(), Some("127.0.0.1:8900"));
    }

    #[test]
    fn latency_is_for_a_venue_that_control_starts_and_has_three_parts() {
        let latency = |value: &str| {
            let url = "follow_usdm_url = \"https://fapi.binance.com\"";
            check(
                "mode = \"paper\"",
                &format!("{url}\nlatency_ms = \"{value}\""),
            )
        };
        for sound in [
            "feed=0.5",
            "order=3,response=60000",
            "feed=m.txt:x_seconds,order=0",
        ] {
            let paper = latency(sound).expect("sound").paper;
            assert_eq!(paper.latency.as_deref(), Some(sound));
        }
        assert_eq!(latency("").expect("sound").paper.latency, None);
        let named = Err(vec!["paper.latency_ms".to_string()]);
        for wrong in [
            "5",
            "ack=5",
            "feed=",
            "feed=1,feed=2",
            "order=-1",
            "order=60001",
        ] {
            assert_eq!(latency(wrong), named, "{wrong}");
        }
        assert_eq!(check("mode = \"paper\"", "latency_ms = \"feed=1\""), named);
    }

    #[test]
    fn fees_are_those_of_the_first_tier_unless_told_and_exact() {
        let paper = check("", "").expect("sound").paper;
        let rates = |fees: crate::FeeSettings| (fees.maker.0, fees.taker.0);
        assert_eq!(rates(paper.usdm_fees), (20_000, 50_000));
        assert_eq!(rates(paper.spot_fees), (100_000, 100_000));
        let lines = "usdm_maker_ratio = 0.00012\nspot_taker_ratio = 0.00095";
        let paper = check("", lines).expect("sound").paper;
        assert_eq!(rates(paper.usdm_fees), (12_000, 50_000));
        assert_eq!(rates(paper.spot_fees), (100_000, 95_000));
        let named = Err(vec!["paper.usdm_taker_ratio".to_string()]);
        assert_eq!(check("", "usdm_taker_ratio = 0.5"), named);
    }

    #[test]
    fn paper_alone_follows_and_only_a_local_venue_is_started() {
        let lines = "follow_spot_url = \"https://api.binance.com\"";
        let named = Err(vec!["paper.follow_spot_url".to_string()]);
        let keys = "[venue]\napi_key_file = \"k\"\napi_secret_file = \"s\"";
        let testnet = format!("mode = \"testnet\"\n{keys}");
        assert_eq!(check(&testnet, lines), named);
        let far = "[venue]\nusdm_rest_url = \"http://10.0.0.1:8900\"";
        assert_eq!(check(far, lines), named);
        let named = Err(vec!["paper.follow_usdm_url".to_string()]);
        assert_eq!(check("", "follow_usdm_url = \"fapi\""), named);
    }
}
