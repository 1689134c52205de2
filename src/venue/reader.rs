//! Walks the tables of a venue file. Nothing stops the walk: whatever is wrong is noted with its
//! line, and the whole list is handed out at the end. Knows TOML, and nothing about venues.

mod complaint;
mod render;

use std::cell::RefCell;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::model::SourceId;

pub use complaint::{Complaint, Problem, VenueError};
pub(super) use render::{is_secret_name, kind_of};

/// A value that a reader refuses: the problem, as the rest of a sentence (`is not a size`).
pub(super) type Refusal = String;

/// Everything noted about one file so far.
pub(super) struct Report<'a> {
    file: &'a Path,
    text: &'a str,
    complaints: RefCell<Vec<Complaint>>,
    warnings: RefCell<Vec<(usize, String)>>,
}

impl<'a> Report<'a> {
    pub fn new(file: &'a Path, text: &'a str) -> Self {
        Self {
            file,
            text,
            complaints: RefCell::default(),
            warnings: RefCell::default(),
        }
    }

    /// The whole file as a section without a name.
    pub fn root(&'a self, table: &'a DeTable<'a>) -> Section<'a> {
        self.open(String::new(), Some(table), 0)
    }

    /// The warnings in the file's order, or every complaint in the file's order.
    pub fn finish(&self) -> Result<Vec<String>, VenueError> {
        let mut complaints = self.complaints.take();
        if !complaints.is_empty() {
            complaints.sort_by_key(|complaint| complaint.offset);
            return Err(VenueError::Refused {
                path: self.file.to_owned(),
                complaints,
            });
        }
        let mut warnings = self.warnings.take();
        warnings.sort_by_key(|(offset, _)| *offset);
        Ok(warnings.into_iter().map(|(_, sentence)| sentence).collect())
    }

    fn open(&'a self, place: String, table: Option<&'a DeTable<'a>>, offset: usize) -> Section<'a> {
        Section {
            report: self,
            place,
            table,
            offset,
            asked: RefCell::default(),
        }
    }

    fn line(&self, offset: usize) -> usize {
        complaint::position(self.text, offset).0
    }
}

/// One table of the file. It remembers which keys it was asked for: those are the accepted ones.
pub(super) struct Section<'a> {
    report: &'a Report<'a>,
    /// How people are told where they are: `source "laptop"`. Empty for the whole file.
    place: String,
    /// Nothing where the file has no such section, or something else in its place.
    table: Option<&'a DeTable<'a>>,
    offset: usize,
    asked: RefCell<Vec<&'static str>>,
}

impl<'a> Section<'a> {
    /// The key's value, if it is there and `read` takes it; a complaint if it does not.
    pub fn optional<T>(
        &self,
        key: &'static str,
        accepted: &str,
        read: impl FnOnce(&DeValue<'_>) -> Result<T, Refusal>,
    ) -> Option<T> {
        let value = self.ask(key)?;
        read(value.get_ref())
            .map_err(|problem| self.complain(key, &problem, accepted))
            .ok()
    }

    /// As [`Section::optional`], with a complaint where the key is missing.
    pub fn required<T>(
        &self,
        key: &'static str,
        accepted: &str,
        read: impl FnOnce(&DeValue<'_>) -> Result<T, Refusal>,
    ) -> Option<T> {
        if self.table.is_some() && !self.has(key) {
            self.note(key, None, self.offset, Problem::Missing, accepted);
        }
        self.optional(key, accepted, read)
    }

    /// The table under `key`; an empty section where there is none.
    pub fn section(&self, key: &'static str) -> Section<'a> {
        let (mut table, mut offset) = (None, self.offset);
        if let Some(value) = self.ask(key) {
            offset = value.span().start;
            table = value.get_ref().as_table();
            if table.is_none() {
                let problem = format!("is {}", kind_of(value.get_ref()));
                self.complain(key, &problem, &format!("a section headed [{key}]"));
            }
        }
        self.report.open(self.place_of(key), table, offset)
    }

    /// The table under `key`, written in place; `accepted` says what such a table looks like.
    pub fn inline(&self, key: &'static str, accepted: &str) -> Option<Section<'a>> {
        let value = self.ask(key)?;
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.complain(key, &format!("is {}", kind_of(value.get_ref())), accepted);
        }
        let offset = value.span().start;
        Some(self.report.open(self.place_of(key), Some(table?), offset))
    }

    /// The list of tables under `key`, each called `word` and its id or position. `accepted` says
    /// what such a list looks like.
    pub fn sections(
        &self,
        key: &'static str,
        word: &str,
        accepted: &str,
    ) -> Option<Vec<Section<'a>>> {
        let value = self.ask(key)?;
        let Some(list) = value.get_ref().as_array() else {
            self.complain(key, &format!("is {}", kind_of(value.get_ref())), accepted);
            return None;
        };
        let mut sections = Vec::new();
        for (index, item) in list.iter().enumerate() {
            let Some(table) = item.get_ref().as_table() else {
                let problem = Problem::Value(format!("is {}", kind_of(item.get_ref())));
                let value = render::value(key, item.get_ref());
                self.note(key, value, item.span().start, problem, accepted);
                continue;
            };
            let name = match id_of(table) {
                Some(id) => format!("{word} \"{id}\""),
                None => format!("{word} {}", index + 1),
            };
            let offset = item.span().start;
            sections.push(self.report.open(self.place_of(&name), Some(table), offset));
        }
        Some(sections)
    }

    /// Notes a complaint about a known key; about the whole section where the key is missing.
    pub fn complain(&self, key: &str, problem: &str, accepted: &str) {
        let value = self
            .value(key)
            .and_then(|value| render::value(key, value.get_ref()));
        let problem = Problem::Value(problem.to_owned());
        self.note(key, value, self.offset_of(key), problem, accepted);
    }

    /// Notes what is odd, but no reason to refuse the file.
    pub fn warn(&self, key: &str, sentence: &str) {
        let offset = self.offset_of(key);
        let (file, line) = (self.report.file.display(), self.report.line(offset));
        let place = if self.place.is_empty() {
            String::new()
        } else {
            format!("{}: ", self.place)
        };
        let warning = format!("{file}:{line}: {place}{sentence}");
        self.report.warnings.borrow_mut().push((offset, warning));
    }

    /// Complains about every key that was not asked for. `elsewhere` may know where such a key
    /// belongs instead.
    pub fn finish(&self, elsewhere: impl Fn(&str) -> Option<String>) {
        let asked = self.asked.borrow();
        let accepted = asked.join(", ");
        for (key, value) in self.table.into_iter().flat_map(|table| table.iter()) {
            let name = key.get_ref().as_ref();
            if asked.contains(&name) {
                continue;
            }
            let problem = match elsewhere(name) {
                Some(problem) => Problem::Value(problem),
                None => Problem::Unknown {
                    hint: hint(name, &asked),
                },
            };
            let value = render::value(name, value.get_ref());
            self.note(name, value, key.span().start, problem, &accepted);
        }
    }

    /// Lets a key pass without reading it.
    pub fn pass(&self, key: &'static str) {
        self.ask(key);
    }

    /// Whether the key is in the file, well or badly written.
    pub fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    /// The line of the key, or of the section where the key is missing.
    pub fn line_of(&self, key: &str) -> usize {
        self.report.line(self.offset_of(key))
    }

    /// How people are told where they are: `source "laptop"`.
    pub fn place(&self) -> &str {
        &self.place
    }

    fn ask(&self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        let mut asked = self.asked.borrow_mut();
        if !asked.contains(&key) {
            asked.push(key);
        }
        self.value(key)
    }

    fn value(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.table.and_then(|table| table.get(key))
    }

    fn offset_of(&self, key: &str) -> usize {
        self.table
            .and_then(|table| table.get_key_value(key))
            .map_or(self.offset, |(key, _)| key.span().start)
    }

    fn place_of(&self, inner: &str) -> String {
        if self.place.is_empty() {
            inner.to_owned()
        } else {
            format!("{}, {inner}", self.place)
        }
    }

    fn note(
        &self,
        key: &str,
        value: Option<String>,
        offset: usize,
        problem: Problem,
        accepted: &str,
    ) {
        self.report.complaints.borrow_mut().push(Complaint {
            file: self.report.file.to_owned(),
            line: Some(self.report.line(offset)),
            place: self.place.clone(),
            key: key.to_owned(),
            value,
            problem,
            accepted: accepted.to_owned(),
            offset,
        });
    }
}

/// The id of a table, if it is fit to be shown. All ids follow one rule.
fn id_of<'a>(table: &'a DeTable<'_>) -> Option<&'a str> {
    let id = table.get("id")?.get_ref().as_str()?;
    id.parse::<SourceId>().ok().map(|_| id)
}

/// What may have been meant by an unknown key.
fn hint(key: &str, asked: &[&'static str]) -> Option<String> {
    let file = asked
        .iter()
        .find(|known| ["key_file", "password_file"].contains(known));
    if let Some(file) = file.filter(|_| is_secret_name(key)) {
        return Some(format!("secrets come from files: {file}"));
    }
    asked
        .iter()
        .map(|known| (distance(key, known), known))
        .filter(|(distance, known)| *distance <= 2 && *distance < known.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| format!("did you mean \"{known}\"?"))
}

/// How many letters must be changed, added or removed to make one word the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in to.iter().enumerate() {
            let swapped = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = swapped.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_of_words_counts_changed_letters() {
        assert_eq!(distance("", "uri"), 3);
        assert_eq!(distance("uri", "uri"), 0);
        assert_eq!(distance("url", "uri"), 1);
        assert_eq!(distance("framrate", "framerate"), 1);
        assert_eq!(distance("colour", "color"), 1);
        assert_eq!(distance("bitrate", "video_bitrate"), 6);
    }
}
