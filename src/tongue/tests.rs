//! The choice of a language, and whether the catalogue and the sources agree.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};

use super::po::Entry;
use super::*;
use scan::{Found, texts_of};

mod scan;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/ui/po/fr.po");

fn french() -> Vec<Entry> {
    let file = std::fs::read_to_string(FILE).expect("the catalogue");
    po::parse(&file).unwrap_or_else(|error| panic!("{FILE}: {error}"))
}

/// Every text of the sources, with its plural and a place that has it.
fn wanted() -> BTreeMap<String, Found> {
    texts_of(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))
}

/// The names between braces.
fn placeholders(text: &str) -> BTreeSet<&str> {
    let parts = text.split('{').skip(1);
    parts
        .filter_map(|part| part.split_once('}'))
        .map(|(name, _)| name)
        .collect()
}

#[test]
fn the_environment_is_read_as_gettext_reads_it() {
    for (variables, expected) in [
        ("", "en"),
        ("LANG=fr_FR.UTF-8", "fr"),
        ("LANG=fr", "fr"),
        ("LANG=fr_CA@euro", "fr"),
        ("LANG=de_DE.UTF-8", "en"),
        ("LANG=frr_DE.UTF-8", "en"),
        ("LC_MESSAGES=fr_FR LANG=en_GB", "fr"),
        ("LC_ALL=en_GB LC_MESSAGES=fr_FR", "en"),
        ("LC_ALL= LANG=fr_FR", "fr"),
        ("LC_ALL=C LANG=fr_FR", "en"),
        ("LANGUAGE=fr", "en"),
        ("LANGUAGE=fr LANG=C.UTF-8", "en"),
        ("LANGUAGE=fr LANG=POSIX", "en"),
        ("LANGUAGE=fr LANG=en_GB.UTF-8", "fr"),
        ("LANGUAGE=de:fr:en LANG=en_GB.UTF-8", "fr"),
        ("LANGUAGE=en:fr LANG=fr_FR.UTF-8", "en"),
        ("LANGUAGE=de LANG=fr_FR.UTF-8", "fr"),
        ("LANGUAGE= LANG=fr_FR.UTF-8", "fr"),
        ("LANGUAGE=C LANG=fr_FR.UTF-8", "en"),
    ] {
        let set = |name: &str| {
            let mut all = variables.split(' ').filter_map(|pair| pair.split_once('='));
            all.find(|(own, _)| *own == name)
                .map(|(_, value)| value.to_owned())
        };
        let tongue = Tongue::of_variables(set);
        assert_eq!(tongue.code(), expected, "{variables}");
        assert_eq!(Tongue::parse(tongue.code()), Some(tongue));
    }
    assert_eq!(Tongue::parse("auto"), None);
}

#[test]
fn texts_are_translated_and_unknown_ones_left_as_they_are() {
    let (english, french) = (Tongue::English, Tongue::French);
    assert_eq!(english.tr("On air"), "On air");
    assert_eq!(french.tr("On air"), "Antenne");
    assert_eq!(french.tr("no such text"), "no such text");
    assert_eq!(french.tr(""), "");
    let lost = Phrase::new("{source} is not live: {reason}.")
        .with("source", "Laptop")
        .with("reason", Phrase::new("no answer"));
    assert_eq!(english.say(&lost), "Laptop is not live: no answer.");
    assert_eq!(
        french.say(&lost),
        "Pas de signal de Laptop\u{a0}: pas de réponse."
    );
}

#[test]
fn zero_is_many_in_english_and_one_in_french() {
    let (one, many) = ("{count} such thing", "{count} such things");
    for (count, english, french) in [(0, many, one), (1, one, one), (2, many, many)] {
        let said = |form: &str| form.replace("{count}", &count.to_string());
        assert_eq!(Tongue::English.trn(one, many, count), said(english));
        assert_eq!(Tongue::French.trn(one, many, count), said(french));
    }
    let rule = "Plural-Forms: nplurals=2; plural=(n > 1);\n";
    assert!(french()[0].texts[0].contains(rule));
}

#[test]
fn doubtful_and_empty_translations_are_not_used() {
    let catalogue = Catalogue::read(
        "msgid \"\"\nmsgstr \"Language: fr\"\n\n\
         msgid \"{count} day\"\nmsgid_plural \"{count} days\"\n\
         msgstr[0] \"{count} jour\"\nmsgstr[1] \"{count} jours\"\n\n\
         #, fuzzy\nmsgid \"Take\"\nmsgstr \"Prendre\"\n\nmsgid \"Cut\"\nmsgstr \"\"\n",
    );
    assert_eq!(catalogue.form("{count} day", 0), Some("{count} jour"));
    assert_eq!(catalogue.form("{count} day", 1), Some("{count} jours"));
    for id in ["", "Take", "Cut"] {
        assert_eq!(catalogue.form(id, 0), None, "{id:?}");
    }
}

#[test]
fn every_text_is_translated() {
    let catalogue = french();
    let mut missing = Vec::new();
    for (text, found) in wanted() {
        let good = catalogue
            .iter()
            .any(|entry| entry.id == text && entry.plural == found.plural && entry.is_translated());
        if !good {
            missing.push(format!("{text:?} of {}", found.place));
        }
    }
    assert!(
        missing.is_empty(),
        "{FILE} lacks a translation, or has a doubtful one, for\n{}",
        missing.join("\n")
    );
}

#[test]
fn no_translation_is_left_over() {
    let wanted = wanted();
    for entry in french().iter().skip(1) {
        assert!(
            wanted.contains_key(&entry.id),
            "{FILE}:{}: nothing says {:?} any more",
            entry.line,
            entry.id
        );
    }
}

#[test]
fn translations_keep_their_placeholders_and_are_set_in_french_type() {
    for entry in french().iter().skip(1) {
        let place = format!("{FILE}:{}: {:?}", entry.line, entry.id);
        let english = [Some(&entry.id), entry.plural.as_ref()];
        let names: BTreeSet<&str> = (english.into_iter().flatten())
            .flat_map(|text| placeholders(text))
            .collect();
        for text in &entry.texts {
            assert_eq!(placeholders(text), names, "{place}");
            assert!(!text.contains('\''), "{place}: ’ is the apostrophe");
            for mark in [" :", " ;", " !", " ?", "« ", " »", "..."] {
                assert!(!text.contains(mark), "{place}: {mark:?} may break");
            }
            for (index, _) in text.match_indices([':', ';', '!', '?']) {
                let before = text[..index].chars().next_back();
                assert!(
                    matches!(before, Some('\u{a0}' | '\u{202f}')),
                    "{place}: no space before a mark"
                );
            }
        }
    }
}

#[test]
fn gettext_finds_the_catalogue_good() {
    let msgfmt = Command::new("msgfmt")
        .args(["--check", "--output-file=/dev/null", FILE])
        .stdin(Stdio::null())
        .output();
    match msgfmt {
        Ok(said) => assert!(
            said.status.success() && said.stderr.is_empty(),
            "{}",
            String::from_utf8_lossy(&said.stderr)
        ),
        Err(error) => eprintln!("skipped: msgfmt, of the package gettext: {error}"),
    }
}
