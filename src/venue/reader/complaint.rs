//! What is wrong with a venue file, as values and as text for people.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// One thing that is wrong in a venue file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The venue file.
    pub file: PathBuf,
    /// Counted from 1.
    pub line: Option<usize>,
    /// The section, in a list with its id or position: `source "laptop"`. Empty at the top level.
    pub place: String,
    /// The key.
    pub key: String,
    /// The value on one line, secrets masked; nothing where the key is missing or holds a table.
    pub value: Option<String>,
    /// What is wrong.
    pub problem: Problem,
    /// What would be right.
    pub accepted: String,
    /// Where in the file, to put complaints in order.
    pub(super) offset: usize,
}

/// What is wrong with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// The section has no such key.
    Unknown {
        /// What may have been meant.
        hint: Option<String>,
    },
    /// The key must be there, and is not.
    Missing,
    /// The value is not accepted; the rest of the sentence says why.
    Value(String),
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        if !self.place.is_empty() {
            write!(f, " {}:", self.place)?;
        }
        match &self.problem {
            // Quoted as Rust would: the file may use any text as a key.
            Problem::Unknown { .. } => write!(f, " unknown key {:?}", self.key)?,
            _ => write!(f, " {}", self.key)?,
        }
        if let Some(value) = &self.value {
            write!(f, " = {value}")?;
        }
        match &self.problem {
            Problem::Unknown { hint: Some(hint) } => write!(f, " ({hint})")?,
            Problem::Unknown { hint: None } => {}
            Problem::Missing => f.write_str(" is missing")?,
            Problem::Value(problem) => write!(f, " {problem}")?,
        }
        write!(f, "; accepted: {}", self.accepted)
    }
}

/// Why there is no venue. The text of the cause is part of the message, so it is not given again
/// as `source()`.
#[derive(Debug, thiserror::Error)]
pub enum VenueError {
    /// The file is not there, may not be read, or is not text.
    #[error("{}: cannot be read: {cause}", path.display())]
    Unreadable {
        /// The venue file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The file is not TOML.
    #[error("{}:{line}:{column}: {message}", path.display())]
    Syntax {
        /// The venue file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// In characters, counted from 1.
        column: usize,
        /// What the parser said; it never quotes values.
        message: String,
    },
    /// The file is TOML, but not a venue.
    #[error("{}", lines(complaints))]
    Refused {
        /// The venue file.
        path: PathBuf,
        /// In the file's order; never empty.
        complaints: Vec<Complaint>,
    },
}

impl VenueError {
    /// On one line, for where there is no room for all: the first complaint, and how many more there are.
    pub fn first(&self) -> String {
        match self {
            Self::Refused { complaints, .. } => match &complaints[..] {
                [] => self.to_string(),
                [only] => only.to_string(),
                [first, rest @ ..] => format!("{first} (and {} more)", rest.len()),
            },
            _ => self.to_string(),
        }
    }

    /// The parser's complaint, with its place in `text`.
    pub(in crate::venue) fn syntax(path: PathBuf, text: &str, error: &toml::de::Error) -> Self {
        let offset = error.span().map_or(0, |span| span.start);
        let (line, column) = position(text, offset);
        Self::Syntax {
            path,
            line,
            column,
            message: format!("is not TOML: {}", error.message()),
        }
    }
}

fn lines(complaints: &[Complaint]) -> String {
    let lines: Vec<String> = complaints.iter().map(Complaint::to_string).collect();
    lines.join("\n")
}

/// Line and column of a byte, both counted from 1. An offset past the end is the end.
pub(super) fn position(text: &str, offset: usize) -> (usize, usize) {
    let mut end = offset.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = &text[..end];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (
        before.matches('\n').count() + 1,
        before[line_start..].chars().count() + 1,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_counted_as_editors_count() {
        let text = "a\né = 1\n";
        assert_eq!(position(text, 0), (1, 1));
        assert_eq!(position(text, 2), (2, 1));
        assert_eq!(position(text, 3), (2, 1));
        assert_eq!(position(text, 4), (2, 2));
        assert_eq!(position(text, 99), (3, 1));
    }
}
