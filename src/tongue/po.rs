//! Reads gettext's PO format, as far as it is used here: no contexts, two plural forms. Refuses
//! whatever it does not understand, with its line. Pure.

/// How many forms a plural has, in every language that is here.
pub const FORMS: usize = 2;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it begins, counted from 1.
    pub line: usize,
    /// Whether a translator or a tool has marked it as doubtful; then it is not used.
    pub fuzzy: bool,
    /// The English text; empty for the file's header.
    pub id: String,
    /// The English text for many things, where it counts.
    pub plural: Option<String>,
    /// The translation, or its [`FORMS`] forms.
    pub texts: Vec<String>,
}

impl Entry {
    /// Whether the translation is there and not doubtful.
    pub fn is_translated(&self) -> bool {
        !self.fuzzy && self.texts.iter().all(|text| !text.is_empty())
    }
}

/// Why a text is no PO file.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct PoError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong, as a sentence.
    pub problem: String,
}

/// Where a line that is only a string goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Id,
    Plural,
    Text,
}

#[derive(Debug, Default)]
struct Reader {
    entries: Vec<Entry>,
    /// The message under way and its last field.
    open: Option<(Entry, Field)>,
    /// A mark above a message that has not begun.
    fuzzy: bool,
}

/// Every message, the header first.
pub fn parse(text: &str) -> Result<Vec<Entry>, PoError> {
    let mut reader = Reader::default();
    let mut last = 1;
    for (index, line) in text.lines().enumerate() {
        last = index + 1;
        let read = reader.line(line.trim(), last);
        read.map_err(|problem| PoError {
            line: last,
            problem,
        })?;
    }
    let closed = reader.close().and_then(|()| reader.check());
    closed.map_err(|problem| PoError {
        line: last,
        problem,
    })?;
    Ok(reader.entries)
}

impl Reader {
    fn line(&mut self, line: &str, number: usize) -> Result<(), String> {
        if line.is_empty() {
            return self.close();
        }
        if let Some(comment) = line.strip_prefix('#') {
            self.close()?;
            if let Some(flags) = comment.strip_prefix(',') {
                self.fuzzy |= flags.split(',').any(|flag| flag.trim() == "fuzzy");
            }
            return Ok(());
        }
        if line.starts_with('"') {
            return self.more(&unquoted(line)?);
        }
        let (keyword, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        if keyword == "msgid" {
            self.close()?;
            let entry = Entry {
                line: number,
                fuzzy: std::mem::take(&mut self.fuzzy),
                id: unquoted(value)?,
                plural: None,
                texts: Vec::new(),
            };
            self.open = Some((entry, Field::Id));
            return Ok(());
        }
        let Some((entry, field)) = &mut self.open else {
            return Err(format!("{keyword} does not belong to a msgid"));
        };
        let counts = entry.plural.is_some();
        let form = entry.texts.len();
        match keyword {
            "msgid_plural" if *field == Field::Id => {
                entry.plural = Some(unquoted(value)?);
                *field = Field::Plural;
            }
            "msgstr" if !counts && form == 0 => {
                entry.texts.push(unquoted(value)?);
                *field = Field::Text;
            }
            _ if counts && form < FORMS && keyword == format!("msgstr[{form}]") => {
                entry.texts.push(unquoted(value)?);
                *field = Field::Text;
            }
            _ => return Err(format!("{keyword:?} is not expected here")),
        }
        Ok(())
    }

    /// A string on a line of its own goes on with the one before.
    fn more(&mut self, text: &str) -> Result<(), String> {
        let Some((entry, field)) = &mut self.open else {
            return Err("a string that belongs to nothing".to_owned());
        };
        let string = match field {
            Field::Id => Some(&mut entry.id),
            Field::Plural => entry.plural.as_mut(),
            Field::Text => entry.texts.last_mut(),
        };
        if let Some(string) = string {
            string.push_str(text);
        }
        Ok(())
    }

    /// Ends the message under way.
    fn close(&mut self) -> Result<(), String> {
        let Some((entry, _)) = self.open.take() else {
            return Ok(());
        };
        let forms = if entry.plural.is_some() { FORMS } else { 1 };
        if entry.texts.len() != forms {
            return Err(format!("{:?} has no translation", entry.id));
        }
        if let Some(twin) = self.entries.iter().find(|own| own.id == entry.id) {
            return Err(format!("{:?} is also in line {}", entry.id, twin.line));
        }
        self.entries.push(entry);
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        match self.entries.first() {
            Some(header) if header.id.is_empty() => Ok(()),
            _ => Err("there is no header".to_owned()),
        }
    }
}

/// What stands between the quotes.
fn unquoted(quoted: &str) -> Result<String, String> {
    let inner = quoted
        .trim()
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .ok_or_else(|| format!("{quoted:?} is not a string in quotes"))?;
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner.chars();
    while let Some(char) = rest.next() {
        match char {
            '"' => return Err(format!("a quote inside {quoted}")),
            '\\' => match rest.next() {
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some(same @ ('"' | '\\')) => text.push(same),
                other => return Err(format!("\\{} is not known", other.unwrap_or(' '))),
            },
            char => text.push(char),
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "msgid \"\"\nmsgstr \"\"\n\"Language: fr\\n\"\n\n";

    fn refused(text: &str) -> String {
        let file = format!("{HEADER}{text}");
        parse(&file)
            .expect_err("the file should be refused")
            .to_string()
    }

    #[test]
    fn messages_are_read_with_their_marks_and_forms() {
        let file = format!(
            "# A note.\n{HEADER}#: src/panel.rs:7\nmsgid \"Take\"\nmsgstr \"Envoyer\"\n\n\
             #, fuzzy, c-format\nmsgid \"\"\n\"a \\\"b\\\"\\n\"\n\"c\"\nmsgstr \"d\\\\\"\n\n\
             msgid \"{{count}} day\"\nmsgid_plural \"{{count}} days\"\n\
             msgstr[0] \"{{count}} jour\"\nmsgstr[1] \"{{count}} jours\"\n\
             #~ msgid \"gone\"\n#~ msgstr \"parti\"\n"
        );
        let entries = parse(&file).expect("a PO file");
        assert_eq!(entries.len(), 4);
        assert_eq!(entries[0].texts, ["Language: fr\n"]);
        assert_eq!(
            (
                entries[1].id.as_str(),
                &entries[1].texts[..],
                entries[1].line
            ),
            ("Take", &["Envoyer".to_owned()][..], 7)
        );
        assert_eq!(
            (entries[2].id.as_str(), &entries[2].texts[..]),
            ("a \"b\"\nc", &["d\\".to_owned()][..])
        );
        assert!(entries[2].fuzzy && !entries[2].is_translated());
        assert_eq!(entries[3].plural.as_deref(), Some("{count} days"));
        assert_eq!(entries[3].texts, ["{count} jour", "{count} jours"]);
        assert!(entries[3].is_translated());
    }

    #[test]
    fn rubbish_is_refused_with_its_line() {
        for (text, said) in [
            ("hello", "line 5: hello does not belong to a msgid"),
            ("\"lost\"", "line 5: a string that belongs to nothing"),
            ("msgid Take", "line 5: \"Take\" is not a string in quotes"),
            ("msgid \"", "line 5: \"\\\"\" is not a string in quotes"),
            ("msgid \"a\\d\"", "line 5: \\d is not known"),
            ("msgid \"a\"b\"", "line 5: a quote inside \"a\"b\""),
            ("msgid \"a\"\n", "line 5: \"a\" has no translation"),
            (
                "msgid \"a\"\nmsgstr[0] \"b\"",
                "line 6: \"msgstr[0]\" is not expected here",
            ),
            (
                "msgid \"a\"\nmsgid_plural \"as\"\nmsgstr[0] \"b\"\n",
                "line 7: \"a\" has no translation",
            ),
            (
                "msgid \"a\"\nmsgstr \"b\"\nmsgid_plural \"as\"",
                "line 7: \"msgid_plural\" is not expected here",
            ),
            (
                "msgid \"a\"\nmsgstr \"b\"\n\nmsgid \"a\"\nmsgstr \"c\"\n",
                "line 9: \"a\" is also in line 5",
            ),
            (
                "msgctxt \"menu\"\nmsgid \"a\"",
                "line 5: msgctxt does not belong to a msgid",
            ),
        ] {
            assert_eq!(refused(text), said, "{text}");
        }
        let headless = parse("msgid \"a\"\nmsgstr \"b\"\n").expect_err("no header");
        assert_eq!(headless.problem, "there is no header");
        assert!(parse("").is_err());
    }
}
