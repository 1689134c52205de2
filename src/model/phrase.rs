//! Sentences for people. Each is a template with named values, so that whoever shows it can
//! translate it. On the wire:
//!
//! ```text
//! {"template":"{source} is not live: {reason}.",
//!  "values":{"source":"Laptop","reason":{"template":"no answer"}}}
//! ```

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A sentence, or a part of one. Displayed, it is the English text.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Phrase {
    /// English; `{name}` stands for the value of that name. Borrowed where the words are regie's
    /// own, which no key can be in.
    template: Cow<'static, str>,
    /// What is put in place of the names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    values: BTreeMap<Cow<'static, str>, Value>,
}

/// What stands in a placeholder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A name or a figure, the same in every language.
    Text(String),
    /// Words that are translated themselves.
    Phrase(Phrase),
}

impl Phrase {
    /// Words of regie's own. The argument is always written as a literal: the catalogue is checked
    /// against the sources.
    pub fn new(template: &'static str) -> Self {
        Self {
            template: Cow::Borrowed(template),
            values: BTreeMap::new(),
        }
    }

    /// Words that come from elsewhere: GStreamer, the system, a peer. Without values, braces in
    /// them mean nothing.
    pub fn literal(text: impl Into<String>) -> Self {
        Self {
            template: Cow::Owned(text.into()),
            values: BTreeMap::new(),
        }
    }

    /// The same with a value for `{name}`.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.values.insert(Cow::Borrowed(name), value.into());
        self
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.template.is_empty()
    }

    /// The text, with every template as `translate` gives it. A template that it does not know it
    /// should give back as it is.
    pub fn say(&self, translate: &dyn Fn(&str) -> String) -> String {
        if self.is_empty() {
            return String::new();
        }
        self.fill(&translate(&self.template), translate)
    }

    /// The same with `mask` over all that is not regie's own wording.
    #[must_use]
    pub fn masked(&self, mask: &dyn Fn(&str) -> String) -> Self {
        let values = self.values.iter().map(|(name, value)| {
            let value = match value {
                Value::Text(text) => Value::Text(mask(text)),
                Value::Phrase(phrase) => Value::Phrase(phrase.masked(mask)),
            };
            (name.clone(), value)
        });
        Self {
            template: match &self.template {
                Cow::Borrowed(own) => Cow::Borrowed(own),
                Cow::Owned(foreign) => Cow::Owned(mask(foreign)),
            },
            values: values.collect(),
        }
    }

    /// Puts values in place of their names, in one pass: what a value says is never looked into.
    /// Braces that name no value stay as they are.
    fn fill(&self, template: &str, translate: &dyn Fn(&str) -> String) -> String {
        let mut text = String::with_capacity(template.len());
        let mut rest = template;
        while let Some(start) = rest.find('{') {
            text.push_str(&rest[..start]);
            rest = &rest[start + 1..];
            let named = rest
                .split_once('}')
                .and_then(|(name, after)| Some((self.values.get(name)?, after)));
            match named {
                Some((Value::Text(value), after)) => {
                    text.push_str(value);
                    rest = after;
                }
                Some((Value::Phrase(value), after)) => {
                    text.push_str(&value.say(translate));
                    rest = after;
                }
                None => text.push('{'),
            }
        }
        text.push_str(rest);
        text
    }
}

impl fmt::Display for Phrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.say(&str::to_owned))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Phrase> for Value {
    fn from(phrase: Phrase) -> Self {
        Self::Phrase(phrase)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn lost() -> Phrase {
        Phrase::new("{source} is not live: {reason}.")
            .with("source", "Laptop")
            .with(
                "reason",
                Phrase::new("no picture since {time}").with("time", "9:30"),
            )
    }

    fn french(text: &str) -> String {
        match text {
            "{source} is not live: {reason}." => "{reason} ({source}).",
            "no picture since {time}" => "plus d’image depuis {time}",
            other => other,
        }
        .to_owned()
    }

    #[test]
    fn a_phrase_is_said_in_english_and_translated_part_by_part() {
        assert_eq!(
            lost().to_string(),
            "Laptop is not live: no picture since 9:30."
        );
        assert_eq!(lost().say(&french), "plus d’image depuis 9:30 (Laptop).");
        assert_eq!(Phrase::default().say(&|_| "header".to_owned()), "");
    }

    #[test]
    fn it_survives_the_wire() {
        let line = serde_json::to_string(&lost()).unwrap();
        assert_eq!(
            line,
            r#"{"template":"{source} is not live: {reason}.","values":{"reason":{"template":"no picture since {time}","values":{"time":"9:30"}},"source":"Laptop"}}"#
        );
        let back: Phrase = serde_json::from_str(&line).unwrap();
        assert_eq!((&back, back.say(&french)), (&lost(), lost().say(&french)));
        let short: Phrase = serde_json::from_str(r#"{"template":"no answer"}"#).unwrap();
        assert_eq!(short, Phrase::new("no answer"));
    }

    #[test]
    fn braces_of_a_foreign_text_come_through_unharmed() {
        for foreign in [
            "{",
            "}",
            "{}",
            "{{source}}",
            "{source",
            "a {source} b",
            "}{",
            "{é} {\"code\":7}",
        ] {
            assert_eq!(Phrase::literal(foreign).to_string(), foreign);
            let inside = Phrase::new("{source}: {reason}.")
                .with("source", "{reason}")
                .with("reason", Phrase::literal(foreign));
            assert_eq!(inside.to_string(), format!("{{reason}}: {foreign}."));
        }
    }

    #[test]
    fn what_is_not_our_own_wording_is_masked() {
        let mask = |text: &str| text.replace("live", "•••");
        let phrase = Phrase::new("{source} is not live: {reason}.")
            .with("source", "live one")
            .with("reason", Phrase::literal("no app live"));
        assert_eq!(
            phrase.masked(&mask).to_string(),
            "••• one is not live: no app •••."
        );
    }
}
