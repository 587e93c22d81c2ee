//! Names of counters and histograms as the hot path writes them: `family{label="value",…}`.
//!
//! In: such a name. Out: its family and labels. Never: a name of another form, which is refused
//! as a whole.

/// A parsed name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FigureName {
    /// Name of the family, without the product's prefix.
    pub family: String,
    /// Labels in the order written.
    pub labels: Vec<(String, String)>,
}

impl FigureName {
    /// Parses a name; none when it is not of the form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let Some((family, rest)) = text.split_once('{') else {
            return is_word(text).then(|| Self {
                family: text.to_string(),
                labels: Vec::new(),
            });
        };
        let mut rest = rest.strip_suffix('}')?;
        let mut labels = Vec::new();
        while !rest.is_empty() {
            let (key, after) = rest.split_once("=\"")?;
            let (value, after) = after.split_once('"')?;
            if !is_word(key) {
                return None;
            }
            labels.push((key.to_string(), value.to_string()));
            rest = match after.strip_prefix(',') {
                Some(more) => more,
                None if after.is_empty() => after,
                None => return None,
            };
        }
        is_word(family).then(|| Self {
            family: family.to_string(),
            labels,
        })
    }

    /// Value of a label.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }
}

fn is_word(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && text
            .bytes()
            .next()
            .is_some_and(|byte| !byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_and_without_labels_are_taken_apart() {
        let name =
            FigureName::parse("ws_messages_total{market=\"usdm\",stream=\"depth\"}").unwrap();
        assert_eq!(name.family, "ws_messages_total");
        assert_eq!(name.label("stream"), Some("depth"));
        assert_eq!(name.label("symbol"), None);
        assert!(FigureName::parse("fills_total").unwrap().labels.is_empty());
        assert!(FigureName::parse("orders_total{symbol=\"币安人生USDT\"}").is_some());
    }

    #[test]
    fn another_form_is_refused() {
        for text in [
            "",
            "1a",
            "a{",
            "a{b}",
            "a{b=\"c}",
            "a{b=\"c\"d=\"e\"}",
            "a b",
            "a{b c=\"d\"}",
        ] {
            assert_eq!(FigureName::parse(text), None, "{text}");
        }
    }
}
