//! The card in a terminal.

use std::fmt::Write;

use super::Card;

/// White on black, and back again.
const COLOURED: &str = "\u{1b}[97;40m";
const PLAIN: &str = "\u{1b}[0m";

pub fn write(card: &Card<'_>, coloured: bool) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = try_write(&mut text, card, coloured);
    text
}

fn try_write(text: &mut String, card: &Card<'_>, coloured: bool) -> std::fmt::Result {
    let tongue = card.tongue;
    writeln!(text, "{} · {}", card.title(), card.invitation.venue)?;
    if let Some(obs) = card.obs() {
        let where_to = tongue.tr("In OBS: Settings → Stream");
        writeln!(text, "\n{where_to}")?;
        let width = obs.iter().map(|(word, _)| word.chars().count()).max();
        for (word, value) in obs {
            writeln!(
                text,
                "  {word:<width$}  {value}",
                width = width.unwrap_or(0)
            )?;
        }
    }
    writeln!(text, "\n{}", tongue.tr("With one field for the address"))?;
    for (word, url) in &card.routes.all {
        writeln!(text, "  {word:<5}  {url}")?;
    }
    writeln!(text, "\n{}", tongue.tr("With ffmpeg"))?;
    writeln!(text, "  {}\n", card.routes.ffmpeg)?;
    for note in card.notes() {
        writeln!(text, "{note}")?;
    }
    if let (Some(code), Some(best)) = (card.code_in_blocks(), card.routes.best()) {
        writeln!(text)?;
        for line in code.lines() {
            if coloured {
                writeln!(text, "{COLOURED}{line}{PLAIN}")?;
            } else {
                writeln!(text, "{line}")?;
            }
        }
        writeln!(text, "{best}")?;
    }
    Ok(())
}
