//! The languages that the operator reads. Texts are looked up by their English words in gettext
//! catalogues (`ui/po/*.po`), which are compiled in: libc's own gettext stays English without a
//! word on a machine where the locale has not been generated, and the venue file could not choose.
//! Pure, and on any thread.
//!
//! A text to be translated is written as a literal in one of three places, where the tests of this
//! module find it and compare it with the catalogue:
//!
//! - `tongue.tr("Take")`
//! - `tongue.trn("{count} frame", "{count} frames", n)`
//! - `Phrase::new("{source} is not live: {reason}.")`

mod po;

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::model::Phrase;

/// A language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Tongue {
    /// The language of the sources.
    #[default]
    English,
    /// `ui/po/fr.po`.
    French,
}

static FRENCH: LazyLock<Catalogue> =
    LazyLock::new(|| Catalogue::read(include_str!("../ui/po/fr.po")));

impl Tongue {
    /// From `fr` or `en`.
    pub fn parse(code: &str) -> Option<Self> {
        match code {
            "en" => Some(Self::English),
            "fr" => Some(Self::French),
            _ => None,
        }
    }

    /// `fr` or `en`.
    pub fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::French => "fr",
        }
    }

    /// What the environment asks for.
    pub fn of_locale() -> Self {
        Self::of_variables(|name| std::env::var(name).ok())
    }

    /// As gettext reads the environment: the locale is the first of `LC_ALL`, `LC_MESSAGES` and
    /// `LANG` that says something; unless that is none (`C`), the languages of `LANGUAGE` go
    /// before it, the first that is known. Whether the locale has been generated does not matter.
    fn of_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find_map(set);
        let Some(locale) = locale.filter(|locale| !is_plain(locale)) else {
            return Self::English;
        };
        let wanted = set("LANGUAGE").unwrap_or_default();
        let mut all = wanted.split(':').chain([locale.as_str()]);
        all.find_map(Self::of_locale_name).unwrap_or_default()
    }

    /// From `fr`, `fr_CA.UTF-8`, `fr_FR@euro`; `C` is English.
    fn of_locale_name(name: &str) -> Option<Self> {
        if is_plain(name) {
            return Some(Self::English);
        }
        Self::parse(name.split(['_', '.', '@']).next()?)
    }

    /// The text in this language; as it is where the catalogue lacks it.
    pub fn tr(self, text: &str) -> &str {
        match self {
            Self::English => text,
            Self::French => FRENCH.form(text, 0).unwrap_or(text),
        }
    }

    /// The text for `count` things, with `{count}` replaced.
    pub fn trn(self, singular: &str, plural: &str, count: u64) -> String {
        let english = [singular, plural];
        let text = match self {
            Self::English => english[usize::from(count != 1)],
            // Zero is singular.
            Self::French => {
                let form = usize::from(count > 1);
                FRENCH.form(singular, form).unwrap_or(english[form])
            }
        };
        text.replace("{count}", &count.to_string())
    }

    /// A decimal number, as Rust writes it, as this language does; minus is a minus.
    pub fn number(self, digits: &str) -> String {
        let number = digits.replace('-', "−");
        match self {
            Self::English => number,
            Self::French => number.replace('.', ","),
        }
    }

    /// The phrase in this language.
    pub fn say(self, phrase: &Phrase) -> String {
        phrase.say(&|text| self.tr(text).to_owned())
    }
}

/// Whether it is the locale that stands for no language.
fn is_plain(locale: &str) -> bool {
    matches!(locale.split('.').next(), Some("C" | "POSIX"))
}

/// Texts by their English ones: one text, or the singular and the plural.
#[derive(Debug, Default)]
struct Catalogue {
    texts: HashMap<String, Vec<String>>,
}

impl Catalogue {
    /// Reads a compiled-in file, which the tests have found good.
    fn read(file: &str) -> Self {
        let entries = po::parse(file).unwrap_or_else(|error| {
            tracing::error!("a translation cannot be read: {error}");
            Vec::new()
        });
        let good = entries
            .into_iter()
            .filter(|entry| entry.is_translated() && !entry.id.is_empty());
        Self {
            texts: good.map(|entry| (entry.id, entry.texts)).collect(),
        }
    }

    fn form(&self, id: &str, form: usize) -> Option<&str> {
        self.texts.get(id)?.get(form).map(String::as_str)
    }
}

#[cfg(test)]
mod tests;
