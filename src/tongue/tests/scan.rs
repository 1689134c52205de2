//! Finds the texts to be translated in Rust sources: `tr("…")`, `trn("…", "…"`, `Phrase::new("…")`.
//! Comments are skipped, and so is what is only for tests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A text, where it was first found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub plural: Option<String>,
    pub place: String,
}

/// As much of Rust's grammar as is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Sign(char),
}

/// Every text in the folder's sources.
pub fn texts_of(folder: &str) -> BTreeMap<String, Found> {
    let mut files = Vec::new();
    collect(Path::new(folder), &mut files);
    files.sort();
    assert!(files.len() > 30, "only {} sources", files.len());
    let mut all = BTreeMap::new();
    for file in files {
        let source = std::fs::read_to_string(&file).expect("a source");
        let place = file.display().to_string();
        for (text, plural) in texts_in(&source, &place) {
            let known = all
                .get(&text)
                .and_then(|found: &Found| found.plural.clone());
            let found = Found {
                plural: plural.or(known),
                place: place.clone(),
            };
            all.insert(text, found);
        }
    }
    all
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let is_test = path.file_stem().is_some_and(|stem| stem == "tests");
        if is_test {
            continue;
        }
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
}

/// The texts of one source, with their plurals.
fn texts_in(source: &str, place: &str) -> Vec<(String, Option<String>)> {
    let tokens = tokens(source);
    let end = tests_begin(&tokens).unwrap_or(tokens.len());
    let tokens = &tokens[..end];
    let word = |token: &Token, word: &str| *token == Token::Word(word.to_owned());
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        match &tokens[at..] {
            [name, Token::Sign('('), Token::Text(text), ..] if word(name, "tr") => {
                found.push((text.clone(), None));
            }
            [
                name,
                Token::Sign('('),
                Token::Text(text),
                Token::Sign(','),
                Token::Text(plural),
                ..,
            ] if word(name, "trn") => found.push((text.clone(), Some(plural.clone()))),
            [
                name,
                Token::Sign(':'),
                Token::Sign(':'),
                new,
                Token::Sign('('),
                argument,
                ..,
            ] if word(name, "Phrase") && word(new, "new") => match argument {
                Token::Text(text) => found.push((text.clone(), None)),
                other => panic!("{place}: Phrase::new({other:?}…: not written as a literal"),
            },
            _ => {}
        }
    }
    found
}

/// Where `#[cfg(test)]` opens a module: tests stand last in a file.
fn tests_begin(tokens: &[Token]) -> Option<usize> {
    let of = |text: &str| match text {
        "cfg" | "test" => Token::Word(text.to_owned()),
        sign => Token::Sign(sign.chars().next().expect("a sign")),
    };
    let opening = ["#", "[", "cfg", "(", "test", ")", "]"].map(of);
    (0..tokens.len()).find(|at| {
        let Some(mut rest) = tokens[*at..].strip_prefix(&opening[..]) else {
            return false;
        };
        while let [Token::Sign('#'), after @ ..] = rest {
            let end = after.iter().position(|token| *token == Token::Sign(']'));
            rest = end.map_or(&[], |end| &after[end + 1..]);
        }
        rest.first() == Some(&Token::Word("mod".to_owned()))
    })
}

fn tokens(source: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        if rest.starts_with("//") {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
        } else if rest.starts_with("/*") {
            rest = rest.split_once("*/").map_or("", |(_, after)| after);
        } else if let Some((text, after)) = raw_string(rest) {
            tokens.push(Token::Text(text.to_owned()));
            rest = after;
        } else if first == '"' {
            let (text, after) = string(&rest[1..]);
            tokens.push(Token::Text(text));
            rest = after;
        } else if first == '\'' {
            rest = after_quote(&rest[1..]);
        } else if is_word(first) {
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..end].to_owned()));
            rest = &rest[end..];
        } else {
            if !first.is_whitespace() {
                tokens.push(Token::Sign(first));
            }
            rest = &rest[first.len_utf8()..];
        }
    }
    tokens
}

/// `r"…"`, `r#"…"#` and so on; what a byte string says does not matter here.
fn raw_string(rest: &str) -> Option<(&str, &str)> {
    let rest = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'))?;
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    let inner = rest[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    inner.split_once(end.as_str())
}

/// What follows a character or a lifetime, behind its first quote.
fn after_quote(rest: &str) -> &str {
    if let Some(escaped) = rest.strip_prefix('\\') {
        let mut chars = escaped.chars();
        chars.next();
        return chars
            .as_str()
            .split_once('\'')
            .map_or("", |(_, after)| after);
    }
    let mut chars = rest.chars();
    chars.next();
    chars.as_str().strip_prefix('\'').unwrap_or(rest)
}

/// A string's text and what follows it; `rest` begins behind its first quote.
fn string(rest: &str) -> (String, &str) {
    let mut text = String::new();
    let mut chars = rest.chars();
    while let Some(char) = chars.next() {
        match char {
            '"' => return (text, chars.as_str()),
            '\\' => match chars.next() {
                // The line goes on below, behind its indentation.
                Some('\n') => chars = chars.as_str().trim_start().chars(),
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some('u') => {
                    let (code, after) = chars.as_str().split_once('}').expect("an escape");
                    let code = u32::from_str_radix(code.trim_start_matches('{'), 16);
                    text.extend(code.ok().and_then(char::from_u32));
                    chars = after.chars();
                }
                Some(same) => text.push(same),
                None => break,
            },
            char => text.push(char),
        }
    }
    panic!("a string without an end: {text:?}")
}

#[test]
fn texts_are_found_wherever_they_are_written() {
    let source = r##"
        // tr("in a comment") and it's one
        /* tr("in another") */
        fn tr<'a>(text: &'a str) -> &'a str { text }
        let quotes = ['"', '\'', '\\', '\u{41}', 'é'];
        let url = "rtsp://h"; let raw = r#"tr("raw")"#;
        ptr("a pointer"); tr(name); trn(one, many, n);
        label(tongue.tr("Take"), self.tr(
            "two \
             lines \"quoted\"\u{a0}!",
        ));
        tongue.trn(
            "{count} day",
            "{count} days",
            n,
        );
        model::Phrase::new("no answer").with("a", "b");
        Phrase::literal("foreign");
        tr(r"plain");
        #[cfg(test)]
        fn only_in_tests() {}
        tr("behind");
        #[cfg(test)]
        #[allow(unused)]
        mod tests { tr("in a test"); }
    "##;
    let found = texts_in(source, "here");
    let texts: Vec<&str> = found.iter().map(|(text, _)| text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "Take",
            "two lines \"quoted\"\u{a0}!",
            "{count} day",
            "no answer",
            "plain",
            "behind"
        ]
    );
    assert_eq!(found[2].1.as_deref(), Some("{count} days"));
}
