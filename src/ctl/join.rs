//! `regie ctl join`: the card, on the terminal or as a page.

use std::io::{IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::cli::{Language, Verb};
use crate::control::client::AskError;
use crate::join::Card;
use crate::model::Invitation;
use crate::tongue::Tongue;

/// Prints what was asked for. A page that cannot be written is the result.
pub fn print(
    invitation: &Invitation,
    verb: &Verb,
    out: &mut impl Write,
) -> Result<Option<String>, AskError> {
    let Verb::Join { html, lang, .. } = verb else {
        // Nobody else asks for one.
        return Ok(None);
    };
    let of_venue = || invitation.language.as_deref().and_then(Tongue::parse);
    let tongue = match lang {
        Some(Language::En) => Tongue::English,
        Some(Language::Fr) => Tongue::French,
        None => of_venue().unwrap_or_else(Tongue::of_locale),
    };
    let card = Card::new(invitation, tongue);
    let text = match html.as_deref() {
        None => card.text(std::io::stdout().is_terminal()),
        Some(path) if path == Path::new("-") => card.html(),
        Some(path) => {
            let written = write_page(path, &card.html());
            return Ok(written
                .err()
                .map(|error| format!("{} cannot be written: {error}", path.display())));
        }
    };
    out.write_all(text.as_bytes()).map_err(AskError::Output)?;
    Ok(None)
}

/// The key is on it: nobody else on this machine reads it.
fn write_page(path: &Path, page: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)?.write_all(page.as_bytes())
}
