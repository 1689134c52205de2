//! The card on paper: one page of A4, with all that it shows in the one file.

use std::fmt::Write;

use super::Card;

const STYLE: &str = include_str!("../../ui/join.css");

pub fn write(card: &Card<'_>) -> String {
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = try_write(&mut page, card);
    page
}

fn try_write(page: &mut String, card: &Card<'_>) -> std::fmt::Result {
    let tongue = card.tongue;
    let (title, venue) = (escaped(&card.title()), escaped(&card.invitation.venue));
    writeln!(
        page,
        "<!DOCTYPE html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <title>{title} · {venue}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>",
        tongue.code()
    )?;
    writeln!(page, "<header><h1>{title}</h1><p>{venue}</p></header>")?;
    if let Some(obs) = card.obs() {
        let where_to = escaped(tongue.tr("In OBS: Settings → Stream"));
        writeln!(page, "<h2>{where_to}</h2>\n<table class=\"obs\">")?;
        for (word, value) in obs {
            let (word, value) = (escaped(word), escaped(&value));
            writeln!(
                page,
                "<tr><th scope=\"row\">{word}</th><td>{value}</td></tr>"
            )?;
        }
        writeln!(page, "</table>")?;
    }
    let one_field = escaped(tongue.tr("With one field for the address"));
    writeln!(page, "<h2>{one_field}</h2>\n<table>")?;
    for (word, url) in &card.routes.all {
        let url = escaped(url);
        writeln!(page, "<tr><th scope=\"row\">{word}</th><td>{url}</td></tr>")?;
    }
    let ffmpeg = escaped(tongue.tr("With ffmpeg"));
    let command = escaped(&card.routes.ffmpeg);
    writeln!(page, "</table>\n<h2>{ffmpeg}</h2>\n<pre>{command}</pre>")?;
    writeln!(page, "<footer>")?;
    if let (Some(code), Some(best)) = (card.code_in_svg(), card.routes.best()) {
        let name = escaped(best);
        writeln!(
            page,
            "<figure role=\"img\" aria-label=\"{name}\">{code}</figure>"
        )?;
    }
    writeln!(page, "<div>")?;
    for note in card.notes() {
        writeln!(page, "<p>{}</p>", escaped(&note))?;
    }
    writeln!(page, "</div>\n</footer>\n</body>\n</html>")
}

/// Text that means nothing to a browser.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}
